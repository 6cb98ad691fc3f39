"""How a strategy does: figures of its closed trades, and of the account's returns and drawdowns.

`PerformanceTracker` is told three things, each with its event time: `trade`, `mark`, `flow`. It
reads no clock and does no I/O: a backtest of ten years gives the figures that ten years would.

Times that are not in order: a mark before the last mark or flow is left out and counted
(`late_marks`), since the returns in between are told already; of two marks of one moment the later
call counts, and both may be peak or trough. A late trade counts in the order it comes; its profit
is of the day and week of its own time. A flow before the last mark is refused (`ValueError`): the
mark may hold it or not, and nobody can tell.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import date
from typing import Any

from tradespan.core.forks import after_fork_in_child
from tradespan.signals.analytics.amounts import (
    ExactSum,
    Kinds,
    Money,
    checked,
    minus,
    moment,
)
from tradespan.signals.analytics.equity import Drawdown, Equity
from tradespan.signals.analytics.history import History, Session, SessionFigures
from tradespan.signals.analytics.ratios import Definitions, ReturnFigures, Returns
from tradespan.signals.analytics.sessions import Sessions
from tradespan.signals.analytics.tradecounts import AllTrades, TradeFigures, Trades


@dataclass(frozen=True, kw_only=True)
class Figures(TradeFigures, ReturnFigures):
    """Of the window or of the whole run: trades, and returns of sessions."""


class PerformanceTracker:
    """Figures of a strategy or an account, up to date after each call. Safe to call from threads.

    Definitions are `ratios.py`'s and `tradecounts.py`'s. Sessions without a mark have no return:
    the next one's goes over the gap, as `pandas` and `empyrical` have it for a series without those
    rows. The running session counts with its return so far. Equity is what marks say; as long as
    there was none, it is the starting equity, if given, with flows and the profit of closed trades.

    Amounts are `int` (ticks, cents), `Decimal` or `float`; sums of them are exact. Decimals and
    floats do not mix in one tracker.

    An account that ends a session with nothing, or with debts, has no returns from there on: ratios
    are None and the drawdowns 1, until a new tracker begins. One that a withdrawal empties goes on
    when money is paid in, with a peak of its own. A first mark that is not positive is no beginning
    of returns.

    Cost: O(1) a call. Memory: the window's trades and returns, and `history` sessions, about 0.6 kB
    each.
    """

    def __init__(  # noqa: PLR0913 - each is a fact of its own, by keyword
        self,
        *,
        starting_equity: Money | None = None,
        window: int = 100,
        periods_per_year: float | None = None,
        sessions: Sessions | None = None,
        risk_free: float = 0.0,
        required_return: float = 0.0,
        ddof: int = 1,
        log_returns: bool = False,
        history: int = 4_000,
    ) -> None:
        """What the figures are reckoned by; the defaults are empyrical's.

        Args:
            starting_equity: Before the first trade; the first session has a return then. Without it
                returns begin with the second session that has a mark.
            window: So many trades, and so many sessions' returns, are in `window`.
            periods_per_year: Sessions a year. Default: those of the calendar of `sessions`; without
                one, what is annualised is None.
            sessions: Days and weeks. Default: days of UTC, and ISO's weeks.
            risk_free: Of a session, not of a year; subtracted from each return.
            required_return: Of a session, as well; Sortino's.
            ddof: The standard deviation's divisor is n - ddof.
            log_returns: Sharpe, Sortino and volatility are of log(1 + r).
            history: So many sessions are kept for export: ten years of days, by default.

        Raises:
            ValueError: One of them makes no sense.
            TypeError: The starting equity is no number.
        """
        for name, count in (("window", window), ("history", history)):
            if type(count) is not int or count < 1:
                raise ValueError(f"{name} is 1, 2, …, not {count!r}")
        self._sessions = sessions or Sessions()
        if periods_per_year is None:
            periods_per_year = self._sessions.periods_per_year
        chosen = Definitions(periods_per_year, risk_free, required_return, ddof, log_returns)
        self._kinds = Kinds()
        if starting_equity is not None:
            starting_equity = checked(starting_equity, "starting_equity")
            if starting_equity <= 0:
                raise ValueError(f"starting_equity is positive, not {starting_equity}")
            self._kinds.note(starting_equity)
        self.definitions = chosen
        self._window = Trades(window)
        self._whole = AllTrades()
        self._window_returns = Returns(chosen, window)
        self._whole_returns = Returns(chosen)
        self._equity = Equity(starting_equity)
        self._earned: ExactSum | None = None
        """The equity as trades tell it; None: marks do, or nothing does."""
        if starting_equity is not None:
            self._earned = ExactSum()
            self._earned.add(starting_equity)
        self._rows = History(history)
        self._latest: int | None = None
        self._day: date | None = None
        self._week: date | None = None
        self._weekly = ExactSum()
        self._mark_ts: int | None = None
        self.late_marks = 0
        """Marks that were left out, since one after them had been told."""
        self._lock = threading.RLock()  # a signal handler may come in between
        after_fork_in_child(self._begin_anew)

    def _begin_anew(self) -> None:
        """In a forked child."""
        self._lock = threading.RLock()

    def trade(self, pnl: Money, *, ts: int, fees: Money = 0) -> None:
        """A trade was closed, with the net profit `pnl - fees`.

        Args:
            pnl: Its profit before fees; a loss is negative.
            ts: When it was closed, in nanoseconds since 1970, UTC.
            fees: What it cost; a rebate is negative.

        Raises:
            TypeError: An amount is no number, or a float among decimals; the time is no integer.
            ValueError: An amount is not finite, or there is no such day.
        """
        pnl, fees, ts = checked(pnl, "pnl"), checked(fees, "fees"), moment(ts)
        with self._lock:
            day, week = self._sessions.day(ts), self._sessions.week(ts)
            self._kinds.note(pnl, fees)
            net = minus(pnl, fees) if fees else pnl
            self._advance(ts, day, week)
            self._window.push(net, ts)
            self._whole.push(net)
            if week == self._week:
                self._weekly.add(net)
            row = self._rows.of(day)
            if row is not None:
                row.trades += 1
                row.pnl = row.pnl or ExactSum()
                row.pnl.add(net)
            if self._earned is not None:
                self._earned.add(net)
                # A late one moves the equity as of now: what was before is told.
                at = ts if self._mark_ts is None else max(ts, self._mark_ts)
                self._mark(self._earned.value, at)

    def mark(self, equity: Money, *, ts: int) -> None:
        """The account was valued.

        Args:
            equity: All that it is worth, with what was paid in or out until then.
            ts: When, in nanoseconds since 1970, UTC.

        Raises:
            TypeError: As `trade`.
            ValueError: As `trade`; or the return is beyond what a float holds.
        """
        equity, ts = checked(equity, "equity"), moment(ts)
        with self._lock:
            if self._mark_ts is not None and ts < self._mark_ts:
                self.late_marks += 1
                return
            day, week = self._sessions.day(ts), self._sessions.week(ts)
            self._kinds.note(equity)
            self._earned = None
            self._advance(ts, day, week)
            self._mark(equity, ts)

    def flow(self, amount: Money, *, ts: int) -> None:
        """Money was paid in (positive) or out (negative): no profit, and no return.

        Tell it before the first mark that holds it. The equity just before it is taken to be the
        last mark's. Before the first mark, and without a starting equity, it is only written down.

        Raises:
            TypeError: As `trade`.
            ValueError: As `trade`; or it is before the last mark, which may hold it or not.
        """
        amount, ts = checked(amount, "amount"), moment(ts)
        with self._lock:
            if self._mark_ts is not None and ts < self._mark_ts:
                raise ValueError("a flow is told before a mark of a later time")
            day, week = self._sessions.day(ts), self._sessions.week(ts)
            self._kinds.note(amount)
            self._advance(ts, day, week)
            self._enter_session(ts)
            self._equity.flow(amount, ts)
            self._mark_ts = ts
            if self._earned is not None:
                self._earned.add(amount)
            row = self._rows.of(day)
            if row is not None:
                row.flows = row.flows or ExactSum()
                row.flows.add(amount)
                self._write(row)

    def _advance(self, ts: int, day: date, week: date) -> None:
        """Time goes on: a day's and a week's profit begin with nothing."""
        if self._latest is not None and ts <= self._latest:
            return
        self._latest = ts
        if week != self._week:
            self._week, self._weekly = week, ExactSum()
        self._day = day

    def _mark(self, equity: Money, ts: int) -> None:
        self._enter_session(ts)
        self._equity.mark(equity, ts)
        self._mark_ts = ts
        day = self._equity.day
        row = None if day is None else self._rows.of(day)
        if row is not None:
            self._write(row)

    def _enter_session(self, ts: int) -> None:
        """The session of a mark or a flow: if it is a new one, the return of the last is final."""
        day, week = self._sessions.day(ts), self._sessions.week(ts)
        equity = self._equity
        if day == equity.day:
            return
        lost = equity.lost
        closed = equity.begin(day, week)
        if closed is not None and not lost and closed > -1.0:
            self._window_returns.add(closed)
            self._whole_returns.add(closed)

    def _write(self, row: Session) -> None:
        row.equity, row.return_ = self._equity.value, self._equity.running

    @property
    def total_pnl(self) -> Money | None:
        """Net profit of all closed trades; None before the first one, as the next two."""
        with self._lock:
            return self._whole.pnl

    @property
    def daily_pnl(self) -> Money | None:
        """That of the latest session of which anything was told."""
        with self._lock:
            if self._whole.pnl is None or self._day is None:
                return None
            row = self._rows.find(self._day)
            return row.pnl.value if row is not None and row.pnl is not None else 0

    @property
    def weekly_pnl(self) -> Money | None:
        """That of the latest week."""
        with self._lock:
            return None if self._whole.pnl is None else self._weekly.value

    @property
    def equity(self) -> Money | None:
        """At the last mark, with what was paid in or out since; None: nobody said."""
        with self._lock:
            return self._equity.value

    @property
    def peak(self) -> Money | None:
        """The highest equity; what is paid in or out scales it as it does the equity, so that
        `1 - equity / peak` is the current drawdown. None: there was no positive equity.
        """
        with self._lock:
            return self._equity.drawdowns.run.value

    @property
    def peak_ts(self) -> int | None:
        """When it was last there; None: at the start."""
        with self._lock:
            return self._equity.drawdowns.run.ts

    @property
    def drawdown(self) -> Drawdown:
        """Current, maximum, daily and weekly, between marks, not only ends of sessions."""
        with self._lock:
            equity = self._equity
            if equity.value is None:
                return Drawdown()
            return equity.drawdowns.figures(
                equity.value,
                same_day=equity.day is None or self._day is None or equity.day >= self._day,
                same_week=equity.week is None or self._week is None or equity.week >= self._week,
                lost=equity.lost,
            )

    @property
    def window(self) -> Figures:
        """Of the last `window` trades, and the last `window` sessions' returns."""
        with self._lock:
            return _together(self._window.figures(), self._ratios(self._window_returns))

    @property
    def whole(self) -> Figures:
        """Of the whole run."""
        with self._lock:
            return _together(self._whole.figures(), self._ratios(self._whole_returns))

    def _ratios(self, returns: Returns) -> ReturnFigures:
        equity = self._equity
        running = equity.running
        if equity.lost or (running is not None and running <= -1.0):
            return ReturnFigures()
        return returns.figures(running)

    def _run(self) -> ReturnFigures:
        with self._lock:
            return self._ratios(self._whole_returns)

    @property
    def sharpe(self) -> float | None:
        """Of the whole run, as the next four; see `ReturnFigures` for when each is None."""
        return self._run().sharpe

    @property
    def sortino(self) -> float | None:
        """Sortino ratio."""
        return self._run().sortino

    @property
    def calmar(self) -> float | None:
        """Calmar ratio, by the deepest drawdown between ends of sessions."""
        return self._run().calmar

    @property
    def annual_return(self) -> float | None:
        """Compound growth a year: 0.1 for 10 %."""
        return self._run().annual_return

    @property
    def annual_volatility(self) -> float | None:
        """Standard deviation of returns, by the year."""
        return self._run().annual_volatility

    @property
    def history(self) -> list[SessionFigures]:
        """The last sessions, at most `history` of them, by day; the running one is the last."""
        with self._lock:
            return self._rows.figures()

    @property
    def returns(self) -> list[tuple[date, float]]:
        """Sessions of the history that have a return, and it."""
        return [(each.day, each.return_) for each in self.history if each.return_ is not None]

    @property
    def trades(self) -> list[tuple[int, Money]]:
        """Time and net profit of the window's trades, in the order they came."""
        with self._lock:
            return self._window.kept

    def to_dict(self) -> dict[str, Any]:
        """All figures by name; what is undefined is left out. Amounts stay what they are."""
        with self._lock:
            found: dict[str, Any] = {
                name: getattr(self, name)
                for name in ("total_pnl", "daily_pnl", "weekly_pnl", "equity", "peak", "peak_ts")
            }
            for name in ("drawdown", "window", "whole"):
                found[name] = _defined(vars(getattr(self, name)))
            return _defined(found)


def _defined(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value is not None}


def _together(trades: TradeFigures, returns: ReturnFigures) -> Figures:
    return Figures(**vars(returns), **vars(trades))
