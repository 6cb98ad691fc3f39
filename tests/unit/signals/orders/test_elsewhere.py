"""Orders that another process of the run has sent."""

from __future__ import annotations

import pytest

from tests.unit.signals.orders.conftest import MemoryTable
from tests.unit.signals.sets.conftest import Values
from tradespan.core.orders import OpenOrder
from tradespan.signals.orders.front import Journeys
from tradespan.signals.slot import SIGNALS

LABELS = ("buy", "limit", "momentum", "AAPL", "XNAS")


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> MemoryTable:
    table = MemoryTable()
    monkeypatch.setattr(SIGNALS, "open_orders", table)
    return table


def test_an_order_of_another_process_is_linked_and_labelled_and_that_processs_to_count(
    orders: Journeys, values: Values, table: MemoryTable
) -> None:
    table.elsewhere["A"] = OpenOrder(
        "A", symbol="AAPL", venue="XNAS", strategy="momentum", side="buy", type="limit",
        state="new", quantity="10", cumulative="0", trace_id=(7).to_bytes(16, "big"), span_id=8,
    )  # fmt: skip
    orders.filled("A", quantity=4, price=1)
    journey = orders.get("A")
    assert journey is not None
    assert (journey.state, journey.trace_id, journey.span_id) == ("partially_filled", 7, 8)
    assert values.of("trading.orders.fills") == {LABELS: 1}
    assert "trading.orders.unknown" not in values
    assert "trading.orders.open" not in values
    assert table.rows == {}
    orders.filled("A", quantity=6, price=1)
    assert values.of("trading.orders.filled") == {LABELS: 1}
    assert "trading.orders.open" not in values
