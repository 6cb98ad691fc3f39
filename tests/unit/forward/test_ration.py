"""What earlier runs left goes beside what happens now, and not before it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.fakes import ListSink, MemoryCursors, SteppingClock
from tests.unit.forward.builders import Bot, taken
from tradespan.core.process import process_start
from tradespan.core.records import Kind, Span
from tradespan.forward.courier import Courier, Restraint
from tradespan.forward.ration import Ration
from tradespan.forward.source import BatchLimits
from tradespan.spool.folder import ENDED, RunFolder, replace_json
from tradespan.wire.codec import decode_span

BEGAN = 2_000_000_000.0
"""Wall clock of the courier's begin, long after whatever the test writes."""
HUNDRED = BatchLimits(records=100, bytes=1 << 20)


def new_sink() -> ListSink[Span]:
    return ListSink()


def end(bot: Bot) -> RunFolder:
    """The bot's run is over."""
    bot.close()
    replace_json(bot.folder.path / ENDED, {"status": 0})
    return bot.folder


def work(
    sink: ListSink[Span], clock: SteppingClock, rate: float | None = 100.0, wall: float = BEGAN
) -> Courier[Span]:
    ration = Ration(rate, now=clock.seconds, wall=lambda: wall)
    return Courier(
        sink,
        MemoryCursors(),
        Kind.SPAN,
        decode_span,
        limits=HUNDRED,
        restraint=Restraint(None, ration),
        now=clock.seconds,
    )


def rounds(courier: Courier[Span], folders: list[RunFolder], count: int = 20) -> None:
    for _ in range(count):
        courier.work(folders)


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


def test_what_was_left_is_delivered_so_much_a_second(tmp_path: Path, clock: SteppingClock) -> None:
    bot = Bot(tmp_path)
    bot.record(1_000)
    folder, sink = end(bot), new_sink()
    courier = work(sink, clock)
    rounds(courier, [folder])
    first = len(sink.records)
    assert 100 <= first < 300, "a second's worth, to the end of the segment that is read"
    clock.step(2.0)
    rounds(courier, [folder])
    assert first < len(sink.records) <= first + 300


def test_all_of_it_arrives(tmp_path: Path, clock: SteppingClock) -> None:
    bot = Bot(tmp_path)
    ids = bot.record(1_000)
    folder, sink = end(bot), new_sink()
    courier = work(sink, clock)
    for _ in range(30):
        rounds(courier, [folder])
        clock.step(1.0)
    assert taken(sink) == ids


def test_a_run_that_lives_does_not_wait_for_one_that_was_left(
    tmp_path: Path, clock: SteppingClock
) -> None:
    left, lives = Bot(tmp_path / "left"), Bot(tmp_path / "lives")
    left.record(1_000, name="then")
    old = end(left)
    lives.record(1_000, name="now")
    sink = new_sink()
    rounds(work(sink, clock), [old, lives.folder])
    assert sum(span.name == "now" for span in sink.records) == 1_000
    assert sum(span.name == "then" for span in sink.records) < 300


def test_a_run_that_ends_while_it_is_served_is_not_rationed(
    tmp_path: Path, clock: SteppingClock
) -> None:
    bot = Bot(tmp_path)
    bot.record(10)
    sink = new_sink()
    courier = work(sink, clock)
    rounds(courier, [bot.folder])
    bot.record(990)
    rounds(courier, [end(bot)])
    assert len(sink.records) == 1_000


def test_what_was_written_after_the_agent_began_was_not_left(
    tmp_path: Path, clock: SteppingClock
) -> None:
    bot = Bot(tmp_path)
    bot.record(1_000)
    folder, sink = end(bot), new_sink()
    before = folder.path.stat().st_mtime - 60
    rounds(work(sink, clock, wall=before), [folder])
    assert len(sink.records) == 1_000


def test_without_a_rate_nothing_waits(tmp_path: Path, clock: SteppingClock) -> None:
    bot = Bot(tmp_path)
    bot.record(1_000)
    folder, sink = end(bot), new_sink()
    rounds(work(sink, clock, rate=None), [folder])
    assert len(sink.records) == 1_000


def test_a_bot_that_lives_and_has_recorded_nothing_yet_was_not_left(
    tmp_path: Path, clock: SteppingClock
) -> None:
    folder = RunFolder(tmp_path)
    folder.describe(pid=os.getpid(), pid_start=process_start(os.getpid()))
    sink = new_sink()
    courier = work(sink, clock)
    rounds(courier, [folder])
    bot = Bot(tmp_path)
    bot.record(1_000)
    rounds(courier, [folder])
    assert len(sink.records) == 1_000


def test_another_run_in_a_folder_that_was_left_is_not_rationed(
    tmp_path: Path, clock: SteppingClock
) -> None:
    bot = Bot(tmp_path)
    bot.record(10)
    folder, sink = end(bot), new_sink()
    courier = work(sink, clock)
    rounds(courier, [folder])
    folder.describe(pid=os.getpid(), pid_start=process_start(os.getpid()))
    Bot(tmp_path).record(1_000)
    rounds(courier, [folder])
    assert len(sink.records) == 1_010
