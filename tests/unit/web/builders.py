"""Spans as the store gives them; every fact has a default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tradespan.store.rows import SpanDetail

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
NOON = 1_772_366_400 * SECOND
"""2026-03-01 12:00:00 UTC."""
TRACE = "0123456789abcdef" * 2


@dataclass
class SteppingClock:
    """Stands still until a test moves it."""

    now: int = NOON

    def wall(self) -> int:
        return self.now

    def monotonic(self) -> int:
        return self.now


def make_span(
    span: str,
    parent: str = "",
    start: float = 0,
    end: float = 0,
    *,
    name: str = "",
    **facts: Any,
) -> SpanDetail:
    """A span; `start` and `end` in milliseconds from noon."""
    base: dict[str, Any] = {
        "trace_id": TRACE,
        "span_id": span,
        "parent_id": parent,
        "name": name or f"bot.{span}",
        "process": name or f"bot.{span}",
        "group": "strategy",
        "service": "momentum-bot",
        "kind": "INTERNAL",
        "start": NOON + round(start * MILLISECOND),
        "duration": round((end - start) * MILLISECOND),
        "status": "UNSET",
        "status_message": "",
        "attributes": {},
        "events": [],
        "links": [],
        "resource": {"service.name": "momentum-bot"},
        "scope": "tradespan 0.1.0",
    }
    return SpanDetail(**(base | facts))
