"""The performance's set: a tracker's figures as metrics."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import pytest

from tests.unit.signals.sets.conftest import Values
from tradespan.core import guard
from tradespan.declare.instruments import INSTRUMENTS
from tradespan.signals.analytics.performance import PerformanceTracker
from tradespan.signals.sets.switch import Sets

DAY = 86_400_000_000_000
MONDAY = 4 * DAY


@pytest.fixture
def tracker() -> PerformanceTracker:
    """Three days of an account, and three trades."""
    tracker = PerformanceTracker(
        starting_equity=Decimal(1_000), window=2, periods_per_year=252, risk_free=0.0
    )
    days: tuple[tuple[Decimal, Decimal], ...] = (
        (Decimal(100), Decimal(1_100)),
        (Decimal(-50), Decimal(1_045)),
        (Decimal(5), Decimal(1_050)),
    )
    for number, (pnl, equity) in enumerate(days):
        tracker.trade(pnl, ts=MONDAY + number * DAY)
        tracker.mark(equity, ts=MONDAY + number * DAY)
    return tracker


def test_figures_are_told_for_the_window_and_for_the_run(
    sets: Sets, values: Values, tracker: PerformanceTracker
) -> None:
    sets.performance.update(tracker, currency="EUR", account="main", strategy="momentum")
    who = ("momentum",)
    found = values.of("trading.performance.trades")
    assert found == {("main", "run", *who): 3, ("main", "window", *who): 2}
    assert values.of("trading.performance.pnl") == {
        ("main", "EUR", "run", *who): 55,
        ("main", "EUR", "window", *who): -45,
        ("main", "EUR", "day", *who): 5,
        ("main", "EUR", "week", *who): 55,
    }
    assert values.of("trading.performance.win_rate") == {
        ("main", "run", *who): 2 / 3,
        ("main", "window", *who): 0.5,
    }
    assert values.of("trading.performance.sharpe_ratio")["main", "run", *who] == tracker.sharpe
    assert values.of("trading.performance.peak") == {("main", "EUR", *who): 1_100}
    drawdowns = values.of("trading.risk.drawdown")
    assert drawdowns["main", "maximum", *who] == tracker.drawdown.maximum
    assert {span for _, span, _ in drawdowns} == {"current", "maximum", "daily", "weekly"}


def test_what_is_undefined_is_absent(sets: Sets, values: Values) -> None:
    sets.performance.update(PerformanceTracker(), currency="USD")
    told = {name for name in INSTRUMENTS if name in values}
    counts = ("trades", "consecutive_wins", "consecutive_losses", "longest_wins", "longest_losses")
    assert told == {f"trading.performance.{name}" for name in counts}


def test_what_is_undefined_again_is_told_no_more(sets: Sets, values: Values) -> None:
    tracker = PerformanceTracker(window=2)
    for pnl in (2, -1):
        tracker.trade(pnl, ts=MONDAY)
    sets.performance.update(tracker, currency="USD")
    assert values.of("trading.performance.profit_factor") == {("run",): 2, ("window",): 2}
    for pnl in (3, 4):
        tracker.trade(pnl, ts=MONDAY)
    sets.performance.update(tracker, currency="USD")
    assert values.of("trading.performance.profit_factor") == {("run",): 9}


def test_nothing_of_it_reaches_the_trading_code(sets: Sets, values: Values) -> None:
    guard.raise_errors(strict=False)
    sets.performance.update(None, currency="USD")  # type: ignore[arg-type]
    sets.performance.update(PerformanceTracker(), currency=object())  # type: ignore[arg-type]
    assert "trading.performance.sharpe_ratio" not in values


def test_it_is_a_set_by_name(sets: Sets) -> None:
    assert sets("performance").on == ("performance",)


def test_sets_do_not_load_the_arithmetic() -> None:
    code = (
        "import sys; from tradespan.signals.sets.switch import sets; sets.performance;"
        "heavy = ('performance', 'portfolio', 'risk');"
        "print([name for name in sys.modules if name.startswith('tradespan.signals.analytics.')"
        " and name.endswith(heavy)])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
