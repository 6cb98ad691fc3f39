"""A minute of each kind of chaos in true time, and the burst of a million spans."""

from __future__ import annotations

import argparse
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from tests.crash.chaos import FAULTS, burst, endure
from tests.crash_long.results import Found, stamp

MINUTE = 60.0
AT_ONCE = 5
MOST_GROWTH = 20.0
"""MiB that a program's own memory may grow by in the burst."""


def measure_chaos(options: argparse.Namespace) -> list[Found]:
    """Every kind, a thousand records every two seconds."""

    def run(faults: str) -> Found:
        with tempfile.TemporaryDirectory(prefix="tradespan-crash-") as folder:
            found = endure(
                Path(folder), faults, calls=500, rounds=30, seconds=MINUTE, scale=1.0
            )  # fmt: skip
        print(found, flush=True)
        return asdict(found) | stamp() | {"failed": bool(found.lost)}

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(run, FAULTS))


def measure_burst(options: argparse.Namespace) -> list[Found]:
    """One burst from four threads."""
    with tempfile.TemporaryDirectory(prefix="tradespan-crash-") as folder:
        found = burst(Path(folder), options.spans)
    print(found, flush=True)
    failed = bool(found.lost) or found.grown_mebibytes > MOST_GROWTH
    return [asdict(found) | stamp() | {"failed": failed}]
