"""Marks, flows and returns as a tracker of risk takes them, and what it refuses."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest

from demo_exchange.prices import load_weekly_closes
from tests.unit.signals.analytics.builders import close_to, tracker_of, walk
from tradespan.signals.analytics.risk import RiskTracker

# It ships no types.
empyrical: Any = importlib.import_module("empyrical")

CLOSES = load_weekly_closes().by_symbol
HOUR = 3_600_000_000_000


def test_each_mark_is_a_return() -> None:
    tracker = RiskTracker(minimum=2, window=200)
    closes = CLOSES["AAPL"]
    for week, close in enumerate(closes):
        assert tracker.mark(close, ts=week * 168 * HOUR)
    prices = pd.Series([float(close) for close in closes])
    returns = prices.pct_change().dropna()
    assert tracker.observations == len(closes) - 1
    assert tracker.value_at_risk(0.95) == close_to(-empyrical.value_at_risk(returns, 0.05))
    assert tracker.returns_over["7d"] == close_to(returns.iloc[-1])


@pytest.mark.parametrize("period", [86_400, lambda ts: ts // (24 * HOUR)])
def test_the_last_marks_of_days_are_the_daily_returns(period: Any) -> None:
    tracker = RiskTracker(minimum=2, period=period)
    random, equity, closes = Random(3), 1000.0, dict[int, float]()
    ts = 5 * HOUR
    while ts < 24 * HOUR * 40:
        equity *= 1 + random.gauss(0, 0.01)
        tracker.mark(equity, ts=ts)
        closes[ts // (24 * HOUR)] = equity
        ts += random.randrange(HOUR, 40 * HOUR)
    returns = pd.Series(list(closes.values())).pct_change().dropna()
    assert tracker.observations == len(returns) - 1  # the last day is not over
    expected = empyrical.value_at_risk(returns.iloc[:-1], 0.05)
    assert tracker.value_at_risk(0.95) == close_to(-expected)


def test_deposits_and_withdrawals_are_no_returns() -> None:
    tracker = RiskTracker(minimum=1, window=10)
    tracker.flow(500, ts=0)  # before the first mark it is part of that
    tracker.mark(1000, ts=1)
    tracker.flow(Decimal(1000), ts=2)
    tracker.mark(2000, ts=3)
    tracker.flow(-1500, ts=4)
    tracker.mark(495, ts=5)
    assert tracker.value_at_risk(0.5) == close_to(0.005)
    assert tracker.expected_shortfall(0.99) == close_to(0.01)
    assert tracker.observations == 2


def test_a_late_mark_is_not_counted_and_an_equal_time_is() -> None:
    tracker = RiskTracker(minimum=1)
    assert tracker.mark(100, ts=10)
    assert not tracker.mark(50, ts=9)
    assert tracker.mark(110, ts=10)
    assert not tracker.record(0.5, ts=9)
    assert tracker.late == 2
    assert tracker.observations == 1
    assert tracker.value_at_risk(0.5) == close_to(-0.1)


def test_equity_at_zero_ends_a_return_and_begins_none() -> None:
    tracker = RiskTracker(minimum=1, window=9)
    for ts, equity in enumerate((100, -50, 20, 22)):
        tracker.mark(equity, ts=ts)
    assert tracker.undefined == 1
    assert tracker.observations == 2
    assert tracker.value_at_risk(0.99) == close_to(1.5 - 0.01 * 1.6)


# ── what is refused ─────────────────────────────────────────────────────────────────────────────

FEEDS: list[Callable[[RiskTracker, Any], object]] = [
    lambda tracker, value: tracker.mark(value, ts=1),
    lambda tracker, value: tracker.record(value, ts=1),
    lambda tracker, value: tracker.flow(value, ts=1),
]


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize(
    "wrong", [math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("Infinity"), 10**400]
)
def test_what_is_not_finite_is_refused(feed: Callable[..., object], wrong: Any) -> None:
    tracker = RiskTracker()
    with pytest.raises(ValueError, match=r"finite|beyond|float"):
        feed(tracker, wrong)
    assert tracker.observations == 0


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("wrong", [None, "0.01", b"1", True, [1], 1j, object()])
def test_what_is_no_number_is_refused(feed: Callable[..., object], wrong: Any) -> None:
    with pytest.raises(TypeError):
        feed(RiskTracker(), wrong)


@pytest.mark.parametrize("ts", [1.5, "now", None, True])
def test_a_time_is_integer_nanoseconds(ts: Any) -> None:
    for call in (RiskTracker().mark, RiskTracker().record, RiskTracker().flow):
        with pytest.raises(TypeError):
            call(0.1, ts=ts)


def test_numbers_of_other_kinds_are_numbers() -> None:
    tracker = RiskTracker(minimum=1)
    for ts, equity in enumerate((100, Decimal(101), np.float64(102.01), np.int64(103))):
        tracker.mark(equity, ts=np.int64(ts))  # type: ignore[arg-type] # an integer all the same
    assert tracker.observations == 3


@pytest.mark.parametrize(
    "definition",
    [
        {"window": 0}, {"window": 1_000_001}, {"ewma_decay": 0}, {"ewma_decay": 1},
        {"ewma_decay": math.nan}, {"mean": "median"}, {"ddof": -1}, {"minimum": 0},
        {"interpolation": "cubic"}, {"shortfall": "worst"}, {"age_decay": 1.1},
        {"period": 0}, {"period": 1e-10}, {"periods_per_year": 0}, {"periods_per_year": -252},
    ],
)  # fmt: skip
def test_a_definition_out_of_its_range_is_refused(definition: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(definition)).replace("_", ".")):
        RiskTracker(**definition)


def test_a_level_a_method_and_a_horizon_have_to_be_some() -> None:
    tracker = tracker_of(walk(1, 30))
    for level in (0, 1, 95, -0.5, math.nan, 1e-20):
        with pytest.raises(ValueError, match="level"):
            tracker.value_at_risk(level)
    with pytest.raises(ValueError, match="no method 'garch'"):
        tracker.expected_shortfall(0.95, "garch")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="periods"):
        tracker.value_at_risk(0.95, periods=0)


def test_a_function_of_the_time_that_raises_leaves_the_tracker_as_it_was() -> None:
    def session(ts: int) -> int:
        if ts == 2:
            raise KeyError("no session")
        return ts

    tracker = RiskTracker(minimum=1, period=session)
    tracker.mark(100, ts=1)
    with pytest.raises(KeyError):
        tracker.mark(1, ts=2)
    tracker.mark(100, ts=3)
    tracker.mark(100, ts=4)
    assert tracker.value_at_risk() == 0
