"""Reading metric pages: damaged, foreign and torn ones; sums and percentiles."""

from __future__ import annotations

import math
import os
import struct
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.pages.builders import (
    CELLS,
    CHECK,
    DECIDE,
    MICROSECOND,
    MILLISECOND,
    Writer,
    calls_in,
    count,
    leave_dead,
    problems_in,
    totals_of,
)
from tradespan.pages.metrics import (
    DURATION_BOUNDS,
    HEADER_SIZE,
    FunctionSeries,
    MetricPage,
    pack_block,
    pack_header,
)
from tradespan.pages.readings import (
    Counts,
    FunctionTotal,
    MetricReading,
    read_metric_page,
    read_metric_pages,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A page of three functions, whose process is gone."""
    writer = Writer(tmp_path)
    page = MetricPage(writer)
    for calls, series in enumerate([DECIDE, CHECK, FunctionSeries("bot.third")], start=1):
        count(page, series, *[MICROSECOND] * calls)
    page.close()
    writer.locks.abandon()
    return writer.path


def block_starts(data: bytes) -> list[int]:
    starts, place = [], HEADER_SIZE
    while place < struct.unpack_from("<Q", data, 64)[0]:
        starts.append(place)
        place += struct.unpack_from("<I", data, place)[0]
    return starts


def overwrite(path: Path, place: int, what: bytes) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:place] + what + data[place + len(what) :])


# ── what is wrong is told in words ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it is no metric page"),
        (b"tspage\r\n" + bytes(200), "it is no metric page"),
        (b"tsmetr\r\n", "it is no metric page"),
        (b"tsmetr\r\n" + bytes(200), "the header's checksum does not match"),
    ],
)
def test_file_that_is_no_page_is_told(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "x.metrics").write_bytes(data)

    assert read_metric_page(tmp_path / "x.metrics").problems == (f"{tmp_path}/x.metrics: {said}",)


def test_page_of_a_later_version_is_told(path: Path) -> None:
    body = bytearray(path.read_bytes()[:60])
    body[8:10] = struct.pack("<H", 9)
    overwrite(path, 0, bytes(body) + struct.pack("<I", zlib.crc32(body)))

    assert problems_in(path.parent) == [f"{path}: its format version is 9; this tradespan knows 1"]


def test_link_pipe_and_folder_are_no_pages(path: Path) -> None:
    link, pipe, folder = (path.with_name(name) for name in ("link", "pipe", "folder"))
    link.symlink_to(path)
    os.mkfifo(pipe)
    folder.mkdir()

    for each in (link, pipe, folder):
        reading = read_metric_page(each)
        assert (reading.page, len(reading.problems)) == (None, 1)


def test_function_whose_declaration_is_damaged_is_told_and_the_others_count(path: Path) -> None:
    second = block_starts(path.read_bytes())[1]
    overwrite(path, second + 30, b"\xff\xff")

    assert calls_in(path.parent) == {DECIDE.name: 1, "bot.third": 3}
    assert problems_in(path.parent) == [f"{path}: the declaration at byte {second} is damaged"]


def test_what_stands_behind_a_damaged_block_is_given_up(path: Path) -> None:
    second = block_starts(path.read_bytes())[1]
    overwrite(path, second, b"\xff")

    assert calls_in(path.parent) == {DECIDE.name: 1}
    assert problems_in(path.parent) == [f"{path}: from byte {second} on it is damaged"]


def test_page_that_was_cut_counts_as_far_as_it_goes(path: Path) -> None:
    data = path.read_bytes()
    third = block_starts(data)[2]
    path.write_bytes(data[: third + 40])

    assert calls_in(path.parent) == {DECIDE.name: 1, CHECK.name: 2}
    (cut, damaged) = problems_in(path.parent)
    assert cut.startswith(f"{path}: the file is cut at byte {third + 40} of ")
    assert damaged == f"{path}: from byte {third} on it is damaged"


def make_page_of(folder: Path, *blocks: bytes) -> Path:
    body = b"".join(blocks)
    words = struct.pack("<QQQ", HEADER_SIZE + len(body), 0, 0)
    path = folder / f"{'a' * 32}.metrics"
    path.write_bytes(pack_header(b"\xaa" * 16, 1, 1, 0, 1) + words + bytes(40) + body)
    return path


def pack_function(declaration: object, cells: list[int]) -> bytes:
    payload = msgspec.msgpack.encode(declaration)
    return pack_block(1, payload, len(cells)) + struct.pack(f"<{len(cells)}q", *cells)


@pytest.mark.parametrize(
    ("declaration", "cells", "said"),
    [
        (DECIDE, [0] * 28, "28 cells are too few for 26 buckets"),
        (DECIDE, [-1] + [0] * 28, "a count is negative"),
        ({"name": "x", "bounds": [2, 1]}, [0] * 6, "the bounds do not rise"),
        ({"name": "x", "bounds": [0]}, [0] * 5, "the bounds do not rise"),
        ({"name": 7}, [0] * 29, "the declaration cannot be read"),
        (b"\xc1", [0] * 29, "the declaration cannot be read"),
    ],
)
def test_function_that_means_nothing_is_told_and_the_others_count(
    tmp_path: Path, declaration: object, cells: list[int], said: str
) -> None:
    make_page_of(tmp_path, pack_function(declaration, cells), pack_function(CHECK, [1] * 29))

    assert calls_in(tmp_path) == {CHECK.name: 26}
    (problem,) = problems_in(tmp_path)
    assert said in problem


def test_block_of_a_kind_that_a_later_version_adds_is_passed_over(tmp_path: Path) -> None:
    gauge = pack_block(9, b"anything", 2) + struct.pack("<dd", 1.5, math.nan)
    later = {"name": "x", "bounds": [5], "exemplars": True}
    make_page_of(tmp_path, gauge, pack_function(later, [1, 2, 10, 0, 0, 99]))

    assert calls_in(tmp_path) == {"x": 3}
    assert problems_in(tmp_path) == []


@given(st.data())
def test_page_with_anything_in_it_is_read_without_an_exception(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("pages")
    path = leave_dead(folder, DECIDE, 1, 2, 3)
    whole = path.read_bytes()[:1024]
    place = data.draw(st.integers(0, len(whole)))
    what = data.draw(st.binary(max_size=64))
    cut = data.draw(st.booleans())
    path.write_bytes(whole[:place] + what + (b"" if cut else whole[place + len(what) :]))
    reading = read_metric_page(path)

    assert isinstance(reading, MetricReading)
    assert all(count >= 0 for each in reading.functions for count in each.counts.buckets)


def test_file_that_goes_while_a_folder_is_read_is_looked_for_again(tmp_path: Path) -> None:
    path = leave_dead(tmp_path, DECIDE, 1)
    lists = [[path, tmp_path / "gone.metrics"], [path]]

    (reading,) = read_metric_pages(lambda: lists.pop(0))
    assert reading.path == path
    assert lists == []


# ── sums ────────────────────────────────────────────────────────────────────────────────────────


def test_processes_that_count_one_function_are_added_up(tmp_path: Path) -> None:
    leave_dead(tmp_path, CHECK, MICROSECOND, 3 * MILLISECOND)
    leave_dead(tmp_path, DECIDE, 1)
    writer = Writer(tmp_path)
    count(MetricPage(writer), CHECK, 1, 1, 1, errors=2)
    total = totals_of(tmp_path)[CHECK.name]

    assert total.counts.calls == 5
    assert total.counts[1:] == (3 * MILLISECOND + MICROSECOND + 3, 2, 3)
    assert [reading.page.writer for reading in total.running] == [writer.identity.hex()]
    assert calls_in(tmp_path)[DECIDE.name] == 1


def test_functions_that_differ_in_a_label_are_not_added_up(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    page = MetricPage(writer)
    for where in ("main", "shadow"):
        count(page, FunctionSeries("f", attributes=(("code.function.name", where),)), 1)

    readings = read_metric_page(writer.path).functions
    assert [each.counts.calls for each in readings] == [1, 1]
    assert [each.series.attributes[0][1] for each in readings] == ["main", "shadow"]


def total_of(
    *buckets: int, errors: int = 0, good: int = 0, wanted: float | None = None
) -> FunctionTotal:
    filled = (*buckets, *[0] * (CELLS - 3 - len(buckets)))
    series = FunctionSeries("f", target=wanted)
    return FunctionTotal(series, Counts(filled, 0, errors, good), ())


@pytest.mark.parametrize(
    ("total", "share", "expected"),
    [
        (total_of(10), 0.5, 500.0),
        (total_of(10), 1.0, 1_000.0),
        (total_of(0, 10), 0.5, 1_500.0),
        (total_of(5, 0, 5), 0.5, 1_000.0),
        (total_of(5, 0, 5), 0.75, 3_500.0),
        (total_of(0, 0, 4), 0.0, 2_000.0),
        (total_of(*[0] * 25, 1), 0.5, math.inf),
        (total_of(99, *[0] * 24, 1), 0.99, 1_000.0),
        (total_of(99, *[0] * 24, 1), 0.995, math.inf),
        (total_of(), 0.5, None),
    ],
)
def test_percentile_is_interpolated_within_its_bucket(
    total: FunctionTotal, share: float, expected: float | None
) -> None:
    assert total.quantile(share) == expected


@given(
    st.lists(st.integers(0, 10**11), min_size=1, max_size=200),
    st.sampled_from([0.5, 0.9, 0.95, 0.99, 1.0]),
)
def test_percentile_lies_in_the_bucket_of_the_true_one(durations: list[int], share: float) -> None:
    ranked = sorted(durations)
    true = ranked[max(math.ceil(share * len(ranked)), 1) - 1]
    bucket = next(place for place, bound in enumerate(DURATION_BOUNDS) if true <= bound)
    buckets = [0] * 26
    for duration in durations:
        buckets[next(p for p, bound in enumerate(DURATION_BOUNDS) if duration <= bound)] += 1
    told = total_of(*buckets).quantile(share)

    assert told is not None
    assert (0, *DURATION_BOUNDS)[bucket] <= told <= DURATION_BOUNDS[bucket]


@pytest.mark.parametrize(
    ("total", "share", "met"),
    [
        (total_of(10, good=9, wanted=0.9), 0.9, True),
        (total_of(10, good=8, wanted=0.9), 0.8, False),
        (total_of(10, good=8), None, None),
        (total_of(wanted=0.9), None, None),
    ],
)
def test_objective_is_met_if_the_share_of_good_calls_is(
    total: FunctionTotal, share: float | None, met: bool | None
) -> None:
    assert (total.share_good, total.met) == (share, met)


def test_share_of_failed_calls_is_absent_without_calls() -> None:
    assert total_of(4, errors=1).share_failed == 0.25
    assert total_of().share_failed is None
