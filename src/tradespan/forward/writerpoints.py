"""One process's series as points: at first a zero, then its values, at its end no value.

What was read before is remembered, so that each is told once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tradespan.forward.gathering import Functions, Gathered, Series, gather
from tradespan.pages.readings import MetricReading
from tradespan.wire.measured import Distribution, Exemplar, Labels, Metric, Point

ENDS_AFTER = 1_000_000
"""Nanoseconds between a series' last value and its end: Prometheus has milliseconds, and takes no
second point at one of them."""

Told = tuple[Metric, Point]


@dataclass(slots=True)
class WriterMemory:
    """What of one process has been told."""

    read_at: int = 0
    """Nanoseconds, UTC; 0: never."""
    ends: dict[str, int] = field(default_factory=dict)
    """Name of a file → the byte behind its last series that is known."""
    finished: bool = False
    """Its process is gone, and its last reading is safe."""
    was_ended: bool = False
    """Its gauges have been told to have no value any more: it said that it ends."""
    exemplars: dict[tuple[Metric, Labels, int], int] = field(default_factory=dict)
    """Series and bucket → time of the last exemplar; the next agent repeats one."""
    gauges: set[tuple[Metric, Labels]] = field(default_factory=set)
    """Those that have a value; the next agent does not know of them, either."""

    def is_new(self, reading: MetricReading, place: int) -> bool:
        """Whether the series at a byte of a file was not there at the last reading."""
        return place >= self.ends.get(reading.path.name, 0)


class WriterPoints(NamedTuple):
    """The points of one reading, in the order in which they go."""

    zeros: list[Told]
    values: list[Told]
    ends: list[Told]


def read_writer(
    readings: list[MetricReading],
    memory: WriterMemory,
    now: int,
    *,
    ending: bool,
    functions: Functions | None = None,
) -> WriterPoints:
    """What one process's pages give at a moment, and what was remembered of them before.

    Args:
        readings: Its files, none of them empty of facts.
        memory: Changed to what is known once these points are safe.
        now: Nanoseconds, UTC, later than the last reading.
        ending: Whether this is the last reading: the process is gone, or about to go.
        functions: The exemplars of its functions.
    """
    created = min(reading.page.created for reading in readings if reading.page)
    gathered = gather(readings, memory.is_new, functions)
    told_again = memory.was_ended
    before = max(created, memory.read_at)
    points = WriterPoints([], [], [])
    for metric, labels, series in _in_order(gathered):
        if metric.kind in ("counter", "histogram"):
            if series.is_new and before < now:
                zero = Point(labels, created, before, _zero_of(series.value))
                points.zeros.append((metric, zero))
        elif told_again and series.set_at <= memory.read_at:
            continue
        start = 0 if metric.kind == "gauge" else created
        exemplars = _unsent(metric, labels, series, memory)
        points.values.append((metric, Point(labels, start, now, series.value, exemplars)))
        if ending and metric.kind in ("gauge", "up_down_counter"):
            end = Point(labels, start, now + ENDS_AFTER, None)
            points.ends.append((metric, end))
    _end_removed(gathered, memory, now, points)
    memory.read_at = now + ENDS_AFTER if points.ends else now
    memory.ends = {reading.path.name: reading.end for reading in readings}
    memory.was_ended = memory.was_ended or ending
    return points


def _in_order(gathered: Gathered) -> Iterator[tuple[Metric, Labels, Series]]:
    """By scope, and by metric: what is told of one metric stands together."""
    for metric in sorted(gathered, key=lambda each: (each.scope, each.name, each.kind)):
        for labels, series in gathered[metric].items():
            yield metric, labels, series


def _end_removed(gathered: Gathered, memory: WriterMemory, now: int, points: WriterPoints) -> None:
    """Gauges that the program has removed have no value from now on."""
    present = {
        (metric, labels)
        for metric, known in gathered.items()
        if metric.kind == "gauge"
        for labels in known
    }
    for metric, labels in sorted(memory.gauges - present):
        points.ends.append((metric, Point(labels, 0, now, None)))
    memory.gauges = present


def _zero_of(value: float | Distribution) -> float | Distribution:
    if isinstance(value, Distribution):
        return Distribution((0,) * len(value.counts), value.bounds, 0.0)
    return type(value)(0)


def _unsent(
    metric: Metric, labels: Labels, series: Series, memory: WriterMemory
) -> tuple[Exemplar, ...]:
    """Exemplars that are later than the last one of their bucket, the earliest first."""
    unsent = []
    for exemplar in series.exemplars:
        key = metric, labels, _bucket_of(exemplar.value, series.value)
        if memory.exemplars.get(key, 0) < exemplar.time:
            memory.exemplars[key] = exemplar.time
            unsent.append(exemplar)
    return tuple(sorted(unsent))


def _bucket_of(value: float, of: float | Distribution) -> int:
    if not isinstance(of, Distribution):
        return 0
    return sum(bound < value for bound in of.bounds)
