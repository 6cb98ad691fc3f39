"""The agent makes the next segment's file; the writer takes it, or makes its own."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import pytest

from tests.unit.spool.builders import (
    KIB,
    SPAN,
    make_writer,
    payloads,
    python,
    segment_paths,
)
from tradespan.forward import prepare
from tradespan.forward.prepare import Preparer
from tradespan.spool.folder import RunFolder
from tradespan.spool.layout import HEADER_SIZE, SegmentHeader, prepared_name, unpack_header
from tradespan.spool.reader import SegmentReader
from tradespan.spool.writer import SpoolLimits, SpoolWriter

LIMITS = SpoolLimits(first_segment=16 * KIB, largest_segment=64 * KIB)


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        self.time += 10.0
        return self.time


def preparer(largest: int = 64 * KIB, *, prepares: bool = True) -> Preparer:
    """One that looks at everything in each step."""
    return Preparer(largest, prepares=prepares, now=Clock())


def hidden(folder: Path) -> dict[str, int]:
    """Prepared files, finished or not: their ends and sizes."""
    found = [path for path in folder.iterdir() if path.name.startswith(".")]
    return {path.name[-9:]: path.stat().st_size for path in found}


def fill(writer: SpoolWriter, folder: Path) -> Path:
    """Record until a segment begins; that one."""
    known = set(segment_paths(folder))
    while not (fresh := set(segment_paths(folder)) - known):
        writer.ordinary.append(SPAN, 1, b"x" * 500)
    return fresh.pop()


def capacity(path: Path) -> int:
    header = unpack_header(path.read_bytes()[:HEADER_SIZE])
    assert isinstance(header, SegmentHeader)
    return header.capacity


def test_next_segment_is_the_file_that_was_prepared(tmp_path: Path) -> None:
    writer, chore, folder = make_writer(tmp_path, limits=LIMITS), preparer(), RunFolder(tmp_path)
    fill(writer, tmp_path)
    for size in (32, 64, 64):
        chore.work([folder])
        assert hidden(tmp_path) == {".next.seg": size * KIB}
        (made,) = tmp_path.glob(".*.next.seg")
        inode = made.stat().st_ino
        assert stat.S_IMODE(made.stat().st_mode) == 0o600
        segment = fill(writer, tmp_path)
        assert segment.stat().st_ino == inode
        assert capacity(segment) == segment.stat().st_size == size * KIB
        assert hidden(tmp_path) == {}
    writer.close()
    assert len(payloads(tmp_path)) == writer.ordinary.counters().acknowledged


def test_prepared_file_is_written_to_its_end_before_it_has_its_name(tmp_path: Path) -> None:
    big = SpoolLimits(first_segment=2 * prepare.STEP, largest_segment=4 * prepare.STEP)
    writer, chore, folder = make_writer(tmp_path, limits=big), preparer(2**40), RunFolder(tmp_path)
    writer.ordinary.append(SPAN, 1, b"first")
    for _ in range(3):
        chore.work([folder])
        assert hidden(tmp_path) == {".part.seg": 4 * prepare.STEP}
    chore.work([folder])
    assert hidden(tmp_path) == {".next.seg": 4 * prepare.STEP}
    writer.close()
    chore.work([folder])
    assert hidden(tmp_path) == {}


def test_size_is_learnt_from_a_writer_with_smaller_segments(tmp_path: Path) -> None:
    writer, chore, folder = (
        make_writer(tmp_path, limits=LIMITS),
        preparer(2**40),
        RunFolder(tmp_path),
    )
    sizes = []
    for _ in range(5):
        fill(writer, tmp_path)
        chore.work([folder])
        sizes.append(hidden(tmp_path)[".next.seg"] // KIB)
    # 128 KiB are more than this writer takes: it made its own, and that was seen.
    assert sizes == [32, 64, 128, 64, 64]
    writer.close()


def test_file_of_a_writer_that_closed_or_died_is_removed(tmp_path: Path) -> None:
    chore, folder = preparer(), RunFolder(tmp_path)
    closed, dead = make_writer(tmp_path), make_writer(tmp_path)
    for writer in (closed, dead):
        writer.ordinary.append(SPAN, 1, b"x")
    chore.work([folder])
    assert len(list(tmp_path.glob(".*.next.seg"))) == 2
    closed.close()
    dead.locks.abandon()
    chore.work([folder])
    assert hidden(tmp_path) == {}


def test_folder_that_is_drained_keeps_nothing(tmp_path: Path) -> None:
    writer, chore = make_writer(tmp_path), preparer()
    writer.ordinary.append(SPAN, 1, b"x")
    chore.work([RunFolder(tmp_path)])
    assert hidden(tmp_path) != {}
    chore.work([])
    assert hidden(tmp_path) == {}
    writer.close()


def test_what_a_killed_agent_left_is_taken_or_made_anew(tmp_path: Path) -> None:
    writer, folder = make_writer(tmp_path, limits=LIMITS), RunFolder(tmp_path)
    segment = fill(writer, tmp_path)
    row = folder.segments()[0].row
    unfinished = tmp_path / f".{row}.part.seg"
    unfinished.write_bytes(b"torn")
    stranger = tmp_path / f".{'0' * 32}-o.next.seg"
    stranger.write_bytes(b"")
    preparer().work([folder])
    assert hidden(tmp_path) == {".next.seg": 2 * capacity(segment)}
    preparer().work([folder])  # another agent again
    assert fill(writer, tmp_path) != segment
    writer.close()
    assert len(payloads(tmp_path)) == writer.ordinary.counters().acknowledged


def test_nothing_is_prepared_in_the_bots_own_process(tmp_path: Path) -> None:
    writer, folder = make_writer(tmp_path), RunFolder(tmp_path)
    writer.ordinary.append(SPAN, 1, b"x")
    left = tmp_path / f".{'0' * 32}-o.next.seg"
    left.write_bytes(b"")
    preparer(prepares=False).work([folder])
    assert hidden(tmp_path) == {}
    writer.close()


def test_prepared_files_go_before_records_do_where_room_is_short(tmp_path: Path) -> None:
    writer, folder = make_writer(tmp_path, limits=LIMITS), RunFolder(tmp_path)
    writer.ordinary.append(SPAN, 1, b"x")
    floor, size = 1000 * KIB, 32 * KIB
    free = 2 * floor + 16 * size - 1
    chore = Preparer(64 * KIB, floor=floor, now=Clock(), measure=lambda folder: free)
    chore.work([folder])
    assert hidden(tmp_path) == {}
    free += 1
    chore.work([folder])
    assert hidden(tmp_path) == {".next.seg": size}
    free = 2 * floor
    chore.work([folder])
    assert hidden(tmp_path) == {".next.seg": size}
    free -= 1
    chore.work([folder])
    assert hidden(tmp_path) == {}
    fill(writer, tmp_path)
    writer.close()
    assert len(payloads(tmp_path)) == writer.ordinary.counters().acknowledged


def test_all_prepared_files_together_are_bounded(tmp_path: Path) -> None:
    writers = [make_writer(tmp_path, limits=LIMITS) for _ in range(3)]
    for writer in writers:
        writer.ordinary.append(SPAN, 1, b"x")
    chore = Preparer(64 * KIB, most=70 * KIB, now=Clock())
    for _ in range(3):
        chore.work([RunFolder(tmp_path)])
    assert [path.stat().st_size // KIB for path in tmp_path.glob(".*.next.seg")] == [32, 32]
    for writer in writers:
        writer.close()


def test_full_disk_while_preparing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, folder, chore = make_writer(tmp_path), RunFolder(tmp_path), preparer()
    writer.ordinary.append(SPAN, 1, b"x")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        chore.work([folder])
        chore.work([folder])
    assert hidden(tmp_path) == {}
    fill(writer, tmp_path)
    chore.work([folder])  # tried again, for the next one
    assert list(hidden(tmp_path)) == [".next.seg"]
    writer.close()


@pytest.mark.parametrize("unfit", ["link", "hard link", "open mode", "hole", "small", "large"])
def test_file_that_is_not_ours_alone_is_not_taken(tmp_path: Path, unfit: str) -> None:
    run = tmp_path / "run"
    writer = make_writer(run, limits=LIMITS)
    fill(writer, run)
    other = tmp_path / "other"
    other.write_bytes(bytes(64 * KIB))
    other.chmod(0o600)
    name = run / prepared_name(RunFolder(run).segments()[0].row)
    if unfit == "link":
        name.symlink_to(other)
    elif unfit == "hard link":
        os.link(other, name)
    else:
        size = {"small": 16, "large": 128}.get(unfit, 64) * KIB
        name.write_bytes(b"" if unfit == "hole" else bytes(size))
        os.truncate(name, size)
        name.chmod(0o644 if unfit == "open mode" else 0o600)
    segment = fill(writer, run)
    assert capacity(segment) == 32 * KIB
    assert other.read_bytes() == bytes(64 * KIB)
    assert not name.exists()
    assert not name.is_symlink()
    writer.close()
    assert len(payloads(run)) == writer.ordinary.counters().acknowledged


_WRITER = """
import sys
from pathlib import Path
from tests.unit.forward.test_prepare import LIMITS
from tests.unit.spool.builders import SPAN, make_writer
writer = make_writer(Path(sys.argv[1]), limits=LIMITS)
number = 0
while True:
    number += 1
    writer.ordinary.append(SPAN, 1, b"%d" % number + b"." * 300)
    if number % 200 == 0:
        sys.stdout.write(f"{number}\\n")
        sys.stdout.flush()
        sys.stdin.readline()
