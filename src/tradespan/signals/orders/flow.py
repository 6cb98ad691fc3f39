# long: one method for each message of an order
"""From messages to journeys, and from these to what is counted, timed, linked and published.

Each message: the journey changes under the book's lock; then, outside of it, what is news is told
once. A repetition tells nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from opentelemetry.trace import Span, Tracer, get_current_span

from tradespan.declare import instruments as declared
from tradespan.declare.attributes import ATTRIBUTES
from tradespan.declare.events import EVENTS
from tradespan.declare.instruments import Instrument as Declaration
from tradespan.signals.events.bus import EventBus
from tradespan.signals.events.types import EventType
from tradespan.signals.metrics.instruments import Counter
from tradespan.signals.metrics.registry import from_declaration
from tradespan.signals.orders.book import Book
from tradespan.signals.orders.counting import Counting
from tradespan.signals.orders.journey import Fill, Journey
from tradespan.signals.orders.legs import LegRecorder
from tradespan.signals.orders.links import Links
from tradespan.signals.orders.moments import Moment
from tradespan.signals.orders.pairs import Pairs
from tradespan.signals.orders.paths import Path, Paths
from tradespan.signals.orders.slot import ORDERS, OrdersSlot
from tradespan.signals.sides import WAYS
from tradespan.signals.slot import SIGNALS

Told = Mapping[str, str]
"""What a message says of its order, by `journey.TEXTS`; empty texts say nothing."""
_LABELS: Final = ("venue", "symbol", "strategy", "account", "side", "type")


class Clocks(NamedTuple):
    """This machine's."""

    monotonic: Callable[[], float] = time.monotonic
    """Seconds."""
    wall: Callable[[], int] = time.time_ns
    """Nanoseconds UTC."""


Count = Callable[[Journey | None, dict[str, Any], bool], None]
"""Counts a message of an order, by its labels; True: the order had ended before."""


class _Step(NamedTuple):
    """What one kind of message does."""

    word: str
    stage: str
    note: Callable[[Journey, Moment], bool]
    """Applies it; whether it is news."""
    tell: Count


