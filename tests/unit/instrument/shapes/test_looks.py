"""A watched function looks like the function: to `inspect`, `typing`, `pickle`, `copy`, asyncio."""

from __future__ import annotations

import abc
import asyncio
import collections.abc
import copy
import functools
import inspect
import pickle
import types
import typing
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from tests.unit.instrument.shapes.kinds import KINDS, Kind
from tradespan.instrument.monitor import monitor


def price_of(symbol: str, quantity: int = 1, *, venue: str = "DEMO", **more: Any) -> float:
    """What an order costs."""
    return 1.5 * quantity


async def fetch(symbol: str, quantity: int = 1, *, venue: str = "DEMO", **more: Any) -> float:
    """What an order costs, by the venue."""
    return 1.5 * quantity


def ticks(symbol: str, quantity: int = 1, *, venue: str = "DEMO", **more: Any) -> Iterator[float]:
    """Prices, one after the other."""
    yield 1.5 * quantity


async def feed(
    symbol: str, quantity: int = 1, *, venue: str = "DEMO", **more: Any
) -> AsyncIterator[float]:
    """Prices, as they come."""
    yield 1.5 * quantity


BARE: dict[str, Callable[..., Any]] = {
    function.__name__: function for function in (price_of, fetch, ticks, feed)
}
price_of, fetch, ticks, feed = (monitor(f) for f in (price_of, fetch, ticks, feed))  # type: ignore[assignment]
WATCHED: dict[str, Callable[..., Any]] = {
    "price_of": price_of,
    "fetch": fetch,
    "ticks": ticks,
    "feed": feed,
}

each = pytest.mark.parametrize("name", list(BARE))


@each
def test_the_facts_of_the_function_are_kept(name: str) -> None:
    bare, watched = BARE[name], WATCHED[name]
    assert watched is not bare
    for fact in (
        *("__name__", "__qualname__", "__module__", "__doc__", "__annotations__"),
        *("__defaults__", "__kwdefaults__"),
    ):
        assert getattr(watched, fact) == getattr(bare, fact), fact
    assert watched.__code__.co_filename == __file__


@each
def test_inspect_and_typing_say_the_same(name: str) -> None:
    bare, watched = BARE[name], WATCHED[name]
    assert inspect.unwrap(watched) is bare
    assert inspect.signature(watched) == inspect.signature(bare)
    assert inspect.getsource(watched) == inspect.getsource(bare)
    assert inspect.getdoc(watched) == inspect.getdoc(bare)
    assert typing.get_type_hints(watched) == typing.get_type_hints(bare)


@each
@pytest.mark.parametrize(
    "ask",
    [
        inspect.isfunction,
        inspect.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
        inspect.isroutine,
        asyncio.iscoroutinefunction,
    ],
)
def test_its_kind_is_the_same(name: str, ask: Callable[[Any], bool]) -> None:
    bare, watched = BARE[name], WATCHED[name]
    assert ask(watched) == ask(bare)
    assert ask(functools.partial(watched, "X")) == ask(functools.partial(bare, "X"))


@each
def test_it_is_pickled_and_copied_by_its_name(name: str) -> None:
    watched = WATCHED[name]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(watched, protocol)) is watched
    assert copy.copy(watched) is watched
    assert copy.deepcopy({"call": watched})["call"] is watched


@each
def test_it_can_be_referred_to_weakly_and_compared(name: str) -> None:
    watched = WATCHED[name]
    assert weakref.ref(watched)() is watched
    assert {watched: "call"}[watched] == "call"


def test_what_a_generator_function_gives_is_a_generator() -> None:
    generator: Any = ticks("X")
    assert isinstance(generator, types.GeneratorType)
    assert isinstance(generator, collections.abc.Generator)
    assert inspect.getgeneratorstate(generator) == inspect.GEN_CREATED
    next(generator)
    assert inspect.getgeneratorstate(generator) == inspect.GEN_SUSPENDED
    generator.close()
    assert inspect.getgeneratorstate(generator) == inspect.GEN_CLOSED
    assert generator.__name__ == "ticks"


def test_what_an_async_generator_function_gives_is_an_async_generator() -> None:
    generator: Any = feed("X")
    assert isinstance(generator, types.AsyncGeneratorType)
    assert generator.__name__ == "feed"


def test_what_a_coroutine_function_gives_is_a_coroutine_of_its_name() -> None:
    coroutine: Any = fetch("X")
    assert inspect.iscoroutine(coroutine)
    assert coroutine.__qualname__ == "fetch"
    coroutine.close()


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_attributes_are_kept_and_can_be_set(kind: Kind) -> None:
    function: Any = kind.function(lambda value: value)
    function.route = "/orders"
    watched = monitor(function)
    assert watched.route == "/orders"
    watched.route = "/fills"
    assert watched.route == "/fills"


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_an_abstract_method_of_any_kind_stays_abstract(kind: Kind) -> None:
    class Strategy(abc.ABC):  # noqa: B024 - the method is made below, of each kind
        decide = monitor(abc.abstractmethod(kind.function(lambda value: value)))

    assert Strategy.__abstractmethods__ == {"decide"}
    with pytest.raises(TypeError, match="abstract"):
        Strategy()


class Desk:
    @monitor
    def place(self, symbol: str) -> str:
        return symbol

    @monitor
    @classmethod
    def opened(cls) -> str:
        return cls.__name__


def test_bound_methods_are_pythons_own() -> None:
    desk = Desk()
    assert inspect.ismethod(desk.place)
    assert desk.place.__self__ is desk
    assert desk.place == desk.place
    assert inspect.ismethod(Desk.opened)
    assert str(inspect.signature(desk.place)) == "(symbol: 'str') -> 'str'"
    again = pickle.loads(pickle.dumps(desk.place))
    assert again("X") == "X"
    assert pickle.loads(pickle.dumps(Desk.opened))() == "Desk"


@typing.overload
def scaled(value: int) -> int: ...
@typing.overload
def scaled(value: str) -> str: ...
@monitor
def scaled(value: int | str) -> int | str:
    return value * 2


def test_overloads_are_still_known() -> None:
    assert len(typing.get_overloads(scaled)) == 2
    assert (scaled(2), scaled("a")) == (4, "aa")


# ── what cannot be watched ──────────────────────────────────────────────────────────────────────


def test_a_class_is_refused_as_what_it_is() -> None:
    with pytest.raises(TypeError, match=r"@monitor: .*Desk.* a class"):
        monitor(Desk)


@pytest.mark.parametrize("thing", [5, "work", types.ModuleType("bot"), object()])
def test_what_cannot_be_called_is_refused(thing: Any) -> None:
    with pytest.raises(TypeError, match="@monitor"):
        monitor(thing)


def test_a_misspelt_option_is_refused_by_its_name() -> None:
    options: dict[str, Any] = {"sampel_rate": 0.5}
    with pytest.raises(TypeError, match="sampel_rate"):
        monitor(**options)
