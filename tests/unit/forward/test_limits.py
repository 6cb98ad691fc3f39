# long: one page of rules, each with its test
"""What goes when space is short, in which order, and that each sink's books say so exactly."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.fakes import NOON, SECOND, ListSink, MemoryCursors, SteppingClock
from tests.unit.forward.builders import (
    ONE_AT_A_TIME,
    Bot,
    add_up_for,
    deliver,
    make_courier,
    parked_files,
)
from tests.unit.spool.builders import overwrite, python, read_segment, segment_paths
from tradespan.core.delivery import Parked
from tradespan.core.records import Lane, Span
from tradespan.forward.books import LaneSink, SinkBook
from tradespan.forward.limits import Space, SpaceKeeper, SpaceLimits, bytes_aside
from tradespan.spool import discarded
from tradespan.spool.discarded import DiscardedSegment
from tradespan.spool.folder import RunFolder
from tradespan.spool.reader import SegmentReader

KIB = 1024
ENDLESS = 1 << 60
PLENTY = Space(ENDLESS, ENDLESS)


class Keeper:
    """A space keeper, its clock and its disk."""

    def __init__(self, root: Path, limits: SpaceLimits) -> None:
        # Files are of now, by the clock of the machine.
        self.clock = SteppingClock(wall=time.time_ns())
        self.disk: Callable[[], Space] = lambda: PLENTY
        self.root = root
        self.keeper = SpaceKeeper(root, limits, clock=self.clock, measure=lambda path: self.disk())

    def look(self, *folders: RunFolder, times: int = 2) -> None:
        for _ in range(times):
            self.clock.step(1)
            self.keeper.work(list(folders))


def bytes_of(*folders: RunFolder) -> int:
    paths = [path for folder in folders for path in segment_paths(folder.path)]
    return sum(path.stat().st_blocks * 512 for path in paths)


def records_in(folder: RunFolder, lane: Lane | None = None) -> int:
    names = [name for name in folder.segments() if lane is None or name.lane == lane]
    return sum(len(read_segment(folder.path / str(name))) for name in names)


def left_of(folder: RunFolder) -> list[DiscardedSegment]:
    return folder.contents()[1]


# ── bytes ───────────────────────────────────────────────────────────────────────────────────────


def test_oldest_ordinary_segments_of_all_runs_go_and_are_counted(tmp_path: Path) -> None:
    clock = SteppingClock()
    bots = [Bot(tmp_path / "runs" / name, clock=clock) for name in ("one", "two")]
    for _ in range(10):
        for bot in bots:
            bot.record(60)
    for bot in bots:
        bot.close()
    folders = [bot.folder for bot in bots]
    before = sorted(name for folder in folders for name in folder.segments())
    keeper = Keeper(tmp_path, SpaceLimits(bytes=64 * KIB, age=None))
    keeper.look(*folders)
    after = sorted(name for folder in folders for name in folder.segments())
    assert 0 < len(after) < len(before)
    assert after == before[-len(after) :], "the oldest went, whatever run they were of"
    assert 48 * KIB <= bytes_of(*folders) <= 56 * KIB, "an eighth is kept for errors"
    for folder in folders:
        courier = make_courier(ListSink())
        left = records_in(folder)
        books = add_up_for(folder, courier)
        line = books.sinks["list"]
        assert (books.recorded, line.on_disk, line.unaccounted) == (600, left, 0)
        assert line.discarded == {"limit_bytes": 600 - left}
        deliver(courier, folder)
        assert add_up_for(folder, courier).sinks["list"] == SinkBook(
            left, 0, 0, 0, 0, {"limit_bytes": 600 - left}
        )


def test_nothing_goes_for_a_burst_that_is_taken_within_a_second(bot: Bot, tmp_path: Path) -> None:
    bot.record(2_000)
    bot.close()
    keeper = Keeper(tmp_path, SpaceLimits(bytes=64 * KIB, age=None))
    keeper.look(bot.folder, times=1)
    assert left_of(bot.folder) == []
    keeper.keeper.work([bot.folder])
    assert left_of(bot.folder) == [], "it looks once a second"
    for path in segment_paths(bot.folder.path):
        path.unlink()
    keeper.look(bot.folder, times=1)
    assert left_of(bot.folder) == []


def test_sink_that_had_taken_a_segment_counts_nothing_of_it(bot: Bot, tmp_path: Path) -> None:
    ahead = make_courier(ListSink(name="ahead"))
    behind = make_courier(ListSink(name="behind"), limits=ONE_AT_A_TIME)
    bot.record(600)
    bot.close()
    deliver(ahead, bot.folder)
    deliver(behind, bot.folder, 2)
    taken = behind.cursor(bot.folder).accepted
    keeper = Keeper(tmp_path, SpaceLimits(bytes=16 * KIB, age=None))
    keeper.look(bot.folder)
    left = records_in(bot.folder)
    books = add_up_for(bot.folder, ahead, behind)
    assert 0 < taken < 600 - left
    assert books.balanced
    assert books.sinks["ahead"] == SinkBook(600, 0, 0, 0)
    assert books.sinks["behind"] == SinkBook(
        taken, 0, left, 0, 0, {"limit_bytes": 600 - taken - left}
    )
    assert books.lanes["ordinary"].sinks["behind"] == LaneSink(
        taken, left, 0, 0, {"limit_bytes": 600 - taken - left}
    )
    deliver(behind, bot.folder)
    deliver(ahead, bot.folder)
    left_over = {str(each) for each in left_of(bot.folder)}
    assert left_over <= ahead.finished(bot.folder) & behind.finished(bot.folder)
    for name in left_over:
        (bot.folder.path / name).unlink()
    books = add_up_for(bot.folder, ahead, behind)
    assert books.sinks["ahead"] == SinkBook(600, 0, 0, 0)
    assert books.sinks["behind"] == SinkBook(
        taken + left, 0, 0, 0, 0, {"limit_bytes": 600 - taken - left}
    )


def test_errors_are_never_discarded_for_ordinary_records(bot: Bot, tmp_path: Path) -> None:
    bot.record(300, failed=True)
    bot.record(600)
    bot.close()
    errors = [name for name in bot.folder.segments() if name.lane == Lane.ERROR]
    keeper = Keeper(tmp_path, SpaceLimits(bytes=8 * KIB * len(errors), age=None))
    keeper.look(bot.folder)
    left = records_in(bot.folder, Lane.ORDINARY)
    assert [name for name in bot.folder.segments() if name.lane == Lane.ERROR] == errors
    assert left < 600
    assert bytes_of(bot.folder) <= 8 * KIB * len(errors)
    lanes = add_up_for(bot.folder, make_courier(ListSink())).lanes
    assert lanes["error"].sinks["list"] == LaneSink(0, 300, 0)
    assert lanes["ordinary"].sinks["list"].discarded == {"limit_bytes": 600 - left}


def test_errors_that_fill_everything_by_themselves_go_last_and_that_is_critical(
    bot: Bot, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bot.record(100)
    bot.record(3_000, failed=True)
    bot.close()
    keeper = Keeper(tmp_path, SpaceLimits(bytes=64 * KIB, age=None))
    with caplog.at_level(logging.WARNING):
        keeper.look(bot.folder)
    left = records_in(bot.folder)
    books = add_up_for(bot.folder, make_courier(ListSink()))
    assert records_in(bot.folder, Lane.ORDINARY) == 0
    assert 56 * KIB < bytes_of(bot.folder) <= 64 * KIB
    assert books.lanes["ordinary"].sinks["list"].discarded == {"limit_bytes": 100}
    assert books.lanes["error"].sinks["list"].discarded == {"limit_bytes": 3_000 - left}
    assert books.balanced
    told = {record.levelno: record.getMessage() for record in caplog.records}
    assert f"discarded {3_000 - left} ERROR records" in told[logging.CRITICAL]
    assert "discarded 100 ordinary records" in told[logging.WARNING]


def test_open_segment_of_a_living_writer_stays(bot: Bot, tmp_path: Path) -> None:
    bot.record(600)
    open_one = bot.folder.segments()[-1]
    keeper = Keeper(tmp_path, SpaceLimits(bytes=1, age=None))
    keeper.look(bot.folder)
    assert bot.folder.segments() == [open_one]
    bot.record(1)
    assert add_up_for(bot.folder, make_courier(ListSink())).balanced
    bot.die()
    keeper.look(bot.folder)
    assert bot.folder.segments() == []
    books = add_up_for(bot.folder, make_courier(ListSink()))
    assert books.sinks["list"].discarded == {"limit_bytes": 601}


def test_segment_whose_records_a_sink_has_in_its_hands_stays(bot: Bot, tmp_path: Path) -> None:
    bot.record(600)
    bot.close()
    courier = make_courier(ListSink(), limits=ONE_AT_A_TIME)
    given = courier.source(bot.folder).next_batch()
    assert given is not None
    held = {part.segment for part in given[0].slices}
    keeper = Keeper(tmp_path, SpaceLimits(bytes=1, age=None))
    keeper.look(bot.folder)
    assert {str(name) for name in bot.folder.segments()} == held
    courier.source(bot.folder).accept(given[1])
    keeper.look(bot.folder)
    assert bot.folder.segments() == []
    books = add_up_for(bot.folder, courier)
    assert books.sinks["list"] == SinkBook(
        given[0].count, 0, 0, 0, 0, {"limit_bytes": 600 - given[0].count}
    )


def test_records_accepted_after_their_segment_was_discarded_are_not_counted_twice(
    bot: Bot, tmp_path: Path
) -> None:
    # The agent looks at what is in hand, and a moment later the sink's thread takes a batch.
    bot.record(600)
    bot.close()
    courier = make_courier(ListSink(), limits=ONE_AT_A_TIME)
    source = courier.source(bot.folder)
    given = source.next_batch()
    assert given is not None
    bot.folder.held.clear()
    keeper = Keeper(tmp_path, SpaceLimits(bytes=1, age=None))
    keeper.look(bot.folder)
    assert bot.folder.segments() == []
    assert add_up_for(bot.folder, courier).sinks["list"].discarded == {"limit_bytes": 600}
    source.accept(given[1])
    for _ in range(2):
        books = add_up_for(bot.folder, courier)
        assert books.sinks["list"] == SinkBook(
            given[0].count, 0, 0, 0, 0, {"limit_bytes": 600 - given[0].count}
        )
        deliver(courier, bot.folder)


def test_half_read_segment_that_is_emptied_is_no_damage(bot: Bot) -> None:
    bot.record(60)
    bot.close()
    (path,) = segment_paths(bot.folder.path)
    reader = SegmentReader(path)
    end = reader.read(0, 1_000).end
    left = DiscardedSegment(bot.folder.segments()[0], "limit_bytes", {16: 60}, 60, 0)
    discarded.discard_segment(bot.folder.path, left)
    stretch = reader.read(end)
    assert (stretch.records, stretch.end, stretch.finished) == ([], end, False)
    assert reader.damaged_bytes == 0


# ── a kill at any moment ────────────────────────────────────────────────────────────────────────


def test_agent_killed_between_the_name_and_the_emptying_is_finished_by_the_next(
    bot: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot.record(600)
    bot.close()

    def die(left: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(discarded, "empty", die)
    keeper = Keeper(tmp_path, SpaceLimits(bytes=16 * KIB, age=None))
    with pytest.raises(KeyboardInterrupt):
        keeper.look(bot.folder)
    (left,) = left_of(bot.folder)
    held = sum(left.counts.values())
    assert (bot.folder.path / str(left)).stat().st_size > 0
    books = add_up_for(bot.folder, make_courier(ListSink()))
    assert books.sinks["list"] == SinkBook(0, 0, 600 - held, 0, 0, {"limit_bytes": held})
    monkeypatch.undo()
    Keeper(tmp_path, SpaceLimits(age=None)).look(bot.folder)
    assert (bot.folder.path / str(left)).stat().st_size == 0
    assert add_up_for(bot.folder, make_courier(ListSink())).sinks == books.sinks


def test_cursor_that_was_not_kept_before_a_kill_counts_nothing_twice_and_misses_nothing(
    bot: Bot, tmp_path: Path, quiet_guard: None
) -> None:
    bot.record(600)
    bot.close()
    cursors = MemoryCursors()
    courier = make_courier(ListSink(), cursors, limits=ONE_AT_A_TIME)
    deliver(courier, bot.folder, 1)
    kept = courier.cursor(bot.folder).accepted
    cursors.fault = OSError("disk full")
    deliver(courier, bot.folder, 1)
    assert courier.cursor(bot.folder).accepted > kept
    Keeper(tmp_path, SpaceLimits(bytes=1, age=None)).look(bot.folder)
    assert add_up_for(bot.folder, courier).balanced
    again = make_courier(ListSink(), cursors)
    assert add_up_for(bot.folder, again).sinks["list"] == SinkBook(
        kept, 0, 0, 0, 0, {"limit_bytes": 600 - kept}
    )
    cursors.fault = None
    deliver(again, bot.folder)
    third = make_courier(ListSink(), cursors)
    deliver(third, bot.folder)
    assert add_up_for(bot.folder, third).sinks["list"].discarded == {"limit_bytes": 600 - kept}


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", ["rename", "truncate"])
def test_agent_that_is_killed_while_it_discards_loses_no_count(
    bot: Bot, tmp_path: Path, step: str, moment: str
) -> None:
    bot.record(300)
    bot.close()
    ahead, behind = make_courier(ListSink(name="ahead")), make_courier(ListSink(name="behind"))
    deliver(ahead, bot.folder)
    before = len(bot.folder.segments())
    script = ("-m", "tests.unit.forward.discarding", str(bot.folder.path), step, moment)
    with python(*script) as child:
        child.communicate()
        assert child.returncode == -signal.SIGKILL
    gone = 1 if (step, moment) == ("rename", "before") else 2
    assert len(bot.folder.segments()) == before - gone

    def check() -> None:
        left = records_in(bot.folder)
        books = add_up_for(bot.folder, ahead, behind)
        assert books.sinks["ahead"] == SinkBook(300, 0, 0, 0)
        assert books.sinks["behind"] == SinkBook(0, 0, left, 0, 0, {"limit_bytes": 300 - left})

    check()
    Keeper(tmp_path, SpaceLimits(bytes=1, age=None)).look(bot.folder)
    assert [(bot.folder.path / str(each)).stat().st_size for each in left_of(bot.folder)] == (
        [0] * before
    )
    check()


def test_disk_too_full_to_keep_a_cursor_is_freed_of_what_was_taken_at_no_loss(
    bot: Bot, tmp_path: Path, quiet_guard: None
) -> None:
    bot.record(600)
    bot.close()
    cursors = MemoryCursors()
    courier = make_courier(ListSink(), cursors)
    cursors.fault = OSError(28, "No space left on device")
    deliver(courier, bot.folder)
    keeper = Keeper(tmp_path, SpaceLimits(age=None))
    keeper.disk = lambda: Space(ENDLESS, 0)
    keeper.look(bot.folder)
    assert bytes_of(bot.folder) == 0
    assert add_up_for(bot.folder, courier).sinks["list"] == SinkBook(600, 0, 0, 0)
    cursors.fault = None
    deliver(courier, bot.folder)
    courier.work([bot.folder])
    assert {str(each) for each in left_of(bot.folder)} == courier.finished(bot.folder)
    again = make_courier(ListSink(), cursors)
    assert add_up_for(bot.folder, again).sinks["list"] == SinkBook(600, 0, 0, 0)


# ── age ─────────────────────────────────────────────────────────────────────────────────────────


def test_what_waits_for_too_long_goes_in_both_lanes(bot: Bot, tmp_path: Path) -> None:
    bot.record(100)
    bot.record(20, failed=True)
    bot.close()
    keeper = Keeper(tmp_path, SpaceLimits(age=7_200.0))
    keeper.look(bot.folder)
    keeper.clock.step(7_100)
    keeper.look(bot.folder)
    assert left_of(bot.folder) == []
    keeper.clock.step(101)
    keeper.look(bot.folder, times=1)
    books = add_up_for(bot.folder, make_courier(ListSink()))
    assert bot.folder.segments() == []
    assert books.sinks["list"].discarded == {"limit_age": 120}


def test_agent_that_begins_delivers_what_is_old_before_it_discards_it(
    bot: Bot, tmp_path: Path
) -> None:
    bot.record(100)
    bot.close()
    for path in segment_paths(bot.folder.path):
        os.utime(path, ns=(NOON - 10**9 * SECOND, NOON - 30 * 86_400 * SECOND))
    keeper = Keeper(tmp_path, SpaceLimits(age=86_400.0))
    keeper.clock.set_wall(NOON + 40 * 86_400 * SECOND)
    keeper.look(bot.folder)
    keeper.clock.step(3_500)
    keeper.look(bot.folder)
    assert left_of(bot.folder) == []
    keeper.clock.step(101)
    keeper.look(bot.folder)
    assert len(left_of(bot.folder)) == 2


def test_wall_clock_that_jumps_makes_nothing_old(bot: Bot, tmp_path: Path) -> None:
    bot.record(100)
    bot.close()
    keeper = Keeper(tmp_path, SpaceLimits(age=86_400.0))
    keeper.look(bot.folder)
    keeper.clock.step(4_000)
    right = keeper.clock.wall()
    keeper.clock.set_wall(right + 365 * 86_400 * SECOND)
    keeper.look(bot.folder)
    assert left_of(bot.folder) == []
    keeper.clock.set_wall(right)
    keeper.clock.step(4_000)
    keeper.look(bot.folder)
    assert left_of(bot.folder) == []


# ── low disk ────────────────────────────────────────────────────────────────────────────────────


def test_below_the_floor_ordinary_records_go_until_enough_is_free(bot: Bot, tmp_path: Path) -> None:
    bot.record(600)
    bot.record(60, failed=True)
    bot.close()
    full = bytes_of(bot.folder)
    keeper = Keeper(tmp_path, SpaceLimits(free=100 * KIB, age=None))
    keeper.disk = lambda: Space(ENDLESS, 80 * KIB + full - bytes_of(bot.folder))
    keeper.look(bot.folder)
    assert keeper.disk().free == 100 * KIB
    books = add_up_for(bot.folder, make_courier(ListSink()))
    left = records_in(bot.folder, Lane.ORDINARY)
    assert books.lanes["ordinary"].sinks["list"].discarded == {"low_disk": 600 - left}
    assert books.lanes["error"].sinks["list"] == LaneSink(0, 60, 0)


def test_errors_go_for_a_full_disk_only_below_half_of_the_floor(bot: Bot, tmp_path: Path) -> None:
    bot.record(100)
    bot.record(60, failed=True)
    bot.close()
    keeper = Keeper(tmp_path, SpaceLimits(free=100 * KIB, age=None))
    keeper.disk = lambda: Space(ENDLESS, 60 * KIB)
    keeper.look(bot.folder)
    books = add_up_for(bot.folder, make_courier(ListSink()))
    assert books.sinks["list"].discarded == {"low_disk": 100}
    assert books.lanes["error"].sinks["list"].discarded == {}
    keeper.disk = lambda: Space(ENDLESS, 40 * KIB)
    keeper.look(bot.folder)
    books = add_up_for(bot.folder, make_courier(ListSink()))
    assert books.lanes["error"].sinks["list"].discarded == {"low_disk": 60}
    assert books.balanced


def test_floor_of_a_small_file_system_is_a_twentieth_of_it(bot: Bot, tmp_path: Path) -> None:
    bot.record(600)
    bot.close()
    keeper = Keeper(tmp_path, SpaceLimits(age=None))
    keeper.disk = lambda: Space(2 << 20, 110 * KIB)
    keeper.look(bot.folder)
    assert left_of(bot.folder) == []
    keeper.disk = lambda: Space(2 << 20, 100 * KIB)
    keeper.look(bot.folder)
    assert bot.folder.segments() == []


def test_no_floor_is_no_floor(bot: Bot, tmp_path: Path) -> None:
    bot.record(600)
    bot.close()
    keeper = Keeper(tmp_path, SpaceLimits(free=0, age=None))
    keeper.disk = lambda: Space(2 << 20, 0)
    keeper.look(bot.folder)
    assert left_of(bot.folder) == []


# ── what nothing deletes ────────────────────────────────────────────────────────────────────────


def test_dead_letters_and_damaged_files_count_as_bytes_and_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    refused = Bot(tmp_path / "runs" / "refused")
    refused.record(2_000)
    refused.close()
    sink: ListSink[Span] = ListSink(rule=lambda batch: Parked("HTTP 400"))
    courier = make_courier(sink)
    deliver(courier, refused.folder)
    for name in courier.finished(refused.folder):
        (refused.folder.path / name).unlink()
    other = Bot(tmp_path / "runs" / "other")
    other.record(100)
    other.close()
    first = segment_paths(other.folder.path)[0]
    damaged = len(read_segment(first))
    overwrite(first, 20, b"\xff")
    letters = {path: path.read_bytes() for path in parked_files(refused.folder)}
    keeper = Keeper(tmp_path, SpaceLimits(bytes=64 * KIB, age=None))
    # The delivered folder is not open: what was set aside in it counts all the same.
    keeper.look(other.folder, times=3)
    assert {path: path.read_bytes() for path in parked_files(refused.folder)} == letters
    assert (other.folder.path / f"{first.name}.damaged").exists()
    assert other.folder.segments() == []
    assert keeper.keeper.told["set_aside"] > 64 * KIB
    assert "nothing deletes them but you" in caplog.text
    books = add_up_for(other.folder, make_courier(ListSink()))
    assert books.sinks["list"].discarded == {"limit_bytes": 100 - damaged}
    assert books.sinks["list"].unaccounted == damaged
    assert add_up_for(refused.folder, courier).sinks["list"].parked == 2_000


def test_bytes_aside_follow_no_link_out_of_the_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "large").write_bytes(bytes(100_000))
    run = tmp_path / "run"
    run.mkdir()
    (run / "parked").symlink_to(outside)
    assert bytes_aside(run) == 0


def test_segment_that_cannot_be_read_holds_up_no_other(
    bot: Bot, tmp_path: Path, quiet_guard: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot.record(600)
    bot.close()
    first = segment_paths(bot.folder.path)[0]
    real = os.open

    def refuse(path: str, flags: int, mode: int = 0o777) -> int:
        if str(path) == str(first):
            raise PermissionError(13, "Permission denied")
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse)
    Keeper(tmp_path, SpaceLimits(bytes=1, age=None)).look(bot.folder)
    assert [path.name for path in segment_paths(bot.folder.path)] == [first.name]


# ── names ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name",
    [
        "x.limit_bytes.16x1.1.0.gone",
        "1772366400001000000-{0}-o-000001.seg.limit_bytes.16x1.1.0.gone",
        "1772366400001000000-{0}-o-000001.because.16x1.1.0.gone",
        "1772366400001000000-{0}-o-000001.limit_bytes.16x-1.1.0.gone",
        "1772366400001000000-{0}-o-000001.limit_bytes.16x01.1.0.gone",
        "1772366400001000000-{0}-o-000001.limit_bytes.16x1_16x1.1.0.gone",
        "1772366400001000000-{0}-o-000001.limit_bytes.16x99999999999999999.1.0.gone",
        "1772366400001000000-{0}-o-000001.limit_bytes.16x\u0661.1.0.gone",
    ],
)
def test_name_that_nobody_here_gives_is_nothing(name: str) -> None:
    assert DiscardedSegment.parse(name.format("ab" * 16)) is None


def test_name_comes_back_as_it_was_given(bot: Bot) -> None:
    bot.record(1)
    (segment,) = bot.folder.segments()
    for counts in ({}, {16: 5}, {0: 1, 16: 2, 17: 3, 18: 4}):
        left = DiscardedSegment(segment, "low_disk", counts, 9, 8)
        assert DiscardedSegment.parse(str(left)) == left
        assert len(str(left)) < 255
