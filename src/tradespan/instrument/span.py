"""Our span: OpenTelemetry's public `Span`, lean.

One object with few attributes; names, attributes, events, links and the span context come into
being when first asked for. Writing is safe from several threads as far as Python's own dict and
list are; there is no lock per span.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from opentelemetry.trace import Span as ApiSpan
from opentelemetry.trace import (
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from tradespan.capture.attributes import (
    as_nanoseconds,
    as_text,
    clean_attribute,
    clean_attributes,
    clean_description,
    is_key,
)
from tradespan.capture.failure import capture_failure, exception_message
from tradespan.core import guard
from tradespan.instrument.context import Context, context_with
from tradespan.instrument.state import SpanState
from tradespan.wire.sites import SITES

logger = logging.getLogger("tradespan")

KIND_SHIFT, REMOTE_PARENT, FLAGS_SHIFT = 2, 0b10_0000, 8
UNKEPT = 0b100_0000
"""Not to be written unless it fails, or a span below it is written. Never in a record; a span that
has it has `Extras`."""
SAMPLED = TraceFlags.SAMPLED << FLAGS_SHIFT
ROOT_FLAGS = (TraceFlags.SAMPLED | TraceFlags.RANDOM_TRACE_ID) << FLAGS_SHIFT
KEPT_BITS = 0xFF << FLAGS_SHIFT
_STATUS = 0b11
_OK, _ERROR = StatusCode.OK.value, StatusCode.ERROR.value
_FINAL = (StatusCode.OK, StatusCode.ERROR)
_KINDS = tuple(SpanKind)


class Extras:
    """What few spans have. What was not set is the class's: each call that fails makes one."""

    record_errors = True
    fail_on_error = True
    status_message = ""
    events: list[Any] | None = None
    links: list[Any] | None = None
    trace_state: TraceState | None = None
    above: Span | None = None
    """The parent, where it was UNKEPT when this span began."""
    parent: SpanContext | None = None
    """The parent's, where span processors are to see it as it was."""
    untold = False
    """Span processors are not told of it: a sampler dropped it."""
    unwritten = False
    """Never written, not even if it fails: a strict sampler's word."""
    dropped_attributes = 0
    dropped_events = 0
    dropped_links = 0


def drop_oldest(held: dict[str, Any]) -> None:
    """Take out what was set first; other threads may set attributes meanwhile."""
    while held:
        try:
            held.pop(next(iter(held)), None)
        except (RuntimeError, StopIteration):
            continue
        break


def append_newest(items: list[Any], item: Any, most: int | None) -> int:
    """Append; at the limit the oldest goes, as in the SDK. Returns how many were dropped."""
    if most is None or len(items) < most:
        items.append(item)
        return 0
    if items:
        del items[0]
        items.append(item)
    return 1


def write_above(span: Span, extras: Extras) -> None:
    """A span is to be written: so are those above it that still run.

    One above it that is over and was not written is no parent: the next takes its place.
    """
    skip_unwritten(span, extras)
    span.flags &= ~UNKEPT
    above, extras.above = extras.above, None
    while above is not None and above.flags & UNKEPT:
        if above.ended is None:
            above.flags &= ~UNKEPT
        above = above.more().above


def skip_unwritten(span: Span, extras: Extras) -> None:
    """Hang a span that is over below the nearest one that was or may be written."""
    above = extras.above
    while above is not None and above.ended is not None and above.flags & UNKEPT:
        span.parent_id = above.parent_id
        span.flags |= above.flags & REMOTE_PARENT
        above = above.more().above
    extras.above = above


