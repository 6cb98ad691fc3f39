"""Processes that count, for the tests to fork and to kill.

`python -m tests.unit.pages.children NAME FOLDER [ARGUMENT…]`
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from tests.unit.pages.builders import DECIDE, MICROSECOND, Writer, cells_of, count
from tradespan.core.forks import after_fork_in_child
from tradespan.pages.metrics import FunctionSeries, MetricPage


def say(word: str) -> None:
    """One write: lines of two processes don't mix."""
    os.write(1, f"{word}\n".encode())


def count_together(folder: Path, times: str) -> None:
    """Four threads count the same function, then all wait to be killed."""
    page = MetricPage(Writer(folder))
    sys.setswitchinterval(1e-5)

    def work() -> None:
        cells = cells_of(page, DECIDE)
        for number in range(int(times)):
            cells.record(number)
            cells.fail()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    say("counted")
    signal.pause()


def count_and_tell(folder: Path) -> None:
    """Four threads count a function each, and tell the number after each call, until killed."""
    page = MetricPage(Writer(folder))

    def work(name: str) -> None:
        cells = cells_of(page, FunctionSeries(name))
        number = 0
        while True:
            cells.record(MICROSECOND)
            number += 1
            say(f"{name} {number}")

    for name in "abcd":
        threading.Thread(target=work, args=(name,), daemon=True).start()
    signal.pause()


class Forking(Writer):
    """A process generation that knows when it is another."""

    def begin_anew(self) -> None:
        self.locks.abandon()
        self.identity = os.urandom(16)
        self.clock.step(60)  # type: ignore[attr-defined]


def fork(folder: Path) -> None:
    """A parent that has counted forks; both count on, and wait to be killed."""
    writer = Forking(folder)
    after_fork_in_child(writer.begin_anew)
    page = MetricPage(writer)
    count(page, DECIDE, *[MICROSECOND] * 5)
    who = "parent" if os.fork() else "child"
    count(page, DECIDE, *[MICROSECOND] * (2 if who == "parent" else 3))
    say(f"{who} {os.getpid()} {writer.identity.hex()}")
    signal.pause()


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
