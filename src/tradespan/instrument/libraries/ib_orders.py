"""Contracts, orders, states and fills of `ib_async` as attributes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opentelemetry.util.types import AttributeValue

from tradespan.declare.names import (
    TRADESPAN_SIGNAL,
    TRADING_CURRENCY,
    TRADING_EVENT_TIME,
    TRADING_EXECUTION_COMMISSION,
    TRADING_EXECUTION_ID,
    TRADING_EXECUTION_PRICE,
    TRADING_EXECUTION_QUANTITY,
    TRADING_EXECUTION_TYPE,
    TRADING_EXECUTION_VENUE,
    TRADING_ORDER_CLIENT_ID,
    TRADING_ORDER_CUMULATIVE_QUANTITY,
    TRADING_ORDER_DESTINATION,
    TRADING_ORDER_ID,
    TRADING_ORDER_LEAVES_QUANTITY,
    TRADING_ORDER_PRICE,
    TRADING_ORDER_QUANTITY,
    TRADING_ORDER_REFERENCE,
    TRADING_ORDER_REJECT_REASON,
    TRADING_ORDER_SIDE,
    TRADING_ORDER_STATUS,
    TRADING_ORDER_STOP_PRICE,
    TRADING_ORDER_TIME_IN_FORCE,
    TRADING_ORDER_TYPE,
    TRADING_SYMBOL,
)

Attributes = dict[str, AttributeValue]

_UNSET = 1e300
"""TWS writes the largest double for a price that is not set."""
_SIDES = {"BUY": "buy", "SELL": "sell", "SSHORT": "sell_short", "BOT": "buy", "SLD": "sell"}
_TYPES = {"MKT": "market", "LMT": "limit", "STP": "stop", "STP LMT": "stop_limit"}
_STATES = {
    "ApiPending": "pending_new",
    "PendingSubmit": "pending_new",
    "PreSubmitted": "new",
    "Submitted": "new",
    "PendingCancel": "pending_cancel",
    "ApiCancelled": "canceled",
    "Cancelled": "canceled",
    "Filled": "filled",
}
_PENDING = frozenset({"ApiPending", "PendingSubmit"})
_ENDED = frozenset({"ApiCancelled", "Cancelled", "Filled"})
_ORDER_REJECTED, _ORDER_CANCELLED = 201, 202


def symbol_of(contract: Any) -> str:
    """The contract's symbol, in IB's local spelling if it is known."""
    return str(contract.localSymbol or contract.symbol)


def contract_in(values: Iterable[Any]) -> Any:
    """The first contract among a call's arguments, or of one of them; None if there is none."""
    for value in values:
        found = value if hasattr(value, "secType") else getattr(value, "contract", None)
        if found is not None and hasattr(found, "localSymbol"):
            return found
    return None


def contract_attributes(contract: Any) -> Attributes:
    """What a contract is, as far as it is known."""
    return _without_blanks(
        {
            TRADING_SYMBOL: symbol_of(contract),
            TRADING_CURRENCY: contract.currency,
            TRADING_ORDER_DESTINATION: contract.exchange,
        }
    )


def client_order_id(client_id: int, order_id: int) -> str:
    """An order's id as its client gave it: TWS counts orders below the connection's number."""
    return f"{client_id}-{order_id}" if order_id > 0 else ""


def order_ids(order: Any) -> Attributes:
    """The names of an order: its own, TWS's, and the program's free text."""
    return _without_blanks(
        {
            TRADING_ORDER_CLIENT_ID: client_order_id(order.clientId, order.orderId),
            TRADING_ORDER_ID: str(order.permId or ""),
            TRADING_ORDER_REFERENCE: order.orderRef,
        }
    )


def order_attributes(order: Any) -> Attributes:
    """What is ordered."""
    attributes: Attributes = {
        **order_ids(order),
        TRADING_ORDER_SIDE: _SIDES.get(order.action, str(order.action).lower()),
        TRADING_ORDER_TYPE: _TYPES.get(order.orderType, order.orderType.lower().replace(" ", "_")),
        TRADING_ORDER_QUANTITY: float(order.totalQuantity),
        TRADING_ORDER_TIME_IN_FORCE: order.tif.lower(),
    }
    if order.orderType.startswith("STP"):
        attributes |= _price(TRADING_ORDER_STOP_PRICE, order.auxPrice)
    if "LMT" in order.orderType or order.orderType == "LIT":
        attributes |= _price(TRADING_ORDER_PRICE, order.lmtPrice)
    return _without_blanks(attributes)


