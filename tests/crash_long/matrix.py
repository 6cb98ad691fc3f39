"""The loss matrix in true time, for tradespan and its peers."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from benchmarks.peers import PINS, cache_folder, ensure_environment
from tests.crash.matrix import BY_KEY, OURS, TRUE, Outcome, Row, run_row
from tests.crash_long.results import Found, stamp

PYTHONS: dict[str, Callable[[], Path]] = {
    "tradespan": lambda: Path(sys.executable),
    "tradespan-code": lambda: Path(sys.executable),
    "sdk": lambda: Path(sys.executable),
    "logfire": lambda: ensure_environment(PINS, cache_folder(os.environ)),
}
"""Subject → the Python that has it."""
LIBRARIES = {"sdk": "opentelemetry-sdk", "logfire": "logfire"}
AT_ONCE = 6
"""Plays of rows that mostly wait; those that are busy go one after the other."""


def measure(options: argparse.Namespace) -> list[Found]:
    """Every row for every subject, so many runs each."""
    rows = [BY_KEY[key] for key in options.rows]
    pythons = {subject: PYTHONS[subject]() for subject in options.subjects}
    stamps = {subject: _stamp(subject, python) for subject, python in pythons.items()}
    plays = [(row, name) for row in rows for name in pythons for _ in range(options.runs)]

    def play(task: tuple[Row, str]) -> Found:
        row, subject = task
        with tempfile.TemporaryDirectory(prefix="tradespan-crash-") as folder:
            outcome = run_row(row, subject, TRUE, Path(folder) / "play", pythons[subject])
        _tell(outcome)
        failed = subject in OURS and bool(outcome.lost)
        return asdict(outcome) | stamps[subject] | {"failed": failed}

    found = [play(task) for task in plays if not task[0].faulty]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found += pool.map(play, [task for task in plays if task[0].faulty])
    return found


def _tell(outcome: Outcome) -> None:
    print(
        f"{outcome.row:10} {outcome.subject:15} {outcome.lost_percent:5.1f} % of"
        f" {outcome.recorded:,} lost, {outcome.twice:,} twice, {outcome.refused} refusals,"
        f" exit {outcome.exit_seconds:.2f} s",
        flush=True,
    )


def _stamp(subject: str, python: Path) -> Found:
    library = LIBRARIES.get(subject)
    if library is None:
        return stamp()
    ask = f"from importlib.metadata import version; print(version({library!r}))"
    told = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True)
    return stamp(f"{library} {told.stdout.strip()}")
