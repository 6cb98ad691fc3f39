"""What goes into a query of the store and what comes out of it: plain frozen data.

All times are integer nanoseconds UTC, all durations integer nanoseconds, all ids lower-case hex.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from tradespan.core.records import AttributeValue, SourceFile


@dataclass(frozen=True, slots=True)
class TraceFilter:
    """Which traces to list; what is given must all hold (AND)."""

    since: int | None = None
    """Nanoseconds UTC, inclusive: of the trace's start."""
    until: int | None = None
    """Nanoseconds UTC, exclusive."""
    errors: bool = False
    """Only traces in which a span failed."""
    name: str | None = None
    """A regular expression, searched in the names of all spans and of their functions."""
    text: str = ""
    """The search box: see `store/filters.py` for its language."""
    group: str | None = None
    """A process group: traces in which one of its functions ran."""
    service: str | None = None
    """A service: traces in which it took part."""
    minimum_duration: int | None = None
    """Nanoseconds, inclusive; of a trace that runs, what is known of it."""
    maximum_duration: int | None = None
    """Nanoseconds, inclusive."""
    limit: int = 50
    before: tuple[int, int] | None = None
    """`TracePage.next` of the page before: (start, row id) of its last row."""


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One trace of a list. Its root is its earliest span whose parent is not in the store."""

    row_id: int
    trace_id: str
    """32 hex digits."""
    span_id: str
    """The root's, 16 hex digits."""
    name: str
    """The root span's name."""
    process: str
    """`module.function` of the root span."""
    group: str
    """The root's process group; empty if it has none."""
    service: str
    start: int
    """Start of the earliest span."""
    duration: int
    """From the earliest span's start to the latest moment known; see `running`."""
    status: str
    """`ERR` if any span failed, else `RUNNING` if one has no end yet, else `OK`."""
    spans: int
    errors: int
    """Spans that failed."""
    data: str
    """The root's arguments, shortened: `symbol='AAPL' quantity=300 +2`."""
    exception: str
    """The first exception of the trace, on one line: `ExchangeTimeout: no answer in 2.0 s`."""
    running: int = 0
    """Spans that have begun and have no end yet; of one whose process died none will come."""


@dataclass(frozen=True, slots=True)
class TracePage:
    """Traces, newest first."""

    rows: list[TraceRow]
    next: tuple[int, int] | None
    """For `TraceFilter.before`; None on the last page."""
    total: int
    """How many traces match, on all pages together."""
    capped: bool = False
    """Counting stopped early: there are at least `total`."""


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something at one moment of a span; an exception has `exception.*` attributes."""

    name: str
    time: int
    attributes: dict[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class SpanLink:
    """A pointer to a span of this or another trace."""

    trace_id: str
    span_id: str
    attributes: dict[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class SpanDetail:
    """Everything of one span, ready to show."""

    trace_id: str
    span_id: str
    parent_id: str
    """Empty for a root; the parent need not be in the store."""
    name: str
    process: str
    """`module.function`."""
    group: str
    service: str
    kind: str
    """OpenTelemetry's: `INTERNAL`, `SERVER`, `CLIENT`, `PRODUCER`, `CONSUMER`."""
    start: int
    duration: int
    """0 while it runs."""
    status: str
    """`UNSET`, `OK` or `ERROR`."""
    status_message: str
    attributes: dict[str, AttributeValue]
    """Static facts of the function, captured arguments and result, and the span's own."""
    events: list[SpanEvent]
    links: list[SpanLink]
    resource: dict[str, AttributeValue]
    scope: str
    """Name of the instrumentation scope, with its version if it has one."""
    running: bool = False
    """It has begun, and its end is not in the store."""
    source: SourceFile | None = None
    """The file that defines the function, as it was; None: not known."""


@dataclass(frozen=True, slots=True)
class StoreSummary:
    """What is in a store, without a scan."""

    spans: int
    traces: int
    errors: int
    """Spans that failed."""
    running: int
    """Spans without an end."""
    first: int | None
    """Start of the earliest trace; None in an empty store."""
    last: int | None
    """End of the latest span; None in an empty store."""
    services: list[str]


Ageing = TypeVar("Ageing", TraceRow, SpanDetail)


def age(item: Ageing, now: int) -> Ageing:
    """The same, but what runs has lasted until `now` (nanoseconds UTC)."""
    if not item.running:
        return item
    return replace(item, duration=max(now - item.start, item.duration))
