"""Records ↔ MessagePack, the payloads of frames.

A record is an array whose positions are the fields of its class (core/records.py); trailing fields
that have their defaults are left off. A later version may append fields, which an earlier one
passes over; a field that an earlier version did not write has its default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from tradespan.core.records import LogRecord, MetricReading, Resource, Site, Span

T = TypeVar("T")

Record = Span | LogRecord | MetricReading
"""What is delivered."""


def _as_known(value: Any) -> Any:
    """What MessagePack has a form for, of a value of another type.

    A subclass is what it is derived from: NumPy's `float64` is a float, and stays a number.
    """
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, Sequence) else str(value)


_encode = msgspec.msgpack.Encoder(enc_hook=_as_known).encode
_span = msgspec.msgpack.Decoder(Span)
_log = msgspec.msgpack.Decoder(LogRecord)
_reading = msgspec.msgpack.Decoder(MetricReading)
_site = msgspec.msgpack.Decoder(Site)
_resource = msgspec.msgpack.Decoder(Resource)


def encode_record(record: Record | Site | Resource) -> bytes:
    """A record's payload; the same bytes for the same record.

    Values of a type that MessagePack has no form for are written as what they are derived from, or
    as `str` shows them, and what MessagePack cannot hold (a lone surrogate, an integer beyond 64
    bits) as `mend` leaves it.
    """
    fields = _shorten(record)
    try:
        return _encode(fields)
    except (UnicodeEncodeError, OverflowError):
        return _encode(mend(fields))


def _shorten(record: Record | Site | Resource) -> tuple[Any, ...]:
    """The record's fields without trailing defaults, which msgspec writes in arrays.

    A record that is written again (the dead letter) must not grow: it may be as long as can be.
    """
    fields = msgspec.structs.astuple(record)
    end = len(fields)
    for default in _trailing_defaults(type(record)):
        if fields[end - 1] != default:
            break
        end -= 1
    return fields[:end]


@lru_cache
def _trailing_defaults(kind: type[msgspec.Struct]) -> list[Any]:
    """Defaults of a class's fields, the last first, up to the first field that has none."""
    defaults = []
    for field in reversed(msgspec.structs.fields(kind)):
        if field.required:
            break
        factory = field.default_factory
        defaults.append(field.default if factory is msgspec.NODEFAULT else factory())
    return defaults


def mend(value: Any) -> Any:
    """A copy that MessagePack can hold: a lone surrogate is `?`, an integer beyond 64 bits text.

    A file's name that is no UTF-8 comes to Python with surrogates, for example.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int):
        return value if -1 << 63 <= value < 1 << 64 else str(value)
    if isinstance(value, msgspec.Struct):
        return mend(msgspec.structs.astuple(value))
    if isinstance(value, Mapping):
        return {mend(key): mend(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        # A tuple stays one: it may be a key.
        return tuple(mend(item) for item in value)
    return value


def decode_span(payload: bytes) -> Span:
    """The span of a payload.

    Raises:
        msgspec.DecodeError: The bytes are not one.
    """
    return _decode(_span.decode, payload)


def decode_log(payload: bytes) -> LogRecord:
    """The log record of a payload.

    Raises:
        msgspec.DecodeError: The bytes are not one.
    """
    return _decode(_log.decode, payload)


def decode_reading(payload: bytes) -> MetricReading:
    """The metric reading of a payload.

    Raises:
        msgspec.DecodeError: The bytes are not one.
    """
    return _decode(_reading.decode, payload)


def decode_site(payload: bytes) -> Site:
    """The site of a payload.

    Raises:
        msgspec.DecodeError: The bytes are not one.
    """
    return _decode(_site.decode, payload)


def decode_resource(payload: bytes) -> Resource:
    """The resource of a payload.

    Raises:
        msgspec.DecodeError: The bytes are not one.
    """
    return _decode(_resource.decode, payload)


def _decode(decode: Callable[[bytes], T], payload: bytes) -> T:
    try:
        return decode(payload)
    except RecursionError as error:
        raise msgspec.DecodeError("values are nested too deeply") from error
