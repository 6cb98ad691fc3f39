"""What else can be called: objects, partials, caches, dispatchers, functions inside functions."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import types
from collections.abc import Awaitable, Generator
from typing import Any

import pytest

from tests.support.captured import Captured
from tests.unit.instrument.shapes.kinds import KINDS, Kind, drive
from tradespan.instrument.monitor import monitor


@monitor
def price_of(symbol: str, quantity: int = 1) -> float:
    return 1.5 * quantity


# ── callable objects ────────────────────────────────────────────────────────────────────────────


class Threshold:
    """A rule with a memory."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.calls = 0

    def __call__(self, value: int) -> bool:
        self.calls += 1
        return value > self.limit

    def reset(self) -> None:
        self.calls = 0


def test_a_callable_object_is_recorded(captured: Captured) -> None:
    rule = monitor(Threshold(5))
    assert rule(7) is True
    span = captured.one()
    assert "Threshold" in span.name
    assert (span.arguments, span.result) == ({"value": 7}, True)


def test_a_callable_objects_attributes_are_the_objects_own(captured: Captured) -> None:
    bare = Threshold(5)
    rule = monitor(bare)
    rule(1)
    rule(2)
    assert (rule.limit, rule.calls) == (5, 2)
    bare.limit = 1
    assert rule.limit == 1
    assert rule(2) is True
    rule.reset()
    assert bare.calls == 0
    with pytest.raises(AttributeError, match="margin"):
        rule.margin  # type: ignore[attr-defined]  # noqa: B018 - reading is what is tested


def test_a_callable_object_can_be_named(captured: Captured) -> None:
    rule = monitor(name="limit rule", process_group="risk")(Threshold(5))
    rule(1)
    assert captured.one("limit rule").attributes["tradespan.process_group"] == "risk"


def test_a_callable_object_whose_call_is_a_coroutine_is_recorded_to_its_end(
    captured: Captured,
) -> None:
    class Fetch:
        async def __call__(self, n: int) -> float:
            return price_of("X", n)

    fetch = monitor(Fetch())
    assert drive(fetch(2)) == 3.0
    (outer,) = (span for span in captured.spans if "Fetch" in span.name)
    assert captured.one("price_of").parent_id == outer.span_id
    assert outer.result == 3.0


def test_a_callable_object_is_recorded_once_however_often_it_is_decorated(
    captured: Captured,
) -> None:
    rule = monitor(monitor(Threshold(5)))
    assert rule(7) is True
    captured.one()


def test_a_watched_call_method_is_recorded(captured: Captured) -> None:
    class Rule:
        @monitor
        def __call__(self, value: int) -> int:
            return value

    assert Rule()(3) == 3
    assert captured.one("Rule.__call__").arguments == {"value": 3}


# ── partials ────────────────────────────────────────────────────────────────────────────────────


def test_a_partial_can_be_watched(captured: Captured) -> None:
    def cost(symbol: str, quantity: int, fee: float = 0.0) -> float:
        return 1.5 * quantity + fee

    watched = monitor(functools.partial(cost, "X", fee=1.0))
    assert watched(2) == 4.0
    span = captured.one()
    assert span.name.endswith("cost")
    assert span.arguments["quantity"] == 2
    assert span.result == 4.0
    assert watched.args == ("X",)
    assert watched.keywords == {"fee": 1.0}
    assert list(inspect.signature(watched).parameters) == ["quantity", "fee"]


def test_a_partial_of_a_coroutine_function_is_recorded_to_its_end(captured: Captured) -> None:
    async def fetch(symbol: str, n: int) -> float:
        await asyncio.sleep(0)
        return price_of(symbol, n)

    watched = monitor(functools.partial(fetch, "X"))
    assert asyncio.run(watched(2)) == 3.0
    assert captured.one("price_of").parent_id == captured.one("fetch").span_id


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_partial_of_a_watched_function_is_recorded_once(captured: Captured, kind: Kind) -> None:
    watched = monitor(kind.function(lambda value: value))
    assert kind.finish(functools.partial(watched, 3)()) == 3
    assert captured.one().arguments == {"value": 3}


def test_a_partial_method_of_a_watched_function_is_recorded(captured: Captured) -> None:
    class Desk:
        @monitor
        def place(self, side: str, symbol: str) -> str:
            return f"{side} {symbol}"

        buy = functools.partialmethod(place, "buy")

    assert Desk().buy("X") == "buy X"
    assert captured.one("place").arguments == {"side": "'buy'", "symbol": "'X'"}


# ── caches and dispatchers ──────────────────────────────────────────────────────────────────────


def test_below_a_cache_only_misses_are_recorded(captured: Captured) -> None:
    @functools.lru_cache
    @monitor
    def rate(symbol: str) -> int:
        return len(symbol)

    assert [rate("AB"), rate("AB"), rate("C")] == [2, 2, 1]
    assert len(captured.named("rate")) == 2
    assert rate.cache_info().hits == 1


def test_above_a_cache_every_call_is_recorded_and_the_cache_can_be_asked(
    captured: Captured,
) -> None:
    @monitor
    @functools.lru_cache
    def rate(symbol: str) -> int:
        return len(symbol)

    assert [rate("AB"), rate("AB")] == [2, 2]
    assert [span.result for span in captured.named("rate")] == [2, 2]
    assert rate.cache_info().hits == 1
    rate.cache_clear()
    assert rate.cache_info().currsize == 0


