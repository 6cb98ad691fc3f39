"""The accounting of a folder: the equation in every state."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.fakes import ListSink
from tests.unit.forward.builders import (
    ONE_AT_A_TIME,
    Bot,
    add_up_for,
    deliver,
    make_courier,
)
from tradespan.core.delivery import Accepted, Cursor, Outcome, Parked
from tradespan.core.records import Span
from tradespan.forward.books import DIED_IN_MEMORY, Bookkeeper, Books, SinkBook, add_up
from tradespan.forward.courier import Courier
from tradespan.spool.folder import RunFolder
from tradespan.spool.writer import SpoolLimits


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", refuse)
        yield


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
