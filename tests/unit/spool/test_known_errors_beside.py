"""Errors that spools are known for, beside the segments: cursors, counter pages, the disk.

What is delivered, what is counted, what is said; `test_known_errors.py` has those of segments.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.fakes import ListSink
from tests.support.faulty_files import FaultyFiles
from tests.unit.forward.builders import (
    Bot,
    add_up_for,
    deliver,
    drain,
    make_courier,
    make_source,
    taken,
)
from tests.unit.spool.builders import (
    frame_offsets,
    overwrite,
)
from tests.unit.spool.known import bot, check, files, page_of, segments, spans_in
from tradespan.core import guard
from tradespan.core.delivery import Cursor
from tradespan.core.records import Span
from tradespan.forward.books import SinkBook, add_up
from tradespan.forward.cursors import FileCursors
from tradespan.spool.layout import HEADER_SIZE
from tradespan.spool.writer import SpoolLimits

__all__ = ["bot", "files"]

pytestmark = pytest.mark.usefixtures("way")


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
    sink: ListSink[Span] = ListSink()
    deliver(make_courier(sink, keeper), bot.folder)
    assert len(sink.records) == 20
    (bot.folder.path / "cursor-list.json").write_text(content)
    again: ListSink[Span] = ListSink()
    courier = make_courier(again, keeper)
    deliver(courier, bot.folder)
    assert sorted(taken(again)) == list(range(1, 21)), "twice, never less"
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


def test_last_records_go_after_others_were_dropped_from_memory(
    tmp_path: Path, files: FaultyFiles
) -> None:
    bot = Bot(tmp_path / "run", limits=SpoolLimits(4096, 4096, memory_records=100))
    files.faults["allocate"] = errno.ENOSPC
    bot.record(160)
    files.faults.clear()
    bot.clock.step(1.0)
    bot.close()
    *others, last = segments(bot)
    lost = spans_in(last)
    assert others
    assert 0 < lost <= bot.spool.ordinary.counters().overflow == 60
    last.unlink()
    assert add_up(bot.folder, {"list": Cursor()}).sinks["list"].unaccounted == lost


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
