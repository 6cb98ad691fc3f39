"""A portfolio's books: cash, positions, prices and running sums, and what changes them.

Nothing here locks, reads a caller's value or converts a currency: `PortfolioTracker` does. Every
change is checked before the first of its steps: a refused one leaves the books as they were.
"""

from __future__ import annotations

from collections.abc import Hashable
from decimal import Decimal
from typing import Final, NamedTuple

from tradespan.signals.analytics.exact import ZERO, Kind, add, divide, is_in_range, multiply
from tradespan.signals.analytics.exact import subtract as less
from tradespan.signals.analytics.lots import METHODS, Lot, stretch
from tradespan.signals.analytics.positions import NEVER, Holding, Key
from tradespan.signals.analytics.sums import DIMENSIONS, Groups
from tradespan.signals.analytics.turnover import SessionTurnover

MOST_OPEN: Final = 100_000
"""Positions that may be open at once."""
MOST_CLOSED: Final = 10_000
"""Closed positions that are remembered, the last ones."""
MOST_PRICES: Final = 10_000
"""Latest prices that are remembered for positions to come."""

PriceKey = tuple[str, str, str]
"""Symbol, venue and currency; empty: any."""


class Closed(NamedTuple):
    """What a trade closed."""

    holding: Holding
    quantity: Decimal
    """With the sign of what was held."""
    cost: Decimal
    pnl: Decimal
    opened_ts: int


