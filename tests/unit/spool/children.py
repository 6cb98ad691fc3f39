"""Processes that record, for the tests to read beside, to fork, to interrupt and to kill.

`python -m tests.unit.spool.children NAME FOLDER [ARGUMENT…]`
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from pathlib import Path

from tests.unit.spool.builders import SPAN, make_writer
from tradespan.pages.locks import LockKeeper
from tradespan.spool import segment
from tradespan.spool.folder import RootLock


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

    signal.signal(signal.SIGALRM, record)
    signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
    written = 0
    while handled < int(times):
        written += 1
        writer.ordinary.append(SPAN, written % 50, b"main %d" % written)
    signal.setitimer(signal.ITIMER_REAL, 0)
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


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
