"""Mean and deviation of a moving window, held against exact arithmetic."""

from __future__ import annotations

import math
from collections import deque
from decimal import Decimal, localcontext
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradespan.signals.analytics.moments import WindowMoments

FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def moments_of(values: list[float]) -> WindowMoments:
    moments = WindowMoments()
    for value in values:
        moments.add(value)
    return moments


def exact_root(square: Fraction) -> float:
    with localcontext(prec=400, Emax=10_000, Emin=-10_000):
        return float((Decimal(square.numerator) / Decimal(square.denominator)).sqrt())


def deviation_of(values: list[float], ddof: int) -> float:
    exact = [Fraction(value) for value in values]
    mean = sum(exact, Fraction()) / len(exact)
    squares = sum(((each - mean) ** 2 for each in exact), Fraction())
    return exact_root(squares / (len(exact) - ddof))


@settings(deadline=None)
@given(st.lists(FLOATS, min_size=2, max_size=20), st.integers(0, 1))
def test_they_are_exact_for_any_floats(values: list[float], ddof: int) -> None:
    moments = moments_of(values)
    assert moments.mean() == float(sum(map(Fraction, values)) / len(values))
    expected = deviation_of(values, ddof)
    if math.isinf(expected):
        return
    found = moments.deviation(ddof)
    assert found == pytest.approx(expected, rel=4e-16, abs=5e-324)


@settings(deadline=None)
@given(st.lists(FLOATS, min_size=1, max_size=30), st.lists(FLOATS, max_size=30))
def test_what_was_taken_out_leaves_no_trace(stay: list[float], leave: list[float]) -> None:
    moments = moments_of([*leave, *stay])
    for value in leave:
        moments.remove(value)
    fresh = moments_of(stay)
    assert moments.count == fresh.count
    assert moments.mean() == fresh.mean()
    assert moments.root_mean_square() == fresh.root_mean_square()


def test_a_hundred_thousand_updates_of_nearly_equal_numbers_do_not_drift() -> None:
    random, moments, window = Random(4), WindowMoments(), deque[float]()
    for _ in range(100_000):
        value = 1e9 + random.uniform(-1e-3, 1e-3)
        moments.add(value)
        window.append(value)
        if len(window) > 252:
            moments.remove(window.popleft())
    assert moments.mean() == float(sum(map(Fraction, window)) / len(window))
    expected = deviation_of(list(window), 1)
    assert moments.deviation() == pytest.approx(expected, rel=4e-16)
    assert 1e-4 < expected < 1e-3


def test_equal_numbers_deviate_by_nothing() -> None:
    assert moments_of([0.1] * 7).deviation() == 0.0
    assert moments_of([0.1] * 7).mean() == 0.1
    assert moments_of([0.0] * 7).root_mean_square() == 0.0


def test_the_smallest_and_the_largest_keep_their_deviation() -> None:
    assert moments_of([1e-300, -1e-300]).root_mean_square() == pytest.approx(1e-300, rel=1e-15)
    assert moments_of([1e300, -1e300]).deviation(0) == pytest.approx(1e300, rel=1e-15)


def test_too_few_have_none() -> None:
    assert WindowMoments().mean() is None
    assert WindowMoments().root_mean_square() is None
    assert WindowMoments().deviation(0) is None
    assert moments_of([1.0]).deviation() is None
    assert moments_of([1.0]).deviation(0) == 0.0


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_changes_nothing(wrong: float) -> None:
    moments = moments_of([1.0, 2.0])
    with pytest.raises((ValueError, OverflowError)):
        moments.add(wrong)
    assert moments.mean() == 1.5
