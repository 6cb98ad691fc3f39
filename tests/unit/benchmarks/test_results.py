"""The benchmark's arithmetic: ratios, bars, quantiles, and how they are shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.results import Memory, Report, Row, compare, quantile, show_bar, show_ratio

COSTS = {"ours": 1.5, "theirs": 12.0}


def row(at_most: float | None) -> Row:
    return compare(Row("monitor", "ours", COSTS["ours"]), COSTS, "theirs", at_most=at_most)


def test_a_ratio_is_the_cost_in_multiples_of_the_reference() -> None:
    compared = row(None)

    assert compared.ratio == 0.125
    assert (compared.against, compared.reference) == ("theirs", 12.0)


@pytest.mark.parametrize(("at_most", "met"), [(1 / 8, True), (1 / 8.1, False), (None, None)])
def test_a_bar_is_met_up_to_its_own_value(at_most: float | None, met: bool | None) -> None:
    assert row(at_most).met is met


def test_a_row_that_is_compared_with_nothing_meets_and_misses_no_bar() -> None:
    assert Row("raise", "bare raise", 1.4, at_most=1.0).met is None


@pytest.mark.parametrize(
    ("share", "value"), [(0.5, 5), (0.9, 9), (0.91, 10), (0.999, 10), (1.0, 10), (0.0, 1)]
)
def test_a_quantile_is_the_nearest_rank(share: float, value: float) -> None:
    assert quantile(range(1, 11), share) == value


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1),
    st.floats(min_value=0, max_value=1),
)
def test_a_quantile_is_exceeded_by_no_more_than_the_rest(values: list[float], share: float) -> None:
    found = quantile(sorted(values), share)

    assert found in values
    assert sum(value > found for value in values) <= (1 - share) * len(values) + 1e-6


def test_no_values_have_no_quantile() -> None:
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [(0.1, "1/10.0"), (0.4, "1/2.50"), (1.0, "1.00 ×"), (1.234, "1.23 ×"), (8.6, "8.6 ×")],
)
def test_what_is_cheaper_is_shown_as_a_part(ratio: float, shown: str) -> None:
    assert show_ratio(ratio) == shown


@pytest.mark.parametrize(
    ("bar", "shown"), [(1 / 40, "1/40"), (1 / 6, "1/6"), (1.2, "1.2 ×"), (5.0, "5 ×"), (None, "")]
)
def test_a_bar_is_shown_as_it_is_said(bar: float | None, shown: str) -> None:
    assert show_bar(bar) == shown


@pytest.mark.parametrize(
    ("growth", "met"), [(0, True), (-4096, True), (4_096, True), (2**20, False)]
)
def test_memory_that_grows_by_a_bit_per_call_is_not_met(growth: int, met: bool) -> None:
    before = {"own": 2**24, "all": 2**25}

    assert Memory(1_000_000, before, before | {"own": 2**24 + growth}).met is met


def test_programs_are_told_what_is_met() -> None:
    told = Report([row(1 / 4), row(None)]).as_json()

    assert [each["met"] for each in told["rows"]] == [True, None]
    assert told["memory"] is None
