"""A library's call as a span, on any provider; none of our errors leaves it.

Messages and tracebacks of exceptions are redacted before any provider sees them: the SDK would
write a signed address as it stands in the message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import msgspec
from opentelemetry.context import attach, get_current
from opentelemetry.trace import INVALID_SPAN, Link, SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace import Span as ApiSpan
from opentelemetry.util.types import AttributeValue

from tradespan.core import guard
from tradespan.core.records import Failure
from tradespan.declare.names import TRADESPAN_ENDED_BY
from tradespan.instrument.capture.failure import (
    capture_failure,
    exception_message,
    exception_name,
)
from tradespan.instrument.context import leave
from tradespan.instrument.libraries.base import Telemetry
from tradespan.instrument.span import Span
from tradespan.wire.exceptions import exception_attributes

Attributes = Mapping[str, AttributeValue]


class Operation:
    """A span that is current while a call of the library runs: `with Operation(…) as operation:`.

    For a coroutine, around one `await` of the library in a wrapper that is a coroutine itself;
    never in a generator, whose consumer would run under it. What leaves the block passes
    unchanged: an `Exception` fails the span, anything else (a cancelled task) only ends it.
    """

    __slots__ = ("_arguments", "_began", "_telemetry", "_token", "error_type", "seconds", "span")

    def __init__(
        self,
        telemetry: Telemetry,
        name: str,
        attributes: Attributes | None = None,
        *,
        kind: SpanKind = SpanKind.CLIENT,
        links: Sequence[Link] = (),
    ) -> None:
        self._telemetry = telemetry
        self._arguments = (name, kind, attributes, links)
        self._token: Any = None
        self._began = 0
        self.span: ApiSpan = INVALID_SPAN
        self.seconds = 0.0
        """How long it took; known once the block is left."""
        self.error_type: str | None = None
        """The class of what failed it, as `error.type` says it; known then too."""

    def __enter__(self) -> Self:
        with guard.guarded("beginning a library's span"):
            self._began = self._telemetry.clock.monotonic()
            name, kind, attributes, links = self._arguments
            self.span = self._telemetry.tracer.start_span(
                name, kind=kind, attributes=attributes, links=links
            )
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
                fail(self.span, error)
            elif error is not None:
                self.span.set_attribute(TRADESPAN_ENDED_BY, type(error).__name__)
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


def fail(span: ApiSpan, error: BaseException) -> None:
    """Record an exception that fails a span: event, status, `error.type`; redacted."""
    if not span.is_recording():
        return
    if type(span) is Span:
        span.record_exception(error, escaped=True)  # redacts, and renders later
    else:
        failure = msgspec.convert(capture_failure(error), Failure)
        span.add_event("exception", exception_attributes(failure))
    span.set_attribute("error.type", exception_name(error))
    span.set_status(StatusCode.ERROR, f"{exception_name(error)}: {exception_message(error)}")
