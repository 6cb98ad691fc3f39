"""Threads, signal handlers, garbage collection and forks; FORMAT.md's rules 1, 5, 7 and 12."""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar, Self

import pytest

from tests.unit.spool.builders import (
    SPAN,
    make_writer,
    payloads,
    python,
    read_folder,
    read_segment,
    segment_paths,
)
from tradespan.core import guard, native
from tradespan.core.records import Lane
from tradespan.spool.folder import RunFolder
from tradespan.spool.layout import HEADER_SIZE, SegmentHeader, pack_frame, unpack_header
from tradespan.spool.reader import SegmentReader

CHILDREN = "tests.unit.spool.children"

pytestmark = pytest.mark.usefixtures("way")


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    """Threads take turns every few microseconds, so that races come."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def run_threads(*tasks: threading.Thread) -> None:
    for task in tasks:
        task.start()
    for task in tasks:
        task.join()


def hear(child: subprocess.Popen[bytes]) -> str:
    """The next line that a child says; fails with its last words if it ends instead."""
    assert child.stdout is not None
    assert child.stderr is not None
    line = child.stdout.readline().decode().strip()
    if not line:
        pytest.fail(f"the child ended with {child.wait()}: {child.stderr.read().decode()[-3000:]}")
    return line


@contextmanager
def killed_at_the_end(*processes: int) -> Iterator[None]:
    try:
        yield
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


# ── threads ─────────────────────────────────────────────────────────────────────────────────────


def test_records_of_four_threads_are_read_back_once_each(
    tmp_path: Path, frequent_switches: None
) -> None:
    writer = make_writer(tmp_path)
    each = 3_000

    def record(who: int) -> None:
        for number in range(each):
            lane = writer.errors if number % 10 == 0 else writer.ordinary
            lane.append(SPAN, number % 20, b"%d.%d|" % (who, number) + b"." * (number % 60))

    run_threads(*(threading.Thread(target=record, args=(who,)) for who in range(4)))
    writer.close()
    found = sorted(payload.split(b"|")[0] for payload in payloads(tmp_path))
    assert found == sorted(b"%d.%d" % (who, n) for who in range(4) for n in range(each))
    for lane, count in ((Lane.ORDINARY, 10_800), (Lane.ERROR, 1_200)):
        paths = [p for p in segment_paths(tmp_path) if f"-{'oe'[lane]}-" in p.name]
        sequences = sorted(r.sequence for path in paths for r in read_segment(path))
        assert sequences == list(range(1, count + 1))
    (page,) = RunFolder(tmp_path).pages()
    assert page.lanes[Lane.ORDINARY].in_memory == page.lanes[Lane.ORDINARY].overflow == 0


class InterruptedMap(mmap.mmap):
    """A mapping into which another thread gets three frames, just when its end was looked up.

    In Python only: natively, looking up and closing are one step.
    """

    made: ClassVar[list[InterruptedMap]] = []
    seed: ClassVar[int] = 0
    """Of its writer's frames."""

    def __new__(cls, *arguments: int) -> Self:
        mapped = super().__new__(cls, *arguments)
        cls.made.append(mapped)
        return mapped

    def tell(self) -> int:
        position = super().tell()
        for number in (2, 3, 4):
            payload = b"meanwhile %d" % number
            self.write(pack_frame(number, SPAN, 0, payload, seed=self.seed))
        return position


def test_frames_written_while_a_segment_is_sealed_stay_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "module", None)
    monkeypatch.setattr("tradespan.spool.segment.mmap.mmap", InterruptedMap)
    writer = make_writer(tmp_path)
    monkeypatch.setattr(InterruptedMap, "seed", writer.seed)
    writer.ordinary.append(SPAN, 1, b"first")
    writer.close()
    assert payloads(tmp_path) == [b"first", b"meanwhile 2", b"meanwhile 3", b"meanwhile 4"]
    with pytest.raises(ValueError, match=r"closed|range"):
        InterruptedMap.made[-1].write(pack_frame(5, SPAN, 0, b"too late"))


def test_sealing_and_recording_at_once_lose_nothing(
    tmp_path: Path, frequent_switches: None
) -> None:
    writer = make_writer(tmp_path)
    stop = threading.Event()
    counts = [0, 0, 0]

    def record(who: int) -> None:
        while not stop.is_set():
            writer.ordinary.append(SPAN, counts[who] % 3, b"%d.%d" % (who, counts[who]))
            counts[who] += 1

    tasks = [threading.Thread(target=record, args=(who,)) for who in range(3)]
    for task in tasks:
        task.start()
    for _ in range(300):
        writer.close()
    stop.set()
    for task in tasks:
        task.join()
    writer.close()
    assert sorted(payloads(tmp_path)) == sorted(
        b"%d.%d" % (who, number) for who in range(3) for number in range(counts[who])
    )


class BlockingHandler(logging.Handler):
    """A log handler that waits for another thread, which records."""

    def __init__(self, task: threading.Thread) -> None:
        super().__init__()
        self._task = task
        self.waited_in_vain = False

    def emit(self, record: logging.LogRecord) -> None:
        self._task.start()
        self._task.join(timeout=10)
        self.waited_in_vain = self._task.is_alive()


