"""Journeys with instruments, clocks and a bus of a test's own."""

from __future__ import annotations

import pytest

from tests.unit.signals.sets.conftest import (  # noqa: F401 - fixtures
    Watches,
    observing,
    registry,
    sets,
    strict,
    values,
    watches,
)
from tradespan.core.orders import OpenOrder
from tradespan.signals.events.bus import EventBus
from tradespan.signals.metrics.registry import InstrumentRegistry
from tradespan.signals.orders.flow import Clocks
from tradespan.signals.orders.front import Journeys
from tradespan.signals.orders.slot import OrdersSlot
from tradespan.signals.sets.switch import Sets


class MemoryTable:
    """A table of open orders that lives as long as the test."""

    def __init__(self, *left: OpenOrder) -> None:
        self.rows: dict[str, OpenOrder] = {}
        self.left = list(left)
        self.elsewhere: dict[str, OpenOrder] = {}
        """Of other processes of the run."""

    def put(self, row: OpenOrder, /) -> None:
        self.rows[row.client_id] = row

    def drop(self, client_id: str, /) -> None:
        self.rows.pop(client_id, None)

    def find(self, client_id: str, /) -> OpenOrder | None:
        return self.elsewhere.get(client_id)

    def adopt(self) -> list[OpenOrder]:
        left, self.left = self.left, []
        return left


@pytest.fixture
def slot() -> OrdersSlot:
    return OrdersSlot()


@pytest.fixture
def bus() -> EventBus:
    return EventBus()


@pytest.fixture
def orders(
    sets: Sets,  # noqa: F811
    bus: EventBus,
    registry: InstrumentRegistry,  # noqa: F811
    watches: Watches,  # noqa: F811
    slot: OrdersSlot,
) -> Journeys:
    clocks = Clocks(watches.monotonic, lambda: round(watches.seconds * 1e9))
    return Journeys(sets.orders, bus=bus, make=registry.from_declaration, clocks=clocks, slot=slot)
