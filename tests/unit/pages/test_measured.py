"""Counters, gauges and histograms of pages, as others read them; and what folding makes of them."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.pages.builders import read_folder
from tests.unit.pages.measured import LATENCY, OPEN, TRADES, VALUE, Page, declare, put_exemplar
from tradespan.pages import locks
from tradespan.pages import readings as reading_module
from tradespan.pages.folding import fold_dead_pages
from tradespan.pages.measured import (
    CellExemplar,
    HistogramReading,
    NotReadableError,
    NumberReading,
    PageFacts,
    merge_histograms,
    merge_numbers,
    read_histogram,
    read_number,
)
from tradespan.pages.metrics import HISTOGRAM, NUMBER
from tradespan.pages.readings import MOST_PROBLEMS, read_metric_page
from tradespan.spool.folder import RunFolder

FACTS = PageFacts("ab" * 16, 1, 0, alive=True)
NOW = 1_700_000_000_000_000_000


def numbers_of(folder: Path) -> dict[str, NumberReading]:
    found = (each for reading in read_folder(folder) for each in reading.numbers)
    return {each.series.name: each for each in merge_numbers(found)}


def histograms_of(folder: Path) -> dict[str, HistogramReading]:
    found = (each for reading in read_folder(folder) for each in reading.histograms)
    return {each.series.name: each for each in merge_histograms(found)}


def test_what_was_counted_is_read_with_its_declaration(tmp_path: Path) -> None:
    page = Page(tmp_path)
    page.number(TRADES, 3.0)
    page.number(VALUE, -2.5, NOW)
    page.histogram(LATENCY, [0.1, 0.2, 7.0])
    (reading,) = read_folder(tmp_path)

    trades, value = reading.numbers
    assert (trades.series, trades.value, trades.has_value) == (TRADES, 3.0, True)
    assert (value.series, value.value, value.set_at) == (VALUE, -2.5, NOW)
    (latency,) = reading.histograms
    assert (latency.series, latency.counts) == (LATENCY, (1, 1, 0, 1))
    assert (latency.min, latency.max) == (0.1, 7.0)
    assert latency.sum == pytest.approx(7.3)
    assert trades.page.writer == page.name
    assert trades.page.alive
    assert reading.problems == ()


def test_gauge_that_was_never_set_has_no_value(tmp_path: Path) -> None:
    page = Page(tmp_path)
    page.number(VALUE, 0.0)
    page.number(OPEN, 0.0)

    assert not numbers_of(tmp_path)[VALUE.name].has_value
    assert numbers_of(tmp_path)[OPEN.name].has_value


def test_exemplar_is_read(tmp_path: Path) -> None:
    page = Page(tmp_path)
    put_exemplar(page.number(TRADES, 3.0), 1.0, NOW)
    put_exemplar(page.histogram(LATENCY, [0.2]), 0.2, NOW)

    seen = numbers_of(tmp_path)[TRADES.name].exemplar
    assert seen is not None
    assert (seen.value, seen.time, seen.span_id, seen.trace_id) == (1.0, NOW, 0xABC, b"t" * 16)
    seen = histograms_of(tmp_path)[LATENCY.name].exemplar
    assert seen is not None
    assert seen.value == 0.2


def test_exemplar_that_is_being_written_is_none(tmp_path: Path) -> None:
    page = Page(tmp_path)
    put_exemplar(page.number(TRADES, 3.0), 1.0, NOW, sequence=3)

    assert numbers_of(tmp_path)[TRADES.name].exemplar is None


def test_exemplar_that_was_written_while_it_was_read_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page(tmp_path)
    cells = page.number(TRADES, 3.0)
    put_exemplar(cells, 1.0, NOW, sequence=2)
    other = page.histogram(LATENCY, [0.2])
    put_exemplar(other, 0.2, NOW, sequence=4)
    read = locks.read_with_lock

    def read_and_write(path: Path, most: int) -> tuple[bytes, bool | None]:
        found = read(path, most)
        put_exemplar(cells, 2.0, NOW + 1, sequence=4)
        return found

    monkeypatch.setattr(reading_module, "read_with_lock", read_and_write)
    reading = read_metric_page(page.writer.path)
    assert reading.numbers[0].exemplar is None
    assert isinstance(reading.histograms[0].exemplar, CellExemplar)


# ── hostile bytes ───────────────────────────────────────────────────────────────────────────────


def number_cells(value: float, cells: int = 8) -> memoryview:
    return memoryview(struct.pack("<d", value).ljust(8 * cells, b"\0"))


@pytest.mark.parametrize(
    ("series", "cells"),
    [
        (TRADES, number_cells(-1.0)),
        (TRADES, number_cells(math.nan)),
        (VALUE, number_cells(math.inf)),
        (TRADES, number_cells(1.0, cells=7)),
        (declare(TRADES, instrument="histogram"), number_cells(1.0)),
        (declare(TRADES, instrument="abacus"), number_cells(1.0)),
        (declare(TRADES, name=""), number_cells(1.0)),
        (declare(TRADES, labels=(("a", "1"), ("a", "2"))), number_cells(1.0)),
        (declare(TRADES, labels=(("", "1"),)), number_cells(1.0)),
    ],
)
def test_number_that_cannot_be_is_refused(series: object, cells: memoryview) -> None:
    with pytest.raises(NotReadableError):
        read_number(msgspec.msgpack.encode(series), cells, FACTS, 0)


@pytest.mark.parametrize(
    "series",
    [
        declare(LATENCY, bounds=(0.5, 0.5)),
        declare(LATENCY, bounds=(0.5, math.nan)),
        declare(LATENCY, bounds=(0.5, math.inf)),
        declare(LATENCY, bounds=tuple(map(float, range(1000)))),
        declare(LATENCY, instrument="counter"),
    ],
)
def test_histogram_that_cannot_be_is_refused(series: object) -> None:
    with pytest.raises(NotReadableError):
        read_histogram(msgspec.msgpack.encode(series), memoryview(bytes(8 * 13)), FACTS, 0)


def test_counts_beyond_64_bits_are_refused() -> None:
    cells = memoryview(struct.pack("<4Q", *[2**63] * 4) + bytes(8 * 9))
    with pytest.raises(NotReadableError):
        read_histogram(msgspec.msgpack.encode(LATENCY), cells, FACTS, 0)


@settings(max_examples=300)
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(payload: bytes, cells: bytes) -> None:
    padded = memoryview(cells[: len(cells) // 8 * 8])
    for read in (read_number, read_histogram):
        try:
            read(payload, padded, FACTS, 0)
        except NotReadableError:
            continue


def test_what_is_wrong_with_a_file_is_told_a_hundred_times_at_most(tmp_path: Path) -> None:
    page = Page(tmp_path)
    for number in range(MOST_PROBLEMS + 50):
        page.number(declare(TRADES, name=f"n{number}"), math.nan)
    page.number(TRADES, 1.0)
    (reading,) = read_folder(tmp_path)

    assert len(reading.problems) == MOST_PROBLEMS
    assert [each.value for each in reading.numbers] == [1.0]


def test_blocks_of_a_later_kind_are_passed_over(tmp_path: Path) -> None:
    page = Page(tmp_path)
    page.page.series(77, TRADES, 3, TRADES)
    page.number(TRADES, 1.0)
    (reading,) = read_folder(tmp_path)

    assert [each.value for each in reading.numbers] == [1.0]
    assert reading.problems == ()
    assert (NUMBER, HISTOGRAM) == (3, 4)


# ── folding ─────────────────────────────────────────────────────────────────────────────────────


def fold(folder: Path, **given: object) -> int:
    return fold_dead_pages(folder, RunFolder(folder).metric_pages, most=2, **given)  # type: ignore[arg-type]


def leave_dead(folder: Path, trades: float, *latencies: float) -> str:
    page = Page(folder)
    page.number(TRADES, trades)
    page.number(VALUE, trades, NOW)
    page.number(OPEN, trades)
    put_exemplar(page.histogram(LATENCY, latencies), 0.2, NOW)
    page.die()
    return page.name


def test_folding_keeps_the_sums_of_counters_and_histograms(tmp_path: Path) -> None:
    for number in range(4):
        leave_dead(tmp_path, float(number), 0.1 * number + 0.05)
    leave_dead(tmp_path, 10.0)
    before = histograms_of(tmp_path)[LATENCY.name]

    assert fold(tmp_path) == 5
    assert len(RunFolder(tmp_path).metric_pages()) == 1
    assert numbers_of(tmp_path)[TRADES.name].value == 16.0
    after = histograms_of(tmp_path)[LATENCY.name]
    assert (after.counts, after.min, after.max) == (before.counts, before.min, before.max)
    assert after.sum == pytest.approx(before.sum)
    assert after.exemplar is None


def test_folding_drops_what_was_true_only_while_the_process_lived(tmp_path: Path) -> None:
    for _ in range(4):
        leave_dead(tmp_path, 1.0)
    fold(tmp_path)

    assert sorted(numbers_of(tmp_path)) == [TRADES.name]


def test_folded_page_is_folded_again(tmp_path: Path) -> None:
    for _ in range(3):
        for _ in range(3):
            leave_dead(tmp_path, 1.0, 0.2)
        fold(tmp_path)

    assert numbers_of(tmp_path)[TRADES.name].value == 9.0
    assert histograms_of(tmp_path)[LATENCY.name].count == 9


def test_page_whose_last_reading_is_not_safe_is_not_folded(tmp_path: Path) -> None:
    names = [leave_dead(tmp_path, 1.0) for _ in range(5)]
    unsafe = set(names[:2])

    assert fold(tmp_path, may_fold=lambda writer: writer not in unsafe) == 3
    left = {path.name.partition(".")[0] for path in RunFolder(tmp_path).metric_pages()}
    assert left == {*unsafe, "0" * 32}
    assert numbers_of(tmp_path)[TRADES.name].value == 5.0
