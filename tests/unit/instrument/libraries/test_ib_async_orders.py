"""Orders of `ib_async` against a gateway on loopback: what places them, and what is reported."""

from __future__ import annotations

import asyncio
from typing import Any

import ib_async
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, StatusCode

from tests.unit.instrument.libraries.broker_recording import Recorded
from tests.unit.instrument.libraries.ib_fake_gateway import (
    CANCEL_ORDER,
    PERM_ID,
    PLACE_ORDER,
    FakeGateway,
    Fields,
    order_id,
)
from tests.unit.instrument.libraries.ib_fixtures import (
    AAPL,
    disconnect,
    gateway,
    ib,
    loop,
    recorded,
    until,
)
from tradespan.instrument.libraries.order_reports import OrderLinks

__all__ = ["gateway", "ib", "loop", "recorded"]  # fixtures, used by name


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def links(span: ReadableSpan) -> list[SpanContext]:
    return [link.context for link in span.links]


def limit(quantity: float = 100) -> ib_async.Order:
    return ib_async.LimitOrder("BUY", quantity, 187.15, tif="DAY", orderRef="momentum")


def fill(gateway: FakeGateway, fields: Fields) -> None:
    number = order_id(fields)
    gateway.order_status(number, "Submitted", 0, 100)
    gateway.execution(number, "E1", 40, 40)
    gateway.order_status(number, "Submitted", 40, 60, price=187.12)
    gateway.order_status(number, "Submitted", 40, 60, price=187.12)
    gateway.execution(number, "E2", 60, 100)
    gateway.order_status(number, "Filled", 100, 0, price=187.12)
    gateway.say(59, 1, "E2", 1.05, "USD", "", "", "")


def test_placing_an_order_says_what_is_ordered(
    ib: ib_async.IB, recorded: Recorded, gateway: FakeGateway
) -> None:
    with recorded.tracer_provider.get_tracer("bot").start_as_current_span("decide") as outer:
        trade = ib.placeOrder(AAPL, limit())
    assert isinstance(trade, ib_async.Trade)
    span = recorded.one("IB.placeOrder")
    assert span.parent == outer.get_span_context()
    assert attributes(span) | {"server.port": 0} == {
        "server.address": "127.0.0.1",
        "server.port": 0,
        "trading.api.method": "IB.placeOrder",
        "trading.broker.client_id": 1,
        "trading.currency": "USD",
        "trading.order.client_id": f"1-{trade.order.orderId}",
        "trading.order.destination": "SMART",
        "trading.order.price": 187.15,
        "trading.order.quantity": 100.0,
        "trading.order.reference": "momentum",
        "trading.order.side": "buy",
        "trading.order.time_in_force": "day",
        "trading.order.type": "limit",
        "trading.symbol": "AAPL",
        "trading.venue": "interactive_brokers",
        "tradespan.signal": "order.submitted",
    }


def test_reports_are_roots_linked_to_the_span_that_placed_the_order(
    ib: ib_async.IB, recorded: Recorded, gateway: FakeGateway
) -> None:
    gateway.on[PLACE_ORDER] = fill
    with recorded.tracer_provider.get_tracer("bot").start_as_current_span("decide"):
        trade = ib.placeOrder(AAPL, limit())
        until(ib, lambda: trade.fills and trade.fills[-1].commissionReport.commission)
    placed = recorded.one("IB.placeOrder").context
    reports = [
        span
        for span in recorded.spans
        if span.name in ("IB.orderStatus", "IB.execDetails", "IB.commissionReport")
    ]
    assert len(reports) == 6  # the repeated state is none
    for report in reports:
        assert report.parent is None
        assert links(report) == [placed]
    states = [attributes(span) for span in recorded.named("IB.orderStatus")]
    assert [(each["trading.order.status"], each.get("tradespan.signal")) for each in states] == [
        ("new", "order.acknowledged"),
        ("partially_filled", None),
        ("filled", None),
    ]
    assert [each["trading.order.leaves_quantity"] for each in states] == [100, 60, 0]
    assert {each["trading.order.id"] for each in states} == {str(PERM_ID)}


