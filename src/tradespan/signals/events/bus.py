"""The event bus: publish, subscribe, look back.

Where a callback runs (docs/guides/events.md has the reasons):

- a function: in the bus's thread, while the publisher waits for at most `patience` seconds, so
  that what it does is seen when `publish` returns. One that takes longer keeps a thread of its own
  and is never waited for again;
- with `inline=True`: in the publisher's thread, however long it takes;
- a coroutine function: in the event loop it was subscribed in, or else the first that publishes to
  it; nobody waits for it.

Each subscriber gets events one after the other, in the order of their publication. What it raises
is counted and logged, and reaches neither publisher nor other subscribers; only what is not an
`Exception`, such as SystemExit, passes to a publisher that waits.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections import deque
from collections.abc import Hashable
from contextvars import ContextVar, copy_context
from dataclasses import replace
from enum import Enum
from typing import Final, NamedTuple
from weakref import finalize, ref

from tradespan.core import guard
from tradespan.core.forks import after_fork_in_child
from tradespan.signals.events.emitting import Emitting
from tradespan.signals.events.misuse import find_fault, is_tellable, refuse_subscription
from tradespan.signals.events.recording import record
from tradespan.signals.events.subscriptions import Callback, Subscriber, Subscription
from tradespan.signals.events.threads import Caller, forget_threads
from tradespan.signals.events.types import Event, EventType, find_near_type, key_of_type
from tradespan.signals.summaries import holds_little, keep_small

PATIENCE: Final = 0.1
_DEEPEST: Final = 32
"""Events published by a subscriber of an event published by a subscriber …"""
_AT_EXIT: Final = 1.0
"""Seconds that a process's end waits for subscribers that have threads of their own."""

_depth: ContextVar[int] = ContextVar("tradespan.events.depth", default=0)


class _Told(NamedTuple):
    """The subscriptions of one type, by where they are called."""

    inline: tuple[Subscription, ...] = ()
    in_thread: tuple[Subscription, ...] = ()
    in_loop: tuple[Subscription, ...] = ()


