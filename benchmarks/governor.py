"""Functions that are watched in place: what each level costs, and a backtest under the governor.

The backtest runs under patterns that name all its functions, in processes of its own:
`python -m benchmarks.governor BUDGET SECONDS` prints, as JSON, how long each of its equal steps
took; BUDGET `bare`: tradespan is not loaded.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from types import FunctionType
from typing import Any

import tradespan
from benchmarks import functions as f
from benchmarks.processes import run_for_json
from benchmarks.recording import recording
from benchmarks.results import Report, Row, compare
from benchmarks.timing import Call, Rounds, Subject, repeated, time_in_turns
from tradespan.instrument.auto.inplace import Level, Twin
from tradespan.instrument.options import Watch

GROUP = "governor"
_HERE = "benchmarks.governor"
BARE = "bare"
_BUDGETS = {BARE: BARE, "governed": "0.02", "full": "0"}
_AT_MOST = 1.05
_SETTLED = (1.0, 2.0)
"""Seconds after which a backtest is to be as fast as bare: one of a million calls, one of half a
minute."""
_QUICK, _FULL = 6.0, 32.0
"""Seconds that each backtest runs."""
_WORK = {"0.3 µs": f.some_work, "6 µs": f.more_work}


def measure_governor(rounds: Rounds, report: Report, *, quick: bool) -> None:
    """Add the rows of both."""
    report.rows.extend(_measure_levels(rounds))
    seconds = _QUICK if quick else _FULL
    runs = {name: run_for_json(_HERE, each, seconds) for name, each in _BUDGETS.items()}
    bare, costs = "", {}
    for settled in _SETTLED:
        bare = f"backtest, bare, from {settled:g} s on"
        costs = {name: _mean(run, settled) for name, run in runs.items()}
        costs[bare] = costs[BARE]
        report.rows.append(Row(GROUP, bare, costs[bare]))
        governed = Row(
            GROUP,
            f"backtest, all of it watched, from {settled:g} s on",
            costs["governed"],
            why="the budget, what is tried again, and whatever else the machine did meanwhile",
        )
        report.rows.append(compare(governed, costs, bare, at_most=_AT_MOST))
    full = Row(GROUP, "backtest, all of it watched, `max_overhead=0`", costs["full"])
    report.rows.append(compare(full, costs, bare))
    report.notes.append(
        f"{GROUP}: the backtest's times are by call, all wall time counted;"
        f" {len(runs[BARE]['steps']) * runs[BARE]['calls']:,} calls bare,"
        f" {len(runs['governed']['steps']) * runs['governed']['calls']:,} governed. Mean self time:"
        f" {_mean(runs[BARE], 0.0):.2f} µs"
    )


def _measure_levels(rounds: Rounds) -> list[Row]:
    """What each level costs, beside the decorator, for a short function and a longer one."""
    rows: list[Row] = []
    with recording() as ours:
        subjects, twins = [], []
        for length, work in _WORK.items():
            calls: dict[str, Call] = {"bare": work, "`@monitor`": tradespan.monitor(work)}
            for level in Level:
                function = FunctionType(work.__code__, work.__globals__, work.__name__)
                twin = Twin(function, f"bench.{level.name}", lambda _: Watch())
                twin.put(level)
                twins.append(twin)
                calls[f"in place, {level.name.lower()}"] = function
            subjects += [Subject(f"{key}, {length}", repeated(call)) for key, call in calls.items()]
        costs = time_in_turns(subjects, rounds, section=GROUP, between=ours.sweep)
        for twin in twins:
            twin.give_back()
    for length in _WORK:
        bare, decorated = f"bare, {length}", f"`@monitor`, {length}"
        rows.append(Row(GROUP, bare, costs[bare]))
        rows.append(compare(Row(GROUP, decorated, costs[decorated]), costs, bare))
        why = "the twin's frame; the span is the decorator's"
        full = Row(GROUP, f"in place, full, {length}", costs[f"in place, full, {length}"], why=why)
        rows.append(compare(full, costs, decorated, at_most=1.2))
        for less in ("counted", "restored"):
            name = f"in place, {less}, {length}"
            rows.append(compare(Row(GROUP, name, costs[name]), costs, bare))
    return rows


def _mean(run: dict[str, Any], settled: float) -> float:
    """Microseconds of a call, over all steps that began so many seconds after the first."""
    began, late = 0.0, list[float]()
    for step in run["steps"]:
        if began >= settled:
            late.append(step)
        began += step
    return 1e6 * sum(late) / len(late) / int(run["calls"])


def main(budget: str, seconds: float) -> None:
    """Run the backtest in this process."""
    backtest = import_module("benchmarks.backtest")
    with tempfile.TemporaryDirectory(prefix="tradespan-bench-") as root:
        if budget == BARE:
            print(json.dumps(_steps_of(backtest.run, seconds)))
            return
        runtime = tradespan.configure(
            service="bench",
            root=root,
            store=None,
            forwarder="external",
            include=[r"benchmarks\.backtest\..*"],
            max_overhead=float(budget),
        )
        print(json.dumps(_steps_of(backtest.run, seconds)))
        runtime.shutdown()


def _steps_of(run: Callable[[], int], seconds: float) -> dict[str, Any]:
    """How many calls a step is, and how many seconds each took."""
    steps: list[float] = []
    calls = 0
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        calls = run()
        steps.append(time.perf_counter() - began)
    return {"calls": calls, "steps": steps}


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
