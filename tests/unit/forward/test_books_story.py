"""The accounting of a folder over time: what is read again, and any story of a run."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.fakes import ListSink, MemoryCursors, SteppingClock
from tests.unit.forward.builders import (
    ONE_AT_A_TIME,
    SMALL,
    Bot,
    deliver,
    make_courier,
    told,
    told_by_lanes,
)
from tradespan.core.delivery import Cursor
from tradespan.core.records import Kind
from tradespan.forward.books import Bookkeeper, Books
from tradespan.forward.courier import Courier
from tradespan.forward.limits import SpaceKeeper, SpaceLimits
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
            [
                # Twice: what makes a story interesting.
                *("record", "record", "fail", "log", "deliver", "deliver other", "deliver other"),
                *("deliver logs", "discard", "discard", "kill the agent", "keep no cursor"),
                *("delete", "fill", "space", "restart"),
            ]
        ),
        st.integers(1, 200),
    ),
    min_size=8,
    max_size=30,
)


NAMES = ("one", "other", "logs")


class Story:
    """Bots that come and go in one folder, three sinks, a disk that fills, limits, an agent that
    is killed; nothing taken by hand.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = RunFolder(folder)
        self.patch = patch
        self.clock = SteppingClock()
        self.bots = [Bot(folder, clock=self.clock)]
        self.keeper = Bookkeeper(self.folder)
        self.cursors = [MemoryCursors() for _ in NAMES]
        self.start_agent()

    def start_agent(self) -> None:
        one, other, logs = self.cursors
        self.couriers: list[Courier[Any]] = [
            make_courier(ListSink(name="one"), one, clock=self.clock),
            make_courier(ListSink(name="other"), other, clock=self.clock, limits=ONE_AT_A_TIME),
            Courier(ListSink(name="logs"), logs, Kind.LOG, bytes, now=self.clock.seconds),
        ]
        for cursors in self.cursors:
            cursors.fault = None

    def take(self, step: str, count: int) -> None:
        if step in ("record", "fail", "log", "restart"):
            self.go_on_with_bot(step, count)
        elif step.startswith("deliver"):
            which = ("deliver", "deliver other", "deliver logs").index(step)
            deliver(self.couriers[which], self.folder, 1 + count // 40)
        elif step == "delete":
            one, other, logs = (courier.finished(self.folder) for courier in self.couriers)
            for name in one & other & logs:
                (self.folder.path / name).unlink(missing_ok=True)
        elif step == "fill":
            self.patch.setattr(os, "posix_fallocate", refuse_space)
        elif step == "space":
            self.patch.undo()
            self.clock.step(1)
        else:
            self.limit_or_kill(step, count)

    def go_on_with_bot(self, step: str, count: int) -> None:
        bot = self.bots[-1]
        if step == "log":
            for _ in range(count):
                bot.spool.ordinary.append(int(Kind.LOG), 0, b"a line")
            bot.recorded += count
        elif step == "restart":
            bot.die() if count % 2 else bot.close()
            self.bots.append(Bot(self.folder.path, clock=self.clock, limits=SMALL))
        else:
            bot.record(count, failed=step == "fail")

    def limit_or_kill(self, step: str, count: int) -> None:
        if step == "kill the agent":
            self.start_agent()
        elif step == "keep no cursor":
            self.cursors[count % len(NAMES)].fault = OSError(errno.ENOSPC, "no space")
        else:
            limits = SpaceLimits(bytes=4096 * (1 + count // 20), age=None, free=0)
            keeper = SpaceKeeper(self.folder.path, limits, clock=self.clock)
            for _ in range(2):
                keeper.work([self.folder])
                self.clock.step(1)

    def books(self) -> Books:
        return self.keeper.add_up({c.sink.name: c.cursor(self.folder) for c in self.couriers})


def refuse_space(descriptor: int, offset: int, size: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@settings(max_examples=60, deadline=None)
@given(steps=steps)
@example(
    steps=[
        *(("record", 200), ("deliver", 1), ("deliver other", 1), ("log", 80), ("discard", 1)),
        *(("kill the agent", 1), ("deliver other", 1), ("deliver logs", 1), ("delete", 1)),
        *(("keep no cursor", 1), ("record", 150), ("deliver other", 1), ("discard", 1)),
        *(("deliver other", 1), ("deliver other", 80), ("delete", 1), ("kill the agent", 1)),
    ]
)
@example(
    steps=[
        *(("record", 200), ("restart", 2), ("keep no cursor", 3), ("deliver", 200)),
        *([("deliver other", 200)] * 4), *([("deliver logs", 200)] * 2), ("deliver", 200),
        *(("delete", 1), ("kill the agent", 1), ("deliver", 1)),
    ]
)  # fmt: skip
@pytest.mark.usefixtures("quiet_guard")
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
            assert list(books.sinks) == list(NAMES)
            assert all(told(books, name) == books.recorded for name in NAMES)
            lanes = [lane.recorded for lane in books.lanes.values()]
            assert all(told_by_lanes(books, name) == lanes for name in NAMES)
            assert books.balanced
            lines = [line for lane in books.lanes.values() for line in lane.sinks.values()]
            assert not any(line.unaccounted for line in lines)
            assert books.interrupted == 0
