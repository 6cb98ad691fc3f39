"""Reads Protocol Buffers' wire format: the fields of a message, whatever they mean.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator

_FIXED = {1: 8, 5: 4}
"""Wire type → bytes of a value of fixed size."""


def read_fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message in their order: (number, varint or bytes).

    Raises:
        ValueError: The bytes are none.
    """
    place = 0
    while place < len(data):
        tag, place = read_varint(data, place)
        number, wire = tag >> 3, tag & 7
        if number == 0 or wire not in (0, 1, 2, 5):
            raise ValueError("no field begins here")
        if wire == 0:
            value, place = read_varint(data, place)
            yield number, value
            continue
        size = _FIXED.get(wire, 0)
        if wire == 2:
            size, place = read_varint(data, place)
        if place + size > len(data):
            raise ValueError("a field is cut off")
        yield number, data[place : place + size]
        place += size


def read_varint(data: bytes, place: int) -> tuple[int, int]:
    """A base-128 varint, without its sign, and the place behind it.

    Raises:
        ValueError: There is none.
    """
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