class Span(SpanState, ApiSpan):
    """A span that is being recorded. Made by `Tracer` and by the wrappers of watched functions."""

    __slots__ = ()

    def more(self) -> Extras:
        """The place for what few spans have."""
        if self.extras is None:
            self.extras = Extras()
        return self.extras

    def as_context(self) -> Context:
        """The context in which this is the current span (for `RuntimeContext`)."""
        return context_with(self, self.outer)

    # ── OpenTelemetry's Span ────────────────────────────────────────────────────────────────────

    def get_span_context(self) -> SpanContext:
        """The immutable identity that is propagated to others."""
        try:
            return self._context
        except AttributeError:
            if self.flags & UNKEPT and self.flags & SAMPLED and self.ended is None:
                # Somebody is told of it, another process perhaps: it has to be there.
                write_above(self, self.more())
            self._context = context = self.identity()
            return context

    def identity(self) -> SpanContext:
        """As `get_span_context()`, for ourselves: nobody else is told."""
        return SpanContext(
            int.from_bytes(self.trace_key, "big"),
            self.span_id,
            is_remote=False,
            trace_flags=TraceFlags(self.flags >> FLAGS_SHIFT & 0xFF),
            trace_state=self.extras.trace_state if self.extras is not None else None,
        )

    def is_recording(self) -> bool:
        """True until the span is ended."""
        return self.ended is None

    def set_attribute(self, key: str, value: Any) -> None:
        """Set one attribute; a value of a type that the API doesn't know becomes text."""
        if self.ended is not None:
            self._is_writable("set_attribute")
            return
        limits = self.recorder.limits
        most = limits.attributes
        if (type(key) is not str and not is_key(key)) or not key or most == 0:
            self.more().dropped_attributes += 1
            return
        key = key if type(key) is str else str.__str__(key)
        held = self.held
        if held is None:
            held = self.held = {}
        elif key in held:
            held.pop(key, None)  # set anew, it is the newest: at the limit the oldest goes
        elif most is not None and len(held) >= most:
            drop_oldest(held)
            self.more().dropped_attributes += 1
        held[key] = clean_attribute(key, value, limits.attribute_length)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        try:
            items = list(attributes.items())
        except BaseException as error:  # noqa: BLE001 - no mapping, or one of the user's that fails
            guard.report("span attributes", error)
        else:
            for key, value in items:
                self.set_attribute(key, value)

    def add_event(
        self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None
    ) -> None:
        """Add an event. `timestamp`: nanoseconds, UTC; now if left out."""
        if self._is_writable("add_event"):
            limits = self.recorder.limits
            kept, dropped = clean_attributes(
                attributes, limits.event_attributes, limits.nested_length
            )
            self._append_event([as_text(name), self._stamp(timestamp), kept, None, dropped])

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Add an `exception` event; its text is rendered by whoever reads the record."""
        if self._is_writable("record_exception"):
            limits = self.recorder.limits
            kept, dropped = clean_attributes(
                attributes, limits.event_attributes, limits.nested_length
            )
            try:
                failure = capture_failure(exception, escaped=bool(escaped))
            except BaseException as error:  # noqa: BLE001 - user code in an exception, or none
                guard.report("recording an exception", error)
                failure = [type(exception).__name__, "", [], None, None, [], bool(escaped)]
            self._append_event(["exception", self._stamp(timestamp), kept, failure, dropped])

    def _append_event(self, event: list[Any]) -> None:
        extras = self.more()
        if extras.events is None:
            extras.events = []
        dropped = append_newest(extras.events, event, self.recorder.limits.events)
        if dropped:
            extras.dropped_events += dropped

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        """Point to another span; an invalid context counts only if it brings something."""
        if self._is_writable("add_link"):
            try:
                self._append_link(context, attributes)
            except Exception as error:  # noqa: BLE001 - no span context, or ids out of range
                guard.report("span link", error)

    def _append_link(self, context: SpanContext, attributes: Mapping[str, Any] | None) -> None:
        if not context.is_valid and not attributes and not context.trace_state:
            return
        limits = self.recorder.limits
        kept, dropped = clean_attributes(attributes, limits.link_attributes, limits.nested_length)
        state = context.trace_state.to_header() if context.trace_state else ""
        trace_key, flags = context.trace_id.to_bytes(16, "big"), int(context.trace_flags)
        link = [trace_key, context.span_id, kept, state, flags, bool(context.is_remote), dropped]
        extras = self.more()
        if extras.links is None:
            extras.links = []
        extras.dropped_links += append_newest(extras.links, link, limits.links)

    def update_name(self, name: str) -> None:
        """Give the span another name."""
        if self._is_writable("update_name"):
            self.name_set = as_text(name)

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the status. OK is final, UNSET is ignored (trace specification, Set Status)."""
        if not self._is_writable("set_status"):
            return
        if isinstance(status, Status):
            code, description = status.status_code, status.description
        else:
            code = status
        if self.flags & _STATUS == _OK or code not in _FINAL:
            return
        self.flags = self.flags & ~_STATUS | code.value
        message = description if code is StatusCode.ERROR else None
        if message or self.extras is not None:
            self.more().status_message = clean_description(message or "")

    def end(self, end_time: int | None = None) -> None:
        """End the span and write its record. `end_time`: nanoseconds, UTC; now if left out."""
        given = as_nanoseconds(end_time)
        now = self.recorder.monotonic() if given is None else given - self.offset
        # No call between look and store: of two threads that end it, one does.
        if self.ended is not None:
            logger.warning("Calling end() on an ended span.")
            return
        self.ended = now
        self.recorder.finish(self, now)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        """End the span; an exception that passes is recorded first."""
        if exc_val is not None and self.ended is None:
            extras = self.extras
            if extras is None or extras.record_errors:
                self.record_exception(exc_val, escaped=True)
            if extras is None or extras.fail_on_error:
                self.fail(exc_val)
        self.end()

    def record_failure(
        self,
        error: BaseException,
        at: int,
        capture: Callable[[BaseException], list[Any]] = capture_failure,
    ) -> None:
        """An `exception` event, and status ERROR, for what a watched call raised.

        `at`: monotonic nanoseconds. `capture` gives the fields of `core.records.Failure`.
        """
        self.add_failure(*self.describe_failure(error, at, capture))

    def describe_failure(
        self, error: BaseException, at: int, capture: Callable[[BaseException], list[Any]]
    ) -> tuple[list[Any], str]:
        """The event of an exception, and the description of the status: `Type: message`."""
        try:
            failure = capture(error)
        except BaseException as broken:  # noqa: BLE001 - user code in an exception
            if not isinstance(broken, RecursionError):  # no depth left for a report, either
                guard.report("recording an exception", broken)
            failure = [type(error).__name__, "", [], None, None, [], True]
        event = ["exception", at + self.offset, {}, failure, 0]
        return event, f"{type(error).__name__}: {failure[1]}"

    def add_failure(self, event: list[Any], described: str) -> None:
        """Take the event in, and fail unless the status was set to OK."""
        self._append_event(event)
        if self.flags & _STATUS != _OK:
            self.flags = self.flags & ~_STATUS | _ERROR
            self.more().status_message = described

    def fail(self, error: BaseException) -> None:
        """Status ERROR, described as the SDK does: `Type: message`."""
        self.set_status(StatusCode.ERROR, f"{type(error).__name__}: {exception_message(error)}")

    def _is_writable(self, what: str) -> bool:
        if self.ended is None:
            return True
        logger.warning("%s() on an ended span is ignored.", what)
        return False

    def _stamp(self, timestamp: int | None) -> int:
        given = as_nanoseconds(timestamp)
        return self.recorder.monotonic() + self.offset if given is None else given

    # ── what other instrumentations look at, as on the SDK's span ───────────────────────────────

    @property
    def name(self) -> str:
        """The span's name."""
        return SITES.site(self.site).name if self.name_set is None else self.name_set

    @property
    def kind(self) -> SpanKind:
        """The span's kind."""
        return _KINDS[self.flags >> KIND_SHIFT & 0b111]

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes set on the span so far, its site's first."""
        return dict(SITES.site(self.site).attributes) | (self.held or {})

    @property
    def status(self) -> Status:
        """The status as it stands."""
        message = self.extras.status_message if self.extras is not None else ""
        return Status(StatusCode(self.flags & _STATUS), message or None)

    @property
    def start_time(self) -> int:
        """Nanoseconds, UTC."""
        return self.began + self.offset

    @property
    def end_time(self) -> int | None:
        """Nanoseconds, UTC; None while the span runs."""
        return None if self.ended is None else self.ended + self.offset

    @property
    def context(self) -> SpanContext:
        """As `get_span_context()`."""
        return self.get_span_context()

    @property
    def parent(self) -> SpanContext | None:
        """The parent's identity; None for a root."""
        if not self.parent_id:
            return None
        return SpanContext(
            int.from_bytes(self.trace_key, "big"),
            self.parent_id,
            is_remote=bool(self.flags & REMOTE_PARENT),
            trace_flags=TraceFlags(self.flags >> FLAGS_SHIFT & 0xFF),
        )

    def __repr__(self) -> str:
        return f"Span(name={self.name!r}, context={self.get_span_context()!r})"
