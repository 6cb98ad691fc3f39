"""The accounts' books, kept of what is mapped: fills, prices, what the program says it is worth.

They are kept by the time of the events, as these come; gauges are set by the thread that observes,
and once more at the end. Who computes figures itself gives them to the sets, and needs no books.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple

from tradespan.config.model import FiguresConfig
from tradespan.core import guard
from tradespan.core.forks import after_fork_in_child
from tradespan.signals.analytics.performance import PerformanceTracker
from tradespan.signals.analytics.portfolio import PortfolioTracker
from tradespan.signals.analytics.risk import RiskTracker
from tradespan.signals.analytics.sessions import ALWAYS, Sessions
from tradespan.signals.sets.keeping import Fill, Whose

if TYPE_CHECKING:
    from tradespan.signals.sets.switch import Sets

MOST_ACCOUNTS: Final = 100
"""Of further ones no books are kept."""
_DAY: Final = 86_400.0


class _Entry:
    """What it cost to open what is held of one symbol, beside its price."""

    __slots__ = ("_fees", "_held")

    def __init__(self) -> None:
        self._held = self._fees = 0.0

    def fill(self, size: float, fee: float, closed: float) -> float:
        """Of `size`, `closed` closed what was held; returns what that part cost, both ways."""
        opened = size - closed
        entry = self._fees * closed / self._held if self._held else 0.0
        self._held += opened - closed
        self._fees += fee * opened / size - entry
        return entry + fee * closed / size


class _Day(NamedTuple):
    """A trading day."""

    day: date
    began_with: float
    """What the account was worth at the end of the day before; of the first, when it began."""


class Account:
    """The books of one account, or of one strategy's part of it."""

    def __init__(
        self, figures: FiguresConfig, sessions: Sessions, currency: str, whose: Whose
    ) -> None:
        cash = {} if figures.cash is None else {currency: figures.cash}
        self.currency = currency
        self._whose = whose
        self.portfolio = PortfolioTracker(
            currency=currency, method=figures.cost, cash=cash, sessions=sessions
        )
        self.performance = PerformanceTracker(
            starting_equity=figures.cash if figures.cash and figures.cash > 0 else None,
            window=figures.window,
            sessions=sessions,
            risk_free=figures.risk_free,
        )
        self.risk = RiskTracker(window=figures.risk_window, period=_period(figures, sessions))
        self.knows_cash = figures.cash is not None
        self.said: frozenset[str] = frozenset()
        """Amounts that the program says itself, and nobody else then."""
        self._sessions = sessions
        self._day: _Day | None = None
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._lock = threading.RLock()  # a signal handler may come in between

    def fill(self, fill: Fill) -> None:
        """Something was traded. What it closes is a trade, net of what opening and closing cost."""
        with self._lock:
            closed = self.portfolio.fill(
                fill.symbol,
                fill.quantity,
                fill.price,
                ts=fill.ts,
                currency=fill.currency or None,
                fee=fill.fee,
                venue=fill.venue,
                account=self._whose.account,
                strategy=self._whose.strategy,
            )
            part = 0.0 if closed is None else abs(float(closed.quantity))
            entry = self._entries.setdefault((fill.symbol, fill.venue), _Entry())
            fees = entry.fill(abs(fill.quantity), fill.fee, part)
        if closed is not None and closed.pnl is not None:
            self.performance.trade(float(closed.pnl), ts=fill.ts, fees=fees)
        self._value(fill.ts)

    def price(self, symbol: str, price: float, ts: int) -> None:
        """A symbol costs so much now."""
        self.portfolio.mark(symbol, price, ts=ts)
        self._value(ts)

    def value(self, amounts: dict[str, float], ts: int) -> None:
        """What the program says; with an equity, the figures go by it."""
        self.said |= amounts.keys()
        equity = amounts.get("value")
        if equity is None:
            return
        if not self.knows_cash:
            # What it began with: fills tell how it went on.
            self.knows_cash = True
            known = self.portfolio.equity
            if known is not None:
                self.portfolio.flow(equity - float(known), self.currency, ts=ts)
        self._mark(equity, ts)

    def _value(self, ts: int) -> None:
        if self.knows_cash and "value" not in self.said:
            equity = self.portfolio.equity
            if equity is not None:
                self._mark(float(equity), ts)

    def _mark(self, equity: float, ts: int) -> None:
        day = self._sessions.day(ts)
        if self._day is None:
            self._day = _Day(day, equity)
        elif day > self._day.day:
            self._day = _Day(day, float(self.performance.equity or equity))
        self.performance.mark(equity, ts=ts)
        self.risk.mark(equity, ts=ts)

    def tell(self, sets: Sets) -> None:
        """Set the gauges."""
        labels = self._whose._asdict()
        equity = self.performance.equity
        # Without a beginning, fills tell what was earned, and not what there is.
        unknown = set() if self.knows_cash else {"value", "cash", "leverage"}
        sets.portfolio.from_tracker(self.portfolio, leave=self.said | unknown, **labels)
        if "daily_pnl" not in self.said and self._day is not None and equity is not None:
            daily = float(equity) - self._day.began_with
            sets.portfolio.update(currency=self.currency, daily_pnl=daily, **labels)
        sets.portfolio.returns(self.risk.returns_over, **labels)
        if equity is not None:
            sets.risk.from_tracker(
                self.risk,
                currency=self.currency,
                equity=equity,
                concentration=self.portfolio.exposure.concentration,
                **labels,
            )
        sets.performance.update(self.performance, currency=self.currency, **labels)


