"""Orders that a program places through `ccxt`: what becomes of them, as order signals.

Exchanges say the same in a hundred ways; `safe_order`, which none overrides, is where `ccxt` has
made one form of all of them, whichever call or stream brought an order. Told are orders that the
program placed in this process: others' orders and those of history are no news.

Fills follow from what an order says is filled of it: two executions between two looks are one fill.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import wraps
from types import FrameType
from typing import Any, Final

from opentelemetry.trace import Span, use_span

from tradespan.core import guard
from tradespan.core.forks import after_fork_in_child
from tradespan.declare import names
from tradespan.instrument.meaning import tell

MOST_ORDERS: Final = 10_000
"""Open orders that are known; of more the oldest is forgotten."""
CREATES: Final = frozenset(
    "".join(word.split("_"))
    for word in (
        "create_order", "create_orders", "create_order_ws", "create_orders_ws", "edit_order",
    )
)  # fmt: skip
_ENDS: Final = {
    "canceled": "order.cancelled",
    "cancelled": "order.cancelled",
    "expired": "order.expired",
    "rejected": "order.rejected",
}
_STATUS: Final = {"open": "new", "closed": "filled", "cancelled": "canceled"}
_FRAMES: Final = 24
_ENOUGH: Final = 1e-12
"""What is left of an order, as a share of it, where nothing is left: amounts are floats."""


@dataclass(slots=True)
class _Placed:
    """What was told of an order."""

    facts: dict[str, Any]
    """Of the order itself: ids, symbol, side …"""
    amount: float | None = None
    filled: float = 0.0
    cost: float = 0.0
    fee: float = 0.0


@dataclass(frozen=True, slots=True)
class Creation:
    """The call that places an order: when it began, and its span."""

    method: str
    began: int
    """Nanoseconds UTC."""
    span: Span | None
    given: Mapping[str, Any]
    """What it was called with, by `ccxt`'s names."""


class Orders:
    """All orders of the instrumentor."""

    def __init__(self, wall: Callable[[], int] = time.time_ns) -> None:
        """`wall`: nanoseconds UTC."""
        self._wall = wall
        self._placed: OrderedDict[tuple[str, str], _Placed] = OrderedDict()
        self._lock = threading.Lock()
        after_fork_in_child(self._begin_anew)

    def parsed(self, original: Callable[..., Any], creation: CreationOf) -> Callable[..., Any]:
        """Replaces `safe_order`. `creation`: finds the call that places the order, if one runs."""

        @wraps(original)
        def safe_order(exchange: Any, order: Any, *args: Any, **kwargs: Any) -> Any:
            told = original(exchange, order, *args, **kwargs)
            with guard.guarded("reading an order"):
                self.see(exchange, told, creation(exchange))
            return told

        return safe_order

    def see(self, exchange: Any, order: Mapping[str, Any], creation: Creation | None) -> None:
        """An order came, in `ccxt`'s form."""
        number = order.get("id")
        if not number:
            return
        venue = str(getattr(exchange, "id", "") or type(exchange).__name__)
        key = venue, str(number)
        now = self._wall()
        with self._lock:
            placed = self._placed.get(key)
            is_new = placed is None
            if placed is None:
                if creation is None:
                    return
                placed = _Placed(_facts(venue, order, creation.given))
                self._placed[key] = placed
                if len(self._placed) > MOST_ORDERS:
                    self._placed.popitem(last=False)
            news = _read(placed, order)
            if any(_is_last(*each) for each in news):
                self._placed.pop(key, None)
        if is_new and creation is not None:
            self._tell_placed(venue, placed, order, creation, now)
        for signal, facts in news:
            tell(signal, f"{venue} order", {**placed.facts, **facts, names.TRADING_EVENT_TIME: now})

    def refused(self, exchange: Any, creation: Creation, error: Exception) -> None:
        """The venue took no order."""
        venue = str(getattr(exchange, "id", "") or type(exchange).__name__)
        facts = _facts(venue, {}, creation.given)
        name = f"{venue} {creation.method}"
        tell("order.submitted", name, {**facts, names.TRADING_EVENT_TIME: creation.began})
        refusal = {
            names.TRADING_ORDER_REJECT_CODE: type(error).__name__,
            names.TRADING_ORDER_STATUS: "rejected",
            names.TRADING_EVENT_TIME: self._wall(),
        }
        tell("order.rejected", name, {**facts, **refusal})

    def ended(self, exchange: Any, method: str, began: int, error: BaseException | None) -> None:
        """A call of the venue is over; `began`: nanoseconds UTC.

        What the venue refuses is a rejection. Of what the network lost nobody knows what became.
        """
        if error is None or method.replace("_", "").lower() not in CREATES:
            return
        kinds = {kind.__name__ for kind in type(error).__mro__}
        if "ExchangeError" in kinds and isinstance(error, Exception):
            found = find_creation(exchange, sys._getframe(1))  # noqa: SLF001 - as `Calls.begin` does
            given = {} if found is None else found[1]
            self.refused(exchange, Creation(method, began, None, given), error)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._placed.clear()

    def _tell_placed(
        self,
        venue: str,
        placed: _Placed,
        order: Mapping[str, Any],
        creation: Creation,
        now: int,
    ) -> None:
        name = f"{venue} {creation.method}"
        within: AbstractContextManager[Any] = nullcontext()
        if creation.span is not None:
            within = use_span(creation.span, end_on_exit=False, record_exception=False)
        with within:
            sent = {**placed.facts, names.TRADING_EVENT_TIME: creation.began}
            tell("order.submitted", name, sent, seconds=max(now - creation.began, 0) / 1e9)
            if order.get("status") != "rejected":
                status = {names.TRADING_ORDER_STATUS: "new", names.TRADING_EVENT_TIME: now}
                tell("order.acknowledged", name, {**placed.facts, **status})

    def _begin_anew(self) -> None:
        """In a forked child: the parent's orders are not its own."""
        self._placed = OrderedDict()
        self._lock = threading.Lock()


