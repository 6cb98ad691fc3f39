"""Watched async generator functions: in tasks, cancelled, left early, closed somewhere else."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import pytest

from tests.support.captured import Captured
from tests.unit.instrument.shapes.kinds import Pause, collect, current, drive
from tradespan.declare import names
from tradespan.instrument.monitor import monitor

ITEMS = names.TRADESPAN_GENERATOR_ITEMS
ENDED_BY = names.TRADESPAN_ENDED_BY


@monitor
def leaf(n: int) -> int:
    return n


@monitor
async def ticks(count: int) -> AsyncIterator[int]:
    for n in range(count):
        await asyncio.sleep(0)
        yield leaf(n)


@monitor
async def feed(*held: Any) -> AsyncGenerator[int, None]:
    """Endless; its cleaning up waits, as that of a connection does."""
    try:
        n = 0
        while True:
            yield n
            n += 1
    finally:
        await asyncio.sleep(0)
        leaf(-1)


@monitor
async def stuck() -> AsyncIterator[int]:
    yield 1
    await asyncio.Event().wait()


@monitor
async def forgiving() -> AsyncGenerator[str, Any]:
    while True:
        try:
            yield "ready"
        except ValueError:
            yield "forgiven"


# ── one span ────────────────────────────────────────────────────────────────────────────────────


def test_an_async_generator_read_to_its_end_is_one_span(captured: Captured) -> None:
    assert asyncio.run(collect(ticks(3))) == [0, 1, 2]
    span = captured.one("ticks")
    assert (span.arguments, span.result) == ({"count": 3}, 0)
    assert span.own == {ITEMS: 3}
    assert not span.failed
    assert {child.parent_id for child in captured.named("leaf")} == {span.span_id}


def test_an_async_generator_that_was_never_started_is_not_recorded(captured: Captured) -> None:
    feed()
    gc.collect()
    assert captured.spans == []


def test_it_is_not_current_in_the_consumer_between_items(captured: Captured) -> None:
    @monitor
    async def consume() -> set[int]:
        seen = {current()}
        async for _ in ticks(3):
            seen.add(current())
            leaf(100)
        return seen | {current()}

    seen = asyncio.run(consume())
    consumer = captured.one("consume")
    assert seen == {consumer.span_id}
    assert captured.one("ticks").parent_id == consumer.span_id
    parents = {s.parent_id for s in captured.named("leaf") if s.arguments["n"] == 100}
    assert parents == {consumer.span_id}


def test_it_is_current_again_after_the_body_has_waited(captured: Captured) -> None:
    @monitor
    async def slow() -> AsyncIterator[int]:
        for _ in range(2):
            before = current()
            await asyncio.sleep(0)
            assert current() == before
            yield before

    seen = asyncio.run(collect(slow()))
    assert seen == [captured.one("slow").span_id] * 2


def test_readers_side_by_side_keep_their_children_apart(captured: Captured) -> None:
    async def program() -> None:
        await asyncio.gather(*(collect(ticks(5)) for _ in range(10)))

    asyncio.run(program())
    spans = captured.named("ticks")
    assert len({span.trace_id for span in spans}) == 10
    children = [child.parent_id for child in captured.named("leaf")]
    assert sorted(children) == sorted([span.span_id for span in spans] * 5)


def test_each_item_may_be_taken_by_another_task(
    captured: Captured, quiet: Callable[[], list[str]]
) -> None:
    async def program() -> list[int]:
        generator = ticks(3)

        async def take() -> int:
            return await anext(generator, -1)

        return [await asyncio.create_task(take()) for _ in range(4)]

    assert asyncio.run(program()) == [0, 1, 2, -1]
    assert captured.one("ticks").own == {ITEMS: 3}
    assert quiet() == []


# ── how it ends ─────────────────────────────────────────────────────────────────────────────────


def test_an_error_of_the_body_is_recorded_once(captured: Captured) -> None:
    @monitor
    async def failing() -> AsyncIterator[int]:
        yield 1
        raise ValueError("no quote")

    with pytest.raises(ValueError, match="no quote"):
        asyncio.run(collect(failing()))
    span = captured.one("failing")
    assert span.failed
    assert [event.name for event in span.events] == ["exception"]
    assert span.own[ITEMS] == 1


def test_cancelled_while_it_waits_is_no_error(captured: Captured) -> None:
    async def program() -> None:
        task = asyncio.create_task(collect(stuck()))
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(program())
    span = captured.one("stuck")
    assert (span.failed, span.events) == (False, [])
    assert span.own == {ENDED_BY: "CancelledError", ITEMS: 1}


def test_a_timeout_is_the_readers_error(captured: Captured) -> None:
    @monitor
    async def reader() -> None:
        async with asyncio.timeout(0):
            await collect(stuck())

    with pytest.raises(TimeoutError):
        asyncio.run(reader())
    assert captured.one("reader").failed
    assert not captured.one("stuck").failed


def test_left_early_it_is_closed_with_its_loop(
    captured: Captured, quiet: Callable[[], list[str]]
) -> None:
    kept: list[Any] = []

    async def program() -> None:
        generator = feed()
        kept.append(generator)
        async for n in generator:
            if n == 1:
                break

    asyncio.run(program())  # ends with loop.shutdown_asyncgens()
    span = captured.one("feed")
    assert span.own == {ENDED_BY: "GeneratorExit", ITEMS: 2}
    assert (span.failed, span.events) == (False, [])
    assert captured.one("leaf").parent_id == span.span_id
    assert quiet() == []


def test_left_early_and_dropped_it_is_closed_by_its_loop(
    captured: Captured, quiet: Callable[[], list[str]]
) -> None:
    async def program() -> None:
        async for _ in feed():
            break
        gc.collect()
        for _ in range(10):  # the loop's own closing takes a few turns
            await asyncio.sleep(0)
        assert current() == 0

    asyncio.run(program())
    assert captured.one("feed").own == {ENDED_BY: "GeneratorExit", ITEMS: 1}
    assert len(captured.named("leaf")) == 1, "its cleaning up ran once"
    assert quiet() == []


@pytest.mark.parametrize("rate", [1.0, 0.0])
def test_left_early_it_cleans_up_once_whether_sampled_or_not(
    captured: Captured, quiet: Callable[[], list[str]], rate: float
) -> None:
    cleaned: list[str] = []

    @monitor(sample_rate=rate)
    async def connected(name: str) -> AsyncIterator[str]:
        try:
            while True:
                yield name
        finally:
            await asyncio.sleep(0)
            cleaned.append(name)

    async def program() -> None:
        held = connected("held")
        await anext(held)
        async for _ in connected("dropped"):
            break
        for _ in range(10):  # the loop closes what was dropped in a few turns
            await asyncio.sleep(0)
        kept.append(held)

    kept: list[Any] = []
    asyncio.run(program())
    assert sorted(cleaned) == ["dropped", "held"]
    assert len(captured.named("connected")) == 2 * rate
    assert quiet() == []


def test_it_may_be_closed_in_another_task(
    captured: Captured, quiet: Callable[[], list[str]]
) -> None:
    async def program() -> None:
        generator = feed()
        await anext(generator)

        async def close() -> None:
            await generator.aclose()

        with captured.tracer.start_as_current_span("closer") as closer:
            await asyncio.create_task(close())
            assert current() == closer.get_span_context().span_id

    asyncio.run(program())
    span = captured.one("feed")
    assert span.own == {ENDED_BY: "GeneratorExit", ITEMS: 1}
    assert (span.parent_id, span.failed) == (0, False)
    assert quiet() == []


def test_collected_without_a_loop_it_says_nothing(
    captured: Captured, quiet: Callable[[], list[str]]
) -> None:
    @monitor
    async def bare(*held: Any) -> AsyncIterator[int]:
        while True:
            yield 1

    def start() -> None:
        held: list[Any] = []
        generator = bare(held)
        held.append(generator)
        drive(anext(generator))

    contextvars.copy_context().run(start)
    thread = threading.Thread(target=gc.collect)
    thread.start()
    thread.join()
    assert captured.one("bare").own == {ENDED_BY: "GeneratorExit", ITEMS: 1}
    assert quiet() == []


def test_thrown_in_and_caught_inside_is_no_error(captured: Captured) -> None:
    async def program() -> list[str]:
        generator = forgiving()
        got = [await anext(generator), await generator.athrow(ValueError("late"))]
        await generator.aclose()
        return got

    assert asyncio.run(program()) == ["ready", "forgiven"]
    span = captured.one("forgiving")
    assert (span.failed, span.events) == (False, [])
    assert span.own[ITEMS] == 2


def test_thrown_in_and_not_caught_is_an_error_once(captured: Captured) -> None:
    async def program() -> None:
        generator = forgiving()
        await anext(generator)
        with pytest.raises(KeyError):
            await generator.athrow(KeyError("price"))
        await generator.aclose()

    asyncio.run(program())
    assert captured.one("forgiving").failure.type == "KeyError"


def test_values_sent_in_reach_the_body(captured: Captured) -> None:
    @monitor
    async def total() -> AsyncGenerator[int, int]:
        so_far = 0
        while True:
            so_far += yield so_far

    async def program() -> list[int]:
        generator = total()
        got = [await anext(generator), await generator.asend(5), await generator.asend(7)]
        await generator.aclose()
        return got

    assert asyncio.run(program()) == [0, 5, 12]
    assert captured.one("total").own[ITEMS] == 3


def test_what_drives_it_by_hand_gets_and_gives_what_the_body_awaits(captured: Captured) -> None:
    @monitor
    async def relay() -> AsyncIterator[Any]:
        yield await Pause()

    step = relay().__anext__().__await__()
    assert next(step) is None
    with pytest.raises(StopIteration) as stop:
        step.send("answer")
    assert stop.value.value == "answer"
    assert current() == 0
