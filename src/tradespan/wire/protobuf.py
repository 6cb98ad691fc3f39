"""Protocol Buffers' wire format, as far as OTLP needs it.

Source: protobuf.dev, "Encoding". Sizes under 128 bytes, the common case, are one precomputed byte.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

_BYTE = [bytes([n]) for n in range(256)]
_MASK = (1 << 64) - 1
pack_double = struct.Struct("<d").pack
pack_fixed64 = struct.Struct("<Q").pack
pack_fixed32 = struct.Struct("<I").pack

_DEPTH = 32
"""Levels of nested values that are encoded; deeper ones become text."""


def varint(number: int) -> bytes:
    """A base-128 varint; negative numbers as 64-bit two's complement."""
    number &= _MASK
    if number < 0x80:
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
    """A length-delimited field."""
    return _BYTE[number << 3 | 2] + varint(len(content)) + content


def text(value: str) -> bytes:
    """UTF-8; lone surrogates, which have no UTF-8, are replaced."""
    try:
        return value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace")


@lru_cache(maxsize=8192)
def key_field(key: str) -> bytes:
    """A KeyValue's first field."""
    return field(1, text(key))


def any_value(value: Any, depth: int = 0) -> bytes:
    """The content of an AnyValue message; None is an empty one."""
    kind = type(value)
    if kind is str:
        content = text(value)
        return b"\x0a" + varint(len(content)) + content
    if kind is int:
        return b"\x18" + varint(value) if -(1 << 63) <= value < 1 << 63 else any_value(str(value))
    if kind is float:
        return b"\x21" + pack_double(value)
    if kind is bool:
        return b"\x10\x01" if value else b"\x10\x00"
    if kind is bytes:
        return field(7, value)
    if value is None:
        return b""
    return _nested_value(value, depth)


def _nested_value(value: Any, depth: int) -> bytes:
    if depth >= _DEPTH or not isinstance(value, Mapping | Sequence):
        return any_value(str(value))
    if isinstance(value, Mapping):
        return field(6, attributes(value, 1, depth + 1))
    return field(5, b"".join(field(1, any_value(item, depth + 1)) for item in value))


def attributes(values: Mapping[str, Any], number: int, depth: int = 0) -> bytes:
    """Repeated KeyValue fields with the given field number."""
    tag = _BYTE[number << 3 | 2]
    encoded = []
    for key, item in values.items():
        value = any_value(item, depth)
        pair = key_field(key) + b"\x12" + varint(len(value)) + value
        encoded.append(tag + varint(len(pair)) + pair)
    return b"".join(encoded)
