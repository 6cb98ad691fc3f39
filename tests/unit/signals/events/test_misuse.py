"""What the bus says to who uses it wrongly: a sentence that says how it is meant."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tradespan.core import guard
from tradespan.signals.events.bus import EventBus
from tradespan.signals.events.types import Event as TypedEvent
from tradespan.signals.events.types import EventType

FILLED = EventType.TRADE_FILLED
Event: Any = TypedEvent
"""Type checkers would say it first."""


@pytest.fixture(autouse=True)
def _nothing_was_logged_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_last_logged", {})
    monkeypatch.setattr(guard, "_claims", {})


def published(caplog: pytest.LogCaptureFixture, event: Any) -> tuple[str, list[TypedEvent]]:
    """What is logged, and what a subscriber of all is told."""
    bus = EventBus()
    told: list[TypedEvent] = []
    bus.subscribe(None, told.append)
    with caplog.at_level(logging.WARNING, "tradespan"):
        bus.publish(event)
    return "\n".join(caplog.messages), told


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ("TEXT", "publish() takes an Event, and was given 'TEXT' (str); emit(event_type, data)"),
        (FILLED, "publish() takes an Event, and was given "),
        ({"symbol": "AAPL"}, "publish() takes an Event, and was given {'symbol': ...} (dict)"),
        (None, "publish() takes an Event, and was given None;"),
        (
            Event(7),
            "an event type is an EventType, a text, or a member of an Enum of your own; not 7",
        ),
        (
            Event([]),
            "an event type is an EventType, a text, or a member of an Enum of your own; not [",
        ),
    ],
)
def test_what_is_no_event_is_told_to_nobody_and_said(
    caplog: pytest.LogCaptureFixture, event: Any, says: str
) -> None:
    logged, told = published(caplog, event)
    assert f"publishing an event: TypeError: {says}" in logged
    assert told == []


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (
            Event(FILLED, severity="bad"),
            "ValueError: 'bad' (str) of TRADE_FILLED is no severity, and was taken as info; there"
            " are debug, info, warning, error, critical, emergency",
        ),
        (
            Event("HEDGED", severity=logging.WARNING),
            "ValueError: 30 (int) of HEDGED is no severity, and was taken as info",
        ),
        (
            Event("HEDGED", {"qty": 1}),
            "TypeError: the timestamp of HEDGED is a datetime, not {'qty': ...} (dict): data is"
            " given by keyword, Event(type, data={…})",
        ),
        (
            Event("HEDGED", 1_700_000_000.0),
            "TypeError: the timestamp of HEDGED is a datetime, not 1700000000.0 (float)",
        ),
        (
            Event("HEDGED", data="10 pieces"),
            "TypeError: the data of HEDGED are a dict, not '10 pieces' (str)",
        ),
    ],
)
def test_event_that_is_not_as_it_should_be_is_told_and_said(
    caplog: pytest.LogCaptureFixture, event: Any, says: str
) -> None:
    logged, told = published(caplog, event)
    assert f"publishing an event: {says}" in logged
    assert told == [event]


@pytest.mark.parametrize("severity", ["info", "WARN", "fatal", "emergency", 13])
def test_severities_that_are_known_are_no_news(
    caplog: pytest.LogCaptureFixture, severity: Any
) -> None:
    assert published(caplog, Event(FILLED, severity=severity))[0] == ""


def test_no_emitting_method_raises_for_data_that_are_no_dict() -> None:
    bus: Any = EventBus()
    bus.emit("HEDGED", "10 pieces")
    bus.emit_error("refused", "while hedging")
    bus.emit([], {"a": 1})
    assert [each.data for each in bus.get_recent()] == [
        {"data": "10 pieces"},
        {"error": "refused", "context": {"context": "while hedging"}},
    ]


@pytest.mark.parametrize(
    ("event_type", "callback", "says"),
    [
        (None, None, r"that is given the Event; None cannot be called$"),
        (FILLED, "tell", r"'tell' \(str\) cannot be called$"),
        (print, FILLED, r"cannot be called; the type comes first, then the callback$"),
        ([], print, r"a member of an Enum of your own, or None for all; not \["),
        (7, print, r"or None for all; not 7 \(int\)$"),
    ],
)
def test_subscription_that_nobody_could_be_told_by_is_refused(
    event_type: Any, callback: Any, says: str
) -> None:
    bus = EventBus()
    with pytest.raises(TypeError, match=says):
        bus.subscribe(event_type, callback)
    assert bus.subscribers() == []


@pytest.mark.parametrize("size", [-1, "1000", None, 10.5])
def test_ring_of_no_size_is_refused(size: Any) -> None:
    with pytest.raises(ValueError, match="buffer_size is a number of events, 0 or more; not "):
        EventBus(size)
