"""The orders' set: what became of orders, how fast, and at which price.

Ids tie an order's messages together here and are no labels. What has to be remembered of an order
until its end is bounded: of 10,000 open orders the oldest are forgotten first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypedDict, Unpack

from tradespan.core.forks import after_fork_in_child
from tradespan.declare import instruments as declared
from tradespan.signals.metrics.instruments import BoundCounter, Counter, Gauge, Histogram
from tradespan.signals.sets.base import Maker, harmless
from tradespan.signals.sides import WAYS

MOST_OPEN: Final = 10_000


class Order(TypedDict, total=False):
    """What verbs are told of an order: all of it text, and a label but for the id."""

    venue: str
    symbol: str
    strategy: str
    account: str
    side: str
    """`buy`, `sell` …"""
    type: str
    """`market`, `limit` …"""
    client_id: str
    """Its id, by which its answers are timed; no label."""


_LABELS: Final = ("venue", "symbol", "strategy", "account", "side", "type")
_KNOWN: Final = frozenset((*_LABELS, "client_id"))


class _Sent(NamedTuple):
    """What is remembered of an order until its end."""

    at: float
    """By the monotonic clock, seconds; NaN once it was answered."""
    expected: Any
    """The price that was counted with; None if nobody said."""
    labels: tuple[str, ...]


class _Ended:
    """Orders of one venue, strategy and account that came to an end, and how."""

    __slots__ = ("filled", "known", "others")

    def __init__(self) -> None:
        self.filled = self.others = 0
        self.known = True
        """False once a fill came of which nobody said whether the order was done."""


class Orders:
    """From sending an order to its end. No verb raises.

    With `client_id`, what `submitted` was told of an order stands for what later verbs leave out.
    """

    def __init__(self, make: Maker, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds."""
        self._clock = clock
        self._submitted: Counter = make(declared.TRADING_ORDERS_SUBMITTED)
        self._acknowledged: Counter = make(declared.TRADING_ORDERS_ACKNOWLEDGED)
        self._filled: Counter = make(declared.TRADING_ORDERS_FILLED)
        self._fills: Counter = make(declared.TRADING_ORDERS_FILLS)
        self._cancelled: Counter = make(declared.TRADING_ORDERS_CANCELLED)
        self._rejected: Counter = make(declared.TRADING_ORDERS_REJECTED)
        self._rate: Gauge = make(declared.TRADING_ORDERS_FILL_RATE)
        self._open: Gauge = make(declared.TRADING_ORDERS_OPEN)
        self._latency: Histogram = make(declared.TRADING_ORDER_LATENCY)
        self._response: Histogram = make(declared.TRADING_ORDER_RESPONSE_TIME)
        self._slippage: Histogram = make(declared.TRADING_ORDER_SLIPPAGE)
        self._edge: Histogram = make(declared.TRADING_ORDER_EDGE_CAPTURED)
        self._sent: dict[str, _Sent] = {}
        self._ended: dict[tuple[str, str, str], _Ended] = {}
        self._born: dict[tuple[str, ...], BoundCounter] = {}
        after_fork_in_child(self._begin_anew)

    def declare(self, *, reject_codes: tuple[str, ...] = (), **order: Unpack[Order]) -> None:
        """Let the counters of such orders be there at 0, so that the first reject is a rise.

        `submitted` does so by itself, but for `reject_codes` (`trading.order.reject_code`).
        """
        labels = _labels(order)
        self._bear(labels)
        for code in reject_codes:
            self._rejected.declare(*labels, code)

    @harmless
    def submitted(self, *, expected_price: Any = None, **order: Unpack[Order]) -> None:
        """An order is on its way.

        Args:
            expected_price: The price that was counted with, for the slippage of its fills.
            order: See `Order`.
        """
        labels = _labels(order)
        (self._born.get(labels) or self._bear(labels)).add()
        client_id = order.get("client_id")
        if client_id:
            sent = self._sent
            if len(sent) >= MOST_OPEN:
                sent.pop(next(iter(sent)), None)
            sent[client_id] = _Sent(self._clock(), expected_price, labels)

    @harmless
    def sent(self, seconds: float, *, venue: str = "", strategy: str = "") -> None:
        """The call that sends an order took so long."""
        self._latency.labels(venue, strategy).record(seconds)

    @harmless
    def acknowledged(self, **order: Unpack[Order]) -> None:
        """The venue took the order."""
        labels, _ = self._answered(order)
        self._acknowledged.labels(*labels).add()

    @harmless
    def filled(
        self,
        *,
        complete: bool | None = True,
        price: Any = None,
        expected_price: Any = None,
        **order: Unpack[Order],
    ) -> None:
        """An execution: a part of an order, or all of it, was traded.

        Args:
            complete: Whether the order is done with it. None: nobody says; then it counts as a
                fill, no order as filled, and there is no fill rate.
            price: At which it was traded.
            expected_price: That was counted with; else the one that `submitted` was given.
            order: See `Order`; without `side` there is no slippage.
        """
        labels, before = self._answered(order, ends=complete is True)
        self._fills.labels(*labels).add()
        if complete:
            self._filled.labels(*labels).add()
        if complete is not False:
            self._end(labels, filled=complete)
        if expected_price is None and before is not None:
            expected_price = before.expected
        self._slip(labels, price, expected_price)

    @harmless
    def rejected(self, *, reason: str = "", **order: Unpack[Order]) -> None:
        """The venue, or the program's own checks, did not take the order.

        `reason`: one of few words, a label (`trading.order.reject_code`); no text of the venue's.
        """
        labels, _ = self._answered(order, ends=True)
        self._rejected.labels(*labels, reason).add()
        self._end(labels, filled=False)

    @harmless
    def cancelled(self, **order: Unpack[Order]) -> None:
        """What was left of the order is gone."""
        labels, _ = self._answered(order, ends=True, timed=False)
        self._cancelled.labels(*labels).add()
        self._end(labels, filled=False)

    @harmless
    def response(self, seconds: float, *, venue: str = "", strategy: str = "") -> None:
        """A venue's first answer took so long; with `client_id` the other verbs measure it."""
        self._response.labels(venue, strategy).record(seconds)

    @harmless
    def open(self, count: float, *, venue: str = "", strategy: str = "", account: str = "") -> None:
        """So many orders stand."""
        self._open.labels(venue, strategy, account).set(count)

    @harmless
    def edge_captured(
        self,
        amount: float,
        *,
        currency: str,
        venue: str = "",
        symbol: str = "",
        strategy: str = "",
    ) -> None:
        """What a trade brought over the price that was thought fair; negative: it cost."""
        self._edge.labels(currency, venue, symbol, strategy).record(amount)

    def _bear(self, labels: tuple[str, ...]) -> BoundCounter:
        for each in (self._acknowledged, self._filled, self._fills, self._cancelled):
            each.declare(*labels)
        self._rejected.declare(*labels, "")
        bound = self._submitted.declare(*labels)
        if len(self._born) < MOST_OPEN:
            self._born[labels] = bound
        return bound

    def _answered(
        self, order: Order, *, ends: bool = False, timed: bool = True
    ) -> tuple[tuple[str, ...], _Sent | None]:
        """The labels of an order whose answer came, and what was known of it."""
        labels, client_id = _labels(order), order.get("client_id", "")
        before = self._sent.get(client_id) if client_id else None
        if before is None:
            return labels, None
        labels = tuple(new or old for new, old in zip(labels, before.labels, strict=True))
        if before.at == before.at and timed:  # not NaN: this is the first answer
            self._response.labels(labels[0], labels[2]).record(self._clock() - before.at)
        if ends:
            self._sent.pop(client_id, None)
        elif timed:
            self._sent[client_id] = before._replace(at=float("nan"))
        return labels, before

    def _end(self, labels: tuple[str, ...], *, filled: bool | None) -> None:
        venue, _, strategy, account, _, _ = labels
        key = venue, strategy, account
        ended = self._ended.get(key)
        if ended is None:
            if len(self._ended) >= MOST_OPEN:
                return
            ended = self._ended.setdefault(key, _Ended())
        if filled is None:
            if ended.known:
                ended.known = False
                self._rate.remove(*key)
            return
        ended.filled += filled
        ended.others += not filled
        if ended.known:
            self._rate.labels(*key).set(ended.filled / (ended.filled + ended.others))

    def _slip(self, labels: tuple[str, ...], price: Any, expected: Any) -> None:
        if price is None or expected is None:
            return
        venue, symbol, strategy, _, side, _ = labels
        way = WAYS.get(side, 0)
        if way and (base := float(expected)):
            worse = way * (float(price) - base) / abs(base)
            self._slippage.labels(venue, symbol, strategy, side).record(worse)

    def _begin_anew(self) -> None:
        """In a forked child: the parent's orders are not its own."""
        self._sent, self._ended = {}, {}


def _labels(order: Order) -> tuple[str, ...]:
    """In the order in which the instruments have them.

    Raises:
        TypeError: It has what no order has here.
    """
    if not order.keys() <= _KNOWN:
        raise TypeError(f"an order has no {', '.join(sorted(order.keys() - _KNOWN))} here")
    get: Callable[[str, str], str] = order.get  # type: ignore[assignment]
    return (
        get("venue", ""), get("symbol", ""), get("strategy", ""),
        get("account", ""), get("side", ""), get("type", ""),
    )  # fmt: skip
