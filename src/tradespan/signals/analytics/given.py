"""What callers give, looked at before it is counted."""

from __future__ import annotations

from math import isfinite
from operator import index
from typing import Any


def to_float(value: Any, what: str) -> float:
    """A number of any kind (int, float, Decimal, numpy's) as a finite float.

    Raises:
        TypeError: It is no number; a text or a bool is none.
        ValueError: It is NaN, infinite, or beyond what a float holds.
    """
    if type(value) is not float:
        if isinstance(value, str | bytes | bool) or not hasattr(type(value), "__float__"):
            raise TypeError(f"{what} is a number, not {value!r}")
        try:
            value = float(value)
        except OverflowError:
            raise ValueError(f"{what} is beyond what a float holds") from None
    if not isfinite(value):
        raise ValueError(f"{what} is finite, not {value}")
    number: float = value
    return number


def to_nanoseconds(ts: Any) -> int:
    """An event's time: integer nanoseconds since 1970, UTC.

    Raises:
        TypeError: It is no integer.
    """
    if type(ts) is int:
        return ts
    if isinstance(ts, bool):
        raise TypeError("ts is integer nanoseconds, not a bool")
    return index(ts)


def to_count(value: Any, what: str, least: int = 1, most: int | None = None) -> int:
    """A whole number.

    Raises:
        TypeError: It is none.
        ValueError: It is below `least` or above `most`.
    """
    if isinstance(value, bool):
        raise TypeError(f"{what} is a whole number, not a bool")
    count = index(value)
    if count < least:
        raise ValueError(f"{what} is at least {least}, not {count}")
    if most is not None and count > most:
        raise ValueError(f"{what} is at most {most}, not {count}")
    return count
