"""`tradespan.orders`: messages in, journeys, instruments, events and rows out."""

from __future__ import annotations

import os
import threading
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.signals.orders.conftest import MemoryTable
from tests.unit.signals.sets.conftest import Values, Watches
from tradespan.core import guard
from tradespan.core.orders import OpenOrder
from tradespan.signals.events.bus import EventBus
from tradespan.signals.orders import book as books
from tradespan.signals.orders.front import Journeys
from tradespan.signals.orders.slot import OrdersSlot
from tradespan.signals.slot import SIGNALS

ORDER: dict[str, Any] = {"venue": "XNAS", "symbol": "AAPL", "strategy": "momentum", "side": "buy"}
LABELS = ("buy", "momentum", "AAPL", "XNAS")
SECOND = 1_000_000_000


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> MemoryTable:
    table = MemoryTable()
    monkeypatch.setattr(SIGNALS, "open_orders", table)
    return table


def legs(values: Values) -> dict[str, tuple[int, float]]:
    found = values.of("trading.order.leg.duration")
    return {labels[0]: (count, round(total, 9)) for labels, (count, total) in found.items()}


def test_a_journey_from_tick_to_last_fill_has_a_length_for_each_leg(
    orders: Journeys, values: Values, watches: Watches
) -> None:
    def wait(seconds: float) -> None:
        watches.seconds += seconds

    orders.tick("AAPL", venue="XNAS")
    wait(0.25)
    orders.decided("buy", strategy="momentum", symbol="AAPL")
    wait(0.5)
    orders.checked(True, symbol="AAPL")
    wait(1)
    orders.submitted("A", **ORDER, quantity=10)
    wait(2)
    orders.acknowledged("A")
    wait(4)
    orders.filled("A", quantity=4, price=100)
    wait(8)
    orders.filled("A", quantity=6, price=100)
    expected = {
        "tick_to_decision": 0.25, "decision_to_check": 0.5, "check_to_submit": 1.0,
        "decision_to_submit": 1.5, "tick_to_submit": 1.75, "submit_to_ack": 2.0,
        "ack_to_fill": 4.0, "submit_to_fill": 6.0, "tick_to_fill": 7.75,
        "first_to_last_fill": 8.0,
    }  # fmt: skip
    assert orders.legs("A") == expected
    assert legs(values) == {leg: (1, seconds) for leg, seconds in expected.items()}
    assert set(values.of("trading.order.leg.duration")) == {
        (leg, "momentum", "XNAS") for leg in expected
    }


def test_event_time_counts_where_both_ends_have_it_and_is_never_mixed_with_the_clock(
    orders: Journeys, watches: Watches
) -> None:
    orders.submitted("A", **ORDER, quantity=10, ts=5 * SECOND)
    watches.seconds += 1
    orders.acknowledged("A", ts=7 * SECOND)
    watches.seconds += 1
    orders.filled("A", quantity=10, price=1)
    assert orders.legs("A") == {"submit_to_ack": 2.0, "ack_to_fill": 1.0, "submit_to_fill": 2.0}


def test_a_leg_that_ends_before_it_begins_is_absent(orders: Journeys, values: Values) -> None:
    orders.submitted("A", **ORDER, ts=5 * SECOND)
    orders.acknowledged("A", ts=4 * SECOND)
    assert orders.legs("A") == {}
    assert legs(values) == {}


def test_a_fill_before_its_acknowledgement_leaves_one_leg_out(
    orders: Journeys, watches: Watches
) -> None:
    orders.submitted("A", **ORDER, quantity=10)
    watches.seconds += 1
    orders.filled("A", quantity=4, price=1)
    watches.seconds += 1
    orders.acknowledged("A")
    assert orders.legs("A") == {"submit_to_fill": 1.0, "submit_to_ack": 2.0}


def test_in_a_backtest_only_event_time_measures(
    orders: Journeys, slot: OrdersSlot, watches: Watches, values: Values
) -> None:
    slot.mode = "backtest"
    orders.tick("AAPL", ts_event=SECOND)
    orders.submitted("A", **ORDER, ts=2 * SECOND)
    watches.seconds += 1
    orders.acknowledged("A")
    watches.seconds += 1
    orders.filled("A", quantity=10, price=1, complete=True, ts=5 * SECOND)
    assert orders.legs("A") == {"tick_to_submit": 1.0, "submit_to_fill": 3.0, "tick_to_fill": 4.0}
    assert set(legs(values)) == {"tick_to_submit", "submit_to_fill", "tick_to_fill"}


