"""The counter page: cells that a reader in another process understands, now and later."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradespan.pages.counters import (
    CELLS,
    HEADER_SIZE,
    MAGIC,
    CounterPage,
    LaneCounters,
    PageOwner,
    read_page,
)
from tradespan.pages.locks import LockKeeper

OWNER = PageOwner(bytes(range(16)), os.getpid(), 0, 1_772_366_400_000_000_000)


@pytest.fixture
def locks() -> LockKeeper:
    return LockKeeper()


def make_page(path: Path, locks: LockKeeper) -> CounterPage:
    page = CounterPage(locks)
    page.attach(path, OWNER)
    return page


def test_cells_are_read_by_others_as_they_are_counted(tmp_path: Path, locks: LockKeeper) -> None:
    page = make_page(tmp_path / "x.page", locks)
    page.add(0, "in_memory")
    page.add(1, "overflow", 5)
    page.add(1, "overflow", -2)
    page.acknowledged(1)[0] = 77 << 16 | 16 << 8 | 1
    read = read_page(tmp_path / "x.page")
    assert read is not None
    assert read.writer == OWNER.writer.hex()
    assert read.lanes == (LaneCounters(in_memory=1), LaneCounters(acknowledged=77, overflow=3))
    assert page.read(1) == read.lanes[1]


def test_page_has_the_documented_offsets(tmp_path: Path, locks: LockKeeper) -> None:
    page = make_page(tmp_path / "x.page", locks)
    for lane in (0, 1):
        for place, cell in enumerate(CELLS):
            page.add(lane, cell, 100 * lane + place + 1)
    data = (tmp_path / "x.page").read_bytes()
    assert data[:8] == MAGIC == b"tspage\r\n"
    assert struct.unpack_from("<HHHHI", data, 8) == (1, HEADER_SIZE, 2, 9, os.getpid())
    assert struct.unpack_from("<QQ", data, 24) == (0, OWNER.created)
    assert data[40:56] == OWNER.writer
    assert struct.unpack_from("<I", data, 60)[0] == zlib.crc32(data[:60])
    assert list(struct.unpack_from("<18Q", data, 64)) == [*range(1, 10), *range(101, 110)]


def test_what_was_counted_before_the_file_was_there_is_in_it(
    tmp_path: Path, locks: LockKeeper
) -> None:
    page = CounterPage(locks)
    page.add(0, "overflow", 3)
    assert not page.attached
    page.attach(tmp_path / "x.page", OWNER)
    page.add(0, "overflow")
    read = read_page(tmp_path / "x.page")
    assert read is not None
    assert read.lanes[0].overflow == 4
    page.attach(tmp_path / "y.page", OWNER)
    read = read_page(tmp_path / "y.page")
    assert read is not None
    assert read.lanes[0].overflow == 4


def test_page_says_whether_its_writer_lives(tmp_path: Path, locks: LockKeeper) -> None:
    make_page(tmp_path / "x.page", locks)
    assert [page.alive for page in [read_page(tmp_path / "x.page")] if page] == [True]
    locks.abandon()
    assert [page.alive for page in [read_page(tmp_path / "x.page")] if page] == [False]


def test_page_that_cannot_be_made_leaves_nothing_and_counts_on(
    tmp_path: Path, locks: LockKeeper
) -> None:
    page = CounterPage(locks)
    page.add(0, "overflow")
    with pytest.raises(FileNotFoundError):
        page.attach(tmp_path / "missing" / "x.page", OWNER)
    (tmp_path / "y.page").mkdir()
    (tmp_path / "y.page" / "in the way").mkdir()
    with pytest.raises(OSError, match=r"y\.page"):
        page.attach(tmp_path / "y.page", OWNER)
    assert [path.name for path in tmp_path.iterdir()] == ["y.page"]
    page.add(0, "overflow")
    assert page.read(0).overflow == 2


def grow(data: bytes, cells: int) -> bytes:
    """A page of another version, with another number of cells per lane."""
    header = bytearray(data[:60])
    header[14:16] = struct.pack("<H", cells)
    body = [*range(1, cells + 1), *range(101, 101 + cells)]
    return bytes(header) + struct.pack(f"<I{len(body)}Q", zlib.crc32(header), *body)


def test_page_with_more_or_fewer_cells_is_understood(tmp_path: Path, locks: LockKeeper) -> None:
    path = tmp_path / "x.page"
    make_page(path, locks)
    data = path.read_bytes()
    path.write_bytes(grow(data, 12))
    more = read_page(path)
    assert more is not None
    assert more.lanes[1] == LaneCounters(101 >> 16, *range(102, 110))
    path.write_bytes(grow(data, 3))
    fewer = read_page(path)
    assert fewer is not None
    assert fewer.lanes[1] == LaneCounters(101 >> 16, 102, 103)


@given(st.binary(max_size=300), st.integers(0, 200), st.booleans())
def test_damaged_page_is_no_page_or_a_whole_one(
    tmp_path_factory: pytest.TempPathFactory, what: bytes, place: int, cut: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / f"{os.urandom(8).hex()}.page"
    locks = LockKeeper()
    make_page(path, locks)
    data = path.read_bytes()
    data = data[:place] + (b"" if cut else what + data[place + len(what) :])
    path.write_bytes(data)
    page = read_page(path)
    assert page is None or page.writer == OWNER.writer.hex()
    locks.abandon()
    path.unlink()


def test_link_pipe_and_missing_file_are_no_pages(tmp_path: Path, locks: LockKeeper) -> None:
    make_page(tmp_path / "x.page", locks)
    (tmp_path / "link.page").symlink_to(tmp_path / "x.page")
    os.mkfifo(tmp_path / "pipe.page")
    for name in ("link.page", "pipe.page", "missing.page"):
        assert read_page(tmp_path / name) is None
