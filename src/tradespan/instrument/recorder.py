"""From a finished span to its record: the last step in the bot's process.

A `Recorder` belongs to one process generation. What is decided once (clocks, the lanes' methods) is
bound here.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import INVALID_SPAN
from opentelemetry.trace import Span as ApiSpan

from tradespan.core import guard
from tradespan.core.clock import Clock, SystemClock, wall_offset
from tradespan.core.forks import after_fork_in_child
from tradespan.core.records import OPEN, Kind
from tradespan.instrument.counting import FunctionMeters
from tradespan.instrument.pen import SpanLimits
from tradespan.instrument.span import (
    ROOT_FLAGS,
    SAMPLED,
    UNKEPT,
    Span,
    skip_unwritten,
    write_above,
)
from tradespan.instrument.starter import make_starter
from tradespan.pages.flights import Flights
from tradespan.pages.metrics import MetricPage
from tradespan.spool.layout import PayloadTooLong
from tradespan.spool.writer import SpoolWriter
from tradespan.wire.codec import mend
from tradespan.wire.cut import cut_to_fit

if TYPE_CHECKING:
    from tradespan.instrument.parts import SdkParts

FinishPlain = Callable[[Span, int | None, Any], int | None]
FailPlain = Callable[[Span, int | None, Any, str, list[Any]], int | None]
_SPAN = int(Kind.SPAN)
_ERROR = 2


class Recorder:
    """Makes records of spans, for one process generation."""

    def __init__(
        self,
        spool: SpoolWriter,
        *,
        clock: Clock | None = None,
        limits: SpanLimits | None = None,
        anchor_interval: float = 1.0,
        upstream: ApiSpan = INVALID_SPAN,
        page: MetricPage | None = None,
        flights: Flights | None = None,
    ) -> None:
        """`anchor_interval`: seconds after which a new root looks at the wall clock again. `page`:
        where calls are counted; None: nowhere. `flights`: where it stands which of them run;
        likewise.
        """
        self.spool = spool
        self.clock: Clock = clock or SystemClock()
        self.limits = limits or SpanLimits()
        self.monotonic = self.clock.monotonic
        # An own generator: bots seed the global one, and their ids would repeat from run to run.
        self.bits: Callable[[int], int] = random.Random().getrandbits
        self.root_flags = ROOT_FLAGS
        self.parts: SdkParts | None = None
        """What the user brought of OpenTelemetry's SDK."""
        self.upstream = upstream
        """What a span without a parent continues: the process was started under it."""
        self.own_clock = own_clock = not isinstance(self.clock, SystemClock)
        """Whether the clock is another than the system's."""
        self.meters = FunctionMeters(page)
        self.look_up: Callable[[Any], tuple[Any, bool]] = self.meters.look_up
        self.cells_of: Callable[[Any], Any] = self.meters.cells_of
        """Where the calls of a function are counted; None if they are not."""
        self.starter = make_starter(self, self.monotonic, self.bits, own_clock=own_clock)
        self.starter.plain = True
        self.flights = self.starter.flights = flights
        self.plain_roots = self.starter.plain_roots = not upstream.get_span_context().is_valid
        self.begin = self.starter.begin
        """`Starter.begin`: the common ways in which a span begins."""
        self.anchor_interval = int(anchor_interval * 1e9)
        self.anchor()
        self.foreign_ends = 0
        """Spans of another process generation that were ended here."""
        self._ordinary = spool.ordinary.record
        self._error = spool.errors.record
        self.finish_plain: FinishPlain = self._count
        """Ends the span of a watched call, as `SpanLane.finish`."""
        self.fail_plain: FailPlain | None = None
        """Ends the span of a watched call that raised, as `SpanLane.fail`; None: `finish` does."""
        ordinary, errors = spool.ordinary.spans, spool.errors.spans
        if ordinary is not None and errors is not None and not own_clock:
            self.finish_plain = partial(ordinary.finish, _SPAN)
            if self.limits.events != 0:
                self.fail_plain = partial(errors.fail, _SPAN)

    def use(self, parts: SdkParts) -> None:
        """Ask and tell what the user brought, from now on: no span begins plain any more."""
        self.starter.plain = self.plain_roots = self.starter.plain_roots = False
        self.parts = parts
        self.bits, self.root_flags = parts.ids_or(self.bits, self.root_flags)
        if parts.processors is not None:
            self.finish = self._finish_and_tell  # type: ignore[method-assign]
            self.finish_plain = self._count
            self.fail_plain = None

    def _finish_and_tell(self, span: Span, end: int) -> None:
        Recorder.finish(self, span, end)
        if self.parts is not None:
            self.parts.on_end(span, self.spool.identity)

    def anchor(self) -> None:
        """Compare the two clocks anew. Children keep their root's offset."""
        self.offset = self.starter.offset = wall_offset(self.clock)
        self.anchor_until = self.monotonic() + self.anchor_interval
        self.starter.anchor_until = self.anchor_until

    def _count(self, span: Span, ended: int | None, cells: Any) -> int | None:
        """`finish_plain` where the lane cannot read spans: the record is left to `finish`."""
        if ended is None:
            ended = self.monotonic()
        if cells is not None:
            cells.record(ended - span.began)
        return ended if span.ended is None else None

    def finish(self, span: Span, end: int) -> None:
        """End a span and write its record; `end` is a reading of the monotonic clock."""
        span.ended = end
        try:
            extras = span.extras
            if extras is not None:
                if extras.unwritten:
                    return
                if span.flags & UNKEPT and span.flags & 3 != _ERROR:
                    skip_unwritten(span, extras)
                    return
                if extras.above is not None or span.flags & UNKEPT:
                    write_above(span, extras)
            began = span.began
            self._write(span, all_fields(span, end - began if end > began else 0))
        except Exception as error:  # noqa: BLE001 - the host comes first
            self._give_up(span, error)
        finally:
            if span.flights is not None:
                span.flights.leave(span)

    def tell(self, span: Span, parent: Any) -> None:
        """A span runs that has begun otherwise than by `begin`, under whatever parent."""
        if self.flights is None or (type(parent) is Span and parent.recorder is self):
            return
        if span.extras is None or not span.extras.unwritten:
            self.flights.enter(span, False)

    def announce(self, span: Span) -> None:
        """Write that a span has begun: for who looks while it runs, or after it was killed."""
        try:
            if span.extras is not None:
                if span.extras.unwritten or not span.flags & SAMPLED:
                    return
                write_above(span, span.extras)
            fields = all_fields(span, 0)
            self._write(span, (*fields[:6], span.flags | OPEN, *fields[7:]))
            if self.flights is not None:
                self.flights.enter(span, True)
        except Exception as error:  # noqa: BLE001 - the host comes first
            self._give_up(span, error)

    def _write(self, span: Span, fields: tuple[Any, ...]) -> None:
        record = self._error if span.flags & 3 == _ERROR else self._ordinary
        try:
            record(_SPAN, span.site, fields)
        except (PayloadTooLong, UnicodeEncodeError, OverflowError):
            # Over 1 MiB, a text without UTF-8, a number over 64 bits: rare, and kept.
            record(_SPAN, span.site, tuple(cut_to_fit(mend(fields))))

    def _give_up(self, span: Span, error: Exception) -> None:
        lane = self.spool.errors if span.flags & 3 == _ERROR else self.spool.ordinary
        lane.count_discarded("unencodable")
        if not isinstance(error, RecursionError):  # no depth left for a report, either
            guard.report("recording a span", error)

    def successor(self) -> Recorder:
        """The recorder of a forked child: same spool, which has its own segments there."""
        fresh = Recorder(
            self.spool,
            clock=self.clock,
            limits=self.limits,
            anchor_interval=self.anchor_interval / 1e9,
            upstream=self.upstream,
            page=self.meters.page,
            flights=self.flights,
        )
        fresh.meters.on_made = self.meters.on_made

        if self.parts is not None:
            fresh.use(self.parts)

        def ignore(_span: Span, _end: int | None, _cells: Any = None) -> None:
            fresh.foreign_ends += 1

        self.finish = ignore  # type: ignore[method-assign, assignment]
        self.finish_plain = ignore
        self.fail_plain = None
        self.cells_of = lambda _plan: None
        self.look_up = lambda _plan: (None, True)
        return fresh


