"""Calls in other threads: work that is handed over nests, a thread of its own begins anew."""

from __future__ import annotations

import pytest

from tests.contract.desk import Desk
from tests.support.captured import CapturedSpan, read_spans

HEAD = """
import asyncio, contextvars, threading
from concurrent.futures import ThreadPoolExecutor
import tradespan
tradespan.configure(root="root", store=None, forwarder="external")

@tradespan.monitor
def leaf(n):
    return n

"""


def spans_of(desk: Desk, code: str, **environment: str) -> dict[str, list[CapturedSpan]]:
    """What the program recorded, by function; it has to end well and in silence."""
    bot = desk.write("bot.py", HEAD + code)
    ended = desk.python("-W", "error", bot, environment=environment)
    assert (ended.status, ended.err) == (0, "")
    spans: dict[str, list[CapturedSpan]] = {}
    for span in read_spans(desk.root):
        spans.setdefault(span.name.rpartition(".")[2], []).append(span)
    return spans


HOPS = {
    "submit": "[pool.submit(leaf, n).result() for n in range(3)]",
    "map": "list(pool.map(leaf, range(3)))",
    "submit with keywords": "[pool.submit(leaf, n=n).result() for n in range(3)]",
}


@pytest.mark.parametrize("runtime", ["tradespan", "contextvars_context"])
@pytest.mark.parametrize("hop", HOPS.values(), ids=list(HOPS))
def test_work_handed_to_a_pool_nests_under_who_handed_it(
    desk: Desk, hop: str, runtime: str
) -> None:
    spans = spans_of(
        desk,
        f"""
@tradespan.monitor
def outer():
    return {hop}

with ThreadPoolExecutor(2) as pool:
    assert outer() == [0, 1, 2]
    assert outer() == [0, 1, 2]
""",
        OTEL_PYTHON_CONTEXT=runtime,
    )
    first, second = (span.span_id for span in spans["outer"])
    assert [s.parent_id for s in spans["leaf"]] == [first] * 3 + [second] * 3
    assert {s.trace_id for s in spans["leaf"]} == {s.trace_id for s in spans["outer"]}


def test_a_pools_thread_keeps_nothing_of_the_work_before(desk: Desk) -> None:
    spans = spans_of(
        desk,
        """
from opentelemetry import trace

@tradespan.monitor
def outer():
    pool.submit(leaf, 0).result()

with ThreadPoolExecutor(1) as pool:
    outer()
    pool.submit(leaf, 1).result()
    assert pool.submit(trace.get_current_span).result() is trace.INVALID_SPAN
""",
    )
    nested, alone = spans["leaf"]
    assert nested.parent_id == spans["outer"][0].span_id
    assert (alone.parent_id, alone.arguments) == (0, {"n": 1})


def test_a_pools_own_manners_stay_pythons(desk: Desk) -> None:
    """Results, exceptions, the initializer, and context variables of the program's own."""
    spans = spans_of(
        desk,
        """
import inspect
from concurrent.futures import Executor

mine = contextvars.ContextVar("mine", default="unset")

def fail(n):
    raise KeyError(n)

@tradespan.monitor
def outer():
    mine.set("set by the caller")
    future = pool.submit(fail, 3)
    assert isinstance(future.exception(), KeyError)
    assert pool.submit(mine.get).result() == "unset"
    try:
        pool.submit()
    except TypeError:
        pass
    else:
        raise AssertionError("a call without a function was taken")

ready = []
with ThreadPoolExecutor(1, initializer=ready.append, initargs=(1,)) as pool:
    outer()
assert ready == [1]
assert isinstance(pool, Executor)
assert list(inspect.signature(pool.submit).parameters) == ["fn", "args", "kwargs"]
try:
    pool.submit(leaf, 1)
except RuntimeError as error:
    assert "shutdown" in str(error)
""",
    )
    assert not spans["outer"][0].failed


def test_a_subclass_of_a_pool_with_a_submit_of_its_own_works(desk: Desk) -> None:
    spans = spans_of(
        desk,
        """
class Pool(ThreadPoolExecutor):
    def submit(self, fn, /, *args, **kwargs):
        return super().submit(fn, *args, **kwargs)

@tradespan.monitor
def outer():
    return pool.submit(leaf, 1).result()

with Pool(1) as pool:
    outer()
""",
    )
    assert spans["leaf"][0].parent_id == spans["outer"][0].span_id


LOOP_HOPS = {
    "to_thread": "asyncio.to_thread(leaf, 1)",
    "the loop's executor": "asyncio.get_running_loop().run_in_executor(None, leaf, 1)",
    "an executor": "asyncio.get_running_loop().run_in_executor(pool, leaf, 1)",
    "a task": "asyncio.create_task(later())",
    "a task of a task": "asyncio.create_task(between())",
}


@pytest.mark.parametrize("hop", LOOP_HOPS.values(), ids=list(LOOP_HOPS))
def test_what_a_coroutine_hands_over_nests_under_it(desk: Desk, hop: str) -> None:
    spans = spans_of(
        desk,
        f"""
async def later():
    await asyncio.sleep(0)
    return leaf(1)

async def between():
    return await asyncio.create_task(later())

@tradespan.monitor
async def outer():
    return await {hop}

with ThreadPoolExecutor(1) as pool:
    assert asyncio.run(outer()) == 1
""",
    )
    (leaf,), (outer,) = spans["leaf"], spans["outer"]
    assert (leaf.parent_id, leaf.trace_id) == (outer.span_id, outer.trace_id)
    assert outer.record.start <= leaf.record.start <= leaf.record.end <= outer.record.end


def test_a_thread_of_its_own_does_not_hang_below_who_started_it(desk: Desk) -> None:
    spans = spans_of(
        desk,
        """
@tradespan.monitor
def feed():
    leaf(1)

@tradespan.monitor
def main():
    threads = [
        threading.Thread(target=feed),
        threading.Timer(0, leaf, (2,)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

main()
""",
    )
    (feed,), (main,) = spans["feed"], spans["main"]
    inside, timed = sorted(spans["leaf"], key=lambda span: int(span.arguments["n"]))
    assert feed.parent_id == timed.parent_id == 0
    assert inside.parent_id == feed.span_id
    assert len({main.trace_id, feed.trace_id, timed.trace_id}) == 3


def test_a_thread_is_given_the_callers_span_by_a_copy_of_its_context(desk: Desk) -> None:
    spans = spans_of(
        desk,
        """
@tradespan.monitor
def outer():
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(leaf, 1))
    thread.start()
    thread.join()

outer()
""",
    )
    assert spans["leaf"][0].parent_id == spans["outer"][0].span_id


def test_generators_and_pools_mix(desk: Desk) -> None:
    spans = spans_of(
        desk,
        """
@tradespan.monitor
def ticks():
    for n in range(3):
        yield pool.submit(leaf, n).result()

@tradespan.monitor
def outer():
    assert list(pool.map(leaf, ticks())) == [0, 1, 2]

with ThreadPoolExecutor(2) as pool:
    outer()
""",
    )
    (ticks,), (outer,) = spans["ticks"], spans["outer"]
    parents = sorted(span.parent_id for span in spans["leaf"])
    assert parents == sorted([ticks.span_id] * 3 + [outer.span_id] * 3)
