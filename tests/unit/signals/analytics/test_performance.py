"""Figures of a strategy: what each is, and what it is where others make one up."""

from __future__ import annotations

import math
import os
import random
import threading
from collections import deque
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from tests.unit.signals.analytics.libraries import empyrical
from tests.unit.signals.analytics.trackers import DAY, HOUR, MONDAY, marked, traded
from tradespan.signals.analytics.amounts import Money
from tradespan.signals.analytics.equity import Drawdown
from tradespan.signals.analytics.performance import PerformanceTracker
from tradespan.signals.analytics.sessions import Sessions


def test_before_anything_is_told_all_is_absent() -> None:
    tracker = PerformanceTracker()
    nothing = dict.fromkeys(
        ("trades", "wins", "losses", "consecutive_wins", "consecutive_losses", "longest_wins",
         "longest_losses", "returns"), 0,
    )  # fmt: skip
    assert tracker.to_dict() == {"drawdown": {}, "window": nothing, "whole": nothing}
    assert tracker.drawdown == Drawdown()
    assert (tracker.total_pnl, tracker.daily_pnl, tracker.weekly_pnl) == (None, None, None)
    assert (tracker.sharpe, tracker.history, tracker.returns, tracker.trades) == (None, [], [], [])


def test_figures_of_trades() -> None:
    whole = traded(100, -50, 30, -20, -10, 0, 70).whole
    assert (whole.trades, whole.wins, whole.losses) == (7, 3, 3)
    assert whole.win_rate == 3 / 7
    assert whole.profit_factor == 200 / 80
    assert whole.expectancy == 120 / 7
    assert (whole.average_win, whole.average_loss) == (200 / 3, -80 / 3)
    assert (whole.best, whole.worst, whole.pnl) == (100, -50, 120)
    assert (whole.consecutive_wins, whole.consecutive_losses) == (1, 0)
    assert (whole.longest_wins, whole.longest_losses) == (1, 2)


def test_the_window_forgets_what_the_run_remembers() -> None:
    tracker = traded(1000, -1, -2, 3, window=3)
    assert tracker.window.pnl == 0
    assert tracker.whole.pnl == tracker.total_pnl == 1000
    assert (tracker.window.best, tracker.whole.best) == (3, 1000)
    assert (tracker.window.longest_wins, tracker.window.longest_losses) == (1, 2)
    assert [pnl for _, pnl in tracker.trades] == [-1, -2, 3]


def test_a_row_shrinks_as_the_window_leaves_it() -> None:
    tracker = traded(*[-1] * 5, 1, -1, -1, window=8)
    assert tracker.window.longest_losses == 5
    found = []
    for number in range(5):
        tracker.trade(1, ts=MONDAY + (8 + number) * HOUR)
        found.append(tracker.window.longest_losses)
    assert found == [4, 3, 2, 2, 2]
    assert (tracker.window.longest_wins, tracker.whole.longest_losses) == (5, 5)


def test_an_even_trade_neither_wins_nor_loses_and_ends_a_row() -> None:
    figures = traded(-1, -1, 0, -1).whole
    assert (figures.consecutive_losses, figures.longest_losses, figures.win_rate) == (1, 2, 0.0)


def test_no_loss_no_profit_factor() -> None:
    figures = traded(5, 0, 3).whole
    assert (figures.profit_factor, figures.average_loss, figures.win_rate) == (None, None, 2 / 3)
    assert traded(-5).whole.profit_factor == 0.0


def test_fees_decide_who_wins() -> None:
    tracker = PerformanceTracker()
    tracker.trade(Decimal("1.00"), fees=Decimal("1.01"), ts=0)
    tracker.trade(Decimal("-1.00"), fees=Decimal("-1.25"), ts=1)  # a rebate
    assert [pnl for _, pnl in tracker.trades] == [Decimal("-0.01"), Decimal("0.25")]
    assert tracker.total_pnl == Decimal("0.24")


