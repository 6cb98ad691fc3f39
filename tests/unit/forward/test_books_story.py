"""The accounting of a folder over time: what is read again, and any story of a run."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fakes import ListSink, SteppingClock
from tests.unit.forward.builders import (
    ONE_AT_A_TIME,
    SMALL,
    Bot,
    deliver,
    make_courier,
    told,
)
from tradespan.core.delivery import Cursor
from tradespan.forward.books import Bookkeeper, Books
from tradespan.spool import reader as readers
from tradespan.spool.folder import RunFolder


def test_what_was_counted_is_not_read_again(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    real = readers.SegmentReader.read

    def count(self: readers.SegmentReader, offset: int, limit: int = 0) -> readers.Stretch:
        stretch = real(self, offset, limit)
        reads.append(stretch.end - stretch.start)
        return stretch

    monkeypatch.setattr(readers.SegmentReader, "read", count)
    bot.record(2_000)
    keeper = Bookkeeper(bot.folder)
    cursors = {"store": Cursor(), "otlp": Cursor()}
    assert keeper.add_up(cursors).recorded == 2_000
    first = sum(reads)
    reads.clear()
    for _ in range(10):
        assert keeper.add_up(cursors).recorded == 2_000
    assert sum(reads) == 0
    bot.record(1)
    assert keeper.add_up(cursors).recorded == 2_001
    assert 0 < sum(reads) < first / 100


Step = tuple[str, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["record", "fail", "deliver", "deliver other", "delete", "fill", "space", "restart"]
        ),
        st.integers(1, 120),
    ),
    min_size=1,
    max_size=25,
)


class Story:
    """Bots that come and go in one folder, two sinks, a disk that fills; nothing taken by hand."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = RunFolder(folder)
        self.patch = patch
        self.clock = SteppingClock()
        self.bots = [Bot(folder, clock=self.clock)]
        self.keeper = Bookkeeper(self.folder)
        self.couriers = [
            make_courier(ListSink(name="one"), clock=self.clock),
            make_courier(ListSink(name="other"), clock=self.clock, limits=ONE_AT_A_TIME),
        ]

    def take(self, step: str, count: int) -> None:
        bot = self.bots[-1]
        if step in ("record", "fail"):
            bot.record(count, failed=step == "fail")
        elif step in ("deliver", "deliver other"):
            deliver(self.couriers[step != "deliver"], self.folder, 1 + count // 40)
        elif step == "delete":
            finished = [courier.finished(self.folder) for courier in self.couriers]
            for name in finished[0] & finished[1]:
                (self.folder.path / name).unlink(missing_ok=True)
        elif step == "fill":
            self.patch.setattr(os, "posix_fallocate", refuse_space)
        elif step == "space":
            self.patch.undo()
            self.clock.step(1)
        elif step == "restart":
            bot.die() if count % 2 else bot.close()
            self.bots.append(Bot(self.folder.path, clock=self.clock, limits=SMALL))

    def books(self) -> Books:
        return self.keeper.add_up({c.sink.name: c.cursor(self.folder) for c in self.couriers})


def refuse_space(descriptor: int, offset: int, size: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@settings(max_examples=60, deadline=None)
@given(steps=steps)
def test_books_balance_after_every_step_of_any_story(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        story = Story(tmp_path_factory.mktemp("story"), patch)
        for step, count in steps:
            story.take(step, count)
            books = story.books()
            # Without any file the page of a process cannot be seen yet.
            visible = sum(bot.recorded for bot in story.bots if bot.spool.counters.attached)
            assert books.recorded == visible
            assert all(told(books, name) == books.recorded for name in books.sinks)
            assert books.balanced
            assert books.interrupted == 0