class Books:
    """The state that `PortfolioTracker` guards. All numbers are exact ones."""

    def __init__(self, method: str) -> None:
        self.method = method
        self.kind = Kind.INTEGER
        self.cash: dict[str, Decimal] = {}
        self.paid_in: dict[str, Decimal] = {}
        """What there was at the start, and what came and went since."""
        self.open: dict[str, dict[Key, Holding]] = {}
        """By symbol."""
        self.open_count = 0
        self.closed: dict[Key, Holding] = {}
        """The last one that was closed stands last."""
        self.groups = Groups()
        self.prices: dict[PriceKey, tuple[Decimal, int]] = {}
        """The last one that was told stands last."""
        self.turnover = SessionTurnover()
        self.executions: dict[tuple[str, str, str, str], None] = {}
        """Fills that were taken, the last one last: symbol, venue, account, id."""
        self.last_ts: int | None = None
        """Of the latest fill."""
        self.fills = self.duplicates = self.late = self.late_marks = self.merged = 0

    def holdings(self) -> list[Holding]:
        """Open positions, in the order of their symbols' opening."""
        return [holding for held in self.open.values() for holding in held.values()]

    def forget_prices(self, symbol: str, currency: str) -> None:
        """It is not traded any more: in that currency, or at all if none is named."""
        gone = [
            where
            for where in self.prices
            if where[0] == symbol and (not currency or where[2] in {currency, ""})
        ]
        for where in gone:
            del self.prices[where]

    def find(self, key: Key) -> Holding | None:
        """A position that is open, or was."""
        return self.open.get(key.symbol, {}).get(key) or self.closed.get(key)

    def pay(self, amount: Decimal, currency: str) -> None:
        """Money comes in, or goes if it is below 0."""
        self.cash[currency] = add(self.cash.get(currency, ZERO), amount)

    def charge(self, holding: Holding, fee: Decimal, currency: str) -> None:
        """A fee is paid for a position."""
        if not fee:
            return
        self.pay(fee.copy_negate(), currency)
        holding.fees[currency] = add(holding.fees.get(currency, ZERO), fee)
        own = currency == holding.key.currency
        for sums in holding.sums if own else [group.of(currency) for group in holding.groups]:
            sums.fees = add(sums.fees, fee)

    def check_trade(self, key: Key, multiplier: Decimal) -> None:
        """Whether a fill can be taken.

        Raises:
            ValueError: Its multiplier is not what is held, or there are too many positions.
        """
        held = self.open.get(key.symbol, {}).get(key)
        if held is None:
            if self.open_count >= MOST_OPEN:
                raise ValueError(f"there are {MOST_OPEN} open positions already")
        elif held.multiplier != multiplier:
            raise ValueError(
                f"multiplier is {multiplier}; {key.symbol} is held at {held.multiplier}"
            )

    def trade(
        self, key: Key, quantity: Decimal, price: Decimal, multiplier: Decimal, ts: int
    ) -> tuple[Holding, Closed | None]:
        """Buy, or sell if the quantity is below 0. It was checked."""
        holding = self.find(key) or self._make(key)
        if not holding.lots.quantity:
            holding.multiplier = multiplier
        unit = multiply(price, multiplier)
        self.pay(multiply(quantity, unit).copy_negate(), key.currency)
        lots = holding.lots
        before, cost_before, merged = lots.quantity, lots.cost, lots.merged
        opened = holding.opened_ts
        closed: Closed | None = None
        rest = quantity
        if before and before.is_signed() != quantity.is_signed():
            whole = quantity.copy_abs() >= before.copy_abs()
            part = before if whole else quantity.copy_negate()
            rest = add(quantity, part)
            cost = lots.take(part)
            closed = Closed(holding, part, cost, less(multiply(part, unit), cost), opened)
        if rest:
            if not lots.quantity:
                holding.opened_ts = ts
            lots.put(rest, unit)
        self.merged += lots.merged - merged
        self._changed(holding, before, cost_before, closed.pnl if closed else ZERO)
        return holding, closed

    def count_fill(self, amount: Decimal, currency: str, ts: int, day: Hashable) -> None:
        """A fill was taken, of so much money, in that session."""
        self.fills += 1
        if self.last_ts is not None and ts < self.last_ts:
            self.late += 1
        else:
            self.last_ts = ts
        if self.turnover.reach(ts, day):
            self.turnover.count(amount, currency)

    def mark(self, where: PriceKey, price: Decimal, ts: int) -> None:
        """A symbol has this price, at one venue or any, in one currency or its only one.

        Raises:
            ValueError: It is held in several currencies, and none is named.
        """
        symbol, venue, currency = where
        held = self.open.get(symbol, {})
        self.check_currency(symbol, currency)
        known = self.prices.pop(where, None)
        if known is not None and ts < known[1]:
            self.prices[where] = known
            self.late_marks += 1
            return
        self.prices[where] = price, ts
        if len(self.prices) > MOST_PRICES:
            self.prices.pop(next(iter(self.prices)))
        for key, holding in held.items():
            fits = (not venue or venue == key.venue) and (not currency or currency == key.currency)
            if fits and ts >= holding.price_ts:
                holding.price, holding.price_ts = price, ts
                self._revalue(holding, holding.lots.cost, ZERO)

    def check_currency(self, symbol: str, currency: str) -> None:
        """Whether a price without a currency says enough.

        Raises:
            ValueError: The symbol is held in several currencies, and none is named.
        """
        held = self.open.get(symbol)
        if currency or held is None or len(held) == 1:
            return
        found = sorted({key.currency for key in held})
        if len(found) > 1:
            raise ValueError(f"{symbol} is held in {' and '.join(found)}: currency is missing")

    def split(self, symbol: str, new: Decimal, old: Decimal, ts: int) -> None:
        """Each `old` became `new`, at the same cost.

        Raises:
            ValueError: A position would have no quantity left that can be counted with.
        """
        held = list(self.open.get(symbol, {}).values())
        stretched: list[tuple[Holding, list[Lot]]] = [
            (holding, [stretch(lot, new, old) for lot in holding.lots.lots()]) for holding in held
        ]
        for where, (price, at) in list(self.prices.items()):
            if where[0] == symbol:
                self._reprice(where, divide(multiply(price, old), new), max(at, ts))
        for holding, lots in stretched:
            before, cost = holding.lots.quantity, holding.lots.cost
            holding.lots.replace(lots)
            if holding.price is not None:
                price = divide(multiply(holding.price, old), new)
                holding.price = price if not price or is_in_range(price) else None
                holding.price_ts = max(holding.price_ts, ts)
            self._changed(holding, before, cost, ZERO)

    def check_move(self, source: Key, target: Key, quantity: Decimal) -> None:
        """Whether so many can go there.

        Raises:
            ValueError: They are not held, or the other side or another multiplier is there, or it
                is the same place, or there are too many positions.
        """
        if source == target:
            raise ValueError("source and target are the same")
        held = self.open.get(source.symbol, {})
        here, there = held.get(source), held.get(target)
        if here is None or here.lots.quantity.copy_abs() < quantity:
            amount = here.lots.quantity.copy_abs() if here else 0
            raise ValueError(
                f"quantity is {quantity}, and {amount} of {source.symbol} is held there"
            )
        if there is None:
            self.check_trade(target, here.multiplier)
        elif there.multiplier != here.multiplier:
            raise ValueError(f"{source.symbol} has another multiplier there")
        elif there.lots.quantity.is_signed() != here.lots.quantity.is_signed():
            raise ValueError(f"the other side of {source.symbol} is held there: close it by fills")

    def move(self, here: Key, there: Key, amount: Decimal) -> None:
        """Part of a position, or all of it, goes elsewhere at its cost. It was checked."""
        source, target = self.open[here.symbol][here], self.find(there) or self._make(there)
        quantity = amount.copy_sign(source.lots.quantity)
        lots = target.lots
        before, cost, merged = lots.quantity, lots.cost, lots.merged
        source_before, source_cost = source.lots.quantity, source.lots.cost
        price = source.price, source.price_ts
        if not before:
            target.multiplier, target.opened_ts = source.multiplier, source.opened_ts
        for lot in source.lots.give(quantity):
            lots.receive(lot)
        self.merged += lots.merged - merged
        self._changed(source, source_before, source_cost, ZERO)
        if not before and here.venue == there.venue:
            target.price, target.price_ts = price
        self._changed(target, before, cost, ZERO)

    def remember(self, execution: tuple[str, str, str, str], most: int) -> None:
        """A fill was taken."""
        self.executions[execution] = None
        if len(self.executions) > most:
            self.executions.pop(next(iter(self.executions)))

    def add_holding(self, key: Key) -> Holding:
        """As `trade` makes it; for books that are read back."""
        return self._make(key)

    def restore(self, holding: Holding) -> None:
        """Take a position that was read back, with its lots, price and profit, into the sums."""
        self._changed(holding, ZERO, ZERO, ZERO)
        if not holding.lots.quantity:
            self.closed[holding.key] = holding

    def _make(self, key: Key) -> Holding:
        groups = (self.groups.all, *map(self.groups.at, DIMENSIONS, _values(key)))
        groups[1].known += 1
        return Holding(key, METHODS[self.method](), groups)

    def _reprice(self, where: PriceKey, price: Decimal, ts: int) -> None:
        if price and not is_in_range(price):
            del self.prices[where]
        else:
            self.prices[where] = price, ts

    def _changed(self, holding: Holding, before: Decimal, cost: Decimal, realised: Decimal) -> None:
        """Quantity and cost were `before` and `cost`; so much was realised."""
        quantity = holding.lots.quantity
        if quantity and not before:
            self._opened(holding)
        elif before and not quantity:
            self._was_closed(holding)
        holding.realised = add(holding.realised, realised)
        self._revalue(holding, cost, realised)

    def _opened(self, holding: Holding) -> None:
        key = holding.key
        self.closed.pop(key, None)
        self.open.setdefault(key.symbol, {})[key] = holding
        self.open_count += 1
        for group in holding.groups:
            group.open += 1
        for venue in (key.venue, ""):
            for currency in (key.currency, ""):
                known = self.prices.get((key.symbol, venue, currency))
                if known is not None and (holding.price is None or known[1] > holding.price_ts):
                    holding.price, holding.price_ts = known

    def _was_closed(self, holding: Holding) -> None:
        key = holding.key
        held = self.open[key.symbol]
        del held[key]
        if not held:
            del self.open[key.symbol]
        self.open_count -= 1
        for group in holding.groups:
            group.open -= 1
        holding.price, holding.price_ts = None, NEVER
        self.closed[key] = holding
        if len(self.closed) > MOST_CLOSED:
            forgotten = self.closed.pop(next(iter(self.closed)))
            asset = forgotten.groups[1]
            asset.known -= 1
            if not asset.known:
                self.groups.fold("asset", forgotten.key.symbol)

    def _revalue(self, holding: Holding, cost: Decimal, realised: Decimal) -> None:
        old, new = holding.value, holding.worth()
        holding.value = new
        was, now = old or ZERO, new or ZERO
        value, spent = less(now, was), less(holding.lots.cost, cost)
        unpriced = (new is None) - (old is None)
        for sums in holding.sums:
            sums.value = add(sums.value, value)
            if spent:
                sums.cost = add(sums.cost, spent)
            if realised:
                sums.realised = add(sums.realised, realised)
            sums.unpriced += unpriced
        everything = holding.sums[0]
        if was < 0 or now < 0:
            short = less(max(ZERO, now.copy_negate()), max(ZERO, was.copy_negate()))
            everything.short = add(everything.short, short)
        if was > 0 or now > 0:
            everything.long = add(everything.long, less(max(ZERO, now), max(ZERO, was)))


def _values(key: Key) -> tuple[str, str, str, str, str]:
    """In the order of the dimensions."""
    return key.symbol, key.venue, key.account, key.currency, key.strategy
