"""The bus in forked children."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable

from tradespan.signals.events.bus import EventBus
from tradespan.signals.events.types import Event, EventType

FILLED = EventType.TRADE_FILLED


def in_child(work: Callable[[], bool]) -> bool:
    """Whether it is true in a forked child."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if work() else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_forked_child_tells_its_own_subscribers_in_a_thread_of_its_own() -> None:
    bus = EventBus()
    received: list[Event] = []
    bus.subscribe(FILLED, received.append)
    bus.publish(Event(FILLED))

    def work() -> bool:
        bus.publish(Event(FILLED))
        return len(received) == 2 and len(bus.get_recent()) == 2

    assert in_child(work)
    bus.publish(Event(FILLED))
    assert len(received) == 2


def test_a_child_forked_while_a_subscriber_is_stuck_is_not() -> None:
    bus = EventBus(patience=0.05)
    go_on = threading.Event()
    received: list[Event] = []
    mother = os.getpid()
    bus.subscribe(FILLED, lambda _: os.getpid() != mother or go_on.wait(30))
    bus.subscribe(FILLED, received.append)
    bus.publish(Event(FILLED))

    def work() -> bool:
        before = len(received)
        bus.publish(Event(FILLED))
        bus.publish(Event(FILLED))
        return bus.flush(30) and len(received) == before + 2

    assert in_child(work)
    go_on.set()
    assert bus.flush(30)


def test_a_child_forked_from_a_loop_leaves_the_parents_loop_alone() -> None:
    bus = EventBus()
    told: list[int] = []

    seen = asyncio.Event()

    async def on_event(event: Event) -> None:
        told.append(os.getpid())
        seen.set()

    async def main() -> bool:
        bus.subscribe(FILLED, on_event)

        def work() -> bool:
            asyncio.set_event_loop(None)
            bus.publish(Event(FILLED))
            return True

        fine = in_child(work)
        bus.publish(Event(FILLED))
        await asyncio.wait_for(seen.wait(), 30)
        return fine

    assert asyncio.run(main())
    assert told == [os.getpid()]