def state_attributes(trade: Any, said: str = "", *, is_news: bool = True) -> Attributes:
    """Where an order stands after a report of its state.

    `said`: the broker's words about it. `is_news`: whether the report changed the state.
    """
    state, log = trade.orderStatus, trade.log
    before = log[-2].status if len(log) > 1 else ""
    status = _STATES.get(state.status, _words(state.status))
    attributes: Attributes = {
        TRADING_ORDER_CUMULATIVE_QUANTITY: float(state.filled),
        TRADING_ORDER_LEAVES_QUANTITY: float(state.remaining),
    }
    if state.permId:
        attributes[TRADING_ORDER_ID] = str(state.permId)
    if status == "new" and state.filled:
        status = "partially_filled"
    elif status == "canceled":
        # The library says "Cancelled" for whatever an error did away with.
        reason = _rejection(log)
        if reason is not None:
            status = "rejected"
            attributes[TRADING_ORDER_REJECT_REASON] = said or reason
    attributes[TRADING_ORDER_STATUS] = status
    signal = _signal(status, before) if is_news else None
    if signal is not None:
        attributes[TRADESPAN_SIGNAL] = signal[0]
        attributes[TRADING_EXECUTION_TYPE] = signal[1]
    return attributes


def fill_attributes(execution: Any, ordered: float | None) -> Attributes:
    """What was traded; `ordered`: the order's quantity, if the order is known."""
    total = float(execution.cumQty)
    attributes: Attributes = {
        TRADESPAN_SIGNAL: "order.filled",
        TRADING_EXECUTION_TYPE: "trade",
        TRADING_EXECUTION_ID: execution.execId,
        TRADING_EXECUTION_QUANTITY: float(execution.shares),
        TRADING_EXECUTION_PRICE: float(execution.price),
        TRADING_EXECUTION_VENUE: execution.exchange,
        TRADING_EVENT_TIME: round(execution.time.timestamp() * 1e6) * 1_000,
        TRADING_ORDER_SIDE: _SIDES.get(execution.side, str(execution.side).lower()),
        TRADING_ORDER_CUMULATIVE_QUANTITY: total,
        **order_ids(execution),
    }
    if ordered is not None:
        left = max(float(ordered) - total, 0.0)
        attributes[TRADING_ORDER_LEAVES_QUANTITY] = left
        attributes[TRADING_ORDER_STATUS] = "partially_filled" if left else "filled"
    return _without_blanks(attributes)


def commission_attributes(report: Any) -> Attributes:
    """What a fill cost."""
    return _without_blanks(
        {
            TRADING_EXECUTION_ID: report.execId,
            TRADING_CURRENCY: report.currency,
            **_price(TRADING_EXECUTION_COMMISSION, report.commission),
        }
    )


def _rejection(log: Any) -> str | None:
    """The words with which the broker refused the order, by the order's log; None if it did not."""
    before = ""
    for entry in log:
        code = entry.errorCode
        if code == _ORDER_REJECTED or (
            code not in (0, _ORDER_CANCELLED) and before in _PENDING and entry.status in _ENDED
        ):
            return str(entry.message)
        before = entry.status
    return None


def _signal(status: str, before: str) -> tuple[str, str] | None:
    """The signal and the report's type, where there is one; a fill has a report of its own."""
    if status == "new" and before in ("", *_PENDING):
        return "order.acknowledged", "new"
    if before in _ENDED:  # told already: by an error first, then as a state
        return None
    if status == "canceled":
        return "order.cancelled", "canceled"
    if status == "rejected":
        return "order.rejected", "rejected"
    return None


def _price(name: str, value: Any) -> Attributes:
    return {} if value is None or not 0 < abs(float(value)) < _UNSET else {name: float(value)}


def _words(name: str) -> str:
    """`ValidationError` → `validation_error`."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _without_blanks(attributes: Attributes) -> Attributes:
    return {name: value for name, value in attributes.items() if value != ""}
