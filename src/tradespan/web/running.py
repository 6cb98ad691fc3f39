"""How far what runs is drawn. Its age can be out of all proportion to what there is to see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tradespan.store.rows import SpanDetail


def measure_drawn(spans: Sequence[SpanDetail]) -> int:
    """Nanoseconds from the earliest start to the moment up to which a trace is drawn.

    Until now where a span runs, but what is known fills half of that at least: a call that a crash
    left open days ago must not flatten the milliseconds before it.

    Args:
        spans: At least one; those that run as long as they have lasted (`store.rows.age`).
    """
    start = min(span.start for span in spans)
    known = max(span.start + (0 if span.running else span.duration) for span in spans) - start
    lasted = measure_lasted(spans)
    return min(lasted, 2 * known) if known else lasted


def measure_lasted(spans: Sequence[SpanDetail]) -> int:
    """Nanoseconds from the earliest start to the latest end, or now where a span runs."""
    start = min(span.start for span in spans)
    return max(span.start + span.duration for span in spans) - start


def cut_running(spans: Sequence[SpanDetail]) -> list[SpanDetail]:
    """The spans with the durations that are drawn."""
    until = min(span.start for span in spans) + measure_drawn(spans)
    return [
        replace(span, duration=min(span.duration, until - span.start)) if span.running else span
        for span in spans
    ]
