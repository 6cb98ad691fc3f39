"""Coroutine functions as subscribers, and publishing in a coroutine."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

from tradespan.signals.events.bus import EventBus
from tradespan.signals.events.types import Event, EventType

FILLED = EventType.TRADE_FILLED
LONG = 30.0


class Listener:
    """Has been told of so many, and says when it is enough."""

    def __init__(self, enough: int) -> None:
        self.enough = enough
        self.numbers: list[int] = []
        self.loops: set[asyncio.AbstractEventLoop] = set()
        self.done = asyncio.Event()

    async def on_event(self, event: Event) -> None:
        await asyncio.sleep(0)
        self.loops.add(asyncio.get_running_loop())
        self.numbers.append(event.data["number"])
        if len(self.numbers) == self.enough:
            self.done.set()


def publish(bus: EventBus, count: int) -> None:
    for number in range(count):
        bus.publish(Event(FILLED, data={"number": number}))


def test_an_event_published_in_a_coroutine_reaches_those_of_its_loop_in_order() -> None:
    bus = EventBus()

    async def main() -> list[int]:
        listener = Listener(100)
        bus.subscribe(FILLED, listener.on_event)
        publish(bus, 100)
        await asyncio.wait_for(listener.done.wait(), LONG)
        return listener.numbers

    assert asyncio.run(main()) == list(range(100))


def test_an_event_of_another_thread_reaches_the_loop_that_was_subscribed_in() -> None:
    bus = EventBus()

    async def main() -> bool:
        listener = Listener(10)
        bus.subscribe(FILLED, listener.on_event)
        thread = threading.Thread(target=publish, args=(bus, 10))
        thread.start()
        await asyncio.wait_for(listener.done.wait(), LONG)
        thread.join()
        return listener.loops == {asyncio.get_running_loop()}

    assert asyncio.run(main())


def test_one_subscribed_before_any_loop_runs_uses_the_first_that_publishes() -> None:
    bus = EventBus()
    numbers: list[int] = []

    told: list[asyncio.Event] = []

    async def on_event(event: Event) -> None:
        numbers.append(event.data["number"])
        told[-1].set()

    bus.subscribe(FILLED, on_event)
    publish(bus, 1)
    assert bus.subscribers()[0].dropped == 1

    async def main() -> None:
        told.append(asyncio.Event())
        publish(bus, 1)
        await asyncio.wait_for(told[-1].wait(), LONG)

    asyncio.run(main())
    asyncio.run(main())  # the first loop is closed: the second takes over
    assert numbers == [0, 0]


def test_one_that_fails_or_is_cancelled_is_counted_and_told_of_the_next() -> None:
    bus = EventBus()
    told: list[int] = []
    all_told = asyncio.Event()

    async def on_event(event: Event) -> None:
        told.append(event.data["number"])
        if len(told) == 3:
            all_told.set()
        if event.data["number"] == 0:
            raise ValueError("boom")
        if event.data["number"] == 1:
            raise asyncio.CancelledError

    async def main() -> None:
        listener = Listener(3)
        bus.subscribe(FILLED, on_event)
        bus.subscribe(FILLED, listener.on_event)
        publish(bus, 3)
        await asyncio.wait_for(listener.done.wait(), LONG)
        await asyncio.wait_for(all_told.wait(), LONG)

    asyncio.run(main())
    assert told == [0, 1, 2]
    assert [each.failures for each in bus.subscribers()] == [1, 0]


def test_partials_methods_and_objects_with_async_calls_are_awaited() -> None:
    bus = EventBus()
    told: list[str] = []
    all_told = asyncio.Event()

    async def on_event(name: str, event: Event) -> None:
        told.append(name)
        if len(told) == 3:
            all_told.set()

    class Handler:
        async def __call__(self, event: Event) -> None:
            await on_event("object", event)

    async def main() -> None:
        bus.subscribe(FILLED, partial(on_event, "partial"))
        bus.subscribe(FILLED, Handler())
        bus.subscribe(FILLED, lambda event: on_event("lambda", event))
        publish(bus, 1)
        await asyncio.wait_for(all_told.wait(), LONG)

    asyncio.run(main())
    assert sorted(told) == ["lambda", "object", "partial"]


def test_a_coroutine_that_nobody_can_run_is_a_counted_failure_and_warns_of_nothing() -> None:
    async def on_event(event: Event) -> None: ...

    def call(event: Event) -> object:
        return on_event(event)

    bus = EventBus()
    bus.subscribe(FILLED, call)
    publish(bus, 1)
    assert bus.subscribers()[0].failures == 1
