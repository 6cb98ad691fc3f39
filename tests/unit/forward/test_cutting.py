"""How a batch becomes smaller ones."""

from __future__ import annotations

import pytest

from tests.unit.forward.builders import ids
from tests.unit.sinks.builders import make_batch
from tests.unit.sinks.signals import BATCHES, NOON, SECOND, make_reading
from tradespan.core.delivery import Batch
from tradespan.core.records import MetricReading
from tradespan.forward.cutting import READINGS, take_first

MINUTE = 60
(METRICS,) = [made for made in BATCHES if made.signal.name == "metrics"]


def batch_at(*minutes: float) -> Batch[MetricReading]:
    """Readings at so many minutes past noon, in this order."""
    batch = METRICS.batch(len(minutes))
    times = [NOON + int(minute * MINUTE) * SECOND for minute in minutes]
    batch.slices[0].records[:] = [make_reading(n, time) for n, time in enumerate(times)]
    return batch


def minutes_of(batch: Batch[MetricReading]) -> list[int]:
    records = [record for part in batch.slices for record in part.records]
    return [(record.time - NOON) // (MINUTE * SECOND) for record in records]


@pytest.mark.parametrize(
    ("minutes", "pieces"),
    [
        ([0, 10, 30], [[0, 10, 30]]),
        ([0, 31], [[0], [31]]),
        ([0, 30, 31, 59, 61, 62], [[0, 30], [31, 59, 61], [62]]),
        ([100, 0, 50], [[0], [50], [100]]),
        ([5, 5, 5], [[5, 5, 5]]),
        ([600, 0, 0, 600], [[0, 0], [600, 600]]),
    ],
)
def test_a_request_of_metrics_spans_at_most_half_an_hour_oldest_first(
    minutes: list[float], pieces: list[list[int]]
) -> None:
    assert [minutes_of(piece) for piece in READINGS.cut(batch_at(*minutes))] == pieces


def test_what_need_not_be_cut_is_the_batch_itself() -> None:
    batch = batch_at(1, 2)
    assert READINGS.cut(batch) == [batch]
    assert READINGS.cut(batch)[0] is batch


@pytest.mark.parametrize(
    ("minutes", "older", "newer"),
    [
        ([0, 1, 2, 3], [0, 1], [2, 3]),
        ([3, 0, 2, 1], [0, 1], [3, 2]),
        ([0, 9], [0], [9]),
        ([0, 0, 0, 9], [0, 0, 0], [9]),
        ([0, 9, 9, 9], [0], [9, 9, 9]),
        ([4, 4, 4, 4], [4, 4], [4, 4]),
    ],
)
def test_metrics_are_halved_by_their_time(
    minutes: list[float], older: list[int], newer: list[int]
) -> None:
    assert [minutes_of(half) for half in READINGS.halve(batch_at(*minutes))] == [older, newer]


@pytest.mark.parametrize("count", [2, 7])
def test_the_first_record_is_taken_off(count: int) -> None:
    first, rest = take_first(make_batch(count))
    assert (ids(first), ids(rest)) == ([1], list(range(2, count + 1)))
