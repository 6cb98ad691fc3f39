"""Processes that record, for the tests to read beside, to fork, to interrupt and to kill.

`python -m tests.unit.spool.children NAME FOLDER [ARGUMENT…]`
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from tests.support.fakes import SteppingClock
from tests.unit.spool.builders import KIB, SPAN, make_writer, payloads
from tradespan.core import guard
from tradespan.pages.locks import LockKeeper
from tradespan.spool import segment
from tradespan.spool.folder import RootLock
from tradespan.spool.writer import SpoolLimits


def say(word: str) -> None:
    """One write: lines of two processes don't mix."""
    os.write(1, f"{word}\n".encode())


def wait_for_word() -> str:
    """Until the test says something; empty when it is gone."""
    return sys.stdin.readline().strip()


def write(folder: Path, count: str) -> None:
    """Write numbered records as fast as it goes."""
    writer = make_writer(folder)
    writer.ordinary.append(SPAN, 1, b"0:")
    say("started")
    for number in range(1, int(count)):
        writer.ordinary.append(SPAN, number % 7, b"%d:" % number + b"." * (number % 90))
    writer.close()


def interrupt(folder: Path, times: str) -> None:
    """A signal handler records while the main thread records."""
    writer = make_writer(folder)
    handled = 0

    def record(number: int, frame: object) -> None:
        nonlocal handled
        handled += 1
        writer.ordinary.append(SPAN, handled % 50, b"handler %d" % handled)

    # Of this process's own time: a busy machine must not pile up handlers inside each other.
    signal.signal(signal.SIGPROF, record)
    signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
    written = 0
    while handled < int(times):
        written += 1
        writer.ordinary.append(SPAN, written % 50, b"main %d" % written)
    signal.setitimer(signal.ITIMER_PROF, 0)
    writer.close()
    say(f"{written} {handled}")


class Recording:
    """Records when it is collected, which may be in the middle of anything."""

    def __init__(self, append: object, number: int) -> None:
        self.append = append
        self.number = number
        self.itself = self

    def __del__(self) -> None:
        self.append(SPAN, 2, b"collected %d" % self.number)  # type: ignore[operator]


def collect(folder: Path, count: str) -> None:
    """Garbage collection records while the main thread records."""
    writer = make_writer(folder)
    gc.set_threshold(5, 2, 2)
    for number in range(int(count)):
        Recording(writer.ordinary.append, number)
        writer.ordinary.append(SPAN, number % 50, b"main %d" % number)
    gc.collect()
    writer.close()


def fork(folder: Path) -> None:
    """Parent and child record on after a fork; both wait for a word before they end."""
    writer = make_writer(folder)
    writer.ordinary.append(SPAN, 1, b"parent before")
    writer.errors.append(SPAN, 1, b"parent failed")
    who = "parent" if os.fork() else "child"
    for number in range(300):
        writer.ordinary.append(SPAN, 1, f"{who} {number}".encode())
    say(f"{who} {os.getpid()}")
    wait_for_word()
    writer.close()
    os._exit(0)


def fork_in_roll_over(folder: Path) -> None:
    """Fork while another thread stands between locking a segment and naming it."""
    writer = make_writer(folder)
    standing, forked = threading.Event(), threading.Event()
    allocate = os.posix_fallocate

    def stand(descriptor: int, offset: int, size: int) -> None:
        if threading.current_thread() is not threading.main_thread():
            standing.set()
            forked.wait()
        allocate(descriptor, offset, size)

    segment.os.posix_fallocate = stand  # type: ignore[attr-defined]
    writer.errors.append(SPAN, 1, b"the page is made here")
    thread = threading.Thread(target=writer.ordinary.append, args=(SPAN, 1, b"in the thread"))
    thread.start()
    standing.wait()
    if os.fork() == 0:
        writer.ordinary.append(SPAN, 1, b"child 0")
        say(f"child {os.getpid()}")
        signal.pause()
    forked.set()
    thread.join()
    say(f"parent {os.getpid()}")
    signal.pause()


def hold_root(folder: Path) -> None:
    """Hold a root's lock until a word comes."""
    lock = RootLock(folder)
    say("held" if lock.try_acquire() else "refused")
    wait_for_word()


def hold_lock(path: Path) -> None:
    """Hold a file's lock until killed; a forked child lives on with nothing of it."""
    locks = LockKeeper()
    locks.lock(path)
    who = "parent" if os.fork() else "child"
    if who == "child":
        locks.abandon()
    say(f"{who} {os.getpid()}")
    signal.pause()


def fill_disk(folder: Path) -> None:
    """Record on a file system that is full, then has space again. Says what became of it."""
    clock = SteppingClock()
    warnings: list[str] = []
    guard.logger.addHandler(CollectingHandler(warnings))
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(300 * KIB))
    run = folder / "run"
    writer = make_writer(run, clock=clock, limits=SpoolLimits(64 * KIB, 512 * KIB))
    for number in range(6_000):
        clock.step(0.001)
        lane = writer.errors if number % 100 == 0 else writer.ordinary
        lane.append(SPAN, number % 3, b"%d:" % number + b"." * 80)
    full = [writer.ordinary.counters(), writer.errors.counters()]
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    ballast.unlink()
    clock.step(1.0)
    number = 6_000
    while any(lane.counters().in_memory for lane in (writer.ordinary, writer.errors)):
        writer.ordinary.append(SPAN, 1, b"%d:" % number + b"." * 80)
        number += 1
    writer.close()
    found = sorted(int(payload.split(b":")[0]) for payload in payloads(run))
    say(
        json.dumps(
            {
                "in_memory": [lane.in_memory for lane in full],
                "overflow": sum(lane.overflow for lane in full),
                "recovered": writer.ordinary.counters().recovered,
                "free": free,
                "whole": found == list(range(number)),
                "calls_to_drain": number - 6_000,
                "warnings": warnings,
            }
        )
    )


def read_only(folder: Path) -> None:
    """Record into a folder of a file system that is read-only, then no more."""
    clock = SteppingClock()
    warnings: list[str] = []
    guard.logger.addHandler(CollectingHandler(warnings))
    writer = make_writer(folder / "run", clock=clock)
    for number in range(100):
        clock.step(0.1)
        writer.ordinary.append(SPAN, 1, b"%d" % number)
    counters = writer.ordinary.counters()
    subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)
    writer.close()
    whole = payloads(folder / "run") == [b"%d" % number for number in range(100)]
    say(json.dumps({"in_memory": counters.in_memory, "whole": whole, "warnings": warnings}))


class CollectingHandler(logging.Handler):
    """Keeps what is logged."""

    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        self._found.append(record.getMessage())


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
