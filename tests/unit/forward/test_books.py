# long: one subject, whose states are set up by the same helpers; splitting would copy those
"""The equation holds in every state; what is unaccounted is what was taken away by hand."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fakes import ListSink, MemoryCursors, SteppingClock
from tests.unit.forward.builders import ONE_AT_A_TIME, SMALL, Bot, make_courier
from tests.unit.spool.builders import (
    frame_offsets,
    overwrite,
    read_segment,
    record_frames,
    resource_frame,
    write_segment,
)
from tradespan.core.delivery import Accepted, Cursor, Outcome, Parked
from tradespan.core.records import Lane, Span
from tradespan.forward.books import DIED_IN_MEMORY, Bookkeeper, Books, SinkBook, add_up
from tradespan.forward.courier import Courier
from tradespan.spool import reader as readers
from tradespan.spool.folder import RunFolder
from tradespan.spool.writer import SpoolLimits

Remove = Callable[[Path], None]


@pytest.fixture
def bot(tmp_path: Path) -> Bot:
    return Bot(tmp_path / "run")


def told(books: Books, sink: str = "list") -> int:
    """The right side of the equation."""
    book = books.sinks[sink]
    elsewhere = books.in_memory + sum(books.discarded.values())
    return book.accepted + book.parked + book.on_disk + elsewhere + book.unaccounted


def deliver(courier: Courier[Span], folder: RunFolder, batches: int = 1_000) -> None:
    for _ in range(batches):
        if not courier.work([folder]):
            return


def add_up_for(folder: RunFolder, *couriers: Courier[Span]) -> Books:
    books = add_up(folder, {courier.sink.name: courier.cursor(folder) for courier in couriers})
    for name in books.sinks:
        assert told(books, name) == books.recorded
    return books


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", refuse)
        yield


# ── the equation in every state ─────────────────────────────────────────────────────────────────


def test_what_nobody_has_taken_is_on_disk(bot: Bot) -> None:
    bot.record(200)
    bot.record(30, failed=True)
    books = add_up(bot.folder, {"list": Cursor()})
    assert books == Books(230, 0, 0, {}, {"list": SinkBook(0, 0, 230, 0)})
    assert books.balanced


def test_without_a_sink_what_was_recorded_is_known_all_the_same(bot: Bot) -> None:
    bot.record(200)
    assert add_up(bot.folder, {}) == Books(200, 0, 0)


def test_empty_folder_has_empty_books(tmp_path: Path) -> None:
    assert add_up(RunFolder(tmp_path / "missing"), {"list": Cursor()}).recorded == 0


def test_equation_holds_after_every_batch_and_after_deletion(bot: Bot) -> None:
    bot.record(200)
    bot.record(30, failed=True)
    courier = make_courier(ListSink(), limits=ONE_AT_A_TIME)
    seen = []
    while courier.work([bot.folder]):
        for name in courier.finished(bot.folder):
            (bot.folder.path / name).unlink()
        books = add_up_for(bot.folder, courier)
        assert (books.recorded, books.balanced) == (230, True)
        seen.append(books.sinks["list"].accepted)
    assert seen == sorted(seen)
    assert (len(seen) > 3, seen[-1]) == (True, 230)
    bot.close()
    courier.work([bot.folder])
    for name in courier.finished(bot.folder):
        (bot.folder.path / name).unlink()
    assert bot.folder.segments() == []
    assert add_up_for(bot.folder, courier).sinks == {"list": SinkBook(230, 0, 0, 0)}


def test_parked_records_have_a_place_of_their_own(bot: Bot) -> None:
    answers: list[Outcome] = [Accepted(), Parked("no"), Parked("partial success: 2", 2)]
    courier = make_courier(ListSink(rule=lambda batch: answers.pop(0)), limits=ONE_AT_A_TIME)
    counts = [len(bot.record(count)) for count in (20, 10, 7)]
    deliver(courier, bot.folder, 1)
    bot.record(3)
    books = add_up_for(bot.folder, courier)
    assert books.balanced
    assert sum(counts) + 3 == books.recorded
    answers[:] = [Parked("no"), Parked("partial success: 2", 2), *[Accepted()] * 9]
    deliver(courier, bot.folder)
    books = add_up_for(bot.folder, courier)
    assert books.balanced
    assert books.sinks["list"].parked > 0
    assert books.sinks["list"].on_disk == 0


def test_sinks_at_different_places_have_lines_of_their_own(bot: Bot) -> None:
    bot.record(300)
    ahead = make_courier(ListSink(name="ahead"))
    behind = make_courier(ListSink(name="behind"), limits=ONE_AT_A_TIME)
    deliver(ahead, bot.folder)
    deliver(behind, bot.folder, 2)
    bot.record(50)
    books = add_up_for(bot.folder, ahead, behind)
    assert books.balanced
    assert books.sinks["ahead"] == SinkBook(300, 0, 50, 0)
    taken = books.sinks["behind"].accepted
    assert books.sinks["behind"] == SinkBook(taken, 0, 350 - taken, 0)
    assert 0 < taken < 300


def test_records_in_memory_are_counted_while_the_process_lives(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot.record(3)
    courier = make_courier(ListSink())
    with full_disk(monkeypatch):
        bot.record(200)
        bot.record(5, failed=True)
        books = add_up_for(bot.folder, courier)
    assert books.balanced
    assert (books.recorded, books.discarded) == (208, {})
    assert books.in_memory + books.sinks["list"].on_disk == 208
    assert books.in_memory > 50
    bot.clock.step(1)
    bot.record(1)
    bot.close()
    books = add_up_for(bot.folder, courier)
    assert (books.balanced, books.in_memory, books.sinks["list"].on_disk) == (True, 0, 209)


def test_records_in_the_memory_of_a_process_that_died_are_discarded_with_that_reason(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot.record(3)
    with full_disk(monkeypatch):
        bot.record(200)
    waiting = bot.spool.ordinary.counters().in_memory
    bot.die()
    books = add_up_for(bot.folder, make_courier(ListSink()))
    assert (books.recorded, books.in_memory) == (203, 0)
    assert books.discarded == {DIED_IN_MEMORY: waiting}
    assert books.balanced


def test_records_dropped_from_full_memory_or_not_encodable_are_discarded_by_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = Bot(tmp_path, limits=SpoolLimits(4096, 4096, memory_records=10))
    bot.record(3)
    with full_disk(monkeypatch):
        bot.record(200)
        bot.record(15, failed=True)
    bot.spool.errors.count_discarded("unencodable")
    books = add_up_for(bot.folder, make_courier(ListSink()))
    dropped = sum(lane.counters().overflow for lane in (bot.spool.ordinary, bot.spool.errors))
    assert books.discarded == {"overflow": dropped, "unencodable": 1}
    assert (books.recorded, books.in_memory, books.balanced) == (219, 10, True)
    assert dropped > 100
    bot.clock.step(1)
    bot.close()
    books = add_up_for(bot.folder, make_courier(ListSink()))
    assert (books.recorded, books.in_memory, books.balanced) == (219, 0, True)


def test_books_of_several_processes_add_up(tmp_path: Path) -> None:
    bots = [Bot(tmp_path) for _ in range(3)]
    courier = make_courier(ListSink())
    for count, bot in enumerate(bots, start=1):
        bot.record(10 * count)
        bot.record(count, failed=True)
    bots[0].die()
    bots[1].close()
    assert add_up_for(RunFolder(tmp_path), courier).sinks["list"] == SinkBook(0, 0, 66, 0)
    deliver(courier, RunFolder(tmp_path))
    assert add_up_for(RunFolder(tmp_path), courier).sinks["list"] == SinkBook(66, 0, 0, 0)


def test_books_balance_at_any_moment_while_threads_record_and_deliver(tmp_path: Path) -> None:
    bot = Bot(tmp_path)
    fast, slow = ListSink[Span](name="fast"), ListSink[Span](name="slow")
    couriers = [make_courier(fast), make_courier(slow, limits=ONE_AT_A_TIME)]
    stop = threading.Event()

    def record() -> None:
        for _ in range(60):
            bot.record(50)
            bot.record(5, failed=True)

    def work(courier: Courier[Span]) -> None:
        while not stop.is_set():
            courier.work([bot.folder])

    recording = threading.Thread(target=record)
    threads = [recording, *(threading.Thread(target=work, args=(each,)) for each in couriers)]
    for thread in threads:
        thread.start()
    keeper = Bookkeeper(bot.folder)
    looks = 0
    while recording.is_alive() or looks < 20:
        done = couriers[0].finished(bot.folder) & couriers[1].finished(bot.folder)
        for name in done:
            (bot.folder.path / name).unlink(missing_ok=True)
        books = keeper.add_up({each.sink.name: each.cursor(bot.folder) for each in couriers})
        assert books.balanced, books
        looks += 1
    stop.set()
    for thread in threads:
        thread.join()
    assert keeper.add_up({"fast": couriers[0].cursor(bot.folder)}).recorded == 3_300


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


# ── how it is read ──────────────────────────────────────────────────────────────────────────────


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
