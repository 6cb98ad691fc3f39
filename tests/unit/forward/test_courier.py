"""Delivery to one sink: retry, acknowledge, several folders."""

from __future__ import annotations

from pathlib import Path

from tests.support.fakes import ListSink, MemoryCursors, SteppingClock
from tests.unit.forward.builders import (
    ONE_AT_A_TIME,
    Bot,
    ids,
    make_courier,
    open_files,
    taken,
    work_on,
)
from tradespan.core.delivery import Accepted, Batch, Outcome, Parked, Retry
from tradespan.core.records import Kind, Span
from tradespan.forward.courier import Courier, RetryPolicy
from tradespan.forward.letters import read_letters
from tradespan.forward.source import BatchLimits
from tradespan.wire.codec import decode_log
from tradespan.wire.otlp import encode_traces

DOWN = Retry("connection refused")


def test_everything_is_delivered_once_and_the_cursor_kept(bot: Bot, sink: ListSink[Span]) -> None:
    keeper = MemoryCursors()
    bot.record(500)
    courier = make_courier(sink, keeper)
    work_on(courier, bot.folder)
    bot.record(20)
    work_on(courier, bot.folder)
    assert taken(sink) == list(range(1, 521))
    assert keeper.kept[str(bot.folder.path)].accepted == 520
    assert courier.cursor(bot.folder) == keeper.kept[str(bot.folder.path)]


def test_restart_delivers_what_was_not_acknowledged(bot: Bot, sink: ListSink[Span]) -> None:
    keeper = MemoryCursors()
    bot.record(300)
    courier = make_courier(sink, keeper, limits=ONE_AT_A_TIME)
    courier.work([bot.folder])
    first = len(taken(sink))
    assert 0 < first < 300
    work_on(make_courier(sink, keeper), bot.folder)
    assert taken(sink) == list(range(1, 301))


def test_a_look_that_only_passes_over_others_records_lets_go_of_their_segments(bot: Bot) -> None:
    keeper = MemoryCursors()
    bot.record(50)
    bot.close()
    courier = Courier(ListSink(), keeper, Kind.LOG, decode_log)
    assert not courier.work([bot.folder])
    assert courier.finished(bot.folder) == {str(name) for name in bot.folder.segments()}
    assert keeper.saves == 1
    courier.work([bot.folder])
    assert keeper.saves == 1


# ── retry ───────────────────────────────────────────────────────────────────────────────────────


def test_retry_sends_the_same_bytes_whatever_was_recorded_since(
    bot: Bot, sink: ListSink[Span], clock: SteppingClock
) -> None:
    bot.record(50)
    sink.answers.extend([DOWN, DOWN, DOWN])
    courier = make_courier(sink, clock=clock)
    for _ in range(4):
        courier.work([bot.folder])
        bot.record(10)
        bot.record(3, failed=True)
        clock.step(60)
    bodies = {encode_traces(batch) for batch in sink.offered[:4]}
    assert len(bodies) == 1
    assert ids(sink.taken[0]) == list(range(1, 51))
    work_on(courier, bot.folder)
    assert sorted(taken(sink)) == list(range(1, bot.recorded + 1))


def test_nothing_is_tried_before_its_time(
    bot: Bot, sink: ListSink[Span], clock: SteppingClock
) -> None:
    bot.record(5)
    sink.answers.append(DOWN)
    courier = make_courier(sink, clock=clock, retry=RetryPolicy(first=10.0, longest=10.0))
    assert not courier.work([bot.folder])
    clock.step(7.9)
    assert not courier.work([bot.folder])
    assert len(sink.offered) == 1
    clock.step(4.2)
    assert courier.work([bot.folder])
    assert len(sink.offered) == 2


def test_hurry_tries_at_once(bot: Bot, sink: ListSink[Span], clock: SteppingClock) -> None:
    bot.record(5)
    sink.answers.append(DOWN)
    courier = make_courier(sink, clock=clock)
    courier.work([bot.folder])
    courier.hurry(bot.folder)
    assert courier.work([bot.folder])


def test_waits_are_doubled_up_to_the_longest_with_jitter() -> None:
    policy = RetryPolicy(first=0.5, longest=30.0)
    for tries, middle in enumerate([0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]):
        waits = {policy.wait(tries, None) for _ in range(50)}
        assert len(waits) > 1
        assert 0.8 * middle <= min(waits) <= max(waits) <= 1.2 * middle
    assert policy.wait(10_000, None) <= 36.0