def test_a_fill_says_what_was_traded(
    ib: ib_async.IB, recorded: Recorded, gateway: FakeGateway
) -> None:
    gateway.on[PLACE_ORDER] = fill
    trade = ib.placeOrder(AAPL, limit())
    until(ib, lambda: len(trade.fills) == 2)
    last = attributes(recorded.named("IB.execDetails")[-1])
    expected = {
        "tradespan.signal": "order.filled",
        "trading.execution.type": "trade",
        "trading.execution.id": "E2",
        "trading.execution.quantity": 60.0,
        "trading.execution.price": 187.12,
        "trading.execution.venue": "ISLAND",
        "trading.order.destination": "SMART",
        "trading.order.client_id": f"1-{trade.order.orderId}",
        "trading.order.id": str(PERM_ID),
        "trading.order.status": "filled",
        "trading.order.cumulative_quantity": 100.0,
        "trading.order.leaves_quantity": 0.0,
        "trading.event_time": 1735828200000000000,
        "trading.symbol": "AAPL",
    }
    assert {name: last[name] for name in expected} == expected
    until(ib, lambda: recorded.named("IB.commissionReport"))
    paid = attributes(recorded.one("IB.commissionReport"))
    assert (paid["trading.execution.commission"], paid["trading.currency"]) == (1.05, "USD")


def test_handlers_run_in_the_report_s_span(
    ib: ib_async.IB, recorded: Recorded, gateway: FakeGateway
) -> None:
    gateway.on[PLACE_ORDER] = fill
    seen: list[int] = []
    ib.execDetailsEvent += lambda *_: seen.append(
        trace.get_current_span().get_span_context().span_id
    )
    ib.placeOrder(AAPL, limit())
    until(ib, lambda: len(seen) == 2)
    until(ib, lambda: len(recorded.named("IB.execDetails")) == 2)
    assert seen == [
        span.context.span_id for span in recorded.named("IB.execDetails") if span.context
    ]


def test_a_rejected_order_is_a_failed_report_with_the_broker_s_words(
    ib: ib_async.IB, recorded: Recorded, gateway: FakeGateway
) -> None:
    reason = "Order rejected - reason:The price is out of band"

    def reject(gateway: FakeGateway, fields: Fields) -> None:
        gateway.error(order_id(fields), 201, reason)
        gateway.order_status(order_id(fields), "Cancelled", 0, 100)

    gateway.on[PLACE_ORDER] = reject
    ib.placeOrder(AAPL, limit())
    until(ib, lambda: recorded.named("IB.orderStatus"))
    state = attributes(recorded.one("IB.orderStatus"))
    assert state["trading.order.status"] == "rejected"
    assert "tradespan.signal" not in state
    report = recorded.one("IB.error")
    assert report.status.status_code is StatusCode.ERROR
    assert links(report) == [recorded.one("IB.placeOrder").context]
    got = attributes(report)
    assert got["error.type"] == "201"
    assert got["tradespan.signal"] == "order.rejected"
    assert got["trading.order.status"] == "rejected"
    assert got["trading.order.reject_reason"] == reason


def test_a_cancelled_order_is_linked_and_no_error(
    ib: ib_async.IB, recorded: Recorded, gateway: FakeGateway
) -> None:
    gateway.on[PLACE_ORDER] = lambda gateway, fields: gateway.order_status(
        order_id(fields), "Submitted", 0, 100
    )

    def cancel(gateway: FakeGateway, fields: Fields) -> None:
        number = int(next(each for each in fields[1:] if each != "1"))
        gateway.order_status(number, "Cancelled", 0, 100)
        gateway.error(number, 202, "Order Canceled - reason:")

    gateway.on[CANCEL_ORDER] = cancel
    trade = ib.placeOrder(AAPL, limit())
    until(ib, lambda: trade.orderStatus.status == "Submitted")
    ib.cancelOrder(trade.order)
    until(ib, lambda: recorded.named("IB.error"))
    placed = recorded.one("IB.placeOrder").context
    asked = recorded.one("IB.cancelOrder")
    assert links(asked) == [placed]
    assert attributes(asked)["trading.symbol"] == "AAPL"
    done = recorded.named("IB.orderStatus")[-1]
    assert attributes(done)["tradespan.signal"] == "order.cancelled"
    assert links(done) == [placed]
    told = recorded.one("IB.error")
    assert told.status.status_code is StatusCode.UNSET
    assert "tradespan.signal" not in attributes(told)  # the state has said so


