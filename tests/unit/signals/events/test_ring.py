"""What can be looked back at, and what that costs."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tradespan.signals.events.bus import EventBus
from tradespan.signals.events.types import Event, EventType

FILLED = EventType.TRADE_FILLED


def test_the_ring_holds_a_thousand_and_gives_the_latest_hundred() -> None:
    bus = EventBus()
    for number in range(1_001):
        bus.publish(Event(FILLED, data={"number": number}))
    assert [each.data["number"] for each in bus.get_recent()] == list(range(901, 1_001))
    assert [each.data["number"] for each in bus.get_recent(5_000)] == list(range(1, 1_001))
    assert len(bus.get_by_type(FILLED)) == 100


def test_none_are_given_where_none_are_asked_for() -> None:
    bus = EventBus()
    bus.publish(Event(FILLED))
    assert (bus.get_recent(0), bus.get_by_type(FILLED, 0), bus.get_recent(-3)) == ([], [], [])


def test_small_events_are_kept_as_they_are() -> None:
    bus = EventBus()
    event = Event(FILLED, data={"symbol": "AAPL", "qty": 5, "legs": [1, 2], "more": {"a": None}})
    bus.publish(event)
    assert bus.get_recent()[0] is event


def test_big_values_reach_subscribers_whole_and_the_ring_in_short() -> None:
    bus = EventBus()
    received: list[Event] = []
    bus.subscribe(FILLED, received.append)
    book = "x" * 1_000_000
    bus.publish(Event(FILLED, data={"book": book, "qty": 5, **{f"k{n}": n for n in range(100)}}))
    assert received[0].data["book"] is book
    kept = bus.get_recent()[0].data
    assert len(str(kept)) < 10_000
    assert (kept["qty"], kept["tradespan.more"]) == (5, 102 - 64)


def test_the_ring_keeps_no_object_of_the_programs_alive() -> None:
    class Order:
        pass

    bus = EventBus()
    order = Order()
    gone = weakref.ref(order)
    bus.publish(Event(FILLED, data={"order": order, "nested": {"orders": [order]}}))
    del order
    gc.collect()
    assert gone() is None
    assert "Order" in bus.get_recent()[0].data["order"]


@given(st.integers(0, 20), st.lists(st.sampled_from(["a", "b", "c"])), st.integers(-2, 25))
def test_the_ring_is_the_end_of_what_was_published(size: int, names: list[str], count: int) -> None:
    bus = EventBus(buffer_size=size)
    for name in names:
        bus.publish(Event(name))
    kept = names[-size:] if size else []
    assert [each.name for each in bus.get_recent(count)] == (kept[-count:] if count > 0 else [])
    of_a = [name for name in kept if name == "a"]
    assert [each.name for each in bus.get_by_type("a", 100)] == of_a


class Subscribing(RuleBasedStateMachine):
    """Against the document's lists: who is subscribed how often, and told what."""

    def __init__(self) -> None:
        super().__init__()
        self.bus = EventBus()
        self.told: list[tuple[int, str]] = []
        self.expected: list[tuple[int, str]] = []
        self.callbacks = [self.callback(number) for number in range(3)]
        self.subscribed: list[tuple[str | None, int]] = []

    def callback(self, number: int) -> Callable[[Event], None]:
        return lambda event: self.told.append((number, event.name))

    @rule(key=st.sampled_from([None, "a", "b"]), number=st.integers(0, 2))
    def subscribe(self, key: str | None, number: int) -> None:
        self.bus.subscribe(key, self.callbacks[number])
        self.subscribed.append((key, number))

    @rule(key=st.sampled_from([None, "a", "b"]), number=st.integers(0, 2))
    def unsubscribe(self, key: str | None, number: int) -> None:
        self.bus.unsubscribe(key, self.callbacks[number])
        if (key, number) in self.subscribed:
            self.subscribed.remove((key, number))

    @rule(name=st.sampled_from(["a", "b", "c"]))
    def publish(self, name: str) -> None:
        self.bus.publish(Event(name))
        for wanted in (None, name):
            self.expected += [(n, name) for key, n in self.subscribed if key == wanted]

    @invariant()
    def everybody_was_told_in_order(self) -> None:
        assert self.bus.flush(30)
        assert self.told == self.expected


TestSubscribing = Subscribing.TestCase
