"""Errors that spools are known for, each by name: what is delivered, what is counted, what is said.

The first that made such a list is Vector's disk buffer (`disk_v2/tests/known_errors.rs`).
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.fakes import SteppingClock
from tests.support.faulty_files import FaultyFiles
from tests.unit.forward.builders import (
    Bot,
    drain,
    make_source,
    make_span,
)
from tests.unit.spool.builders import (
    frame_offsets,
    overwrite,
    read_segment,
    resource_frame,
    write_segment,
)
from tests.unit.spool.known import bot, check, files, segments, spans_in
from tradespan.core.records import Kind
from tradespan.forward.books import SinkBook, add_up
from tradespan.spool.folder import RunFolder
from tradespan.spool.layout import (
    END_SIZE,
    FRAME_HEADER_SIZE,
    HEADER_SIZE,
    frame_size,
    pack_frame,
)
from tradespan.wire.codec import encode_record

__all__ = ["bot", "files"]

pytestmark = pytest.mark.usefixtures("way")


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


def test_segment_that_was_never_closed_is_cut_between_two_frames(
    bot: Bot, files: FaultyFiles
) -> None:
    files.faults["write"] = errno.EIO
    bot.record(120)
    bot.die()
    files.faults.clear()
    first, *others = segments(bot)
    assert others
    lost = spans_in(first) - 5
    os.truncate(first, [*frame_offsets(first)][-lost])
    check(bot, delivered=[n for n in range(1, 121) if not 5 < n <= 5 + lost], unaccounted=lost)


def test_segment_grew_behind_its_end(bot: Bot) -> None:
    bot.record(20)
    bot.close()
    (path,) = segments(bot)
    with path.open("ab") as file:
        file.write(b"somebody else's bytes" * 100)
    check(bot, delivered=list(range(1, 21)), unaccounted=0)


def test_frame_inside_the_payload_of_a_damaged_record_is_no_record(bot: Bot) -> None:
    # A record that carries a segment's bytes: those of another writer.
    other = Bot(bot.folder.path.parent / "other")
    other.record(7)
    frames = segments(other)[0].read_bytes()[HEADER_SIZE:]
    bot.record(1)
    bot.spool.ordinary.append(Kind.SPAN, 2, frames)
    bot.record(1)
    bot.close()
    path = next(path for path in segments(bot) if path.stat().st_size > len(frames))
    carrier = path.read_bytes().index(frames) - FRAME_HEADER_SIZE
    overwrite(path, carrier, b"\xff" * 4)
    source = make_source(bot.folder)
    assert drain(source) == [1, 2]
    assert add_up(bot.folder, {"list": source.cursor}).sinks["list"] == SinkBook(2, 0, 0, 1)


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

    class Deleting(FaultyFiles):
        def open(self, path: Any, flags: int, mode: int = 0o777, **others: Any) -> int:
            if Path(path) == first:
                first.unlink(missing_ok=True)
            return super().open(path, flags, mode, **others)

    files = Deleting()
    files.install()
    try:
        check(bot, delivered=list(range(lost + 1, 121)), unaccounted=lost)
    finally:
        files.remove()
    assert not first.exists()


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
    for each in (one, other):
        each.spool.ordinary.append(Kind.SPAN, 1, encode_record(make_span(1)))
        each.spool.errors.append(Kind.SPAN, 1, encode_record(make_span(2)))
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
