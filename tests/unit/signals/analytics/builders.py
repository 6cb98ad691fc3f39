"""Trackers, and returns to fill them."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tradespan.signals.analytics.risk import RiskTracker


def tracker_of(returns: Any, **definition: Any) -> RiskTracker:
    tracker = RiskTracker(**{"minimum": 2, **definition})
    for ts, each in enumerate(returns):
        tracker.record(each, ts=ts)
    return tracker


def close_to(expected: float) -> Any:
    return pytest.approx(expected, rel=1e-12, abs=1e-15)


def walk(seed: int, count: int) -> list[float]:
    random = Random(seed)
    return [random.gauss(0.0005, 0.02) * random.choice((1, 1, 1, 3)) for _ in range(count)]
