"""Watched coroutines: their contexts, tasks and threads, and the ways in which they end."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import context as api
from opentelemetry import trace

from tests.support.captured import Captured
from tradespan.instrument.monitor import monitor


@monitor
async def fetch(n: int) -> int:
    await asyncio.sleep(0)
    return n


@monitor
def compute(n: int) -> int:
    return n


@monitor
async def forever() -> None:
    await asyncio.Event().wait()


class Pause:
    """Gives way to whoever drives the coroutine; no event loop is needed."""

    def __await__(self) -> Any:
        yield


def current() -> int:
    return trace.get_current_span().get_span_context().span_id


def test_a_coroutine_is_recorded_from_its_start_to_its_end(captured: Captured) -> None:
    @monitor
    async def outer() -> int:
        return await fetch(5) + 1

    assert asyncio.run(outer()) == 6
    parent, child = captured.one("outer"), captured.one("fetch")
    assert child.parent_id == parent.span_id
    assert (child.arguments, child.result, parent.result) == ({"n": 5}, 5, 6)
    assert child.record.end <= parent.record.end


def test_nothing_is_recorded_before_a_coroutine_is_awaited(captured: Captured) -> None:
    coroutine = fetch(1)
    assert captured.spans == []
    coroutine.close()
    assert captured.spans == []


def test_tasks_side_by_side_have_the_parent_that_started_them(captured: Captured) -> None:
    @monitor
    async def leg(n: int) -> int:
        await asyncio.sleep(0)
        return await fetch(n)

    @monitor
    async def pair() -> None:
        await asyncio.gather(*(leg(n) for n in range(10)))

    asyncio.run(pair())
    pair_id = captured.one("pair").span_id
    legs = {span.arguments["n"]: span for span in captured.named("leg")}
    assert {span.parent_id for span in legs.values()} == {pair_id}
    for span in captured.named("fetch"):
        assert span.parent_id == legs[span.arguments["n"]].span_id


def test_after_a_coroutine_what_was_current_is_current(captured: Captured) -> None:
    async def program() -> None:
        before = current()
        await fetch(1)
        assert current() == before

    asyncio.run(program())


def test_a_cancelled_coroutine_is_no_error(captured: Captured) -> None:
    async def program() -> None:
        task = asyncio.create_task(forever())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(program())
    span = captured.one("forever")
    assert (span.failed, span.events) == (False, [])
    assert span.own == {"tradespan.ended_by": "CancelledError"}


def test_a_timeout_is_the_callers_error_not_the_callees(captured: Captured) -> None:
    @monitor
    async def patient() -> None:
        async with asyncio.timeout(0):
            await forever()

    with pytest.raises(TimeoutError):
        asyncio.run(patient())
    assert captured.one("patient").failed
    assert not captured.one("forever").failed


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.DEBUG)

    def messages() -> list[str]:
        return [r.getMessage() for r in caplog.records if not r.name.startswith("asyncio")]

    return messages


def test_a_coroutine_that_the_collector_closes_says_nothing(
    captured: Captured, quiet: Callable[[], list[str]]
) -> None:
    @monitor
    async def abandoned(cycle: list[Any]) -> None:
        await Pause()

    def start() -> None:
        cycle: list[Any] = []
        cycle.append(abandoned(cycle))
        cycle[0].send(None)

    contextvars.copy_context().run(start)
    gc.collect()
    assert captured.one("abandoned").own == {"tradespan.ended_by": "GeneratorExit"}
    assert quiet() == []


def test_a_coroutine_may_end_in_another_context_than_it_began(
    captured: Captured, quiet: Callable[[], list[str]]
) -> None:
    @monitor
    async def wanders() -> int:
        await Pause()
        return 7

    coroutine = wanders()
    contextvars.copy_context().run(coroutine.send, None)
    with pytest.raises(StopIteration) as stop:
        contextvars.copy_context().run(coroutine.send, None)
    assert stop.value.value == 7
    assert captured.one("wanders").result == 7
    assert quiet() == []


def test_an_error_leaves_nothing_current_though_the_body_forgot_to_detach(
    captured: Captured,
) -> None:
    @monitor
    async def forgetful() -> None:
        api.attach(api.set_value("left", "over"))
        raise ValueError("x")

    async def program() -> None:
        before = api.get_current()
        with pytest.raises(ValueError, match="x"):
            await forgetful()
        assert api.get_current() == before
        assert current() == 0

    asyncio.run(program())


def test_a_scope_in_a_generator_left_early_says_nothing(
    captured: Captured, quiet: Callable[[], list[str]]
) -> None:
    async def ticks() -> AsyncIterator[int]:
        with captured.tracer.start_as_current_span("ticks"):
            for n in range(10):
                yield n

    async def program() -> None:
        generator = ticks()
        async for _ in generator:
            break
        closing: Any = generator
        await asyncio.create_task(closing.aclose())

    asyncio.run(program())
    assert not captured.one("ticks").failed
    assert quiet() == []


@pytest.mark.parametrize(
    "hop",
    [
        lambda: asyncio.to_thread(compute, 3),
        lambda: asyncio.get_running_loop().run_in_executor(
            None, contextvars.copy_context().run, compute, 3
        ),
    ],
)
def test_a_thread_with_the_callers_context_continues_its_trace(
    captured: Captured, hop: Callable[[], Awaitable[int]]
) -> None:
    @monitor
    async def outer() -> int:
        return await hop()

    assert asyncio.run(outer()) == 3
    assert captured.one("compute").parent_id == captured.one("outer").span_id


def test_a_thread_of_its_own_begins_a_trace_of_its_own(captured: Captured) -> None:
    @monitor
    def outer() -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(compute, 1).result()

    outer()
    assert captured.one("compute").parent_id == 0


def test_calls_of_many_threads_are_all_recorded_each_in_its_own_trace(captured: Captured) -> None:
    @monitor
    def work(n: int) -> int:
        return compute(n)

    def loop(start: int) -> None:
        for n in range(start, start + 200):
            work(n)

    threads = [threading.Thread(target=loop, args=(1000 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    roots = {span.arguments["n"]: span for span in captured.named("work")}
    assert len(roots) == 800
    assert len({span.trace_id for span in roots.values()}) == 800
    for span in captured.named("compute"):
        assert span.parent_id == roots[span.arguments["n"]].span_id


def test_tasks_that_start_their_successor_do_not_keep_each_other_alive(captured: Captured) -> None:
    spans: list[Any] = []

    @monitor(capture="none")
    async def reconnect(left: int) -> None:
        spans.append(trace.get_current_span())
        if left:
            successors.append(asyncio.create_task(reconnect(left - 1)))

    successors: list[asyncio.Task[None]] = []

    async def program() -> None:
        await reconnect(5)
        while successors:
            await successors.pop()

    asyncio.run(program())
    assert len(spans) == 6
    assert not any(span in gc.get_referents(other) for span in spans for other in spans)
