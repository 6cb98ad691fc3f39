"""What the garbage collector did: how often, and how long it stopped the process.

Python calls us in the middle of whatever made the collector run. So nothing but a number is kept
there, and counted later by the thread that reads the rest.
"""

from __future__ import annotations

import gc
from time import perf_counter_ns
from typing import Any, Final

from tradespan.declare import instruments as declared
from tradespan.signals.metrics.instruments import Counter, Histogram
from tradespan.signals.sets.base import Maker

GENERATIONS: Final = ("0", "1", "2")
MOST_PAUSES: Final = 20_000
"""That are kept until they are counted; later ones are missing."""


class Collections:
    """`gc.get_stats()` as counters, and pauses as a histogram."""

    def __init__(self, make: Maker) -> None:
        names = (
            ("collections", declared.CPYTHON_GC_COLLECTIONS),
            ("collected", declared.CPYTHON_GC_COLLECTED_OBJECTS),
            ("uncollectable", declared.CPYTHON_GC_UNCOLLECTABLE_OBJECTS),
        )
        self._counters: list[tuple[str, Counter]] = [(name, make(each)) for name, each in names]
        self._duration: Histogram = make(declared.TRADESPAN_GC_DURATION)
        self._before: dict[tuple[str, int], int] = {}
        self._began = 0
        self._pauses: list[tuple[int, int]] = []
        self._follows = False

    def follow(self) -> None:
        """Begin to time pauses."""
        if not self._follows:
            self._follows = True
            gc.callbacks.append(self._on_gc)

    def leave(self) -> None:
        """Time them no more."""
        if self._follows:
            self._follows = False
            gc.callbacks.remove(self._on_gc)

    def collect(self) -> None:
        """Count what happened since the last time."""
        for generation, stats in enumerate(gc.get_stats()):
            for name, counter in self._counters:
                count = stats[name]
                key = name, generation
                counter.labels(str(generation)).add(max(count - self._before.get(key, 0), 0))
                self._before[key] = count
        pauses, self._pauses = self._pauses, []
        for generation, nanoseconds in pauses:
            self._duration.labels(GENERATIONS[generation]).record(nanoseconds / 1e9)

    def begin_anew(self) -> None:
        """In a forked child: what was collected before is the parent's."""
        self._pauses = []
        for generation, stats in enumerate(gc.get_stats()):
            for name, _ in self._counters:
                self._before[name, generation] = stats[name]

    def _on_gc(self, phase: str, info: dict[str, Any]) -> None:
        """Of Python's; the collector never runs in itself, so that one beginning is enough."""
        if phase == "start":
            self._began = perf_counter_ns()
        elif self._began and len(self._pauses) < MOST_PAUSES:
            self._pauses.append((info["generation"], perf_counter_ns() - self._began))
