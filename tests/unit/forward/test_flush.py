"""Which segments the agent forces onto the disk, and when."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.spool.builders import SPAN, make_writer, segment_paths
from tradespan.forward.flush import Flusher, flush_file
from tradespan.spool.folder import RunFolder


class Clock:
    time = 0.0

    def __call__(self) -> float:
        return self.time


class Disk:
    """Remembers what was written; may hang or refuse."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.lets_go = threading.Event()
        self.lets_go.set()
        self.refuses = False

    def __call__(self, path: Path) -> None:
        self.lets_go.wait(30.0)
        if self.refuses:
            raise OSError(5, "Input/output error")
        self.written.append(path.name)
        flush_file(path)

    def take(self) -> list[str]:
        taken, self.written = self.written, []
        return taken


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFolder]:
    """Two finished segments and one that is written."""
    writer = make_writer(tmp_path)
    while len(segment_paths(tmp_path)) < 3:
        writer.ordinary.append(SPAN, 1, b"x" * 500)
    yield RunFolder(tmp_path)
    writer.close()


def names(folder: RunFolder) -> list[str]:
    return [str(name) for name in folder.segments()]


def look(flusher: Flusher, clock: Clock, folder: RunFolder) -> None:
    clock.time += 1.0
    flusher.work([folder])
    assert flusher.wait(30.0)


def test_finished_segments_that_stay_are_written_once(
    run: RunFolder, clock: Clock, disk: Disk
) -> None:
    flusher = Flusher("closed", flush=disk, now=clock)
    look(flusher, clock, run)
    assert disk.take() == []
    look(flusher, clock, run)
    # With their folder: a file whose name is lost is found by nobody.
    assert disk.take() == [*names(run)[:2], run.path.name]
    look(flusher, clock, run)
    assert disk.take() == []


def test_segment_that_was_delivered_at_once_is_never_written(
    run: RunFolder, clock: Clock, disk: Disk
) -> None:
    flusher = Flusher("closed", flush=disk, now=clock)
    look(flusher, clock, run)
    kept = names(run)[1]
    (run.path / names(run)[0]).unlink()
    look(flusher, clock, run)
    assert disk.take() == [kept, run.path.name]


def test_interval_writes_the_open_one_every_second(
    run: RunFolder, clock: Clock, disk: Disk
) -> None:
    flusher = Flusher("interval", flush=disk, now=clock)
    *finished, written_now = names(run)
    look(flusher, clock, run)
    assert disk.take() == [written_now, run.path.name]
    look(flusher, clock, run)
    assert disk.take() == [*finished, written_now, run.path.name]
    flusher.work([run])  # no second later
    assert flusher.wait(30.0)
    assert disk.take() == []


def test_slow_disk_holds_up_nobody(run: RunFolder, clock: Clock, disk: Disk) -> None:
    flusher = Flusher("interval", flush=disk, now=clock)
    disk.lets_go.clear()
    for _ in range(3):
        clock.time += 1.0
        flusher.work([run])
        assert not flusher.wait(0.0)
    disk.lets_go.set()
    assert flusher.wait(30.0)
    assert disk.take() == [names(run)[-1], run.path.name]


def test_what_could_not_be_written_is_tried_again(
    run: RunFolder, clock: Clock, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr("tradespan.core.guard.report", lambda where, error: told.append(where))
    flusher = Flusher("closed", flush=disk, now=clock)
    look(flusher, clock, run)
    disk.refuses = True
    look(flusher, clock, run)
    disk.refuses = False
    look(flusher, clock, run)
    assert disk.take() == [*names(run)[:2], run.path.name]
    assert told == ["fsync"]


def test_file_that_is_gone_is_passed_over(tmp_path: Path) -> None:
    flush_file(tmp_path / "gone")
