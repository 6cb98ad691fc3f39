"""`tradespan.orders`: what a program says of its orders, and what it asks of them. No verb raises.

A verb counts, times, links and publishes once; whoever maps the same call (`[[map]]`) calls none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tradespan.declare.instruments import Instrument as Declaration
from tradespan.signals.events.bus import EventBus, events
from tradespan.signals.harmless import harmless
from tradespan.signals.metrics.registry import from_declaration
from tradespan.signals.orders.counting import Counting
from tradespan.signals.orders.flow import Flow
from tradespan.signals.orders.journey import Fill, Journey
from tradespan.signals.orders.pairs import Pair
from tradespan.signals.orders.watch import Watch


class Journeys:
    """The process's orders, from tick to last fill.

    `ts` is event time, integer nanoseconds UTC, wherever it is taken. Quantities, prices and fees
    are int, float or `Decimal`, and come back as what they went in. `client_id` is the order's name
    (FIX ClOrdID); where a venue's message has none, `order_id` finds the order too.
    """

    def __init__(
        self,
        counting: Counting,
        *,
        bus: EventBus = events,
        make: Callable[[Declaration], Any] = from_declaration,
        **flow: Any,
    ) -> None:
        """`flow`: see `Flow`."""
        self.flow = Flow(counting, bus, make, **flow)
        self.watch = Watch(self.flow, make)

    @harmless
    def tick(
        self,
        symbol: str,
        *,
        venue: str = "",
        ts_event: int | None = None,
        ts_init: int | None = None,
    ) -> None:
        """Market data came: a journey may begin here.

        Args:
            symbol: Whose.
            venue: Where.
            ts_event: When it happened there.
            ts_init: When it was here; legs begin there if it is known, else at `ts_event`.
        """
        self.flow.tick(symbol, ts=ts_event if ts_init is None else ts_init)

    @harmless
    def decided(
        self,
        outcome: str,
        *,
        decision_id: str = "",
        strategy: str = "",
        symbol: str = "",
        ts: int | None = None,
    ) -> None:
        """The strategy has decided. `tradespan.sets.engine.decision` counts decisions."""
        self.flow.decided(decision_id=decision_id, strategy=strategy, symbol=symbol, ts=ts)

    @harmless
    def checked(
        self,
        approved: bool,
        *,
        decision_id: str = "",
        client_id: str = "",
        symbol: str = "",
        ts: int | None = None,
    ) -> None:
        """The program's own risk check has spoken."""
        self.flow.checked(
            approved, decision_id=decision_id, client_id=client_id, symbol=symbol, ts=ts
        )

    @harmless
    def submitted(  # noqa: PLR0913 - an order's facts, each by name
        self,
        client_id: str,
        *,
        venue: str = "",
        symbol: str = "",
        strategy: str = "",
        account: str = "",
        side: str = "",
        type: str = "",  # noqa: A002 - FIX OrdType, as the label
        order_id: str = "",
        quantity: Any = None,
        price: Any = None,
        expected_price: Any = None,
        currency: str = "",
        decision_id: str = "",
        pair_id: str = "",
        leg: str = "",
        ts: int | None = None,
        **more: Any,
    ) -> None:
        """An order is on its way.

        Args:
            client_id: Its name; empty: it is counted, and not known again.
            venue: A label, as the five that follow.
            symbol: What is traded.
            strategy: Whose order it is.
            account: For whom.
            side: `buy`, `sell` …
            type: `limit`, `market` …
            order_id: The venue's name of it.
            quantity: How much; without it nobody knows when it is filled, unless fills say.
            price: Its limit.
            expected_price: That was counted with: slippage and edge captured go by it.
            currency: Of prices.
            decision_id: Of the decision that it follows from.
            pair_id: See `pair`.
            leg: Likewise.
            ts: When.
            more: Further data of the event.
        """
        told = {
            "venue": venue, "symbol": symbol, "strategy": strategy, "account": account,
            "side": side, "type": type, "order_id": order_id, "currency": currency,
            "decision_id": decision_id, "pair_id": pair_id, "leg": leg,
        }  # fmt: skip
        self.flow.submitted(
            client_id, told, quantity=quantity, price=price, expected_price=expected_price, ts=ts,
            publish=True, data={"qty": quantity, "price": price, "event_time": ts, **more},
        )  # fmt: skip

    @harmless
    def acknowledged(
        self, client_id: str = "", *, order_id: str = "", venue: str = "", ts: int | None = None
    ) -> None:
        """The venue has it."""
        told = {"order_id": order_id, "venue": venue}
        self.flow.acknowledged(client_id, told, ts=ts, publish=True, data={"event_time": ts})

    @harmless
    def filled(  # noqa: PLR0913 - an order's facts, each by name
        self,
        client_id: str = "",
        *,
        quantity: Any = None,
        price: Any = None,
        execution_id: str = "",
        cumulative: Any = None,
        leaves: Any = None,
        complete: bool | None = None,
        fee: Any = None,
        currency: str = "",
        order_id: str = "",
        venue: str = "",
        ts: int | None = None,
    ) -> None:
        """A part of it, or all, was traded.

        Args:
            client_id: The order's.
            quantity: Of this fill.
            price: Of this fill.
            execution_id: The fill's name: told again, it counts no more.
            cumulative: How much was traded by now; without `execution_id` it tells a repetition.
            leaves: How much stands.
            complete: Whether the order is done; None: quantities say so, if anybody does.
            fee: What it cost; below 0 it brought something.
            currency: Of price and fee.
            order_id: The venue's name of the order.
            venue: Who says so.
            ts: When.
        """
        fill = Fill(quantity, price, execution_id, cumulative, leaves, complete, fee)
        data = {
            "qty": quantity, "price": price, "event_time": ts,
            "trading.execution.id": execution_id,
            "trading.execution.commission": fee,
            "trading.order.cumulative_quantity": cumulative,
            "trading.order.leaves_quantity": leaves,
        }  # fmt: skip
        told = {"order_id": order_id, "venue": venue, "currency": currency}
        self.flow.filled(client_id, told, fill, ts=ts, publish=True, data=data)

    @harmless
    def cancel_requested(
        self, client_id: str = "", *, order_id: str = "", venue: str = "", ts: int | None = None
    ) -> None:
        """The program wants the rest gone."""
        self.flow.cancel_requested(client_id, {"order_id": order_id, "venue": venue}, ts=ts)

    @harmless
    def cancelled(
        self,
        client_id: str = "",
        *,
        reason: str = "",
        order_id: str = "",
        venue: str = "",
        ts: int | None = None,
    ) -> None:
        """The rest is gone."""
        told = {"order_id": order_id, "venue": venue}
        data = {"reason": reason, "event_time": ts}
        self.flow.cancelled(client_id, told, ts=ts, publish=True, data=data)

    @harmless
    def expired(
        self, client_id: str = "", *, order_id: str = "", venue: str = "", ts: int | None = None
    ) -> None:
        """Its time is over; it counts among the cancelled ones."""
        told = {"order_id": order_id, "venue": venue}
        self.flow.expired(client_id, told, ts=ts, publish=True, data={"event_time": ts})

    @harmless
    def rejected(
        self,
        client_id: str = "",
        *,
        reason: str = "",
        text: str = "",
        order_id: str = "",
        venue: str = "",
        ts: int | None = None,
    ) -> None:
        """It was not taken.

        Args:
            client_id: The order's.
            reason: One of few words, a label (`trading.order.reject_code`).
            text: The venue's own words, for the event.
            order_id: The venue's name of the order.
            venue: Who says so.
            ts: When.
        """
        told = {"order_id": order_id, "venue": venue}
        data = {"reason": text or reason, "trading.order.reject_code": reason, "event_time": ts}
        self.flow.rejected(client_id, told, reason=reason, ts=ts, publish=True, data=data)

    @harmless
    def replaced(
        self,
        client_id: str,
        original_client_id: str,
        *,
        quantity: Any = None,
        price: Any = None,
        ts: int | None = None,
    ) -> None:
        """`client_id` stands in the place of `original_client_id`: one journey, that goes on."""
        data = {
            "qty": quantity, "price": price, "event_time": ts,
            "trading.order.original_client_id": original_client_id,
        }  # fmt: skip
        self.flow.replaced(
            client_id, original_client_id, {}, quantity=quantity, price=price, ts=ts,
            publish=True, data=data,
        )  # fmt: skip

    def pair(  # noqa: PLR0913 - an order's facts, each by name
        self,
        pair_id: str,
        *,
        strategy: str = "",
        legs: Sequence[str] = (),
        expected_edge: Any = None,
        quantity: Any = None,
        currency: str = "",
        timeout_ms: float = 60_000,
        payoff: Any = None,
        ts: int | None = None,
    ) -> Pair:
        """Plan orders that belong together; each is then sent with `pair_id` and `leg`.

        Args:
            pair_id: Its name.
            strategy: Whose.
            legs: The legs' names; all have to be traded.
            expected_edge: What it is to bring, per unit, in `currency`.
            quantity: How much each leg is to trade.
            currency: Of prices and edge.
            timeout_ms: After so long a leg that was not traded while another was is an event.
            payoff: What one of each leg pays in the end, where all legs buy.
            ts: When.
        """
        pair = Pair(
            str(pair_id), strategy=strategy, legs=legs, expected_edge=expected_edge,
            quantity=quantity, currency=currency, timeout=timeout_ms / 1e3, payoff=payoff,
        )  # fmt: skip
        planned = [pair]

        @harmless
        def plan() -> None:
            planned[0] = self.flow.pairs.plan(pair, ts=ts)

        plan()
        return planned[0]

    def get(self, client_id: str) -> Journey | None:
        """The journey of an order: open, or one of the latest 1,000 that ended."""
        with self.flow.book.lock:
            return self.flow.book.find(client_id)

    def open(self) -> list[Journey]:
        """Orders that stand, the oldest first."""
        with self.flow.book.lock:
            return self.flow.book.standing()

    def legs(self, client_id: str) -> dict[str, float]:
        """An order's legs so far, in seconds; what cannot be measured is not there."""
        journey = self.get(client_id)
        return {} if journey is None else journey.legs()

    def to_dict(self) -> dict[str, Any]:
        """Open orders by client id, for JSON-like output."""
        return {each.client_id: each.to_dict() for each in self.open()}
