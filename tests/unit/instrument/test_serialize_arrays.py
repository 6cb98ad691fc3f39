"""Arrays, tables and indexes as they are shown: nothing of theirs is changed, and nothing is called
that may be watched.
"""

from __future__ import annotations

import sys
from functools import cache
from types import CodeType, FrameType, ModuleType
from typing import Any

import numpy
import pandas
import pytest

from tradespan.capture.serialize import smart
from tradespan.instrument.auto.patch import functions_of_module

TABLE = pandas.DataFrame(numpy.zeros((1000, 50)))
INDEXES = [
    (pandas.Index([1.5]), "[Index 1 float64]"),
    (pandas.Index(["a"], dtype=object), "[Index 1 object]"),
    (pandas.date_range("2026", periods=3, unit="ns"), "[DatetimeIndex 3 datetime64[ns]]"),
    (
        pandas.date_range("2026", periods=3, unit="s", tz="UTC"),
        "[DatetimeIndex 3 datetime64[s, UTC]]",
    ),
    (pandas.timedelta_range("1D", periods=2, unit="ns"), "[TimedeltaIndex 2 timedelta64[ns]]"),
    (pandas.period_range("2026", periods=3, freq="D"), "[PeriodIndex 3 period[D]]"),
    (pandas.MultiIndex.from_arrays([[1, 2], [3, 4]]), "[MultiIndex 2]"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "shown"), INDEXES, ids=lambda value: type(value).__name__)
def test_an_index_is_shown_and_its_cache_stays_as_it_was(value: pandas.Index, shown: str) -> None:
    fresh = value.copy()
    before = dict(getattr(fresh, "_cache", {}))

    assert smart(fresh) == shown
    assert dict(getattr(fresh, "_cache", {})) == before


@pytest.mark.parametrize(
    "code",
    ["?", "i1", "u2", "i8", "f2", "f4", "f8", "c16", "M8[ns]", "M8[D]", "M8", "m8[us]", "O", "U3",
     "S3", ">f8", ">i4", ">M8[ns]"],
)  # fmt: skip
def test_a_numpy_type_is_shown_as_numpy_does(code: str) -> None:
    array = numpy.zeros(2, dtype=code)
    assert smart(array) == f"[ndarray {array.dtype} (2)]"


@pytest.mark.parametrize(
    "value",
    [numpy.zeros(3), numpy.int64(5), numpy.datetime64("2026-11-21"), TABLE, TABLE[0], TABLE.index,
     pandas.Series(["a"], dtype="category"), pandas.Series([1], dtype="Int64"),
     *(value for value, _ in INDEXES)],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_no_function_that_may_be_watched_is_called(value: Any) -> None:
    called: list[CodeType] = []

    def listen(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and "site-packages" in frame.f_code.co_filename:
            called.append(frame.f_code)

    sys.setprofile(listen)
    try:
        smart(value)
    finally:
        sys.setprofile(None)

    watchable = _codes_that_may_be_watched()
    assert [code.co_qualname for code in called if code in watchable] == []


@cache
def _codes_that_may_be_watched() -> set[CodeType]:
    return {
        found.function.__code__
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in ("numpy", "pandas") and isinstance(module, ModuleType)
        for found in functions_of_module(module, name, name)
        if found.function is not None and not found.reason
    }