def all_fields(span: Span, duration: int) -> tuple[Any, ...]:
    """The fields of `core.records.Span`, but for trailing ones that it does not have."""
    site, trace_key, span_id, parent_id = span.site, span.trace_key, span.span_id, span.parent_id
    start, flags, held = span.began + span.offset, span.flags, span.held
    extras = span.extras
    if extras is not None:
        return (
            site,
            trace_key,
            span_id,
            parent_id,
            start,
            duration,
            flags,
            span.name_set,
            held,
            span.arguments,
            span.result,
            extras.status_message,
            extras.events,
            extras.links,
            extras.trace_state.to_header() if extras.trace_state else "",
            (extras.dropped_attributes, extras.dropped_events, extras.dropped_links),
        )
    fields = (site, trace_key, span_id, parent_id, start, duration, flags)
    if span.result is None and span.arguments is None and span.name_set is None:
        return fields if held is None else (*fields, None, held)
    return (*fields, span.name_set, held, span.arguments, span.result)


class RecorderSlot:
    """Where the recorder in force stands; empty until tradespan is configured.

    Wrappers and tracers look here at each call, so that configuring, disabling and forking reach
    every function that was wrapped before.
    """

    __slots__ = ("__weakref__", "recorder")

    def __init__(self) -> None:
        self.recorder: Recorder | None = None
        after_fork_in_child(self._after_fork)

    def _after_fork(self) -> None:
        if self.recorder is not None:
            self.recorder = self.recorder.successor()


SLOT = RecorderSlot()
"""The process's own: `@monitor`, regex instrumentation and the configured provider share it."""
