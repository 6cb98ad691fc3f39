"""Slow subscribers: who waits for whom, and how long."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator

import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, get_current_span, use_span

from tradespan.signals.events import subscriptions
from tradespan.signals.events.bus import EventBus
from tradespan.signals.events.types import Event, EventType

FILLED = EventType.TRADE_FILLED
LONG = 30.0
SHORT = 0.05


class Stuck:
    """A subscriber that is held until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.numbers: list[int] = []

    def on_event(self, event: Event) -> None:
        self.begun.set()
        assert self.go_on.wait(LONG)
        self.numbers.append(event.data["number"])


def numbered(number: int) -> Event:
    return Event(FILLED, data={"number": number})


def test_a_publisher_waits_for_a_stuck_subscriber_no_longer_than_its_patience() -> None:
    bus, stuck = EventBus(patience=SHORT), Stuck()
    bus.subscribe(FILLED, stuck.on_event)
    bus.publish(numbered(0))  # returns, or this test hangs
    assert stuck.begun.is_set()
    assert stuck.numbers == []
    stuck.go_on.set()
    assert bus.flush(LONG)
    assert stuck.numbers == [0]


def test_others_are_told_while_one_is_stuck_and_it_gets_everything_in_order_later() -> None:
    bus, stuck = EventBus(patience=SHORT), Stuck()
    received: list[int] = []
    told = threading.Event()

    def on_event(event: Event) -> None:
        received.append(event.data["number"])
        if event.data["number"] == 2:
            told.set()

    bus.subscribe(FILLED, stuck.on_event)
    bus.subscribe(FILLED, on_event)
    for number in range(3):
        bus.publish(numbered(number))
    assert told.wait(LONG)
    assert (received, stuck.numbers) == ([0, 1, 2], [])
    stuck.go_on.set()
    bus.publish(numbered(3))
    assert bus.flush(LONG)
    assert stuck.numbers == [0, 1, 2, 3]
    assert [each.way for each in bus.subscribers()] == ["own thread", "thread"]


def test_one_that_is_stuck_is_not_waited_for_again() -> None:
    bus, stuck = EventBus(patience=SHORT), Stuck()
    bus.subscribe(FILLED, stuck.on_event)
    bus.publish(numbered(0))
    assert bus.subscribers()[0].way == "own thread"
    bus.patience = LONG  # whoever waits now, waits until the test is killed
    for number in range(1, 100):
        bus.publish(numbered(number))
    assert stuck.numbers == []
    stuck.go_on.set()
    assert bus.flush(LONG)
    assert stuck.numbers == list(range(100))


def test_one_that_is_slow_three_times_gets_a_thread_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tradespan.signals.events.threads.SLOW", -1.0)
    bus = EventBus(patience=LONG)
    numbers: list[int] = []
    bus.subscribe(FILLED, lambda event: numbers.append(event.data["number"]))
    for number in range(10):
        bus.publish(numbered(number))
    assert bus.flush(LONG)
    assert numbers == list(range(10))
    assert bus.subscribers()[0].way == "own thread"


def test_what_a_stuck_subscriber_has_no_room_for_is_dropped_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tradespan.signals.events.threads.MOST_WAITING", 5)
    bus, stuck = EventBus(patience=SHORT), Stuck()
    received: list[int] = []
    bus.subscribe(FILLED, stuck.on_event)
    bus.subscribe(FILLED, lambda event: received.append(event.data["number"]))
    for number in range(20):
        bus.publish(numbered(number))
    stuck.go_on.set()
    assert bus.flush(LONG)
    assert received == list(range(20))
    assert bus.subscribers()[0].dropped == 14
    assert stuck.numbers == [0, 1, 2, 3, 4, 5]


def test_one_that_unsubscribes_while_stuck_is_told_no_more_and_leaves_no_thread() -> None:
    bus, stuck = EventBus(patience=SHORT), Stuck()
    bus.subscribe(FILLED, stuck.on_event)
    before = set(threading.enumerate())
    bus.publish(numbered(0))
    bus.publish(numbered(1))
    mine = set(threading.enumerate()) - before
    assert len(mine) == 2
    bus.unsubscribe(FILLED, stuck.on_event)
    stuck.go_on.set()
    while len(mine & set(threading.enumerate())) > 1:
        bus.flush(SHORT)
    assert stuck.numbers == [0]


def test_where_no_thread_can_be_started_the_publisher_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    bus = EventBus()
    received: list[Event] = []
    bus.subscribe(FILLED, received.append)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        bus.publish(numbered(0))
    bus.publish(numbered(1))
    assert [each.data["number"] for each in received] == [1]
    assert bus.subscribers()[0].dropped == 1
    assert [each.data["number"] for each in bus.get_recent()] == [0, 1]


