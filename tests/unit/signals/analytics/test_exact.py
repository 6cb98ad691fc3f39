"""How numbers are read, and given back."""

from __future__ import annotations

from decimal import Decimal, localcontext
from enum import IntEnum
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tradespan.signals.analytics.exact import Kind, divide, given, plain, read, read_text, read_time

D = Decimal


class Side(IntEnum):
    BUY = 1


@pytest.mark.parametrize(
    ("value", "exact"),
    [
        (3, "3"),
        (Side.BUY, "1"),
        (np.int64(-7), "-7"),
        (0.1, "0.1"),
        (np.float64(0.1), "0.1"),
        (5e-324, "0"),
        (1e-18, "1E-18"),
        (D("1e-59"), "1E-59"),
        (D("9" * 30 + "." + "9" * 30), "9" * 30 + "." + "9" * 30),
        (10**40 - 1, "9" * 40),
        (D("-0"), "0"),
        (-0.0, "0"),
    ],
)
def test_a_number_is_read_exactly_and_a_float_as_what_it_prints(value: Any, exact: str) -> None:
    assert str(read(value, "price")) == exact


@pytest.mark.parametrize(
    "value",
    [True, False, "1", b"1", None, [], Fraction(1, 3), 1j, np.float32(1), np.bool_(True), object()],
)
def test_what_is_no_number_is_refused_with_its_field(value: Any) -> None:
    with pytest.raises(TypeError, match=r"^price is a .*, not "):
        read(value, "price")


@pytest.mark.parametrize(
    "value",
    [
        D("NaN"), D("sNaN"), D("-NaN123"), D("Infinity"), D("-Infinity"),
        float("nan"), float("inf"), float("-inf"), np.float64("nan"),
        1e40, -1e300, 10**40, -(10**40), D("1e40"), D("1e9999"), D("1e-60"), D("1e-9999"),
        D("1" * 61),
    ],
)  # fmt: skip
def test_what_cannot_be_counted_with_exactly_is_refused_with_its_field(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^fee "):
        read(value, "fee")


def test_the_programs_own_context_has_no_say() -> None:
    with localcontext() as context:
        context.prec = 2
        context.traps = dict.fromkeys(context.traps, True)
        assert read(D("123.456789"), "price") == D("123.456789")
        assert divide(D(1), D(8)) == D("0.125")
        assert given(D("123.4560"), Kind.DECIMAL) == D("123.456")


@pytest.mark.parametrize(
    ("number", "text"),
    [("1000.50", "1000.5"), ("1E+3", "1000"), ("0E-30", "0"), ("-0", "0"), ("100", "100")],
)
def test_a_number_is_told_without_zeros_at_its_end_or_an_exponent(number: str, text: str) -> None:
    assert str(plain(D(number))) == text


def test_ints_stay_ints_while_they_are_whole() -> None:
    whole, fraction = given(D("1870.0"), Kind.INTEGER), given(D("1.5"), Kind.INTEGER)
    assert (whole, type(whole), fraction, type(fraction)) == (1_870, int, D("1.5"), D)
    assert type(given(D(1), Kind.DECIMAL)) is D
    assert type(given(D(1), Kind.FLOAT)) is float


@pytest.mark.parametrize("ts", [True, 1.0, "1", None, D(1)])
def test_a_time_is_an_int(ts: Any) -> None:
    with pytest.raises(TypeError, match="ts is a "):
        read_time(ts)


def test_a_time_fits_into_64_bits() -> None:
    assert read_time(-5) == -5
    with pytest.raises(ValueError, match="64 bits"):
        read_time(1 << 63)


def test_a_text_is_a_str_of_some_length() -> None:
    class Text(str):
        __slots__ = ()

    assert type(read_text(Text("XYZ"), "symbol")) is str
    for wrong in (None, 7, b"XYZ"):
        with pytest.raises(TypeError, match="symbol is a "):
            read_text(wrong, "symbol")
    for text, why in (("", "is empty"), ("x" * 257, "257 characters")):
        with pytest.raises(ValueError, match=why):
            read_text(text, "symbol", required=True)
