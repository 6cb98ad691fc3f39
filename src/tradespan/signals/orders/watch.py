"""Orders that nobody answers and pairs on one leg, found by the thread that observes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from opentelemetry.trace import INVALID_SPAN

from tradespan.core import guard
from tradespan.declare import instruments as declared
from tradespan.declare.instruments import Instrument as Declaration
from tradespan.signals.events.types import EventType
from tradespan.signals.metrics.instruments import Counter
from tradespan.signals.orders.flow import Flow, event_data
from tradespan.signals.orders.journey import Journey


class Watch:
    """Looks every few seconds; tells each order and each pair once."""

    label: Final = "tradespan.orders"
    """Whose time it is that the thread spends."""

    def __init__(self, flow: Flow, make: Callable[[Declaration], Any]) -> None:
        self._flow = flow
        self._stuck: Counter = make(declared.TRADING_ORDERS_STUCK)

    def run(self) -> None:
        """Look. In a backtest the clock says nothing about orders, and nothing is told."""
        slot = self._flow.slot
        now = self._flow.now(None).mono
        if now is None:
            return
        with guard.guarded("looking for orders that stand still"):
            if slot.acknowledge_within:
                for journey, waited in self._find(now, slot.acknowledge_within):
                    self._tell(journey, waited)
            self._flow.pairs.look(now)

    def _find(self, now: float, most: float) -> list[tuple[Journey, float]]:
        found = []
        with self._flow.book.lock:
            for journey in self._flow.book.standing():
                since = journey.since
                if journey.stuck or since is None or now - since < most or _is_answered(journey):
                    continue
                journey.stuck = True
                found.append((journey, now - since))
        return found

    def _tell(self, journey: Journey, waited: float) -> None:
        flow = self._flow
        with flow.links.within(INVALID_SPAN, journey, "stuck"):
            self._stuck.labels(journey.venue, journey.strategy).add()
            data = event_data(journey) | {"trading.order.status": journey.state, "waited": waited}
            flow.bus.emit(EventType.ORDER_STUCK, data, source="tradespan.orders")


def _is_answered(journey: Journey) -> bool:
    return journey.acknowledged or journey.fill_count > 0
