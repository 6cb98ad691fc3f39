"""Small batches of spans; every fact has a default."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from tradespan.core.delivery import Batch, Origin, Slice
from tradespan.core.records import Kind, Lane, Resource, Site, Span

DECIDE = Site(
    number=1,
    scope_name="tradespan",
    scope_version="0.1",
    name="momentum_bot.strategy.decide",
    attributes={"code.line.number": 12},
    parameters=("symbol",),
)
BOT = Resource({"service.name": "momentum-bot", "process.pid": 41})
WRITER = "ab" * 16


def make_span(number: int = 1, **facts: Any) -> Span:
    """Span number `number` of trace 1."""
    given: dict[str, Any] = {
        "site": DECIDE.number,
        "trace_id": (1).to_bytes(16, "big"),
        "span_id": number,
        "parent_id": 0,
        "start": 1_772_366_400_000_000_000 + number,
        "duration": 1_000,
        "flags": 1 << 8,
        "arguments": ["AAPL"],
    }
    return Span(**{**given, **facts})


def make_batch(spans: int | Iterable[Span] = 1, folder: str = "/runs/1") -> Batch[Span]:
    """A batch of one slice: of so many plain spans, or of the ones given."""
    records = [make_span(n) for n in range(1, spans + 1)] if isinstance(spans, int) else list(spans)
    origin = Origin(WRITER, Lane.ORDINARY, BOT)
    return Batch(folder, Kind.SPAN, [Slice(origin, {1: DECIDE}, records, "segment", 96)])


class Pair(NamedTuple):
    """A certificate, signed by itself, and its key."""

    certificate: Path
    key: Path
