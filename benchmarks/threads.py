"""Threads that record at once: there is no lock between them, only the interpreter's."""

from __future__ import annotations

import threading
import time

import tradespan
from benchmarks import functions as f
from benchmarks.recording import recording
from benchmarks.results import Report, Row
from benchmarks.timing import Call, Loop, Rounds, Subject, time_in_turns

GROUP = "threads"
COUNTS = (1, 2, 4, 8)
_CALLS = 40
"""Times as many as in other groups: the threads' first turns are a part of it."""


def threaded(call: Call, threads: int) -> Loop:
    """So many threads that share the calls; from when all are there to when the last is done."""

    def loop(times: int) -> int:
        steps = range(times // threads)
        ready = threading.Barrier(threads + 1)

        def work() -> None:
            ready.wait()
            for _ in steps:
                call()

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        ready.wait()
        began = time.perf_counter_ns()
        for worker in workers:
            worker.join()
        return time.perf_counter_ns() - began

    return loop


def measure_threads(rounds: Rounds, report: Report) -> None:
    """Add two rows for each number of threads."""
    with recording() as place:
        watched = tradespan.monitor(capture="none")(f.empty)
        subjects = [
            Subject(f"{key} {count}", threaded(call, count))
            for count in COUNTS
            for key, call in (("bare", f.empty), ("watched", watched))
        ]
        many = Rounds(rounds.count, _CALLS * rounds.calls)
        costs = time_in_turns(subjects, many, section=GROUP, between=place.sweep)
    report.rows += thread_rows(costs)


def thread_rows(costs: dict[str, float]) -> list[Row]:
    """Each thread's cost of a record against the bare call's, and all threads' against one's."""
    rows = []
    for count in COUNTS:
        together, bare = costs[f"watched {count}"], costs[f"bare {count}"]
        name = f'`@monitor(capture="none")`, {count} thread' + "s" * (count > 1)
        rows.append(
            Row(
                GROUP,
                f"{name}: a record, to its thread",
                together * count,
                "the bare call, as many threads",
                bare * count,
                together / bare,
            )
        )
        one = costs["watched 1"]
        rows.append(
            Row(GROUP, f"{name}: a record, all together", together, "1 thread", one, together / one)
        )
    return rows
