"""Metrics with the verbs of the documents: `inc`, `dec`, `set`, `observe`, `get`, `collect`.

Labels are a dict given with each call. Nothing here raises but what is asked for at start-up.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from tradespan.core import guard
from tradespan.core.clock import Clock
from tradespan.signals.metrics.learnt import Learnt, LearntCounter, LearntGauge, LearntHistogram

LabelSet = Mapping[str, Any] | None


@dataclass
class MetricValue:
    """What a label set of a metric stands at."""

    value: float
    """Of a histogram: how many values it has."""
    timestamp: datetime
    """When it was read, UTC."""
    labels: dict[str, str] = field(default_factory=dict)


@dataclass
class HistogramValue(MetricValue):
    """Likewise, of a histogram."""

    sum: float = 0.0
    buckets: dict[float, int] = field(default_factory=dict)
    """Upper bound → how many values are not above it; the last bound is infinity."""


class Metric:
    """What a `MetricsRegistry` makes."""

    def __init__(self, held: Learnt[Any], clock: Clock) -> None:
        self.name = held.name
        """With the prefix."""
        self.description = held.description
        self.unit = held.unit
        self.place = held.place
        """Where it was made first, `file:line`."""
        self._held: Any = held
        self._clock = clock

    @abstractmethod
    def collect(self) -> list[MetricValue]:
        """What each label set stands at, now."""

    def declare(self, labels: LabelSet = None) -> None:
        """Let a label set be there now, at 0: a first count later is seen as a rise then."""
        self._child(labels)

    def __deepcopy__(self, _: dict[int, Any]) -> Metric:
        return self  # objects that hold it are copied, and count on in the same

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def _child(self, labels: LabelSet) -> Any:
        """None: there is none for such labels."""
        try:
            return self._held.child(labels)
        except Exception as error:  # noqa: BLE001 - the host comes first
            guard.report(f"the labels of {self.name}", error)
            return None

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.wall() / 1e9, UTC)

    def _values(self) -> list[MetricValue]:
        now = self._now()
        return [MetricValue(each.value, now, labels) for labels, each in self._held.series()]


class Counter(Metric):
    """Counts what happens; it only rises."""

    def __init__(self, held: LearntCounter, clock: Clock) -> None:
        super().__init__(held, clock)

    def inc(self, amount: float = 1.0, labels: LabelSet = None) -> None:
        """Count so many more; a negative or not finite amount is refused and counted."""
        child = self._child(labels)
        if child is not None:
            child.add(amount)

    def get(self, labels: LabelSet = None) -> float:
        """What is counted with exactly these labels in this process; 0: nothing."""
        found = self._held.find(labels)
        return 0.0 if found is None else found.value

    def collect(self) -> list[MetricValue]:
        """What each label set has counted in this process."""
        return self._values()


class Gauge(Metric):
    """Holds what something stands at."""

    def __init__(self, held: LearntGauge, clock: Clock) -> None:
        super().__init__(held, clock)
        self._removed: set[tuple[tuple[str, str], ...]] = set()

    def set(self, value: float, labels: LabelSet = None) -> None:
        """It is this now; a value that is not finite is refused and counted."""
        child = self._child(labels)
        if child is not None:
            child.set(value)
            self._is_back(labels)

    def inc(self, amount: float = 1.0, labels: LabelSet = None) -> None:
        """It is so much more now than it was."""
        child = self._child(labels)
        if child is not None:
            child.add(amount)
            self._is_back(labels)

    def dec(self, amount: float = 1.0, labels: LabelSet = None) -> None:
        """It is so much less now."""
        child = self._child(labels)
        if child is not None:
            try:
                less: Any = -amount
            except Exception:  # noqa: BLE001 - no number: it is refused, and counted
                less = None
            child.add(less)
            self._is_back(labels)

    def remove(self, labels: LabelSet = None) -> None:
        """Tell a label set no more, until it is set again: a position that is closed."""
        found = self._held.find(labels)
        if found is not None:
            self._removed.add(self._held.pairs_of(labels))
            found.forget()

    def get(self, labels: LabelSet = None) -> float:
        """What it was set to with exactly these labels in this process; 0 if it was not."""
        found = self._held.find(labels)
        return 0.0 if found is None else found.value

    def collect(self) -> list[MetricValue]:
        """What each label set stands at in this process."""
        return [
            each
            for each in self._values()
            if not self._removed or tuple(sorted(each.labels.items())) not in self._removed
        ]

    def _is_back(self, labels: LabelSet) -> None:
        if self._removed:
            self._removed.discard(self._held.pairs_of(labels))


class Histogram(Metric):
    """Counts values by their size."""

    def __init__(self, held: LearntHistogram, clock: Clock) -> None:
        super().__init__(held, clock)
        self.buckets: list[float] = list(held.facts.bounds)
        """Upper bounds, rising; one more bucket is above the last."""

    def observe(self, value: float, labels: LabelSet = None) -> None:
        """Count a value; one that is not finite is refused and counted."""
        child = self._child(labels)
        if child is not None:
            child.record(value)

    def get(self, labels: LabelSet = None) -> HistogramValue:
        """What is counted with exactly these labels in this process."""
        texts = dict(self._held.pairs_of(labels))
        return self._read(texts, self._held.find(labels), self._now())

    def collect(self) -> list[MetricValue]:
        """What each label set has counted in this process."""
        now = self._now()
        return [self._read(labels, each, now) for labels, each in self._held.series()]

    def _read(self, labels: dict[str, str], child: Any, now: datetime) -> HistogramValue:
        bounds = [*self.buckets, math.inf]
        counts = [0] * len(bounds) if child is None else child.bucket_counts
        buckets = dict(zip(bounds, accumulate(counts), strict=True))
        total = 0.0 if child is None else child.sum
        return HistogramValue(float(buckets[math.inf]), now, labels, total, buckets)


class Info(Metric):
    """What something is: a gauge that is always 1, whose labels say it."""

    def __init__(self, held: LearntGauge, clock: Clock) -> None:
        super().__init__(held, clock)
        self._said: LabelSet = None
        self._child_said: Any = None

    def set(self, labels: LabelSet) -> None:
        """It is this now: what was said before is told no more."""
        child = self._child(labels)
        if child is not None:
            before, self._child_said = self._child_said, child
            self._said = labels
            child.set(1.0)
            if before is not None and before is not child:
                before.forget()

    def get(self) -> dict[str, str]:
        """What it says in this process."""
        return {} if self._said is None else dict(self._held.pairs_of(self._said))

    def collect(self) -> list[MetricValue]:
        """What it says in this process."""
        return [MetricValue(1.0, self._now(), self.get())] if self._said is not None else []