class Books:
    """All accounts' books. No verb raises beside what its caller guards."""

    def __init__(self, figures: FiguresConfig) -> None:
        self._figures = figures
        self._sessions = build_sessions(figures)
        self.latest: int | None = None
        """The event time that the books have come to, nanoseconds UTC."""
        self._accounts: dict[Whose, Account] = {}
        self._lock = threading.RLock()
        after_fork_in_child(self._begin_anew)

    def fill(self, whose: Whose, fill: Fill) -> None:
        """An order was traded, in part or whole."""
        self._come_to(fill.ts)
        account = self._account(whose, fill.currency)
        if account is not None:
            account.fill(fill)

    def price(self, symbol: str, price: float, ts: int) -> None:
        """A symbol costs so much now, for whoever holds it."""
        self._come_to(ts)
        for account in list(self._accounts.values()):
            with guard.guarded("books: price"):
                account.price(symbol, price, ts)

    def value(self, whose: Whose, currency: str, amounts: dict[str, float], ts: int) -> None:
        """The program says what an account is worth, by the names of `Portfolio.update`."""
        account = self._account(whose, currency)
        if account is not None:
            account.value(amounts, ts)

    def tell(self, sets: Sets) -> None:
        """Set all gauges to what is known by now."""
        for account in list(self._accounts.values()):
            with guard.guarded("books"):
                account.tell(sets)

    def _come_to(self, ts: int) -> None:
        if self.latest is None or ts > self.latest:
            self.latest = ts

    def _account(self, whose: Whose, currency: str) -> Account | None:
        found = self._accounts.get(whose)
        if found is not None:
            return found
        currency = self._figures.currency or currency
        if not currency:
            return None
        with self._lock:
            if whose not in self._accounts and len(self._accounts) < MOST_ACCOUNTS:
                self._accounts[whose] = Account(self._figures, self._sessions, currency, whose)
            return self._accounts.get(whose)

    def _begin_anew(self) -> None:
        """In a forked child: the parent keeps these accounts."""
        self._accounts = {}
        self._lock = threading.RLock()


def build_sessions(figures: FiguresConfig) -> Sessions:
    """Days and weeks as the settings have them; an exchange has a time zone and closes of its own.

    Raises:
        ValueError: There is no such calendar.
        ModuleNotFoundError: The extra `calendars` is not installed.
    """
    if figures.calendar is not None and figures.calendar != ALWAYS:
        return Sessions(figures.calendar, periods_per_year=figures.periods_per_year)
    return Sessions(
        figures.calendar,
        timezone=figures.time_zone,
        day_starts=figures.day_starts,
        periods_per_year=figures.periods_per_year,
    )


def _period(figures: FiguresConfig, sessions: Sessions) -> Callable[[int], Hashable] | float | None:
    """When a return of value at risk is over; None: with each valuation."""
    length = figures.risk_period
    if length == 0:
        return None
    return sessions.day if length == _DAY else length