def test_wait_that_a_sink_asks_for_counts_if_it_is_longer_up_to_an_hour() -> None:
    policy = RetryPolicy(first=0.5, longest=30.0)
    assert policy.wait(0, 120.0) == 120.0
    assert policy.wait(7, 0.1) >= 24.0
    assert policy.wait(0, 1e12) == policy.wait(0, float("inf")) == 3_600.0


def test_state_tells_since_when_and_why_and_is_clear_after_a_success(
    bot: Bot, sink: ListSink[Span], clock: SteppingClock
) -> None:
    bot.record(5)
    sink.answers.extend([DOWN, Retry("HTTP 503")])
    courier = make_courier(sink, clock=clock)
    began = clock.seconds()
    courier.work([bot.folder])
    clock.step(2)
    courier.work([bot.folder])
    assert (courier.state.failing_since, courier.state.last_error) == (began, "HTTP 503")
    clock.step(100)
    courier.work([bot.folder])
    assert (courier.state.failing_since, courier.state.tries) == (None, 0)


def test_courier_tells_while_its_sink_is_busy(bot: Bot, clock: SteppingClock) -> None:
    seen: list[float | None] = []

    def answer(batch: Batch[Span]) -> Outcome:
        seen.append(courier.sending_since)
        return Accepted()

    bot.record(1)
    courier = make_courier(ListSink(rule=answer), clock=clock)
    work_on(courier, bot.folder)
    assert seen == [clock.seconds()]
    assert courier.sending_since is None


# ── several folders ─────────────────────────────────────────────────────────────────────────────


def test_folder_with_much_to_deliver_does_not_hold_up_the_others(tmp_path: Path) -> None:
    busy, quiet = Bot(tmp_path / "busy"), Bot(tmp_path / "quiet")
    busy.record(3_000)
    quiet.record(1, name="quiet")
    sink = ListSink[Span]()
    courier = make_courier(sink, limits=BatchLimits(records=100))
    courier.work([busy.folder, quiet.folder])
    assert [batch.folder for batch in sink.taken] == [str(busy.folder.path), str(quiet.folder.path)]


def test_folder_that_is_no_longer_served_is_closed(bot: Bot, sink: ListSink[Span]) -> None:
    bot.record(5)
    courier = make_courier(sink)
    (segment,) = bot.folder.segments()
    before = open_files(bot.folder.path).count(str(segment))
    work_on(courier, bot.folder)
    assert open_files(bot.folder.path).count(str(segment)) == before + 1
    courier.work([])
    assert open_files(bot.folder.path).count(str(segment)) == before
    assert courier.finished(bot.folder) == frozenset()
    assert courier.caught_up(bot.folder) is None


def test_courier_tells_when_it_has_looked_through_a_folder(
    bot: Bot, sink: ListSink[Span], clock: SteppingClock
) -> None:
    bot.record(5)
    sink.answers.append(DOWN)
    courier = make_courier(sink, clock=clock)
    courier.work([bot.folder])
    assert courier.caught_up(bot.folder) is None
    clock.step(60)
    courier.work([bot.folder])
    assert courier.caught_up(bot.folder) is None
    clock.step(1)
    courier.work([bot.folder])
    assert courier.caught_up(bot.folder) == clock.seconds()


def test_closing_closes_the_sink_and_every_file(bot: Bot, sink: ListSink[Span]) -> None:
    bot.record(5)
    before = open_files(bot.folder.path)
    courier = make_courier(sink)
    courier.work([bot.folder])
    assert open_files(bot.folder.path) != before
    courier.close()
    assert sink.closed
    assert open_files(bot.folder.path) == before


def test_what_a_receiver_says_brings_no_control_characters_to_a_terminal(
    bot: Bot, sink: ListSink[Span], clock: SteppingClock
) -> None:
    bot.record(5)
    sink.answers += [Retry("\x1b]0;mine\x07\r\nno"), Parked("\x1b[2Jnever")]
    courier = make_courier(sink, clock=clock)
    courier.work([bot.folder])
    assert courier.state.last_error == " ]0;mine   no"
    clock.step(60)
    courier.work([bot.folder])
    (letter,) = read_letters(bot.folder)
    assert letter.reason == " [2Jnever"