CreationOf = Callable[[Any], Creation | None]


def find_creation(exchange: Any, frame: FrameType | None) -> tuple[str, dict[str, Any]] | None:
    """The method that places an order, if the code runs in one, and what it was given."""
    for _ in range(_FRAMES):
        if frame is None:
            return None
        name = frame.f_code.co_name
        if name.replace("_", "").lower() in CREATES:
            given = frame.f_locals
            if given.get("self") is exchange:
                wanted = ("symbol", "type", "side", "amount", "price", "params")
                return name, {key: given.get(key) for key in wanted}
        frame = frame.f_back
    return None


def _facts(venue: str, order: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What an order is, by the answer, else by the call: some venues answer with an id alone."""
    params = given.get("params") or {}
    number = str(order.get("id") or "")
    client = order.get("clientOrderId") or params.get("clientOrderId") or number
    known = {
        names.TRADING_VENUE: venue,
        names.TRADING_SYMBOL: order.get("symbol") or given.get("symbol"),
        names.TRADING_ORDER_ID: number,
        names.TRADING_ORDER_CLIENT_ID: str(client),
        names.TRADING_ORDER_SIDE: order.get("side") or given.get("side"),
        names.TRADING_ORDER_TYPE: order.get("type") or given.get("type"),
        names.TRADING_ORDER_QUANTITY: _number(order.get("amount"), given.get("amount")),
        names.TRADING_ORDER_PRICE: _number(order.get("price"), given.get("price")),
    }
    return {name: value for name, value in known.items() if value not in (None, "")}


def _read(placed: _Placed, order: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What is new of an order: signals, with their facts."""
    news: list[tuple[str, dict[str, Any]]] = []
    if placed.amount is None:
        placed.amount = placed.facts.get(names.TRADING_ORDER_QUANTITY)
    status = str(order.get("status") or "")
    filled = _number(order.get("filled"))
    if filled is None and status == "closed":
        filled = placed.amount
    if filled is not None and filled > placed.filled:
        news.append(("order.filled", _fill(placed, order, filled, status)))
    signal = _ENDS.get(status)
    if signal is not None:
        facts: dict[str, Any] = {
            names.TRADING_ORDER_STATUS: _STATUS.get(status, status),
            names.TRADING_ORDER_CUMULATIVE_QUANTITY: placed.filled,
        }
        if signal == "order.rejected":
            facts[names.TRADING_ORDER_REJECT_CODE] = "rejected"
        news.append((signal, facts))
    return news


def _fill(placed: _Placed, order: Mapping[str, Any], filled: float, status: str) -> dict[str, Any]:
    quantity = filled - placed.filled
    average = _number(order.get("average"), order.get("price"))
    cost = _number(order.get("cost"))
    price = average
    if cost is not None and placed.filled and cost > placed.cost:
        price = (cost - placed.cost) / quantity
    facts: dict[str, Any] = {
        names.TRADING_EXECUTION_TYPE: "trade",
        names.TRADING_EXECUTION_QUANTITY: quantity,
        names.TRADING_ORDER_CUMULATIVE_QUANTITY: filled,
    }
    if price is not None:
        facts[names.TRADING_EXECUTION_PRICE] = price
    left = _number(order.get("remaining"))
    if left is None and placed.amount is not None:
        left = max(placed.amount - filled, 0.0)
    is_over = status == "closed" or (left is not None and left <= _ENOUGH * filled)
    if left is not None:
        facts[names.TRADING_ORDER_LEAVES_QUANTITY] = 0.0 if is_over else left
    facts[names.TRADING_ORDER_STATUS] = "filled" if is_over else "partially_filled"
    fee = order.get("fee") or {}
    paid = _number(fee.get("cost"))
    if paid is not None:
        facts[names.TRADING_EXECUTION_COMMISSION] = paid - placed.fee
        placed.fee = paid
    symbol = str(placed.facts.get(names.TRADING_SYMBOL, ""))
    currency = symbol.partition("/")[2].partition(":")[0]
    if currency:
        facts[names.TRADING_CURRENCY] = currency
    placed.filled, placed.cost = filled, cost or 0.0
    return facts


def _is_last(signal: str, facts: Mapping[str, Any]) -> bool:
    """Whether nothing more is to come of the order."""
    return signal in _ENDS.values() or facts.get(names.TRADING_ORDER_STATUS) == "filled"


def _number(*values: Any) -> float | None:
    """The first that is one."""
    for value in values:
        if value is not None and value != "":
            return float(value)
    return None
