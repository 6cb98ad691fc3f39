"""A process to be killed: records as fast as it can and acknowledges each record that was written.

`python -m tests.crash.bot FOLDER LEDGER THREADS`

The ledger is a mapped file of one little-endian u64 a thread: of how many of its records `append`
has returned. Every record tells its thread, its number there and, by its length and content, that
it is whole. A third of them goes to the error lane.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
from pathlib import Path

from tests.unit.spool.builders import SPAN, make_writer
from tradespan.spool.writer import SpoolLimits

KIB = 1024
LIMITS = SpoolLimits(first_segment=256 * KIB, largest_segment=256 * KIB)


def compose(thread: int, number: int) -> bytes:
    """What record `number` of a thread holds: 20 to 1,519 bytes."""
    pad = (number * 7 + thread * 13) % 1_500
    return b"%03d.%010d.%04d|" % (thread, number, pad) + b"x" * pad


def read(payload: bytes) -> tuple[int, int] | None:
    """(thread, number) of a whole record; None if it is not one."""
    try:
        thread, number = (int(part) for part in payload.split(b".")[:2])
    except ValueError:
        return None
    return (thread, number) if payload == compose(thread, number) else None


def main(folder: Path, ledger: Path, threads: int) -> None:
    writer = make_writer(folder, limits=LIMITS)
    descriptor = os.open(ledger, os.O_RDWR)
    acknowledged = memoryview(mmap.mmap(descriptor, 8 * threads)).cast("Q")

    def record(thread: int) -> None:
        number = 0
        while True:
            number += 1
            lane = writer.errors if number % 3 == 0 else writer.ordinary
            lane.append(SPAN, number % 40, compose(thread, number))
            acknowledged[thread] = number

    for thread in range(1, threads):
        threading.Thread(target=record, args=(thread,), daemon=True).start()
    os.write(1, b"started\n")
    record(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
