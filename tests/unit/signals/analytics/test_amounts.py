"""Sums that do not drift."""

from __future__ import annotations

import math
import random
import statistics
from collections import deque
from decimal import Decimal, Inexact, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradespan.signals.analytics.amounts import (
    ExactSum,
    Kinds,
    Moments,
    Money,
    change,
    checked,
    moment,
    scaled,
)

FLOATS = st.floats(-1e90, 1e90)
DECIMALS = st.decimals(-(10**30), 10**30, places=12)
AMOUNTS = st.one_of(
    st.lists(st.integers(-(10**30), 10**30)),
    st.lists(st.one_of(DECIMALS, st.integers(-100, 100))),
    st.lists(st.one_of(FLOATS, st.integers(-100, 100))),
)


@given(AMOUNTS, st.integers(0, 50))
def test_a_sum_is_that_of_what_is_still_in(values: list[Money], leave: int) -> None:
    total = ExactSum()
    for value in values:
        total.add(value)
    for value in values[:leave]:
        total.take(value)
    exact = sum((Fraction(value) for value in values[leave:]), Fraction())
    assert Fraction(*total.as_integer_ratio()) == exact
    floats = any(isinstance(value, float) for value in values)
    assert total.value == (float(exact) if floats else exact)
    assert isinstance(total.value, Decimal) == any(isinstance(each, Decimal) for each in values)


def test_a_window_of_large_values_with_small_changes_does_not_drift() -> None:
    source = random.Random(8)
    total, kept = ExactSum(), deque[float]()
    for _ in range(100_000):
        kept.append(source.choice((1e9, -1e9)) + source.uniform(-1e-3, 1e-3))
        total.add(kept[-1])
        if len(kept) > 100:
            total.take(kept.popleft())
    assert total.value == math.fsum(kept)


def test_moments_of_a_window_do_not_drift() -> None:
    source = random.Random(9)
    moments, kept = Moments(), deque[float]()
    for _ in range(100_000):
        kept.append(1e9 + source.uniform(-1e-3, 1e-3))
        moments.add(kept[-1])
        if len(kept) > 100:
            moments.add(kept.popleft(), -1)
    assert moments.count == 100
    assert moments.mean == math.fsum(kept) / 100
    exact = statistics.variance([Fraction(each) for each in kept])
    assert moments.variance(1) == float(exact)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1), st.integers(0, 3))
def test_moments_are_numpys(values: list[float], ddof: int) -> None:
    moments = Moments()
    for value in values:
        moments.add(value)
    assert moments.mean == pytest.approx(float(np.mean(values)), rel=1e-12, abs=1e-9)
    assert moments.mean_square == pytest.approx(float(np.mean(np.square(values))), rel=1e-12)
    if len(values) > ddof:
        found = moments.variance(ddof)
        assert found == pytest.approx(float(np.var(values, ddof=ddof)), rel=1e-9, abs=1e-9)
    else:
        assert moments.variance(ddof) is None


def test_equal_values_have_no_variance_at_all() -> None:
    moments = Moments()
    for _ in range(3):
        moments.add(0.1)
    assert moments.variance(1) == 0.0


def test_the_callers_decimal_context_changes_nothing() -> None:
    with localcontext() as context:
        context.prec = 3
        context.traps[Inexact] = True
        total = ExactSum()
        total.add(Decimal("123456.789"))
        total.add(Decimal("0.001"))
        assert total.value == Decimal("123456.790")
        assert total.mean(3) == Decimal("41152.26333333333333333333333")
        assert change(Decimal("100000.01"), Decimal(100000)) == 1e-7


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), 1e100,
     10**100, Decimal("-1e100")],
)  # fmt: skip
def test_what_is_not_finite_or_too_large_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="equity is a finite number"):
        checked(value, "equity")


@pytest.mark.parametrize("value", [None, "1", True, 1j, [1]])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="pnl is a number"):
        checked(value, "pnl")


def test_numpys_scalars_are_numbers() -> None:
    assert (type(checked(np.float64(1.5), "a")), type(checked(np.int64(3), "a"))) == (float, int)
    assert type(moment(np.int64(3))) is int


@pytest.mark.parametrize("ts", [1.5, None, "1"])
def test_a_time_is_an_integer(ts: object) -> None:
    with pytest.raises(TypeError):
        moment(ts)


def test_floats_do_not_mix_with_decimals() -> None:
    kinds = Kinds()
    kinds.note(1, Decimal(1), 2)
    with pytest.raises(TypeError, match="float and Decimal do not mix"):
        kinds.note(1.5)
    with pytest.raises(TypeError, match="Decimal and float do not mix"):
        Kinds().note(1.5, Decimal(1))


def test_a_change_beyond_a_float_is_refused() -> None:
    with pytest.raises(ValueError, match="beyond what a float holds"):
        change(1e99, 5e-324)
    with pytest.raises(ValueError, match="beyond what a float holds"):
        change(Decimal("1e99"), Decimal("1e-299"))


def test_scaling_what_is_scaled_by_is_exact() -> None:
    assert scaled(Decimal(3), Decimal(10), Decimal(3)) == Decimal(10)
    assert scaled(30, 10, 20) == 15.0
    assert scaled(Decimal(30), Decimal(10), 20) == Decimal(15)


def test_a_quotient_by_nothing_is_none() -> None:
    total, nothing = ExactSum(), ExactSum()
    total.add(1)
    assert total.over(nothing) is None
    nothing.add(5e-324)
    total.add(1e99)
    assert total.over(nothing) is None