def test_an_order_joins_the_decision_that_it_names(orders: Journeys, watches: Watches) -> None:
    orders.decided("buy", decision_id="D1", symbol="AAPL", strategy="momentum")
    watches.seconds += 1
    orders.decided("sell", decision_id="D2", symbol="AAPL", strategy="other")
    watches.seconds += 1
    orders.submitted("A", venue="XNAS", symbol="AAPL", decision_id="D1")
    assert orders.legs("A") == {"decision_to_submit": 2.0}
    journey = orders.get("A")
    assert journey is not None
    assert journey.strategy == "momentum"


def test_an_order_does_not_join_another_symbols_decision(orders: Journeys) -> None:
    orders.decided("buy", symbol="MSFT")
    orders.submitted("A", **ORDER)
    assert orders.legs("A") == {}


def test_what_was_decided_long_ago_is_another_story(orders: Journeys, watches: Watches) -> None:
    orders.decided("buy", symbol="AAPL")
    watches.seconds += 61
    orders.submitted("A", **ORDER)
    assert orders.legs("A") == {}


def test_what_a_check_refuses_begins_no_leg(orders: Journeys) -> None:
    orders.decided("buy", symbol="AAPL")
    orders.checked(False, symbol="AAPL")
    orders.submitted("A", **ORDER)
    assert set(orders.legs("A")) == {"decision_to_submit"}


def test_each_message_counts_once_and_is_one_event(
    orders: Journeys, values: Values, bus: EventBus
) -> None:
    for _ in range(2):
        orders.submitted("A", **ORDER, quantity=10)
        orders.acknowledged("A", order_id="77")
        orders.filled("A", quantity=4, price=100, execution_id="e1")
    orders.filled("A", quantity=6, price=100, execution_id="e2")
    for _ in range(2):
        orders.cancelled("A")
    for name, count in (("submitted", 1), ("acknowledged", 1), ("fills", 2), ("filled", 1)):
        assert values.of(f"trading.orders.{name}") == {LABELS: count}, name
    assert values.of("trading.orders.cancelled") == {LABELS: 0}
    assert [each.name for each in bus.get_recent()] == [
        "TRADE_SUBMITTED", "TRADE_ACKNOWLEDGED", "TRADE_FILLED", "TRADE_FILLED", "TRADE_CANCELLED",
    ]  # fmt: skip
    assert bus.get_recent()[2].data == {
        "symbol": "AAPL", "side": "buy", "venue": "XNAS", "trading.strategy": "momentum",
        "client_order_id": "A", "order_id": "77", "qty": 4, "price": 100,
        "trading.execution.id": "e1",
    }  # fmt: skip


def test_the_gauge_of_open_orders_follows_them(orders: Journeys, values: Values) -> None:
    key = ("momentum", "XNAS")
    for client_id in ("A", "B", "C", "D"):
        orders.submitted(client_id, **ORDER, quantity=10)
    assert values.of("trading.orders.open") == {key: 4}
    orders.filled("A", quantity=4, price=1, execution_id="1")
    assert values.of("trading.orders.open") == {key: 4}
    orders.filled("A", quantity=6, price=1, execution_id="2")
    orders.rejected("B")
    orders.cancelled("C")
    orders.cancelled("C")
    orders.filled("C", quantity=1, price=1)
    orders.expired("D")
    assert values.of("trading.orders.open") == {key: 0}
    assert orders.open() == []


def test_a_replaced_order_is_one_that_stands(orders: Journeys, values: Values) -> None:
    orders.submitted("A", **ORDER, quantity=10, price=Decimal("1.5"))
    orders.replaced("B", "A", quantity=20)
    orders.replaced("C", "B", quantity=30)
    assert values.of("trading.orders.open") == {("momentum", "XNAS"): 1}
    (journey,) = orders.open()
    assert orders.get("A") is orders.get("B") is orders.get("C") is journey
    assert (journey.client_id, journey.quantity, journey.price) == ("C", 30, Decimal("1.5"))
    orders.filled("B", quantity=30, price=1)
    assert orders.open() == []
    assert orders.get("A") is journey


