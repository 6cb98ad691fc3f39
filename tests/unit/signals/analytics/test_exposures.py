"""Exposure, leverage and concentration of given positions."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest

from tradespan.signals.analytics.risk import exposure


def test_long_and_short_are_added_by_size_and_against_each_other() -> None:
    held = exposure({"AAPL": 600.0, "MSFT": -300.0, "GOOG": 100.0}, 500)
    assert (held.gross, held.net, held.long, held.short) == (1000, 400, 700, 300)
    assert (held.leverage, held.concentration) == (2.0, 0.6)


def test_decimals_stay_exact() -> None:
    held = exposure([Decimal("0.1"), Decimal("-0.3"), Decimal("0.2")], Decimal(2))
    assert (held.gross, held.net) == (Decimal("0.6"), Decimal(0))
    assert isinstance(held.long, Decimal)
    assert (held.leverage, held.concentration) == (0.3, 0.5)


def test_with_a_float_among_them_all_are_floats() -> None:
    held = exposure([Decimal("0.5"), 0.25, -1])
    assert held[:4] == (1.75, -0.25, 0.75, 1)
    assert all(type(value) is float for value in held[:4])


def test_nothing_held_has_no_concentration_and_no_equity_no_leverage() -> None:
    assert exposure([], 100) == (0, 0, 0, 0, 0.0, None)
    assert exposure([0, 0.0]).concentration is None
    for equity in (None, 0, -5):
        assert exposure([10], equity).leverage is None


@pytest.mark.parametrize(
    ("wrong", "error"), [(None, TypeError), ("5", TypeError), (math.nan, ValueError)]
)
def test_what_is_not_known_makes_no_partial_sum(wrong: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        exposure([1.0, wrong])
    with pytest.raises(ValueError, match="equity"):
        exposure([1.0], math.inf)
