"""Orders and trade updates of `alpaca-py` as attributes: of its models, or of plain dicts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from opentelemetry.util.types import AttributeValue

from tradespan.declare.names import (
    TRADESPAN_SIGNAL,
    TRADING_EVENT_TIME,
    TRADING_EXECUTION_ID,
    TRADING_EXECUTION_PRICE,
    TRADING_EXECUTION_QUANTITY,
    TRADING_EXECUTION_TYPE,
    TRADING_ORDER_CLIENT_ID,
    TRADING_ORDER_CUMULATIVE_QUANTITY,
    TRADING_ORDER_ID,
    TRADING_ORDER_LEAVES_QUANTITY,
    TRADING_ORDER_NOTIONAL,
    TRADING_ORDER_PRICE,
    TRADING_ORDER_QUANTITY,
    TRADING_ORDER_SIDE,
    TRADING_ORDER_STATUS,
    TRADING_ORDER_STOP_PRICE,
    TRADING_ORDER_TIME_IN_FORCE,
    TRADING_ORDER_TYPE,
    TRADING_SYMBOL,
)

Attributes = dict[str, AttributeValue]

_WORDS = {
    TRADING_SYMBOL: "symbol",
    TRADING_ORDER_ID: "id",
    TRADING_ORDER_CLIENT_ID: "client_order_id",
    TRADING_ORDER_SIDE: "side",
    TRADING_ORDER_TYPE: "type",
    TRADING_ORDER_TIME_IN_FORCE: "time_in_force",
    TRADING_ORDER_STATUS: "status",
}
_NUMBERS = {
    TRADING_ORDER_QUANTITY: "qty",
    TRADING_ORDER_NOTIONAL: "notional",
    TRADING_ORDER_PRICE: "limit_price",
    TRADING_ORDER_STOP_PRICE: "stop_price",
    TRADING_ORDER_CUMULATIVE_QUANTITY: "filled_qty",
}
_TOLD = {
    "new": ("order.acknowledged", "new"),
    "fill": ("order.filled", "trade"),
    "partial_fill": ("order.filled", "trade"),
    "canceled": ("order.cancelled", "canceled"),
    "expired": ("order.cancelled", "expired"),
    "rejected": ("order.rejected", "rejected"),
}
"""What an update's event means: the signal, and FIX's word for the report."""


def order_attributes(order: Any) -> Attributes:
    """What an order, or a request for one, says of itself."""
    attributes: Attributes = {}
    for name, key in _WORDS.items():
        value = _get(order, key)
        if value:
            attributes[name] = str(getattr(value, "value", value))
    for name, key in _NUMBERS.items():
        value = _get(order, key)
        if value is not None and value != "":
            attributes[name] = float(value)
    return attributes


def order_keys(order: Any) -> list[str]:
    """The ids by which later updates name an order: Alpaca's, and the client's.

    Alpaca's first: two accounts may give the same one.
    """
    return [str(value) for key in ("id", "client_order_id") if (value := _get(order, key))]


def legs_of(order: Any) -> Iterator[Any]:
    """The order, and those that hang from it."""
    yield order
    yield from _get(order, "legs") or ()


def update_attributes(update: dict[str, Any]) -> Attributes:
    """A trade update as it came on the stream."""
    order = update.get("order") or {}
    attributes = order_attributes(order)
    event = str(update.get("event", ""))
    signal, kind = _TOLD.get(event, (None, event))
    attributes[TRADING_EXECUTION_TYPE] = kind
    if signal is not None:
        attributes[TRADESPAN_SIGNAL] = signal
    if update.get("execution_id"):
        attributes[TRADING_EXECUTION_ID] = str(update["execution_id"])
    if kind == "trade":
        for name, key in ((TRADING_EXECUTION_QUANTITY, "qty"), (TRADING_EXECUTION_PRICE, "price")):
            if update.get(key) is not None:
                attributes[name] = float(update[key])
    if order.get("qty") and order.get("filled_qty") is not None:
        left = float(order["qty"]) - float(order["filled_qty"])
        attributes[TRADING_ORDER_LEAVES_QUANTITY] = 0.0 if signal == "order.cancelled" else left
    if isinstance(update.get("timestamp"), str):
        at = datetime.fromisoformat(update["timestamp"])
        attributes[TRADING_EVENT_TIME] = round(at.timestamp() * 1e6) * 1_000
    return attributes


def symbol_in(values: tuple[Any, ...]) -> str | None:
    """The one symbol that a call is about, by its request; None if it is about several."""
    for value in values:
        for key in ("symbol", "symbol_or_symbols", "underlying_symbol"):
            found = _get(value, key)
            if isinstance(found, list) and len(found) == 1:
                found = found[0]
            if isinstance(found, str):
                return found
    return None


def _get(order: Any, key: str) -> Any:
    return order.get(key) if isinstance(order, dict) else getattr(order, key, None)
