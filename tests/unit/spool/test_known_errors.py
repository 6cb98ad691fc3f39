"""Errors that spools are known for, each by name: what is delivered, what is counted, what is said.

The first that made such a list is Vector's disk buffer (`disk_v2/tests/known_errors.rs`).
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.fakes import ListSink, SteppingClock
from tests.support.faulty_files import FaultyFiles
from tests.unit.forward.builders import (
    Bot,
    add_up_for,
    deliver,
    drain,
    make_courier,
    make_source,
    make_span,
    taken,
)
from tests.unit.spool.builders import (
    frame_offsets,
    overwrite,
    read_segment,
    resource_frame,
    write_segment,
)
from tradespan.core import guard
from tradespan.core.delivery import Cursor
from tradespan.core.records import Kind
from tradespan.forward.books import SinkBook, add_up
from tradespan.forward.cursors import FileCursors
from tradespan.spool.folder import RunFolder
from tradespan.spool.layout import END_SIZE, HEADER_SIZE, SegmentName, frame_size, pack_frame
from tradespan.wire.codec import encode_record

pytestmark = pytest.mark.usefixtures("way")


@pytest.fixture
def bot(tmp_path: Path) -> Bot:
    return Bot(tmp_path / "run")


@pytest.fixture
def files() -> Iterator[FaultyFiles]:
    faulty = FaultyFiles()
    faulty.install()
    yield faulty
    faulty.remove()


def segments(bot: Bot) -> list[Path]:
    return [bot.folder.path / str(name) for name in bot.folder.segments()]


def spans_in(path: Path) -> int:
    return len(read_segment(path))


def page_of(bot: Bot) -> Path:
    return bot.folder.path / f"{bot.spool.identity.hex()}.page"


def check(bot: Bot, *, delivered: list[int], unaccounted: int) -> ListSink[object]:
    """All that is left is delivered, once and in any order; the books tell what is not."""
    sink: ListSink[object] = ListSink()
    courier = make_courier(sink)  # type: ignore[arg-type]
    deliver(courier, bot.folder)
    assert sorted(taken(sink)) == delivered  # type: ignore[arg-type]
    books = add_up_for(bot.folder, courier)
    assert books.recorded == len(delivered) + unaccounted
    assert books.sinks["list"] == SinkBook(len(delivered), 0, 0, unaccounted)
    return sink


# ── a segment that is not what it was ───────────────────────────────────────────────────────────


def test_record_length_that_is_zero_costs_that_record(bot: Bot) -> None:
    bot.record(20)
    bot.close()
    (path,) = segments(bot)
    # The resource, then a site before its first span: the fourth last frame is span 17.
    overwrite(path, frame_offsets(path)[-4], bytes(8))
    check(bot, delivered=[n for n in range(1, 21) if n != 17], unaccounted=1)


def test_last_record_of_a_closed_segment_is_torn(bot: Bot) -> None:
    bot.record(20)
    bot.close()
    (path,) = segments(bot)
    os.truncate(path, frame_offsets(path)[-1] + 20)
    check(bot, delivered=list(range(1, 20)), unaccounted=1)


def test_last_record_of_a_dead_writer_is_torn_though_it_was_acknowledged(bot: Bot) -> None:
    # A killed process cannot leave that, a machine that went down can.
    bot.record(20)
    bot.die()
    (path,) = segments(bot)
    last = frame_offsets(path)[-1]
    overwrite(path, last + 20, bytes(path.stat().st_size - last - 20))
    check(bot, delivered=list(range(1, 20)), unaccounted=1)


@pytest.mark.parametrize("left", [0, 1, HEADER_SIZE - 1, HEADER_SIZE, HEADER_SIZE + 20])
def test_segment_is_cut_down_to_its_header_or_less(
    bot: Bot, left: int, caplog: pytest.LogCaptureFixture
) -> None:
    bot.record(120)
    bot.close()
    first, *others = segments(bot)
    lost = spans_in(first)
    assert others
    os.truncate(first, left)
    check(bot, delivered=list(range(lost + 1, 121)), unaccounted=lost)
    assert first.with_name(f"{first.name}.damaged").stat().st_size == left
    assert caplog.text.count("set aside as") == 1


def test_header_never_reached_the_disk_and_all_that_follows_did(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    bot.record(120)
    bot.die()
    first = segments(bot)[0]
    lost = spans_in(first)
    overwrite(first, 0, bytes(HEADER_SIZE))
    check(bot, delivered=list(range(lost + 1, 121)), unaccounted=lost)
    assert "the file does not begin like a segment" in caplog.text


def test_header_is_whole_and_the_resource_is_not(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    bot.record(120)
    bot.close()
    first = segments(bot)[0]
    lost = spans_in(first)
    overwrite(first, HEADER_SIZE + 20, b"\xff\xff")
    check(bot, delivered=list(range(lost + 1, 121)), unaccounted=lost)
    assert "it does not begin with a resource" in caplog.text


def test_segment_says_closed_and_has_no_end(bot: Bot) -> None:
    bot.record(20)
    bot.close()
    (path,) = segments(bot)
    os.truncate(path, path.stat().st_size - END_SIZE)
    source = make_source(bot.folder)
    assert drain(source) == list(range(1, 21))
    (book,) = source.cursor.books.values()
    assert book.damaged == END_SIZE, "it was cut, though nothing is missing"
    assert add_up(bot.folder, {"list": source.cursor}).balanced


def test_segment_says_open_and_its_end_is_there(bot: Bot) -> None:
    # Killed between the end frame and the state byte.
    bot.record(20)
    bot.close()
    (path,) = segments(bot)
    overwrite(path, 12, b"\0")
    check(bot, delivered=list(range(1, 21)), unaccounted=0)


def test_segment_grew_behind_its_end(bot: Bot) -> None:
    bot.record(20)
    bot.close()
    (path,) = segments(bot)
    with path.open("ab") as file:
        file.write(b"somebody else's bytes" * 100)
    check(bot, delivered=list(range(1, 21)), unaccounted=0)


@pytest.mark.xfail(
    strict=True,
    reason="format 1: the checksum covers neither the writer nor the place, so that a frame inside"
    " a payload is one as soon as the frame around it is damaged",
)
def test_frame_inside_the_payload_of_a_damaged_record_is_no_record(tmp_path: Path) -> None:
    inner = pack_frame(7, Kind.SPAN, 0, encode_record(make_span(7)))
    carrier = pack_frame(1, Kind.SPAN, 0, inner)
    path = write_segment(tmp_path, [resource_frame(), carrier])
    overwrite(path, frame_offsets(path)[1], b"\xff" * 4)
    assert drain(make_source(RunFolder(tmp_path))) == []


def test_highest_sequence_number_is_a_number_like_any_other(tmp_path: Path) -> None:
    last = (1 << 48) - 1
    frames = [pack_frame(n, Kind.SPAN, 0, encode_record(make_span(1))) for n in (1, last)]
    path = write_segment(tmp_path, [resource_frame(), *frames])
    assert [record.sequence for record in read_segment(path)] == [1, last]


# ── segments that come, go, and stand in another order ──────────────────────────────────────────


def test_segment_is_deleted_between_listing_and_opening(bot: Bot) -> None:
    bot.record(120)
    bot.close()
    first, *_ = segments(bot)
    lost = spans_in(first)

    class DeletingFolder(RunFolder):
        def segments(self) -> list[SegmentName]:
            names = super().segments()
            first.unlink(missing_ok=True)
            return names

    source = make_source(DeletingFolder(bot.folder.path))
    given = source.next_batch()
    assert given is not None
    source.accept(given[1])
    books = add_up(bot.folder, {"list": source.cursor})
    assert books.sinks["list"] == SinkBook(120 - lost, 0, 0, lost)


@pytest.mark.xfail(
    strict=True,
    reason="the cursor does not say which segments it had begun and not finished: when one goes,"
    " its row shows no sign of loss, and what was in it counts as interrupted",
)
def test_reader_is_in_the_middle_of_a_segment_that_is_deleted(bot: Bot) -> None:
    bot.record(10)
    source = make_source(bot.folder)
    assert drain(source) == list(range(1, 11))
    bot.record(5)
    segments(bot)[0].unlink()
    assert drain(source) == []
    bot.record(200)
    found = drain(source)
    books = add_up(bot.folder, {"list": source.cursor})
    assert books.recorded == 215
    assert books.sinks["list"] == SinkBook(10 + len(found), 0, 0, 205 - len(found))


def test_two_writers_begin_at_the_same_nanosecond(tmp_path: Path) -> None:
    clock = SteppingClock()
    one, other = (Bot(tmp_path / "run", clock=clock) for _ in range(2))
    for bot in (one, other):
        bot.spool.ordinary.append(Kind.SPAN, 1, encode_record(make_span(1)))
        bot.spool.errors.append(Kind.SPAN, 1, encode_record(make_span(2)))
    assert len({name.created for name in one.folder.segments()}) == 1
    source = make_source(one.folder)
    assert sorted(drain(source)) == [1, 1, 2, 2]
    assert add_up(one.folder, {"list": source.cursor}).balanced


def test_clock_went_back_and_the_newer_segment_comes_first(bot: Bot) -> None:
    bot.record(40)
    source = make_source(bot.folder)
    assert drain(source) == list(range(1, 41))
    bot.clock.set_wall(bot.clock.wall() - 7_200 * 10**9)
    bot.record(100)
    names = bot.folder.segments()
    assert names[0].ordinal > 1, "sorted by the wall clock"
    assert sorted(drain(source)) == list(range(41, 141))
    check(bot, delivered=list(range(1, 141)), unaccounted=0)


def test_writer_starts_again_where_another_left_half_a_frame(bot: Bot) -> None:
    bot.record(10)
    path = segments(bot)[0]
    end = frame_offsets(path)[-1] + frame_size(len(encode_record(make_span(10))))
    overwrite(path, end, pack_frame(11, Kind.SPAN, 0, b"x" * 200)[:90])
    bot.die()
    again = Bot(bot.folder.path, clock=bot.clock)
    again.recorded = 10
    again.record(10)
    again.die()
    check(bot, delivered=list(range(1, 21)), unaccounted=0)


def test_folder_is_moved_while_it_is_written(bot: Bot, tmp_path: Path) -> None:
    bot.record(10)
    moved = tmp_path / "moved"
    bot.folder.path.rename(moved)
    bot.record(300)
    bot.close()
    there, here = make_source(RunFolder(moved)), make_source(bot.folder)
    in_moved, in_new = drain(there), drain(here)
    assert sorted(in_moved + in_new) == list(range(1, 311))
    # Each folder's books know the records of the other one only as numbers.
    assert add_up(bot.folder, {"list": here.cursor}).sinks["list"].unaccounted == len(in_moved)
    assert add_up(RunFolder(moved), {"list": there.cursor}).balanced


def test_folder_is_deleted_while_it_is_written(bot: Bot) -> None:
    bot.record(10)
    shutil.rmtree(bot.folder.path)
    bot.record(300)
    bot.close()
    source = make_source(bot.folder)
    found = drain(source)
    assert found == list(range(311 - len(found), 311))
    books = add_up(bot.folder, {"list": source.cursor})
    assert (books.recorded, books.sinks["list"].unaccounted) == (310, 310 - len(found))


# ── a cursor that is not what it was ────────────────────────────────────────────────────────────


def test_cursor_stands_behind_the_end_of_its_segment(bot: Bot) -> None:
    bot.record(120)
    bot.close()
    first, *_ = segments(bot)
    known = make_source(bot.folder)
    given = known.next_batch()
    assert given is not None
    os.truncate(first, HEADER_SIZE + 200)
    cursor = Cursor({first.name: 1 << 40})
    source = make_source(bot.folder)
    source.cursor = cursor
    assert drain(source) == list(range(121 - sum(map(spans_in, segments(bot)[1:])), 121))
    assert source.next_batch() is None
    assert first.name in source.finished


@pytest.mark.parametrize("inside", [8, 16, 24])
def test_cursor_stands_in_the_middle_of_a_frame(bot: Bot, inside: int) -> None:
    bot.record(20)
    bot.close()
    (path,) = segments(bot)
    fifth_last = frame_offsets(path)[-5]
    source = make_source(bot.folder)
    source.cursor = Cursor({path.name: fifth_last + inside})
    assert drain(source) == [17, 18, 19, 20], "the next whole frame is the first that counts"


def test_cursor_stands_in_the_middle_of_a_frame_of_a_living_writer(bot: Bot) -> None:
    bot.record(20)
    (path,) = segments(bot)
    source = make_source(bot.folder)
    source.cursor = Cursor({path.name: frame_offsets(path)[-5] + 8})
    assert drain(source) == [], "what does not validate may be half written"
    bot.record(5)
    bot.close()
    assert drain(source) == list(range(17, 26))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", True),
        ('{"positions": {"0', True),
        ('{"version": 9, "positions": {}, "accepted": 0, "more": [1]}', False),
    ],
    ids=["empty", "torn", "of a later version"],
)
def test_cursor_file_is_not_what_it_was(
    bot: Bot, content: str, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    bot.record(20)
    bot.close()
    keeper = FileCursors("list")
    sink: ListSink[object] = ListSink()
    deliver(make_courier(sink, keeper), bot.folder)  # type: ignore[arg-type]
    assert len(sink.records) == 20
    (bot.folder.path / "cursor-list.json").write_text(content)
    again: ListSink[object] = ListSink()
    courier = make_courier(again, keeper)  # type: ignore[arg-type]
    deliver(courier, bot.folder)
    assert sorted(taken(again)) == list(range(1, 21)), "twice, never less"  # type: ignore[arg-type]
    assert add_up_for(bot.folder, courier).sinks["list"] == SinkBook(20, 0, 0, 0)
    assert ("will be sent again" in caplog.text) == told


# ── a counter page that is not what it was ──────────────────────────────────────────────────────


def remove_page(page: Path) -> None:
    page.unlink()


def tear_page(page: Path) -> None:
    os.truncate(page, 70)


def scramble_page(page: Path) -> None:
    overwrite(page, 45, b"\xff\xff")


def replace_page(page: Path) -> None:
    """By that of a writer who recorded much more, somewhere else."""
    other = Bot(page.parent.parent / "other")
    other.record(500)
    shutil.copyfile(page_of(other), page)


@pytest.mark.parametrize("change", [remove_page, tear_page, scramble_page])
def test_counter_page_cannot_be_read(bot: Bot, change: Callable[[Path], None]) -> None:
    bot.record(60)
    bot.close()
    change(page_of(bot))
    check(bot, delivered=list(range(1, 61)), unaccounted=0)


def test_counter_page_is_of_a_writer_of_whom_nothing_else_is_there(bot: Bot) -> None:
    # What it says it acknowledged is missing: better told in vain than not at all.
    bot.record(60)
    bot.close()
    replace_page(page_of(bot))
    check(bot, delivered=list(range(1, 61)), unaccounted=500)


# ── a disk that refuses ─────────────────────────────────────────────────────────────────────────


def test_disk_is_full_exactly_when_both_lanes_roll_over(bot: Bot, files: FaultyFiles) -> None:
    bot.record(5)
    bot.record(5, failed=True)
    files.faults["allocate"] = errno.ENOSPC
    bot.record(100)
    bot.record(100, failed=True)
    ordinary, errors = bot.spool.ordinary.counters(), bot.spool.errors.counters()
    assert ordinary.in_memory > 0
    assert errors.in_memory > 0
    source = make_source(bot.folder)
    assert len(drain(source)) == 210 - ordinary.in_memory - errors.in_memory
    books = add_up(bot.folder, {"list": source.cursor})
    assert (books.recorded, books.in_memory) == (210, ordinary.in_memory + errors.in_memory)
    assert books.balanced
    files.faults.clear()
    bot.clock.step(1.0)
    bot.close()
    check(bot, delivered=list(range(1, 211)), unaccounted=0)


@pytest.mark.parametrize("call", ["write", "truncate"])
def test_segment_cannot_be_closed(bot: Bot, files: FaultyFiles, call: str) -> None:
    bot.record(20)
    cause = "closing a segment", "OSError"
    before = guard.counts.get(cause, 0)
    files.faults[call] = errno.EIO
    bot.close()
    files.faults.clear()
    check(bot, delivered=list(range(1, 21)), unaccounted=0)
    assert guard.counts[cause] == before + 1


@pytest.mark.parametrize("after", range(8))
def test_disk_cannot_be_read_for_a_while(
    bot: Bot, files: FaultyFiles, after: int, caplog: pytest.LogCaptureFixture
) -> None:
    bot.record(60)
    bot.record(20, failed=True)
    bot.close()
    source = make_source(bot.folder)
    files.faults["read"] = errno.EIO
    files.after["read"] = after
    found = drain(source)
    assert len(found) < 80
    files.faults.clear()
    found += drain(source)
    assert sorted(found) == list(range(1, 81))
    assert add_up(bot.folder, {"list": source.cursor}).balanced
    assert caplog.text.count("it cannot be read now") <= len(segments(bot))


@pytest.mark.parametrize("fault", [errno.EROFS, errno.EDQUOT])
def test_folder_cannot_be_written_when_the_first_record_comes(
    tmp_path: Path, files: FaultyFiles, fault: int, caplog: pytest.LogCaptureFixture
) -> None:
    bot = Bot(tmp_path / "run")
    files.faults["create"] = fault
    bot.record(20)
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "the bot runs on" in caplog.text
    assert add_up(bot.folder, {"list": Cursor()}).recorded == 0, "nobody beside the bot can know"
    files.faults.clear()
    bot.clock.step(1.0)
    bot.close()
    check(bot, delivered=list(range(1, 21)), unaccounted=0)
