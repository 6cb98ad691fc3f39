"""What mypy sees of watched functions: the types that they had before.

Checked by `make check` with all other files, and by the test beside it. Nothing here is run.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Generic, ParamSpec, TypeVar, assert_type, overload

from opentelemetry.trace import SpanKind

import tradespan

T = TypeVar("T")
P = ParamSpec("P")


@tradespan.monitor
def price_of(symbol: str, quantity: int = 1, *, venue: str = "DEMO") -> float:
    return 1.0


@tradespan.monitor(
    name="price",
    process_group="pricing",
    kind=SpanKind.CLIENT,
    attributes={"trading.venue": "DEMO"},
    sample_rate=0.1,
    min_duration=0.001,
    capture={"args": True, "result": True, "locals": True},
    serializer=str,
    max_repr=500,
    sensitive_fields=("account",),
    queue_warning_threshold=1_000,
    durable=True,
    objective={"latency": 0.05, "success": 0.999},
    metrics=False,
)
def price_with_options(symbol: str) -> float:
    return 1.0


@tradespan.monitor()
def price_with_parentheses(symbol: str) -> float:
    return 1.0


@tradespan.monitor(capture="none", serializer="json")
async def fetch(symbol: str) -> int:
    return 1


@tradespan.monitor(capture="all", serializer="repr")
def ticks(count: int) -> Generator[int, str, bool]:
    yield 1
    return True


@tradespan.monitor
async def feed(count: int) -> AsyncGenerator[int, str]:
    yield 1


@tradespan.monitor
async def read(count: int) -> AsyncIterator[int]:
    yield 1


def check_functions() -> None:
    assert_type(price_of("X"), float)
    assert_type(price_of("X", 2, venue="V"), float)
    assert_type(price_with_options("X"), float)
    assert_type(price_with_parentheses("X"), float)
    assert_type(ticks(1), Generator[int, str, bool])
    assert_type(feed(1), AsyncGenerator[int, str])
    assert_type(read(1), AsyncIterator[int])


def check_refusals() -> None:
    price_of(1)  # type: ignore[arg-type]
    price_of()  # type: ignore[call-arg]
    price_of("X", size=1)  # type: ignore[call-arg]
    price_with_options(1)  # type: ignore[arg-type]
    ticks("1")  # type: ignore[arg-type]
    tradespan.monitor(sampel_rate=0.1)  # type: ignore[call-overload]
    tradespan.monitor(sample_rate="often")  # type: ignore[call-overload]
    tradespan.monitor(capture="some")  # type: ignore[call-overload]
    tradespan.monitor(serializer="pickle")  # type: ignore[call-overload]
    tradespan.monitor(5)  # type: ignore[call-overload]


@tradespan.monitor
def first(items: list[T]) -> T:
    return items[0]


@tradespan.monitor
def call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return function(*args, **kwargs)


@overload
def scaled(value: int) -> int: ...
@overload
def scaled(value: str) -> str: ...
@tradespan.monitor
def scaled(value: int | str) -> int | str:
    return value * 2


def check_generic_and_overloaded() -> None:
    assert_type(first([1, 2]), int)
    assert_type(first(["a"]), str)
    assert_type(call(price_of, "X", quantity=2), float)
    call(price_of, 5)  # type: ignore[arg-type]
    assert_type(scaled(1), int)
    assert_type(scaled("a"), str)


class Desk(Generic[T]):
    @tradespan.monitor
    def place(self, item: T) -> T:
        return item

    @tradespan.monitor
    @classmethod
    def opened(cls, name: str) -> Desk[int]:
        return Desk()

    @classmethod
    @tradespan.monitor(process_group="desk")
    def closed(cls, name: str) -> str:
        return name

    @tradespan.monitor
    @staticmethod
    def rounded(value: float) -> int:
        return round(value)

    @staticmethod
    @tradespan.monitor
    def checked(value: float) -> int:
        return round(value)

    @property
    @tradespan.monitor
    def spread(self) -> float:
        return 0.5

    @functools.cached_property
    @tradespan.monitor
    def depth(self) -> int:
        return 10


@dataclass(slots=True)
class Order:
    symbol: str

    @tradespan.monitor
    def cost(self, price: float) -> float:
        return price


class Strategy(abc.ABC):
    @tradespan.monitor
    @abc.abstractmethod
    def decide(self) -> str: ...


def check_methods(desk: Desk[str]) -> None:
    assert_type(desk.place("X"), str)
    assert_type(Desk.opened("A"), Desk[int])
    assert_type(Desk.closed("A"), str)
    assert_type(desk.rounded(1.5), int)
    assert_type(Desk.checked(1.5), int)
    assert_type(desk.spread, float)
    assert_type(desk.depth, int)
    assert_type(Order("X").cost(1.0), float)
    desk.place(1)  # type: ignore[arg-type]
    Order("X").cost("1")  # type: ignore[arg-type]
    Strategy()  # type: ignore[abstract]


class Threshold:
    limit: int = 5

    def __call__(self, value: int) -> bool:
        return value > self.limit


@contextlib.contextmanager
@tradespan.monitor
def session(name: str) -> Iterator[int]:
    yield 1


@tradespan.monitor
@contextlib.asynccontextmanager
async def connection(name: str) -> AsyncIterator[int]:
    yield 1


def check_instrumenting() -> None:
    named = tradespan.instrument(functools, include=r"functools\.partial", exclude="test_")
    assert_type(named, list[str])
    tradespan.instrument(
        "bot.risk",
        exclude=("test_", r"bot\.risk\.Limits"),
        process_group="risk",
        sample_rate=0.1,
        min_duration=0.001,
        slow=0.5,
        capture={"args": False},
        max_repr=500,
        sensitive_fields=("account",),
        durable=True,
        objective={"latency": 0.05},
        metrics=False,
    )
    made = tradespan.auto_instrument_module(
        module=functools, include_regex="^cache", exclude=("_",), process_group="python"
    )
    assert_type(made, list[str])
    tradespan.instrument("bot", sampel_rate=0.1)  # type: ignore[call-arg]
    tradespan.instrument("bot", sample_rate="often")  # type: ignore[arg-type]
    tradespan.auto_instrument_module("bot", include_regex=5)  # type: ignore[arg-type]
    tradespan.uninstrument()


def check_other_callables() -> None:
    rule = tradespan.monitor(Threshold())
    assert_type(rule, Threshold)
    assert_type(rule(7), bool)
    assert_type(rule.limit, int)
    assert_type(tradespan.monitor(functools.partial(price_of, "X"))(2), float)
    with session("A") as opened:
        assert_type(opened, int)


async def check_awaited() -> None:
    assert_type(await fetch("X"), int)
    assert_type(asyncio.create_task(fetch("X")), asyncio.Task[int])
    async with connection("A") as opened:
        assert_type(opened, int)
    async for item in feed(1):
        assert_type(item, int)
