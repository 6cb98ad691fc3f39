"""Later messages are told in their own trace, with a link to the span that sent the order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.context import Context

from tests.support.captured import Captured, CapturedSpan, capture
from tests.unit.signals.orders.conftest import MemoryTable
from tradespan.core.orders import OpenOrder
from tradespan.signals.orders.front import Journeys
from tradespan.signals.orders.links import Links
from tradespan.signals.slot import SIGNALS

ORDER: dict[str, Any] = {"venue": "XNAS", "symbol": "AAPL", "strategy": "momentum", "side": "buy"}


@pytest.fixture
def captured(tmp_path: Path, orders: Journeys) -> Iterator[Captured]:
    with capture(tmp_path / "spans") as captured:
        orders.flow.links = Links(captured.tracer)
        yield captured


def links_of(span: CapturedSpan) -> list[tuple[int, int]]:
    return [
        (int.from_bytes(each.trace_id, "big"), each.span_id) for each in span.record.links or ()
    ]


def test_a_callback_s_span_has_the_orders_id_and_a_link_to_what_sent_it(
    orders: Journeys, captured: Captured
) -> None:
    with captured.tracer.start_as_current_span("submit"):
        orders.submitted("A", **ORDER, quantity=10)

    def on_fill() -> None:
        with captured.tracer.start_as_current_span("on_fill"):
            orders.filled("A", quantity=10, price=1)

    thread = threading.Thread(target=on_fill)
    thread.start()
    thread.join()
    sent, filled = captured.one("submit"), captured.one("on_fill")
    assert sent.own["trading.order.client_id"] == filled.own["trading.order.client_id"] == "A"
    assert sent.trace_id != filled.trace_id
    assert links_of(filled) == [(sent.trace_id, sent.span_id)]
    assert links_of(sent) == []


def test_where_no_span_is_a_message_has_a_short_one_of_its_own(
    orders: Journeys, captured: Captured
) -> None:
    with captured.tracer.start_as_current_span("submit"):
        orders.submitted("A", **ORDER, quantity=10)
    orders.acknowledged("A")
    orders.acknowledged("A")
    sent, told = captured.one("submit"), captured.one("order acknowledged")
    assert (told.parent_id, links_of(told)) == (0, [(sent.trace_id, sent.span_id)])
    assert told.own["trading.order.client_id"] == "A"


def test_an_order_that_no_span_sent_makes_none_later(orders: Journeys, captured: Captured) -> None:
    orders.submitted("A", **ORDER, quantity=10)
    orders.acknowledged("A")
    assert captured.spans == []


def test_an_order_of_an_earlier_run_is_linked_to_its_span_there(
    orders: Journeys, captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = OpenOrder("A", "77", "AAPL", trace_id=(7).to_bytes(16, "big"), span_id=8)
    monkeypatch.setattr(SIGNALS, "open_orders", MemoryTable(row))
    orders.flow.adopt()
    with captured.tracer.start_as_current_span("on_fill"):
        orders.filled(order_id="77", quantity=1, price=1)
    assert links_of(captured.one("on_fill")) == [(7, 8)]


def test_an_order_is_linked_to_its_decision_in_another_trace(
    orders: Journeys, captured: Captured
) -> None:
    with captured.tracer.start_as_current_span("decide"):
        orders.decided("buy", decision_id="D1")
    with captured.tracer.start_as_current_span("submit"):
        orders.submitted("A", **ORDER, decision_id="D1")
    decided = captured.one("decide")
    assert links_of(captured.one("submit")) == [(decided.trace_id, decided.span_id)]


def test_an_order_joins_the_decision_of_its_own_trace_before_the_latest(
    orders: Journeys, captured: Captured
) -> None:
    with captured.tracer.start_as_current_span("tick 1"):
        orders.decided("buy", symbol="AAPL", strategy="one")
        with captured.tracer.start_as_current_span("tick 2", context=Context()):
            orders.decided("buy", symbol="AAPL", strategy="two")
        orders.submitted("A", venue="XNAS", symbol="AAPL")
    journey = orders.get("A")
    assert journey is not None
    assert journey.strategy == "one"
