"""A program to be killed: watched calls as fast as it can, each acknowledged when it has returned.

`python -m tests.crash.killed MODE ROUND LEDGERS`, MODE one of `threads-N`, `asyncio`, `fork`.

Each process has a ledger of its own, `<LEDGERS>-<number of the process>`: a mapped file of a
little-endian u64 a worker (thread or task), how many of its calls have returned. A third of the
calls raises, an eighth is durable: these go to the error lane. The one argument of a call says
which it is, and by its length and content that it is whole.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import signal
import sys
import threading
from contextlib import suppress

import tradespan

WORKERS = 16
CHILDREN = 3
MOST = 10_000
"""Calls of one worker: a machine that is slow to kill must not drown in what there is to check."""
LEDGER_BYTES = 8 * WORKERS
_LONGEST = 900


def compose(play: int, process: int, worker: int, number: int) -> str:
    """The argument of one call, 24 to 924 characters."""
    pad = (number * 7 + worker * 13) % _LONGEST
    return f"{play:05d}.{process}.{worker:02d}.{number:06d}.{pad:03d}|" + "x" * pad


def read(text: str) -> tuple[int, int, int, int] | None:
    """(play, process, worker, number) of a whole argument; None if it is not one."""
    try:
        play, process, worker, number = (int(part) for part in text.split(".")[:4])
    except ValueError:
        return None
    return (
        (play, process, worker, number) if text == compose(play, process, worker, number) else None
    )


@tradespan.monitor
def work(text: str) -> None:
    """What most calls are."""


@tradespan.monitor
def fail(text: str) -> None:
    """Goes to the error lane."""
    raise ValueError(len(text))


@tradespan.monitor(durable=True)
def order(text: str) -> None:
    """Writes a record before it begins, and one at its end."""


@tradespan.monitor
async def work_async(text: str) -> None:
    """Lets others have a turn while it is open."""
    await asyncio.sleep(0)


class Recorder:
    """One process's calls and its ledger."""

    def __init__(self, play: int, ledgers: str, process: int) -> None:
        self._play = play
        self._process = process
        descriptor = os.open(f"{ledgers}-{process}", os.O_RDWR)
        self._acknowledged = memoryview(mmap.mmap(descriptor, LEDGER_BYTES)).cast("Q")

    def record(self, worker: int) -> None:
        """Call and acknowledge until it is killed, or for long enough."""
        for number in range(1, MOST + 1):
            text = compose(self._play, self._process, worker, number)
            if number % 3 == 0:
                with suppress(ValueError):
                    fail(text)
            elif number % 5 == 0:
                order(text)
            else:
                work(text)
            self._acknowledged[worker] = number

    async def record_async(self, worker: int) -> None:
        """As `record`, in a task among others."""
        for number in range(1, MOST + 1):
            text = compose(self._play, self._process, worker, number)
            if number % 3 == 0:
                with suppress(ValueError):
                    fail(text)
            else:
                await work_async(text)
            self._acknowledged[worker] = number


async def run_tasks(recorder: Recorder) -> None:
    await asyncio.gather(*(recorder.record_async(worker) for worker in range(8)))


def fork_children(play: int, ledgers: str) -> int:
    """Fork; which process this is: 0 the parent."""
    for process in range(1, CHILDREN + 1):
        if os.fork() == 0:
            return process
    return 0


def main(mode: str, play: int, ledgers: str) -> None:
    runtime = tradespan.configure(forwarder="external")
    assert runtime.folder is not None
    order("before any fork: a segment is open")
    process = fork_children(play, ledgers) if mode == "fork" else 0
    recorder = Recorder(play, ledgers, process)
    if process == 0:
        os.write(1, f"{runtime.folder.path}\n".encode())
    if mode == "asyncio":
        asyncio.run(run_tasks(recorder))
    else:
        threads = int(mode.partition("-")[2] or 1)
        for worker in range(1, threads):
            threading.Thread(target=recorder.record, args=(worker,), daemon=True).start()
        recorder.record(0)
    signal.pause()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