class EventBus(Emitting):
    """Publish/subscribe, with a ring of what was published.

    Args:
        buffer_size: Events that the ring keeps.
        patience: Seconds that `publish` waits for subscribers, at most.

    Every event is also a log event of OpenTelemetry, once tradespan is configured.

    Raises:
        ValueError: `buffer_size` is no number of events.
    """

    def __init__(self, buffer_size: int = 1000, *, patience: float = PATIENCE) -> None:
        size: object = buffer_size
        if not isinstance(size, int) or size < 0:
            raise ValueError(f"buffer_size is a number of events, 0 or more; not {buffer_size!r}")
        self._ring: deque[Event] = deque(maxlen=buffer_size)
        self._subscriptions: tuple[Subscription, ...] = ()
        self._told: dict[Hashable, _Told] = {}
        self._told_of_all = _Told()
        self._caller = Caller(patience)
        self._lock = threading.RLock()
        after_fork_in_child(self._begin_afresh)
        finalize(self, self._caller.end).atexit = False

    @property
    def patience(self) -> float:
        """Seconds that `publish` waits for subscribers, at most."""
        return self._caller.patience

    @patience.setter
    def patience(self, seconds: float) -> None:
        self._caller.patience = seconds

    @property
    def heard(self) -> bool:
        """Whether anybody has subscribed."""
        return bool(self._subscriptions)

    def subscribe(
        self, event_type: EventType | Enum | str | None, callback: Callback, *, inline: bool = False
    ) -> None:
        """Have a callback told of events. Subscribed twice, it is told twice.

        Args:
            event_type: Of this type; None: of all.
            callback: Called with the `Event`; a coroutine function is awaited.
            inline: Call it in the publisher's thread, which waits however long it takes.

        Raises:
            TypeError: The callback cannot be called, or the type is no type.
        """
        refuse_subscription(event_type, callback)
        key = None if event_type is None else key_of_type(event_type)
        if near := find_near_type(event_type):
            guard.logger.warning(
                "a subscriber asks for the event type %s, which nobody has declared; did you mean"
                " %s?",
                event_type,
                near,
            )
        self._change((Subscription(key, callback, inline=inline),), ())

    def unsubscribe(self, event_type: EventType | Enum | str | None, callback: Callback) -> None:
        """End a subscription, the oldest of several; without one, nothing happens.

        A call that has begun goes on. Events that wait for the callback are not told.
        """
        key = None if event_type is None else key_of_type(event_type)
        for each in self._subscriptions:
            # Bound methods are equal, not the same; what the user's `==` does, it does unlocked.
            if each.key == key and (each.callback is callback or each.callback == callback):
                each.active = False
                self._change((), (each,))
                if each.own is not None:
                    each.own.wake()
                return

    def publish(self, event: Event) -> None:
        """Keep and record an event, and tell subscribers; those of all types first.

        No exception of theirs or ours leaves it: what is no event is logged, and one that is not
        as it should be (a misspelt severity, data that are no dict) is logged and told.
        """
        try:
            fault = find_fault(event)
            if fault is not None:
                guard.report("publishing an event", fault)
                if not is_tellable(event):
                    return
            data = event.data
            kept = event if holds_little(data) else replace(event, data=keep_small(data))
            self._ring.append(kept)
            record(event)
            told = self._told.get(key_of_type(event.event_type), self._told_of_all)
        except Exception as error:  # noqa: BLE001 - the host comes first
            guard.report("publishing an event", error)
            return
        if told:
            self._tell(event, told)

    def get_recent(self, count: int = 100) -> list[Event]:
        """The latest events, the oldest of them first.

        Values of more than a few kilobytes, and objects, are summaries here: the ring keeps nothing
        of the program's alive.
        """
        return list(self._ring.copy())[-count:] if count > 0 else []

    def get_by_type(self, event_type: EventType | Enum | str, count: int = 100) -> list[Event]:
        """The latest events of one type, the oldest of them first."""
        key = key_of_type(event_type)
        found = [each for each in self._ring.copy() if key_of_type(each.event_type) == key]
        return found[-count:] if count > 0 else []

    def subscribers(self) -> list[Subscriber]:
        """How each subscription fares: calls, failures, drops, seconds."""
        return [each.fares for each in self._subscriptions]

    def flush(self, timeout: float = 1.0) -> bool:
        """Wait until functions have been told of all that was published.

        Args:
            timeout: Seconds at most.

        Returns:
            Whether they have; False in a subscriber.
        """
        slow = [each for each in self._subscriptions if each.own is not None]
        return self._caller.flush(slow, time.monotonic() + timeout)

    def _tell(self, event: Event, told: _Told) -> None:
        depth = _depth.get()
        if depth >= _DEEPEST:
            for each in (*told.inline, *told.in_thread, *told.in_loop):
                each.drop(f"{_DEEPEST} subscribers have published one for another")
            return
        token = _depth.set(depth + 1)
        try:
            for each in told.inline:
                each.call(event)
            if told.in_loop or told.in_thread:
                context = copy_context()
                for each in told.in_loop:
                    each.schedule(event, context.copy())
                if told.in_thread:
                    self._caller.call(event, context, told.in_thread)
        except Exception as error:  # noqa: BLE001 - the host comes first
            guard.report("telling subscribers of an event", error)
        finally:
            _depth.reset(token)

    def _change(self, more: tuple[Subscription, ...], less: tuple[Subscription, ...]) -> None:
        """Other subscriptions from now on; whoever publishes sees the old ones or the new ones."""
        with self._lock:
            kept = tuple(each for each in self._subscriptions if each not in less) + more
            keys = dict.fromkeys(each.key for each in kept)
            self._told = {key: _arrange(kept, key) for key in keys if key is not None}
            self._told_of_all = _arrange(kept, None)
            if more and not self._subscriptions:
                atexit.register(_flush_at_exit, ref(self))
            self._subscriptions = kept

    def _begin_afresh(self) -> None:
        self._lock = threading.RLock()
        forget_threads()
        self._caller.begin_afresh()
        for each in self._subscriptions:
            each.begin_afresh()


def _arrange(subscriptions: tuple[Subscription, ...], key: Hashable | None) -> _Told:
    """Who is told of a type: those of all types first, as they were subscribed."""
    found = [each for each in subscriptions if each.key is None]
    if key is not None:
        found += [each for each in subscriptions if each.key == key]
    return _Told(
        tuple(each for each in found if each.inline),
        tuple(each for each in found if not each.inline and not each.is_async),
        tuple(each for each in found if each.is_async),
    )


def _flush_at_exit(reference: ref[EventBus]) -> None:
    bus = reference()
    if bus is not None:
        with guard.guarded("exit"):
            bus.flush(_AT_EXIT)


events: Final = EventBus()
"""The process's own."""
