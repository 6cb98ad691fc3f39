"""What a receiver says in the body of an OTLP/HTTP request that it took.

Source: opentelemetry-proto 1.x, collector/*/v1/*_service.proto (the three signals' responses have
the same fields); OTLP specification, "Partial Success".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec


class PartialSuccess(NamedTuple):
    """How many records were not taken, and why. (0, words) is a remark, (0, "") says nothing."""

    rejected: int = 0
    message: str = ""


class _JsonPartialSuccess(msgspec.Struct, frozen=True, rename="camel"):
    rejected_spans: int = 0
    rejected_log_records: int = 0
    rejected_data_points: int = 0
    error_message: str = ""


class _JsonResponse(msgspec.Struct, frozen=True, rename="camel"):
    partial_success: _JsonPartialSuccess = _JsonPartialSuccess()


# Not strict: protobuf's JSON writes 64-bit numbers as text, and reads either.
_read_json = msgspec.json.Decoder(_JsonResponse, strict=False).decode


def read_partial_success(body: bytes) -> PartialSuccess:
    """The partial success of an answer's body; of a body that is no OTLP answer, an empty one.

    Some answer in JSON what they were asked in protobuf, so the body itself tells which it is: no
    message begins with a brace.
    """
    try:
        return _from_json(body) if body.startswith(b"{") else _from_protobuf(body)
    except (ValueError, msgspec.DecodeError):
        return PartialSuccess()


def _from_json(body: bytes) -> PartialSuccess:
    said = _read_json(body).partial_success
    rejected = said.rejected_spans or said.rejected_log_records or said.rejected_data_points
    return PartialSuccess(max(rejected, 0), said.error_message)


def _from_protobuf(body: bytes) -> PartialSuccess:
    rejected, words = 0, b""
    for number, content in _fields(body):
        if number != 1 or not isinstance(content, bytes):
            continue
        for inner, value in _fields(content):
            if inner == 1 and isinstance(value, int):
                # int64: what is negative says nothing.
                rejected = value if value < 1 << 63 else 0
            elif inner == 2 and isinstance(value, bytes):
                words = value
    return PartialSuccess(rejected, words.decode("utf-8", "replace"))


_FIXED = {1: 8, 5: 4}
"""Wire type → bytes of a value of fixed size."""


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message in their order: (number, varint or bytes).

    Raises:
        ValueError: The bytes are none.
    """
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        number, wire = tag >> 3, tag & 7
        if number == 0 or wire not in (0, 1, 2, 5):
            raise ValueError("no field begins here")
        if wire == 0:
            value, place = _varint(data, place)
            yield number, value
            continue
        size = _FIXED.get(wire, 0)
        if wire == 2:
            size, place = _varint(data, place)
        if place + size > len(data):
            raise ValueError("a field is cut off")
        yield number, data[place : place + size]
        place += size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise ValueError("a number is cut off")
        byte = data[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & ((1 << 64) - 1), place
    raise ValueError("a number of more than ten bytes")
