"""Orders of `ccxt`: what an exchange's answers say of them, in the conventions' words.

All exchanges bring orders into one form by `safe_order`, which no exchange overrides: those that
`create_order` returns, and those that are fetched or watched later. What was sent by this program
is told; orders that an account had before are left alone by whoever listens.

Source: ccxt 4.5, `base/exchange.py`, "order structure" of the manual.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import wraps
from types import FrameType
from typing import Any, Final, NamedTuple

from tradespan.core import guard
from tradespan.declare.names import (
    TRADING_CURRENCY,
    TRADING_EVENT_TIME,
    TRADING_ORDER_AVERAGE_PRICE,
    TRADING_ORDER_CLIENT_ID,
    TRADING_ORDER_CUMULATIVE_QUANTITY,
    TRADING_ORDER_ID,
    TRADING_ORDER_LEAVES_QUANTITY,
    TRADING_ORDER_PRICE,
    TRADING_ORDER_QUANTITY,
    TRADING_ORDER_REJECT_CODE,
    TRADING_ORDER_SIDE,
    TRADING_ORDER_STATUS,
    TRADING_ORDER_TYPE,
    TRADING_SYMBOL,
    TRADING_VENUE,
)
from tradespan.instrument.orders_told import LISTENER, tell

_CREATES: Final = "createorder"
_FRAMES: Final = 24
_ENDS: Final = {
    "canceled": "order.cancelled",
    "expired": "order.expired",
    "rejected": "order.rejected",
}


class _Sent(NamedTuple):
    """A call that sends an order, and has been answered."""

    exchange: Any
    began: int
    """By the monotonic clock, nanoseconds."""


_SENT: ContextVar[_Sent | None] = ContextVar("tradespan_ccxt_sent", default=None)


def note_call(exchange: Any, method: str, began: int) -> None:
    """A call of the exchange was answered; what comes from its answer is told by `safe_order`."""
    if LISTENER.listener is not None and method.replace("_", "").lower().startswith(_CREATES):
        _SENT.set(_Sent(exchange, began))


def note_refusal(
    exchange: Any, method: str, began: int, error: BaseException | None, frame: FrameType | None
) -> None:
    """A call of the exchange failed. What the venue refuses is an order that was rejected.

    Of what the network lost nobody knows what became: that is told by the order itself, once it is
    looked for, or by its silence.

    Args:
        exchange: Whose.
        method: The unified one, as `create_order`.
        began: By the monotonic clock, nanoseconds.
        error: What it raised.
        frame: Of who called; `create_order` is among those that called it.
    """
    if LISTENER.listener is None or not method.replace("_", "").lower().startswith(_CREATES):
        return
    if not any(kind.__name__ == "ExchangeError" for kind in type(error).__mro__):
        return
    with guard.guarded("reading a refusal"):
        facts = _facts(exchange, _asked(exchange, frame))
        tell("order.submitted", facts, (time.monotonic_ns() - began) / 1e9)
        code = type(error).__name__
        refused = {TRADING_ORDER_STATUS: "rejected", TRADING_ORDER_REJECT_CODE: code}
        tell("order.rejected", facts | refused)


def _asked(exchange: Any, frame: FrameType | None) -> dict[str, Any]:
    """What the method was asked for, in the form of an order."""
    for _ in range(_FRAMES):
        if frame is None:
            break
        given = frame.f_locals
        name = frame.f_code.co_name.replace("_", "").lower()
        if name.startswith(_CREATES) and given.get("self") is exchange:
            asked = {key: given.get(key) for key in ("symbol", "type", "side", "amount", "price")}
            params = given.get("params") or {}
            return {**asked, "clientOrderId": params.get("clientOrderId")}
        frame = frame.f_back
    return {}


def note_order(original: Callable[..., Any]) -> Callable[..., Any]:
    """For `safe_order`, which returns an order in ccxt's form."""

    @wraps(original)
    def safe_order(exchange: Any, *args: Any, **kwargs: Any) -> Any:
        order = original(exchange, *args, **kwargs)
        if LISTENER.listener is not None:
            with guard.guarded("reading an order"):
                _tell(exchange, order)
        return order

    return safe_order


def _tell(exchange: Any, order: Mapping[str, Any]) -> None:
    sent = _SENT.get()
    is_sent = sent is not None and sent.exchange is exchange
    if is_sent:  # some venues answer with an id alone
        asked = _asked(exchange, sys._getframe(1))  # noqa: SLF001 - as `Calls.begin` does
        order = {**asked, "status": "open", **{k: v for k, v in order.items() if v is not None}}
    facts = _facts(exchange, order)
    if not facts.get(TRADING_ORDER_ID) and not facts.get(TRADING_ORDER_CLIENT_ID):
        return
    if sent is not None and is_sent:
        _SENT.set(None)
        # The venue's time of an answer is no time of ours.
        told = {name: value for name, value in facts.items() if name != TRADING_EVENT_TIME}
        tell("order.submitted", told, (time.monotonic_ns() - sent.began) / 1e9)
    status = facts.get(TRADING_ORDER_STATUS)
    if status == "rejected":
        tell("order.rejected", facts)
        return
    if status is not None:
        tell("order.acknowledged", facts)
    if facts.get(TRADING_ORDER_CUMULATIVE_QUANTITY):
        tell("order.filled", facts)
    if status in _ENDS:
        tell(_ENDS[status], facts)


def _facts(exchange: Any, order: Mapping[str, Any]) -> dict[str, Any]:
    """What an order's answer says. Times are the venue's."""
    symbol = order.get("symbol")
    quote = symbol.partition("/")[2].partition(":")[0] if isinstance(symbol, str) else ""
    filled, happened = order.get("filled"), order.get("lastTradeTimestamp")
    status = order.get("status")
    if status == "open":
        status = "partially_filled" if filled else "new"
    elif status == "closed":
        status = "filled"
    facts = {
        TRADING_VENUE: getattr(exchange, "id", None),
        TRADING_SYMBOL: symbol,
        TRADING_CURRENCY: quote,
        TRADING_ORDER_CLIENT_ID: order.get("clientOrderId"),
        TRADING_ORDER_ID: order.get("id"),
        TRADING_ORDER_SIDE: order.get("side"),
        TRADING_ORDER_TYPE: order.get("type"),
        TRADING_ORDER_QUANTITY: order.get("amount"),
        TRADING_ORDER_PRICE: order.get("price"),
        TRADING_ORDER_STATUS: status,
        TRADING_ORDER_CUMULATIVE_QUANTITY: filled,
        TRADING_ORDER_LEAVES_QUANTITY: order.get("remaining"),
        TRADING_ORDER_AVERAGE_PRICE: order.get("average"),
        TRADING_EVENT_TIME: happened * 1_000_000 if isinstance(happened, int) else None,
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}
