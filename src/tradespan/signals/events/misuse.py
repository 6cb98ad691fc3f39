"""What may be wrong with an event, or with a subscription, in words for who wrote it.

Publishing never raises: a sentence of these is logged, and the event is told as far as it can be.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, TypeGuard

from tradespan.capture.serialize import smart
from tradespan.signals.events.types import Event, EventType
from tradespan.signals.severity import SEVERITIES, is_known

_SHOWN = 80
"""Characters of a value."""
_TYPES = "an EventType, a text, or a member of an Enum of your own"


def refuse_subscription(event_type: object, callback: object) -> None:
    """Raise if nobody could be told of such a type, or be told at all.

    Raises:
        TypeError: The callback cannot be called, or the type is no type.
    """
    if not callable(callback):
        order = "; the type comes first, then the callback" if callable(event_type) else ""
        raise TypeError(
            f"a subscriber is a function, or another callable, that is given the Event;"
            f" {_show(callback)} cannot be called{order}"
        )
    if event_type is not None and not _is_type(event_type):
        raise TypeError(f"an event type is {_TYPES}, or None for all; not {_show(event_type)}")


def find_fault(event: object) -> Exception | None:
    """What is wrong with an event, as an error that says how it is meant; None if nothing is."""
    if not isinstance(event, Event):
        return TypeError(
            f"publish() takes an Event, and was given {_show(event)};"
            " emit(event_type, data) makes one"
        )
    kind: object = event.event_type
    data: object = event.data
    time: object = event.timestamp
    if not _is_type(kind):
        return TypeError(f"an event type is {_TYPES}; not {_show(kind)}")
    if not isinstance(time, datetime):
        hint = ": data is given by keyword, Event(type, data={…})" if _is_data(time) else ""
        return TypeError(f"the timestamp of {_name(kind)} is a datetime, not {_show(time)}{hint}")
    if not _is_data(data):
        return TypeError(f"the data of {_name(kind)} are a dict, not {_show(data)}")
    if not is_known(event.severity):
        return ValueError(
            f"{_show(event.severity)} of {_name(kind)} is no severity, and was taken as info;"
            f" there are {', '.join(SEVERITIES)}"
        )
    return None


def is_tellable(event: object) -> bool:
    """Whether somebody may be told of it, for all that is wrong with it."""
    return isinstance(event, Event) and _is_type(event.event_type)


def as_data(data: object, meant: str) -> dict[str, Any]:
    """Data of an event; what is no dict stands in one by the name `meant`."""
    if data is None:
        return {}
    try:
        return dict(data) if isinstance(data, Mapping) else {meant: data}
    except Exception:  # noqa: BLE001 - a mapping of the user's may do anything
        return {meant: data}


def _is_data(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_type(event_type: object) -> TypeGuard[Enum | str]:
    if not isinstance(event_type, (str, Enum)):
        return False
    try:
        hash(event_type)
    except Exception:  # noqa: BLE001 - the user's `__hash__` may do anything
        return False
    return True


def _name(event_type: Enum | str) -> str:
    return event_type.name if isinstance(event_type, EventType) else str(event_type)


def _show(value: object) -> str:
    """A value and its type, short: `'TEXT' (str)`."""
    return "None" if value is None else f"{smart(value, _SHOWN)} ({type(value).__name__})"
