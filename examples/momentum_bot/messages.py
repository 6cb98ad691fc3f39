"""What the parts of the bot say to each other, and to the exchange."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

JsonObject = dict[str, Any]


class Action(StrEnum):
    """What the strategy wants to do."""

    BUY = "buy"
    SELL = "sell"
    HOLD = "hold"


class Side(StrEnum):
    """FIX Side (54)."""

    BUY = "buy"
    SELL = "sell"


@dataclass(frozen=True, slots=True)
class Tick:
    """One price of one symbol; `ts_event` is the exchange's time in nanoseconds since 1970, UTC."""

    symbol: str
    bid_px: Decimal
    ask_px: Decimal
    last_px: Decimal
    last_qty: int
    ts_event: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about a tick, and up to which price.

    Confidence goes from 0 to 1; momentum and volatility are log returns.
    """

    symbol: str
    action: Action
    confidence: float
    momentum: float
    volatility: float
    quantity: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class Verdict:
    """What risk management says; `utilisation` is how much of the tightest limit is used."""

    approved: bool
    reason: str
    utilisation: float


@dataclass(frozen=True, slots=True)
class Order:
    """A limit order, good for the day."""

    cl_ord_id: str
    symbol: str
    side: Side
    quantity: int
    price: Decimal
    order_type: str = "limit"

    def to_message(self) -> JsonObject:
        """Say it in the exchange's protocol."""
        return {
            "msg_type": "new_order_single",
            "cl_ord_id": self.cl_ord_id,
            "symbol": self.symbol,
            "side": self.side,
            "ord_type": self.order_type,
            "order_qty": self.quantity,
            "price": str(self.price),
        }


@dataclass(frozen=True, slots=True)
class Ack:
    """The exchange has the order."""

    cl_ord_id: str
    symbol: str
    venue: str
    exec_type: str
    ord_status: str
    ts_event: int


@dataclass(frozen=True, slots=True)
class Fill:
    """A part of the order, or all of it, was traded."""

    cl_ord_id: str
    symbol: str
    side: Side
    venue: str
    exec_type: str
    ord_status: str
    last_qty: int
    last_px: Decimal
    cum_qty: int
    leaves_qty: int
    commission: Decimal
    ts_event: int


@dataclass(frozen=True, slots=True)
class Reject:
    """The exchange does not take the order."""

    cl_ord_id: str
    symbol: str
    venue: str
    exec_type: str
    ord_status: str
    text: str
    ts_event: int


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What was left of the order is gone."""

    cl_ord_id: str
    symbol: str
    venue: str
    exec_type: str
    ord_status: str
    cum_qty: int
    ts_event: int


Report = Ack | Fill | Reject | Cancelled


@dataclass(frozen=True, slots=True)
class OrderResult:
    """How an order ended; its average price is nothing if it was not filled at all."""

    cl_ord_id: str
    ord_status: str
    cum_qty: int
    average_px: Decimal | None


@dataclass(frozen=True, slots=True)
class Valuation:
    """The account at the latest prices, in dollars."""

    equity: Decimal
    cash: Decimal
    realised_pnl: Decimal
    unrealised_pnl: Decimal
    commission: Decimal


def read_report(message: Mapping[str, Any]) -> Report:
    """Read an execution report.

    Raises:
        KeyError, ValueError: a field is missing or makes no sense.
    """
    cl_ord_id, symbol, venue = message["cl_ord_id"], message["symbol"], message["venue"]
    exec_type, ord_status, ts_event = (
        message["exec_type"],
        message["ord_status"],
        message["ts_event"],
    )
    match exec_type:
        case "new":
            return Ack(cl_ord_id, symbol, venue, exec_type, ord_status, ts_event)
        case "rejected":
            return Reject(
                cl_ord_id, symbol, venue, exec_type, ord_status, message["text"], ts_event
            )
        case "canceled":
            return Cancelled(
                cl_ord_id, symbol, venue, exec_type, ord_status, message["cum_qty"], ts_event
            )
        case "trade":
            return Fill(
                cl_ord_id=cl_ord_id,
                symbol=symbol,
                side=Side(message["side"]),
                venue=venue,
                exec_type=exec_type,
                ord_status=ord_status,
                last_qty=message["last_qty"],
                last_px=Decimal(message["last_px"]),
                cum_qty=message["cum_qty"],
                leaves_qty=message["leaves_qty"],
                commission=Decimal(message["commission"]),
                ts_event=ts_event,
            )
    raise ValueError(f"unknown exec_type {exec_type!r}")


def is_complete(fills: list[Fill]) -> bool:
    """Tell whether the last of an order's fills left nothing to fill."""
    return bool(fills) and fills[-1].leaves_qty == 0


def summarise(order: Order, fills: list[Fill]) -> OrderResult:
    """Say how an accepted order ended, given all its fills."""
    quantity = sum(fill.last_qty for fill in fills)
    value = sum((fill.last_px * fill.last_qty for fill in fills), Decimal(0))
    return OrderResult(
        cl_ord_id=order.cl_ord_id,
        ord_status="filled" if is_complete(fills) else "canceled",
        cum_qty=quantity,
        average_px=value / quantity if quantity else None,
    )
