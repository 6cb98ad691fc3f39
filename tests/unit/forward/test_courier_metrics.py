"""Delivery of metrics: oldest first, in requests of half an hour; what is too old parked alone."""

from __future__ import annotations

import pytest

from tests.support.fakes import ListSink, MemoryCursors, SteppingClock
from tests.unit.forward.builders import Bot, parked_files
from tests.unit.sinks.signals import NOON, SECOND, make_reading
from tests.unit.spool.builders import read_segment
from tradespan.core.delivery import Accepted, Batch, Outcome, Parked, Retry, Split
from tradespan.core.records import Kind, MetricReading
from tradespan.forward.courier import Courier
from tradespan.forward.cutting import LONGEST_REQUEST
from tradespan.spool.folder import RunFolder
from tradespan.wire.codec import decode_reading, encode_record

MINUTE = 60 * SECOND


def make_courier(
    sink: ListSink[MetricReading], clock: SteppingClock, keeper: MemoryCursors | None = None
) -> Courier[MetricReading]:
    return Courier(
        sink,
        keeper or MemoryCursors(),
        Kind.METRIC,
        decode_reading,
        now=clock.seconds,
    )


def read_every_minute(bot: Bot, minutes: int) -> None:
    """An outage's readings, with the bot's spans between."""
    for minute in range(minutes):
        reading = make_reading(minute, NOON + minute * MINUTE)
        bot.spool.ordinary.append(int(Kind.METRIC), 0, encode_record(reading))
        bot.record(1)


def deliver(courier: Courier[MetricReading], folder: RunFolder) -> None:
    while courier.work([folder]):
        pass


def minutes_of(batch: Batch[MetricReading]) -> list[int]:
    return [(each.time - NOON) // MINUTE for part in batch.slices for each in part.records]


def test_hours_of_metrics_leave_oldest_first_in_requests_of_half_an_hour(
    bot: Bot, clock: SteppingClock
) -> None:
    read_every_minute(bot, 200)
    sink = ListSink[MetricReading]()
    deliver(make_courier(sink, clock), bot.folder)
    assert [minute for batch in sink.taken for minute in minutes_of(batch)] == list(range(200))
    spans = [MINUTE * (minutes_of(each)[-1] - minutes_of(each)[0]) for each in sink.taken]
    assert max(spans) == LONGEST_REQUEST
    assert len(sink.taken) <= 200 / 30 + 2


@pytest.mark.parametrize("limit", [1, 17, 90])
def test_what_is_too_old_is_parked_and_takes_nothing_with_it(
    bot: Bot, clock: SteppingClock, limit: int
) -> None:
    def refuse_old(batch: Batch[MetricReading]) -> Outcome:
        # As Prometheus does: one sample too old, and the whole request is refused.
        if min(minutes_of(batch)) >= limit:
            return Accepted()
        return Split("HTTP 400: too old") if batch.count > 1 else Parked("HTTP 400: too old")

    read_every_minute(bot, 120)
    sink = ListSink(rule=refuse_old)
    keeper = MemoryCursors()
    courier = make_courier(sink, clock, keeper)
    deliver(courier, bot.folder)
    assert sorted(minute for each in sink.taken for minute in minutes_of(each)) == list(
        range(limit, 120)
    )
    parked = [
        (decode_reading(record.payload).time - NOON) // MINUTE
        for path in parked_files(bot.folder)
        for record in read_segment(path)
    ]
    assert sorted(parked) == list(range(limit))
    cursor = keeper.kept[str(bot.folder.path)]
    assert (cursor.accepted, cursor.parked) == (120 - limit, limit)


def test_pieces_that_were_cut_are_sent_again_as_they_were(bot: Bot, clock: SteppingClock) -> None:
    read_every_minute(bot, 100)
    sink = ListSink[MetricReading]()
    sink.answers.extend([Retry("down"), Accepted(), Retry("down"), Retry("down")])
    courier = make_courier(sink, clock)
    for _ in range(6):
        courier.work([bot.folder])
        read_every_minute(bot, 1)
        clock.step(60)
    offered = [minutes_of(batch) for batch in sink.offered]
    assert offered[0] == offered[1]
    assert offered[2] == offered[3] == offered[4]
