"""Trackers that have been told something."""

from __future__ import annotations

from typing import Any

from tradespan.signals.analytics.amounts import Money
from tradespan.signals.analytics.performance import PerformanceTracker

DAY = 86_400_000_000_000
HOUR = DAY // 24
MONDAY = 4 * DAY
"""1970-01-05."""


def marked(*equities: Money, starting: Money | None = None, **more: Any) -> PerformanceTracker:
    """A tracker with a mark a day."""
    tracker = PerformanceTracker(starting_equity=starting, **{"periods_per_year": 252} | more)
    for number, equity in enumerate(equities):
        tracker.mark(equity, ts=MONDAY + number * DAY)
    return tracker


def traded(*profits: Money, **more: Any) -> PerformanceTracker:
    """A tracker with a trade an hour."""
    tracker = PerformanceTracker(**more)
    for number, pnl in enumerate(profits):
        tracker.trade(pnl, ts=MONDAY + number * HOUR)
    return tracker
