"""The native encoder writes what msgspec writes, and leaves to it what is not plain."""

from __future__ import annotations

import enum
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.native.ways import compiled
from tradespan.spool.layout import (
    MAX_PAYLOAD,
    PayloadTooLong,
    frame_checksum,
    unpack_frame_header,
)

SPAN = 16
msgspec_encode = msgspec.msgpack.Encoder(enc_hook=str).encode


class Caught:
    """A lane without a segment: its slow way keeps the frames. Counts fall-backs."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.fallbacks = 0
        self.counter = memoryview(bytearray(8)).cast("Q")
        self.lane = compiled().Lane(0, self.counter, self.encode, self.slow, PayloadTooLong)

    def encode(self, fields: tuple[Any, ...]) -> bytes:
        self.fallbacks += 1
        return msgspec_encode(fields)

    def slow(self, site: int, frame: bytes) -> None:
        self.frames.append(frame)

    def payload(self, fields: tuple[Any, ...]) -> bytes:
        """What `record` makes of the fields; the frame around it is checked."""
        self.lane.record(SPAN, 1, fields)
        frame = self.frames.pop()
        size, checksum, word = unpack_frame_header(frame)
        payload = frame[16 : 16 + size]
        assert checksum == frame_checksum(payload, word)
        assert len(frame) % 8 == 0
        assert not any(frame[16 + size :])
        assert self.counter[0] == word
        return payload


texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats()
    | texts
    | st.binary(max_size=300)
)
keys = texts | st.integers(-(1 << 63), (1 << 64) - 1) | st.binary(max_size=40)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=20)
        | st.lists(inner, max_size=20).map(tuple)
        | st.dictionaries(keys, inner, max_size=20)
    ),
    max_leaves=30,
)


@given(st.lists(values, max_size=20).map(tuple))
def test_plain_values_are_the_bytes_of_msgspec(fields: tuple[Any, ...]) -> None:
    caught = Caught()
    assert caught.payload(fields) == msgspec_encode(fields)
    assert caught.fallbacks == 0


def edges() -> list[Any]:
    numbers = [
        sign * (1 << bits) + off
        for bits in (5, 7, 8, 15, 16, 31, 32, 63)
        for sign in (1, -1)
        for off in (-1, 0, 1)
    ]
    lengths = (0, 15, 16, 31, 32, 255, 256, 65_535, 65_536)
    return [
        *(number for number in numbers if number >= -(1 << 63)),
        (1 << 64) - 1,
        *("x" * length for length in lengths),
        *("é" * length for length in lengths),
        *(bytes(length) for length in lengths),
        *([None] * length for length in lengths),
        *(dict.fromkeys(range(length)) for length in lengths),
        *("\N{GREEK SMALL LETTER PI}", "\N{ROCKET}", "\0"),
        *(0.0, -0.0, float("nan"), float("-inf"), 5e-324),
    ]


@pytest.mark.parametrize("value", edges(), ids=lambda value: f"{type(value).__name__}")
def test_every_form_of_a_length_and_a_number_is_the_shortest(value: Any) -> None:
    caught = Caught()
    assert caught.payload((value,)) == msgspec_encode((value,))
    assert caught.fallbacks == 0


class Text(str):
    __slots__ = ()


class Color(enum.IntEnum):
    RED = 1


class Named:
    def __str__(self) -> str:
        return "named"


Point = namedtuple("Point", "x y")  # noqa: PYI024 - a subclass of tuple, as small as can be


@pytest.mark.parametrize(
    "value",
    [
        Text("x"),
        Color.RED,
        Named(),
        Point(1, 2),
        OrderedDict(a=1),
        {1, 2},
        bytearray(b"x"),
        Decimal("1.50"),
        datetime(2026, 3, 1, tzinfo=UTC),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_types_are_the_fall_back_encoders(value: Any) -> None:
    for fields in ((value,), (1, [value], "x"), ({"key": value},)):
        caught = Caught()
        assert caught.payload(fields) == msgspec_encode(fields)
        assert caught.fallbacks == 1


def nest(depth: int) -> tuple[Any, ...]:
    value: tuple[Any, ...] = ()
    for _ in range(depth - 1):
        value = (value,)
    return value


@given(st.integers(1, 80))
@example(32)
@example(33)
def test_deep_values_are_encoded_alike_and_deeper_ones_by_the_fall_back(depth: int) -> None:
    caught = Caught()
    assert caught.payload(nest(depth)) == msgspec_encode(nest(depth))
    assert caught.fallbacks == (depth > 32)


def circle() -> list[Any]:
    circular: list[Any] = []
    circular.append(circular)
    return circular


@pytest.mark.parametrize(
    ("make", "refusal"),
    [
        (lambda: "\ud800", UnicodeEncodeError),
        (lambda: 1 << 64, OverflowError),
        (lambda: -(1 << 63) - 1, OverflowError),
        (circle, RecursionError),
        (lambda: "x" * MAX_PAYLOAD, PayloadTooLong),
        (lambda: ["x" * 1000] * 2000, PayloadTooLong),
    ],
)
def test_refused_record_raises_as_ever_and_draws_no_number(
    make: Callable[[], Any], refusal: type[Exception]
) -> None:
    caught = Caught()
    caught.payload((1,))
    with pytest.raises(refusal):
        caught.lane.record(SPAN, 1, (1, "before", make()))
    assert caught.frames == []
    caught.payload((2,))
    assert caught.counter[0] >> 16 == 2


def test_longest_record_is_written_and_one_byte_more_refused() -> None:
    caught = Caught()
    head = len(msgspec_encode(("x" * 70_000,))) - 70_000
    fields = ("x" * (MAX_PAYLOAD - head),)
    assert len(caught.payload(fields)) == MAX_PAYLOAD
    with pytest.raises(PayloadTooLong) as refused:
        caught.lane.record(SPAN, 1, (fields[0] + "x",))
    assert refused.value.args == (MAX_PAYLOAD + 1,)


class Recursive:
    """Records again while it is encoded, as a `__str__` or a signal handler may."""

    def __init__(self, caught: Caught) -> None:
        self.caught = caught

    def __str__(self) -> str:
        self.caught.lane.record(SPAN, 1, ("inner",))
        return "outer"


def test_record_made_while_another_is_encoded_spoils_neither() -> None:
    caught = Caught()
    caught.lane.record(SPAN, 1, ("x" * 500, Recursive(caught)))
    inner, outer = caught.frames
    assert [unpack_frame_header(frame)[2] >> 16 for frame in (inner, outer)] == [1, 2]
    assert inner[16:].startswith(msgspec_encode(("inner",)))
    assert outer[16:].startswith(msgspec_encode(("x" * 500, "outer")))
