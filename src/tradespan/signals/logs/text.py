"""A line as people read it: time, level, logger, message, fields, trace.

    14:27:03.123 INFO     bot.orders  order_submitted  order_id=K123 venue=kalshi  trace=0af76519

Nothing of what is shown obeys: control characters and marks that turn text are written out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradespan.wire.escaping import escape_text
from tradespan.wire.log_lines import encode_json

SHORT_ID = 8
"""Digits of a trace id; `tradespan trace` takes them."""
SERVICE_WIDTH = 12
LOGGER_WIDTH = 20
_LONGEST_VALUE = 200

_COLOURS: Mapping[str, str] = {
    "DEBUG": "2",
    "INFO": "32",
    "WARNING": "33",
    "ERROR": "1;31",
    "CRITICAL": "1;37;41",
}
_DIM = "2"


def format_line(
    fields: Mapping[str, Any], time: str, *, colours: bool, service: bool = False
) -> str:
    """The line of a record (`wire.log_lines.line_fields`), without its end; a stack below it.

    `time`: how its time is shown. `service`: whether to say whose it is, before the logger.
    """
    level = str(fields.get("level", ""))
    name = str(fields.get("logger", ""))
    whose = escape_text(str(fields.get("service", ""))) if service else ""
    parts = [
        _paint(time, _DIM, colours),
        _paint(f"{escape_text(level):<8}", _COLOURS.get(level, ""), colours),
        _paint(f"{whose:<{SERVICE_WIDTH}}", "35", colours) if service else "",
        _paint(f"{escape_text(name):<{LOGGER_WIDTH}}", "36", colours),
        escape_text(str(fields.get("message", ""))),
    ]
    event = fields.get("event")
    if event and event != fields.get("message"):
        parts.append(_paint(f"event={escape_text(str(event))}", _DIM, colours))
    if data := _pairs(fields):
        parts.append(_paint(data, _DIM, colours))
    if trace := str(fields.get("trace_id", "")):
        parts.append(_paint(f"trace={escape_text(trace[:SHORT_ID])}", "34", colours))
    line = "  ".join(part for part in parts if part)
    return "\n".join([line, *_stack(fields, colours=colours)])


def _pairs(fields: Mapping[str, Any]) -> str:
    # A file's lines may be anybody's.
    data = fields.get("data")
    pairs = dict(data) if isinstance(data, Mapping) else {}
    for key in ("category", "tags"):
        if value := fields.get(key):
            pairs[key] = ",".join(map(str, value)) if isinstance(value, list) else value
    return " ".join(f"{escape_text(str(key))}={_shown(value)}" for key, value in pairs.items())


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else encode_json(value).decode()
    text = escape_text(text)
    if len(text) > _LONGEST_VALUE:
        text = f"{text[:_LONGEST_VALUE]}…"
    return f'"{text}"' if isinstance(value, str) and (" " in text or not text) else text


def _stack(fields: Mapping[str, Any], *, colours: bool) -> list[str]:
    exception = fields.get("exception")
    if not isinstance(exception, Mapping):
        return []
    stack = str(exception.get("stack", "")).rstrip("\n")
    if not stack:
        named = [str(exception[key]) for key in ("type", "message") if exception.get(key)]
        stack = ": ".join(named)
    # Each line of its own is escaped and moved in: none can look like a line of the log.
    return [_paint(f"    {escape_text(each)}", "31", colours) for each in stack.split("\n") if each]


def _paint(text: str, code: str, colours: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colours and code and text else text