def test_warning_is_logged_when_no_lock_is_held(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    writer = make_writer(tmp_path / "file")
    handler = BlockingHandler(
        threading.Thread(target=writer.ordinary.append, args=(SPAN, 1, b"other"), daemon=True)
    )
    guard.logger.addHandler(handler)
    try:
        writer.ordinary.append(SPAN, 1, b"record")
    finally:
        guard.logger.removeHandler(handler)
    assert not handler.waited_in_vain
    assert writer.ordinary.counters().in_memory == 2


# ── signal handlers and garbage collection ──────────────────────────────────────────────────────


def test_signal_handler_that_records_while_recording_loses_nothing(tmp_path: Path) -> None:
    with python("-m", CHILDREN, "interrupt", str(tmp_path), "200") as child:
        written, handled = map(int, hear(child).split())
        assert child.wait() == 0
    assert handled >= 200
    expected = [b"main %d" % n for n in range(1, written + 1)]
    expected += [b"handler %d" % n for n in range(1, handled + 1)]
    records = read_folder(tmp_path)
    assert sorted(r.payload for r in records) == sorted(expected)
    assert sorted(r.sequence for r in records) == list(range(1, len(expected) + 1))


def test_handlers_that_record_in_every_roll_over_do_not_pile_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each found the segment full, began another, and was interrupted in that, for ever.
    allocate = os.posix_fallocate
    handled = 0

    def interrupt(descriptor: int, offset: int, size: int) -> None:
        nonlocal handled
        handled += 1
        writer.ordinary.append(SPAN, 1, b"handler %d" % handled)
        allocate(descriptor, offset, size)

    monkeypatch.setattr(os, "posix_fallocate", interrupt)
    writer = make_writer(tmp_path)
    for number in range(500):
        writer.ordinary.append(SPAN, 1, b"main %d" % number)
    writer.close()
    expected = [b"main %d" % n for n in range(500)]
    expected += [b"handler %d" % n for n in range(1, handled + 1)]
    assert handled > 5
    assert sorted(payloads(tmp_path)) == sorted(expected)
    counters = writer.ordinary.counters()
    assert (counters.in_memory, counters.overflow) == (0, 0)
    assert counters.recovered > 0


def test_garbage_collection_that_records_while_recording_loses_nothing(tmp_path: Path) -> None:
    with python("-m", CHILDREN, "collect", str(tmp_path), "3000") as child:
        assert child.wait() == 0
    expected = [b"%s %d" % (who, n) for who in (b"main", b"collected") for n in range(3_000)]
    assert sorted(payloads(tmp_path)) == sorted(expected)


# ── forks ───────────────────────────────────────────────────────────────────────────────────────


def by_writer(folder: Path) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for path in segment_paths(folder):
        writer = path.name.split("-")[1]
        found.setdefault(writer, []).extend(r.payload for r in read_segment(path))
    return found


def path_is_closed(path: Path) -> bool:
    header = unpack_header(path.read_bytes()[:HEADER_SIZE])
    assert isinstance(header, SegmentHeader)
    return header.closed


def writers_alive(folder: Path) -> dict[str, bool]:
    """Writer → whether its page and its open segments are locked (both, or neither)."""
    pages = {page.writer: page.alive for page in RunFolder(folder).pages()}
    for path in segment_paths(folder):
        reader = SegmentReader(path)
        if not path_is_closed(path):
            assert reader.writer_is_gone() != pages[reader.origin.writer], path.name
        reader.close()
    return pages


def test_forked_child_records_into_segments_of_its_own(tmp_path: Path) -> None:
    with (
        python("-m", CHILDREN, "fork", str(tmp_path)) as parent,
        killed_at_the_end(hear_child(parent)),
    ):
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdin.close()
        assert parent.wait() == 0
        # The child holds the other end of the pipe until it ends.
        assert parent.stdout.read() == b""
    (of_parent,) = (w for w, found in by_writer(tmp_path).items() if b"parent before" in found)
    found = by_writer(tmp_path)
    expected = [b"parent before", b"parent failed", *(b"parent %d" % n for n in range(300))]
    assert sorted(found.pop(of_parent)) == sorted(expected)
    ((of_child, records),) = found.items()
    assert records == [b"child %d" % n for n in range(300)]
    assert {page.writer for page in RunFolder(tmp_path).pages()} == {of_parent, of_child}


@pytest.mark.parametrize("moment", ["fork", "fork_in_roll_over"])
def test_locks_of_a_killed_parent_are_free_although_its_child_lives(
    tmp_path: Path, moment: str
) -> None:
    with (
        python("-m", CHILDREN, moment, str(tmp_path)) as parent,
        killed_at_the_end(hear_child(parent), parent.pid),
    ):
        assert list(writers_alive(tmp_path).values()) == [True, True]
        parent.kill()
        parent.wait()
        alive = writers_alive(tmp_path)
        (of_child,) = (w for w, found in by_writer(tmp_path).items() if b"child 0" in found)
        assert alive.pop(of_child)
        assert list(alive.values()) == [False]


def hear_child(parent: subprocess.Popen[bytes]) -> int:
    """Process id of the forked child, once both have done what they had to."""
    said = dict(hear(parent).split() for _ in range(2))
    assert int(said["parent"]) == parent.pid
    return int(said["child"])


def test_lock_is_exclusive_and_gone_with_its_process_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    with (
        path.open("r+") as file,
        python("-m", CHILDREN, "hold_lock", str(path)) as parent,
        killed_at_the_end(hear_child(parent), parent.pid),
    ):
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        parent.kill()
        parent.wait()
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
