"""Files that mean harm, or came to it: bounded time and memory, counted, nobody else held up."""

from __future__ import annotations

import os
import resource
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.fakes import ListSink
from tests.unit.forward.builders import (
    Bot,
    add_up_for,
    deliver,
    drain,
    make_courier,
    make_source,
    make_span,
    open_files,
)
from tests.unit.spool.builders import (
    KIB,
    SPAN,
    WRITER,
    describe_site,
    record_frames,
    resource_frame,
    segment_paths,
    walk,
    write_segment,
)
from tradespan.core.records import Kind, Resource, Site
from tradespan.forward.limits import SpaceKeeper, SpaceLimits
from tradespan.spool import reader as readers
from tradespan.spool.folder import RunFolder
from tradespan.spool.layout import MAX_PAYLOAD, SegmentHeader, pack_frame
from tradespan.spool.names import SegmentName
from tradespan.spool.reader import SegmentReader
from tradespan.wire.codec import encode_record

MIB = KIB * KIB
BOMBS = {
    "array of 2^32": b"\xdd\xff\xff\xff\xff",
    "array of 2^27": b"\xdd\x08\x00\x00\x00",
    "map of 2^32": b"\xdf\xff\xff\xff\xff",
    "bytes of 2^32": b"\xc6\xff\xff\xff\xff",
    "text of 2^32": b"\xdb\xff\xff\xff\xff",
    "extension of 2^32": b"\xc9\xff\xff\xff\xff\x01",
    "arrays in arrays": b"\x91" * 500_000,
    "maps in maps": b"\x81\xa1a" * 300_000,
    "arrays of 2^27 in each other": b"\xdd\x08\x00\x00\x00" * 200_000,
}
bombs = pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())


@contextmanager
def bounded(megabytes: int, seconds: float = 10.0) -> Iterator[None]:
    """The block takes no more than this, in memory of Python's and in processor time."""
    tracemalloc.start()
    began = time.process_time()
    try:
        yield
        assert time.process_time() - began < seconds
        assert tracemalloc.get_traced_memory()[1] < megabytes * MIB
    finally:
        tracemalloc.stop()


def span_frame(number: int, sequence: int | None = None) -> bytes:
    return pack_frame(sequence or number, SPAN, 0, encode_record(make_span(number)))


# ── payloads ────────────────────────────────────────────────────────────────────────────────────


