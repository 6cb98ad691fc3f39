"""How much is held, against what it is held with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import fsum
from typing import Any, NamedTuple

from tradespan.signals.analytics.given import to_float


class Exposure(NamedTuple):
    """What is held, by size, in the unit of the values; None where one of them is not known."""

    gross: Any
    """long + short."""
    net: Any
    """long − short: what all positions are worth."""
    long: Any
    """Of values above 0."""
    short: Any
    """Of values below 0, as a number above 0."""
    leverage: float | None
    """Gross exposure divided by equity; None where that is unknown, or not above zero."""
    concentration: float | None
    """The largest position's share of the gross exposure; None without positions."""


def exposure(values: Iterable[Any] | Mapping[Any, Any], equity: Any = None) -> Exposure:
    """Exposure of positions that are worth `values`, short ones below zero, in one currency.

    Decimal and int are added exactly, and stay what they are; with a float among them all are
    floats.

    Raises:
        TypeError: A value is no number: None, of a position without a price, makes no partial sum.
        ValueError: A value is NaN or infinite.
    """
    held = list(values.values() if isinstance(values, Mapping) else values)
    numbers = [to_float(value, "a position's value") for value in held]
    floats = any(isinstance(value, float) for value in held)
    of = numbers if floats else held
    add = fsum if floats else sum
    long: Any = add(value for value in of if value > 0)
    short: Any = add(-value for value in of if value < 0)
    gross = long + short
    worth = None if equity is None else to_float(equity, "equity")
    return Exposure(
        gross=gross,
        net=long - short,
        long=long,
        short=short,
        leverage=float(gross) / worth if worth is not None and worth > 0 else None,
        concentration=float(max(map(abs, of)) / gross) if gross else None,
    )
