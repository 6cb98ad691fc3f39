"""Cells of counters, gauges and histograms, the same in C and in Python."""

from __future__ import annotations

import gc
import math
import mmap
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.support.ids import shown
from tests.unit.native.owners import Owner, histogram, memory, number
from tradespan.pages.numbers import (
    COUNTER,
    GAUGE,
    UP_DOWN,
    PureHistogramCells,
    PureNumberCell,
    make_histogram_cells,
    make_number_cell,
)

pytestmark = pytest.mark.usefixtures("way")


def test_the_way_that_was_chosen_is_taken(way: str) -> None:
    assert isinstance(number()[0], PureNumberCell) == (way == "pure")
    assert isinstance(histogram()[0], PureHistogramCells) == (way == "pure")


# ── numbers ─────────────────────────────────────────────────────────────────────────────────────


def test_additions_are_in_the_first_cell_when_the_call_returns() -> None:
    cell, held, _ = number()
    cell.add()
    cell.add(2)
    cell.add(0.5)

    assert held.cast("d")[0] == 3.5
    assert cell.value == 3.5
    assert held.cast("Q")[1] == 0


@pytest.mark.parametrize(
    "value",
    [7, 7.0, Decimal(7), Fraction(7), np.float64(7), np.float32(7), np.int64(7), np.array(7.0)],
    ids=lambda value: type(value).__name__,
)
def test_whatever_is_a_number_counts(value: Any) -> None:
    cell, _, owner = number(GAUGE)
    cell.set(value)
    cell.add(value)
    cells, _, _ = histogram()
    cells.record(value)

    assert (cell.value, cells.sum, owner.refused) == (14.0, 7.0, 0)


def test_true_counts_one() -> None:
    cell, _, _ = number()
    cell.add(True)
    assert cell.value == 1.0


class Raising:
    def __float__(self) -> float:
        raise RuntimeError("no")


class Lying:
    def __float__(self) -> Any:
        return "7"


NO_NUMBERS = [
    *[
        math.nan,
        math.inf,
        -math.inf,
        10**400,
        Decimal("NaN"),
        Decimal("Infinity"),
        np.float64("nan"),
    ],
    *["7", b"7", None, [], 1j, object(), Raising(), Lying(), memoryview(b"7"), np.array([1, 2])],
]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=shown)
def test_what_is_no_finite_number_is_refused_and_touches_nothing(value: Any) -> None:
    cell, held, owner = number(GAUGE)
    cell.set(1.0)
    cells, counts, _ = histogram()
    before = bytes(held), bytes(counts)
    cell.set(value)
    cell.add(value)
    cells.record(value)

    assert (bytes(held), bytes(counts)) == before
    assert owner.refused == 2


def test_counter_refuses_to_fall_and_to_be_set() -> None:
    cell, _, owner = number()
    cell.add(5)
    cell.add(-1)
    cell.add(-0.5)
    cell.set(7)
    cell.add(0)

    assert (cell.value, owner.refused) == (5.0, 3)


def test_up_down_counter_falls_and_refuses_to_be_set() -> None:
    cell, _, owner = number(UP_DOWN)
    cell.add(-2)
    cell.set(7)

    assert (cell.value, owner.refused) == (-2.0, 1)


def test_sum_that_would_be_infinite_is_refused() -> None:
    cell, _, owner = number()
    cells, _, other = histogram()
    for _ in range(3):
        cell.add(1e308)
        cells.record(1e308)

    assert (cell.value, owner.refused) == (1e308, 2)
    assert (cells.count, cells.sum, other.refused) == (1, 1e308, 2)


def test_gauge_has_the_time_of_its_last_set_and_loses_it_when_it_is_forgotten() -> None:
    cell, held, _ = number(GAUGE)
    words = held.cast("Q")
    assert words[1] == 0
    cell.set(3)
    first = words[1]
    cell.add(1)
    second = words[1]
    cell.forget()

    assert 1_700_000_000 * 10**9 < first <= second
    assert (words[1], cell.value) == (0, 0.0)


def test_add_takes_one_value() -> None:
    cell: Any = number()[0]
    with pytest.raises(TypeError):
        cell.add(1, 2)


# ── histograms ──────────────────────────────────────────────────────────────────────────────────


def test_value_at_a_bound_is_in_the_bucket_of_that_bound() -> None:
    cells, held, _ = histogram()
    for value in (0.0, 1.0, 1.5, 2.0, 5.0, 5.1, -3):
        cells.record(value)

    assert list(held.cast("Q")[:4]) == [3, 2, 1, 1]
    assert list(held.cast("d")[4:7]) == [11.6, -3.0, 5.1]
    assert (cells.count, cells.sum, cells.bucket_counts) == (7, 11.6, (3, 2, 1, 1))
    assert (cells.least, cells.greatest) == (-3.0, 5.1)


def test_histogram_without_values_has_no_least_and_no_greatest() -> None:
    cells, _, _ = histogram()
    assert (cells.count, cells.sum, cells.least, cells.greatest) == (0, 0.0, None, None)


def test_histogram_without_bounds_has_one_bucket() -> None:
    cells = make_histogram_cells(Owner(), memory(10), ())
    cells.record(7)
    assert (cells.bucket_counts, cells.sum) == ((1,), 7.0)