def test_a_fill_of_the_new_id_before_the_replacement_is_told_belongs_to_the_order(
    orders: Journeys, values: Values
) -> None:
    orders.submitted("A", **ORDER, quantity=10)
    orders.filled("A", quantity=4, price=1, execution_id="1")
    orders.filled("B", quantity=6, price=1, execution_id="2")
    orders.replaced("B", "A")
    journey = orders.get("B")
    assert journey is not None
    assert journey is orders.get("A")
    assert (journey.state, journey.cumulative) == ("filled", 10)
    assert values.of("trading.orders.open") == {("momentum", "XNAS"): 0}


def test_an_unknown_orders_messages_are_kept_and_counted_once(
    orders: Journeys, values: Values
) -> None:
    orders.filled("X", quantity=4, price=100, execution_id="1", venue="XNAS")
    orders.filled("X", quantity=2, price=103, execution_id="2", venue="XNAS")
    journey = orders.get("X")
    assert journey is not None
    assert (journey.known, journey.cumulative, journey.average_price) == (False, 6, 101)
    assert values.of("trading.orders.unknown") == {("XNAS",): 1}
    assert orders.open() == []
    orders.submitted("X", **ORDER, quantity=6)
    assert (journey.known, journey.state) == (True, "filled")


def test_an_order_is_found_by_the_venues_id_too(orders: Journeys) -> None:
    orders.submitted("A", **ORDER, quantity=10)
    orders.acknowledged("A", order_id="77")
    orders.filled(order_id="77", venue="XNAS", quantity=10, price=1)
    journey = orders.get("A")
    assert journey is not None
    assert journey.state == "filled"


def test_a_client_id_may_name_another_order_once_its_order_has_ended(
    orders: Journeys, values: Values
) -> None:
    for _ in range(2):
        orders.submitted("A", **ORDER, quantity=10)
        orders.filled("A", quantity=10, price=1)
    assert values.of("trading.orders.filled") == {LABELS: 2}


def test_open_and_ended_orders_are_bounded(
    orders: Journeys, values: Values, table: MemoryTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books, "MOST_OPEN", 3)
    monkeypatch.setattr(books, "MOST_ENDED", 2)
    for number in range(5):
        orders.submitted(f"O{number}", **ORDER)
    assert [each.client_id for each in orders.open()] == ["O2", "O3", "O4"]
    assert set(table.rows) == {"O2", "O3", "O4"}
    assert values.of("trading.orders.open") == {("momentum", "XNAS"): 3}
    for number in (2, 3, 4):
        orders.acknowledged(f"O{number}", order_id=f"{number}")
        orders.cancelled(f"O{number}")
    assert orders.get("O2") is None
    assert orders.get("O3") is not None
    assert table.rows == {}


def test_a_row_says_how_an_order_stands(orders: Journeys, table: MemoryTable) -> None:
    orders.submitted("A", **ORDER, quantity=Decimal("10.50"), price=Decimal("1.10"), ts=SECOND)
    orders.acknowledged("A", order_id="77")
    orders.filled("A", quantity=Decimal("0.50"), price=Decimal("1.10"))
    assert table.rows["A"] == OpenOrder(
        "A", "77", "AAPL", "XNAS", "momentum", "", "buy", "", "partially_filled", "10.50", "0.50",
        "1.10", SECOND, 1_000 * SECOND, bytes(16), 0, "",
    )  # fmt: skip


def test_a_replaced_order_has_one_row(orders: Journeys, table: MemoryTable) -> None:
    orders.submitted("A", **ORDER, quantity=10)
    orders.replaced("B", "A")
    assert list(table.rows) == ["B"]
    orders.filled("A", quantity=10, price=1)
    assert table.rows == {}


