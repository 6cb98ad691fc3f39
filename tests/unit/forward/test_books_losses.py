"""The accounting of a folder from which something was taken away, or never written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.fakes import ListSink, MemoryCursors
from tests.unit.forward.builders import (
    Bot,
    add_up_for,
    deliver,
    make_courier,
)
from tests.unit.spool.builders import (
    frame_offsets,
    overwrite,
    read_segment,
    record_frames,
    resource_frame,
    write_segment,
)
from tradespan.core.delivery import Cursor
from tradespan.core.records import Lane
from tradespan.forward.books import Books, SinkBook, add_up
from tradespan.spool.folder import RunFolder

Remove = Callable[[Path], None]


# ── what was taken away by hand ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("which", ["first", "middle", "last", "of errors"])
def test_records_of_a_deleted_segment_are_unaccounted(bot: Bot, which: str) -> None:
    bot.record(400)
    bot.record(20, failed=True)
    if which != "last":
        bot.close()
    lane = Lane.ERROR if which == "of errors" else Lane.ORDINARY
    names = [name for name in bot.folder.segments() if name.lane == lane]
    place = {"first": 0, "middle": len(names) // 2, "last": -1, "of errors": 0}[which]
    path = bot.folder.path / str(names[place])
    removed = len(read_segment(path))
    courier = make_courier(ListSink())
    path.unlink()
    books = add_up_for(bot.folder, courier)
    assert (books.recorded, books.sinks["list"].unaccounted) == (420, removed)
    assert removed > 0
    deliver(courier, bot.folder)
    books = add_up_for(bot.folder, courier)
    assert books.sinks["list"] == SinkBook(420 - removed, 0, 0, removed)
    assert not books.balanced


def overwrite_two_records(path: Path) -> None:
    offsets = frame_offsets(path)
    overwrite(path, offsets[-4] + 20, b"\xff" * 4)
    overwrite(path, offsets[-9] + 20, b"\xff" * 4)


def overwrite_the_last_records(path: Path) -> None:
    offsets = frame_offsets(path)
    overwrite(path, offsets[-2], b"\xff" * (offsets[-1] - offsets[-2] + 24))


def zero_two_records(path: Path) -> None:
    offsets = frame_offsets(path)
    overwrite(path, offsets[-6], bytes(offsets[-4] - offsets[-6]))


def cut_two_records_off(path: Path) -> None:
    os.truncate(path, frame_offsets(path)[-2])


@pytest.mark.parametrize(
    "remove",
    [
        overwrite_two_records,
        overwrite_the_last_records,
        zero_two_records,
        cut_two_records_off,
    ],
)
@pytest.mark.parametrize("end", ["close", "die"])
@pytest.mark.parametrize("place", [0, -1])
def test_damaged_records_are_unaccounted(bot: Bot, remove: Remove, end: str, place: int) -> None:
    bot.record(200)
    bot.close() if end == "close" else bot.die()
    path = bot.folder.path / str(bot.folder.segments()[place])
    before = len(read_segment(path))
    remove(path)
    removed = before - len(read_segment(path))
    assert removed == 2
    courier = make_courier(ListSink())
    assert add_up_for(bot.folder, courier).sinks["list"].unaccounted == 2
    deliver(courier, bot.folder)
    courier.work([bot.folder])
    assert add_up_for(bot.folder, courier).sinks["list"] == SinkBook(198, 0, 0, 2)


def test_loss_is_told_by_sinks_that_had_not_read_it_alone(bot: Bot) -> None:
    bot.record(400)
    bot.close()
    ahead, behind = make_courier(ListSink(name="ahead")), make_courier(ListSink(name="behind"))
    deliver(ahead, bot.folder)
    path = bot.folder.path / str(bot.folder.segments()[1])
    removed = len(read_segment(path))
    path.unlink()
    books = add_up_for(bot.folder, ahead, behind)
    assert books.sinks["ahead"] == SinkBook(400, 0, 0, 0)
    assert books.sinks["behind"] == SinkBook(0, 0, 400 - removed, removed)


def test_loss_is_remembered_over_a_restart_when_the_damaged_segment_is_gone(bot: Bot) -> None:
    bot.record(200)
    bot.close()
    path = bot.folder.path / str(bot.folder.segments()[0])
    overwrite_the_last_records(path)
    keeper = MemoryCursors()
    courier = make_courier(ListSink(), keeper)
    deliver(courier, bot.folder)
    courier.work([bot.folder])
    for name in courier.finished(bot.folder):
        (bot.folder.path / name).unlink()
    again = make_courier(ListSink(), keeper)
    assert add_up_for(bot.folder, again).sinks["list"] == SinkBook(198, 0, 0, 2)


def test_file_that_was_set_aside_is_unaccounted(bot: Bot) -> None:
    bot.record(400)
    bot.close()
    path = bot.folder.path / str(bot.folder.segments()[1])
    removed = len(read_segment(path))
    overwrite(path, 20, b"\xff")
    courier = make_courier(ListSink())
    assert add_up_for(bot.folder, courier).sinks["list"].unaccounted == removed
    deliver(courier, bot.folder)
    assert add_up_for(bot.folder, courier).sinks["list"].unaccounted == removed


def test_loss_behind_everything_that_is_known_cannot_be_seen_without_the_page(bot: Bot) -> None:
    # The limit of the books, stated: neither a later record nor the page tells that there was more.
    bot.record(200)
    bot.close()
    names = bot.folder.segments()
    removed = len(read_segment(bot.folder.path / str(names[-1])))
    (bot.folder.path / str(names[-1])).unlink()
    (bot.folder.path / f"{names[-1].writer}.page").unlink()
    books = add_up_for(bot.folder, make_courier(ListSink()))
    assert books.recorded == 200 - removed
    assert books.balanced


# ── calls that never returned ───────────────────────────────────────────────────────────────────


def test_numbers_of_interrupted_calls_are_not_lost(tmp_path: Path) -> None:
    frames = record_frames(10)
    del frames[3], frames[6]
    write_segment(tmp_path, [resource_frame(), *frames], closed=False)
    books = add_up(RunFolder(tmp_path), {"list": Cursor()})
    assert books == Books(8, 0, 2, {}, {"list": SinkBook(0, 0, 8, 0)})


def test_record_that_was_torn_by_the_death_of_its_process_is_not_lost(tmp_path: Path) -> None:
    frames = record_frames(10)
    torn = (frames[6][:30]).ljust(4096, b"\0")
    del frames[6]
    write_segment(tmp_path, [resource_frame(), *frames], tail=torn, closed=False)
    books = add_up(RunFolder(tmp_path), {"list": Cursor()})
    assert books == Books(9, 0, 1, {}, {"list": SinkBook(0, 0, 9, 0)})


def test_call_that_failed_after_it_drew_a_number_is_counted_once(bot: Bot) -> None:
    bot.record(5)
    with pytest.raises(TypeError):
        bot.spool.ordinary.append(16, [], b"x")  # type: ignore[arg-type]
    bot.spool.ordinary.count_discarded("unencodable")
    bot.record(5)
    books = add_up_for(bot.folder, make_courier(ListSink()))
    assert (books.recorded, books.interrupted) == (11, 1)
    assert books.discarded == {"unencodable": 1}
    assert books.balanced