def test_money_stays_what_it_is() -> None:
    tracker = traded(Decimal("0.1"), Decimal("0.2"), 1)
    assert repr(tracker.total_pnl) == "Decimal('1.3')"
    assert tracker.whole.expectancy == Decimal("0.4333333333333333333333333333")
    ticks = traded(10**30, 1)
    assert ticks.total_pnl == 10**30 + 1
    assert type(ticks.daily_pnl) is int


def test_daily_and_weekly_profit_begin_anew_with_any_news_of_the_next_day() -> None:
    tracker = traded(5, 7)
    assert (tracker.daily_pnl, tracker.weekly_pnl) == (12, 12)
    tracker.mark(100, ts=MONDAY + DAY)
    assert (tracker.daily_pnl, tracker.weekly_pnl) == (0, 12)
    tracker.trade(-4, ts=MONDAY + DAY)
    assert (tracker.daily_pnl, tracker.weekly_pnl) == (-4, 8)
    tracker.flow(1, ts=MONDAY + 7 * DAY)
    assert (tracker.daily_pnl, tracker.weekly_pnl, tracker.total_pnl) == (0, 0, 8)


def test_a_day_is_the_sessions_not_utcs() -> None:
    tracker = PerformanceTracker(
        sessions=Sessions(timezone="America/New_York", day_starts="17:00"), periods_per_year=260
    )
    tracker.trade(1, ts=MONDAY + 21 * HOUR)
    tracker.trade(2, ts=MONDAY + 22 * HOUR)
    tracker.trade(4, ts=MONDAY + 25 * HOUR)
    assert tracker.daily_pnl == 6


def test_a_late_trade_is_of_its_own_day() -> None:
    tracker = traded(5)
    tracker.trade(2, ts=MONDAY + DAY)
    tracker.trade(10, ts=MONDAY + HOUR)
    assert (tracker.daily_pnl, tracker.weekly_pnl, tracker.total_pnl) == (2, 17, 17)
    tracker.trade(100, ts=MONDAY - DAY)
    assert (tracker.daily_pnl, tracker.weekly_pnl, tracker.total_pnl) == (2, 17, 117)
    assert [(each.day.day, each.pnl) for each in tracker.history] == [(4, 100), (5, 15), (6, 2)]


def test_returns_are_between_ends_of_sessions() -> None:
    tracker = PerformanceTracker(starting_equity=100)
    for hour, equity in ((0, 50), (23, 110), (24, 200), (47, 99)):
        tracker.mark(equity, ts=MONDAY + hour * HOUR)
    assert tracker.returns == [(date(1970, 1, 5), 0.1), (date(1970, 1, 6), -0.1)]


def test_without_a_starting_equity_the_first_session_is_what_returns_begin_with() -> None:
    assert [each for _, each in marked(100, 110, 99).returns] == [0.1, -0.1]
    assert [each for _, each in marked(100, 110, 99, starting=50).returns] == [1.0, 0.1, -0.1]


def test_a_session_without_a_mark_has_no_return() -> None:
    tracker = marked(100, 110)
    tracker.trade(1, ts=MONDAY + 2 * DAY)
    tracker.mark(121, ts=MONDAY + 9 * DAY)
    assert [each for _, each in tracker.returns] == [0.1, 0.1]
    assert [each.return_ for each in tracker.history] == [None, 0.1, None, 0.1]


