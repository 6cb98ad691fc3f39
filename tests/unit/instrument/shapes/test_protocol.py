"""A watched generator answers as the bare one does, whatever is done to it in whatever order.

The same random steps drive a generator and its watched twin; what each step gives or raises, and
what the body saw, has to be equal.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.captured import Captured
from tests.unit.instrument.shapes.kinds import AnyAsyncGenerator, AnyGenerator, Pause, drive
from tradespan.instrument.monitor import monitor

Step = tuple[str, Any]
Seen = list[Any]

STEPS = st.lists(
    st.one_of(
        st.just(("next", None)),
        st.tuples(st.just("send"), st.integers(0, 3)),
        st.tuples(st.just("throw"), st.sampled_from([ValueError, KeyError, GeneratorExit])),
        st.just(("close", None)),
    ),
    max_size=8,
)


def patient(seen: Seen) -> AnyGenerator:
    """Takes what it is sent; forgives a ValueError; cleans up."""
    got: Any = "first"
    try:
        while got != 3:
            try:
                got = yield ("item", got)
            except ValueError as error:
                seen.append(("caught", error.args))
                got = yield "forgiven"
            seen.append(got)
        return "enough"
    finally:
        seen.append("cleaned up")


def stubborn(seen: Seen) -> AnyGenerator:
    """Answers its closing with another item, once."""
    try:
        yield 1
    except GeneratorExit:
        seen.append("closing")
        yield 2
    yield 3


def delegating(seen: Seen) -> AnyGenerator:
    got = yield from patient(seen)
    seen.append(("returned", got))
    yield got


def short(seen: Seen) -> AnyGenerator:
    seen.append("ran")
    return "value"
    yield


def failing(seen: Seen) -> AnyGenerator:
    yield 1
    raise StopIteration("by mistake")  # noqa: PLR1708 - the mistake is what is tested


async def async_patient(seen: Seen) -> AnyAsyncGenerator:
    got: Any = "first"
    try:
        while got != 3:
            try:
                got = yield ("item", got)
            except ValueError as error:
                seen.append(("caught", error.args))
                got = yield "forgiven"
            seen.append(got)
    finally:
        seen.append("cleaned up")


async def async_stubborn(seen: Seen) -> AnyAsyncGenerator:
    try:
        yield 1
    except GeneratorExit:
        seen.append("closing")
        yield 2
    yield 3


async def async_failing(seen: Seen) -> AnyAsyncGenerator:
    yield 1
    raise StopAsyncIteration("by mistake")


async def async_waiting(seen: Seen) -> Any:
    """A coroutine: what it waits for gets what a generator's `yield` would get."""
    try:
        while True:
            try:
                seen.append(await Pause())
            except ValueError as error:
                seen.append(("caught", error.args))
                return "forgiven"
    finally:
        seen.append("cleaned up")


async def async_raising(seen: Seen) -> Any:
    await Pause()
    raise StopIteration("by mistake")


def outcome(action: Callable[[], Any]) -> Any:
    """What it returned, or the class and arguments of what it raised."""
    try:
        return action()
    except StopIteration as error:
        return ("StopIteration", error.value)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the twin has to raise it too
        return (type(error).__name__, str(error))


def do(generator: AnyGenerator, step: Step) -> Any:
    verb, value = step
    if verb == "next":
        return next(generator)
    if verb == "send":
        return generator.send(value)
    if verb == "throw":
        return generator.throw(value("thrown"))
    return generator.close()


def do_async(generator: AnyAsyncGenerator, step: Step) -> Any:
    verb, value = step
    if verb == "next":
        return drive(anext(generator))
    if verb == "send":
        return drive(generator.asend(value))
    if verb == "throw":
        return drive(generator.athrow(value("thrown")))
    return drive(generator.aclose())


