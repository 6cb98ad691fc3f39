"""A log record as one line of JSON, for files and for whoever reads along.

The keys, in this order; those without a value are left out:

    timestamp   ISO 8601, UTC, microseconds
    level       DEBUG, INFO, WARNING, ERROR, CRITICAL, or as its source calls it
    service     `service.name`
    logger      the logger's name
    trace_id    32 hex digits
    span_id     16 hex digits
    message     text
    event       name of an event
    category    text
    tags        texts
    data        what else it said, by name
    exception   type, message, stack
    source      file, line, function
    thread      name, where it is not the main one
    host        `host.name`
    pid         process id
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from tradespan.core.records import LogRecord
from tradespan.wire.escaping import escape_json

CATEGORY = "tradespan.log.category"
TAGS = "tradespan.log.tags"

_PARTS: Mapping[str, tuple[str, str]] = {
    "exception.type": ("exception", "type"),
    "exception.message": ("exception", "message"),
    "exception.stacktrace": ("exception", "stack"),
    "code.file.path": ("source", "file"),
    "code.line.number": ("source", "line"),
    "code.function.name": ("source", "function"),
}
_WHOLE: Mapping[str, str] = {CATEGORY: "category", TAGS: "tags", "thread.name": "thread"}
_LEVELS = ((21, "CRITICAL"), (17, "ERROR"), (13, "WARNING"), (9, "INFO"), (1, "DEBUG"))

encode_json = msgspec.json.Encoder(enc_hook=str).encode


def line_fields(record: LogRecord, scope: str, resource: Mapping[str, Any]) -> dict[str, Any]:
    """The line's keys and values.

    `scope`: name of the logger. `resource`: the resource attributes of who wrote it.
    """
    parts: dict[str, dict[str, Any]] = {}
    named: dict[str, Any] = {}
    data: dict[str, Any] = {}
    for key, value in (record.attributes or {}).items():
        if (part := _PARTS.get(key)) is not None:
            parts.setdefault(part[0], {})[part[1]] = value
        elif (whole := _WHOLE.get(key)) is not None:
            named[whole] = value
        else:
            data[key] = value
    message = record.body
    if isinstance(message, dict):
        data, message = {**message, **data}, record.event_name
    fields = {
        "timestamp": format_time(record.time or record.observed_time),
        "level": level_of(record),
        "service": resource.get("service.name"),
        "logger": scope,
        "trace_id": record.trace_id.hex(),
        "span_id": f"{record.span_id:016x}" if record.span_id else "",
        "message": message if isinstance(message, str) else encode_json(message).decode(),
        "event": record.event_name,
        "category": named.get("category"),
        "tags": named.get("tags"),
        "data": data,
        "exception": parts.get("exception"),
        "source": parts.get("source"),
        "thread": named.get("thread"),
        "host": resource.get("host.name"),
        "pid": resource.get("process.pid"),
    }
    return {key: each for key, each in fields.items() if each or key == "message"}


def encode_line(fields: Mapping[str, Any]) -> bytes:
    """The line, with its end; nothing in it can break it, or reaches a terminal."""
    try:
        text = encode_json(fields).decode()
    except (UnicodeEncodeError, TypeError, ValueError, RecursionError):
        text = encode_json(_mended(fields, 16)).decode()
    return f"{escape_json(text)}\n".encode()


def _mended(value: Any, depth: int) -> Any:
    """The same of plain values: halves of pairs become `?`."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, Mapping):
        return {_mended(str(key), 1): _mended(each, depth - 1) for key, each in value.items()}
    if isinstance(value, list | tuple) and depth > 0:
        return [_mended(each, depth - 1) for each in value]
    return value if isinstance(value, bool | int | float | None) else str(type(value))


def level_of(record: LogRecord) -> str:
    """The level's name."""
    if record.severity_text:
        return record.severity_text.upper()
    return next((name for least, name in _LEVELS if record.severity_number >= least), "")


def format_time(nanoseconds: int) -> str:
    """`2026-11-21T14:27:03.123456Z`; empty for 0, and for what is no time."""
    if not nanoseconds:
        return ""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{_second(seconds)}.{rest // 1_000:06d}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return "9999-12-31T23:59:59"
