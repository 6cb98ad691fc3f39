"""Orders that instrumentors of libraries tell of: the same as mapped calls would feed.

Only orders that this program sent, or took over from an earlier run, are followed: libraries tell
of all that an account ever had.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradespan.signals.events.bus import EventBus
from tradespan.signals.orders.journey import Journey
from tradespan.signals.sets.calls import Call, Facts
from tradespan.signals.sets.feeding import FEEDS
from tradespan.signals.sets.mapped import Publisher
from tradespan.signals.sets.switch import Sets

_CLIENT, _ORDER, _VENUE = "trading.order.client_id", "trading.order.id", "trading.venue"
_QUANTITY, _PRICE = "trading.execution.quantity", "trading.execution.price"
_SOURCE = "tradespan.libraries"


class ToldOrders:
    """Takes messages by the conventions' names (`instrument/orders_told.py`)."""

    def __init__(self, sets: Sets, bus: EventBus, mode: str) -> None:
        """`mode`: `live`, `paper` or `backtest`."""
        self._sets = sets
        self._bus = bus
        self._mode = mode
        self._publishers = {
            signal: Publisher(feeds.event)
            for signal, feeds in FEEDS.items()
            if signal.startswith("order.") and feeds.event is not None
        }

    def __call__(self, signal: str, facts: Mapping[str, Any], ago: float) -> None:
        """A message, so many seconds ago."""
        held: Facts = dict(facts)
        if not held.get(_CLIENT):
            held[_CLIENT] = ""
        flow = self._sets.journeys.flow
        with flow.book.lock:
            journey = flow.book.find(
                held[_CLIENT], str(held.get(_ORDER, "")), str(held.get(_VENUE, ""))
            )
            if journey is None and not held[_CLIENT]:
                held[_CLIENT] = str(held.get(_ORDER, ""))
                journey = flow.book.find(held[_CLIENT])
            if signal == "order.submitted":
                if journey is not None and journey.submitted:
                    return  # the program has told of it
            elif journey is None and not held[_CLIENT] and signal == "order.rejected":
                pass  # refused before it had a name
            elif journey is None or not journey.known:
                return
            else:
                held[_CLIENT] = journey.client_id
                if signal == "order.filled" and not _complete_fill(journey, held):
                    return
        counts = FEEDS[signal].counts
        assert counts is not None
        if counts(self._sets, Call(held, None, None, self._mode, ago)) is not False:
            self._publishers[signal].publish(self._bus, held, _SOURCE)


def _complete_fill(journey: Journey, facts: Facts) -> bool:
    """Give a report of all that was traded so far its latest part. False: there is none."""
    if _QUANTITY in facts:
        return True
    total = float(facts["trading.order.cumulative_quantity"])
    known = float(journey.cumulative)
    quantity = total - known
    if quantity <= abs(total) * 1e-12:
        return False
    facts[_QUANTITY] = quantity
    average, mine = facts.get("trading.order.average_price"), journey.average_price
    if average is not None and (mine is not None or not known):
        spent = known * float(mine) if mine is not None else 0.0
        facts[_PRICE] = (total * float(average) - spent) / quantity
    return True
