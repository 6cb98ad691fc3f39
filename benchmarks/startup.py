"""How long a program takes to start whose big libraries are watched whole."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass

from benchmarks.processes import REPOSITORY, run
from benchmarks.results import Report, Row
from benchmarks.timing import QUICK, Progress, Rounds

GROUP = "startup"
PACKAGES = ("numpy", "pandas")
_PROGRAM = REPOSITORY / "benchmarks" / "importing.py"
_STARTS, _QUICK_STARTS = 15, 3
_BAR = 2.0
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the program."""

    whole: float
    """µs from the command's start until everything is imported."""
    imports: float
    """µs of the imports alone."""
    watched: int
    """Functions watched by then."""


def measure_startup(rounds: Rounds, report: Report) -> None:
    """Add the rows, and a note of how fast functions are patched."""
    progress = Progress(GROUP)
    bare, watched = list[Start](), list[Start]()
    for number in range(_QUICK_STARTS if rounds is QUICK else _STARTS):  # in turns
        bare.append(start_bare())
        watched.append(start_watched())
        progress.tell(f"start {number + 1}")
    report.rows += startup_rows(bare, watched)
    report.notes.append(describe_speed(bare, watched))


def startup_rows(bare: list[Start], watched: list[Start]) -> list[Row]:
    """The least of each, held against the least of the bare ones."""
    names = " and ".join(PACKAGES)
    found = []
    for what, field in (
        (f"start, with {names} imported", "whole"),
        (f"import of {names} alone", "imports"),
    ):
        reference = min(getattr(each, field) for each in bare)
        cost = min(getattr(each, field) for each in watched)
        row = Row(
            GROUP,
            f"`-i` of all of {names}: {what}",
            cost,
            against="bare",
            reference=reference,
            ratio=cost / reference,
            at_most=_BAR if field == "whole" else None,
            why="making a watched twin of each function, and starting supervisor and agent",
        )
        found.append(row)
    return found


def describe_speed(bare: list[Start], watched: list[Start]) -> str:
    """Functions per second of what the imports took longer."""
    extra = min(each.imports for each in watched) - min(each.imports for each in bare)
    functions = watched[0].watched
    speed = f"{functions / extra * 1e6:,.0f} a second" if extra > 0 else "in no time to speak of"
    return f"Start-up: {functions:,} functions of {' and '.join(PACKAGES)} were patched, {speed}."


def start_bare() -> Start:
    """As Python starts it."""
    return _start([sys.executable])


def start_watched() -> Start:
    """Under `tradespan run`, with all of the packages' functions watched."""
    with tempfile.TemporaryDirectory() as root:
        options = ["--root", root, "--no-store", "--no-ui"]
        patterns = [word for name in PACKAGES for word in ("-i", rf"{name}\..*")]
        return _start([sys.executable, "-m", "tradespan", "run", *options, *patterns])


def _start(command: list[str]) -> Start:
    # As an installed package starts: with its bytecode, which the first start writes.
    environment = {key: value for key, value in os.environ.items() if key != _NO_BYTECODE}
    began = time.monotonic_ns()
    told = json.loads(run([*command, str(_PROGRAM), *PACKAGES], environment))
    return Start((told["done"] - began) / 1e3, told["took"] / 1e3, told["watched"])
