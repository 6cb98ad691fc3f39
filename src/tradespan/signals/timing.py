"""How long operations take: a timer around them, or a start here and an end elsewhere."""

from __future__ import annotations

import functools
import inspect
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, TypeVar, cast

from tradespan.core.clock import Clock, SystemClock
from tradespan.core.forks import after_fork_in_child
from tradespan.signals import timing_records as records
from tradespan.signals.metrics.series import text_of

F = TypeVar("F", bound=Callable[..., Any])

SLOW: Final = 1.0
"""Seconds from which on an operation is slow."""
MOST_RUNNING: Final = 10_000
LONGEST: Final = 3_600.0
"""Seconds after which a timer that nobody ended is taken for forgotten."""


class timer:  # noqa: N801 - reads as a statement: `with timer("load"):`
    """Times a block, or each call of a function, also one that raises or is awaited.

        with tradespan.timer("load_history"):
            ...

        @tradespan.timer("load_history")
        async def load(): ...

    Args:
        operation: Its name: the label of the histogram `tradespan.timer.duration`. A word of your
            program's, no id: each name is a series.
        slow: Seconds from which on one warning "slow operation" is written; None: never.

    `elapsed` is how long the latest block took, in seconds. A timer may be used again and inside
    itself, not by several threads or tasks at the same time: make one for each.
    """

    __slots__ = ("_began", "elapsed", "operation", "slow")

    def __init__(self, operation: str, *, slow: float | None = SLOW) -> None:
        self.operation = operation
        self.slow = slow
        self.elapsed = 0.0
        self._began: list[int] = []

    def __enter__(self) -> Self:
        self._began.append(time.perf_counter_ns())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        elapsed = time.perf_counter_ns() - self._began.pop()
        self.elapsed = elapsed / 1e9
        records.record_duration(self.operation, elapsed, kind, slow=self.slow)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        """Time each call of a function; each has a timer of its own."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def timed_async(*args: Any, **kwargs: Any) -> Any:
                with timer(self.operation, slow=self.slow):
                    return await function(*args, **kwargs)

            return cast(F, timed_async)

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with timer(self.operation, slow=self.slow):
                return function(*args, **kwargs)

        return cast(F, timed)


class _Running(NamedTuple):
    """An operation that has a start and no end yet."""

    operation: str
    began: int


class LatencyTracker:
    """Times what begins in one callback and ends in another, in any thread.

        tracker.start_timer("order_roundtrip", trace_id)
        ...
        nanoseconds = tracker.end_timer(trace_id)

    Args:
        slow: As for `timer`.
        most: Operations that run at once; beyond them the oldest is forgotten.
        longest: Seconds after which one that nobody ended is forgotten.
        clock: Its monotonic time counts.

    What is forgotten is counted: `forgotten` here, and `tradespan.timer.forgotten`. Nothing
    outlives the process: an end whose start was in an earlier one is an unknown one.
    """

    def __init__(
        self,
        *,
        slow: float | None = SLOW,
        most: int = MOST_RUNNING,
        longest: float = LONGEST,
        clock: Clock | None = None,
    ) -> None:
        self.slow = slow
        self.forgotten = 0
        self.unknown = 0
        """Ends without a start."""
        self._most = most
        self._longest = int(longest * 1e9)
        self._clock = clock or SystemClock()
        self._running: dict[tuple[str, str], _Running] = {}
        self._latest: dict[str, list[str]] = {}
        self._lock = threading.RLock()
        after_fork_in_child(self._begin_afresh)

    def __len__(self) -> int:
        return len(self._running)

    def start_timer(self, operation: str, trace_id: str) -> None:
        """Begin to time an operation; the same one of a trace again begins anew.

        Args:
            operation: Its name, as for `timer`.
            trace_id: What ties start and end together: a trace's id, an order's.
        """
        now = self._clock.monotonic()
        operation, trace_id = text_of(operation), text_of(trace_id)
        with self._lock:
            self._forget(now)
            self._take(trace_id, operation)
            self._running[trace_id, operation] = _Running(operation, now)
            self._latest.setdefault(trace_id, []).append(operation)

    def end_timer(self, trace_id: str, operation: str | None = None) -> int | None:
        """End an operation, and record how long it took.

        Args:
            trace_id: As at its start.
            operation: Which one, where several run for this id; the one begun last if left out.

        Returns:
            Nanoseconds; None if none has begun that is known.
        """
        now = self._clock.monotonic()
        trace_id = text_of(trace_id)
        with self._lock:
            names = self._latest.get(trace_id)
            name = names[-1] if names else ""
            if operation is not None:
                name = text_of(operation)
            found = self._take(trace_id, name)
            if found is None:
                self.unknown += 1
                return None
        elapsed = max(0, now - found.began)
        records.record_duration(found.operation, elapsed, None, slow=self.slow, trace_id=trace_id)
        return elapsed

    def _take(self, trace_id: str, operation: str) -> _Running | None:
        found = self._running.pop((trace_id, operation), None)
        if found is not None:
            names = self._latest[trace_id]
            names.remove(operation)
            if not names:
                del self._latest[trace_id]
        return found

    def _forget(self, now: int) -> None:
        while self._running:
            (trace_id, operation), oldest = next(iter(self._running.items()))
            if len(self._running) < self._most and now - oldest.began < self._longest:
                return
            self._take(trace_id, operation)
            self.forgotten += 1
            records.count_forgotten(operation)

    def _begin_afresh(self) -> None:
        self._lock = threading.RLock()  # a thread that is not here may hold the parent's
