"""The order book: accepts limit orders, fills them in one to three parts, rejects and cancels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from random import Random
from typing import Any, Final

from demo_exchange.market import Quote
from demo_exchange.prices import CENT

VENUE: Final = "DEMO"
PRICE_BAND: Final = Decimal("0.01")  # a limit further than this from the last price is rejected
COMMISSION_RATE: Final = Decimal("0.0002")
CHANCE_OF_THIN_MARKET: Final = 0.06


class Side(StrEnum):
    """FIX Side (54)."""

    BUY = "buy"
    SELL = "sell"


class ExecType(StrEnum):
    """FIX ExecType (150): what this report tells."""

    NEW = "new"
    TRADE = "trade"
    CANCELED = "canceled"
    REJECTED = "rejected"


class OrdStatus(StrEnum):
    """FIX OrdStatus (39): where the order stands after this report."""

    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A limit order as it came in."""

    cl_ord_id: str
    symbol: str
    side: Side
    order_qty: int
    price: Decimal

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> "NewOrder":
        """Read an order.

        Raises:
            KeyError, ValueError, ArithmeticError: a field is missing or makes no sense.
        """
        return cls(
            cl_ord_id=str(message["cl_ord_id"]),
            symbol=str(message["symbol"]),
            side=Side(message["side"]),
            order_qty=int(message["order_qty"]),
            price=Decimal(message["price"]),
        )


@dataclass(frozen=True, slots=True)
class ExecutionReport:
    """FIX ExecutionReport (8): one thing that happened to one order."""

    order: NewOrder
    exec_type: ExecType
    ord_status: OrdStatus
    cum_qty: int = 0
    leaves_qty: int = 0
    last_qty: int = 0
    last_px: Decimal = Decimal(0)
    commission: Decimal = Decimal(0)
    text: str = ""

    def to_message(self, ts_event: int) -> dict[str, Any]:
        """Say it in the exchange's protocol; `ts_event` is in nanoseconds since 1970, UTC."""
        return {
            "msg_type": "execution_report",
            "venue": VENUE,
            "cl_ord_id": self.order.cl_ord_id,
            "symbol": self.order.symbol,
            "side": self.order.side,
            "exec_type": self.exec_type,
            "ord_status": self.ord_status,
            "cum_qty": self.cum_qty,
            "leaves_qty": self.leaves_qty,
            "last_qty": self.last_qty,
            "last_px": str(self.last_px),
            "commission": str(self.commission),
            "text": self.text,
            "ts_event": ts_event,
        }


@dataclass(slots=True)
class OpenOrder:
    """An order that can still change; acceptance gives it the parts in which it will be filled."""

    order: NewOrder
    parts: list[int] = field(default_factory=list)
    parts_filled: int = 0
    cum_qty: int = 0


@dataclass(slots=True)
class OrderBook:
    """Orders against the market's quotes; every random choice comes from `generator`."""

    quotes: Mapping[str, Quote]
    generator: Random
    _open: dict[str, OpenOrder] = field(default_factory=dict)
    _closed: set[str] = field(default_factory=set)

    def receive(self, order: NewOrder) -> ExecutionReport | None:
        """Take an order in, to be accepted later; the answer is a rejection or nothing yet."""
        if order.cl_ord_id in self._open or order.cl_ord_id in self._closed:
            return reject(order, "duplicate order")
        self._open[order.cl_ord_id] = OpenOrder(order)
        return None

    def accept(self, cl_ord_id: str) -> ExecutionReport:
        """Acknowledge a received order or reject it."""
        working = self._open[cl_ord_id]
        complaint = self._find_complaint(working.order)
        if complaint:
            self._close(cl_ord_id)
            return reject(working.order, complaint)
        working.parts = split(working.order.order_qty, self.generator)
        return ExecutionReport(
            working.order, ExecType.NEW, OrdStatus.NEW, leaves_qty=working.order.order_qty
        )

    def is_open(self, cl_ord_id: str) -> bool:
        """Tell whether anything can still happen to the order."""
        return cl_ord_id in self._open

    def match(self, cl_ord_id: str) -> ExecutionReport | None:
        """Fill an accepted order's next part, or nothing while the market is beyond its limit."""
        working = self._open[cl_ord_id]
        price = self._price_of_next_part(working)
        if price is None:
            return None
        quantity = working.parts[working.parts_filled]
        working.parts_filled += 1
        working.cum_qty += quantity
        leaves = working.order.order_qty - working.cum_qty
        if leaves == 0:
            self._close(cl_ord_id)
        return ExecutionReport(
            working.order,
            ExecType.TRADE,
            OrdStatus.PARTIALLY_FILLED if leaves else OrdStatus.FILLED,
            cum_qty=working.cum_qty,
            leaves_qty=leaves,
            last_qty=quantity,
            last_px=price,
            commission=(price * quantity * COMMISSION_RATE).quantize(CENT),
        )

    def cancel(self, cl_ord_id: str) -> ExecutionReport | None:
        """Cancel what is left of an order; nothing if nothing is."""
        working = self._open.get(cl_ord_id)
        if working is None:
            return None
        self._close(cl_ord_id)
        return ExecutionReport(
            working.order,
            ExecType.CANCELED,
            OrdStatus.CANCELED,
            cum_qty=working.cum_qty,
            text="by request",
        )

    def _close(self, cl_ord_id: str) -> None:
        del self._open[cl_ord_id]
        self._closed.add(cl_ord_id)

    def _find_complaint(self, order: NewOrder) -> str:
        quote = self.quotes.get(order.symbol)
        if quote is None:
            return f"unknown symbol {order.symbol}"
        if order.order_qty <= 0 or not order.price.is_finite() or order.price <= 0:
            return "quantity and price must be positive"
        if abs(order.price - quote.last_px) > quote.last_px * PRICE_BAND:
            return f"price band: {order.price} is over {PRICE_BAND:.0%} from {quote.last_px}"
        if self.generator.random() < CHANCE_OF_THIN_MARKET:
            return f"insufficient liquidity for {order.order_qty}"
        return ""

    def _price_of_next_part(self, working: OpenOrder) -> Decimal | None:
        """Each part takes the next cent of the book; None when that is beyond the limit."""
        order, quote = working.order, self.quotes[working.order.symbol]
        if order.side is Side.BUY:
            price = quote.ask_px + working.parts_filled * CENT
            return price if price <= order.price else None
        price = quote.bid_px - working.parts_filled * CENT
        return price if price >= order.price else None


def reject(order: NewOrder, reason: str) -> ExecutionReport:
    """Report that an order was not accepted."""
    return ExecutionReport(order, ExecType.REJECTED, OrdStatus.REJECTED, text=reason)


def split(quantity: int, generator: Random) -> list[int]:
    """Cut a quantity into one to three parts of at least one each."""
    cuts = generator.sample(range(1, quantity), min(generator.randint(0, 2), quantity - 1))
    return [right - left for left, right in pairwise([0, *sorted(cuts), quantity])]