@pytest.mark.parametrize("bounds", [(2.0, 1.0), (1.0, 1.0), (math.nan,), (math.inf,), (-math.inf,)])
def test_bounds_that_do_not_rise_are_refused(bounds: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="rise"):
        make_histogram_cells(Owner(), memory(10 + len(bounds)), bounds)


# ── memory ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("held", [memory(7), memory(9), memoryview(bytes(64))])
def test_memory_that_does_not_fit_is_refused(held: memoryview) -> None:
    with pytest.raises(ValueError, match="64 bytes"):
        make_number_cell(Owner(), held, COUNTER)
    cell, before, _ = number()
    cell.add(1)
    with pytest.raises(ValueError, match="64 bytes"):
        cell.move(held)
    with pytest.raises(ValueError, match="64 bytes"):
        cell.restart(held)
    cell.add(1)
    assert before.cast("d")[0] == 2.0


def test_there_is_no_fourth_kind() -> None:
    with pytest.raises(ValueError, match="no kind 3"):
        make_number_cell(Owner(), memory(), 3)


def test_counts_move_to_other_memory_and_go_on_there() -> None:
    cell, before, _ = number()
    cell.add(3)
    after = memory()
    after.cast("d")[0] = 10.0
    cell.move(after)
    cell.add(1)

    assert (before.cast("d")[0], after.cast("d")[0], cell.value) == (3.0, 14.0, 14.0)


def test_moving_to_where_they_are_counts_nothing_twice() -> None:
    cell, held, _ = number()
    cells, counts, _ = histogram()
    cell.add(3)
    cells.record(3)
    cell.move(held)
    cells.move(counts)
    cell.add(1)

    assert (cell.value, cells.count, cells.sum) == (4.0, 1, 3.0)


def test_gauge_moves_if_it_was_set() -> None:
    for value, expected in ((3.0, 3.0), (None, 8.0)):
        cell, _, _ = number(GAUGE)
        if value is not None:
            cell.set(value)
        after = memory()
        after.cast("d")[0], after.cast("Q")[1] = 8.0, 1
        cell.move(after)
        assert (after.cast("d")[0], after.cast("Q")[1] > 1) == (expected, value is not None)


def test_histogram_moves_with_its_counts() -> None:
    cells, _, _ = histogram()
    other, after, _ = histogram()
    for value in (0.5, 1.5, 9.0):
        cells.record(value)
    other.record(2)
    other.record(10)
    cells.move(after)
    cells.record(100)

    assert cells.bucket_counts == (1, 2, 0, 3)
    assert (cells.sum, cells.least, cells.greatest) == (123.0, 0.5, 100.0)
    assert other.count == 6


def test_restart_begins_from_zero_elsewhere() -> None:
    cell, before, _ = number()
    cells, _, _ = histogram()
    cell.add(3)
    cells.record(3)
    cell.restart(memory())
    cells.restart(memory(13))
    cell.add(1)
    cells.record(7)

    assert (cell.value, before.cast("d")[0]) == (1.0, 3.0)
    assert (cells.count, cells.least, cells.greatest) == (1, 7.0, 7.0)


def test_cells_that_wait_ask_once_for_their_place_and_take_their_count_along() -> None:
    cell, _, owner = number()
    place = memory()
    owner.on_place = lambda: cell.move(place)
    cell.restart(memory(), True)
    assert owner.placed == 0
    cell.add(2)
    cell.add(3)

    assert (owner.placed, place.cast("d")[0]) == (1, 5.0)


def test_cells_live_on_in_the_mapping_when_their_view_is_dropped() -> None:
    mapped = mmap.mmap(-1, 4096)
    cell = make_number_cell(Owner(), memoryview(mapped)[128:192], COUNTER)
    gc.collect()
    cell.add(9)
    assert memoryview(mapped)[128:136].cast("d")[0] == 9.0


def test_cells_in_a_cycle_are_collected_without_harm() -> None:
    class Cyclic(Owner):
        cell: Any

    owner = Cyclic()
    owner.cell = make_number_cell(owner, memory(), COUNTER)
    gone: list[int] = []
    owner.on_place = lambda: gone
    del owner
    gc.collect()


# ── exemplars ───────────────────────────────────────────────────────────────────────────────────


def exemplar_of(held: memoryview) -> tuple[int, float, int, bytes]:
    words, floats = held.cast("Q"), held.cast("d")
    place = len(words) - 6
    return words[place], floats[place + 1], words[place + 3], bytes(held[-16:])


def test_first_value_in_a_span_is_the_exemplar_and_the_next_ones_within_100_ms_are_not() -> None:
    trace = bytes(range(16))
    cell, held, owner = number()
    cells, counts, other = histogram()
    owner.span = other.span = trace, 0xFEDC_BA98_7654_3210
    for value in (3.0, 4.0, 5.0):
        cell.add(value)
        cells.record(value)

    assert exemplar_of(held) == (2, 3.0, 0xFEDC_BA98_7654_3210, trace)
    assert exemplar_of(counts) == exemplar_of(held)
    assert owner.looks == 1


def test_without_a_span_there_is_no_exemplar_and_the_span_is_looked_for_seldom() -> None:
    cell, held, owner = number()
    for _ in range(1_000):
        cell.add(1)

    assert exemplar_of(held) == (0, 0.0, 0, bytes(16))
    assert owner.looks < 500
