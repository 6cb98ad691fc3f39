"""Making metric pages: series by declaration, cells that others see at once, files that grow."""

from __future__ import annotations

import mmap
import os
import signal
import struct
import threading
import zlib
from pathlib import Path

import msgspec
import pytest

from tests.support.fakes import NOON, SECOND
from tests.unit.pages.builders import (
    CELLS,
    CHECK,
    DECIDE,
    MICROSECOND,
    MILLISECOND,
    Writer,
    calls_in,
    cells_of,
    count,
    problems_in,
    read_folder,
)
from tests.unit.spool.builders import make_writer
from tradespan.core import guard
from tradespan.declare.instruments import TRADESPAN_FUNCTION_DURATION
from tradespan.pages import metrics
from tradespan.pages.metrics import (
    DURATION_BOUNDS,
    FIRST_FILE,
    LARGEST_FILE,
    MOST_SERIES,
    OTHER,
    FunctionSeries,
    MetricPage,
    pack_block,
)
from tradespan.pages.readings import Counts, read_metric_page

SEND = FunctionSeries("bot.execution.send")


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "run")


@pytest.fixture
def page(writer: Writer) -> MetricPage:
    return MetricPage(writer)


def numbered(number: int) -> FunctionSeries:
    return FunctionSeries(f"bot.function_{number:05}")


# ── series ──────────────────────────────────────────────────────────────────────────────────────


def test_bounds_go_in_steps_of_1_2_5_from_a_microsecond_to_100_seconds() -> None:
    steps = [step * 10**power for power in range(3, 11) for step in (1, 2, 5)]

    assert list(DURATION_BOUNDS) == [*steps, 100 * SECOND]
    assert TRADESPAN_FUNCTION_DURATION.unit == "s"


def test_new_series_is_there_with_zeros_before_anything_is_counted(
    page: MetricPage, writer: Writer
) -> None:
    page.function(CHECK, CELLS)
    (reading,) = read_metric_page(writer.path).functions

    assert reading.series == CHECK
    assert reading.counts == Counts((0,) * 26, 0, 0, 0)


def test_counts_are_seen_by_others_as_they_are_made(page: MetricPage, writer: Writer) -> None:
    count(page, DECIDE, 1, MICROSECOND, 3 * MICROSECOND, 200 * SECOND, errors=1)
    (reading,) = read_metric_page(writer.path).functions

    assert reading.counts.buckets == (2, 0, 1, *[0] * 22, 1)
    assert reading.counts[1:] == (200 * SECOND + 4 * MICROSECOND + 1, 1, 3)
    cells_of(page, DECIDE).record(1)
    (reading,) = read_metric_page(writer.path).functions
    assert reading.counts.calls == 5


def test_same_declaration_gets_the_same_cells(page: MetricPage, writer: Writer) -> None:
    page.function(DECIDE, CELLS)[0] = 7
    again = FunctionSeries("bot.strategy.decide", "strategy")

    assert page.function(again, CELLS)[0] == 7
    assert page.function(FunctionSeries("bot.strategy.decide"), CELLS)[0] == 0
    assert len(read_metric_page(writer.path).functions) == 2


def test_cells_that_do_not_fit_the_bounds_are_refused(page: MetricPage) -> None:
    with pytest.raises(ValueError, match="25 bounds do not take 28 cells"):
        page.function(DECIDE, CELLS - 1)


def test_page_without_a_series_makes_no_file(page: MetricPage, writer: Writer) -> None:
    page.close()

    assert not writer.folder.exists()


def test_page_takes_its_place_from_a_spool_writer(tmp_path: Path) -> None:
    spool = make_writer(tmp_path / "run")
    count(MetricPage(spool), DECIDE, 1)

    assert (spool.folder / f"{spool.identity.hex()}.metrics").exists()
    assert calls_in(spool.folder) == {DECIDE.name: 1}


def test_second_page_of_a_writer_leaves_the_first_alone(page: MetricPage, writer: Writer) -> None:
    count(page, DECIDE, 1)
    count(MetricPage(writer), DECIDE, 1, 1)

    assert len(list(writer.folder.iterdir())) == 2
    assert calls_in(writer.folder) == {DECIDE.name: 3}


