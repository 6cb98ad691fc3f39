"""What can be asked of a portfolio at any moment: sums, parts, positions."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Final, overload

from tradespan.core.forks import after_fork_in_child
from tradespan.signals.analytics.books import Books
from tradespan.signals.analytics.exact import Number, read_text
from tradespan.signals.analytics.exposures import Exposure
from tradespan.signals.analytics.lots import METHODS
from tradespan.signals.analytics.positions import Key, Position
from tradespan.signals.analytics.rates import Rates
from tradespan.signals.analytics.sums import DIMENSIONS
from tradespan.signals.analytics.telling import Part, Teller
from tradespan.signals.analytics.turnover import Turnover


class Figures:
    """The reading half of `PortfolioTracker`: each figure is of one moment, under its lock."""

    def __init__(
        self,
        currency: str,
        method: str,
        rates: Rates | Mapping[tuple[str, str], Number] | None,
        *,
        fees_in_pnl: bool,
    ) -> None:
        """See `PortfolioTracker`."""
        if method not in METHODS:
            raise ValueError(f"there is no method {method!r}: {', '.join(METHODS)}")
        self.currency: Final = read_text(currency, "currency", required=True)
        self.method: Final = method
        if type(fees_in_pnl) is not bool:
            raise TypeError(f"fees_in_pnl is a {type(fees_in_pnl).__name__}, not a bool")
        self.fees_in_pnl: Final = fees_in_pnl
        self.rates: Final = rates if isinstance(rates, Rates) else Rates(self.currency, rates)
        # Re-entrant: a signal handler that saves the books may interrupt a fill in its own thread.
        self._lock = threading.RLock()
        self._books = Books(method)
        self._teller = Teller(self._books, self.rates, self.currency, fees_in_pnl=fees_in_pnl)
        self._limit: Decimal | None = None
        after_fork_in_child(self._begin_anew)

    def _begin_anew(self) -> None:
        """In a forked child: whoever held the lock is not there."""
        self._lock = threading.RLock()

    @contextmanager
    def still(self) -> Iterator[None]:
        """Until it is left, all figures are of one moment: fills and prices of other threads wait.

        For a few readings; nothing that may block belongs inside.
        """
        with self._lock:
            yield

    @property
    def realised(self) -> Number | None:
        """Profit of what was closed; less fees with `fees_in_pnl`."""
        with self._lock:
            return self._teller.tell(self._teller.realised(self._books.groups.all))

    @property
    def unrealised(self) -> Number | None:
        """Profit of what is held, at the latest prices: value − cost."""
        with self._lock:
            return self._teller.tell(self._teller.unrealised(self._books.groups.all))

    @property
    def fees(self) -> Number | None:
        """What all fills have cost, less rebates."""
        with self._lock:
            return self._teller.tell(self._teller.fees(self._books.groups.all))

    @property
    def pnl(self) -> Number | None:
        """All profit, less fees: equity − paid in."""
        with self._lock:
            return self._teller.tell(self._teller.pnl())

    def cash(self, currency: str | None = None) -> Number | None:
        """Money that is in no position: of one currency as it is, or of all in the tracker's.

        Everything held counts as paid in full, futures too.
        """
        with self._lock:
            return self._teller.tell(self._teller.money(self._books.cash, currency))

    def paid_in(self, currency: str | None = None) -> Number | None:
        """What there was to begin with, and what `flow` brought and took, as `cash` tells it."""
        with self._lock:
            return self._teller.tell(self._teller.money(self._books.paid_in, currency))

    @property
    def equity(self) -> Number | None:
        """What the account is worth: cash + value."""
        with self._lock:
            return self._teller.tell(self._teller.equity())

    @overload
    def value(self, by: None = None) -> Number | None: ...
    @overload
    def value(self, by: str) -> dict[str, Number | None]: ...
    def value(self, by: str | None = None) -> Number | dict[str, Number | None] | None:
        """What is held is worth, without cash; short positions are worth less than 0.

        `by`: `asset`, `venue`, `account`, `currency` or `strategy`, for what is held by those.

        Raises:
            ValueError: Nothing is counted by that.
        """
        if by is not None:
            return {name: part.value for name, part in self.breakdown(by).items() if part.positions}
        with self._lock:
            return self._teller.tell(self._teller.value(self._books.groups.all))

    def breakdown(self, by: str) -> dict[str, Part]:
        """What is held, was earned and paid, by `asset`, `venue`, `account`, `currency` (of the
        prices and fees) or `strategy`. Parts add up to the whole.

        Raises:
            ValueError: Nothing is counted by that.
        """
        if by not in DIMENSIONS:
            raise ValueError(f"nothing is counted by {by!r}: {', '.join(DIMENSIONS)}")
        with self._lock:
            groups = self._books.groups.by[by]
            return {name: self._teller.part(group) for name, group in groups.items()}

    @property
    def exposure(self) -> Exposure:
        """Gross, net, long and short; leverage and concentration."""
        with self._lock:
            return self._teller.exposure()

    @property
    def turnover(self) -> Turnover:
        """Of the session of the latest time that a fill or a price had."""
        with self._lock:
            return self._teller.turnover(self._limit)

    def positions(self, *, closed: bool = False) -> list[Position]:
        """What is held; with `closed` the last 10,000 closed positions, too, oldest first."""
        with self._lock:
            held = list(self._books.closed.values()) if closed else []
            return [self._teller.position(each) for each in held + self._books.holdings()]

    def position(
        self,
        symbol: str,
        *,
        venue: str = "",
        account: str = "",
        strategy: str = "",
        currency: str | None = None,
    ) -> Position | None:
        """One position, held or closed; None if it is not known."""
        with self._lock:
            key = Key(symbol, venue, account, strategy, currency or self.currency)
            found = self._books.find(key)
            return None if found is None else self._teller.position(found)

    @property
    def counts(self) -> dict[str, int]:
        """`fills` taken; `duplicates` and `late` ones; `late_marks`, `late_rates`; `merged_lots`
        for want of room.
        """
        books = self._books
        return {
            "fills": books.fills,
            "duplicates": books.duplicates,
            "late": books.late,
            "late_marks": books.late_marks,
            "late_rates": self.rates.late,
            "merged_lots": books.merged,
        }