"""
_AGENT = """
import sys
from pathlib import Path
from tests.unit.forward.test_prepare import preparer
from tradespan.spool.folder import RunFolder
chore, folder = preparer(), RunFolder(Path(sys.argv[1]))
while True:
    chore.work([folder])
    sys.stdout.write("\\n")
    sys.stdout.flush()
"""


@pytest.mark.parametrize("rounds", [1, 4])
def test_kill_of_either_side_loses_nothing(tmp_path: Path, rounds: int) -> None:
    # The writer waits for our line every 200 records; the agent runs on beside it without a stop,
    # and is killed wherever it is then.
    with python("-c", _WRITER, str(tmp_path)) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        acknowledged = int(writer.stdout.readline())
        for _ in range(rounds):
            with python("-c", _AGENT, str(tmp_path)) as agent:
                assert agent.stdout is not None
                assert agent.stdout.readline()
                for _ in range(3):
                    writer.stdin.write(b"\n")
                    writer.stdin.flush()
                    acknowledged = int(writer.stdout.readline())
                agent.send_signal(signal.SIGKILL)
        writer.send_signal(signal.SIGKILL)
    numbers = [int(payload.strip(b".")) for payload in payloads(tmp_path)]
    assert numbers[:acknowledged] == list(range(1, acknowledged + 1))
    for path in segment_paths(tmp_path):
        reader = SegmentReader(path)
        assert reader.writer_is_gone()
        assert reader.damaged_bytes == 0
        reader.close()
    preparer().work([RunFolder(tmp_path)])
    assert hidden(tmp_path) == {}
