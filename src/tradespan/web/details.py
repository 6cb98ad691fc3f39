"""One span as the drawer shows it, grouped the way people look for it."""

from __future__ import annotations

import re
from typing import Any

from tradespan.core.records import AttributeValue
from tradespan.declare.names import TRADESPAN_DEATH_CAUSE, TRADESPAN_EXCEPTION_SOURCE
from tradespan.store.rows import SpanDetail, SpanEvent

ARGUMENT = "tradespan.args."
RESULT = "tradespan.result"
EXCEPTION_EVENT = "exception"
STATIC = ("code.", "tradespan.")
"""Facts about the function, the same in each of its calls: shown apart from the call's own."""
_FRAME = re.compile(r'^\s*File "(?P<file>[^"]*)", line (?P<line>\d+), in (?P<name>.+)$')
_HEAD = "Traceback (most recent call last):"


def describe_span(span: SpanDetail) -> dict[str, Any]:
    """Everything of one span, as JSON; `duration` of what runs is its age."""
    attributes = dict(span.attributes)
    arguments = {
        key.removeprefix(ARGUMENT): attributes.pop(key)
        for key in list(attributes)
        if key.startswith(ARGUMENT)
    }
    result = attributes.pop(RESULT, None)
    function = {key: attributes.pop(key) for key in list(attributes) if key.startswith(STATIC)}
    failures = [event for event in span.events if event.name == EXCEPTION_EVENT]
    return {
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "name": span.name,
        "process": span.process,
        "group": span.group,
        "service": span.service,
        "kind": span.kind,
        "start": str(span.start),
        "duration": span.duration,
        "status": span.status,
        "running": span.running,
        "status_message": name_failure(span),
        "place": name_place(function),
        "arguments": texts(arguments),
        "result": None if result is None else show_value(result),
        "attributes": texts(attributes),
        "function": texts(function),
        "exceptions": [describe_exception(event) for event in failures],
        "events": [describe_event(span, event) for event in span.events if event not in failures],
        "links": [
            {
                "trace_id": link.trace_id,
                "span_id": link.span_id,
                "attributes": texts(link.attributes),
            }
            for link in span.links
        ],
        "resource": texts(span.resource),
        "scope": span.scope,
        "source": has_source(span),
    }


def name_failure(span: SpanDetail) -> str:
    """The status's message; of a call whose process died in it, with what it died of."""
    cause = span.attributes.get(TRADESPAN_DEATH_CAUSE)
    return f"{span.status_message}: {cause}" if cause else span.status_message


def has_source(span: SpanDetail) -> bool:
    """Whether the function's file is known, or lines were captured with an exception."""
    return span.source is not None or any(
        TRADESPAN_EXCEPTION_SOURCE in event.attributes for event in span.events
    )


def name_place(attributes: dict[str, AttributeValue]) -> str:
    """Where the function stands: `execution.py:64`; empty if it is not known."""
    path, line = attributes.get("code.file.path"), attributes.get("code.line.number")
    if not path:
        return ""
    file = str(path).replace("\\", "/").rsplit("/", 1)[-1]
    return file if line is None else f"{file}:{line}"


def texts(attributes: dict[str, AttributeValue]) -> dict[str, str]:
    return {key: show_value(value) for key, value in attributes.items()}


def show_value(value: AttributeValue) -> str:
    """A value as text; whole numbers and flags as Python writes them."""
    if isinstance(value, bytes):
        return value.hex(" ")
    if isinstance(value, list):
        return "[" + ", ".join(map(str, value)) + "]"
    return str(value)


def describe_event(span: SpanDetail, event: SpanEvent) -> dict[str, Any]:
    return {
        "name": event.name,
        "offset": event.time - span.start,
        "attributes": texts(event.attributes),
    }


def describe_exception(event: SpanEvent) -> dict[str, Any]:
    """The exception of an event, with the frames it passed, the innermost first."""
    attributes = {key: show_value(value) for key, value in event.attributes.items()}
    stacktrace = attributes.get("exception.stacktrace", "")
    return {
        "type": attributes.get("exception.type", "exception"),
        "message": attributes.get("exception.message", ""),
        "frames": parse_frames(stacktrace),
        "stacktrace": stacktrace,
    }


def parse_frames(stacktrace: str) -> list[dict[str, Any]]:
    """The frames of the exception that was raised last (its causes stand before it in the text)."""
    frames: list[dict[str, Any]] = []
    for line in stacktrace.splitlines():
        if line.strip() == _HEAD:
            frames = []
        elif match := _FRAME.match(line):
            path = match["file"].replace("\\", "/")
            frames.append(
                {
                    "file": path.rsplit("/", 1)[-1],
                    "path": path,
                    "line": int(match["line"]),
                    "name": match["name"],
                }
            )
    return frames[::-1]
