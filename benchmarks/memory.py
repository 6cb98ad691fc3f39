"""Whether memory grows with calls: `python -m benchmarks.memory CALLS` prints it as JSON."""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path

import tradespan
from benchmarks import functions as f
from benchmarks.processes import run_for_json
from benchmarks.recording import recording
from benchmarks.results import Memory, Report
from benchmarks.subjects import five_call
from benchmarks.timing import Progress

GROUP = "memory"
FULL, QUICK = 10_000_000, 500_000
_BATCH = 10_000
_WARM_UP = 20
"""Batches after which all that is made once has been made."""


def measure_memory(calls: int, report: Report) -> None:
    """Add what is in memory before and after so many calls, in a process of their own."""
    report.memory = Memory(**run_for_json("benchmarks.memory", calls))


def resident() -> dict[str, int]:
    """Bytes in memory: the process's own, and with its mapped files and libraries."""
    status = Path("/proc/self/status").read_text()
    lines = dict(line.split(":", 1) for line in status.splitlines())
    return {
        name: int(lines[line].removesuffix("kB")) * 1024
        for name, line in (("own", "RssAnon"), ("all", "VmRSS"))
    }


def main(arguments: list[str]) -> None:
    """Call, and look at the process."""
    calls = int(arguments[0])
    progress = Progress(GROUP)
    with recording() as ours:
        child = tradespan.monitor(f.two)

        @tradespan.monitor
        def parent() -> None:
            child(1, "BTC-USDT")

        span = five_call(ours.tracer)
        fail = f.caught(tradespan.monitor(f.fail_with_secret))

        def batch() -> None:
            for _ in range(_BATCH // 2 - 500):
                parent()  # two calls each
            for _ in range(_BATCH // 10 - 100):
                span()
            for _ in range(100):
                fail()
            ours.sweep()

        for _ in range(_WARM_UP):
            batch()
        gc.collect()
        before = resident()
        for done in range(0, calls, _BATCH):
            batch()
            progress.tell(f"{done:,} of {calls:,} calls")
        gc.collect()
        after = resident()
    print(json.dumps({"calls": calls, "before": before, "after": after}))


if __name__ == "__main__":
    main(sys.argv[1:])
