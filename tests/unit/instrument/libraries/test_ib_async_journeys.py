"""Orders through `ib_async` are journeys, by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ib_async
import pytest

from tests.unit.instrument.libraries.ib_fake_gateway import PLACE_ORDER, FakeGateway
from tests.unit.instrument.libraries.ib_fixtures import AAPL, gateway, ib, loop, recorded, until
from tests.unit.instrument.libraries.test_ib_async_orders import fill, limit
from tests.unit.signals.metrics.conftest import Run
from tests.unit.signals.sets.conftest import Observing, Values
from tradespan.instrument.orders_told import LISTENER
from tradespan.signals.events.bus import EventBus
from tradespan.signals.metrics.registry import InstrumentRegistry
from tradespan.signals.sets.switch import Sets
from tradespan.signals.sets.told import ToldOrders
from tradespan.signals.slot import SignalSlot

__all__ = ["gateway", "ib", "loop", "recorded"]  # fixtures, used by name


class Desk:
    """Journeys that the library fills."""

    def __init__(self, folder: Path) -> None:
        signals = SignalSlot()
        self.run = Run(folder, signals)
        self.values = Values(folder)
        self.bus = EventBus()
        self.sets = Sets(InstrumentRegistry(signals).from_declaration, observer=Observing())


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    LISTENER.listener = ToldOrders(desk.sets, desk.bus, "live")
    yield desk
    LISTENER.listener = None


def test_an_order_goes_from_its_placing_to_its_last_fill(
    ib: ib_async.IB, gateway: FakeGateway, desk: Desk
) -> None:
    gateway.on[PLACE_ORDER] = fill
    trade = ib.placeOrder(AAPL, limit())
    until(ib, lambda: trade.fills and trade.fills[-1].commissionReport.commission)
    journey = desk.sets.journeys.get(f"1-{trade.order.orderId}")
    assert journey is not None
    assert (journey.state, journey.cumulative, journey.fill_count) == ("filled", 100.0, 2)
    assert (journey.symbol, journey.side, journey.venue, journey.currency) == (
        "AAPL", "buy", "interactive_brokers", "USD",
    )  # fmt: skip
    assert {"submit_to_ack", "submit_to_fill", "first_to_last_fill"} <= journey.legs().keys()
    assert [each.name for each in desk.bus.get_recent()] == [
        "TRADE_SUBMITTED", "TRADE_ACKNOWLEDGED", "TRADE_FILLED", "TRADE_FILLED",
    ]  # fmt: skip
    labels = ("buy", "limit", "AAPL", "interactive_brokers")
    for name, count in (("submitted", 1), ("fills", 2), ("filled", 1)):
        assert desk.values.of(f"trading.orders.{name}") == {labels: count}, name
