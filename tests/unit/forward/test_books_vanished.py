"""A segment that a sink has begun goes: by our own hand it is no loss, by another's it is one."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from tests.support.fakes import ListSink, MemoryCursors, SteppingClock
from tests.unit.forward.builders import (
    Bot,
    add_up_for,
    deliver,
    drain,
    make_courier,
    make_source,
    taken,
)
from tests.unit.spool.builders import overwrite, read_segment
from tradespan.core.delivery import Cursor
from tradespan.core.records import Span
from tradespan.forward.books import SinkBook
from tradespan.forward.courier import Courier
from tradespan.forward.cursors import FileCursors
from tradespan.forward.limits import SpaceKeeper, SpaceLimits

KEEPER = FileCursors("list")


def kept(bot: Bot) -> Cursor:
    return KEEPER.load(str(bot.folder.path))


def forward(bot: Bot, name: str = "list") -> Courier[Span]:
    """A courier that has taken all that is there, and whose cursor is in its file."""
    courier = make_courier(ListSink[Span](name=name), FileCursors(name))
    deliver(courier, bot.folder)
    return courier


def delete(bot: Bot, names: frozenset[str]) -> None:
    for name in names:
        (bot.folder.path / name).unlink()


def has_gap(cursor: Cursor) -> bool:
    """Whether the books of a row would count each missing number as lost."""
    return any(book.ordinal > book.segments for book in cursor.books.values())


def test_cursor_names_what_it_has_begun_and_not_finished(bot: Bot) -> None:
    bot.record(120)
    forward(bot)
    *finished, last = map(str, bot.folder.segments())
    assert finished
    assert kept(bot).unfinished == {last}
    bot.close()
    forward(bot)
    assert kept(bot).unfinished == set()


@pytest.mark.parametrize("deleted", [0, 1, 2])
def test_agent_that_is_killed_while_it_deletes_leaves_no_loss(bot: Bot, deleted: int) -> None:
    bot.record(300)
    finished = sorted(forward(bot).finished(bot.folder))
    assert len(finished) > 2
    delete(bot, frozenset(finished[:deleted]))
    bot.record(100)
    again = forward(bot)
    assert len(taken(again.sink)) == 100  # type: ignore[arg-type]
    assert add_up_for(bot.folder, again).sinks["list"] == SinkBook(400, 0, 0, 0)
    assert not has_gap(again.cursor(bot.folder))


def test_segment_is_not_deleted_before_the_cursor_that_finished_it_is_kept(bot: Bot) -> None:
    keeper = MemoryCursors()
    courier = make_courier(ListSink[Span](), keeper)
    bot.record(20)
    deliver(courier, bot.folder)
    keeper.fault = OSError(errno.ENOSPC, "No space left on device")
    bot.close()  # nothing came, but for its end
    courier.work([bot.folder])
    assert courier.finished(bot.folder) == frozenset()
    keeper.fault = None
    courier.work([bot.folder])
    assert len(courier.finished(bot.folder)) == 1
    assert keeper.kept[str(bot.folder.path)].unfinished == set()


def test_of_several_sinks_those_miss_it_that_had_not_finished_it(bot: Bot) -> None:
    bot.record(20)
    behind = make_courier(ListSink[Span](name="behind"))
    deliver(behind, bot.folder)
    bot.record(20)
    bot.close()
    ahead = forward(bot, "ahead")
    delete(bot, frozenset(map(str, bot.folder.segments())))
    for _ in range(2):
        books = add_up_for(bot.folder, ahead, behind)
        assert books.sinks["ahead"] == SinkBook(40, 0, 0, 0)
        assert books.sinks["behind"] == SinkBook(20, 0, 0, 20)
        deliver(behind, bot.folder)
    assert (has_gap(ahead.cursor(bot.folder)), has_gap(behind.cursor(bot.folder))) == (False, True)


def test_loss_is_told_after_a_restart_that_did_not_see_the_segment(bot: Bot) -> None:
    bot.record(10)
    forward(bot)
    bot.record(10)
    delete(bot, frozenset(map(str, bot.folder.segments())))
    # No agent looked between the deletion and now, when other segments are there.
    bot.record(300)
    for _ in range(2):
        again = forward(bot)
        here = sum(len(read_segment(bot.folder.path / str(n))) for n in bot.folder.segments())
        assert add_up_for(bot.folder, again).sinks["list"] == SinkBook(10 + here, 0, 0, 310 - here)


def test_cursor_of_an_earlier_version_learns_what_it_has_not_finished(bot: Bot) -> None:
    bot.record(10)
    forward(bot)
    path = bot.folder.path / "cursor-list.json"
    content = json.loads(path.read_text())
    del content["unfinished"]
    path.write_text(json.dumps(content))
    forward(bot)
    (name,) = map(str, bot.folder.segments())
    assert kept(bot).unfinished == {name}


def test_discarded_segment_is_no_gap_for_who_was_in_the_middle_of_it(bot: Bot) -> None:
    bot.record(10)
    courier = forward(bot)
    bot.record(10)
    bot.die()
    clock = SteppingClock()
    space = SpaceKeeper(bot.folder.path, SpaceLimits(bytes=1, age=None, free=0), clock=clock)
    for _ in range(2):
        space.work([bot.folder])
        clock.step(1)
    assert bot.folder.segments() == []
    discarded = SinkBook(10, 0, 0, 0, discarded={"limit_bytes": 10})
    assert add_up_for(bot.folder, courier).sinks["list"] == discarded
    deliver(courier, bot.folder)
    assert add_up_for(bot.folder, courier).sinks["list"] == discarded
    delete(bot, courier.finished(bot.folder))
    deliver(courier, bot.folder)
    assert add_up_for(bot.folder, courier).sinks["list"] == discarded
    assert not has_gap(courier.cursor(bot.folder))


def test_segment_that_is_set_aside_in_the_middle_is_missed(bot: Bot) -> None:
    bot.record(10)
    forward(bot)
    bot.record(10)
    bot.die()
    (name,) = bot.folder.segments()
    overwrite(bot.folder.path / str(name), 20, b"\xff")
    again = forward(bot)
    assert bot.folder.segments() == []
    assert add_up_for(bot.folder, again).sinks["list"] == SinkBook(10, 0, 0, 10)


def test_folder_that_cannot_be_listed_has_lost_nothing(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot.record(10)
    source = make_source(bot.folder)
    assert len(drain(source)) == 10
    with monkeypatch.context() as patch:
        patch.setattr(type(bot.folder), "contents", lambda self: ([], []))
        assert drain(source) == []
    bot.record(10)
    assert drain(source) == list(range(11, 21)), "nothing twice"
    assert not has_gap(source.cursor)


def test_reader_of_a_folder_that_is_gone_goes_on(bot: Bot, tmp_path: Path) -> None:
    bot.record(10)
    source = make_source(bot.folder)
    assert len(drain(source)) == 10
    bot.folder.path.rename(tmp_path / "elsewhere")
    assert drain(source) == []
    assert has_gap(source.cursor)
