"""What observes: callbacks of the program, run one after the other in one small thread of the bot.

A callback that hangs keeps the others waiting, and nobody else. There is no thread before something
observes, and a forked child has one of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from tradespan.core import guard
from tradespan.core.forks import after_fork_in_child
from tradespan.declare.instruments import (
    TRADESPAN_METRICS_CALLBACK_DURATION,
    TRADESPAN_METRICS_CALLBACK_FAILURES,
)
from tradespan.signals.metrics.registry import REGISTRY, InstrumentRegistry

SLOW: Final = 1.0
"""Seconds; a callback that takes longer is told, once."""
LONGEST_END: Final = 1.0
"""Seconds that the last observation of a process may take."""


class Task(Protocol):
    """A callback, or several of one instrument."""

    @property
    def label(self) -> str:
        """Whose it is: a name of an instrument, as a rule."""
        ...

    def run(self) -> None:
        """Observe. What it raises is counted."""
        ...


class Observer:
    """Runs tasks at each interval, from `begin` to `end`."""

    def __init__(self, registry: InstrumentRegistry) -> None:
        """`registry`: what it counts of itself is counted there."""
        self._registry = registry
        self._tasks: list[Task] = []
        self._told: set[int] = set()
        self._interval: float | None = None
        self._lock = threading.Lock()
        self._worker: _Worker | None = None
        after_fork_in_child(self._begin_anew)

    def add(self, task: Task) -> None:
        """Run it from now on."""
        self._tasks.append(task)
        self._see_to_worker()

    def begin(self, interval: float) -> None:
        """Observe every so many seconds, if there is something to observe."""
        self._interval = interval
        self._see_to_worker()

    def end(self, timeout: float = LONGEST_END) -> None:
        """Observe once more, and stop; wait so many seconds at most."""
        self._interval = None
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end(timeout)

    def observe(self, timeout: float = LONGEST_END) -> bool:
        """Observe now, in the thread. Whether it was done in so many seconds; True: nothing to do.

        Not called by a callback: it would wait for itself.
        """
        worker = self._worker
        return worker is None or worker.observe(timeout)

    def pause(self) -> bool:
        """See `bootstrap/greenlets.py`."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end(0.0, last=False)
        return worker is not None

    def resume(self) -> None:
        """Likewise."""
        self._lock = threading.Lock()
        self._see_to_worker()

    def run_all(self, running: Callable[[Task | None], object]) -> None:
        """All tasks once. `running` is told of each before it runs, and of None afterwards."""
        for task in self._tasks.copy():
            running(task)
            began = time.monotonic()
            try:
                task.run()
            except BaseException as error:  # noqa: BLE001 - the thread outlives what it runs
                self._count_failure(task.label, error)
            self._count_time(task, time.monotonic() - began)
        running(None)

    def _see_to_worker(self) -> None:
        with guard.guarded("the thread that observes"), self._lock:
            if self._tasks and self._worker is None and self._interval is not None:
                worker = _Worker(self, self._interval)
                worker.start()
                self._worker = worker

    def _begin_anew(self) -> None:
        """In a forked child: the parent's thread is not there, and its lock may be held."""
        self._lock = threading.Lock()
        self._worker = None
        self._see_to_worker()

    def _count_failure(self, label: str, error: BaseException) -> None:
        with suppress(BaseException):  # under test `report` raises
            failures = self._registry.from_declaration(TRADESPAN_METRICS_CALLBACK_FAILURES)
            failures.labels(label).add(1)
            guard.report(f"observing {label}", error)

    def _count_time(self, task: Task, seconds: float) -> None:
        with guard.guarded("timing what observes"):
            durations = self._registry.from_declaration(TRADESPAN_METRICS_CALLBACK_DURATION)
            durations.labels(task.label).record(seconds)
            if seconds > SLOW and id(task) not in self._told:
                self._told.add(id(task))
                guard.logger.warning(
                    "Observing %s took %.1f s, and delays all that is observed; said once",
                    task.label,
                    seconds,
                )


class _Worker:
    """One thread, from its start to its end."""

    def __init__(self, observer: Observer, interval: float) -> None:
        self._observer = observer
        self._interval = interval
        self._changed = threading.Condition()
        self._asked = self._done = 0
        self._ending = self._last = False
        self._running: Task | None = None
        self._since = 0.0
        self._thread = threading.Thread(target=self._run, name="tradespan-observe", daemon=True)

    def start(self) -> None:
        """Begin.

        Raises:
            RuntimeError: There is no room for a thread.
        """
        self._thread.start()

    def observe(self, timeout: float) -> bool:
        """Ask for a round, and wait for it."""
        with self._changed:
            self._asked += 1
            mine = self._asked
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._done >= mine, timeout)

    def end(self, timeout: float, *, last: bool = True) -> None:
        """Ask it to end, after a last round, and wait for that."""
        with self._changed:
            self._ending, self._last = True, last
            self._changed.notify_all()
        if timeout > 0 and self._thread is not threading.current_thread():
            self._thread.join(timeout)
            self._tell_if_hanging()

    def _tell_if_hanging(self) -> None:
        task = self._running
        if self._thread.is_alive() and task is not None:
            guard.logger.warning(
                "Observing %s has not come back for %.1f s: what is observed last is missing",
                task.label,
                time.monotonic() - self._since,
            )

    def _run(self) -> None:
        ending = False
        while not ending:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._ending or self._asked > self._done, self._interval
                )
                ending, asked = self._ending, self._asked
                if ending and not self._last:
                    return
            self._observer.run_all(self._begins)
            with self._changed:
                self._done = asked
                self._changed.notify_all()

    def _begins(self, task: Task | None) -> None:
        self._running, self._since = task, time.monotonic()


OBSERVER: Final = Observer(REGISTRY)
"""The process's own."""
