"""Any sequence of trades, marks and flows gives what a recomputation from its beginning gives.

The model keeps every event. It works in fractions, with the value of one unit of the account: a
mark moves it by `equity / equity before`, a flow does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import groupby, pairwise
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.signals.analytics.libraries import empyrical
from tradespan.signals.analytics.performance import Figures, PerformanceTracker

HOUR = 3_600_000_000_000
WINDOW = 5
PERIODS = 252
Kind = Literal["trade", "mark", "flow"]


@dataclass(frozen=True)
class Event:
    kind: Kind
    amount: int
    ts: int


@dataclass
class Point:
    """The account after a mark or a flow."""

    ts: int
    equity: Fraction
    unit: Fraction
    marked: bool


@dataclass
class Model:
    starting: int | None
    nets: list[Event] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    latest: int = -1
    late: int = 0
    by_marks: bool = False
    at: int = -1
    """Of the last mark or flow."""

    def equity(self) -> Fraction | None:
        if self.points:
            return self.points[-1].equity
        return None if self.starting is None else Fraction(self.starting)

    def see(self, equity: Fraction, ts: int, *, marked: bool = True) -> None:
        before, unit = self.equity(), self.points[-1].unit if self.points else Fraction(1)
        if before is None:
            before = equity
        self.at = ts
        self.points.append(Point(ts, equity, unit * equity / before if marked else unit, marked))

    def tell(self, event: Event) -> None:
        """As the tracker's documentation has it."""
        if event.kind == "mark":
            self.mark(event)
        elif event.kind == "flow":
            before = self.equity()
            if before is not None:
                self.see(before + event.amount, event.ts, marked=False)
            self.at = event.ts
            self.latest = max(self.latest, event.ts)
        else:
            self.nets.append(event)
            self.latest = max(self.latest, event.ts)
            before = self.equity()
            if not self.by_marks and before is not None:
                self.see(before + event.amount, max(event.ts, self.at))

    def mark(self, event: Event) -> None:
        if event.ts < self.at:
            self.late += 1
            return
        self.by_marks = True
        self.latest = max(self.latest, event.ts)
        self.see(Fraction(event.amount), event.ts)

    def returns(self) -> list[tuple[date, float]]:
        """By session, from the units at the ends of those that have a mark."""
        ends = {day_of(each.ts): each.unit for each in self.points if each.marked}
        if self.starting is not None:
            ends = {date.min: Fraction(1)} | ends
        days = sorted(ends)
        return [(after, float(ends[after] / ends[before] - 1)) for before, after in pairwise(days)]

    def units(self) -> list[Fraction]:
        beginning = [Fraction(1)] if self.starting is not None else []
        return beginning + [each.unit for each in self.points]

    def below(self, begins: int) -> float | None:
        """The drawdown now, since a moment, with the unit that it began with."""
        units = self.units()
        if not units:
            return None
        within = [each.unit for each in self.points if each.ts >= begins]
        earlier = units[: len(units) - len(within)]
        highest = max(earlier[-1:] + within)
        return float(1 - units[-1] / highest)


