"""A disk that is full, read-only or gone: the bot runs on, records wait in memory; rule 11."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.fakes import SteppingClock
from tests.unit.spool.builders import (
    KIB,
    REPOSITORY,
    SMALL,
    SPAN,
    make_writer,
    payloads,
    read_folder,
    segment_paths,
)
from tradespan.core import guard
from tradespan.core.records import Lane
from tradespan.spool.folder import RunFolder
from tradespan.spool.writer import SpoolLimits, SpoolWriter

pytestmark = pytest.mark.usefixtures("way")


class Disk:
    """Space for so many bytes of new files; None: no limit."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free: int | None = None
        self.fault = errno.ENOSPC
        self.tries: list[int] = []
        self._allocate = os.posix_fallocate
        monkeypatch.setattr(os, "posix_fallocate", self.allocate)

    def allocate(self, descriptor: int, offset: int, size: int) -> None:
        self.tries.append(size)
        if self.free is not None:
            if size > self.free:
                raise OSError(self.fault, os.strerror(self.fault))
            self.free -= size
        self._allocate(descriptor, offset, size)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Injected: the real thing is tested in a mount namespace below, where the machine allows."""
    return Disk(monkeypatch)


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


def record(writer: SpoolWriter, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        writer.ordinary.append(SPAN, 1, b"%d" % number)


def test_records_wait_in_memory_until_there_is_space(
    tmp_path: Path, disk: Disk, clock: SteppingClock
) -> None:
    writer = make_writer(tmp_path, clock=clock)
    disk.free = 0
    record(writer, 10)
    assert payloads(tmp_path) == []
    assert writer.ordinary.counters().in_memory == 10
    disk.free = None
    record(writer, 1, 10)
    assert payloads(tmp_path) == [], "it looks for space once a second only"
    clock.step(1.0)
    record(writer, 1, 11)
    assert sorted(payloads(tmp_path), key=int) == [b"%d" % number for number in range(12)]
    assert sorted(r.sequence for r in read_folder(tmp_path)) == list(range(1, 13))
    counters = writer.ordinary.counters()
    assert (counters.in_memory, counters.recovered, counters.overflow) == (0, 11, 0)


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO])
def test_every_kind_of_refusal_is_one_warning_and_no_error(
    tmp_path: Path, disk: Disk, clock: SteppingClock, caplog: pytest.LogCaptureFixture, fault: int
) -> None:
    writer = make_writer(tmp_path, clock=clock)
    disk.free, disk.fault = 0, fault
    for start in range(0, 300, 10):
        record(writer, 10, start)
        clock.step(1.0)
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert str(tmp_path) in warnings[0]
    assert "the bot runs on, up to 50,000 records are kept in memory" in warnings[0]
    assert os.strerror(fault) in warnings[0]


def test_full_disk_is_tried_once_a_second(tmp_path: Path, disk: Disk, clock: SteppingClock) -> None:
    writer = make_writer(tmp_path, clock=clock)
    disk.free = 0
    record(writer, 100)
    assert len(disk.tries) == 1
    clock.step(1.0)
    record(writer, 100)
    assert len(disk.tries) == 2


def test_where_the_usual_size_does_not_fit_the_smallest_is_tried(
    tmp_path: Path, disk: Disk, clock: SteppingClock
) -> None:
    writer = make_writer(tmp_path, clock=clock, limits=SpoolLimits(4 * KIB, 64 * KIB))
    record(writer, 1)
    disk.free = 5 * KIB
    for number in range(1, 200):
        writer.ordinary.append(SPAN, 1, b"%d" % number)
    assert [path.stat().st_size for path in segment_paths(tmp_path)][-1] == 4 * KIB
    assert disk.tries[-2:] == [8 * KIB, 4 * KIB]
    assert writer.ordinary.counters().in_memory == 0
    assert sorted(payloads(tmp_path), key=int) == [b"%d" % number for number in range(200)]


def test_lane_with_room_in_its_segment_writes_on_while_the_other_waits(
    tmp_path: Path, disk: Disk, clock: SteppingClock
) -> None:
    writer = make_writer(tmp_path, clock=clock)
    record(writer, 1)
    disk.free = 0
    writer.errors.append(SPAN, 1, b"failed")
    record(writer, 5, 1)
    assert payloads(tmp_path) == [b"%d" % number for number in range(6)]
    # Nobody fails again, and yet the failure is written once there is space.
    disk.free = None
    clock.step(1.0)
    record(writer, 1, 6)
    assert sorted(payloads(tmp_path)) == [*(b"%d" % number for number in range(7)), b"failed"]


def test_memory_is_bounded_by_records_and_the_oldest_ordinary_ones_go_first(
    tmp_path: Path, disk: Disk, clock: SteppingClock
) -> None:
    limits = SpoolLimits(SMALL.first_segment, SMALL.largest_segment, memory_records=10)
    writer = make_writer(tmp_path, clock=clock, limits=limits)
    disk.free = 0
    for number in range(4):
        writer.errors.append(SPAN, 1, b"failed %d" % number)
    record(writer, 20)
    assert writer.ordinary.counters().overflow == 14
    for number in range(4, 12):
        writer.errors.append(SPAN, 1, b"failed %d" % number)
    assert writer.ordinary.counters().overflow == 20
    assert writer.errors.counters().overflow == 2
    disk.free = None
    writer.close()
    assert sorted(payloads(tmp_path)) == sorted(b"failed %d" % number for number in range(2, 12))
    (page,) = RunFolder(tmp_path).pages()
    assert page.lanes[Lane.ORDINARY].discarded == {"overflow": 20}
    assert page.lanes[Lane.ERROR].discarded == {"overflow": 2}


def test_memory_is_bounded_by_bytes(tmp_path: Path, disk: Disk, clock: SteppingClock) -> None:
    limits = SpoolLimits(SMALL.first_segment, SMALL.largest_segment, memory_bytes=100 * KIB)
    writer = make_writer(tmp_path, clock=clock, limits=limits)
    disk.free = 0
    for number in range(50):
        writer.ordinary.append(SPAN, 1, b"%d:" % number + b"." * 10 * KIB)
    counters = writer.ordinary.counters()
    assert (counters.in_memory, counters.overflow) == (9, 41)
    writer.ordinary.append(SPAN, 1, b"x" * 200 * KIB)
    counters = writer.ordinary.counters()
    assert (counters.in_memory, counters.overflow) == (0, 51)


def test_without_memory_records_are_discarded_and_counted(
    tmp_path: Path, disk: Disk, clock: SteppingClock
) -> None:
    limits = SpoolLimits(SMALL.first_segment, SMALL.largest_segment, memory_records=0)
    writer = make_writer(tmp_path, clock=clock, limits=limits)
    disk.free = 0
    record(writer, 7)
    counters = writer.ordinary.counters()
    assert (counters.in_memory, counters.overflow) == (0, 7)


def test_call_that_finds_space_again_takes_a_part_of_the_waiting_along_errors_first(
    tmp_path: Path, disk: Disk, clock: SteppingClock
) -> None:
    writer = make_writer(tmp_path, clock=clock)
    disk.free = 0
    record(writer, 500)
    writer.errors.append(SPAN, 1, b"failed")
    disk.free = None
    clock.step(1.0)
    record(writer, 1, 500)
    found = payloads(tmp_path)
    assert b"failed" in found
    assert len(found) == 65
    record(writer, 10, 501)
    assert sorted(p for p in payloads(tmp_path) if p != b"failed") == sorted(
        b"%d" % number for number in range(511)
    )


def test_closing_takes_all_of_it_along(tmp_path: Path, disk: Disk, clock: SteppingClock) -> None:
    writer = make_writer(tmp_path, clock=clock)
    disk.free = 0
    record(writer, 500)
    disk.free = None
    writer.close()
    assert len(payloads(tmp_path)) == 500


def test_folder_deleted_while_running_is_made_again(tmp_path: Path, clock: SteppingClock) -> None:
    folder = tmp_path / "runs" / "run"
    writer = make_writer(folder, clock=clock)
    writer.ordinary.append(SPAN, 1, b"lost")
    writer.errors.append(SPAN, 1, b"lost too")
    shutil.rmtree(tmp_path / "runs")
    writer.ordinary.append(SPAN, 1, b"x" * 5_000)
    writer.errors.append(SPAN, 1, b"failed")
    assert sorted(payloads(folder)) == [b"failed", b"x" * 5_000]
    (page,) = RunFolder(folder).pages()
    assert [lane.acknowledged for lane in page.lanes] == [2, 2]
    assert page.alive
    record(writer, 3)
    assert RunFolder(folder).pages()[0].lanes[Lane.ORDINARY].acknowledged == 5


@pytest.mark.parametrize("fault", [errno.EACCES, errno.ENOENT, errno.ENOTDIR, errno.EMFILE])
def test_folder_that_cannot_be_entered_costs_no_record(
    tmp_path: Path,
    clock: SteppingClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: int,
) -> None:
    # Injected: permissions mean nothing to root, who runs many a test.
    tries: list[str] = []
    real = os.open

    def refuse(path: Any, flags: int, mode: int = 0o777) -> int:
        if str(path).startswith(str(tmp_path)):
            tries.append(str(path))
            raise OSError(fault, os.strerror(fault))
        return real(path, flags, mode)

    writer = make_writer(tmp_path, clock=clock)
    monkeypatch.setattr(guard, "_last_logged", {})
    monkeypatch.setattr(guard, "_claims", {})
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        record(writer, 200)
        writer.errors.append(SPAN, 1, b"200")
        assert len(tries) == 1, "nobody tries again within a second"
        clock.step(1.0)
        record(writer, 100, 201)
        assert len(tries) == 2
    assert writer.ordinary.counters().in_memory == 300
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 1
    clock.step(1.0)
    writer.close()
    assert sorted(payloads(tmp_path), key=int) == [b"%d" % number for number in range(301)]
    (page,) = RunFolder(tmp_path).pages()
    assert [lane.recovered for lane in page.lanes] == [300, 1]
    assert [lane.in_memory + lane.overflow for lane in page.lanes] == [0, 0]


def test_memory_takes_fifty_thousand_records_and_64_mebibytes_by_default(
    tmp_path: Path, disk: Disk, clock: SteppingClock
) -> None:
    limits = SpoolLimits()
    assert (limits.memory_records, limits.memory_bytes) == (50_000, 64 * KIB * KIB)
    writer = make_writer(tmp_path, clock=clock, limits=limits)
    disk.free = 0
    record(writer, 50_010)
    counters = writer.ordinary.counters()
    assert (counters.in_memory, counters.overflow) == (50_000, 10)
    for _ in range(64):
        writer.errors.append(SPAN, 1, b"x" * (KIB * KIB - 100))
    ordinary, errors = writer.ordinary.counters(), writer.errors.counters()
    assert (errors.in_memory, errors.overflow) == (64, 0)
    assert ordinary.in_memory + ordinary.overflow == 50_010
    assert ordinary.in_memory < 500
    assert len(disk.tries) == 1


def test_folder_that_is_a_file_stops_nobody(
    tmp_path: Path, clock: SteppingClock, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    writer = make_writer(tmp_path / "file", clock=clock)
    record(writer, 10)
    writer.close()
    assert writer.ordinary.counters().in_memory == 10
    assert "cannot be written" in caplog.text


def test_segment_that_cannot_be_cut_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(descriptor: int, size: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    writer = make_writer(tmp_path)
    record(writer, 3)
    # Reported once a minute a cause: the other way's report was just now.
    monkeypatch.setattr(guard, "_last_logged", {})
    monkeypatch.setattr(guard, "_claims", {})
    with monkeypatch.context() as patched:
        patched.setattr(os, "ftruncate", refuse)
        writer.close()
    assert "closing a segment" in caplog.text
    assert payloads(tmp_path) == [b"0", b"1", b"2"]
    record(writer, 1, 3)
    assert payloads(tmp_path) == [b"0", b"1", b"2", b"3"]


# ── real file systems ───────────────────────────────────────────────────────────────────────────


def mounts_are_allowed() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    probe = ["unshare", "-m", "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt"]
    return subprocess.run(probe, check=False, capture_output=True).returncode == 0


needs_mounts = pytest.mark.skipif(
    not mounts_are_allowed(), reason="no mount namespaces here; the injected disk is tested above"
)
Mounted = Callable[[str, str], dict[str, Any]]


@pytest.fixture
def mounted(tmp_path: Path) -> Mounted:
    """Runs a child on a small tmpfs that nobody else sees."""

    def run(options: str, task: str) -> dict[str, Any]:
        script = f"mount -t tmpfs -o {options} tmpfs {tmp_path} && exec {sys.executable} -m"
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", f"{script} tests.unit.spool.children {task} {tmp_path}"],
            cwd=REPOSITORY,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            check=True,
            capture_output=True,
        )
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    return run


@needs_mounts
def test_full_file_system_costs_no_record(mounted: Mounted) -> None:
    told = mounted("size=900k", "fill_disk")
    assert told["whole"]
    assert told["free"] < 64 * KIB
    assert told["in_memory"][Lane.ORDINARY] > 500
    assert told["recovered"] >= told["in_memory"][Lane.ORDINARY]
    assert told["overflow"] == 0
    assert told["calls_to_drain"] <= told["in_memory"][Lane.ORDINARY] // 60
    assert len(told["warnings"]) == 1
    assert "No space left on device" in told["warnings"][0]


@needs_mounts
def test_read_only_file_system_costs_no_record(mounted: Mounted) -> None:
    told = mounted("size=900k,ro", "read_only")
    assert told["in_memory"] == 100
    assert told["whole"]
    assert len(told["warnings"]) == 1
    assert "Read-only file system" in told["warnings"][0]
