"""Quantities and prices, added up exactly, and given back as what they came as.

A float is taken as the decimal number that it is written as: three fills of 0.1 are 0.3, in any
order. A result is a `Decimal` if one went in, else a float if one did, else an int.
"""

from __future__ import annotations

from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Any, Final

Number = int | float | Decimal

INT, FLOAT, DECIMAL = 0, 1, 2
"""Kinds of numbers; of several the highest is the result's."""

EXACT: Final = Context(prec=120, traps=[InvalidOperation, Overflow, DivisionByZero])
"""Sums and products of what venues say are exact in it."""
_SHOWN: Final = Context(prec=28, traps=[InvalidOperation, Overflow, DivisionByZero])


def exact(value: Any) -> tuple[Decimal, int]:
    """A number, and its kind.

    Raises:
        TypeError: It is none.
        ValueError: It is not finite.
    """
    kind = type(value)
    if kind is int:
        return Decimal(value), INT
    if kind is bool:
        raise TypeError("a truth value is no amount")
    if not isinstance(value, Decimal):
        number = float(value)
        found, place = Decimal(repr(number)), FLOAT
    else:
        found, place = value, DECIMAL
    if not found.is_finite():
        raise ValueError(f"{value!r} is no amount")
    return found, place


def shown(value: Decimal, kind: int) -> Number:
    """A number as its kind has it; an int that has become a fraction is a float."""
    if kind == DECIMAL:
        return value
    if kind == INT and value == value.to_integral_value():
        return int(value)
    return float(value)


def quotient(value: Decimal, by: Decimal, kind: int) -> Number:
    """One number by another, to 28 digits."""
    return shown(_SHOWN.divide(value, by), kind)
