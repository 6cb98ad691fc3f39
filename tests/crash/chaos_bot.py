"""A program under a receiver that misbehaves: `chaos_bot.py PER_LINE THREADS`.

For each line on stdin it makes `PER_LINE` calls in each of its threads and prints how many calls
there were in all, and the private memory of its process in bytes.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path


def work(number: int) -> int:
    """What is watched."""
    return number


def private_bytes() -> int:
    """Anonymous memory that is resident: no file's pages, which are the kernel's to take back."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no RssAnon")


def make_calls(first: int, count: int) -> None:
    for number in range(first, first + count):
        work(number)


def main(per_line: int, threads: int) -> None:
    done = 0
    make_calls(-100, 100)
    print(done, private_bytes(), flush=True)
    for _ in sys.stdin:
        workers = [
            threading.Thread(target=make_calls, args=(done + place * per_line, per_line))
            for place in range(threads)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        done += per_line * threads
        print(done, private_bytes(), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
