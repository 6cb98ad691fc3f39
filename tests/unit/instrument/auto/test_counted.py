"""Functions that are only counted: the program runs as bare, and what fails is a span."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from types import FunctionType
from typing import Any, cast

import pytest

from tests.support.captured import Captured
from tests.support.fakes import SteppingClock
from tradespan.instrument.auto.inplace import Level, Twin
from tradespan.instrument.options import Watch

_kept: list[Twin] = []


def counted(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """The function itself, its calls only counted."""
    watch = Watch(**options)
    twin = Twin(cast("FunctionType", function), f"desk.{function.__name__}", lambda _: watch)
    twin.put(Level.COUNTED)
    _kept.append(twin)
    return function


def calls(captured: Captured) -> tuple[int, int]:
    """Calls and errors of the function that was called last."""
    counts, _ = captured.recorder.meters.counts_of(_kept[-1].body.plan.series) or ([0] * 30, 1)
    return sum(counts[:26]), counts[27]


class Thing:
    pass


def test_every_call_is_counted_and_none_is_a_span(captured: Captured) -> None:
    def work(n: int) -> int:
        return n

    counted(work)
    assert [work(n) for n in range(100)] == list(range(100))
    assert calls(captured) == (100, 0)
    assert captured.spans == []


def test_one_that_fails_is_a_span_with_its_arguments(captured: Captured) -> None:
    def work(a: int, /, b: int, *rest: int, c: int = 3, **more: int) -> None:
        raise ValueError("no")

    counted(work)
    with pytest.raises(ValueError, match="no"):
        work(1, 2, 5, 6, d=4)
    span = captured.one()
    assert span.arguments == {"a": 1, "b": 2, "rest": "(5, 6)", "c": 3, "more": "{'d': ...}"}
    assert span.failed
    assert span.attributes["tradespan.late"] is True
    assert calls(captured) == (1, 1)


def test_what_the_call_has_deleted_or_replaced_is_missing_or_as_it_left_it(
    captured: Captured,
) -> None:
    def work(first: int, second: int, *rest: int, third: int, **more: int) -> None:
        del first
        rest = cast("Any", 7)
        more = cast("Any", None)
        second = 22
        raise ValueError(second, rest, more)

    counted(work)
    with pytest.raises(ValueError, match="22"):
        work(1, 2, 3, third=4, fourth=5)
    assert captured.one().arguments == {"second": 22, "third": 4}


def test_a_methods_receiver_is_left_out(captured: Captured) -> None:
    class Book:
        def add(self, quantity: int) -> None:
            raise ValueError("no")

    counted(Book.add)
    with pytest.raises(ValueError, match="no"):
        Book().add(5)
    assert captured.one().arguments == {"quantity": 5}


def test_arguments_are_handed_over_as_bare(captured: Captured) -> None:
    def work(thing: Thing) -> bool:
        gone = weakref.ref(thing)
        del thing
        return gone() is None

    bare = work(Thing())
    counted(work)
    watched = [work(Thing()), work(Thing())]
    assert [bare, *watched] == [True, True, True]


def test_a_slow_call_is_a_span_without_arguments(captured: Captured) -> None:
    def work(n: int) -> int:
        return n

    counted(work, slow=1e-9)
    assert work(5) == 5
    span = captured.one()
    assert span.arguments == {}
    assert span.record.duration > 0


def test_with_another_clock_calls_are_counted_by_it(
    captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SteppingClock()
    monkeypatch.setattr(captured.recorder, "own_clock", True)
    monkeypatch.setattr(captured.recorder, "monotonic", clock.monotonic)

    def work() -> None:
        clock.step(0.5)

    counted(work)
    work()
    counts, _ = captured.recorder.meters.counts_of(_kept[-1].body.plan.series) or ([], 1)
    assert counts[26] == 500_000_000


def test_what_ends_otherwise_than_by_an_error_is_counted_and_no_span(captured: Captured) -> None:
    def leave() -> None:
        raise SystemExit

    counted(leave)
    with pytest.raises(SystemExit):
        leave()
    assert calls(captured) == (1, 0)
    assert captured.spans == []


def test_a_call_that_returns_in_a_forked_child_is_the_parents(captured: Captured) -> None:
    def fork() -> int:
        return os.fork()

    counted(fork)
    child = fork()
    if child == 0:
        os._exit(calls(captured)[0])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert calls(captured) == (1, 0)


def test_while_nothing_is_recorded_calls_pass(captured: Captured) -> None:
    def work(n: int) -> int:
        return n

    counted(work)
    recorder, captured.slot.recorder = captured.slot.recorder, None
    assert work(1) == 1
    captured.slot.recorder = recorder
    assert work(2) == 2
    assert calls(captured) == (1, 0)
