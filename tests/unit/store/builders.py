"""Small spans and batches for the tests of the store; every fact has a default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tradespan.core.delivery import Batch, Cursor, Origin, Slice
from tradespan.core.records import OPEN, Event, Failure, Frame, Kind, Lane, Resource, Site, Span
from tradespan.store.store import Store

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
NOON = 1_772_366_400 * SECOND
"""2026-03-01 12:00:00 UTC."""
FOLDER = "/var/lib/tradespan/run-1"

ERROR = 2
SERVER = 1 << 2
SAMPLED = 1 << 8


def make_site(
    number: int = 1,
    name: str = "decide",
    module: str = "momentum_bot.strategy",
    group: str = "strategy",
    parameters: tuple[str, ...] = ("symbol", "quantity"),
) -> Site:
    return Site(
        number=number,
        scope_name="tradespan",
        scope_version="0.1",
        name=name,
        attributes={
            "code.function.name": f"{module}.{name}",
            "code.line.number": 12,
            "tradespan.process_group": group,
        },
        parameters=parameters,
    )


DECIDE = make_site()
SUBMIT = make_site(2, "submit", "momentum_bot.execution", "execution", ("order",))
CHECK = make_site(3, "check_limits", "momentum_bot.risk", "risk", ("symbol",))
TRACER = Site(number=4, scope_name="opentelemetry.instrumentation.urllib")
SITES = {site.number: site for site in (DECIDE, SUBMIT, CHECK, TRACER)}

BOT = Resource({"service.name": "momentum-bot", "process.pid": 41})
EXCHANGE = Resource({"service.name": "exchange", "process.pid": 42})


def make_span(
    trace: int = 1,
    span: int = 1,
    parent: int = 0,
    *,
    start: int = 0,
    duration: int = MILLISECOND,
    site: Site = DECIDE,
    failed: bool = False,
    **facts: Any,
) -> Span:
    """A span of trace number `trace`; `start` counts from noon."""
    return Span(
        site=site.number,
        trace_id=trace.to_bytes(16, "big"),
        span_id=span,
        parent_id=parent,
        start=NOON + start,
        duration=duration,
        flags=facts.pop("flags", SAMPLED | (ERROR if failed else 0)),
        **facts,
    )


def make_open(trace: int = 1, span: int = 1, parent: int = 0, **facts: Any) -> Span:
    """The start of a span that is not over; facts as of `make_span`."""
    return make_span(trace, span, parent, duration=0, flags=SAMPLED | OPEN, **facts)


def trace_hex(trace: int) -> str:
    return f"{trace:032x}"


def make_exception(
    kind: str = "momentum_bot.errors.ExchangeTimeout",
    message: str = "no answer in 2.0 s",
    time: int = 0,
) -> Event:
    frames = [Frame("/srv/bot/execution.py", 31, "submit"), Frame("/srv/bot/venue.py", 7, "send")]
    return Event("exception", NOON + time, {}, Failure(kind, message, frames))


def make_batch(
    spans: Sequence[Span],
    *,
    resource: Resource = BOT,
    sites: Mapping[int, Site] = SITES,
    segment: str = "0001.spans",
    end: int = 4096,
    folder: str = FOLDER,
    ahead: Cursor | None = None,
) -> Batch[Span]:
    origin = Origin("a" * 32, Lane.ORDINARY, resource)
    ahead = Cursor({segment: end}, len(spans)) if ahead is None else ahead
    return Batch(folder, Kind.SPAN, [Slice(origin, sites, list(spans), segment, end)], ahead)


def insert(store: Store, *spans: Span, resource: Resource = BOT) -> int:
    """Insert spans as one batch; the cursor follows."""
    batch = make_batch(spans, resource=resource)
    return store.insert(batch, batch.ahead)


def new_store(folder: Path, *spans: Span) -> Store:
    store = Store.open(folder / "store.db")
    if spans:
        insert(store, *spans)
    return store