def history(function: Callable[[Seen], Any], perform: Any, steps: list[Step]) -> Seen:
    """Each step's outcome, what the body saw, and what was left to do when it was dropped."""
    seen: Seen = []
    generator = function(seen)
    told = [outcome(partial(perform, generator, step)) for step in steps]
    # Twice, for one of them answers its first closing with an item.
    for _ in range(2):
        outcome(partial(perform, generator, ("close", None)))
    return [told, seen]


in_any_way = pytest.mark.parametrize(
    ("recording", "rate"),
    [(True, 1.0), (False, 1.0), (True, 1 - 1e-9), (True, 0.0)],
    ids=["recorded", "not recorded", "sampled", "not sampled"],
)


@in_any_way
@pytest.mark.parametrize("function", [patient, stubborn, delegating, short, failing])
def test_a_watched_generator_answers_as_the_bare_one(
    function: Callable[[Seen], AnyGenerator], recording: bool, rate: float, captured: Captured
) -> None:
    watched = monitor(sample_rate=rate)(function)
    if not recording:
        captured.slot.recorder = None

    @settings(deadline=None)
    @given(STEPS)
    def run(steps: list[Step]) -> None:
        assert history(watched, do, steps) == history(function, do, steps)

    run()


@in_any_way
@pytest.mark.parametrize("function", [async_patient, async_stubborn, async_failing])
def test_a_watched_async_generator_answers_as_the_bare_one(
    function: Callable[[Seen], AnyAsyncGenerator], recording: bool, rate: float, captured: Captured
) -> None:
    watched = monitor(sample_rate=rate)(function)
    if not recording:
        captured.slot.recorder = None

    @settings(deadline=None)
    @given(STEPS)
    def run(steps: list[Step]) -> None:
        assert history(watched, do_async, steps) == history(function, do_async, steps)

    run()


@in_any_way
@pytest.mark.parametrize("function", [async_waiting, async_raising])
def test_a_watched_coroutine_answers_as_the_bare_one(
    function: Callable[[Seen], Any], recording: bool, rate: float, captured: Captured
) -> None:
    watched = monitor(sample_rate=rate)(function)
    if not recording:
        captured.slot.recorder = None

    def advance(coroutine: Any, step: Step) -> Any:
        return do(coroutine, ("send", None) if step[0] == "next" else step)

    @settings(deadline=None)
    @given(STEPS)
    def run(steps: list[Step]) -> None:
        assert history(watched, advance, steps) == history(function, advance, steps)

    run()


def test_yield_from_gives_the_return_value(captured: Captured) -> None:
    @monitor
    def inner() -> Generator[int, None, str]:
        yield 1
        return "filled"

    def outer() -> Generator[int, None, str]:
        return (yield from inner())

    generator = outer()
    assert next(generator) == 1
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert stop.value.value == "filled"
    assert not captured.one("inner").failed


def test_a_generator_that_reads_itself_is_pythons_to_refuse(captured: Captured) -> None:
    @monitor
    def selfish() -> Iterator[int]:
        yield next(generator)

    generator = selfish()
    with pytest.raises(ValueError, match="already executing"):
        next(generator)
    assert captured.one("selfish").failed


def test_two_readers_of_one_async_generator_are_pythons_to_refuse(captured: Captured) -> None:
    @monitor
    async def slow() -> AsyncGenerator[int, None]:
        await Pause()
        yield 1

    generator = slow()
    first = anext(generator).__await__()
    next(first)
    with pytest.raises(RuntimeError, match="already running"):
        next(anext(generator).__await__())
    with pytest.raises(StopIteration):
        next(first)


def test_a_call_that_does_not_fit_is_refused_with_the_functions_name(captured: Captured) -> None:
    @monitor
    def ticks(count: int) -> Iterator[int]:
        yield count

    @monitor
    async def feed(count: int) -> AsyncIterator[int]:
        yield count

    calls: list[Any] = [lambda call: next(call()), lambda call: drive(anext(call()))]
    for function, call in zip((ticks, feed), calls, strict=True):
        with pytest.raises(TypeError, match=rf"{function.__name__}\(\) missing 1"):
            call(function)
