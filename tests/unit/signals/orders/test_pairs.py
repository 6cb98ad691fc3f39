"""Pairs of orders, and orders that nobody answers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.signals.sets.conftest import Observing, Values, Watches
from tradespan.signals.events.bus import EventBus
from tradespan.signals.orders.front import Journeys
from tradespan.signals.orders.slot import OrdersSlot
from tradespan.signals.sets.switch import Sets

D = Decimal


def pair_events(bus: EventBus) -> list[tuple[str, dict[str, Any]]]:
    return [(each.name, each.data) for each in bus.get_recent() if each.name.startswith("PAIR")]


def send(orders: Journeys, leg: str, side: str, quantity: Any = 10) -> None:
    orders.submitted(
        leg, venue=leg, symbol="FED", side=side, quantity=quantity, pair_id="P", leg=leg
    )


def plan(orders: Journeys, **more: Any) -> Any:
    return orders.pair(
        "P", strategy="arb", legs=("kalshi", "poly"), expected_edge=D("0.03"), quantity=D(10),
        currency="USD", **more,
    )  # fmt: skip


def test_a_pair_that_is_traded_tells_what_it_brought_and_how_long_it_took(
    orders: Journeys, bus: EventBus, watches: Watches, values: Values
) -> None:
    pair = plan(orders)
    send(orders, "kalshi", "buy")
    send(orders, "poly", "sell")
    watches.seconds += 1
    orders.filled("kalshi", quantity=D(10), price=D("0.40"), fee=D("0.05"))
    watches.seconds += 2
    orders.filled("poly", quantity=D(4), price=D("0.43"), execution_id="1")
    watches.seconds += 3
    orders.filled("poly", quantity=D(6), price=D("0.43"), execution_id="2")
    assert (pair.realised_edge, pair.net_profit) == (D("0.03"), D("0.25"))
    assert (pair.execution_time(), pair.legs_gap(), pair.holding_time()) == (6, 2, 5)
    assert pair_events(bus) == [
        (
            "PAIR_PLANNED",
            {
                "pair_id": "P", "strategy": "arb", "currency": "USD",
                "trading.pair.edge.expected": D("0.03"), "trading.pair.quantity": D(10),
            },
        ),
        (
            "PAIR_STARTED",
            {"pair_id": "P", "strategy": "arb", "currency": "USD", "trading.pair.timeout": 60.0},
        ),
        (
            "PAIR_COMPLETED",
            {
                "pair_id": "P", "strategy": "arb", "currency": "USD", "success": True,
                "trading.pair.quantity": D(10), "trading.pair.edge.realised": D("0.03"),
                "trading.pair.net_profit": D("0.25"), "trading.pair.duration": 6.0,
            },
        ),
    ]  # fmt: skip
    assert values.of("trading.pair.execution.duration") == {("arb",): (1, 6.0)}
    assert values.of("trading.pair.legs.gap") == {("arb",): (1, 2.0)}


@pytest.mark.parametrize(("payoff", "edge"), [(None, None), (1, D("0.02"))])
def test_of_legs_that_all_buy_the_payoff_says_what_they_bring(
    orders: Journeys, payoff: Any, edge: Any
) -> None:
    pair = plan(orders, payoff=payoff)
    for leg, price in (("kalshi", D("0.40")), ("poly", D("0.58"))):
        send(orders, leg, "buy")
        orders.filled(leg, quantity=D(10), price=price)
    assert pair.realised_edge == edge
    assert ("realised_edge" in pair.to_dict()) == (edge is not None)


def test_a_leg_that_fails_leaves_the_pair_unhedged_and_it_brings_nothing_defined(
    orders: Journeys, bus: EventBus
) -> None:
    pair = plan(orders)
    send(orders, "kalshi", "buy")
    send(orders, "poly", "sell")
    orders.filled("kalshi", quantity=D(10), price=1)
    orders.rejected("poly")
    told = pair_events(bus)
    assert [name for name, _ in told][2:] == ["PAIR_UNHEDGED", "PAIR_COMPLETED"]
    assert (told[2][1]["leg"], told[2][1]["trading.venue"]) == ("poly", "poly")
    assert told[3][1]["success"] is False
    assert (pair.realised_edge, pair.net_profit) == (None, None)


def test_a_leg_that_is_late_is_told_once_by_the_thread_that_observes(
    orders: Journeys, bus: EventBus, watches: Watches
) -> None:
    plan(orders, timeout_ms=5_000)
    send(orders, "kalshi", "buy")
    orders.filled("kalshi", quantity=D(10), price=1)
    watches.seconds += 4.9
    orders.watch.run()
    assert "PAIR_UNHEDGED" not in dict(pair_events(bus))
    watches.seconds += 0.1
    orders.watch.run()
    orders.watch.run()
    told = [data for name, data in pair_events(bus) if name == "PAIR_UNHEDGED"]
    assert [each["leg"] for each in told] == ["poly"]


def stuck(bus: EventBus) -> list[dict[str, Any]]:
    return [each.data for each in bus.get_recent() if each.name == "ORDER_STUCK"]


def test_an_order_without_an_answer_is_told_once(
    orders: Journeys, bus: EventBus, watches: Watches, values: Values
) -> None:
    for client_id in ("A", "B", "C", "D"):
        orders.submitted(client_id, venue="XNAS", symbol="AAPL", side="buy", quantity=10)
    orders.acknowledged("B")
    orders.filled("C", quantity=1, price=1)
    orders.rejected("D")
    watches.seconds += 9
    orders.watch.run()
    assert stuck(bus) == []
    watches.seconds += 1.5
    orders.watch.run()
    orders.watch.run()
    assert stuck(bus) == [
        {
            "symbol": "AAPL", "side": "buy", "venue": "XNAS", "client_order_id": "A",
            "trading.order.status": "pending_new", "waited": 10.5,
        }
    ]  # fmt: skip
    assert values.of("trading.orders.stuck") == {("XNAS",): 1}


@pytest.mark.parametrize(("mode", "within"), [("backtest", 10.0), ("live", 0.0)])
def test_nothing_is_stuck_in_a_backtest_or_where_nobody_asks(
    orders: Journeys, bus: EventBus, watches: Watches, slot: OrdersSlot, mode: str, within: float
) -> None:
    slot.fill(acknowledge_within=within, mode=mode)
    orders.submitted("A", venue="XNAS")
    watches.seconds += 1_000
    orders.watch.run()
    assert stuck(bus) == []


def test_the_thread_that_observes_watches_the_processes_orders(
    sets: Sets, observing: Observing
) -> None:
    assert sets.journeys.watch in observing.tasks
