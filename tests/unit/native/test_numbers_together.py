"""Cells of instruments under threads, and the two ways beside each other."""

from __future__ import annotations

import math
import sys
import threading
from bisect import bisect_left
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.native.owners import BOUNDS, Owner, histogram, memory, number
from tests.unit.native.ways import compiled
from tradespan.pages.numbers import (
    COUNTER,
    GAUGE,
    UP_DOWN,
    PureHistogramCells,
    PureNumberCell,
)

pytestmark = pytest.mark.usefixtures("way")


def test_8_threads_add_exactly(way: str) -> None:
    cell, _, owner = number()
    cells, _, other = histogram()
    owner.span = other.span = bytes(16), 1
    times = 200_000 if way == "native" else 5_000
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)

    def work() -> None:
        for _ in range(times):
            cell.add(1)
            cells.record(1.5)

    threads = [threading.Thread(target=work) for _ in range(8)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)

    assert cell.value == 8 * times
    assert (cells.bucket_counts, cells.sum) == ((0, 8 * times, 0, 0), 12.0 * times)


def test_moving_while_4_threads_add_loses_nothing(way: str) -> None:
    cell, _, _ = number()
    cells, _, _ = histogram()
    times = 50_000 if way == "native" else 3_000
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)

    def work() -> None:
        for _ in range(times):
            cell.add(1)
            cells.record(3)

    threads = [threading.Thread(target=work) for _ in range(4)]
    try:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            cell.move(memory())
            cells.move(memory(13))
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)

    assert (cell.value, cells.count, cells.sum) == (4 * times, 4 * times, 12.0 * times)


VALUES = st.one_of(
    st.floats(-1e300, 1e300),
    st.floats(),
    st.integers(),
    st.booleans(),
    st.decimals(),
    st.text(max_size=2),
    st.none(),
)
STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "set", "record", "move", "restart"]), VALUES), max_size=60
)


@given(STEPS, st.sampled_from([COUNTER, UP_DOWN, GAUGE]))
def test_both_ways_do_what_a_model_does(steps: list[tuple[str, Any]], kind: int) -> None:
    numbers = [
        compiled().NumberCell(Owner(), memory(), kind),
        PureNumberCell(Owner(), memory(), kind),
    ]
    histograms = [
        compiled().HistogramCells(Owner(), memory(13), BOUNDS),
        PureHistogramCells(Owner(), memory(13), BOUNDS),
    ]
    value, recorded = 0.0, [*[0] * 4]
    total = 0.0
    for step, given_value in steps:
        read = as_number(given_value)
        for cell in [*numbers, *histograms]:
            is_number = cell in numbers
            if step in {"move", "restart"}:
                getattr(cell, step)(memory(8 if is_number else 13))
            elif hasattr(cell, step):
                getattr(cell, step)(given_value)
        if step == "restart":
            value, recorded, total = 0.0, [0] * 4, 0.0
        if read is None:
            continue
        if step == "record" and math.isfinite(total + read):
            recorded[bisect_left(BOUNDS, read)] += 1
            total += read
        if step == "add" and math.isfinite(value + read) and (read >= 0 or kind != COUNTER):
            value += read
        if step == "set" and kind == GAUGE:
            value = read

    assert [cell.value for cell in numbers] == [value, value]
    assert [cell.bucket_counts for cell in histograms] == [tuple(recorded)] * 2
    assert [cell.sum for cell in histograms] == [total, total]
    assert histograms[0].least == histograms[1].least
    assert histograms[0].greatest == histograms[1].greatest


def as_number(value: Any) -> float | None:
    """What a value counts as; None: nothing."""
    if value is None or isinstance(value, str):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return None
    return number if math.isfinite(number) else None
