"""Who is told of events: one callback, timed and counted, whose failures end here."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections import deque
from collections.abc import Callable, Hashable
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tradespan.core import guard
from tradespan.signals.events import counting
from tradespan.signals.events.types import Event

if TYPE_CHECKING:
    from tradespan.signals.events.threads import OwnThread

logger = logging.getLogger("tradespan")

Callback = Callable[[Event], Any]

MOST_WAITING: Final = 1_000
"""Events that wait for one subscriber; those that come when so many wait are dropped, counted."""
SLOW: Final = 0.02
"""Seconds that one call should not take."""
_SAID_EVERY: Final = 60.0


class Subscriber(NamedTuple):
    """How one subscription fares; `EventBus.subscribers()` lists them."""

    name: str
    """The callback's module and name."""
    way: str
    """`thread`: the bus's; `own thread`: it was slow; `inline`: the publisher's; `loop`."""
    calls: int
    failures: int
    dropped: int
    seconds: float
    """In all calls together."""


class Subscription:
    """One callback for one type of event, or for all."""

    def __init__(self, key: Hashable | None, callback: Callback, *, inline: bool) -> None:
        self.key = key
        """None: told of all types."""
        self.callback = callback
        self.name = name_callback(callback)
        self.is_async = is_async(callback)
        self.inline = inline and not self.is_async
        self.active = True
        self.own: OwnThread | None = None
        """Its own thread, once it was slow."""
        self.strikes = 0
        """How often it was slower than it should."""
        self.loop = running_loop()
        """Where it was subscribed; or the first that published to it, if it is async."""
        self.calls = self.failures = self.dropped = 0
        self.seconds = 0.0
        self._meters = counting.for_subscriber(self.name)
        self._waiting: deque[tuple[Event, Context]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._said = -_SAID_EVERY

    @property
    def fares(self) -> Subscriber:
        """Its numbers so far."""
        way = "inline" if self.inline else "loop" if self.is_async else "thread"
        way = way if self.own is None else "own thread"
        return Subscriber(
            self.name, way, self.calls, self.failures, self.dropped, round(self.seconds, 9)
        )

    def call(self, event: Event) -> None:
        """Call it in this thread; what it raises is counted and ends here, but for the host's."""
        if not self.active:
            return
        began = time.perf_counter()
        try:
            result = self.callback(event)
            if result is not None and inspect.iscoroutine(result):
                self._hand_over(result)
        except Exception as error:  # noqa: BLE001 - a subscriber may do anything
            self._fail(error)
        finally:
            took = time.perf_counter() - began
            self._count(took)
            if took > SLOW and self.inline:
                self.strike()
                self.say(
                    "event subscriber %s is slow, and whoever publishes waits for it: subscribe it"
                    " without inline=True",
                    self.name,
                )

    def begin_afresh(self) -> None:
        """As in a forked child, where neither its thread nor its loop runs."""
        self.own = self.loop = self._task = None
        self._waiting = deque()

    def strike(self) -> None:
        """Count a call that took too long."""
        self.strikes += 1
        self._meters.slow.add(1)

    def drop(self, why: str) -> None:
        """Count an event that it was not told of."""
        self.dropped += 1
        self._meters.dropped.add(1)
        self.say("event subscriber %s is not told of an event: %s", self.name, why)

    def say(self, message: str, *values: object) -> None:
        """Log a warning about it, at most once a minute."""
        now = time.monotonic()
        if now - self._said >= _SAID_EVERY:
            self._said = now
            with guard.guarded("event subscriber"):
                logger.warning(message, *values)

    def _count(self, seconds: float) -> None:
        self.calls += 1
        self.seconds += seconds
        self._meters.duration.record(seconds)

    def _fail(self, error: BaseException) -> None:
        self.failures += 1
        self._meters.failures.add(1)
        guard.report(f"event subscriber {self.name}", error)

    # ── coroutine functions ─────────────────────────────────────────────────────────────────────

    def schedule(self, event: Event, context: Context) -> None:
        """Have its loop call it, one event after the other; from any thread."""
        here = running_loop()
        loop = self.loop
        if loop is None or loop.is_closed():
            if here is None:
                self.drop("its event loop is closed" if loop else "no event loop runs")
                return
            loop = self.loop = here
        if len(self._waiting) >= MOST_WAITING:
            self.drop(f"{MOST_WAITING:,} wait for it already")
            return
        self._waiting.append((event, context))
        call = loop.call_soon if loop is here else loop.call_soon_threadsafe
        try:
            call(self._begin, loop)
        except RuntimeError:  # it was closed since
            self.drop("its event loop is closed")

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._tell_waiting(loop))

    async def _tell_waiting(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            event, context = self._waiting.popleft()
            if not self.active:
                continue
            began = time.perf_counter()
            try:
                # A task for each: in the context of who published, and a cancelled one ends alone.
                task = loop.create_task(self.callback(event), context=context)
                await asyncio.wait((task,))
                error = None if task.cancelled() else task.exception()
            except Exception as raised:  # noqa: BLE001 - before there was a coroutine
                error = raised
            self._count(time.perf_counter() - began)
            if error is not None:
                self._fail(error)

    def _hand_over(self, coroutine: Any) -> None:
        """Run what a plain function returned to be awaited, such as `lambda e: told(e)`."""
        loop = self.loop or running_loop()
        if loop is None or loop.is_closed():
            coroutine.close()
            raise RuntimeError("it returned a coroutine, and no event loop runs")
        asyncio.run_coroutine_threadsafe(self._await(coroutine), loop)

    async def _await(self, coroutine: Any) -> None:
        try:
            await coroutine
        except Exception as error:  # noqa: BLE001 - as in `call`
            self._fail(error)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs in this thread."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def is_async(callback: Callback) -> bool:
    """Whether a call gives a coroutine: a function, a method, a partial of one, an object's."""
    return inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(
        getattr(type(callback), "__call__", None)  # noqa: B004 - its code is asked for
    )


def name_callback(callback: Callback) -> str:
    """Module and name of what is called; of an object, those of its type."""
    try:
        inner: Any = getattr(callback, "func", callback)
        named = inner if isinstance(getattr(inner, "__qualname__", None), str) else type(inner)
        return f"{named.__module__}.{named.__qualname__}"
    except Exception:  # noqa: BLE001 - the user's attributes may do anything
        return f"{type(callback).__module__}.{type(callback).__qualname__}"