def test_page_says_whose_counts_it_holds_and_whether_that_process_lives(
    page: MetricPage, writer: Writer
) -> None:
    page.function(DECIDE, CELLS)
    facts = read_metric_page(writer.path).page
    writer.locks.abandon()
    later = read_metric_page(writer.path).page

    assert facts is not None
    assert facts == (writer.identity.hex(), os.getpid(), NOON, True)
    assert later is not None
    assert not later.alive


def test_page_that_is_left_is_of_nobody_who_lives(page: MetricPage, writer: Writer) -> None:
    count(page, DECIDE, 1)
    page.close()
    page.leave()
    facts = read_metric_page(writer.path).page

    assert facts is not None
    assert not facts.alive
    assert calls_in(writer.folder) == {DECIDE.name: 1}


# ── bytes ───────────────────────────────────────────────────────────────────────────────────────


def test_file_has_the_documented_offsets(page: MetricPage, writer: Writer) -> None:
    page.function(CHECK, CELLS)[3] = 42
    data = writer.path.read_bytes()

    assert data[:8] == b"tsmetr\r\n"
    assert struct.unpack_from("<HHII", data, 8) == (1, 128, 1, os.getpid())
    assert struct.unpack_from("<QQ", data, 24) == (0, NOON)
    assert data[40:56] == writer.identity
    assert struct.unpack_from("<I", data, 60)[0] == zlib.crc32(data[:60])
    assert struct.unpack_from("<QQ", data, 72) == (0, 0)
    (end,) = struct.unpack_from("<Q", data, 64)
    size, kind, _, cells, length, checksum, of_head = struct.unpack_from("<IHHIIII", data, 128)
    assert (128 + size, kind, cells) == (end, 1, CELLS)
    payload = data[152 : 152 + length]
    assert checksum == zlib.crc32(payload)
    assert of_head == zlib.crc32(data[128:148])
    assert struct.unpack_from("<q", data, end - 8 * CELLS + 3 * 8)[0] == 42
    assert msgspec.msgpack.decode(payload) == {
        "name": "bot.risk.check",
        "process_group": "risk",
        "attributes": [],
        "target": 0.9,
        "latency": 10 * MILLISECOND,
        "unit": "ns",
        "bounds": list(DURATION_BOUNDS),
    }


def test_file_is_private_and_its_blocks_are_allocated(page: MetricPage, writer: Writer) -> None:
    page.function(DECIDE, CELLS)
    status = writer.path.stat()

    assert (status.st_mode & 0o777, status.st_size) == (0o600, FIRST_FILE)
    assert status.st_blocks * 512 >= FIRST_FILE


# ── growth ──────────────────────────────────────────────────────────────────────────────────────


def test_page_grows_by_files_each_twice_as_large(page: MetricPage, writer: Writer) -> None:
    for number in range(MOST_SERIES):
        page.function(numbered(number), CELLS)[0] = number
    paths = sorted(writer.folder.iterdir())

    sizes = [FIRST_FILE << place for place in range(len(paths))]
    assert len(paths) > 3
    assert [path.stat().st_size for path in paths] == [min(s, LARGEST_FILE) for s in sizes]
    assert [path.name.rpartition(".")[2] for path in paths] == ["metrics", *"2345"][: len(paths)]
    assert calls_in(writer.folder) == {numbered(n).name: n for n in range(MOST_SERIES)}


def test_functions_above_the_cap_count_as_other_and_are_told(
    page: MetricPage, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "MOST_SERIES", 3)
    for number in range(5):
        count(page, numbered(number), 1, 1)
    (reading,) = read_folder(writer.folder)

    assert reading.overflow == 2
    assert calls_in(writer.folder) == {
        **{numbered(number).name: 2 for number in range(3)},
        OTHER: 4,
    }


@pytest.mark.parametrize("name", ["x" * 5_000, "bot.\ud800"])
def test_name_that_has_no_place_in_a_declaration_counts_as_other(
    page: MetricPage, writer: Writer, name: str
) -> None:
    count(page, FunctionSeries(name), 1)

    assert calls_in(writer.folder) == {OTHER: 1}
    assert problems_in(writer.folder) == []


