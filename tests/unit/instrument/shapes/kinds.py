"""One body as a function of each kind, and how each kind is called to its end.

    for kind in KINDS:
        work = monitor(kind.function(body))
        assert kind.call(work, 5) == body(5)

The function's name is `watched` and its one parameter `value`, whichever kind it is.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry import trace

Body = Callable[[Any], Any]


def plain(body: Body) -> Callable[[Any], Any]:
    def watched(value: Any) -> Any:
        return body(value)

    return watched


def coroutine(body: Body) -> Callable[[Any], Any]:
    async def watched(value: Any) -> Any:
        return body(value)

    return watched


def generator(body: Body) -> Callable[[Any], Iterator[Any]]:
    def watched(value: Any) -> Iterator[Any]:
        yield body(value)

    return watched


def async_generator(body: Body) -> Callable[[Any], AsyncIterator[Any]]:
    async def watched(value: Any) -> AsyncIterator[Any]:
        yield body(value)

    return watched


def drive(awaitable: Any) -> Any:
    """The result of a coroutine that never waits, without an event loop."""
    try:
        awaitable.__await__().send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


async def collect(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


def one(items: list[Any]) -> Any:
    (item,) = items
    return item


@dataclass(frozen=True)
class Kind:
    """A kind of function: how to make one of a body, and how to get what the body returned."""

    name: str
    function: Callable[[Body], Callable[[Any], Any]]
    finish: Callable[[Any], Any]

    def call(self, function: Callable[[Any], Any], value: Any) -> Any:
        """Call a function of this kind and let it run to its end."""
        return self.finish(function(value))

    def __str__(self) -> str:
        return self.name


KINDS = (
    Kind("plain", plain, lambda result: result),
    Kind("coroutine", coroutine, drive),
    Kind("generator", generator, lambda items: one(list(items))),
    Kind("async generator", async_generator, lambda items: one(drive(collect(items)))),
)


class Pause:
    """Gives way to whoever drives the coroutine; no event loop is needed."""

    def __await__(self) -> Generator[None, Any, Any]:
        return (yield)


def current() -> int:
    """Id of the current span; 0 if there is none."""
    return trace.get_current_span().get_span_context().span_id


AnyGenerator = Generator[Any, Any, Any]
AnyAsyncGenerator = AsyncGenerator[Any, Any]