@bombs
def test_record_that_would_fill_memory_is_damage_and_hides_no_other(
    tmp_path: Path, bomb: bytes
) -> None:
    inside = encode_record(make_span(2))[:-1] + b"\x9f" + bomb[: MAX_PAYLOAD // 2]
    frames = [span_frame(1), pack_frame(2, SPAN, 0, bomb), pack_frame(3, SPAN, 0, inside)]
    write_segment(tmp_path, [resource_frame(), *frames, span_frame(4)])
    source = make_source(RunFolder(tmp_path))
    with bounded(64):
        assert drain(source) == [1, 4]
    (book,) = source.cursor.books.values()
    assert (book.read, book.damaged) == (2, len(bomb) + len(inside))


@bombs
def test_site_that_would_fill_memory_costs_its_facts_only(tmp_path: Path, bomb: bytes) -> None:
    site = pack_frame(0, Kind.SITE, 0, b"\x93\x05\xa1s" + bomb)
    path = write_segment(tmp_path, [resource_frame(), site, *record_frames(2)])
    with bounded(64):
        reader = SegmentReader(path)
        assert sum(len(stretch.records) for stretch in walk(reader)) == 2
    assert (5 in reader.sites, reader.damaged_bytes) == (False, len(bomb) + 4)
    reader.close()


@bombs
def test_resource_that_would_fill_memory_sets_the_file_aside(tmp_path: Path, bomb: bytes) -> None:
    path = write_segment(tmp_path, [pack_frame(0, Kind.RESOURCE, 0, b"\x91\x81\xa1a" + bomb)])
    with bounded(64):
        assert drain(make_source(RunFolder(tmp_path))) == []
    assert [entry.name for entry in tmp_path.iterdir()] == [f"{path.name}.damaged"]


def test_no_more_sites_are_kept_than_any_program_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert readers.MOST_SITES < 100_000
    monkeypatch.setattr(readers, "MOST_SITES", 2_000)
    count = readers.MOST_SITES + 1_000
    sites = (pack_frame(0, Kind.SITE, 0, describe_site(number)) for number in range(1, count + 1))
    path = write_segment(tmp_path, [resource_frame(), *sites, *record_frames(3)])
    with bounded(16):
        reader = SegmentReader(path)
        for _ in range(2):  # reading again adds nothing
            assert sum(len(stretch.records) for stretch in walk(reader)) == 3
        assert len(reader.sites) == readers.MOST_SITES
    assert reader.sites[readers.MOST_SITES].name == f"function_{readers.MOST_SITES}"
    assert reader.sites[count] == Site(count, "")
    assert reader.damaged_bytes == 2 * sum(
        len(describe_site(number)) for number in range(readers.MOST_SITES + 1, count + 1)
    )
    reader.close()


def test_no_more_bytes_of_sites_are_kept_than_any_program_has(tmp_path: Path) -> None:
    large = [encode_record(Site(number, "x", name="y" * 900 * KIB)) for number in range(1, 21)]
    frames = [pack_frame(0, Kind.SITE, 0, payload) for payload in large]
    path = write_segment(tmp_path, [resource_frame(), *frames, *record_frames(3)])
    with bounded(24):
        reader = SegmentReader(path)
        assert sum(len(stretch.records) for stretch in walk(reader)) == 3
    assert len(reader.sites) == readers.MOST_SITE_BYTES // len(large[0])
    assert reader.damaged_bytes == sum(map(len, large[len(reader.sites) :]))
    reader.close()


def test_frames_that_describe_nothing_new_are_passed_over(tmp_path: Path) -> None:
    path = write_segment(tmp_path, [resource_frame()] * 100_000 + record_frames(2))
    reader = SegmentReader(path)
    with bounded(16, 20.0):
        assert sum(len(stretch.records) for stretch in walk(reader)) == 2
    assert reader.damaged_bytes == 0
    reader.close()


# ── files ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("closed", [True, False])
def test_hole_of_a_terabyte_costs_seconds(tmp_path: Path, closed: bool) -> None:
    path = write_segment(tmp_path, [resource_frame(), *record_frames(3)], closed=closed)
    os.truncate(path, 1 << 40)
    reader = SegmentReader(path)
    with bounded(16, 20.0):
        stretches = list(walk(reader))
    assert sum(len(stretch.records) for stretch in stretches) == 3
    assert stretches[-1].finished
    assert (reader.damaged_bytes > 0) == closed
    reader.close()


def write_many(folder: Path, count: int, frames: list[bytes]) -> None:
    for number in range(count):
        writer = number.to_bytes(16, "big")
        header = SegmentHeader(writer, 0, 1, 1, 0, 10**18 + number, 0, 0)
        write_segment(folder, frames, header=header)


@contextmanager
def few_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 20, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("records", [0, 1])
def test_a_thousand_tiny_segments_take_few_descriptors_and_a_batch_each_some(
    tmp_path: Path, records: int
) -> None:
    write_many(tmp_path, 1_000, [resource_frame(), *[span_frame(1)] * records])
    folder = RunFolder(tmp_path)
    courier = make_courier(ListSink())
    with few_descriptors(), bounded(64, 30.0):
        assert add_up_for(folder, courier).sinks["list"].on_disk == 1_000 * records
        deliver(courier, folder)
        courier.work([folder])
    assert courier.cursor(folder).accepted == 1_000 * records
    assert len(courier.finished(folder)) == 1_000
    assert open_files(tmp_path) == []


def test_resource_of_a_mebibyte_in_each_segment_ends_a_batch_soon(tmp_path: Path) -> None:
    large = encode_record(Resource({"pad": "x" * (MAX_PAYLOAD - 100)}))
    write_many(tmp_path, 60, [pack_frame(0, Kind.RESOURCE, 0, large), span_frame(1)])
    source = make_source(RunFolder(tmp_path))
    with bounded(24):
        assert drain(source) == [1] * 60


def valid_name(number: int) -> str:
    return str(SegmentName(10**18 + number, WRITER.hex(), 0, number))


def test_what_is_no_plain_file_is_set_aside_and_what_it_points_to_stays(tmp_path: Path) -> None:
    outside = write_segment(tmp_path / "outside", [resource_frame(), span_frame(9)])
    run = tmp_path / "run"
    write_segment(run, [resource_frame(), span_frame(1)])
    (run / valid_name(2)).symlink_to(outside)
    (run / valid_name(3)).symlink_to("/dev/zero")
    (run / valid_name(4)).symlink_to("nowhere")
    os.mkfifo(run / valid_name(5))
    (run / valid_name(6)).mkdir()
    folder = RunFolder(run)
    courier = make_courier(ListSink())
    SpaceKeeper(tmp_path, SpaceLimits(bytes=1)).work([folder])
    with bounded(16):
        add_up_for(folder, courier)
        deliver(courier, folder)
    assert courier.cursor(folder).accepted == 1
    assert sorted(path.name for path in run.glob("*.damaged")) == [
        f"{valid_name(number)}.damaged" for number in range(2, 7)
    ]
    assert outside.exists()


@pytest.mark.parametrize(
    "name",
    [
        b"\xff\xfe.seg",
        b"new\nline.seg",
        b"1772366400001000000-..%2f..%2f-o-000001.seg",
        valid_name(1).replace("-o-", "-x-").encode(),
        valid_name(1).encode() + b"\n",
        "\u0661".encode() + valid_name(1)[1:].encode(),
        valid_name(1).replace("000001", "1").encode(),
        valid_name(1).encode() + b".limit_bytes.16x1.1.0.gone",
        b"x" * 255,
    ],
)
def test_odd_names_are_nobodys(tmp_path: Path, name: bytes) -> None:
    write_segment(tmp_path, [resource_frame(), span_frame(1)])
    (path,) = segment_paths(tmp_path)
    odd = tmp_path / os.fsdecode(name)
    odd.write_bytes(path.read_bytes())
    folder = RunFolder(tmp_path)
    assert [str(each) for each in folder.segments()] == [path.name]
    courier = make_courier(ListSink())
    SpaceKeeper(tmp_path, SpaceLimits()).work([folder])
    deliver(courier, folder)
    assert add_up_for(folder, courier).recorded == 1
    assert odd.exists()


def test_file_that_may_not_be_read_is_left_alone_told_once_and_read_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write_many(tmp_path, 2, [resource_frame(), span_frame(1)])
    first, _ = segment_paths(tmp_path)
    real = os.open

    def refuse(path: str, flags: int, mode: int = 0o777) -> int:
        if str(path) == str(first):
            raise PermissionError(13, "Permission denied")
        return real(path, flags, mode)

    source = make_source(RunFolder(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        assert drain(source) == [1]
        assert drain(source) == []
    assert caplog.text.count("is left alone") == 1
    assert first.exists()
    assert drain(source) == [1]


def test_copy_of_a_segment_under_another_name_is_set_aside_and_not_delivered_again(
    tmp_path: Path,
) -> None:
    bot = Bot(tmp_path)
    recorded = bot.record(10)
    bot.close()
    (name,) = bot.folder.segments()
    other = name._replace(ordinal=name.ordinal + 1)
    (tmp_path / str(other)).write_bytes((tmp_path / str(name)).read_bytes())
    source = make_source(bot.folder)
    assert drain(source) == recorded
    assert bot.folder.segments() == [name]
    assert (tmp_path / f"{other}.damaged").exists()
