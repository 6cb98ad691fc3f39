"""`make bench`: measure, print the tables, and write those of docs/performance.md if asked to."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Collection

from benchmarks import (
    analytics,
    calls,
    disabled,
    encode,
    governor,
    logs,
    machine,
    memory,
    metrics,
    page,
    peers,
    startup,
    tail,
    threads,
    timing,
)
from benchmarks.processes import REPOSITORY, ProcessFailed
from benchmarks.results import Report

PAGE = REPOSITORY / "docs" / "performance.md"
USUAL = (
    *calls.GROUPS,
    disabled.GROUP,
    governor.GROUP,
    logs.GROUP,
    threads.GROUP,
    startup.GROUP,
    tail.GROUP,
    metrics.GROUP,
    peers.GROUP,
    analytics.GROUP,
)
GROUPS = (*USUAL, encode.GROUP, memory.GROUP)


def read_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """What to measure, as `groups`, and what to do with it."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="fewer rounds: a look, not a measurement")
    add("--only", metavar="GROUP,…", help=f"of {', '.join(GROUPS)}")
    add("--memory", action="store_true", help="also ten million calls, memory before and after")
    add("--json", action="store_true", help="print JSON in place of tables")
    add("--write", action="store_true", help="write docs/performance.md from this run")
    given = parser.parse_args(arguments)
    groups = [name.strip() for name in given.only.split(",")] if given.only else list(USUAL)
    if unknown := [name for name in groups if name not in GROUPS]:
        parser.error(f"--only: no group {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    if given.write and given.only:
        parser.error("--write wants the whole run: the page is of one run")
    if given.memory and memory.GROUP not in groups:
        groups.append(memory.GROUP)
    given.groups = groups
    return given


def measure(groups: Collection[str], *, quick: bool) -> Report:
    """One run."""
    rounds = timing.QUICK if quick else timing.FULL
    report = Report(calls.measure_calls(groups, rounds))
    sections: dict[str, Callable[[], None]] = {
        disabled.GROUP: lambda: disabled.measure_disabled(rounds, report),
        governor.GROUP: lambda: governor.measure_governor(rounds, report, quick=quick),
        logs.GROUP: lambda: logs.measure_logs(rounds, report),
        threads.GROUP: lambda: threads.measure_threads(rounds, report),
        startup.GROUP: lambda: startup.measure_startup(rounds, report),
        tail.GROUP: lambda: tail.measure_tail(tail.QUICK if quick else tail.FULL, report),
        metrics.GROUP: lambda: metrics.measure_metrics(rounds, report),
        analytics.GROUP: lambda: analytics.measure_analytics(rounds, report),
        peers.GROUP: lambda: peers.measure_peers(rounds, report),
        encode.GROUP: lambda: encode.measure_encoding(rounds, report),
        memory.GROUP: lambda: memory.measure_memory(memory.QUICK if quick else memory.FULL, report),
    }
    for name, section in sections.items():
        if name in groups:
            try:
                section()
            except ProcessFailed as error:  # what the others found is worth keeping
                report.notes.append(f"{name}: not measured: {error}")
    return report


def main() -> None:
    """Measure and print."""
    given = read_arguments()
    facts = machine.describe()
    report = measure(given.groups, quick=given.quick)
    if given.json:
        print(json.dumps({"machine": facts, "quick": given.quick, **report.as_json()}, indent=2))
    rounds = timing.QUICK if given.quick else timing.FULL
    how = f"Minimum of {rounds.count} rounds of {rounds.calls:,} calls, in turns."
    if given.quick:
        how += " A quick run: a look, not a measurement."
    written = page.render(report, facts, how)
    if not given.json:
        print(written)
    if given.write:
        PAGE.write_text(page.put_into(PAGE.read_text(encoding="utf-8"), written), encoding="utf-8")


if __name__ == "__main__":
    main()