def test_closed_page_gives_back_what_it_does_not_use_and_counts_on(
    page: MetricPage, writer: Writer
) -> None:
    cells = page.function(DECIDE, CELLS)
    page.close()
    cells[0] = 1
    count(page, CHECK, 1)

    assert writer.path.stat().st_size == mmap.PAGESIZE
    assert len(read_metric_page(writer.path).functions) == 1
    assert calls_in(writer.folder) == {DECIDE.name: 1, CHECK.name: 1}


# ── trouble ─────────────────────────────────────────────────────────────────────────────────────


def test_page_that_cannot_be_made_is_told_once_and_tried_again_with_the_next_function(
    page: MetricPage, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    writer.folder.write_text("in the way")
    guard._last_logged.clear()  # noqa: SLF001 - other tests log the same cause
    count(page, DECIDE, 1, 1)
    count(page, numbered(1), 1)
    assert page.function(DECIDE, CELLS)[0] == 2
    assert [str(writer.folder) in record.getMessage() for record in caplog.records] == [True]

    writer.folder.unlink()
    count(page, CHECK, 1)
    (reading,) = read_folder(writer.folder)
    assert calls_in(writer.folder) == {CHECK.name: 1}
    assert reading.in_memory == 2


def test_page_that_cannot_be_allocated_leaves_no_file(
    page: MetricPage, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, offset: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", refuse)
        count(page, DECIDE, 1)
    assert list(writer.folder.iterdir()) == []
    count(page, CHECK, 1)
    assert calls_in(writer.folder) == {CHECK.name: 1}


def test_threads_that_ask_at_once_get_the_same_cells(page: MetricPage, writer: Writer) -> None:
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait()
        for number in range(200):
            cells_of(page, numbered(number)).record(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls_in(writer.folder) == {numbered(number).name: 4 for number in range(200)}


def test_signal_handler_may_count_while_a_series_is_made(page: MetricPage, writer: Writer) -> None:
    handled = 0

    def handle(number: int, frame: object) -> None:
        nonlocal handled
        handled += 1
        count(page, numbered(handled % 300), 1)

    before = signal.signal(signal.SIGPROF, handle)
    # Of this process's own time: a busy machine must not pile up handlers inside each other.
    signal.setitimer(signal.ITIMER_PROF, 0.0005, 0.0005)
    made = 0
    try:
        while handled < 200:
            count(page, numbered(made % 600), 1)
            made += 1
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    assert sum(calls_in(writer.folder).values()) == made + handled
    assert problems_in(writer.folder) == []


def test_what_interrupts_the_making_of_a_series_gets_the_same_one(
    page: MetricPage, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner: list[memoryview] = []

    def interrupt(kind: int, payload: bytes, cells: int) -> bytes:
        if not inner:
            inner.append(memoryview(b""))
            inner[0] = page.function(DECIDE, CELLS)
        return pack_block(kind, payload, cells)

    monkeypatch.setattr(metrics, "pack_block", interrupt)
    outer = page.function(DECIDE, CELLS)
    inner[0][0] += 1

    assert outer[0] == 1
    assert calls_in(writer.folder) == {DECIDE.name: 1}


def test_readers_see_no_block_that_is_half_written(page: MetricPage, writer: Writer) -> None:
    page.function(DECIDE, CELLS)
    (file,) = page._files  # noqa: SLF001 - only between two of its steps is a block half written
    mapped, seen = file._map, list[str]()  # noqa: SLF001

    class Interrupted:
        def __setitem__(self, place: slice, head: bytes) -> None:
            file._map = mapped  # noqa: SLF001
            page.function(SEND, CELLS)
            seen.extend(each.series.name for each in read_metric_page(writer.path).functions)
            seen.extend(problems_in(writer.folder))
            mapped[place] = head

    file._map = Interrupted()  # type: ignore[assignment]  # noqa: SLF001
    page.function(CHECK, CELLS)

    assert seen == [DECIDE.name]
    assert list(calls_in(writer.folder)) == [DECIDE.name, CHECK.name, SEND.name]