def test_below_a_dispatcher_each_implementation_is_recorded(captured: Captured) -> None:
    @functools.singledispatch
    @monitor
    def handle(event: object) -> str:
        return "unknown"

    @handle.register
    @monitor
    def handle_fill(event: int) -> str:
        return "fill"

    assert (handle("x"), handle(1)) == ("unknown", "fill")
    assert [span.result for span in captured.spans] == ["'unknown'", "'fill'"]
    assert captured.one("handle_fill").arguments == {"event": 1}


def test_above_a_dispatcher_implementations_can_still_be_registered(captured: Captured) -> None:
    @monitor
    @functools.singledispatch
    def handle(event: object) -> str:
        return "unknown"

    @handle.register(int)
    def _(event: int) -> str:
        return "fill"

    assert (handle(None), handle(1)) == ("unknown", "fill")
    assert len(captured.named("handle")) == 2


def test_a_dispatching_method_is_recorded(captured: Captured) -> None:
    class Desk:
        @functools.singledispatchmethod
        @monitor
        def handle(self, event: object) -> str:
            return "unknown"

        @handle.register
        @monitor
        def _fill(self, event: int) -> str:
            return "fill"

    assert (Desk().handle("x"), Desk().handle(1)) == ("unknown", "fill")
    assert captured.one("Desk.handle").arguments == {"event": "'x'"}
    assert captured.one("Desk._fill").arguments == {"event": 1}


# ── functions in functions, and what they give ──────────────────────────────────────────────────


def test_lambdas_and_nested_functions_go_by_pythons_names(captured: Captured) -> None:
    def outer(fee: float) -> Any:
        @monitor
        def inner(value: float) -> float:
            return value + fee

        return inner

    assert outer(0.5)(1.0) == 1.5
    assert monitor(lambda value: value * 2)(4) == 8
    here = f"{__name__}.test_lambdas_and_nested_functions_go_by_pythons_names.<locals>"
    names = [span.name for span in captured.spans]
    assert names == [f"{here}.outer.<locals>.inner", f"{here}.<lambda>"]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_function_of_any_kind_is_recorded_once_however_often_it_is_decorated(
    captured: Captured, kind: Kind
) -> None:
    watched = monitor(name="again")(monitor(monitor(kind.function(lambda value: value))))
    assert kind.call(watched, 3) == 3
    captured.one()


@pytest.mark.parametrize("wrapper", [staticmethod, classmethod])
def test_a_method_is_recorded_once_though_decorated_on_both_sides(
    captured: Captured, wrapper: Any
) -> None:
    class Desk:
        work = monitor(wrapper(monitor(lambda *args: len(args))))

    assert Desk().work(1) == (1 if wrapper is staticmethod else 2)
    captured.one()


def test_an_awaitable_that_a_plain_function_gives_is_left_to_the_caller(
    captured: Captured,
) -> None:
    awaited: list[str] = []

    async def fetch() -> str:
        awaited.append("yes")
        return "filled"

    @monitor
    def begin() -> Awaitable[str]:
        return fetch()

    pending = begin()
    assert awaited == []
    captured.one("begin")
    assert drive(pending) == "filled"


def test_an_awaitable_that_a_coroutine_gives_is_left_to_the_caller(captured: Captured) -> None:
    async def fetch() -> str:
        return "filled"

    @monitor
    async def begin() -> Awaitable[str]:
        return fetch()

    pending = drive(begin())
    assert inspect.iscoroutine(pending)
    assert drive(pending) == "filled"
    captured.one("begin")


def test_a_generator_based_coroutine_can_still_be_awaited(captured: Captured) -> None:
    def give_way() -> Generator[str, int, int]:
        return (yield "paused") + 1

    watched = monitor(types.coroutine(give_way))

    async def program() -> int:
        return await watched()

    coroutine = program()
    assert coroutine.send(None) == "paused"
    with pytest.raises(StopIteration) as stop:
        coroutine.send(1)
    assert stop.value.value == 2


@pytest.mark.parametrize("rate", [1.0, 0.0])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_context_variable_that_the_body_sets_is_seen_by_its_caller(
    captured: Captured, kind: Kind, rate: float
) -> None:
    strategy = contextvars.ContextVar("strategy", default="none")
    watched = monitor(sample_rate=rate)(kind.function(strategy.set))
    kind.call(watched, "momentum")
    assert strategy.get() == "momentum"


def test_a_coroutine_that_is_never_awaited_is_warned_of_by_its_name(captured: Captured) -> None:
    @monitor
    async def forgotten() -> None: ...

    def forget() -> None:
        forgotten()  # type: ignore[unused-coroutine]

    with pytest.warns(RuntimeWarning, match=r"'.*forgotten' was never awaited"):
        forget()
    assert captured.spans == []


def test_a_recursion_of_generators_is_a_chain(captured: Captured) -> None:
    @monitor
    def countdown(n: int) -> Generator[int, None, None]:
        yield n
        if n:
            yield from countdown(n - 1)

    assert list(countdown(5)) == [5, 4, 3, 2, 1, 0]
    spans = {span.arguments["n"]: span for span in captured.spans}
    assert [spans[n].parent_id for n in range(5)] == [spans[n + 1].span_id for n in range(5)]
