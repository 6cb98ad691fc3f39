"""What is instrumented: the same functions for tradespan, the SDK and the peers."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

ATTRIBUTES: dict[str, str | float | int] = {
    "symbol": "BTC-USDT",
    "side": "buy",
    "quantity": 1.5,
    "venue": "SIM",
    "retry": 0,
}
DEPTH = 10
ITEMS = 10
_WORDS = (
    "the order rests at the best bid while depth on the far side thins out and the spread widens; "
)
TEXTS = itertools.cycle(
    [f"{number:03d} {_WORDS * 12}"[:1_000] for number in range(64)]  # one text might be cached
)
_number = itertools.count()


def empty() -> None:
    """The least there is to watch."""


def two(quantity: int, symbol: str) -> int:
    """Two plain arguments and a result."""
    return quantity


def texts(first: str, second: str) -> None:
    """Two long strings."""


def fail_plainly(depth: int = DEPTH) -> None:
    """Raise so many frames down, each time with another message."""
    if depth == 1:
        raise ValueError(f"order {next(_number)} refused: price outside the band")
    fail_plainly(depth - 1)


def fail_with_secret(depth: int = DEPTH) -> None:
    """The same with something in the message that has to be hidden."""
    if depth == 1:
        raise ValueError(f"order {next(_number)} refused: api_key=k-4711 expired")
    fail_with_secret(depth - 1)


async def empty_async() -> None:
    """A coroutine that does not wait."""


def items() -> Iterator[int]:
    """A generator of ten items."""
    yield from range(ITEMS)


async def items_async() -> AsyncIterator[int]:
    """An async one."""
    for item in range(ITEMS):
        yield item


def passthrough(function: Callable[..., Any]) -> Callable[..., Any]:
    """The least a wrapper that takes any arguments can cost."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def caught(function: Callable[[], object]) -> Callable[[], None]:
    """A call whose ValueError is caught by its caller."""

    def call() -> None:
        try:
            function()
        except ValueError:
            pass

    return call


def some_work() -> int:
    """About 0.3 µs on the machine that the bars were set on."""
    total = 0
    for number in range(16):
        total += number
    return total


def more_work() -> int:
    """About 6 µs there."""
    total = 0
    for number in range(360):
        total += number
    return total
