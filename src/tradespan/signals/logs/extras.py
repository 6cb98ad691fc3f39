"""What a record says beside its message: `extra={…}`, and the keys of structlog."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import PosixPath
from typing import Any
from uuid import UUID

from tradespan.capture.serialize import smart

MOST_EXTRAS = 128
"""Fields of one line that are kept."""
_MOST_TAGS = 32
_LONGEST_NAME = 100

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__)
_OWN = _STANDARD | {
    "message", "asctime", "taskName", "color_message", "_logger", "_name", "_from_structlog",
    "_record", "otelTraceID", "otelSpanID", "otelServiceName", "otelTraceSampled",
}  # fmt: skip
"""Of a record itself, of formatters, and of others that add trace ids."""
_AT_LEAST = len(_STANDARD)
_PLAIN = frozenset({str, int, float, bool, type(None)})
_AS_TEXT: Mapping[type, Callable[[Any], str]] = {
    Decimal: str,
    UUID: str,
    PosixPath: str,
    datetime: datetime.isoformat,
    date: date.isoformat,
    time: time.isoformat,
}
"""Exactly these types: code of Python's own, that has the form which others read."""
_EVENT = re.compile(r"[a-z][a-z0-9]*(?:[_.][a-z0-9]+)+")


class LineFields:
    """A line in the making."""

    __slots__ = ("attributes", "category", "event", "message", "tags")

    def __init__(self, message: str) -> None:
        self.message = message
        self.event = event_in(message)
        self.category = ""
        self.tags: list[str] = []
        self.attributes: dict[str, Any] = {}

    def add(self, name: Any, value: Any) -> None:
        """Take one field: `event`, `category` and `tags` have places of their own."""
        if name == "event" and type(value) is str:
            self.event = value[:_LONGEST_NAME]
        elif name == "category" and isinstance(value, str):
            self.category = str.__str__(value)[:_LONGEST_NAME]
        elif name == "tags" and type(value) in (list, tuple, set, frozenset, str):
            tags = [value] if type(value) is str else list(value)[:_MOST_TAGS]
            self.tags = [tag if type(tag) is str else str(smart(tag)) for tag in tags]
        elif len(self.attributes) < MOST_EXTRAS:
            key = name if type(name) is str else str(smart(name))
            if key:
                self.attributes[key] = plain_value(value)


def event_in(message: str) -> str:
    """The event's name, of a message that is nothing else: `websocket_connected`."""
    if " " not in message and len(message) <= _LONGEST_NAME and _EVENT.fullmatch(message):
        return message
    return ""


def add_extras(record: logging.LogRecord, fields: LineFields) -> None:
    """Take what `extra={…}` put on a record."""
    held = record.__dict__
    others = len(held) - _AT_LEAST
    if others <= 0:
        return
    # They were put in last: backwards, one need not look at the 22 of the record itself.
    found = []
    for name in reversed(tuple(held)):
        if name not in _STANDARD:
            if name not in _OWN:
                found.append(name)
            others -= 1
            if not others:
                break
    for name in reversed(found):
        fields.add(name, held[name])


def plain_value(value: Any, depth: int = 4) -> Any:
    """The same, of plain types: what has content is copied, others become text as spans have it.

    No `__str__` or `__repr__` of the user's is called.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if depth > 0:
        if kind is dict:
            return {str(smart(k)) if type(k) is not str else k: plain_value(v, depth - 1)
                    for k, v in list(value.items())[:MOST_EXTRAS]}  # fmt: skip
        if kind is list or kind is tuple:
            return [plain_value(each, depth - 1) for each in value[:MOST_EXTRAS]]
    form = _AS_TEXT.get(kind)
    return smart(value) if form is None else form(value)
