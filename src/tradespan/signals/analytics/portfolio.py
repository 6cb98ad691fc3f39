"""`PortfolioTracker`: what is held, what it cost, what it is worth, and what was earned.

Pure arithmetic on what it is told: it reads no clock, asks nobody for prices or rates, and writes
nowhere. docs/guides/positions.md has the definitions, and what becomes of every odd case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

from tradespan.signals.analytics import saving
from tradespan.signals.analytics.exact import (
    ZERO,
    Kind,
    Number,
    add,
    kind_of,
    multiply,
    read,
    read_text,
    read_time,
)
from tradespan.signals.analytics.figures import Figures
from tradespan.signals.analytics.positions import Realised, read_execution, read_key
from tradespan.signals.analytics.rates import Rates
from tradespan.signals.analytics.turnover import Days, UtcDays

REMEMBERED: Final = 10_000
"""Execution ids that are remembered, unless another number is asked for."""


class PortfolioTracker(Figures):
    """Positions, cash and profit of an account, kept up with each fill and each price.

    Costs are by FIFO (in the order of arrival) or by average cost. All is counted exactly, in
    Decimals inside, and told in the caller's kind of number: Decimal to who gives Decimals, int to
    who gives ints as long as they stay whole, float to who gives floats. At any moment

        cash + value = paid in + realised + unrealised − fees

    A sum over currencies is in `currency`, at the latest given rates, for cash and profits as well;
    it is None where a rate or a price is missing, never a partial sum.

    A fill or a price costs the same however many positions there are. Threads may share a tracker.
    Memory: 100,000 open positions of 10,000 lots at most, the last 10,000 closed positions and
    prices, and `remembered` execution ids.
    """

    def __init__(
        self,
        *,
        currency: str,
        method: str = "fifo",
        cash: Mapping[str, Number] | None = None,
        rates: Rates | Mapping[tuple[str, str], Number] | None = None,
        fees_in_pnl: bool = False,
        turnover_limit: Number | None = None,
        sessions: Days | None = None,
        remembered: int = REMEMBERED,
    ) -> None:
        """An account without positions.

        Args:
            currency: What sums are told in.
            method: `fifo` or `average`.
            cash: What there is to begin with, by currency.
            rates: By (from, to), or an object that several trackers share.
            fees_in_pnl: Whether `realised` is less all fees so far, those of opening fills too.
                They stand beside it otherwise. `pnl` is always less fees.
            turnover_limit: Of a session, in `currency`.
            sessions: Which times are one session; days of UTC unless given.
            remembered: How many execution ids, the last ones, tell a fill that came twice.

        Raises:
            TypeError: A number is a bool or no number; floats and Decimals are mixed.
            ValueError: There is no such method, or a number is not finite.
        """
        super().__init__(currency, method, rates, fees_in_pnl=fees_in_pnl)
        self.remembered: Final = int(read(remembered, "remembered"))
        if self.remembered < 0:
            raise ValueError(f"remembered is below 0: {remembered}")
        self._sessions: Days = UtcDays() if sessions is None else sessions
        if turnover_limit is not None:
            self._limit = read(turnover_limit, "turnover_limit")
            self._books.kind = self._agree(("turnover_limit", turnover_limit))
        for name, amount in (cash or {}).items():
            self._flow(amount, read_text(name, "currency", required=True), "cash")

    def fill(  # noqa: PLR0913 - an execution has that many facts
        self,
        symbol: str,
        quantity: Number,
        price: Number,
        *,
        ts: int,
        currency: str | None = None,
        fee: Number = 0,
        fee_currency: str | None = None,
        multiplier: Number = 1,
        account: str = "",
        venue: str = "",
        strategy: str = "",
        execution_id: str | None = None,
    ) -> Realised | None:
        """Something was bought, or sold where `quantity` is below 0; returns what that closed.

        Fills count in the order of their arrival. One whose `ts` lies before the latest is counted
        in `late`, and taken like any other. A fill beyond what is held closes it and opens the
        other side.

        Args:
            symbol: What was traded.
            quantity: Not 0.
            price: For one unit; may be 0 or negative.
            ts: Nanoseconds since 1970, UTC.
            currency: Of the price; the tracker's unless given.
            fee: What it cost beside the price; below 0 it was a rebate.
            fee_currency: The price's unless given.
            multiplier: Units in a contract, above 0; the same as long as the position is open.
            account: Positions of two accounts are two; so are those of two venues or strategies.
            venue: Where.
            strategy: Which strategy's.
            execution_id: With one that was told before of this symbol, venue and account, the fill
                is counted in `duplicates`, and nothing else.

        Raises:
            TypeError: A number is a bool or no number; floats and Decimals are mixed.
            ValueError: A number is not finite or out of range, the quantity is 0, the multiplier is
                not what is held, or there are too many positions.
        """
        key = read_key(symbol, venue, account, strategy, currency or self.currency)
        size, cost = read(quantity, "quantity"), read(price, "price")
        paid, times = read(fee, "fee"), read(multiplier, "multiplier")
        fee_currency = read_text(fee_currency or key.currency, "fee_currency", required=True)
        if not size:
            raise ValueError("quantity is 0")
        if times <= ZERO:
            raise ValueError(f"multiplier is not above 0: {times}")
        day = self._sessions.day(read_time(ts))
        numbers = (
            ("quantity", quantity),
            ("price", price),
            ("fee", fee),
            ("multiplier", multiplier),
        )
        execution = read_execution(key, execution_id)
        with self._lock:
            books = self._books
            kind = self._agree(*numbers)
            if execution in books.executions:
                books.duplicates += 1
                return None
            books.check_trade(key, times)
            books.kind = kind
            if execution is not None:
                books.remember(execution, self.remembered)
            holding, closed = books.trade(key, size, cost, times, ts)
            books.charge(holding, paid, fee_currency)
            books.count_fill(multiply(multiply(size, cost), times), key.currency, ts, day)
            return (
                None
                if closed is None
                else self._teller.closed(closed, cost, paid, fee_currency, ts)
            )

    def mark(
        self, symbol: str, price: Number, *, ts: int, currency: str | None = None, venue: str = ""
    ) -> None:
        """A symbol has this price now; it is remembered for positions to come, too.

        Of several prices that fit a position the latest by `ts` counts, the later told of equal
        ones. One before what is known of the same symbol, venue and currency is ignored, and
        counted in `late_marks`.

        Args:
            symbol: Of all positions in it.
            price: May be 0 or negative.
            ts: Nanoseconds since 1970, UTC.
            currency: Which positions'. May be left out while all are in one.
            venue: Which positions'; empty: everywhere.

        Raises:
            TypeError: See `fill`.
            ValueError: See `fill`; or there are positions in several currencies, and none is named.
        """
        symbol = read_text(symbol, "symbol", required=True)
        where = symbol, read_text(venue, "venue"), read_text(currency or "", "currency")
        exact = read(price, "price")
        day = self._sessions.day(read_time(ts))
        with self._lock:
            kind = self._agree(("price", price))
            self._books.mark(where, exact, ts)
            self._books.kind = kind
            self._books.turnover.reach(ts, day)

    def rate(self, source: str, target: str, rate: Number, *, ts: int) -> None:
        """One `source` costs `rate` of `target` from now on. See `Rates.set`."""
        with self._lock:
            self.rates.set(source, target, rate, ts=ts)

    def flow(self, amount: Number, currency: str | None = None, ts: int | None = None) -> None:
        """Money came in, or went out where `amount` is below 0: no profit. `ts` is required.

        Raises:
            TypeError: See `fill`.
            ValueError: See `fill`.
        """
        read_time(ts)
        self._flow(amount, read_text(currency or self.currency, "currency"), "amount")

    def settle(
        self, symbol: str, price: Number, ts: int, *, currency: str | None = None
    ) -> list[Realised]:
        """All positions in a symbol are closed at this price: it expired, or was decided.

        What was known of its price is forgotten. No fee, no turnover. Returns what was closed.

        Raises:
            TypeError: See `fill`.
            ValueError: See `mark`.
        """
        symbol = read_text(symbol, "symbol", required=True)
        named = read_text(currency or "", "currency")
        exact = read(price, "price")
        read_time(ts)
        settled: list[Realised] = []
        with self._lock:
            kind = self._agree(("price", price))
            books = self._books
            books.check_currency(symbol, named)
            books.kind = kind
            for key, holding in list(books.open.get(symbol, {}).items()):
                if named and named != key.currency:
                    continue
                quantity = holding.lots.quantity.copy_negate()
                _, closed = books.trade(key, quantity, exact, holding.multiplier, ts)
                assert closed is not None
                settled.append(self._teller.closed(closed, exact, ZERO, key.currency, ts))
            books.forget_prices(symbol, named)
        return settled

    def split(self, symbol: str, ratio: Number | tuple[int, int], ts: int) -> None:
        """Each unit held became `ratio` units; `(1, 3)`: each three became one. No profit.

        Costs stay; quantities and the known prices change, the former to 28 digits where the ratio
        leaves fractions. Prices from before `ts` are late then.

        Raises:
            TypeError: See `fill`.
            ValueError: The ratio is not above 0, or a position would have no quantity left.
        """
        symbol = read_text(symbol, "symbol", required=True)
        new, old = ratio if isinstance(ratio, tuple) else (ratio, 1)
        exact, divisor = read(new, "ratio"), read(old, "ratio")
        if exact <= ZERO or divisor <= ZERO:
            raise ValueError(f"ratio is not above 0: {ratio}")
        read_time(ts)
        with self._lock:
            self._books.split(symbol, exact, divisor, ts)

    def transfer(  # noqa: PLR0913 - from where to where
        self,
        symbol: str,
        quantity: Number,
        ts: int,
        *,
        venue: str = "",
        account: str = "",
        strategy: str = "",
        to_venue: str | None = None,
        to_account: str | None = None,
        to_strategy: str | None = None,
        currency: str | None = None,
    ) -> None:
        """So many of what is held went to another venue, account or strategy, at their cost.

        Oldest lots first. No profit, no cash, no turnover; the profit so far stays where it was.

        Args:
            symbol: What is held.
            quantity: How many, above 0, of a long or a short position.
            ts: Nanoseconds since 1970, UTC.
            venue: From where, as the next two.
            account: See `venue`.
            strategy: See `venue`.
            to_venue: To where, as the next two; what is left out stays the same.
            to_account: See `to_venue`.
            to_strategy: See `to_venue`.
            currency: See `fill`.

        Raises:
            TypeError: See `fill`.
            ValueError: So many are not held there, or the other side is held where they go, or it
                is the same place.
        """
        source = read_key(symbol, venue, account, strategy, currency or self.currency)
        places = (
            ("venue", venue, to_venue), ("account", account, to_account),
            ("strategy", strategy, to_strategy),
        )  # fmt: skip
        target = source._replace(
            **{
                name: read_text(here if to is None else to, f"to_{name}")
                for name, here, to in places
            }
        )
        amount = read(quantity, "quantity")
        if amount <= ZERO:
            raise ValueError(f"quantity is not above 0: {amount}")
        read_time(ts)
        with self._lock:
            kind = self._agree(("quantity", quantity))
            self._books.check_move(source, target, amount)
            self._books.move(source, target, amount)
            self._books.kind = kind

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON: a bot that starts again goes on with `from_dict`. Numbers are texts.

        Not in it: `sessions`.
        """
        with self._lock:
            books = saving.write_books(self._books)
        options = {
            "version": saving.VERSION,
            "currency": self.currency,
            "method": self.method,
            "fees_in_pnl": self.fees_in_pnl,
            "remembered": self.remembered,
            "turnover_limit": self._limit,
            "rates": self.rates.saved(),
        }
        told: dict[str, Any] = saving.to_texts(options | books)
        return told

    @classmethod
    def from_dict(
        cls, saved: Mapping[str, Any], *, rates: Rates | None = None, sessions: Days | None = None
    ) -> Self:
        """The tracker that `to_dict` told of.

        Args:
            saved: As it was, also after JSON.
            rates: An object that several trackers share, instead of the saved rates.
            sessions: See the constructor.

        Raises:
            ValueError: It is of another version, or damaged; the error names where.
        """
        with saving.explained():
            saving.check_version(saved)
            if rates is None:
                rates = Rates(saved["currency"])
                rates.restore(saving.read_rates(saved))
            tracker = cls(
                currency=saved["currency"],
                method=saved["method"],
                rates=rates,
                fees_in_pnl=saved["fees_in_pnl"],
                sessions=sessions,
                remembered=saved["remembered"],
            )
            tracker._limit = saving.read_optional(saved["turnover_limit"])
            saving.read_books(saved, tracker._books, tracker._sessions)
        return tracker

    def _flow(self, amount: Number, currency: str, field: str) -> None:
        exact = read(amount, field)
        with self._lock:
            books = self._books
            books.kind = self._agree((field, amount))
            books.pay(exact, currency)
            books.paid_in[currency] = add(books.paid_in.get(currency, ZERO), exact)

    def _agree(self, *numbers: tuple[str, object]) -> Kind:
        """What is counted in, with these numbers as well."""
        kind = self._books.kind
        for field, value in numbers:
            own = kind_of(value)
            if own is Kind.INTEGER or own is kind:
                continue
            if kind is not Kind.INTEGER:
                raise TypeError(
                    f"{field} is a {own.value}, and this tracker counts in {kind.value}s: "
                    "floats and Decimals do not mix"
                )
            kind = own
        return kind
