"""The bus's thread: subscribers are called in it while the publisher waits, and not for long.

One thread calls all subscribers, one after the other. One that takes longer than the publisher's
patience keeps the thread, as its own for good, and another thread takes over what is left: so
nobody waits for it again, neither publisher nor other subscribers. Each sees events in their order.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Final

from tradespan.core import guard
from tradespan.signals.events.subscriptions import MOST_WAITING, SLOW, Subscription
from tradespan.signals.events.types import Event

MOST_STRIKES: Final = 3
"""Slow calls, after which a subscriber gets a thread of its own, too."""
_serving: Final[set[int]] = set()
"""Threads of buses: what a subscriber publishes there is not waited for."""


class _Job:
    """One event and those who are still to be told."""

    __slots__ = ("context", "done", "event", "left", "raised")

    def __init__(self, event: Event | None, context: Context, left: Sequence[Subscription]) -> None:
        self.event = event
        self.context = context
        self.left = deque(left)
        self.done = threading.Lock()
        self.done.acquire()
        self.raised: BaseException | None = None


_Queue = queue.SimpleQueue[_Job | None]


class _Shift:
    """One thread at work on the queue, until another takes over."""

    __slots__ = ("calling", "is_over", "job", "since")

    def __init__(self, job: _Job | None = None) -> None:
        self.job = job
        self.calling: Subscription | None = None
        self.since = 0.0
        self.is_over = False


class OwnThread:
    """What waits for a subscriber that was slow, told in a thread of its own."""

    def __init__(self) -> None:
        self._queue: _Queue = queue.SimpleQueue()

    def put(self, subscription: Subscription, job: _Job) -> None:
        """Have it told after all that waits."""
        if self._queue.qsize() >= MOST_WAITING:
            subscription.drop(f"{MOST_WAITING:,} wait for it already")
        else:
            self._queue.put(_Job(job.event, job.context.copy(), (subscription,)))

    def wait(self, deadline: float) -> bool:
        """Wait until what waits by now is told; `deadline`: by the monotonic clock."""
        return _wait_behind(self._queue, deadline)

    def wake(self) -> None:
        """Have the thread see that its subscriber is gone, and end."""
        self._queue.put(None)

    def serve(self, subscription: Subscription) -> None:
        """Tell it, until it unsubscribes."""
        while subscription.active:
            job = self._queue.get()
            if job is None:
                return
            if job.event is not None:
                _call(subscription, job)
            job.done.release()


def forget_threads() -> None:
    """In a forked child: those of the parent are not here, and others may get their numbers."""
    _serving.clear()


class Caller:
    """Calls subscribers in a thread of its own. A forked child has one that starts afresh."""

    def __init__(self, patience: float) -> None:
        self.patience = patience
        """Seconds that a publisher waits for subscribers, and one of them may take."""
        self.begin_afresh()

    def begin_afresh(self) -> None:
        """As in a forked child, where no thread of the parent's runs."""
        self._lock = threading.RLock()
        # Made with the thread: gevent may have patched both by then.
        self._queue: _Queue | None = None
        self._shift: _Shift | None = None
        self._slow: list[Subscription] = []

    def end(self) -> None:
        """Let the threads go; nobody publishes any more."""
        if self._queue is not None:
            self._queue.put(None)
        for each in self._slow:
            each.active = False
            if each.own is not None:
                each.own.wake()

    def call(self, event: Event, context: Context, told: Sequence[Subscription]) -> None:
        """Have them told, and wait until they are, for as long as patience lasts.

        Raises:
            BaseException: What none of them may keep, such as SystemExit, while it is waited for.
        """
        waiting = self._begin()
        if waiting is None or waiting.qsize() >= MOST_WAITING:
            none = "there is no thread to tell it in"
            for each in told:
                each.drop(f"{MOST_WAITING:,} wait for the bus's thread" if waiting else none)
            return
        job = _Job(event, context, told)
        self._leave_alone(self.patience)
        waiting.put(job)
        if threading.get_ident() in _serving or all(each.own is not None for each in told):
            return
        if not job.done.acquire(timeout=self.patience):
            # The call began a little later than the wait.
            self._leave_alone(self.patience / 2)
        elif job.raised is not None:
            raise job.raised

    def flush(self, slow: Sequence[Subscription], deadline: float) -> bool:
        """Wait until all is told that was published; `deadline`: by the monotonic clock."""
        if threading.get_ident() in _serving:
            return False
        if self._queue is not None and not _wait_behind(self._queue, deadline):
            return False
        return all(each.own.wait(deadline) for each in slow if each.own is not None)

    def _begin(self) -> _Queue | None:
        found = self._queue
        if found is None:
            with self._lock:
                found = self._queue
                if found is None:
                    found, shift = queue.SimpleQueue(), _Shift()
                    if not _start(self._serve, shift, found):
                        return None
                    self._queue, self._shift = found, shift
        return found

    def _leave_alone(self, longest: float) -> None:
        """Leave the thread to the subscriber that has it for longer than that."""
        shift = self._shift
        if shift is None or shift.calling is None or time.monotonic() - shift.since < longest:
            return
        with self._lock:
            slow = shift.calling  # stays that one while we have the lock
            if shift is not self._shift or slow is None:
                return
            if time.monotonic() - shift.since < longest:  # another one than a moment ago
                return
            assert self._queue is not None
            following = _Shift(shift.job)
            slow.own, shift.is_over = OwnThread(), True
            if not _start(self._serve, following, self._queue):
                slow.own, shift.is_over = None, False
                return
            self._shift = following
            self._slow.append(slow)
        slow.strike()
        _say_slow(slow)

    def _serve(self, shift: _Shift, waiting: _Queue) -> None:
        if shift.job is not None:
            shift.job.context = shift.job.context.copy()  # the slow one is still inside the other
        while True:
            if shift.job is None:
                shift.job = waiting.get()
            job = shift.job
            if job is None:
                return
            while job.left:
                subscription = job.left.popleft()
                own = subscription.own
                if own is not None:
                    own.put(subscription, job)
                    continue
                own = self._call(shift, subscription, job)
                if own is not None:
                    own.serve(subscription)
                    return
            job.done.release()
            shift.job = None

    def _call(self, shift: _Shift, subscription: Subscription, job: _Job) -> OwnThread | None:
        """Its own thread, if it took so long that this one is it, and another has taken over."""
        shift.since = time.monotonic()
        shift.calling = subscription
        _call(subscription, job)
        took = time.monotonic() - shift.since
        with self._lock:
            shift.calling = None
            if shift.is_over:
                return subscription.own
        if took > SLOW:
            subscription.strike()
            own = OwnThread()
            if subscription.strikes >= MOST_STRIKES and _start(own.serve, subscription):
                subscription.own = own
                self._slow.append(subscription)
                _say_slow(subscription)
        return None


def _call(subscription: Subscription, job: _Job) -> None:
    assert job.event is not None
    try:
        job.context.run(subscription.call, job.event)
    except BaseException as error:  # noqa: BLE001 - for the publisher; the thread goes on
        job.raised = error


def _start(target: Callable[..., None], *values: object) -> bool:
    """False: this process may have no more threads."""
    thread = threading.Thread(
        target=_serve_in_thread, args=(target, values), name="tradespan events", daemon=True
    )
    try:
        thread.start()
    except RuntimeError as error:
        guard.report("a thread for subscribers of events", error)
        return False
    return True


def _serve_in_thread(target: Callable[..., None], values: tuple[object, ...]) -> None:
    here = threading.get_ident()
    _serving.add(here)
    try:
        target(*values)
    finally:
        _serving.discard(here)


def _wait_behind(waiting: _Queue, deadline: float) -> bool:
    last = _Job(None, Context(), ())
    waiting.put(last)
    return last.done.acquire(timeout=max(0.0, deadline - time.monotonic()))


def _say_slow(subscription: Subscription) -> None:
    subscription.say(
        "event subscriber %s is slow: it is called in a thread of its own from now on, and nobody"
        " who publishes waits for it",
        subscription.name,
    )
