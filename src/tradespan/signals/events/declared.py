"""What the conventions say of a type of event; an event of the user's own type is plain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from tradespan.signals.events.types import EventType, key_of_type, name_of_type


class Declaration(NamedTuple):
    """One type of event."""

    name: str
    """OpenTelemetry's event name."""
    severity: str = "info"
    category: str = ""
    audited: bool = False
    fields: Mapping[str, tuple[str, float | None]] = {}
    """Short name in an event's data → attribute, and the factor to its unit."""


_DECLARED: Final[dict[Any, Declaration]] = {}


def declaration_of(event_type: Any) -> Declaration:
    """The type's, whether it is given as itself or by its name in a text."""
    found = _DECLARED.get(key_of_type(event_type))
    return found if found is not None else Declaration(name_of_type(event_type))


for _each in EventType:
    _DECLARED[_each.name] = Declaration(_each.value)
