"""Numbers of books: read once, exact inside, given back in the caller's own kind.

Inside all is `Decimal`, in contexts of our own: the program's context has no say. A float counts as
the decimal that it prints, so that 0.1 + 0.2 − 0.3 is 0 and no position of 5e-17 stays; a sum of
such numbers does not drift, however many are added and taken away.
"""

from __future__ import annotations

import operator
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation, Overflow
from enum import Enum
from typing import Final

Number = int | float | Decimal
"""What is given and returned."""

PLACES: Final = 59
"""Digits after the point that a number may have."""
LARGEST: Final = Decimal("1e40")
"""All numbers are smaller than this."""
MOST_PLACES: Final = 200
"""Digits after the point of a cost that was divided."""
_DIGITS: Final = 50
"""Of a quotient."""

EXACT: Final = Context(prec=2_000, Emax=9_999, Emin=-9_999, traps=[Inexact, InvalidOperation])
"""Room for a product of all numbers allowed, so that nothing is ever rounded; a trap says so."""
_QUOTIENT: Final = Context(
    prec=_DIGITS, Emax=9_999, Emin=-9_999, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation]
)
_SHORT: Final = Context(
    prec=28, Emax=9_999, Emin=-9_999, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation]
)
_LONG: Final = Context(
    prec=2_000, Emax=9_999, Emin=-9_999, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation]
)
# Numbers below 1 are subnormal in these: Etiny, the last place, is Emin − prec + 1.
_LIMITS: Final = Context(prec=PLACES + 1, Emax=39, Emin=0, traps=[Inexact, Overflow])
_ROUNDED: Final = Context(prec=PLACES + 1, Emax=39, Emin=0, traps=[Overflow])

add = EXACT.add
subtract = EXACT.subtract
multiply = EXACT.multiply

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
_LAST_PLACE: Final = Decimal((0, (1,), -MOST_PLACES))
_LAST_PLACE_OF_QUANTITY: Final = Decimal((0, (1,), -PLACES))
_LARGEST_INT: Final = 10**40


class Kind(Enum):
    """What a caller counts in; ints go with both others."""

    INTEGER = "int"
    DECIMAL = "Decimal"
    FLOAT = "float"


_KINDS: Final = {int: Kind.INTEGER, float: Kind.FLOAT, Decimal: Kind.DECIMAL}


def kind_of(value: object) -> Kind:
    """Of a number that `read` takes."""
    known = _KINDS.get(type(value))
    if known is not None:
        return known
    if isinstance(value, float):
        return Kind.FLOAT
    return Kind.DECIMAL if isinstance(value, Decimal) else Kind.INTEGER


def read(value: object, field: str) -> Decimal:
    """A number, exactly; −0 is 0. `field` is its name, for the errors.

    Raises:
        TypeError: It is no int, float or Decimal, or it is a bool.
        ValueError: It is NaN or infinite, not below 1e40, or a Decimal with more than 59 digits
            after the point or 60 in all. (A float is rounded to that.)
    """
    if isinstance(value, Decimal):
        exact = _read_decimal(value, field)
    elif isinstance(value, float):
        exact = _read_float(value, field)
    else:
        exact = _read_integer(value, field)
    return exact or ZERO


def _read_decimal(value: Decimal, field: str) -> Decimal:
    if not Decimal.is_finite(value):
        raise ValueError(f"{field} is not finite: {value}")
    try:
        return _LIMITS.plus(value)
    except Overflow:
        raise ValueError(f"{field} is not below {LARGEST}") from None
    except Inexact:
        raise ValueError(f"{field} has more than {PLACES} digits after the point") from None


def _read_float(value: float, field: str) -> Decimal:
    exact = Decimal(float.__repr__(value))
    if not exact.is_finite():
        raise ValueError(f"{field} is not finite: {exact}")
    try:
        return _ROUNDED.plus(exact)
    except Overflow:
        raise ValueError(f"{field} is not below {LARGEST}") from None


def _read_integer(value: object, field: str) -> Decimal:
    if isinstance(value, bool):
        raise TypeError(f"{field} is a bool, not a number")
    try:
        whole = operator.index(value)  # type: ignore[arg-type] # numpy's integers have it as well
    except TypeError:
        name = type(value).__name__
        raise TypeError(f"{field} is a {name}, not an int, float or Decimal") from None
    if not -_LARGEST_INT < whole < _LARGEST_INT:
        raise ValueError(f"{field} is not below {LARGEST}")
    return Decimal(whole)


def divide(dividend: Decimal, divisor: Decimal) -> Decimal:
    """A quotient of 50 digits, and at most 200 after the point. The divisor is not 0."""
    quotient = _QUOTIENT.divide(dividend, divisor)
    if quotient and quotient.adjusted() < _DIGITS - MOST_PLACES:
        return _LONG.quantize(quotient, _LAST_PLACE)
    return quotient


def divide_shortly(dividend: Decimal, divisor: Decimal) -> Decimal:
    """A quotient of 28 digits: what Python's own context, and so the caller, can compute with."""
    return _SHORT.divide(dividend, divisor)


def round_quantity(quantity: Decimal) -> Decimal:
    """To as many digits after the point as a given one may have."""
    return _LONG.quantize(quantity, _LAST_PLACE_OF_QUANTITY)


def is_in_range(value: Decimal) -> bool:
    """Whether a computed quantity or price may be counted with: not 0, and of a sane size."""
    return bool(value) and -PLACES <= value.adjusted() < PLACES


def plain(value: Decimal) -> Decimal:
    """Without zeros at the end, and without an exponent above 0: 1000.50 is 1000.5."""
    if not value:
        return ZERO
    whole = _LONG.to_integral_value(value)
    return EXACT.quantize(whole, ONE) if whole == value else EXACT.normalize(value)


def given(value: Decimal, kind: Kind) -> Number:
    """A number in the caller's kind: a float if that is what it counts in; an int if all numbers
    were ints and this one is whole; a Decimal otherwise.
    """
    if kind is Kind.FLOAT:
        return float(value or ZERO)
    if kind is Kind.INTEGER and value == _LONG.to_integral_value(value):
        return int(value)
    return plain(value)


def ratio(dividend: Decimal, divisor: Decimal) -> float:
    """A share, as a float."""
    return float(_QUOTIENT.divide(dividend, divisor))


def read_time(ts: object, field: str = "ts") -> int:
    """Nanoseconds since 1970, UTC.

    Raises:
        TypeError: It is no int, or a bool.
        ValueError: It does not fit into 64 bits.
    """
    if isinstance(ts, bool) or not isinstance(ts, int):
        raise TypeError(f"{field} is a {type(ts).__name__}, not nanoseconds as an int")
    if not -(1 << 63) <= ts < 1 << 63:
        raise ValueError(f"{field} is no time in nanoseconds: it does not fit into 64 bits")
    return int(ts)


def read_text(value: object, field: str, *, required: bool = False) -> str:
    """A symbol, a venue and the like, up to 256 characters.

    Raises:
        TypeError: It is no str.
        ValueError: It is too long, or empty where it is required.
    """
    if type(value) is not str:
        if not isinstance(value, str):
            raise TypeError(f"{field} is a {type(value).__name__}, not a str")
        value = str.__str__(value)
    if len(value) > LONGEST_TEXT:
        raise ValueError(f"{field} has {len(value)} characters, over {LONGEST_TEXT}")
    if required and not value:
        raise ValueError(f"{field} is empty")
    return value


LONGEST_TEXT: Final = 256