def test_what_an_earlier_run_left_open_goes_on(
    orders: Journeys, values: Values, table: MemoryTable, watches: Watches
) -> None:
    table.left = [
        OpenOrder(
            "A",
            "77",
            "AAPL",
            "XNAS",
            "momentum",
            "",
            "buy",
            "limit",
            "partially_filled",
            "10.5",
            "4",
            "1.10",
            SECOND,
            SECOND,
            (7).to_bytes(16, "big"),
            8,
            "",
        )
    ]
    orders.flow.adopt()
    assert values.of("trading.orders.open") == {("momentum", "XNAS"): 1}
    (journey,) = orders.open()
    assert (journey.state, journey.quantity, journey.cumulative, journey.trace_id) == (
        "partially_filled", Decimal("10.5"), 4, 7,
    )  # fmt: skip
    watches.seconds += 1
    orders.filled(order_id="77", quantity=Decimal("6.5"), price=1, cumulative=Decimal("10.5"))
    assert journey.state == "filled"
    assert journey.legs() == {}
    assert values.of("trading.orders.filled") == {("buy", "limit", "momentum", "AAPL", "XNAS"): 1}


def test_edge_captured_is_what_a_fill_brought_over_the_expected_price(
    orders: Journeys, values: Values
) -> None:
    orders.submitted("A", **ORDER, quantity=10, expected_price=100, currency="USD")
    orders.filled("A", quantity=4, price=99.5)
    orders.filled("A", quantity=6, price=100.5)
    labels = ("USD", "momentum", "AAPL", "XNAS")
    assert values.of("trading.order.edge_captured") == {labels: (2, -1.0)}


@pytest.mark.parametrize("missing", ["expected_price", "currency", "side"])
def test_without_price_currency_or_side_there_is_no_edge(
    orders: Journeys, values: Values, missing: str
) -> None:
    order = {**ORDER, "expected_price": 100, "currency": "USD", "quantity": 10}
    order.pop(missing)
    orders.submitted("A", **order)
    orders.filled("A", quantity=4, price=99.5)
    assert "trading.order.edge_captured" not in values


def test_what_is_no_number_costs_its_message_and_reaches_nobody(orders: Journeys) -> None:
    guard.raise_errors(strict=False)
    orders.submitted("A", **ORDER, quantity=10)
    orders.filled("A", quantity=float("nan"), price=1)
    orders.submitted("B", **ORDER, quantity="many")
    journey = orders.get("A")
    assert journey is not None
    assert (journey.state, journey.cumulative) == ("pending_new", 0)


def test_messages_from_many_threads_all_count(orders: Journeys, values: Values) -> None:
    orders.submitted("A", **ORDER, quantity=400)

    def fill(thread: int) -> None:
        for number in range(100):
            orders.filled("A", quantity=1, price=1, execution_id=f"{thread}-{number}")

    threads = [threading.Thread(target=fill, args=(each,)) for each in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert values.of("trading.orders.fills") == {LABELS: 400}
    assert values.of("trading.orders.filled") == {LABELS: 1}


def test_a_forked_child_knows_the_parents_orders_and_does_not_count_them(
    orders: Journeys, values: Values
) -> None:
    orders.submitted("A", **ORDER, quantity=10)
    with orders.flow.book.lock:
        child = os.fork()
        if child == 0:
            known: Any = orders.get("A")
            os._exit(0 if known is not None and known.counted is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert values.of("trading.orders.open") == {("momentum", "XNAS"): 1}


def test_an_id_that_an_earlier_run_had_too_names_the_order_of_this_one(
    orders: Journeys, values: Values, table: MemoryTable
) -> None:
    table.left = [OpenOrder("A", "77", venue="XNAS", strategy="momentum", quantity="10")]
    orders.flow.adopt()
    orders.submitted("A", **ORDER, quantity=20)
    (journey,) = orders.open()
    assert (journey.quantity, journey.order_id) == (20, "")
    assert values.of("trading.orders.submitted") == {LABELS: 1}
    assert values.of("trading.orders.open") == {("momentum", "XNAS"): 1}


def test_what_an_earlier_run_had_traded_is_not_traded_again(
    orders: Journeys, values: Values, table: MemoryTable
) -> None:
    table.left = [OpenOrder("A", "77", quantity="10", cumulative="4")]
    orders.flow.adopt()
    orders.filled("A", quantity=4, price=1, execution_id="1", cumulative=4)
    orders.filled("A", quantity=6, price=2, execution_id="2", cumulative=10)
    journey = orders.get("A")
    assert journey is not None
    assert (journey.state, journey.cumulative, journey.average_price) == ("filled", 10, 2)
    assert sum(values.of("trading.orders.fills").values()) == 1