def test_half_hourly_marks_are_not_annualised_as_days() -> None:
    """ffn#303: a Sharpe ratio of 30-minute data, annualised as if of days, 30 times too high."""
    source = random.Random(3)
    often, daily = (PerformanceTracker(periods_per_year=365) for _ in range(2))
    equity = 1e5
    for number in range(48 * 40):
        equity *= 1 + source.gauss(1e-4, 3e-3)
        often.mark(equity, ts=MONDAY + number * HOUR // 2)
        if number % 48 == 47:
            daily.mark(equity, ts=MONDAY + number * HOUR // 2)
    assert often.sharpe == daily.sharpe
    assert often.calmar == daily.calmar
    assert often.drawdown.maximum != daily.drawdown.maximum


def test_without_periods_what_is_annualised_is_absent() -> None:
    tracker = marked(100, 110, 99, 120, periods_per_year=None)
    whole = tracker.whole
    assert (tracker.sharpe, tracker.sortino, tracker.calmar) == (None, None, None)
    assert (tracker.annual_return, tracker.annual_volatility) == (None, None)
    assert whole.returns == 3
    assert whole.session_drawdown == pytest.approx(0.1)


def test_periods_come_from_the_calendar() -> None:
    tracker = PerformanceTracker(sessions=Sessions("24/7"))
    assert tracker.definitions.periods_per_year == 365


def test_one_return_has_no_deviation() -> None:
    tracker = marked(100, 110)
    assert (tracker.sharpe, tracker.sortino, tracker.annual_volatility) == (None, None, None)
    assert tracker.annual_return == pytest.approx(1.1**252 - 1)
    assert tracker.calmar is None


def test_equal_returns_have_no_sharpe_ratio() -> None:
    tracker = marked(1, 2, 4, 8, 16)
    assert tracker.sharpe is None
    assert tracker.annual_volatility == 0.0


def test_rounding_of_equal_returns_makes_no_ratio() -> None:
    up = marked(*(1000 * 1.01**number for number in range(50)))
    assert (up.sharpe, up.sortino, up.calmar) == (None, None, None)
    swings = marked(*(1000 * 1.01 ** (number % 2) * 0.1 for number in range(50)))
    assert swings.sharpe is not None
    assert swings.calmar is not None


def test_without_returns_below_the_required_one_there_is_no_sortino_ratio() -> None:
    assert marked(100, 110, 115, 116).sortino is None
    below = marked(100, 110, 115, 116, required_return=0.05).sortino
    returns = np.array([0.1, 5 / 110, 1 / 115])
    assert below == pytest.approx(empyrical.sortino_ratio(returns, 0.05), rel=1e-12)


def test_without_a_drawdown_there_is_no_calmar_ratio() -> None:
    tracker = marked(100, 110, 120)
    assert (tracker.calmar, tracker.drawdown.maximum) == (None, 0.0)


def test_growth_beyond_a_float_is_absent() -> None:
    assert marked(1e-90, 1e90).annual_return is None


def test_parameters_change_what_they_name() -> None:
    equities = [100.0, 103.0, 99.0, 101.0, 104.0, 102.5]
    returns = np.diff(equities) / equities[:-1]
    tracker = marked(*equities, risk_free=0.001, ddof=0)
    expected = (returns.mean() - 0.001) / returns.std() * math.sqrt(252)
    assert tracker.sharpe == pytest.approx(expected, rel=1e-12)
    log = marked(*equities, log_returns=True)
    grown = np.log1p(returns)
    assert log.sharpe == pytest.approx(empyrical.sharpe_ratio(grown), rel=1e-12)
    assert log.annual_volatility == pytest.approx(empyrical.annual_volatility(grown), rel=1e-12)
    assert log.annual_return == marked(*equities).annual_return


@pytest.mark.parametrize("wrong", [math.nan, math.inf, Decimal("NaN")])
def test_what_is_no_amount_is_refused_and_changes_nothing(wrong: Money) -> None:
    tracker = marked(100.0, 110.0)
    before = tracker.to_dict()
    for call in (tracker.trade, tracker.mark, tracker.flow):
        with pytest.raises(ValueError, match="is a finite number"):
            call(wrong, ts=MONDAY + 5 * DAY)
    with pytest.raises(TypeError, match="do not mix"):
        tracker.mark(Decimal(5), ts=MONDAY + 5 * DAY)
    with pytest.raises(TypeError, match="do not mix"):
        tracker.trade(5, fees=Decimal(1), ts=MONDAY + 5 * DAY)
    with pytest.raises(ValueError, match="no date is"):
        tracker.trade(5, ts=10**40)
    with pytest.raises(TypeError):
        tracker.mark(5, ts=1.5)  # type: ignore[arg-type]
    assert tracker.to_dict() == before


def test_a_return_beyond_a_float_is_refused() -> None:
    tracker = marked(5e-324)
    with pytest.raises(ValueError, match="beyond what a float holds"):
        tracker.mark(1e99, ts=MONDAY + DAY)
    tracker.mark(5e-324, ts=MONDAY + DAY)
    assert [each for _, each in tracker.returns] == [0.0]


@pytest.mark.parametrize(
    "arguments",
    [{"window": 0}, {"window": 1.5}, {"history": 0}, {"ddof": -1}, {"ddof": 0.5},
     {"periods_per_year": 0}, {"periods_per_year": math.nan}, {"risk_free": math.inf},
     {"required_return": math.nan}, {"starting_equity": 0}, {"starting_equity": math.nan}],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"positive|is 1|ddof|finite"):
        PerformanceTracker(**arguments)


def test_the_history_is_bounded_and_the_figures_are_not() -> None:
    tracker = marked(*range(100, 200), history=10)
    assert len(tracker.history) == len(tracker.returns) == 10
    assert tracker.whole.returns == 99
    tracker.trade(1, ts=MONDAY)  # of a session that has left
    assert (len(tracker.history), tracker.total_pnl) == (10, 1)
    assert tracker.history[0].day == date(1970, 4, 5)


def test_a_window_does_not_drift_in_a_hundred_thousand_trades() -> None:
    source = random.Random(4)
    tracker, kept = PerformanceTracker(), deque[float](maxlen=100)
    for number in range(100_000):
        kept.append(source.choice((1e9, -1e9)) + source.uniform(-1e-3, 1e-3))
        tracker.trade(kept[-1], ts=number)
    window = tracker.window
    wins, losses = [each for each in kept if each > 0], [each for each in kept if each < 0]
    assert window.pnl == math.fsum(kept)
    assert window.average_win == pytest.approx(math.fsum(wins) / len(wins), rel=1e-15)
    assert window.profit_factor == pytest.approx(-math.fsum(wins) / math.fsum(losses), rel=1e-15)
    assert (window.best, window.worst) == (max(kept), min(kept))


def test_ratios_of_a_window_do_not_drift_in_a_hundred_thousand_sessions() -> None:
    source = random.Random(5)
    tracker = PerformanceTracker(periods_per_year=252, starting_equity=1e9)
    equities = [1e9]
    for number in range(100_000):
        equities.append(1e9 + source.uniform(-1e-3, 1e-3))
        tracker.mark(equities[-1], ts=number * DAY)
    last = np.diff(equities[-101:]) / np.array(equities[-101:-1])
    window = tracker.window
    assert window.returns == 100
    assert window.sharpe == pytest.approx(empyrical.sharpe_ratio(last), rel=1e-9)
    assert window.sortino == pytest.approx(empyrical.sortino_ratio(last), rel=1e-9)
    assert window.annual_volatility == pytest.approx(empyrical.annual_volatility(last), rel=1e-9)


def test_threads_lose_nothing() -> None:
    tracker = PerformanceTracker(starting_equity=1_000_000)
    together = threading.Barrier(4)

    def trade() -> None:
        together.wait()
        for number in range(2_000):
            tracker.trade(1, ts=number)
            if number % 100 == 0:
                tracker.to_dict()

    threads = [threading.Thread(target=trade) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (tracker.total_pnl, tracker.equity) == (8_000, 1_008_000)
    assert tracker.whole.trades == tracker.whole.longest_wins == 8_000


def test_a_forked_child_goes_on_though_a_thread_held_the_lock() -> None:
    tracker = traded(5)
    tracker._lock.acquire()  # noqa: SLF001 - as a thread would that a fork leaves behind
    held = tracker._lock  # noqa: SLF001
    child = os.fork()
    if child == 0:
        reader = threading.Thread(target=lambda: tracker.trade(1, ts=MONDAY + DAY))
        reader.start()
        reader.join(20)
        os._exit(0 if not reader.is_alive() and tracker.total_pnl == 6 else 1)
    held.release()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
