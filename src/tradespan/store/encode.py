"""Records to columns and back: what is JSON in the store, and how it is read again."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import msgspec

from tradespan.core.records import Event, Link, SourceFile, Span
from tradespan.wire.attributes import event_attributes

EXCEPTION_LENGTH = 200
"""Characters kept of a trace's first exception; the whole of it is in its span."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_pack = msgspec.msgpack.Encoder(order="deterministic").encode

_HALF = 1 << 63
_WHOLE = 1 << 64


def to_signed(number: int) -> int:
    """A 64-bit id as SQLite's signed integer."""
    return number - _WHOLE if number >= _HALF else number


def to_hex(signed: int) -> str:
    """16 hex digits of an id that `to_signed` made."""
    return f"{signed % _WHOLE:016x}"


def to_json(value: object) -> str:
    """JSON text; a float that JSON has no number for becomes `NaN`, `Infinity` or `-Infinity`.

    Source: the strings are protobuf's JSON mapping, so that an export needs no special case.
    """
    text = _encode(value)
    if b"null" in text:  # msgspec's word for NaN; rare enough to look again
        text = _encode(_name_non_finite(value))
    return text.decode()


def from_json(text: str) -> Any:
    """What `to_json` was given, but for tuples (lists), bytes (Base64 text) and NaN (text)."""
    return _decode(text)


def encode_source(source: SourceFile | None) -> str | None:
    """The column `site.source`."""
    if source is None:
        return None
    facts = {"path": source.path, "size": source.size, "changed": source.changed}
    return to_json({**facts, "digest": source.digest.hex()})


def decode_source(text: str | None) -> SourceFile | None:
    """What `encode_source` was given."""
    if text is None:
        return None
    facts = from_json(text)
    return SourceFile(
        facts["path"], facts["size"], facts["changed"], bytes.fromhex(facts["digest"])
    )


def digest(*facts: object) -> bytes:
    """16 bytes that stand for these facts, the same in every process."""
    return hashlib.blake2b(_pack(facts), digest_size=16).digest()


def encode_columns(span: Span) -> tuple[str | None, ...]:
    """The text columns of a span, in the order of `insert-span`, from `arguments` on."""
    return (
        to_json(span.arguments) if span.arguments else None,
        to_json(span.result) if span.result is not None else None,
        to_json(span.attributes) if span.attributes else None,
        to_json([_event(event) for event in span.events]) if span.events else None,
        to_json([_link(link) for link in span.links]) if span.links else None,
        span.status_message or None,
        span.trace_state or None,
        to_json(span.dropped) if any(span.dropped) else None,
    )


def find_exception(span: Span) -> tuple[int, str] | None:
    """When and with what a failed span failed, on one line; None if it does not say.

    The earliest exception is the one that started it: where an exception passes several spans, the
    innermost sees it first.
    """
    for event in sorted(span.events or (), key=_time_of):
        if event.failure is None and "exception.type" not in event.attributes:
            continue
        facts = event_attributes(event)
        kind = str(facts.get("exception.type", "")).rpartition(".")[2]
        message = str(facts.get("exception.message", ""))
        return event.time, to_line(f"{kind}: {message}" if message else kind)
    if span.status_message:
        return span.end, to_line(span.status_message)
    return None


def to_line(text: str, length: int = EXCEPTION_LENGTH) -> str:
    """The text on one line of at most `length` characters."""
    line = " ".join(text[: 4 * length].split())
    return line if len(line) <= length else line[: length - 3] + "..."


def _time_of(event: Event) -> int:
    return event.time


def _event(event: Event) -> dict[str, object]:
    shape: dict[str, object] = {
        "name": event.name,
        "time": event.time,
        "attributes": event_attributes(event),
    }
    if event.dropped_attributes:
        shape["dropped_attributes"] = event.dropped_attributes
    return shape


def _link(link: Link) -> dict[str, object]:
    shape: dict[str, object] = {
        "trace_id": link.trace_id.hex(),
        "span_id": f"{link.span_id:016x}",
        "attributes": link.attributes,
        "trace_flags": link.trace_flags,
        "remote": link.remote,
    }
    if link.trace_state:
        shape["trace_state"] = link.trace_state
    if link.dropped_attributes:
        shape["dropped_attributes"] = link.dropped_attributes
    return shape


def _name_non_finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, dict):
        return {key: _name_non_finite(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_name_non_finite(item) for item in value]
    return value
