"""kill -9 at random moments: what was acknowledged is there, what is there is whole.

Short form here; `TRADESPAN_CRASH_ROUNDS=1000` for the long one.
"""

from __future__ import annotations

import os
import random
import selectors
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash.bot import read
from tests.unit.spool.builders import python, segment_paths, walk
from tradespan.core.delivery import Cursor
from tradespan.forward.books import add_up
from tradespan.spool.folder import RunFolder
from tradespan.spool.layout import HEADER_SIZE, SegmentHeader, unpack_header
from tradespan.spool.reader import SegmentReader

ROUNDS = int(os.environ.get("TRADESPAN_CRASH_ROUNDS", "26"))
LONGEST = 0.06
"""Seconds of recording before the kill, at most: a few roll-overs of 256 KiB."""


@dataclass
class Findings:
    """What all rounds together showed."""

    acknowledged: int = 0
    found: int = 0
    lost: int = 0
    torn: int = 0
    twice: int = 0
    damaged_bytes: int = 0
    unaccounted: int = 0
    segments: int = 0


def kill_after(child: subprocess.Popen[bytes], seconds: float) -> None:
    """Let a child record for a while, then kill it."""
    assert child.stdout is not None
    assert child.stdout.readline() == b"started\n"
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        # Nothing will come but its end: this waits for the time to pass, or for an unwanted death.
        assert selector.select(seconds) == []
    child.kill()
    child.wait()


def run_round(folder: Path, threads: int, seconds: float, findings: Findings) -> None:
    ledger = folder / "ledger"
    folder.mkdir()
    ledger.write_bytes(bytes(8 * threads))
    run = folder / "run"
    with python("-m", "tests.crash.bot", str(run), str(ledger), str(threads)) as child:
        kill_after(child, seconds)
        assert child.stderr is not None
        assert child.stderr.read() == b""
    acknowledged = [
        int.from_bytes(ledger.read_bytes()[8 * place :][:8], "little") for place in range(threads)
    ]
    found = read_all(run, findings)
    wanted = {(t, n) for t, count in enumerate(acknowledged) for n in range(1, count + 1)}
    findings.acknowledged += len(wanted)
    findings.found += found.total()
    findings.lost += len(wanted - found.keys())
    findings.twice += found.total() - len(found)
    # One call a thread may have been under way: written, and not yet acknowledged.
    assert len(found.keys() - wanted) <= threads
    books = add_up(RunFolder(run), {"nobody": Cursor()})
    findings.unaccounted += books.sinks["nobody"].unaccounted
    assert books.recorded == books.sinks["nobody"].on_disk == found.total()
    assert books.interrupted <= threads


def read_all(run: Path, findings: Findings) -> Counter[tuple[int, int]]:
    found: Counter[tuple[int, int]] = Counter()
    paths = segment_paths(run)
    findings.segments += len(paths)
    for path in paths:
        header = unpack_header(path.read_bytes()[:HEADER_SIZE])
        assert isinstance(header, SegmentHeader)
        reader = SegmentReader(path)
        for stretch in walk(reader):
            for record in stretch.records:
                identity = read(record.payload)
                if identity is None:
                    findings.torn += 1
                else:
                    found[identity] += 1
        assert stretch.finished
        findings.damaged_bytes += reader.damaged_bytes
        reader.close()
    return found


@pytest.mark.timeout(60 + 2 * ROUNDS)
@pytest.mark.parametrize("threads", [1, 4])
def test_killed_process_loses_nothing_that_it_acknowledged(tmp_path: Path, threads: int) -> None:
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    findings = Findings()
    for number in range(ROUNDS // 2):
        run_round(tmp_path / str(number), threads, moments.uniform(0, LONGEST), findings)
    print(f"\nseed {seed}, {ROUNDS // 2} kills, {threads} threads: {findings}")
    assert findings.acknowledged > 100 * ROUNDS
    assert (findings.lost, findings.torn, findings.twice) == (0, 0, 0), seed
    assert (findings.damaged_bytes, findings.unaccounted) == (0, 0), seed
    assert findings.segments > 2 * (ROUNDS // 2), "some kills have to come after a roll-over"
