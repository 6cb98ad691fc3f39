"""What structlog logs: its fields, not only the text that comes out of them.

Three ways in. `structlog_processor` among structlog's processors takes each event with its fields.
Where structlog hands over to `logging`, nothing has to be set up: the event's mapping
(`ProcessorFormatter.wrap_for_formatter`), its `extra` (`render_to_log_kwargs`), and JSON that was
rendered already are understood by the capture of `logging`.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Mapping, MutableMapping
from typing import Any

from tradespan.core import guard
from tradespan.core.interruptions import is_hosts
from tradespan.signals.logs.extras import LineFields
from tradespan.signals.logs.failures import failure_attributes
from tradespan.signals.logs.levels import level_named
from tradespan.signals.logs.rules import IN_FORCE
from tradespan.signals.logs.writing import write_fields

_LEFT_OUT = frozenset(
    {"event", "level", "logger", "timestamp", "exc_info", "exception", "stack_info", "stack",
     "_record", "_from_structlog", "log_level", "level_number"}
)  # fmt: skip
"""Keys of an event that have a place of their own, or that processors add for later ones."""
_LONGEST_JSON = 100_000
_FRESH = 1.0
"""Seconds within which `logging` gets the record of an event that was taken from structlog."""


class _Taken(threading.local):
    """The event that the processor took last, for a logger of `logging`."""

    mark: tuple[str, int, str, float] | None = None


_taken = _Taken()


def structlog_processor(
    logger: Any, method_name: str, event_dict: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A processor of structlog: record the event, and pass it on as it is.

    It belongs behind those that add fields, and before the one that renders. What it records is not
    recorded again where structlog then hands it to `logging`.
    """
    try:
        _take_event(logger, method_name, event_dict)
    except Exception as error:  # noqa: BLE001 - the host comes first
        guard.report("recording what structlog logged", error)
    return event_dict


def _take_event(logger: Any, method_name: str, event: Mapping[str, Any]) -> None:
    rules, level = IN_FORCE.rules, level_named(method_name)
    if rules is None or level < rules.level:
        return
    host = logger if isinstance(logger, logging.Logger) else None
    if host is not None and not host.isEnabledFor(level):
        return
    name = event.get("logger") or getattr(logger, "name", None)
    name = name if type(name) is str and name else "structlog"
    facts = rules.facts(name)
    if not facts.recorded:
        return
    fields, now = read_event(event), time.time_ns()
    level_name = logging.getLevelName(level)
    write_fields(None, name, facts, fields, time=now, level=level, level_name=level_name)
    if host is not None:
        _taken.mark = (host.name, level, fields.message, now / 1e9)


def read_event(event: Mapping[str, Any]) -> LineFields:
    """The line of an event of structlog's."""
    said = event.get("event", "")
    fields = LineFields(said if type(said) is str else _as_text(said))
    for name, value in list(event.items()):
        if name not in _LEFT_OUT:
            fields.add(name, value)
    information, told = event.get("exc_info"), event.get("exception")
    if information is True:
        information = sys.exc_info()
    elif isinstance(information, BaseException):
        information = (type(information), information, None)
    text = told if type(told) is str else None
    fields.attributes.update(failure_attributes(information, text, None))
    return fields


def _as_text(value: Any) -> str:
    try:
        return str(value)
    except BaseException as error:
        if is_hosts(error):
            raise
        return f"<{type(value).__name__}>"


def read_structured(record: logging.LogRecord, fields: LineFields) -> bool:
    """Read a record that came by way of structlog; True: the event was recorded before."""
    if "structlog" not in sys.modules:
        return False
    mark = _taken.mark
    if mark is not None:
        _taken.mark = None
        name, level, message, at = mark
        same = (name, level) == (record.name, record.levelno)
        if same and record.created - at < _FRESH and _says(record, message):
            return True
    event = _event_of(record)
    if event is not None:
        read = read_event(event)
        fields.message, fields.event, fields.tags = read.message, read.event, read.tags
        fields.category, fields.attributes = read.category, read.attributes
    return False


def _says(record: logging.LogRecord, message: str) -> bool:
    """Whether a record is what became of a message."""
    if type(record.msg) is dict:
        return bool(record.msg.get("event") == message)
    said = str(record.msg)
    return message in said or json.dumps(message)[1:-1] in said


def _event_of(record: logging.LogRecord) -> Mapping[str, Any] | None:
    """The event of a record that holds one: as a mapping, or rendered as JSON."""
    said = record.msg
    if type(said) is dict and "event" in said:
        return said
    if type(said) is not str or record.args or not (said[:1] == "{" and said[-1:] == "}"):
        return None
    if '"event"' not in said or len(said) > _LONGEST_JSON:
        return None
    try:
        read = json.loads(said)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) and isinstance(read.get("event"), str) else None