def test_where_no_second_thread_can_be_started_the_others_wait_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    bus, stuck = EventBus(patience=SHORT), Stuck()
    received: list[int] = []
    bus.subscribe(FILLED, lambda event: received.append(event.data["number"]))
    bus.subscribe(FILLED, stuck.on_event)
    bus.subscribe(FILLED, lambda event: received.append(-event.data["number"]))
    stuck.go_on.set()
    bus.publish(numbered(1))
    stuck.go_on.clear()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        bus.publish(numbered(2))
        bus.publish(numbered(3))
        stuck.go_on.set()
        assert bus.flush(LONG)
    assert received == [1, -1, 2, -2, 3, -3]


def test_subscribers_see_the_publishers_span() -> None:
    bus = EventBus()
    seen: list[int] = []
    bus.subscribe(FILLED, lambda _: seen.append(get_current_span().get_span_context().span_id))
    with use_span(NonRecordingSpan(SpanContext(7, 9, is_remote=False))):
        bus.publish(Event(FILLED))
    assert seen == [9]


def test_many_threads_publish_and_each_event_is_told_once() -> None:
    bus = EventBus(buffer_size=10_000, patience=LONG)
    counts = {"thread": 0, "inline": 0}
    lock = threading.Lock()

    def count(way: str) -> None:
        with lock:
            counts[way] += 1

    bus.subscribe(None, lambda _: count("thread"))
    bus.subscribe(None, lambda _: count("inline"), inline=True)

    def publish() -> None:
        for _ in range(500):
            bus.publish(Event(FILLED))

    threads = [threading.Thread(target=publish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bus.flush(LONG)
    assert counts == {"thread": 2_000, "inline": 2_000}
    assert len(bus.get_recent(10_000)) == 2_000


def test_the_threads_of_a_bus_that_is_gone_end() -> None:
    before = set(threading.enumerate())
    bus, stuck = EventBus(patience=SHORT), Stuck()
    bus.subscribe(FILLED, stuck.on_event)
    bus.publish(numbered(0))
    bus.publish(numbered(1))
    mine = set(threading.enumerate()) - before
    stuck.go_on.set()
    assert bus.flush(LONG)
    del bus
    gc.collect()
    for thread in mine:
        thread.join(LONG)
    assert len(mine) == 2
    assert not any(thread.is_alive() for thread in mine)


def test_a_slow_inline_subscriber_is_counted_and_told_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(subscriptions, "SLOW", -1.0)
    bus = EventBus()
    bus.subscribe(FILLED, lambda event: None, inline=True)
    for number in range(5):
        bus.publish(numbered(number))
    assert bus.subscribers()[0].way == "inline"
    assert [each for each in caplog.messages if "inline=True" in each] == caplog.messages[:1]


def test_a_warning_names_a_slow_subscriber_once(caplog: pytest.LogCaptureFixture) -> None:
    bus, stuck = EventBus(patience=SHORT), Stuck()
    bus.subscribe(FILLED, stuck.on_event)
    for number in range(3):
        bus.publish(numbered(number))
    stuck.go_on.set()
    assert bus.flush(LONG)
    (line,) = [each for each in caplog.messages if "is slow" in each]
    assert "Stuck.on_event" in line


def test_names_of_odd_callables_are_found() -> None:
    class Handler:
        def __call__(self, event: Event) -> None: ...

        def __getattr__(self, name: str) -> object:
            raise RuntimeError("no attributes")

    assert subscriptions.name_callback(Handler()).endswith("Handler")


class SometimesSlow:
    """Holds some events for longer than a publisher's patience."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.told: list[tuple[int, int]] = []
        self._held = threading.Event()

    def on_event(self, event: Event) -> None:
        publisher, count = event.data["from"], event.data["number"]
        if (publisher + count * 7 + self.number) % 31 == 0:
            self._held.wait(0.002)
        self.told.append((publisher, count))


@pytest.fixture
def many_switches() -> Iterator[None]:
    """Threads take turns all the time."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("many_switches")
def test_however_threads_come_in_turn_each_is_told_of_each_event_once_and_in_order() -> None:
    bus = EventBus(patience=0.001)
    subscribers = [SometimesSlow(number) for number in range(4)]
    for each in subscribers:
        bus.subscribe(FILLED, each.on_event)

    def publish(publisher: int) -> None:
        for number in range(100):
            bus.publish(Event(FILLED, data={"from": publisher, "number": number}))

    threads = [threading.Thread(target=publish, args=(each,)) for each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bus.flush(LONG)
    for each in subscribers:
        assert sorted(each.told) == [(p, number) for p in range(4) for number in range(100)]
        for publisher in range(4):
            assert [n for p, n in each.told if p == publisher] == list(range(100))
