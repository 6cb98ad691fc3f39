"""`Codes.frames` gives what walking a traceback in Python gives, in both ways."""

from __future__ import annotations

import gc
import sys
import tracemalloc
import weakref
from collections.abc import Callable
from types import CodeType, TracebackType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.native.ways import compiled
from tradespan.capture.frames import Codes, PureCodes
from tradespan.core import native
from tradespan.core.records import Frame
from tradespan.wire.exceptions import with_files

pytestmark = pytest.mark.usefixtures("way")


def walk(
    trace: TracebackType | None, own_code: set[CodeType], most: int
) -> list[tuple[str, int, str]]:
    """The same in Python (`capture/failure.py`)."""
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


OWN = {wrapper.__code__}


def named(places: list[tuple[str, int, str]]) -> list[tuple[str, int, str]]:
    """The places, each with its file."""
    return [
        (frame.file, frame.line, frame.name) for frame in with_files([Frame(*p) for p in places])
    ]


def codes(held: set[CodeType]) -> Codes:
    """The codes of the way in force."""
    made: Codes = PureCodes() if native.module is None else native.module.Codes()
    for code in held:
        made.add(code)
    return made


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 60), st.sampled_from([2, 3, 8, 9, 64]), st.sampled_from([OWN, set()]))
def test_frames_are_those_of_python(depth: int, most: int, own: set[CodeType]) -> None:
    trace = fail(depth)
    found = codes(own).frames(trace, most)
    assert named(found) == walk(trace, own, most)
    assert [type(part) for part in found[0]] == [str, int, str]


def test_one_code_has_many_lines() -> None:
    def fail_at(place: int) -> None:
        if place == 0:
            raise LookupError
        raise LookupError

    own = codes(set())
    for place in (0, 1, 0):
        with pytest.raises(LookupError) as raised:
            fail_at(place)
        assert named(own.frames(raised.tb, 64)) == walk(raised.tb, set(), 64)


def test_codes_are_told_apart_by_identity() -> None:
    made = [compile("1", "same.py", "eval") for _ in range(1_000)]
    assert made[0] == made[1], "equal, and not the same"
    own = codes(set())
    for code in made[::2]:
        own.add(code)
        own.add(code)
    assert [code in own for code in made] == [True, False] * 500
    assert 5 not in own


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 199)), max_size=400))
def test_codes_are_held_until_they_are_discarded(steps: list[tuple[bool, int]]) -> None:
    made = [compile("1", "same.py", "eval") for _ in range(200)]
    own, held = codes(set()), set[int]()
    for add, place in steps:
        (own.add if add else own.discard)(made[place])
        (held.add if add else held.discard)(place)
    assert [code in own for code in made] == [place in held for place in range(200)]
    assert len(own) == len(held)


def test_a_code_that_was_discarded_is_not_kept() -> None:
    own = codes(set())
    code = compile("1", "same.py", "eval")
    before = sys.getrefcount(code)
    own.add(code)
    own.discard(code)
    assert sys.getrefcount(code) == before


def test_wrappers_are_left_out_by_their_code() -> None:
    names = [name for _, _, name in codes(OWN).frames(fail(3), 64)]
    assert "wrapper" not in names
    assert names.count("descend") == 4
    assert "descend.<locals>.<lambda>" in names


def test_no_traceback_is_no_frames() -> None:
    assert codes(OWN).frames(None, 64) == []


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
    assert named(codes(set()).frames(copy, 64)) == walk(copy, set(), 64)
    assert named(codes(set()).frames(copy, 64)) == walk(trace, set(), 64)


@pytest.mark.parametrize("arguments", [(1, 64), (None, 1), (None,)])
def test_wrong_arguments_are_refused(arguments: tuple[Any, ...]) -> None:
    made = compiled().Codes()
    with pytest.raises(TypeError):
        made.frames(*arguments)
    with pytest.raises(TypeError):
        made.add("no code")


def test_no_memory_is_kept() -> None:
    frames, trace = codes(OWN).frames, fail(50)
    code = trace.tb_frame.f_code
    for _ in range(50):
        frames(trace, 16)
    references = sys.getrefcount(trace), sys.getrefcount(code), sys.getrefcount(code.co_filename)
    tracemalloc.start()
    try:
        for _ in range(50):
            frames(trace, 16)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(500):
            frames(trace, 16)
        assert tracemalloc.get_traced_memory()[0] - before < 8_000
    finally:
        tracemalloc.stop()
    assert references == (
        sys.getrefcount(trace),
        sys.getrefcount(code),
        sys.getrefcount(code.co_filename),
    )


def fail_in_new_code(name: str) -> tuple[TracebackType, weakref.ref[CodeType]]:
    """A traceback out of a function that exists for this call only."""
    names: dict[str, Any] = {}
    exec(f"def {name}():\n    raise LookupError", names)
    with pytest.raises(LookupError) as raised:
        names[name]()
    return raised.tb, weakref.ref(names[name].__code__)


def test_code_that_comes_and_goes_is_named_right_and_not_held_for_ever() -> None:
    own = codes(set())
    made = []
    for number in range(9_000):
        trace, code = fail_in_new_code(f"passing_{number}")
        assert own.frames(trace, 64)[-1][2] == f"passing_{number}"
        made.append(code)
        del trace
    gc.collect()
    assert sum(code() is not None for code in made) <= 4_097
