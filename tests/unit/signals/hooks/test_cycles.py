"""A turn of the loop: what it tells, however it ends and wherever it runs."""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from contextvars import copy_context
from functools import wraps
from itertools import pairwise
from typing import Any

import pytest
from opentelemetry.trace import get_current_span

from tests.unit.signals.hooks.conftest import Desk
from tradespan.signals.events.types import Event, EventType
from tradespan.signals.hooks.cycles import Cycle, current_turn

START, END = "CYCLE_START", "CYCLE_END"


def in_loop(test: Callable[[Desk], Coroutine[Any, Any, None]]) -> Callable[[Desk], None]:
    """Run a coroutine function as a test."""

    @wraps(test)
    def run(desk: Desk) -> None:
        asyncio.run(test(desk))

    return run


def test_a_cycle_is_a_span_a_count_a_duration_and_two_events(desk: Desk) -> None:
    with desk.hooks.cycle(7, strategy="pairs", ts=1_700_000_000_000_000_000, symbol="A") as c:
        assert (c.number, c.strategy, c.seconds) == (7, "pairs", None)

    assert c.seconds == 0.5
    (span,) = desk.spans
    assert span.name == "cycle"
    assert span.own | {"tradespan.exemplar": True} == {
        "tradespan.exemplar": True,
        "tradespan.signal": "cycle",
        "trading.cycle.number": 7,
        "trading.strategy": "pairs",
        "trading.event_time": 1_700_000_000_000_000_000,
        "trading.symbol": "A",
    }
    assert desk.values.of("trading.cycles") == {("pairs",): 1}
    assert desk.values.of("trading.cycle.duration") == {("pairs",): (1, 0.5)}
    common = {"cycle": 7, "strategy": "pairs", "event_time": 1_700_000_000_000_000_000}
    assert desk.told == [
        (START, {"symbol": "A", **common}),
        (END, {"symbol": "A", "duration": 0.5, **common}),
    ]
    assert {event.severity for event in desk.events} == {"debug"}


def test_both_events_happen_in_the_span(desk: Desk) -> None:
    seen: list[int] = []
    desk.bus.subscribe(
        None, lambda _: seen.append(get_current_span().get_span_context().span_id), inline=True
    )
    with desk.hooks.cycle():
        pass
    (span,) = desk.spans
    assert seen == [span.span_id, span.span_id]


def test_cycles_are_numbered_by_strategy_from_one(desk: Desk) -> None:
    numbers = []
    for strategy in ("a", "b", "a"):
        with desk.hooks.cycle(strategy=strategy) as c:
            numbers.append(c.number)
    assert numbers == [1, 1, 2]


class Halt(BaseException):
    """No error, and no `Exception`."""