def test_a_modification_is_no_second_order(
    ib: ib_async.IB, recorded: Recorded, gateway: FakeGateway
) -> None:
    order = limit()
    trade = ib.placeOrder(AAPL, order)
    order.lmtPrice = 188.0
    assert ib.placeOrder(AAPL, order) is trade
    first, second = recorded.named("IB.placeOrder")
    assert attributes(first)["tradespan.signal"] == "order.submitted"
    assert "tradespan.signal" not in attributes(second)
    assert links(second) == [first.context]
    assert attributes(second)["trading.order.price"] == 188.0


def test_what_an_order_would_cost_is_a_request(
    ib: ib_async.IB, recorded: Recorded, gateway: FakeGateway
) -> None:
    gateway.on[PLACE_ORDER] = lambda gateway, fields: gateway.what_if(order_id(fields))
    state = ib.whatIfOrder(AAPL, limit())
    assert float(state.initMarginChange) == 100.0
    assert attributes(recorded.one("IB.whatIfOrder"))["trading.symbol"] == "AAPL"
    assert not recorded.named("IB.placeOrder")


def test_an_order_that_fails_to_be_sent_fails_its_span_and_raises(
    loop: asyncio.AbstractEventLoop, recorded: Recorded
) -> None:
    order = limit()
    order.orderId = 5
    with pytest.raises(ConnectionError, match="Not connected"):
        ib_async.IB().placeOrder(AAPL, order)
    span = recorded.one("IB.placeOrder")
    assert span.status.status_code is StatusCode.ERROR
    assert attributes(span)["error.type"] == "ConnectionError"


def test_fills_that_were_asked_for_are_no_reports(
    ib: ib_async.IB, recorded: Recorded, gateway: FakeGateway
) -> None:
    def executions(gateway: FakeGateway, fields: Fields) -> None:
        gateway.say(
            *(11, fields[2], 9, 265598, "AAPL", "STK", "", 0, "", "", "ISLAND", "USD", "AAPL"),
            *("NMS", "E9", "20250102 14:30:00 UTC", "DU1", "ISLAND", "BOT", 5, 187.12, 7, 1, 0),
            *(5, 187.12, "", "", "", "", 1),
        )
        gateway.say(55, 1, fields[2])

    gateway.on[7] = executions
    assert len(ib.reqExecutions()) == 1
    assert not recorded.named("IB.execDetails")


def test_a_fill_of_an_order_from_before_is_a_report_without_a_link(
    ib: ib_async.IB, recorded: Recorded, gateway: FakeGateway
) -> None:
    gateway.execution(4711, "E7", 5, 5)
    until(ib, lambda: recorded.named("IB.execDetails"))
    report = recorded.one("IB.execDetails")
    assert links(report) == []
    assert attributes(report)["trading.symbol"] == "AAPL"
    assert "trading.order.destination" not in attributes(report)
    assert "trading.order.status" not in attributes(report)


def test_orders_of_two_gateways_are_not_mixed_up(
    ib: ib_async.IB, recorded: Recorded, gateway: FakeGateway
) -> None:
    other_gateway, other = FakeGateway(), ib_async.IB()
    try:
        other.connect("127.0.0.1", other_gateway.port, clientId=1)
        trade, twin = ib.placeOrder(AAPL, limit()), other.placeOrder(AAPL, limit())
        assert trade.order.orderId == twin.order.orderId
        gateway.order_status(trade.order.orderId, "Submitted", 0, 100)
        until(ib, lambda: recorded.named("IB.orderStatus"))
    finally:
        disconnect(other)
        other_gateway.close()
    first, _ = recorded.named("IB.placeOrder")
    assert links(recorded.one("IB.orderStatus")) == [first.context]


def test_the_memory_of_orders_is_bounded() -> None:
    orders = OrderLinks(most=3)
    for number in range(10):
        orders.remember(number, SpanContext(1, number + 1, is_remote=False))
    assert len(orders) == 3
    assert orders.of(0) == []
    assert [link.context.span_id for link in orders.of("unknown", 9)] == [10]
