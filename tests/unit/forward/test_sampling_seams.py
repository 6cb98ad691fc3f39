"""Sampling beside other signals, kills, hurry and deleted segments."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.fakes import ListSink, MemoryCursors, SteppingClock
from tests.unit.forward.builders import SMALL
from tests.unit.forward.test_sampling import NONE, SECOND, Delivery, Traces, trace_id
from tradespan.core.delivery import Batch, Origin, Slice
from tradespan.core.records import Kind, Lane, LogRecord, Resource, Span
from tradespan.forward.backlog import BacklogWatch, Queue, Waiting
from tradespan.forward.books import Bookkeeper
from tradespan.forward.courier import Courier, Restraint
from tradespan.forward.sampling import SamplingPolicy, Verdicts
from tradespan.spool.folder import ENDED, replace_json
from tradespan.wire.codec import decode_span, encode_record


class Bot(Traces):
    """It logs as well."""

    def log(self, count: int = 1) -> None:
        """Record lines that belong to no trace."""
        for number in range(count):
            line = LogRecord(0, 1_000, 1_000, 9, "INFO", f"line {number}")
            self.spool.ordinary.append(int(Kind.LOG), 0, encode_record(line))


@pytest.fixture
def bot(tmp_path: Path) -> Bot:
    return Bot(tmp_path, limits=SMALL)


def judge(delivery: Delivery) -> list[int]:
    """What is taken by now, once all that is there has its verdict."""
    taken = delivery.take()
    delivery.clock.step(6)
    return taken + delivery.take()


def test_segments_that_end_with_other_signals_are_finished(bot: Bot) -> None:
    bot.span(1)
    delivery = Delivery(bot, NONE)
    delivery.take()
    delivery.clock.step(0.2)
    bot.log(300)
    bot.close()
    judge(delivery)
    assert len(delivery.source.finished) == len(bot.folder.segments()) > 1


def test_an_ended_run_whose_last_segments_hold_other_signals_is_finished(bot: Bot) -> None:
    bot.span(1)
    delivery = Delivery(bot, NONE)
    delivery.take()
    bot.log(300)
    bot.close()
    replace_json(bot.folder.path / ENDED, {"status": 0})
    delivery.take()
    assert len(delivery.source.finished) == len(bot.folder.segments()) > 1


def test_after_a_hurry_traces_have_their_time_again(bot: Bot) -> None:
    bot.span(1)
    delivery = Delivery(bot, NONE)
    delivery.source.hurry()
    delivery.take()
    early = bot.span(2)
    assert delivery.take() == []
    failed = bot.span(2, failed=True)
    assert judge(delivery) == [failed, early]


def test_a_kill_forgets_no_error_that_was_delivered_before_the_rest_of_its_trace(bot: Bot) -> None:
    early, failed = bot.span(1), bot.span(1, failed=True)
    bot.span(2)
    first = Delivery(bot, NONE)
    assert first.take() == [failed]
    first.source.close()
    assert judge(Delivery(bot, NONE, first.keeper)) == [early]


def test_the_segment_of_an_error_stays_until_the_rest_of_its_trace_is_judged(bot: Bot) -> None:
    early, failed = bot.span(1), bot.span(1, failed=True)
    bot.spool.close()
    first = Delivery(bot, NONE)
    assert first.take() == [failed]
    assert first.source.finished == frozenset()
    second = Delivery(bot, NONE, first.keeper)
    assert judge(second) == [early]
    assert len(second.source.finished) == 2


def test_a_kill_forgets_no_slow_call_that_was_delivered(bot: Bot) -> None:
    slow = bot.span(1, duration=2 * SECOND)
    first = Delivery(bot, NONE)
    assert judge(first) == [slow]
    later = bot.span(1)
    assert first.take() == []
    first.source.close()
    assert judge(Delivery(bot, NONE, first.keeper)) == [later]


def test_a_segment_that_is_deleted_while_it_waits_holds_up_nobody(bot: Bot) -> None:
    for trace in range(200):
        bot.span(trace)
    slow = bot.span(201, duration=2 * SECOND)
    bot.close()
    names = bot.folder.segments()
    assert len(names) > 2
    delivery = Delivery(bot, NONE)
    delivery.take()
    (bot.folder.path / str(names[0])).unlink()
    delivery.clock.step(6)
    assert delivery.take() == [slow]
    assert delivery.source.finished == {str(name) for name in names[1:]}


def test_the_scout_holds_no_segment(bot: Bot) -> None:
    for trace in range(100):
        bot.span(trace)
    delivery = Delivery(bot, NONE)
    delivery.take()
    assert bot.folder.held == {}


def test_each_record_is_judged_however_often_somebody_looks_meanwhile(bot: Bot) -> None:
    delivery = Delivery(bot, SamplingPolicy(share=0.0, wait=100.0))
    for trace in range(500):
        bot.span(trace)
        delivery.take()
        delivery.clock.step(0.2)
    for _ in range(12):
        delivery.clock.step(10.0)
        delivery.take()
    assert delivery.cursor().books[str(bot.folder.segments()[0].row)].sampled == 500


def test_the_latest_traces_are_kept_in_mind() -> None:
    verdicts = Verdicts(NONE, most=10)
    origin = Origin("w", Lane.ERROR, Resource({}))
    for first in range(0, 40, 20):
        spans = [Span(1, trace_id(n), n, 0, 1, 1, 0x102) for n in range(first, first + 20)]
        verdicts.learn(Batch("f", Kind.SPAN, [Slice(origin, {}, spans, "s", 0)]))
    assert [n for n in range(40) if verdicts.keeps(trace_id(n))] == list(range(30, 40))


def courier_of(sink: ListSink[Span], clock: SteppingClock) -> Courier[Span]:
    return Courier(
        sink,
        MemoryCursors(),
        Kind.SPAN,
        decode_span,
        restraint=Restraint(NONE),
        now=clock.seconds,
    )


def test_the_end_of_one_run_judges_nothing_of_another(tmp_path: Path) -> None:
    ending, living = Bot(tmp_path / "ending"), Bot(tmp_path / "living")
    slow = ending.span(1, duration=2 * SECOND)
    living.span(2, duration=2 * SECOND)
    sink: ListSink[Span] = ListSink()
    courier = courier_of(sink, SteppingClock())
    folders = [ending.folder, living.folder]
    courier.work(folders)
    courier.hurry(ending.folder)
    courier.work(folders)
    assert [(span.span_id, span.trace_id) for span in sink.records] == [(slow, trace_id(1))]


def test_who_hurries_before_the_first_look_waits_for_no_verdict(bot: Bot) -> None:
    slow = bot.span(1, duration=2 * SECOND)
    sink: ListSink[Span] = ListSink()
    courier = courier_of(sink, SteppingClock())
    courier.hurry(bot.folder)
    courier.work([bot.folder])
    assert [span.span_id for span in sink.records] == [slow]


@pytest.mark.parametrize("stuck", [False, True])
def test_what_waits_for_its_verdict_is_no_backlog(bot: Bot, stuck: bool) -> None:
    sink, clock = ListSink[Span](), SteppingClock()
    courier = courier_of(sink, clock)
    keeper = Bookkeeper(bot.folder)

    def count(queue: Queue) -> Waiting:
        return Waiting(keeper.add_up({"list": courier.cursor(bot.folder)}).sinks["list"].on_disk, 0)

    watch = BacklogWatch(count, 50)
    for trace in range(100):
        bot.span(trace)
    for _ in range(20 if stuck else 9):
        if not stuck:
            courier.work([bot.folder])
        watch.look([Queue(bot.folder, "http://receiver", courier, live=True)])
        clock.step(0.5)
    assert watch.undelivered == {"list": 100}
    assert bool(watch.standing) is stuck
