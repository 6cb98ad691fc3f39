"""What the conventions say of a type of event; an event of the user's own type is plain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from tradespan.declare.events import EVENTS, Event, Field
from tradespan.signals.events.types import key_of_type, name_of_type

_COMMON: Final = {
    name: (f"trading.{name}", 1.0)
    for name in ("symbol", "venue", "strategy", "account", "currency", "event_time")
}
"""Short names that mean the same in every event."""


class Declaration(NamedTuple):
    """One type of event."""

    name: str
    """OpenTelemetry's event name."""
    severity: str = "info"
    category: str = ""
    audited: bool = False
    fields: Mapping[str, tuple[str, float]] = {}
    """Short name in an event's data → attribute, and the factor to its unit."""


def _read(event: Event, fields: tuple[Field, ...]) -> Declaration:
    named = {short: each for short, each in _COMMON.items() if each[0] in event.attributes}
    named |= {each.short: (each.name, each.factor) for each in fields}
    return Declaration(event.name, event.severity, event.category, event.audited, named)


def _by_any_name() -> dict[Any, Declaration]:
    found: dict[Any, Declaration] = {}
    for event in EVENTS.values():
        found[event.member] = found[event.name] = _read(event, event.fields)
        for alias in event.aliases:
            found[alias.name] = _read(event, event.fields + alias.fields)
    return found


_DECLARED: Final = _by_any_name()


def declaration_of(event_type: Any) -> Declaration:
    """The type's, whether it is given as itself or in a text: by its name, the one that it has on
    the wire, or one that log lines have for it.
    """
    found = _DECLARED.get(key_of_type(event_type))
    if found is not None:
        return found
    return Declaration(name_of_type(event_type), fields=_COMMON)
