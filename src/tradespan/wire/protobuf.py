"""Protocol Buffers' wire format, as far as OTLP needs it.

Source: https://protobuf.dev/programming-guides/encoding/ and opentelemetry-proto 1.x,
common/v1/common.proto (AnyValue, KeyValue).

Sizes under 128 bytes, the common case, are one byte: whole headers (tag, size, inner tag, inner
size) are looked up in tables instead of being put together. Encoded keys are remembered.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_BYTE = [bytes([number]) for number in range(256)]
_MASK = (1 << 64) - 1
_SHORT = 0x80
"""Sizes and numbers below it are one byte."""

pack_double = struct.Struct("<d").pack
pack_fixed64 = struct.Struct("<Q").pack
pack_fixed32 = struct.Struct("<I").pack

MOST_NESTED = 24
"""Levels of lists and maps that are encoded; deeper ones become text. A map costs three messages a
level, and decoders (C++, Java, upb) refuse more than 100 in one another."""

KEYS_KEPT = 4_096
KEY_LENGTH_KEPT = 128
"""Encoded keys remembered, and the length of one: at most about 1 MiB."""


def varint(number: int) -> bytes:
    """A base-128 varint; negative numbers as 64-bit two's complement."""
    number &= _MASK
    if number < _SHORT:
        return _BYTE[number]
    if number < 0x4000:
        return _BYTE[number & 0x7F | 0x80] + _BYTE[number >> 7]
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field; `number` 1 to 15."""
    size = len(content)
    return _BYTE[number << 3 | 2] + (_BYTE[size] if size < _SHORT else varint(size)) + content


def text(value: str) -> bytes:
    """UTF-8; lone surrogates, which have none, become `?`."""
    try:
        return value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace")


def string(number: int, value: str) -> bytes:
    """A string field that is left out when it is empty; `number` 1 to 15."""
    return field(number, text(value)) if value else b""


def count(number: int, value: int) -> bytes:
    """A uint32 field that is left out when it is 0; `number` 1 to 15."""
    return _BYTE[number << 3] + varint(min(value, 0xFFFF_FFFF)) if value > 0 else b""


class _Keys(dict[str, bytes]):
    """Key → a KeyValue's first field. Full, it begins anew: nothing to keep order of."""

    def __missing__(self, key: object) -> bytes:
        # A map inside a value may have keys of any kind; text is what protobuf has.
        if type(key) is not str:
            return field(1, text(str(key)))
        encoded = field(1, text(key))
        if len(key) <= KEY_LENGTH_KEPT:
            if len(self) >= KEYS_KEPT:
                self.clear()
            self[key] = encoded
        return encoded


_KEYS = _Keys()

# A KeyValue's second field (tag, size) with the AnyValue's own tag and size of a short text in it.
_TEXT_HEADS = [b"\x12" + _BYTE[size + 2] + b"\x0a" + _BYTE[size] for size in range(_SHORT - 2)]
_INT_HEADS = [b"\x12" + _BYTE[size + 1] + b"\x18" for size in range(11)]
_FLOAT_HEAD = b"\x12\x09\x21"
_TRUE, _FALSE = b"\x12\x02\x10\x01", b"\x12\x02\x10\x00"
_HEADS = [[_BYTE[number << 3 | 2] + _BYTE[size] for size in range(_SHORT)] for number in range(16)]


def attributes(values: Mapping[str, Any], number: int, depth: int = 0) -> bytes:
    """Repeated KeyValue fields with the given field number (1 to 15); values are AnyValues.

    Never raises: what AnyValue has no form for (integers beyond 64 bits, other types) is text.
    """
    heads = _HEADS[number]
    pieces = []
    for key, value in values.items():
        pair = _KEYS[key] + _value_field(value, depth)
        size = len(pair)
        pieces.append(heads[size] if size < _SHORT else heads[0][:1] + varint(size))
        pieces.append(pair)
    return b"".join(pieces)


def _value_field(value: Any, depth: int) -> bytes:
    """A KeyValue's second field."""
    kind = type(value)
    if kind is str:
        content = text(value)
        size = len(content)
        if size < 126:
            return _TEXT_HEADS[size] + content
        return field(2, b"\x0a" + varint(size) + content)
    if kind is float:
        return _FLOAT_HEAD + pack_double(value)
    if kind is bool:
        return _TRUE if value else _FALSE
    if kind is int and -1 << 63 <= value < 1 << 63:
        number = varint(value)
        return _INT_HEADS[len(number)] + number
    return field(2, any_value(value, depth))


def any_value(value: Any, depth: int = 0) -> bytes:
    """The content of an AnyValue message; None is an empty one."""
    kind = type(value)
    if kind is str:
        return field(1, text(value))
    if kind is bool:
        return b"\x10\x01" if value else b"\x10\x00"
    if kind is int and -1 << 63 <= value < 1 << 63:
        return b"\x18" + varint(value)
    if kind is float:
        return b"\x21" + pack_double(value)
    return b"" if value is None else _rarer_value(value, depth)


_BASES: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (str, str.__str__),
    (float, float.__float__),
    (int, int.__int__),
)
"""What is derived from a plain type is one: NumPy's `float64`, the member of an enum."""


def _rarer_value(value: Any, depth: int) -> bytes:
    kind = type(value)
    for base, plain in _BASES:
        if isinstance(value, base) and kind is not base:
            return any_value(plain(value), depth)
    if isinstance(value, bytes | bytearray | memoryview):
        return field(7, bytes(value))
    if depth < MOST_NESTED:
        if isinstance(value, Mapping):
            return field(6, attributes(value, 1, depth + 1))
        if isinstance(value, Sequence):
            return field(5, b"".join([field(1, any_value(item, depth + 1)) for item in value]))
    return field(1, text(str(value)))
