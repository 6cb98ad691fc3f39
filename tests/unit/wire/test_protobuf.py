from __future__ import annotations

from enum import Enum, IntEnum
from typing import Any

import numpy as np
import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as PbResource

from tests.support.otlp import decode_attributes, decode_value
from tradespan.wire import protobuf
from tradespan.wire.protobuf import KEYS_KEPT, MOST_NESTED, any_value, attributes, varint

SIZES = [0, 1, 123, 124, 125, 126, 127, 128, 129, 16_380, 16_384, 70_000]
"""Around those at which a size, or the size around it, takes a byte more."""


def read(values: dict[Any, Any]) -> dict[str, Any]:
    """What OpenTelemetry's classes read of encoded attributes (a Resource's field 1)."""
    return decode_attributes(PbResource.FromString(attributes(values, 1)).attributes)


def nested(levels: int, wrap: Any) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = wrap(value)
    return value


@pytest.mark.parametrize(
    ("number", "encoded"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8001"),
        (16_383, "ff7f"),
        (16_384, "808001"),
        ((1 << 64) - 1, "ffffffffffffffffff01"),
        (-1, "ffffffffffffffffff01"),
        (-(1 << 63), "80808080808080808001"),
    ],
)
def test_numbers_are_varints_as_protobuf_specifies_them(number: int, encoded: str) -> None:
    assert varint(number).hex() == encoded


@pytest.mark.parametrize("size", SIZES)
def test_texts_keys_and_bytes_of_any_size_are_whole(size: int) -> None:
    assert read({"k": "x" * size}) == {"k": "x" * size}
    assert read({"k" * size: 1}) == {"k" * size: 1}
    assert read({"k": b"x" * size}) == {"k": b"x" * size}
    assert read({"k": [True] * size}) == {"k": [True] * size}


@pytest.mark.parametrize("size", [41, 42, 43, 62, 63, 64])
def test_the_size_of_a_text_is_that_of_its_bytes(size: int) -> None:
    assert read({"€" * size: "é€" * size}) == {"€" * size: "é€" * size}


def test_true_one_and_one_point_zero_stay_apart() -> None:
    read_back = read({"bool": True, "int": 1, "float": 1.0, "list": [True, 1, 1.0]})
    assert [type(value) for value in read_back.values()] == [bool, int, float, list]
    assert [type(value) for value in read_back["list"]] == [bool, int, float]


def test_an_integer_beyond_64_bits_is_text() -> None:
    assert read({"k": 1 << 63, "l": [-(1 << 63) - 1], "m": (1 << 63) - 1}) == {
        "k": "9223372036854775808",
        "l": ["-9223372036854775809"],
        "m": (1 << 63) - 1,
    }


def test_lone_surrogates_become_question_marks() -> None:
    assert read({"k\ud800": "a\udfffb", "l": ["\ud83d"]}) == {"k?": "a?b", "l": ["?"]}


def test_a_map_inside_may_have_keys_of_any_kind() -> None:
    assert read({"k": {1: "a", None: "b", (1, 2): "c"}}) == {
        "k": {"1": "a", "None": "b", "(1, 2)": "c"}
    }


def test_a_value_of_another_type_is_its_text() -> None:
    assert read({"k": ValueError("x"), "l": [1j]}) == {"k": "x", "l": ["1j"]}
    assert read({"k": bytearray(b"x"), "l": (1, 2)}) == {"k": b"x", "l": [1, 2]}


@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"k": value}])
def test_values_nested_too_deep_for_receivers_are_text_from_there_on(wrap: Any) -> None:
    fits = nested(MOST_NESTED, wrap)
    assert decode_value(AnyValue.FromString(any_value(fits))) == fits
    deeper = decode_value(AnyValue.FromString(any_value(nested(500, wrap))))
    for _ in range(MOST_NESTED):
        deeper = deeper["k"] if isinstance(deeper, dict) else deeper[0]
    assert deeper == str(nested(500 - MOST_NESTED, wrap))


def test_an_empty_value_says_nothing() -> None:
    assert any_value(None) == b""
    assert read({"k": None, "l": [None, 1]}) == {"k": None, "l": [None, 1]}


def test_remembered_keys_take_bounded_memory() -> None:
    for number in range(3 * KEYS_KEPT):
        assert read({f"key {number}": number}) == {f"key {number}": number}
    long_key = "k" * 100_000
    assert read({long_key: 1}) == {long_key: 1}
    remembered = vars(protobuf)["_KEYS"]
    assert len(remembered) <= KEYS_KEPT
    assert long_key not in remembered


class Side(str, Enum):  # noqa: UP042 - what `str` shows of it is "Side.BUY"
    BUY = "buy"


class Leg(IntEnum):
    FAR = 2


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float64(1.5), 1.5),
        (Side.BUY, "buy"),
        (Leg.FAR, 2),
        (np.str_("x"), "x"),
        ([Side.BUY, {"leg": Leg.FAR}], ["buy", {"leg": 2}]),
    ],
    ids=str,
)
def test_a_value_of_a_derived_type_is_of_the_plain_one(value: Any, plain: Any) -> None:
    assert read({"k": value}) == {"k": plain}
