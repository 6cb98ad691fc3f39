"""How a batch becomes smaller ones: by count, or by time. No record is lost, or in two of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Generic, TypeVar

from tradespan.core.delivery import Batch, Slice
from tradespan.core.records import MetricReading

T = TypeVar("T")

LONGEST_REQUEST = 30 * 60 * 1_000_000_000
"""Nanoseconds of metrics in one request (DESIGN 5b): after an outage of hours, one request too old
for its receiver must not take the rest with it."""


def halve(batch: Batch[T]) -> tuple[Batch[T], Batch[T]]:
    """Two batches with half of the records each, in their order; together they are the batch."""
    half = batch.count // 2
    first: list[Slice[Any]] = []
    second: list[Slice[Any]] = []
    for part in batch.slices:
        room = max(half - sum(len(taken.records) for taken in first), 0)
        for target, records in ((first, part.records[:room]), (second, part.records[room:])):
            if records:
                target.append(replace(part, records=records))
    return (
        Batch(batch.folder, batch.kind, first),
        Batch(batch.folder, batch.kind, second),
    )


def take_first(batch: Batch[T]) -> tuple[Batch[T], Batch[T]]:
    """The first record alone, and the rest."""
    first, *others = batch.slices
    head, rest = first.records[:1], first.records[1:]
    slices = [replace(first, records=rest), *others] if rest else others
    return (
        Batch(batch.folder, batch.kind, [replace(first, records=head)]),
        Batch(batch.folder, batch.kind, slices),
    )


class ByTime(Generic[T]):
    """Cuts batches of one kind of record by the records' times, oldest first."""

    def __init__(self, time_of: Callable[[T], int], longest: int) -> None:
        """`time_of`: nanoseconds of a record. `longest`: nanoseconds between two in one request."""
        self._time_of = time_of
        self._longest = longest

    def cut(self, batch: Batch[T]) -> list[Batch[T]]:
        """Batches that span at most `longest` each; the batch itself where it does not span more.

        Records of one time stay together, so that a cut leaves no instrument half read.
        """
        times = sorted({self._time_of(each) for part in batch.slices for each in part.records})
        if not times or times[-1] - times[0] <= self._longest:
            return [batch]
        pieces = []
        first = times[0]
        for time, following in zip(times, [*times[1:], None], strict=True):
            if following is None or following - first > self._longest:
                pieces.append(self._between(batch, first, time))
                first = following if following is not None else first
        return pieces

    def halve(self, batch: Batch[T]) -> tuple[Batch[T], Batch[T]]:
        """The older half and the newer one; by count where all have one time."""
        times = sorted(self._time_of(each) for part in batch.slices for each in part.records)
        if times[0] == times[-1]:
            return halve(batch)
        middle = times[len(times) // 2]
        if middle == times[0]:  # most of them are the oldest: the others begin behind
            middle = next(time for time in times if time > middle)
        return (
            self._between(batch, times[0], middle - 1),
            self._between(batch, middle, times[-1]),
        )

    def _between(self, batch: Batch[T], first: int, last: int) -> Batch[T]:
        slices = []
        for part in batch.slices:
            records = [each for each in part.records if first <= self._time_of(each) <= last]
            if records:
                slices.append(replace(part, records=records))
        return Batch(batch.folder, batch.kind, slices)


def _age(reading: MetricReading) -> int:
    return reading.oldest


READINGS = ByTime(_age, LONGEST_REQUEST)
"""Of metrics."""
