"""Counts of a function's calls, the same in C and in Python."""

from __future__ import annotations

import gc
import mmap
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.native.ways import compiled
from tradespan.pages.durations import PureDurationCells, make_cells

BOUNDS = (1_000, 2_000, 5_000)

pytestmark = pytest.mark.usefixtures("way")


def cells(count: int) -> memoryview:
    return memoryview(bytearray(8 * count)).cast("q")


def test_the_way_that_was_chosen_is_taken(way: str) -> None:
    made = make_cells(cells(len(BOUNDS) + 4), BOUNDS)
    assert isinstance(made, PureDurationCells) == (way == "pure")


def test_value_at_a_bound_is_in_the_bucket_of_that_bound() -> None:
    view = cells(7)
    counts = make_cells(view, BOUNDS)
    for duration in (0, 999, 1_000, 1_001, 2_000, 5_000, 5_001, 1 << 60):
        counts.record(duration)
    assert view.tolist() == [3, 2, 1, 2, 15_001 + (1 << 60), 0, 0]


def test_negative_duration_counts_as_none() -> None:
    view = cells(7)
    make_cells(view, BOUNDS).record(-5)
    assert view.tolist() == [1, 0, 0, 0, 0, 0, 0]


def test_errors_and_good_calls_have_cells_of_their_own() -> None:
    view = cells(7)
    counts = make_cells(view, BOUNDS)
    counts.fail()
    counts.good()
    counts.good()
    assert view.tolist() == [0, 0, 0, 0, 0, 1, 2]


def test_finish_counts_what_it_returns_by_the_monotonic_clock() -> None:
    view = cells(7)
    counts = make_cells(view, BOUNDS)
    before = time.monotonic_ns()
    duration = counts.finish(before - 1_000_000_000)
    after = time.monotonic_ns()
    assert 1_000_000_000 <= duration <= 1_000_000_000 + after - before
    assert view.tolist() == [0, 0, 0, 1, duration, 0, 0]
    assert counts.finish(after + 3_600_000_000_000) == 0
    assert view[0] == 1


@pytest.mark.parametrize("bounds", [(), (5,), tuple(range(100))])
def test_any_number_of_bounds_will_do(bounds: tuple[int, ...]) -> None:
    view = cells(len(bounds) + 4)
    make_cells(view, bounds).record(5)
    place = sum(bound < 5 for bound in bounds)
    assert [view[i] for i in range(len(bounds) + 1)] == [
        int(i == place) for i in range(len(bounds) + 1)
    ]


@pytest.mark.parametrize(("size", "bounds"), [(6, BOUNDS), (8, BOUNDS), (6, (2, 1)), (6, (1, 1))])
def test_cells_that_do_not_fit_the_bounds_are_refused(size: int, bounds: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"cells|rise"):
        make_cells(cells(size), bounds)


def test_threads_that_count_at_once_lose_nothing() -> None:
    view = cells(7)
    counts = make_cells(view, BOUNDS)

    def count() -> None:
        for _ in range(20_000):
            counts.record(1_500)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        tasks = [threading.Thread(target=count) for _ in range(4)]
        for task in tasks:
            task.start()
        for task in tasks:
            task.join()
    finally:
        sys.setswitchinterval(before)
    assert view.tolist() == [0, 80_000, 0, 0, 80_000 * 1_500, 0, 0]


def test_cells_live_on_in_the_mapping_when_their_view_is_dropped() -> None:
    mapped = mmap.mmap(-1, 4096)
    counts = make_cells(memoryview(mapped)[64 : 64 + 56].cast("q"), BOUNDS)
    gc.collect()
    counts.fail()
    assert int.from_bytes(mapped[64 + 40 : 64 + 48], "little") == 1
    with pytest.raises(BufferError):
        mapped.close()
    del counts
    gc.collect()
    mapped.close()


def test_no_memory_is_kept_by_counting() -> None:
    counts = make_cells(cells(7), BOUNDS)
    value = 123_456_789_000
    references = sys.getrefcount(value)
    for _ in range(10_000):
        counts.record(value)
        counts.finish(value)
    assert sys.getrefcount(value) == references


def test_cells_in_a_cycle_are_collected_without_harm() -> None:
    # A memoryview that was cleared while it was exported once crashed the collector.
    holder: list[object] = [make_cells(cells(7), BOUNDS)]
    holder.append(holder)
    del holder
    assert gc.collect() >= 1


@given(
    st.lists(st.integers(0, 1 << 40), min_size=1, max_size=30, unique=True).map(sorted),
    st.lists(st.integers(-5, 1 << 41), max_size=50),
)
def test_both_ways_count_alike(bounds: list[int], durations: list[int]) -> None:
    native_view, pure_view = cells(len(bounds) + 4), cells(len(bounds) + 4)
    native_cells = compiled_cells(native_view, tuple(bounds))
    pure_cells = PureDurationCells(pure_view, tuple(bounds))
    for duration in [*durations, *bounds]:
        native_cells.record(duration)
        pure_cells.record(duration)
    assert native_view.tolist() == pure_view.tolist()


def compiled_cells(view: memoryview, bounds: tuple[int, ...]) -> PureDurationCells:
    made: PureDurationCells = compiled().DurationCells(view, bounds)
    return made
