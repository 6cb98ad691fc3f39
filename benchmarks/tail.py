"""The tail of a paced loop: processes that take turns, each event three spans."""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.paced import QUANTILES, WARM_UP
from benchmarks.processes import ProcessFailed, null_receiver, run
from benchmarks.results import Report, Row, TailRow
from benchmarks.timing import Progress
from tradespan.forward.agent import STATUS
from tradespan.spool.folder import run_folders

GROUP = "tail"
WAYS = ("bare", "tradespan", "sdk")
_NAMES = {
    "bare": "bare",
    "tradespan": "tradespan, agent and store running",
    "sdk": "SDK, batch processor, OTLP to a null receiver",
}
_MEASURES = {"handling": "an event's handling", "after due": "from when it was due to its end"}
_WATCHED = "p99.9"
_SPANS = 3
"""Of one event."""

Run = Mapping[str, Mapping[str, float]]
"""Quantiles in µs, by measure and name."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to look."""

    rounds: int
    events: int
    interval: int = 250_000
    """Nanoseconds between two events."""


FULL = Pace(10, 100_000)
QUICK = Pace(3, 10_000)


def measure_tail(pace: Pace, report: Report) -> None:
    """Add what it costs the slowest events."""
    progress = Progress(GROUP)
    runs: dict[str, list[Run]] = {way: [] for way in WAYS}
    with null_receiver() as endpoint:
        for count in range(pace.rounds):
            # Each goes first in turn: whatever drifts meets all of them alike.
            for way in WAYS[count % len(WAYS) :] + WAYS[: count % len(WAYS)]:
                runs[way].append(_run_once(way, pace, endpoint))
                progress.tell(f"round {count + 1} of {pace.rounds}, {way} done")
    report.rows += tail_rows(runs)
    report.tail += [
        summarize(_NAMES[way], _MEASURES[measure], [each[measure] for each in runs[way]])
        for measure in _MEASURES
        for way in WAYS
    ]
    report.notes.append(
        f"Tail: {pace.rounds} rounds of {pace.events:,} events, one each {pace.interval / 1000:g}"
        " µs by busy waiting, three spans per event; each run is a process of its own."
    )


def _run_once(way: str, pace: Pace, endpoint: str) -> Run:
    with tempfile.TemporaryDirectory(prefix="tradespan-bench-") as folder:
        out, root = Path(folder, "out.json"), Path(folder, "root")
        command = [sys.executable]
        paced = ["-m", "benchmarks.paced", way, str(pace.events), str(pace.interval), str(out)]
        if way == "tradespan":
            # The real thing: supervisor, agent with its store, and the loop as the bot.
            command += ["-m", "tradespan", "run", "--root", str(root), "--no-ui"]
            paced += ["--ready", str(root / STATUS)]
        if way == "sdk":
            paced += ["--endpoint", endpoint]
        run([*command, *paced], os.environ)
        if way == "tradespan":
            _check_recorded(root, pace.events + WARM_UP)
        found: Run = json.loads(out.read_text())
        return found


def _check_recorded(root: Path, events: int) -> None:
    """A loop whose events were not recorded, or not delivered, has measured nothing.

    Raises:
        ProcessFailed: That is so.
    """
    books = [folder.drained for folder in run_folders(root)]
    recorded = sum(each["recorded"] for each in books if each)
    stored = sum(each["sinks"]["store"]["accepted"] for each in books if each)
    if not recorded == stored == _SPANS * events:
        raise ProcessFailed(
            f"{recorded:,} spans recorded and {stored:,} stored of {_SPANS * events:,}"
        )


def tail_rows(runs: Mapping[str, Sequence[Run]]) -> list[Row]:
    """p99.9 with tradespan in multiples of the bare loop's: the median of the pairs."""
    rows = []
    for measure, name in _MEASURES.items():
        bare = [each[measure][_WATCHED] for each in runs["bare"]]
        ours = [each[measure][_WATCHED] for each in runs["tradespan"]]
        rows.append(
            Row(
                GROUP,
                f"{_WATCHED} of a paced loop, 3 spans per event: {name}",
                statistics.median(ours),
                f"bare, {min(bare):.0f} to {max(bare):.0f} µs",
                statistics.median(bare),
                statistics.median(our / their for our, their in zip(ours, bare, strict=True)),
                1.5,
                "three spans, a fault for each 256 KiB that the agent prepared, the change to the"
                " next segment, and what the agent takes of the machine",
            )
        )
    return rows


def summarize(way: str, measure: str, runs: Sequence[Mapping[str, float]]) -> TailRow:
    """Median and range of the runs' quantiles."""
    columns = {name: [each[name] for each in runs] for name in QUANTILES}
    return TailRow(
        way,
        measure,
        len(runs),
        {name: statistics.median(values) for name, values in columns.items()},
        {name: min(values) for name, values in columns.items()},
        {name: max(values) for name, values in columns.items()},
    )
