"""Quantiles over a window of time and of count, kept in the bot's memory."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from tradespan.core.clock import Clock
from tradespan.core.forks import after_fork_in_child
from tradespan.pages.metrics import Labels
from tradespan.pages.numbers import OVERFLOW_LABELS
from tradespan.signals.metrics.learnt import LearntGauge
from tradespan.signals.metrics.verbs import LabelSet, Metric, MetricValue

QUANTILE: Final = "quantile"
"""The label that says which one a series is."""
_Window = deque[tuple[int, float]]
"""Monotonic nanoseconds and value of each observation."""


def read_quantiles(quantiles: Iterable[float]) -> tuple[float, ...]:
    """Those of a summary, rising.

    Raises:
        ValueError: There is none, or one is not between 0 and 1.
    """
    found = tuple(sorted({float(each) for each in quantiles}))
    if not found or not all(0.0 <= each <= 1.0 for each in found):
        raise ValueError(f"the quantiles of a summary lie between 0 and 1: {found}")
    return found


class Summary(Metric):
    """Tells quantiles of what was observed lately, as gauges with the label `quantile`.

    Quantiles of several processes cannot be added up or averaged; a histogram's buckets can.
    """

    def __init__(
        self,
        held: LearntGauge,
        clock: Clock,
        quantiles: tuple[float, ...],
        window: float,
        most: int,
    ) -> None:
        """`window`: seconds; `most`: observations of a label set that are looked at."""
        super().__init__(held, clock)
        self.quantiles = quantiles
        self.window = window
        self._length = round(window * 1e9)
        self._most = most
        self._most_sets = max(1, held.most // len(quantiles))
        self._windows: dict[Labels, _Window] = {}
        after_fork_in_child(self._begin_anew)

    @property
    def label(self) -> str:
        """See `callbacks.Task`."""
        return self.name

    def declare(self, labels: LabelSet = None) -> None:
        """Nothing: without an observation there is no quantile."""

    def observe(self, value: float, labels: LabelSet = None) -> None:
        """Take a value in; one that is not finite is refused and counted."""
        number = value if type(value) is float else self._held.owner.to_number(value)
        if number is None:
            return
        if not math.isfinite(number):
            self._held.owner.refuse(value)
            return
        key = self._held.pairs_of(labels)
        if key not in self._windows and len(self._windows) >= self._most_sets:
            key = OVERFLOW_LABELS
        window = self._windows.setdefault(key, deque(maxlen=self._most))
        window.append((self._clock.monotonic(), number))

    def get(self, labels: LabelSet = None, *, quantile: float = 0.5) -> float | None:
        """A quantile of what was observed lately with exactly these labels; None: nothing was.

        Raises:
            ValueError: A quantile that is not between 0 and 1.
        """
        (asked,) = read_quantiles((quantile,))
        numbers = self._lately(self._held.pairs_of(labels))
        return interpolate(numbers, asked) if numbers else None

    def collect(self) -> list[MetricValue]:
        """The quantiles of each label set, now."""
        now = self._now()
        return [
            MetricValue(interpolate(numbers, each), now, {**dict(key), QUANTILE: str(each)})
            for key in list(self._windows)
            if (numbers := self._lately(key))
            for each in self.quantiles
        ]

    def run(self) -> None:
        """Set the gauges. What has no observation any more is told no more."""
        for key in list(self._windows):
            numbers = self._lately(key)
            for each in self.quantiles:
                child: Any = self._held.child({**dict(key), QUANTILE: str(each)})
                if numbers:
                    child.set(interpolate(numbers, each))
                else:
                    child.forget()

    def _lately(self, key: Labels) -> list[float]:
        """Sorted."""
        window = self._windows.get(key)
        if window is None:
            return []
        first = self._clock.monotonic() - self._length
        # A copy is one step: other threads append meanwhile.
        return sorted(number for at, number in window.copy() if at >= first)

    def _begin_anew(self) -> None:
        """In a forked child: what the parent observed is the parent's."""
        self._windows = {}


def interpolate(numbers: list[float], quantile: float) -> float:
    """A quantile of sorted numbers, between two of them in proportion."""
    place = (len(numbers) - 1) * quantile
    below = math.floor(place)
    above = min(below + 1, len(numbers) - 1)
    share = place - below
    return numbers[below] * (1.0 - share) + numbers[above] * share
