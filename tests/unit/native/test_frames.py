"""`frames` gives what walking a traceback in Python gives."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from types import CodeType, TracebackType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.native.ways import compiled


def walk(
    trace: TracebackType | None, own_code: set[CodeType], most: int
) -> list[tuple[str, int, str]]:
    """The same in Python (`instrument/capture/failure.py`)."""
    found = []
    while trace is not None:
        code = trace.tb_frame.f_code
        if code not in own_code:
            found.append((code.co_filename, trace.tb_lineno, code.co_qualname))
        trace = trace.tb_next
    if len(found) > most:
        half, left_out = most // 2, len(found) - most
        found[half:-half] = [("…", 0, f"{left_out} more frames")]
    return found


def descend(depth: int) -> None:
    if depth:
        wrapper(lambda: descend(depth - 1))
    raise LookupError(depth)


def wrapper(function: Callable[[], None]) -> None:
    function()


def fail(depth: int) -> TracebackType:
    with pytest.raises(LookupError) as raised:
        descend(depth)
    return raised.tb


OWN: set[CodeType] = {wrapper.__code__}


@given(st.integers(0, 60), st.sampled_from([2, 3, 8, 9, 64]), st.sampled_from([OWN, set()]))
def test_frames_are_those_of_python(depth: int, most: int, own: set[CodeType]) -> None:
    trace = fail(depth)
    found = compiled().frames(trace, own, most)
    assert found == walk(trace, own, most)
    assert [type(part) for part in found[0]] == [str, int, str]


def test_wrappers_are_left_out_by_their_code() -> None:
    names = [name for _, _, name in compiled().frames(fail(3), OWN, 64)]
    assert "wrapper" not in names
    assert names.count("descend") == 4
    assert "descend.<locals>.<lambda>" in names


def test_no_traceback_is_no_frames() -> None:
    assert compiled().frames(None, set(), 64) == []


def test_line_that_was_not_looked_up_yet_is_the_same() -> None:
    trace = fail(2)
    copy: TracebackType | None = None
    entries = []
    walked: TracebackType | None = trace
    while walked is not None:
        entries.append(walked)
        walked = walked.tb_next
    for entry in reversed(entries):
        copy = TracebackType(copy, entry.tb_frame, entry.tb_lasti, -1)
    assert compiled().frames(copy, set(), 64) == walk(copy, set(), 64)
    assert compiled().frames(copy, set(), 64) == walk(trace, set(), 64)


@pytest.mark.parametrize("arguments", [(1, set(), 64), (None, [], 64), (None, set(), 1), (None,)])
def test_wrong_arguments_are_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        compiled().frames(*arguments)


def test_no_memory_is_kept() -> None:
    frames, trace = compiled().frames, fail(50)
    code = trace.tb_frame.f_code
    for _ in range(50):
        frames(trace, OWN, 16)
    references = sys.getrefcount(trace), sys.getrefcount(code), sys.getrefcount(code.co_filename)
    tracemalloc.start()
    try:
        for _ in range(50):
            frames(trace, OWN, 16)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(500):
            frames(trace, OWN, 16)
        assert tracemalloc.get_traced_memory()[0] - before < 8_000
    finally:
        tracemalloc.stop()
    assert references == (
        sys.getrefcount(trace),
        sys.getrefcount(code),
        sys.getrefcount(code.co_filename),
    )