@pytest.mark.parametrize(
    ("raised", "failed"),
    [
        (ValueError("x"), True),
        (asyncio.CancelledError(), False),
        (KeyboardInterrupt(), False),
        (SystemExit(3), False),
        (GeneratorExit(), False),
        (Halt(), False),
        (StopIteration(4), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_body_raises_is_told_and_passes_untouched(
    desk: Desk, raised: BaseException, failed: bool
) -> None:
    cause = KeyError("cause")
    with pytest.raises(type(raised)) as caught, desk.hooks.cycle():
        raise raised from cause

    assert caught.value is raised
    assert raised.__cause__ is cause
    assert [frame.name for frame in caught.traceback] == [
        "test_what_the_body_raises_is_told_and_passes_untouched"
    ]
    name = type(raised).__qualname__
    assert desk.told[-1] == (END, {"duration": 0.5, "error.type": name, "cycle": 1})
    # Ends that are no errors fail neither span nor cycle.
    assert desk.spans[0].failed is failed
    assert desk.values.of("trading.cycles").get((name,), 0) == (1 if failed else 0)
    assert sum(desk.values.of("trading.cycles").values()) == 1
    assert not get_current_span().get_span_context().is_valid


def test_cycles_nest_and_inner_ones_are_children(desk: Desk) -> None:
    with desk.hooks.cycle(strategy="outer"):
        with desk.hooks.cycle(strategy="inner"):
            desk.hooks.decision("HOLD", symbol="A")
        desk.hooks.decision("HOLD", symbol="A")
    desk.hooks.decision("HOLD", symbol="A")
    outer, inner = desk.spans
    assert inner.parent_id == outer.span_id
    assert desk.values.of("trading.decisions") == {
        ("HOLD", "inner", "A"): 1, ("HOLD", "outer", "A"): 1, ("HOLD", "A"): 1,
    }  # fmt: skip


def test_one_cycle_object_may_be_entered_inside_itself(desk: Desk) -> None:
    turn = desk.hooks.cycle()
    with turn as first, turn as second:
        assert (first.number, second.number) == (1, 2)
    assert [name for name, _ in desk.told] == [START, START, END, END]
    assert [data["cycle"] for _, data in desk.told] == [1, 2, 2, 1]


@in_loop
async def test_tasks_that_share_a_cycle_object_end_their_own(desk: Desk) -> None:
    turn = desk.hooks.cycle(strategy="shared")
    in_all = asyncio.Barrier(5)

    async def run(last: int) -> tuple[int, float | None]:
        async with turn as c:
            await in_all.wait()
            for _ in range(last):  # the first entered leaves first, against the order of a stack
                await asyncio.sleep(0)
        return c.number, c.seconds

    ended = await asyncio.gather(*(run(last) for last in range(5)))
    assert [number for number, _ in ended] == [1, 2, 3, 4, 5]
    assert all(seconds is not None for _, seconds in ended)
    ends = [data["cycle"] for name, data in desk.told if name == END]
    assert sorted(ends) == [1, 2, 3, 4, 5]
    assert len({span.trace_id for span in desk.spans}) == 5
    assert current_turn() is None


def test_threads_that_share_a_cycle_object_end_their_own(desk: Desk) -> None:
    turn = desk.hooks.cycle()
    barrier = threading.Barrier(4, timeout=30)

    def run() -> None:
        for _ in range(50):
            barrier.wait()
            with turn:
                pass

    threads = [threading.Thread(target=run) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert desk.values.of("trading.cycles") == {(): 200}
    ends = [data["cycle"] for name, data in desk.told if name == END]
    assert sorted(ends) == list(range(1, 201))
    assert len(desk.spans) == 200


def test_a_decorated_function_is_a_turn_each_call(desk: Desk) -> None:
    @desk.hooks.cycle
    def bare(value: int) -> int:
        """What it says."""
        return value + 1

    @desk.hooks.cycle(strategy="b")
    def named(value: int) -> int:
        if value:
            return named(value - 1)
        raise ValueError("end")

    assert (bare(1), bare(2), bare.__doc__) == (2, 3, "What it says.")
    with pytest.raises(ValueError, match="end"):
        named(1)
    assert desk.values.of("trading.cycles") == {(): 2, ("ValueError", "b"): 2, ("b",): 0}


@in_loop
async def test_a_decorated_coroutine_function_is_a_turn_while_it_is_awaited(desk: Desk) -> None:
    @desk.hooks.cycle
    async def run() -> str:
        await asyncio.sleep(0)
        desk.bus.emit("inside")
        return "done"

    assert inspect.iscoroutinefunction(run)
    assert await run() == "done"
    assert [name for name, _ in desk.told] == [START, "inside", END]


@in_loop
async def test_a_cancelled_task_ends_its_turn(desk: Desk) -> None:
    inside = asyncio.Event()

    async def run() -> None:
        async with desk.hooks.cycle():
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert desk.told[-1][1]["error.type"] == "CancelledError"
    assert not desk.spans[0].failed


@in_loop
async def test_decorated_generators_are_a_turn_until_their_end(desk: Desk) -> None:
    @desk.hooks.cycle
    def plain() -> Iterator[int]:
        yield 1
        yield 2

    @desk.hooks.cycle
    async def asynchronous() -> AsyncIterator[int]:
        yield 1
        yield 2

    assert list(plain()) == [1, 2]
    assert [item async for item in asynchronous()] == [1, 2]
    assert [name for name, _ in desk.told] == [START, END, START, END]


def test_a_generator_that_is_left_early_ends_its_turn(desk: Desk) -> None:
    def ticks() -> Generator[int, None, None]:
        with desk.hooks.cycle():
            yield 1
            yield 2

    left = ticks()
    assert next(left) == 1
    left.close()
    assert desk.told[-1][1]["error.type"] == "GeneratorExit"
    assert len(desk.spans) == 1
    assert current_turn() is None


def test_a_generator_that_another_thread_closes_ends_its_turn(desk: Desk) -> None:
    def ticks() -> Generator[int, None, None]:
        with desk.hooks.cycle(strategy="lost"):
            yield 1

    def leave() -> None:
        left = ticks()
        next(left)
        closing = threading.Thread(target=left.close)
        closing.start()
        closing.join(30)
        # This thread's context still has it; it is over, and gives nothing its strategy.
        desk.hooks.decision("HOLD", symbol="A")

    copy_context().run(leave)
    assert [name for name, _ in desk.told][:2] == [START, END]
    assert len(desk.spans) == 1
    assert desk.values.of("trading.decisions") == {("HOLD", "A"): 1}


@in_loop
async def test_tasks_that_begin_tasks_in_turns_do_not_hold_all_before_them(desk: Desk) -> None:
    turns = []
    done = asyncio.Event()

    async def run(left: int) -> None:
        with desk.hooks.cycle() as c:
            turns.append(c)
            if left:
                asyncio.get_running_loop().create_task(run(left - 1))
            else:
                done.set()

    await run(10)
    await done.wait()
    assert len(turns) == 11
    assert [turn.told.outer for turn in turns if turn.told] == [None] * 11


def test_a_child_forked_inside_a_turn_tells_nothing_of_its_end(desk: Desk) -> None:
    with desk.hooks.cycle() as c:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                before = len(desk.events)
                c.owner.__exit__(None, None, None)
                silent = len(desk.events) == before
                with desk.hooks.cycle() as own:  # a turn of the child's own is told
                    pass
                told = [data["cycle"] for _, data in desk.told[before:]]
                status = 0 if (silent, own.number, told) == (True, 1, [1, 1]) else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [name for name, _ in desk.told] == [START, END]


def test_a_subscriber_that_exits_leaves_no_span_open(desk: Desk) -> None:
    def leave(_: Event) -> None:
        raise SystemExit(5)

    desk.bus.subscribe(EventType.CYCLE_START, leave, inline=True)
    with pytest.raises(SystemExit), desk.hooks.cycle():
        pytest.fail("the body does not begin")
    assert len(desk.spans) == 1
    assert not get_current_span().get_span_context().is_valid
    assert current_turn() is None


def test_a_turn_left_more_often_than_entered_is_no_error(desk: Desk) -> None:
    turn = desk.hooks.cycle()
    turn.__exit__(None, None, None)
    assert desk.told == []


def test_unconfigured_turns_are_the_same_and_tell_nothing(asleep: Desk) -> None:
    with asleep.hooks.cycle(strategy="a") as c, asleep.hooks.cycle(strategy="a") as inner:
        assert (c.number, inner.number, c.strategy) == (1, 2, "a")
        assert current_turn() is None
    assert c.seconds is not None
    assert inner.seconds is not None
    assert inner.seconds < c.seconds
    assert asleep.told == []
    assert "trading.cycles" not in asleep.values
    with pytest.raises(ValueError, match="mine"), asleep.hooks.cycle():
        raise ValueError("mine")


def test_a_turn_that_configuring_falls_into_tells_nothing(asleep: Desk, desk: Desk) -> None:
    turn = asleep.hooks.cycle()
    with turn:
        asleep.outlets.slot = desk.outlets.slot
    assert asleep.told == []


def test_a_turn_that_shutting_down_falls_into_ends(desk: Desk) -> None:
    slot = desk.outlets.slot
    spool, page = slot.spool, slot.page
    assert spool is not None
    try:
        with desk.hooks.cycle():
            slot.clear()
        with desk.hooks.cycle():
            pass
    finally:
        slot.fill(spool, page)
    assert [name for name, _ in desk.told] == [START, END]


def test_who_subscribed_is_told_though_nothing_is_configured(asleep: Desk) -> None:
    heard: list[str] = []
    asleep.bus.subscribe(None, lambda event: heard.append(event.name), inline=True)
    with asleep.hooks.cycle():
        asleep.hooks.decision("HOLD")
    assert heard == [START, "DECISION_MADE", END]


def test_numbers_of_very_many_strategies_take_bounded_memory(desk: Desk) -> None:
    cycles: list[Cycle] = [desk.hooks.cycle(strategy=str(number)) for number in range(1_100)]
    numbers = []
    for each in cycles:
        with each as c:
            numbers.append(c.number)
    assert numbers[:999] == [1] * 999
    assert all(after > before for before, after in pairwise(numbers[1_000:]))
