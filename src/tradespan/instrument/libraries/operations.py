"""A library's call as a span, on any provider; none of our errors leaves it.

Messages and tracebacks of exceptions are redacted before any provider sees them: the SDK would
write a signed address as it stands in the message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import msgspec
from opentelemetry.context import attach, get_current
from opentelemetry.trace import INVALID_SPAN, Link, SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace import Span as ApiSpan
from opentelemetry.util.types import AttributeValue

from tradespan.capture.failure import capture_failure, exception_name
from tradespan.core import guard
from tradespan.core.records import Failure
from tradespan.declare.names import TRADESPAN_ENDED_BY
from tradespan.instrument.context import leave
from tradespan.instrument.libraries.base import Telemetry
from tradespan.instrument.span import Span
from tradespan.wire.exceptions import exception_attributes

Attributes = Mapping[str, AttributeValue]
Scrub = Callable[[str], str]


class Operation:
    """A span that is current while a call of the library runs: `with Operation(…) as operation:`.

    For a coroutine, around one `await` of the library in a wrapper that is a coroutine itself;
    never in a generator, whose consumer would run under it. What leaves the block passes
    unchanged: an `Exception` fails the span, anything else (a cancelled task) only ends it.
    """

    __slots__ = (
        "_arguments",
        "_began",
        "_current",
        "_scrub",
        "_telemetry",
        "_token",
        "ended_by",
        "error_type",
        "seconds",
        "span",
    )

    def __init__(
        self,
        telemetry: Telemetry,
        name: str,
        attributes: Attributes | None = None,
        *,
        kind: SpanKind = SpanKind.CLIENT,
        links: Sequence[Link] = (),
        current: bool = True,
        scrub: Scrub = str,
    ) -> None:
        """`current=False`: what the call leaves running (tasks, callbacks) does not inherit it.

        `scrub`: takes secrets out of texts that only the library knows to be some.
        """
        self._telemetry = telemetry
        self._current = current
        self._scrub = scrub
        self._arguments = (name, kind, attributes, links)
        self._token: Any = None
        self._began = 0
        self.span: ApiSpan = INVALID_SPAN
        self.seconds = 0.0
        """How long it took; known once the block is left."""
        self.error_type: str | None = None
        """The class of what failed it, as `error.type` says it; known then too."""
        self.ended_by: str | None = None
        """The class of what ended it and is no error, such as `CancelledError`; known then too."""

    def __enter__(self) -> Self:
        with guard.guarded("beginning a library's span"):
            self._began = self._telemetry.clock.monotonic()
            name, kind, attributes, links = self._arguments
            self.span = self._telemetry.tracer.start_span(
                name, kind=kind, attributes=attributes, links=links
            )
            if self._current:
                self._token = attach(set_span_in_context(self.span, get_current()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        with guard.guarded("ending a library's span"):
            if self._token is not None:
                leave(self._token)
            self.seconds = (self._telemetry.clock.monotonic() - self._began) / 1e9
            if isinstance(error, Exception):
                self.error_type = exception_name(error)
                fail(self.span, error, self._scrub)
            elif error is not None:
                self.ended_by = type(error).__name__
                self.span.set_attribute(TRADESPAN_ENDED_BY, self.ended_by)
        with guard.guarded("ending a library's span"):
            self.span.end()

    def set(self, attributes: Attributes) -> None:
        """Set attributes of the span."""
        with guard.guarded("setting attributes"):
            self.span.set_attributes(attributes)

    def event(self, name: str, attributes: Attributes | None = None) -> None:
        """Add an event to the span."""
        with guard.guarded("adding an event"):
            self.span.add_event(name, attributes)


def fail(span: ApiSpan, error: BaseException, scrub: Scrub = str) -> None:
    """Record an exception that fails a span: event, status, `error.type`; redacted.

    `scrub`: what texts pass beside our own redaction.
    """
    if not span.is_recording():
        return
    kind = exception_name(error)
    span.set_attribute("error.type", kind)

    def capture(raised: BaseException) -> list[Any]:
        return _scrubbed(capture_failure(raised), scrub)

    if type(span) is Span:  # it renders later, in the agent
        span.record_failure(error, span.recorder.monotonic(), capture)
    else:
        failure = msgspec.convert(capture(error), Failure)
        span.add_event("exception", exception_attributes(failure))
        span.set_status(StatusCode.ERROR, f"{type(error).__name__}: {failure.message}")


def _scrubbed(failure: list[Any], scrub: Scrub) -> list[Any]:
    """The fields of a `Failure`, its messages and notes scrubbed, and those of what is in it."""
    if scrub is str:
        return failure
    fields = Failure.__struct_fields__
    for place, value in enumerate(failure):
        name = fields[place]
        if name == "message":
            failure[place] = scrub(value)
        elif name in ("cause", "context") and value is not None:
            failure[place] = _scrubbed(value, scrub)
        elif name == "members":
            failure[place] = [_scrubbed(member, scrub) for member in value]
        elif name == "notes":
            failure[place] = [scrub(note) for note in value]
    return failure