def day_of(ts: int) -> date:
    return date(1970, 1, 1) + timedelta(days=ts // (24 * HOUR))


def first_of_week(day: date) -> date:
    return day - timedelta(days=day.weekday())


def moment_of(day: date) -> int:
    return (day - date(1970, 1, 1)).days * 24 * HOUR


TIMES = st.integers(0, 12 * 24 * 2).map(lambda halves: halves * HOUR // 2)
EVENTS = st.one_of(
    st.builds(Event, st.just("trade"), st.integers(-50, 50), TIMES),
    st.builds(Event, st.just("mark"), st.integers(500, 2_000), TIMES),
    st.builds(Event, st.just("flow"), st.integers(-4, 300), TIMES),
)
SEQUENCES = st.one_of(
    st.lists(EVENTS, max_size=40),
    st.lists(EVENTS, max_size=40).map(lambda events: sorted(events, key=lambda each: each.ts)),
)


@settings(max_examples=300, deadline=None)
@given(SEQUENCES, st.sampled_from([None, 3_000]), st.sampled_from([int, float, Decimal]))
def test_figures_are_those_of_a_recomputation(
    events: Sequence[Event], starting: int | None, kind: type[int | float | Decimal]
) -> None:
    tracker = PerformanceTracker(
        starting_equity=None if starting is None else kind(starting),
        window=WINDOW,
        periods_per_year=PERIODS,
    )
    model = Model(starting)
    for event in events:
        call = getattr(tracker, event.kind)
        if event.kind == "flow" and event.ts < model.at:
            with pytest.raises(ValueError, match="later time"):
                call(kind(event.amount), ts=event.ts)
            continue
        call(kind(event.amount), ts=event.ts)
        model.tell(event)
        check_drawdowns(tracker, model)
    check_money(tracker, model)
    check_trades(tracker.whole, [each.amount for each in model.nets])
    check_trades(tracker.window, [each.amount for each in model.nets[-WINDOW:]])
    returns = model.returns()
    assert [day for day, _ in tracker.returns] == [day for day, _ in returns]
    expected = [each for _, each in returns]
    assert [each for _, each in tracker.returns] == pytest.approx(expected, abs=1e-12)
    check_ratios(tracker.whole, expected)
    check_ratios(tracker.window, expected[-WINDOW:])
    assert tracker.late_marks == model.late


def check_money(tracker: PerformanceTracker, model: Model) -> None:
    today = day_of(max(model.latest, 0))
    by_day = [each.amount for each in model.nets if day_of(each.ts) == today]
    by_week = [
        each.amount for each in model.nets if first_of_week(day_of(each.ts)) == first_of_week(today)
    ]
    if model.nets:
        assert tracker.total_pnl == sum(each.amount for each in model.nets)
        assert (tracker.daily_pnl, tracker.weekly_pnl) == (sum(by_day), sum(by_week))
    else:
        assert (tracker.total_pnl, tracker.daily_pnl, tracker.weekly_pnl) == (None, None, None)
    assert tracker.equity == model.equity()


def check_drawdowns(tracker: PerformanceTracker, model: Model) -> None:
    units, found = model.units(), tracker.drawdown
    if not units:
        assert found.current is None
        return
    deepest = max(1 - unit / max(units[: number + 1]) for number, unit in enumerate(units))
    today = day_of(max(model.latest, 0))
    pairs = [
        (found.current, model.below(-1)),
        (found.maximum, float(deepest)),
        (found.daily, model.below(moment_of(today))),
        (found.weekly, model.below(moment_of(first_of_week(today)))),
    ]
    for ours, theirs in pairs:
        assert ours == pytest.approx(theirs, abs=1e-12)
    equity, peak = tracker.equity, tracker.peak
    assert equity is not None
    assert peak is not None
    assert float(peak) == pytest.approx(float(equity) * float(max(units) / units[-1]))


def check_trades(figures: Figures, nets: list[int]) -> None:
    wins, losses = [each for each in nets if each > 0], [each for each in nets if each < 0]
    signs = [(each > 0) - (each < 0) for each in nets]
    rows = [(sign, len(list(row))) for sign, row in groupby(signs)]
    assert (figures.trades, figures.wins, figures.losses) == (len(nets), len(wins), len(losses))
    assert figures.longest_wins == max((n for sign, n in rows if sign == 1), default=0)
    assert figures.longest_losses == max((n for sign, n in rows if sign == -1), default=0)
    assert figures.consecutive_wins == (rows[-1][1] if rows and rows[-1][0] == 1 else 0)
    assert figures.consecutive_losses == (rows[-1][1] if rows and rows[-1][0] == -1 else 0)
    assert figures.pnl == (sum(nets) if nets else None)
    assert (figures.best, figures.worst) == ((max(nets), min(nets)) if nets else (None, None))
    assert figures.win_rate == (len(wins) / len(nets) if nets else None)
    assert figures.profit_factor == (sum(wins) / -sum(losses) if losses else None)
    means = (figures.expectancy, nets), (figures.average_win, wins), (figures.average_loss, losses)
    for mean, values in means:
        if values:
            assert float(mean or 0) == pytest.approx(sum(values) / len(values))
        else:
            assert mean is None


def check_ratios(figures: Figures, returns: list[float]) -> None:
    """None exactly where empyrical has NaN or infinity."""
    series = np.array(returns)
    assert figures.returns == len(returns)
    if not returns:
        assert figures.session_drawdown is None
        return
    with np.errstate(all="ignore"):
        theirs = {
            "sharpe": empyrical.sharpe_ratio(series),
            "sortino": empyrical.sortino_ratio(series),
            "calmar": empyrical.calmar_ratio(series),
            "annual_return": empyrical.annual_return(series),
            "annual_volatility": empyrical.annual_volatility(series),
            "session_drawdown": -empyrical.max_drawdown(series),
        }
    for name, expected in theirs.items():
        found = getattr(figures, name)
        if undefined(name, expected, series):
            assert found is None or abs(found) > 1e6 or found == 0, name
        else:
            assert found == pytest.approx(expected, rel=1e-6, abs=1e-9), name


def undefined(name: str, expected: float, returns: np.ndarray) -> bool:
    """Also where nothing but rounding is left of a difference."""
    if not math.isfinite(expected) or abs(expected) > 1e6:
        return True
    spread = float(np.ptp(returns))
    return name == "sharpe" and spread < 1e-9
