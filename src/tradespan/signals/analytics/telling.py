"""Figures of a portfolio's books, in one currency and in the caller's kind of number.

The sums are kept by currency; here they are converted. Whoever calls holds the tracker's lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from tradespan.signals.analytics.books import Books, Closed
from tradespan.signals.analytics.exact import (
    ZERO,
    Number,
    add,
    divide_shortly,
    given,
    multiply,
    ratio,
    subtract,
)
from tradespan.signals.analytics.exposures import Exposure
from tradespan.signals.analytics.positions import Holding, Position, Realised
from tradespan.signals.analytics.rates import Rates
from tradespan.signals.analytics.sums import Group
from tradespan.signals.analytics.turnover import Turnover


@dataclass(frozen=True, slots=True)
class Part:
    """Of a portfolio, in its currency; None where a price or a rate is missing."""

    positions: int
    """That are held."""
    value: Number | None
    realised: Number | None
    unrealised: Number | None
    fees: Number | None


class Teller:
    """Reads books; changes nothing."""

    def __init__(self, books: Books, rates: Rates, currency: str, *, fees_in_pnl: bool) -> None:
        self._books = books
        self._rates = rates
        self._currency = currency
        self._fees_in_pnl = fees_in_pnl

    def tell(self, amount: Decimal | None) -> Number | None:
        """In the caller's kind."""
        return None if amount is None else given(amount, self._books.kind)

    def fees(self, group: Group) -> Decimal | None:
        """What fills have cost."""
        return self._convert({name: sums.fees for name, sums in group.sums.items()})

    def realised(self, group: Group) -> Decimal | None:
        """Profit of what was closed."""
        found = self._convert({name: sums.realised for name, sums in group.sums.items()})
        return _less(found, self.fees(group)) if self._fees_in_pnl else found

    def value(self, group: Group) -> Decimal | None:
        """Of what is held."""
        if any(sums.unpriced for sums in group.sums.values()):
            return None
        return self._convert({name: sums.value for name, sums in group.sums.items()})

    def unrealised(self, group: Group) -> Decimal | None:
        """Profit of what is held."""
        if any(sums.unpriced for sums in group.sums.values()):
            return None
        profits = {name: subtract(sums.value, sums.cost) for name, sums in group.sums.items()}
        return self._convert(profits)

    def pnl(self) -> Decimal | None:
        """All profit, less fees."""
        everything = self._books.groups.all
        profit = _plus(self.realised(everything), self.unrealised(everything))
        return profit if self._fees_in_pnl else _less(profit, self.fees(everything))

    def money(self, amounts: Mapping[str, Decimal], currency: str | None) -> Decimal | None:
        """Of one currency as it is, or of all."""
        return self._convert(amounts) if currency is None else amounts.get(currency, ZERO)

    def equity(self) -> Decimal | None:
        """Cash and value."""
        return _plus(self._convert(self._books.cash), self.value(self._books.groups.all))

    def part(self, group: Group) -> Part:
        """A group's figures."""
        return Part(
            positions=group.open,
            value=self.tell(self.value(group)),
            realised=self.tell(self.realised(group)),
            unrealised=self.tell(self.unrealised(group)),
            fees=self.tell(self.fees(group)),
        )

    def exposure(self) -> Exposure:
        """See `Exposure`."""
        everything = self._books.groups.all
        held = everything.sums.items()
        if any(sums.unpriced for _, sums in held):
            return Exposure(None, None, None, None, None, None)
        long = self._convert({name: sums.long for name, sums in held})
        short = self._convert({name: sums.short for name, sums in held})
        if long is None or short is None:
            return Exposure(None, None, None, None, None, None)
        gross, net, equity = add(long, short), subtract(long, short), self.equity()
        return Exposure(
            gross=self.tell(gross),
            net=self.tell(net),
            long=self.tell(long),
            short=self.tell(short),
            leverage=ratio(gross, equity) if equity is not None and equity > ZERO else None,
            concentration=ratio(self._largest(), gross) if gross else None,
        )

    def turnover(self, limit: Decimal | None) -> Turnover:
        """See `Turnover`."""
        used = self._convert(self._books.turnover.amounts)
        known = used is not None and limit is not None and limit > ZERO
        return Turnover(
            used=self.tell(used),
            limit=self.tell(limit),
            utilization=ratio(used, limit) if known else None,  # type: ignore[arg-type] # they are known
        )

    def position(self, holding: Holding) -> Position:
        """See `Position`."""
        key, lots, tell = holding.key, holding.lots, self.tell
        held = bool(lots.quantity)
        fees = self._rates.convert(holding.fees, key.currency)
        realised = _less(holding.realised, fees) if self._fees_in_pnl else holding.realised
        value = holding.value if held else ZERO
        return Position(
            symbol=key.symbol,
            venue=key.venue,
            account=key.account,
            strategy=key.strategy,
            currency=key.currency,
            quantity=given(lots.quantity, self._books.kind),
            multiplier=given(holding.multiplier, self._books.kind),
            average_price=tell(_entry_price(lots.cost, lots.quantity, holding)) if held else None,
            cost=given(lots.cost, self._books.kind),
            market_price=tell(holding.price),
            value=tell(value),
            realised=tell(realised),
            unrealised=tell(_less(value, lots.cost)),
            fees=tell(fees),
            opened_ts=holding.opened_ts,
            lots=lots.count(),
        )

    def closed(
        self, closed: Closed, price: Decimal, fee: Decimal, fee_currency: str, ts: int
    ) -> Realised:
        """See `Realised`."""
        key, kind = closed.holding.key, self._books.kind
        pnl: Decimal | None = closed.pnl
        if self._fees_in_pnl:
            pnl = _less(pnl, self._rates.convert({fee_currency: fee}, key.currency))
        return Realised(
            symbol=key.symbol,
            venue=key.venue,
            account=key.account,
            strategy=key.strategy,
            currency=key.currency,
            quantity=given(closed.quantity, kind),
            entry_price=given(_entry_price(closed.cost, closed.quantity, closed.holding), kind),
            exit_price=given(price, kind),
            cost=given(closed.cost, kind),
            pnl=self.tell(pnl),
            fee=given(fee, kind),
            fee_currency=fee_currency,
            opened_ts=closed.opened_ts,
            ts=ts,
        )

    def _convert(self, amounts: Mapping[str, Decimal]) -> Decimal | None:
        return self._rates.convert(amounts, self._currency)

    def _largest(self) -> Decimal:
        """The largest position's value without its sign. All have prices and rates."""
        largest: dict[str, Decimal] = {}
        for holding in self._books.holdings():
            size, currency = (holding.value or ZERO).copy_abs(), holding.key.currency
            largest[currency] = max(size, largest.get(currency, ZERO))
        converted = (self._convert({name: size}) for name, size in largest.items())
        return max((each for each in converted if each is not None), default=ZERO)


def _entry_price(cost: Decimal, quantity: Decimal, holding: Holding) -> Decimal:
    return divide_shortly(cost, multiply(quantity, holding.multiplier))


def _plus(first: Decimal | None, second: Decimal | None) -> Decimal | None:
    return None if first is None or second is None else add(first, second)


def _less(first: Decimal | None, second: Decimal | None) -> Decimal | None:
    return None if first is None or second is None else subtract(first, second)
