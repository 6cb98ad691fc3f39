"""What publishers, subscribers and those who look back see of the event bus."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from enum import Enum

import pytest

import tradespan
from tradespan.core import guard
from tradespan.signals.events.bus import EventBus, events
from tradespan.signals.events.types import Event, EventType

FILLED = EventType.TRADE_FILLED
DOCUMENTED = {
    "CYCLE_START", "CYCLE_END", "DECISION_MADE", "TRADE_SUBMITTED", "TRADE_FILLED",
    "TRADE_REJECTED", "KILL_SWITCH_TRIGGERED", "DAILY_LOSS_WARNING", "DRAWDOWN_WARNING",
    "POSITION_LIMIT_WARNING", "ENGINE_START", "ENGINE_STOP", "ERROR", "CONNECTION_LOST",
    "CONNECTION_RESTORED", "QUOTE_STALE", "DATA_ERROR",
}  # fmt: skip


class Own(Enum):
    REBALANCED = 1


def test_a_subscriber_has_been_told_when_publish_returns() -> None:
    bus = EventBus()
    received: list[Event] = []
    bus.subscribe(FILLED, received.append)
    bus.publish(Event(FILLED, data={"symbol": "AAPL"}))
    assert len(received) == 1
    assert received[0].data["symbol"] == "AAPL"


def test_the_documents_types_exist() -> None:
    assert {each.name for each in EventType} >= DOCUMENTED


def test_an_event_has_the_documents_defaults_and_form() -> None:
    event = Event(FILLED, data={"symbol": "AAPL"})
    assert (event.source, event.severity) == ("live_trading", "info")
    assert event.timestamp.tzinfo is UTC
    told = event.to_dict()
    assert told["event_type"] == "TRADE_FILLED"
    assert datetime.fromisoformat(told["timestamp"]) == event.timestamp
    assert json.loads(json.dumps(told))["data"] == {"symbol": "AAPL"}


def test_subscribers_of_one_type_are_not_told_of_others_and_those_of_none_of_all() -> None:
    bus = EventBus()
    some: list[str] = []
    every: list[str] = []
    bus.subscribe(EventType.ERROR, lambda event: some.append(event.name))
    bus.subscribe(None, lambda event: every.append(event.name))
    bus.publish(Event(FILLED))
    bus.publish(Event(EventType.ERROR))
    assert (some, every) == (["ERROR"], ["TRADE_FILLED", "ERROR"])


@pytest.mark.parametrize("own", ["rebalanced", Own.REBALANCED])
def test_types_of_the_users_own_are_texts_or_members_of_an_enum(own: str | Own) -> None:
    bus = EventBus()
    received: list[Event] = []
    bus.subscribe(own, received.append)
    bus.publish(Event(own))
    bus.publish(Event("other"))
    assert [each.event_type for each in received] == [own]
    assert bus.get_by_type(own) == received
    assert received[0].to_dict()["event_type"] == getattr(own, "name", own)


def test_a_type_and_its_name_in_a_text_are_the_same() -> None:
    bus = EventBus()
    received: list[Event] = []
    bus.subscribe("TRADE_FILLED", received.append)
    bus.publish(Event(FILLED))
    assert len(received) == 1
    assert bus.get_by_type("TRADE_FILLED") == received


def test_who_unsubscribed_is_told_no_more() -> None:
    bus = EventBus()
    received: list[Event] = []
    bus.subscribe(FILLED, received.append)
    bus.unsubscribe(FILLED, received.append)
    bus.unsubscribe(FILLED, received.append)
    bus.unsubscribe(None, print)
    bus.publish(Event(FILLED))
    assert (received, bus.subscribers()) == ([], [])


def test_a_bound_method_is_the_same_subscriber_each_time_it_is_looked_up() -> None:
    class Book:
        def __init__(self) -> None:
            self.count = 0

        def on_fill(self, event: Event) -> None:
            self.count += 1

    bus, book, other = EventBus(), Book(), Book()
    bus.subscribe(FILLED, book.on_fill)
    bus.subscribe(FILLED, other.on_fill)
    bus.publish(Event(FILLED))
    bus.unsubscribe(FILLED, book.on_fill)
    bus.publish(Event(FILLED))
    assert (book.count, other.count) == (1, 2)


def test_subscribed_twice_is_told_twice_and_unsubscribed_once_is_told_once() -> None:
    bus = EventBus()
    received: list[Event] = []
    bus.subscribe(FILLED, received.append)
    bus.subscribe(FILLED, received.append)
    bus.publish(Event(FILLED))
    assert len(received) == 2
    bus.unsubscribe(FILLED, received.append)
    bus.publish(Event(FILLED))
    assert len(received) == 3


@pytest.mark.parametrize("inline", [False, True])
def test_one_that_fails_hurts_neither_publisher_nor_others_and_is_counted(inline: bool) -> None:
    bus = EventBus()
    received: list[Event] = []

    def fail(event: Event) -> None:
        raise ValueError("boom")

    before = sum(guard.counts.values())
    bus.subscribe(FILLED, fail, inline=inline)
    bus.subscribe(FILLED, received.append, inline=inline)
    bus.publish(Event(FILLED))
    failing, fine = bus.subscribers()
    assert (failing.calls, failing.failures) == (1, 1)
    assert (fine.calls, fine.failures, len(received)) == (1, 0, 1)
    assert sum(guard.counts.values()) == before + 1


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit])
def test_what_is_the_hosts_passes_to_the_publisher(
    inline: bool, raised: type[BaseException]
) -> None:
    def leave(event: Event) -> None:
        raise raised

    bus = EventBus()
    bus.subscribe(FILLED, leave, inline=inline)
    with pytest.raises(raised):
        bus.publish(Event(FILLED))
    with pytest.raises(raised):  # the thread goes on
        bus.publish(Event(FILLED))


def test_inline_subscribers_run_in_the_publishers_thread_others_in_the_buss() -> None:
    bus = EventBus()
    threads: list[str] = []
    bus.subscribe(FILLED, lambda _: threads.append(threading.current_thread().name))
    bus.subscribe(FILLED, lambda _: threads.append(threading.current_thread().name), inline=True)
    bus.publish(Event(FILLED))
    assert threads == [threading.current_thread().name, "tradespan events"]


def test_what_a_subscriber_publishes_is_told_to_all() -> None:
    bus = EventBus()
    names: list[str] = []
    bus.subscribe(FILLED, lambda _: bus.publish(Event(EventType.DECISION_MADE)))
    bus.subscribe(None, lambda event: names.append(event.name))
    bus.publish(Event(FILLED))
    assert bus.flush(5)
    assert sorted(names) == ["DECISION_MADE", "TRADE_FILLED"]


@pytest.mark.parametrize("inline", [False, True])
def test_a_subscriber_that_publishes_what_it_is_told_of_comes_to_an_end(inline: bool) -> None:
    bus = EventBus()
    bus.subscribe(FILLED, lambda _: bus.publish(Event(FILLED)), inline=inline)
    bus.publish(Event(FILLED))
    while bus.subscribers()[0].dropped == 0:
        assert bus.flush(5)
    assert bus.flush(5)
    assert bus.subscribers()[0].calls == 32


def test_one_that_unsubscribes_another_while_an_event_is_told_is_obeyed() -> None:
    bus = EventBus()
    received: list[Event] = []
    bus.subscribe(FILLED, lambda _: bus.unsubscribe(FILLED, received.append))
    bus.subscribe(FILLED, received.append)
    bus.publish(Event(FILLED))
    assert received == []


def test_what_cannot_be_called_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="cannot be called"):
        EventBus().subscribe(None, "print")  # type: ignore[arg-type]


def test_publishing_what_is_no_event_raises_nothing() -> None:
    bus = EventBus()
    before = sum(guard.counts.values())
    bus.publish("filled")  # type: ignore[arg-type]
    bus.publish(Event([]))  # type: ignore[arg-type]
    assert sum(guard.counts.values()) > before + 1


def test_a_callback_whose_comparison_fails_leaves_the_bus_usable() -> None:
    class Odd:
        def __call__(self, event: Event) -> None: ...

        def __eq__(self, other: object) -> bool:
            raise RuntimeError("no comparison")

        __hash__ = None  # type: ignore[assignment]

    bus = EventBus()
    odd = Odd()
    bus.subscribe(FILLED, odd)
    bus.unsubscribe(FILLED, odd)
    assert bus.subscribers() == []


def test_the_process_has_a_bus_of_its_own_at_the_front_door() -> None:
    assert tradespan.events is events
    assert (tradespan.EventBus, tradespan.Event) == (EventBus, Event)
    assert tradespan.EventType is EventType


@pytest.mark.parametrize("name", ["TRADE_FILLED", "trading.order.filled"])
def test_a_type_of_ours_goes_by_either_of_its_names(name: str) -> None:
    bus = EventBus()
    received: list[str] = []
    bus.subscribe(name, lambda event: received.append(event.name))
    bus.subscribe(FILLED, lambda event: received.append("of the type"))
    bus.publish(Event(FILLED))
    bus.publish(Event(name))
    assert received == ["TRADE_FILLED", "of the type"] * 2
    assert len(bus.get_by_type(FILLED)) == 2


def test_a_subscriber_to_a_type_that_is_nearly_ours_is_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bus = EventBus()
    for own in ("rebalanced", "hedge_done", Own.REBALANCED, "TRADE_FILLED", None):
        bus.subscribe(own, print)
    assert not caplog.messages
    bus.subscribe("TRADE_FILED", print)
    assert caplog.messages == [
        "a subscriber asks for the event type TRADE_FILED, which nobody has declared; did you mean"
        " TRADE_FILLED?"
    ]
