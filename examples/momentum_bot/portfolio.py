"""Positions, cash and profit, in exact decimals."""

from collections import defaultdict
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from typing import Final

from momentum_bot.messages import Fill, Order, Side, Valuation

COMMISSION_RATE: Final = Decimal("0.0002")  # what is set aside for it; the fill tells the true one


class InsufficientCash(Exception):
    """An order needs more cash than is neither spent nor set aside for another order."""


@dataclass(slots=True)
class Position:
    """A holding at its cost, both below zero when short; what is closed leaves at average cost."""

    quantity: int = 0
    cost: Decimal = Decimal(0)
    realised_pnl: Decimal = Decimal(0)

    @property
    def average_cost(self) -> Decimal:
        """Dollars per share, 0 for an empty position."""
        return self.cost / self.quantity if self.quantity else Decimal(0)

    def trade(self, change: int, price: Decimal) -> None:
        """Book a trade: its closing part realises profit, its opening part adds to the cost."""
        is_closing = self.quantity * change < 0
        closed = min(abs(change), abs(self.quantity)) if is_closing else 0
        closing = closed if change > 0 else -closed
        if closing:
            cost_of_closed = -self.cost * closing / self.quantity
            self.realised_pnl += -closing * price - cost_of_closed
            self.cost -= cost_of_closed
        self.cost += (change - closing) * price
        self.quantity += change


class Portfolio:
    """One account in dollars."""

    def __init__(self, cash: Decimal) -> None:
        self.cash = cash
        self.commission = Decimal(0)
        self.positions: defaultdict[str, Position] = defaultdict(Position)
        self.prices: dict[str, Decimal] = {}
        self._reserved: dict[str, Decimal] = {}
        self._reserved_per_share: dict[str, Decimal] = {}

    @property
    def available_cash(self) -> Decimal:
        """What no open order has a claim on."""
        return self.cash - sum(self._reserved.values())

    @property
    def equity(self) -> Decimal:
        """Cash and holdings at the latest prices."""
        return self.cash + sum(self.value_by_symbol.values())

    @property
    def value_by_symbol(self) -> dict[str, Decimal]:
        """Holdings at the latest prices; what has no price yet counts at cost."""
        return {
            symbol: position.quantity * self.prices.get(symbol, position.average_cost)
            for symbol, position in self.positions.items()
        }

    def mark_to_market(self, symbol: str, price: Decimal) -> Valuation:
        """Take note of a price and value the account."""
        self.prices[symbol] = price
        equity = self.equity
        cost = sum(position.cost for position in self.positions.values())
        return Valuation(
            equity=equity,
            cash=self.cash,
            realised_pnl=sum(
                (position.realised_pnl for position in self.positions.values()), Decimal(0)
            ),
            unrealised_pnl=equity - self.cash - cost,
            commission=self.commission,
        )

    def reserve(self, order: Order) -> Decimal:
        """Set cash aside for an order, so that no other order spends it; a sale needs none.

        Raises:
            InsufficientCash: there is not enough left; nothing is set aside.
        """
        if order.side is Side.SELL:
            return Decimal(0)
        per_share = order.price * (1 + COMMISSION_RATE)
        cost = per_share * order.quantity
        if cost > self.available_cash:
            raise InsufficientCash(f"need {cost:,.2f}, have {self.available_cash:,.2f}")
        self._reserved_per_share[order.cl_ord_id] = per_share
        self._reserved[order.cl_ord_id] = cost
        return cost

    def retry_reserve(self, order: Order) -> Order:
        """Make the order as small as the cash demands, and reserve for that.

        Raises:
            InsufficientCash: not even one share can be paid.
        """
        per_share = order.price * (1 + COMMISSION_RATE)
        affordable = int((self.available_cash / per_share).to_integral_value(ROUND_DOWN))
        smaller = replace(order, quantity=max(1, affordable))
        self.reserve(smaller)
        return smaller

    def release(self, cl_ord_id: str) -> None:
        """Give back what is still set aside for an order."""
        self._reserved.pop(cl_ord_id, None)
        self._reserved_per_share.pop(cl_ord_id, None)

    def apply_fill(self, fill: Fill) -> Position:
        """Book a trade, and give back what was set aside for it."""
        change = fill.last_qty if fill.side is Side.BUY else -fill.last_qty
        position = self.positions[fill.symbol]
        position.trade(change, fill.last_px)
        self.cash -= change * fill.last_px + fill.commission
        self.commission += fill.commission
        if fill.cl_ord_id in self._reserved:
            self._reserved[fill.cl_ord_id] = (
                self._reserved_per_share[fill.cl_ord_id] * fill.leaves_qty
            )
        return position
