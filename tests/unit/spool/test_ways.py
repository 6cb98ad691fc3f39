"""Where allocation cannot be trusted, frames are appended by `write`; FORMAT.md's rule 17."""

from __future__ import annotations

import errno
import mmap
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.fakes import SteppingClock
from tests.unit.spool.builders import (
    SPAN,
    make_writer,
    payloads,
    read_folder,
    read_segment,
    segment_paths,
)
from tradespan.spool.layout import HEADER_SIZE, SegmentHeader, unpack_header
from tradespan.spool.reader import SegmentReader
from tradespan.spool.ways import MMAP, WRITE, Way, choose_way, file_system
from tradespan.spool.writer import SpoolLimits

pytestmark = pytest.mark.usefixtures("way")

MOUNTS = b"""\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:24 / /mnt/a\\040b rw - nfs4 server:/export rw,vers=4.2
31 22 0:25 / /data rw shared:7 master:2 - btrfs /dev/vdb rw
32 31 0:26 /sub /data/bot/cache rw - xfs /dev/vdc rw
33 22 0:27 / /mnt/sshfs rw - fuse.sshfs host:/ rw
34 22 0:28 / /over rw - ext4 /dev/vdd rw
35 34 0:29 / /over rw - zfs pool rw
"""


@pytest.mark.parametrize(
    ("folder", "kind", "way"),
    [
        ("/var/lib/bot", "ext4", MMAP),
        ("/mnt/a b/spool", "nfs4", WRITE),
        ("/data/bot/state", "btrfs", WRITE),
        ("/database", "ext4", MMAP),
        ("/data/bot/cache", "xfs", MMAP),
        ("/mnt/sshfs/x", "fuse.sshfs", WRITE),
        ("/over/x", "zfs", WRITE),
    ],
)
def test_way_follows_the_file_system(tmp_path: Path, folder: str, kind: str, way: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_bytes(MOUNTS)
    assert file_system(Path(folder), mounts) == kind
    chosen = choose_way(Path(folder), mounts, "linux")
    assert chosen.name == way
    assert kind in chosen.why


def test_unknown_places_are_not_trusted(tmp_path: Path) -> None:
    assert choose_way(tmp_path, tmp_path / "none", "linux").name == WRITE
    assert choose_way(tmp_path, platform="darwin") == Way(
        WRITE, "allocation cannot be trusted on darwin"
    )


@pytest.fixture
def by_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every segment by `write`, and no mapping of one."""

    def choose(folder: Path) -> Way:
        return Way(WRITE, "a test says so")

    monkeypatch.setattr("tradespan.spool.writer.choose_way", choose)
    mapped = mmap.mmap

    def no_segment(descriptor: int, length: int, *rest: int) -> mmap.mmap:
        assert not Path(f"/proc/self/fd/{descriptor}").readlink().name.endswith(".seg")
        return mapped(descriptor, length, *rest)

    monkeypatch.setattr(mmap, "mmap", no_segment)


@pytest.mark.usefixtures("by_write")
def test_record_is_in_the_file_when_append_returns(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    for number in range(500):
        writer.ordinary.append(SPAN, 1 + number % 3, b"record %d" % number)
        assert read_segment(segment_paths(tmp_path)[-1])[-1].payload == b"record %d" % number
    assert len(segment_paths(tmp_path)) > 2
    assert [record.sequence for record in read_folder(tmp_path)] == list(range(1, 501))
    # It grows by what is written: nothing was allocated.
    last = segment_paths(tmp_path)[-1]
    header = unpack_header(last.read_bytes()[:HEADER_SIZE])
    assert isinstance(header, SegmentHeader)
    assert header.capacity == 0
    writer.close()
    for path in segment_paths(tmp_path):
        reader = SegmentReader(path)
        assert reader.writer_is_gone()
        assert reader.read(HEADER_SIZE).end == path.stat().st_size
        reader.close()


@pytest.mark.usefixtures("by_write")
def test_threads_and_roll_overs_lose_nothing(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)

    def record(name: int) -> None:
        for number in range(400):
            writer.ordinary.append(SPAN, name, b"%d:%d" % (name, number))

    threads = [threading.Thread(target=record, args=(name,)) for name in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    wanted = {b"%d:%d" % (name, number) for name in range(1, 5) for number in range(400)}
    assert set(payloads(tmp_path)) == wanted
    assert len(payloads(tmp_path)) == 1600


class Disk:
    """`os.pwrite` to which something happens once, when a frame holds certain bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pwrite = os.pwrite
        self._mark = b""
        self._happen: Callable[[int, bytes, int], int] | None = None
        monkeypatch.setattr(os, "pwrite", self)

    def at(self, mark: bytes, happen: Callable[[int, bytes, int], int]) -> None:
        self._mark, self._happen = mark, happen

    def __call__(self, descriptor: int, data: bytes, offset: int) -> int:
        happen = self._happen
        if happen is not None and self._mark in data:
            self._happen = None
            return happen(descriptor, data, offset)
        return self.pwrite(descriptor, data, offset)

    def tear(self, descriptor: int, data: bytes, offset: int) -> int:
        """Half of it is written; then the disk is full."""
        self._mark, self._happen = data[20:], self._full
        return self.pwrite(descriptor, data[:20], offset)

    def _full(self, descriptor: int, data: bytes, offset: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.mark.usefixtures("by_write")
def test_short_write_is_gone_on_with(tmp_path: Path, disk: Disk) -> None:
    writer = make_writer(tmp_path)
    writer.ordinary.append(SPAN, 0, b"first")
    disk.at(b"second", lambda fd, data, offset: disk.pwrite(fd, data[:20], offset))
    writer.ordinary.append(SPAN, 0, b"second" * 10)
    writer.ordinary.append(SPAN, 0, b"third")
    assert len(segment_paths(tmp_path)) == 1
    assert payloads(tmp_path) == [b"first", b"second" * 10, b"third"]


@pytest.mark.usefixtures("by_write")
def test_torn_frame_hides_no_later_one(tmp_path: Path, disk: Disk) -> None:
    writer = make_writer(tmp_path)
    writer.ordinary.append(SPAN, 0, b"first")
    disk.at(b"second", disk.tear)
    for payload in (b"second" * 10, b"third", b"fourth"):
        writer.ordinary.append(SPAN, 0, payload)
    assert payloads(tmp_path) == [b"first", b"second" * 10, b"third", b"fourth"]
    assert len(segment_paths(tmp_path)) == 2
    writer.close()
    for path in segment_paths(tmp_path):
        reader = SegmentReader(path)
        assert reader.read(HEADER_SIZE).end == path.stat().st_size
        assert reader.damaged_bytes == 0
        reader.close()


@pytest.mark.usefixtures("by_write")
def test_full_disk_keeps_records_in_memory_until_there_is_room(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SteppingClock()
    writer = make_writer(tmp_path, clock=clock)
    writer.ordinary.append(SPAN, 0, b"first")
    with monkeypatch.context() as patched:

        def full(*_: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        patched.setattr(os, "pwrite", full)
        writer.ordinary.append(SPAN, 0, b"second")
        writer.ordinary.append(SPAN, 0, b"third")
    assert payloads(tmp_path) == [b"first"]
    assert writer.ordinary.counters().in_memory == 2
    clock.step(2.0)
    writer.ordinary.append(SPAN, 0, b"fourth")
    assert sorted(payloads(tmp_path)) == [b"first", b"fourth", b"second", b"third"]


@pytest.mark.usefixtures("by_write")
def test_hosts_interruption_passes_and_hides_nothing(tmp_path: Path, disk: Disk) -> None:
    def interrupt(descriptor: int, data: bytes, offset: int) -> int:
        disk.pwrite(descriptor, data[:20], offset)
        raise KeyboardInterrupt

    writer = make_writer(tmp_path)
    writer.ordinary.append(SPAN, 0, b"first")
    disk.at(b"second", interrupt)
    with pytest.raises(KeyboardInterrupt):
        writer.ordinary.append(SPAN, 0, b"second")
    writer.ordinary.append(SPAN, 0, b"third")
    assert payloads(tmp_path) == [b"first", b"third"]


@pytest.mark.usefixtures("by_write")
def test_record_made_inside_a_write_stands_behind_it(tmp_path: Path, disk: Disk) -> None:
    writer = make_writer(tmp_path)

    def record_inside(descriptor: int, data: bytes, offset: int) -> int:
        writer.ordinary.append(SPAN, 0, b"inside")  # a signal handler, say
        return disk.pwrite(descriptor, data, offset)

    writer.ordinary.append(SPAN, 0, b"first")
    disk.at(b"outer", record_inside)
    writer.ordinary.append(SPAN, 0, b"outer")
    assert payloads(tmp_path) == [b"first", b"outer", b"inside"]


@pytest.mark.usefixtures("by_write")
def test_segment_that_a_record_inside_a_write_filled_loses_nothing(
    tmp_path: Path, disk: Disk
) -> None:
    writer = make_writer(tmp_path, limits=SpoolLimits(4096, 4096))

    def fill(descriptor: int, data: bytes, offset: int) -> int:
        for _ in range(3):
            writer.ordinary.append(SPAN, 0, b"inside" * 250)
        # As the call would now: through the descriptor that its segment has, if it still has one.
        return disk.pwrite(-1, data, offset)

    writer.ordinary.append(SPAN, 0, b"first")
    disk.at(b"outer", fill)
    writer.ordinary.append(SPAN, 0, b"outer")
    writer.close()
    assert sorted(payloads(tmp_path)) == sorted([b"first", b"outer", *[b"inside" * 250] * 3])


@pytest.mark.usefixtures("by_write")
def test_forked_child_leaves_its_parents_segment_alone(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    writer.ordinary.append(SPAN, 0, b"parent")
    child = os.fork()
    if child == 0:  # pragma: no cover
        writer.ordinary.append(SPAN, 0, b"child")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    writer.ordinary.append(SPAN, 0, b"parent again")
    by_file = sorted([r.payload for r in read_segment(path)] for path in segment_paths(tmp_path))
    assert by_file == [[b"child"], [b"parent", b"parent again"]]