class Flow:
    """One process's messages. Verbs may raise; whoever faces trading code guards them.

    `publish`: whether a message is an event here; a mapped call's is published by the map.
    """

    def __init__(
        self,
        counting: Counting,
        bus: EventBus,
        make: Callable[[Declaration], Any] = from_declaration,
        *,
        clocks: Clocks | None = None,
        slot: OrdersSlot = ORDERS,
        tracer: Tracer | None = None,
    ) -> None:
        self.bus = bus
        self.slot = slot
        self._counting = counting
        self._clocks = clocks or Clocks()
        self._unknown: Counter = make(declared.TRADING_ORDERS_UNKNOWN)
        self._legs = LegRecorder(make)
        self._paths = Paths()
        self.links = Links(tracer)
        self.book = Book(lambda: SIGNALS.open_orders, self._stand)
        self.pairs = Pairs(bus, make)
        SIGNALS.follow(self.adopt)
        self.adopt()

    # ── before the order ────────────────────────────────────────────────────────────────────────

    def tick(self, symbol: str, *, ts: int | None = None) -> None:
        """Market data came: a path begins."""
        at = self.now(ts)
        path = Path(symbol)
        path.stages["tick"] = at
        trace_id, _ = _current()[1]
        with self.book.lock:
            self._paths.remember(path, trace_id, at)

    def decided(
        self, *, decision_id: str = "", strategy: str = "", symbol: str = "", ts: int | None = None
    ) -> None:
        """The strategy has decided, on the tick that came last."""
        at = self.now(ts)
        _, current = _current()
        with self.book.lock:
            path = self._paths.find(current[0], at, symbol=symbol)
            if path is None or "decision" in path.stages:
                tick = None if path is None else path.stages.get("tick")
                path = Path(symbol)
                if tick is not None:
                    path.stages["tick"] = tick
            path.stages["decision"] = at
            path.symbol, path.strategy = path.symbol or symbol, strategy
            path.decision_id = decision_id
            path.trace_id, path.span_id = current
            self._paths.remember(path, current[0], at)

    def checked(
        self,
        approved: bool,
        *,
        decision_id: str = "",
        client_id: str = "",
        symbol: str = "",
        ts: int | None = None,
    ) -> None:
        """The program's own risk check has spoken. What it refuses leads to no order."""
        at = self.now(ts)
        _, current = _current()
        with self.book.lock:
            path = self._paths.find(
                current[0], at, symbol=symbol, decision_id=decision_id, client_id=client_id
            )
            if path is None:
                path = Path(symbol)
                path.decision_id = decision_id
            if approved:
                path.stages["check"] = at
            self._paths.remember(path, current[0], at, client_id)

    # ── the order ───────────────────────────────────────────────────────────────────────────────

    def submitted(  # noqa: PLR0913 - the order's facts, each by name
        self,
        client_id: str,
        told: Told,
        *,
        quantity: Any = None,
        price: Any = None,
        expected_price: Any = None,
        ts: int | None = None,
        ago: float = 0.0,
        publish: bool = False,
        data: Mapping[str, Any] | None = None,
    ) -> Journey | None:
        """An order is on its way, since so many seconds.

        None: that is no news, or it has no id to know it by.
        """
        if not client_id:
            self._counting.submitted(expected_price=expected_price, **_labels(told))
            if publish:
                self._publish(EventType.TRADE_SUBMITTED, None, told, data)
            return None
        at = self.now(ts, ago)
        span, current = _current()
        with self.book.lock:
            journey = self.book.for_submission(client_id)
            if not journey.note_submitted(
                client_id, at, quantity=quantity, price=price, expected_price=expected_price
            ):
                return None
            journey.learn(told)
            journey.since = at.mono
            journey.trace_id, journey.span_id = current
            self._join(journey, current[0], at)
            self.book.changed(journey, at)
        if len(journey.stages) > 1:
            self._legs.record(journey, *journey.stages)
        if journey.decision[0] == current[0]:  # in one trace nobody has to look for it
            self.links.mark(span, journey, named=publish)
        else:
            self.links.mark(span, journey, journey.decision, named=publish)
        self._counting.submitted(
            expected_price=expected_price, client_id=client_id, **_labels(told)
        )
        if publish:
            self._publish(EventType.TRADE_SUBMITTED, journey, told, data)
        if journey.pair_id:
            self.pairs.sent(journey, at)
        return journey

    def acknowledged(
        self,
        client_id: str,
        told: Told,
        *,
        ts: int | None = None,
        publish: bool = False,
        data: Mapping[str, Any] | None = None,
    ) -> bool:
        """The venue has it. Whether that is news."""
        return self._apply(
            client_id, told, ts,
            _Step(
                "acknowledged", "ack", Journey.note_acknowledged,
                lambda _, order, __: self._counting.acknowledged(**order),
            ),
            EventType.TRADE_ACKNOWLEDGED if publish else None, data,
        )  # fmt: skip

    def filled(
        self,
        client_id: str,
        told: Told,
        fill: Fill,
        *,
        expected_price: Any = None,
        ts: int | None = None,
        publish: bool = False,
        data: Mapping[str, Any] | None = None,
    ) -> tuple[bool, bool | None]:
        """A part of it, or all, was traded.

        Returns:
            Whether that is news, and whether the order is done with it: None: nobody said.
        """
        done: list[bool | None] = []

        def count(journey: Journey | None, order: dict[str, Any], was_ended: bool) -> None:
            complete = fill.complete
            if was_ended:  # its end has been counted
                complete = False
            elif journey is not None and not complete:
                complete = journey.complete if complete is None else journey.complete or False
            done.append(complete)
            expected = expected_price
            if expected is None and journey is not None:
                expected = journey.expected_price
            self._counting.filled(
                complete=complete, price=fill.price, expected_price=expected, **order
            )
            self._count_edge(fill, expected, order, told, journey)

        news = self._apply(
            client_id, told, ts,
            _Step("filled", "fill", lambda journey, at: journey.note_filled(fill, at), count),
            EventType.TRADE_FILLED if publish else None, data,
        )  # fmt: skip
        return news, done[0] if done else None

    def cancel_requested(self, client_id: str, told: Told, *, ts: int | None = None) -> None:
        """The program wants the rest gone."""
        self._apply(
            client_id, told, ts,
            _Step("cancel requested", "cancel_request", Journey.note_cancel_requested, _count_not),
        )  # fmt: skip

    def cancelled(
        self,
        client_id: str,
        told: Told,
        *,
        ts: int | None = None,
        publish: bool = False,
        data: Mapping[str, Any] | None = None,
    ) -> bool:
        """The rest is gone. Whether that is news."""
        return self._apply(
            client_id, told, ts,
            _Step(
                "cancelled", "cancelled", Journey.note_cancelled,
                _unless_over(self._counting.cancelled),
            ),
            EventType.TRADE_CANCELLED if publish else None, data,
        )  # fmt: skip

    def expired(
        self,
        client_id: str,
        told: Told,
        *,
        ts: int | None = None,
        publish: bool = False,
        data: Mapping[str, Any] | None = None,
    ) -> bool:
        """Its time is over; it counts among the cancelled ones. Whether that is news."""
        return self._apply(
            client_id, told, ts,
            _Step(
                "expired", "expired", Journey.note_expired, _unless_over(self._counting.cancelled)
            ),
            EventType.TRADE_EXPIRED if publish else None, data,
        )  # fmt: skip

    def rejected(
        self,
        client_id: str,
        told: Told,
        *,
        reason: str = "",
        ts: int | None = None,
        publish: bool = False,
        data: Mapping[str, Any] | None = None,
    ) -> bool:
        """It was not taken; `reason`: one of few words, a label. Whether that is news."""
        return self._apply(
            client_id, told, ts,
            _Step(
                "rejected", "rejected", lambda journey, at: journey.note_rejected(at, reason),
                _unless_over(partial(self._counting.rejected, reason=reason)),
            ),
            EventType.TRADE_REJECTED if publish else None, data,
        )  # fmt: skip

    def replaced(
        self,
        client_id: str,
        original: str,
        told: Told,
        *,
        quantity: Any = None,
        price: Any = None,
        ts: int | None = None,
        publish: bool = False,
        data: Mapping[str, Any] | None = None,
    ) -> bool:
        """`client_id` stands in the place of `original`. Whether that is news."""
        if not client_id or not original or client_id == original:
            return False
        at = self.now(ts)
        span, _ = _current()
        with self.book.lock:
            journey, unknown = self.book.for_replacement(client_id, original)
            before = journey.client_id
            news = journey.note_replaced(client_id, original, at, quantity, price)
            journey.learn(told)
            renamed = () if journey.client_id == before else (before,)
            self.book.changed(journey, at, renamed=renamed)
        if not news:
            return False
        if unknown:
            self._unknown.labels(journey.venue).add()
        with self.links.within(span, journey, "replaced"):
            if publish:
                self._publish(EventType.TRADE_REPLACED, journey, told, data)
        return True

    # ── what stands ─────────────────────────────────────────────────────────────────────────────

    def adopt(self) -> None:
        """Take over what earlier runs left open."""
        now = self.now(None)
        with self.book.lock:
            self.book.adopt(now)

    def now(self, ts: int | None, ago: float = 0.0) -> Moment:
        """This moment, or so many seconds before it, by all clocks."""
        clocks = self._clocks
        mono = None if self.slot.mode == "backtest" else clocks.monotonic() - ago
        return Moment(ts if type(ts) is int else None, mono, clocks.wall() - round(ago * 1e9))

    # ── beneath ─────────────────────────────────────────────────────────────────────────────────

    def _apply(
        self,
        client_id: str,
        told: Told,
        ts: int | None,
        step: _Step,
        event: EventType | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> bool:
        """One message about an order that was sent. Whether it is news."""
        order_id, venue = told.get("order_id", ""), told.get("venue", "")
        if not client_id and not order_id:
            step.tell(None, _labels(told), False)
            if event is not None:
                self._publish(event, None, told, data)
            return True
        at = self.now(ts)
        span, _ = _current()
        with self.book.lock:
            journey, unknown = self.book.for_message(client_id, order_id, venue)
            was_ended = journey.ended
            news = step.note(journey, at)
            journey.learn(told)
            self.book.changed(journey, at)
            ended = journey.ended and (step.stage == "fill" or not was_ended)
        if not news:
            return False
        if unknown:
            self._unknown.labels(journey.venue).add()
        with self.links.within(span, journey, step.word):
            self._legs.record(journey, step.stage)
            if ended:
                self._legs.record_end(journey)
            order: dict[str, Any] = {
                name: told.get(name, "") or getattr(journey, name) for name in _LABELS
            }
            step.tell(journey, {**order, "client_id": journey.client_ids[-1]}, was_ended)
            if event is not None:
                self._publish(event, journey, told, data)
            if journey.pair_id:
                self.pairs.changed(journey, at)
        return True

    def _join(self, journey: Journey, trace_id: int, at: Moment) -> None:
        """Find what led to it."""
        path = self._paths.find(
            trace_id,
            at,
            symbol=journey.symbol,
            decision_id=journey.decision_id,
            client_id=journey.client_id,
        )
        if path is None:
            return
        for stage, when in path.stages.items():
            journey.stages.setdefault(stage, when)
        journey.decision = (path.trace_id, path.span_id)
        journey.learn({"strategy": path.strategy, "decision_id": path.decision_id})

    def _count_edge(
        self,
        fill: Fill,
        expected: Any,
        order: Mapping[str, str],
        told: Told,
        journey: Journey | None,
    ) -> None:
        """Edge captured: what the fill brought over the expected price, in its currency."""
        currency = told.get("currency", "") or ("" if journey is None else journey.currency)
        way = WAYS.get(order.get("side", ""), 0)
        if not way or not currency or None in (expected, fill.price, fill.quantity):
            return
        self._counting.edge_captured(
            way * (float(expected) - float(fill.price)) * abs(float(fill.quantity)),  # type: ignore[arg-type]
            currency=currency,
            venue=order.get("venue", ""),
            symbol=order.get("symbol", ""),
            strategy=order.get("strategy", ""),
        )

    def _publish(
        self,
        event: EventType,
        journey: Journey | None,
        told: Told,
        data: Mapping[str, Any] | None,
    ) -> None:
        held: dict[str, Any] = {}
        if journey is not None:
            held = event_data(journey)
        held |= {name: value for name, value in told.items() if value}
        held |= {name: value for name, value in (data or {}).items() if value not in (None, "")}
        self.bus.emit(event, _of_event(event, held), source="tradespan.orders")

    def _stand(self, count: int, key: tuple[str, str, str]) -> None:
        venue, strategy, account = key
        self._counting.open(count, venue=venue, strategy=strategy, account=account)


_NAMES: Final = {
    "account": "trading.account",
    "currency": "trading.currency",
    "decision_id": "trading.decision.id",
    "leg": "trading.pair.leg",
    "pair_id": "trading.pair.id",
    "strategy": "trading.strategy",
    "type": "trading.order.type",
}
"""Attributes of what events have no short names for."""


def _of_event(event: EventType, held: Mapping[str, Any]) -> dict[str, Any]:
    """What an event has by the conventions, and what these do not know."""
    declared = EVENTS[event.value]
    short = {field.short for field in declared.fields}
    data = {}
    for name, value in held.items():
        full = name if name in short else _NAMES.get(name, name)
        if full in short or full in declared.attributes or full not in ATTRIBUTES:
            data[full] = value
    return data


def event_data(journey: Journey) -> dict[str, Any]:
    """What an order's event says of it, by the short names that subscribers know."""
    held = {
        "symbol": journey.symbol,
        "side": journey.side,
        "venue": journey.venue,
        "strategy": journey.strategy,
        "account": journey.account,
        "client_order_id": journey.client_id,
        "order_id": journey.order_id,
        "trading.pair.id": journey.pair_id,
        "trading.pair.leg": journey.leg,
    }
    return {name: value for name, value in held.items() if value}


def _count_not(_: Journey | None, __: dict[str, Any], ___: bool) -> None:
    """Nothing to count."""


def _unless_over(verb: Callable[..., None]) -> Count:
    """An order ends once."""

    def count(_: Journey | None, order: dict[str, Any], over: bool) -> None:
        if not over:
            verb(**order)

    return count


def _labels(told: Told) -> dict[str, Any]:
    return {name: told.get(name, "") for name in _LABELS}


def _current() -> tuple[Span, tuple[int, int]]:
    """The current span, and its trace's and its own id; zeros: none."""
    span = get_current_span()
    context = span.get_span_context()
    return span, (context.trace_id, context.span_id)
