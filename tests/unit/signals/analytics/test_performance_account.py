"""Drawdowns, flows, late times, and accounts that lose all."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from tests.unit.signals.analytics.libraries import empyrical
from tests.unit.signals.analytics.trackers import DAY, HOUR, MONDAY, marked, traded
from tradespan.signals.analytics.equity import Drawdown
from tradespan.signals.analytics.performance import PerformanceTracker


def test_drawdowns_have_their_dates() -> None:
    tracker = marked(100, 120, 90, 110, 120, 115, 130, 91, starting=100)
    found = tracker.drawdown
    assert found.maximum == pytest.approx(1 - 91 / 130)
    assert (found.peak_ts, found.trough_ts) == (MONDAY + 6 * DAY, MONDAY + 7 * DAY)
    assert found.recovered_ts is None
    assert (tracker.peak, tracker.peak_ts) == (130, MONDAY + 6 * DAY)
    before = marked(100, 120, 90, 110, 120, 115, starting=100).drawdown
    assert before.maximum == 0.25
    assert (before.peak_ts, before.trough_ts) == (MONDAY + DAY, MONDAY + 2 * DAY)
    assert before.recovered_ts == MONDAY + 4 * DAY
    assert before.current == pytest.approx(1 - 115 / 120)


def test_a_drawdown_from_the_start_has_no_date_of_its_peak() -> None:
    found = marked(80, 90, starting=100).drawdown
    assert (found.maximum, found.current, found.peak_ts) == (0.2, 0.1, None)
    assert found.trough_ts == MONDAY


def test_of_a_peak_that_is_reached_twice_the_last_moment_counts() -> None:
    found = marked(100, 100, 90).drawdown
    assert found.peak_ts == MONDAY + DAY


def test_daily_and_weekly_drawdowns_begin_with_what_the_day_began_with() -> None:
    tracker = marked(100, 120, 114)
    assert tracker.drawdown.daily == pytest.approx(0.05)
    tracker.mark(117, ts=MONDAY + 2 * DAY + HOUR)
    assert tracker.drawdown.daily == pytest.approx(0.025)
    tracker.mark(110, ts=MONDAY + 3 * DAY)
    assert tracker.drawdown.daily == pytest.approx(1 - 110 / 117)
    assert tracker.drawdown.weekly == pytest.approx(1 - 110 / 120)
    tracker.mark(99, ts=MONDAY + 7 * DAY)
    assert tracker.drawdown.weekly == pytest.approx(0.1)
    assert tracker.drawdown.current == pytest.approx(1 - 99 / 120)


def test_a_new_day_has_lost_nothing_before_its_first_mark() -> None:
    tracker = marked(100, 90)
    tracker.trade(1, ts=MONDAY + 2 * DAY)
    assert tracker.drawdown.daily == 0.0
    assert tracker.drawdown.weekly == pytest.approx(0.1)
    tracker.trade(1, ts=MONDAY + 7 * DAY)
    assert tracker.drawdown.weekly == 0.0


def test_deposits_and_withdrawals_are_no_returns() -> None:
    plain, paid = marked(100.0, 110.0, 99.0), PerformanceTracker(periods_per_year=252)
    paid.mark(100.0, ts=MONDAY)
    paid.mark(110.0, ts=MONDAY + DAY)
    paid.flow(890.0, ts=MONDAY + DAY + HOUR)
    assert paid.equity == 1000.0
    paid.mark(900.0, ts=MONDAY + 2 * DAY)
    assert [each for _, each in paid.returns] == pytest.approx([0.1, -0.1])
    assert paid.drawdown.current == pytest.approx(plain.drawdown.current)
    assert paid.sharpe == pytest.approx(plain.sharpe)
    assert (paid.peak, paid.history[1].flows) == (1000.0, 890.0)
    paid.flow(-450.0, ts=MONDAY + 2 * DAY)
    assert paid.equity == 450.0
    assert paid.peak == pytest.approx(500.0)
    assert paid.drawdown.current == pytest.approx(0.1)


def test_a_flow_within_a_session_splits_its_return() -> None:
    tracker = PerformanceTracker(starting_equity=100)
    tracker.mark(110, ts=MONDAY)
    tracker.flow(90, ts=MONDAY + 1)
    tracker.mark(220, ts=MONDAY + 2)
    ((_, found),) = tracker.returns
    assert found == pytest.approx(1.1 * 1.1 - 1)


def test_a_flow_before_the_first_mark_belongs_to_it() -> None:
    tracker = PerformanceTracker()
    tracker.flow(50, ts=MONDAY)
    tracker.mark(150, ts=MONDAY + HOUR)
    assert (tracker.equity, tracker.returns, tracker.peak) == (150, [], 150)
    started = PerformanceTracker(starting_equity=100)
    started.flow(50, ts=MONDAY)
    started.mark(165, ts=MONDAY + HOUR)
    assert [each for _, each in started.returns] == [pytest.approx(0.1)]


def test_a_flow_before_the_last_mark_is_refused_and_changes_nothing() -> None:
    tracker = marked(100, 110)
    before = tracker.to_dict()
    with pytest.raises(ValueError, match="before a mark of a later time"):
        tracker.flow(5, ts=MONDAY)
    assert tracker.to_dict() == before
    tracker.flow(11, ts=MONDAY + DAY)  # of its very moment: after it
    assert tracker.equity == 121


def test_a_late_mark_is_left_out_and_counted() -> None:
    tracker = marked(100, 110)
    before = tracker.to_dict()
    tracker.mark(1, ts=MONDAY + DAY - 1)
    assert (tracker.to_dict(), tracker.late_marks) == (before, 1)


def test_of_two_marks_of_one_moment_the_later_call_counts() -> None:
    tracker = marked(100, 50)
    tracker.mark(110, ts=MONDAY + DAY)
    assert [each for _, each in tracker.returns] == [0.1]
    assert (tracker.equity, tracker.drawdown.maximum, tracker.late_marks) == (110, 0.5, 0)


def test_a_mark_is_not_late_for_a_trade_of_the_next_day() -> None:
    tracker = marked(100)
    tracker.trade(3, ts=MONDAY + DAY)
    tracker.mark(90, ts=MONDAY + DAY - 1)
    tracker.mark(99, ts=MONDAY + DAY)
    assert [each for _, each in tracker.returns] == [0.1]
    assert [(each.pnl, each.equity) for each in tracker.history] == [(None, 90), (3, 99)]


def test_trades_tell_the_equity_until_the_first_mark() -> None:
    tracker = PerformanceTracker(starting_equity=Decimal(1000), periods_per_year=252)
    tracker.trade(Decimal("100.5"), ts=MONDAY, fees=Decimal("0.5"))
    tracker.trade(Decimal(-220), ts=MONDAY + HOUR)
    assert (tracker.equity, tracker.peak) == (Decimal(880), Decimal(1100))
    assert tracker.drawdown.current == pytest.approx(0.2)
    tracker.trade(Decimal(10), ts=MONDAY)  # late: the equity is that of now
    assert (tracker.equity, tracker.late_marks) == (Decimal(890), 0)
    tracker.flow(Decimal(110), ts=MONDAY + HOUR)
    tracker.trade(Decimal(50), ts=MONDAY + 2 * HOUR)
    assert tracker.equity == Decimal(1050)
    tracker.mark(Decimal(1100), ts=MONDAY + 3 * HOUR)
    tracker.trade(Decimal(500), ts=MONDAY + 4 * HOUR)
    assert tracker.equity == Decimal(1100)
    assert [each for _, each in tracker.returns] == [pytest.approx(0.89 * 1.1 - 1)]


def test_without_a_starting_equity_trades_tell_none() -> None:
    tracker = traded(5, -3)
    assert (tracker.equity, tracker.peak, tracker.drawdown) == (None, None, Drawdown())


def test_an_equity_that_touches_zero_within_a_session_goes_on() -> None:
    tracker = marked(100.0, 110.0)
    tracker.mark(-5.0, ts=MONDAY + 2 * DAY)
    assert tracker.drawdown.current == tracker.drawdown.maximum == 1.0
    assert (tracker.sharpe, tracker.annual_return, tracker.whole.returns) == (None, None, 0)
    tracker.mark(99.0, ts=MONDAY + 2 * DAY + 1)
    assert [each for _, each in tracker.returns] == [0.1, -0.1]
    assert tracker.whole.returns == 2
    assert tracker.drawdown.current == pytest.approx(0.1)


@pytest.mark.parametrize("end", [0, -40])
def test_an_account_that_ends_a_session_with_nothing_has_no_returns_from_there(end: int) -> None:
    tracker = marked(100, 110, end, 200, 250, starting=100)
    returns = [each for _, each in tracker.returns]
    assert returns == pytest.approx([0.0, 0.1, end / 110 - 1])
    assert (tracker.sharpe, tracker.calmar, tracker.annual_return) == (None, None, None)
    found = tracker.drawdown
    assert (found.current, found.maximum, found.daily, found.weekly) == (1.0, 1.0, 1.0, 1.0)
    assert tracker.equity == 250
    tracker.trade(5, ts=MONDAY + 9 * DAY)
    assert tracker.total_pnl == 5


def test_money_that_is_paid_into_debts_is_no_recovery() -> None:
    tracker = marked(100, 110, starting=100)
    tracker.mark(-10, ts=MONDAY + 2 * DAY)
    tracker.flow(500, ts=MONDAY + 2 * DAY + 1)
    tracker.mark(550, ts=MONDAY + 2 * DAY + 2)
    tracker.mark(560, ts=MONDAY + 3 * DAY)
    assert [each for _, each in tracker.returns][2:] == [pytest.approx(-10 / 110 - 1)]
    assert (tracker.sharpe, tracker.drawdown.current, tracker.equity) == (None, 1.0, 560)


def test_an_account_that_a_withdrawal_empties_goes_on_when_money_is_paid_in() -> None:
    tracker = marked(100, 110, 99, starting=100)
    tracker.flow(-99, ts=MONDAY + 2 * DAY)
    assert (tracker.equity, tracker.peak, tracker.drawdown.current) == (0, None, None)
    assert tracker.drawdown.maximum == pytest.approx(0.1)
    tracker.mark(0, ts=MONDAY + 3 * DAY)
    tracker.flow(50, ts=MONDAY + 5 * DAY)
    assert (tracker.peak, tracker.drawdown.current) == (50, 0.0)
    tracker.mark(45, ts=MONDAY + 5 * DAY + 1)
    found = [each for _, each in tracker.returns]
    assert found == [0.0, pytest.approx(0.1), pytest.approx(-0.1), pytest.approx(-0.1)]
    assert tracker.sharpe == pytest.approx(empyrical.sharpe_ratio(np.array(found)))


def test_returns_begin_with_the_first_session_that_ends_over_zero() -> None:
    assert [each for _, each in marked(0, -5, 10, 11).returns] == [0.1]


def test_a_recovery_is_dated_once() -> None:
    found = marked(100, 80, 100, 110, 108, 120).drawdown
    assert found.recovered_ts == MONDAY + 2 * DAY


def test_a_deposit_after_all_was_withdrawn_is_no_recovery() -> None:
    tracker = marked(100, 80)
    tracker.flow(-80, ts=MONDAY + DAY)
    tracker.flow(500, ts=MONDAY + 2 * DAY)
    tracker.mark(600, ts=MONDAY + 3 * DAY)
    found = tracker.drawdown
    assert (found.maximum, found.recovered_ts, found.current) == (0.2, None, 0.0)


def test_a_flow_in_the_first_session_does_not_give_it_a_return() -> None:
    tracker = marked(100)
    tracker.flow(100, ts=MONDAY + 1)
    tracker.mark(220, ts=MONDAY + 2)
    assert tracker.returns == []
    tracker.mark(242, ts=MONDAY + DAY)
    assert [each for _, each in tracker.returns] == [0.1]


def test_the_logarithm_of_a_total_loss_is_not_taken() -> None:
    tracker = marked(100, 110, 0, 50, 60, starting=100, log_returns=True)
    assert (tracker.sharpe, tracker.window.sharpe, tracker.equity) == (None, None, 60)
