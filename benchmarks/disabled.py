"""What is left of a wrapper where the environment says that nothing is to be recorded.

The variables are read when a function is decorated: each is measured in a process of its own,
`python -m benchmarks.disabled ROUNDS CALLS`, which prints its costs as JSON.
"""

from __future__ import annotations

import json
import sys

import tradespan
from benchmarks import functions as f
from benchmarks.processes import run_for_json
from benchmarks.results import Report, Row, compare
from benchmarks.timing import Rounds, Subject, repeated, time_in_turns

GROUP = "disabled"
_VARIABLES = {"OTEL_SDK_DISABLED": "true", "TRADESPAN_DISABLED": "1"}
_HERE = "benchmarks.disabled"
_CLOSURE = "closure passthrough"


def measure_disabled(rounds: Rounds, report: Report) -> None:
    """Add a row for each variable."""
    for name, value in _VARIABLES.items():
        environment = dict.fromkeys(_VARIABLES, "") | {name: value}
        costs = run_for_json(_HERE, rounds.count, rounds.calls, environment=environment)
        row = Row(
            GROUP,
            f"`@monitor` under `{name}={value}`",
            costs["monitor"],
            why="the wrapper finds that nobody records, and calls through",
        )
        report.rows.append(compare(row, costs, _CLOSURE, at_most=1.2))


def main(arguments: list[str]) -> None:
    """Measure in this process, whose environment decides."""
    # As a bot has it: decorated when its module is imported, then configured.
    watched = tradespan.monitor(f.empty)
    runtime = tradespan.configure(service="bench", store=None, forwarder="external")
    if runtime.enabled:
        sys.exit("benchmarks.disabled: tradespan is not disabled")
    subjects = [
        Subject(_CLOSURE, repeated(f.passthrough(f.empty))),
        Subject("monitor", repeated(watched)),
    ]
    # Two cheap subjects: more calls a round tell them apart.
    rounds = Rounds(int(arguments[0]), 10 * int(arguments[1]))
    print(json.dumps(time_in_turns(subjects, rounds, section=GROUP)))


if __name__ == "__main__":
    main(sys.argv[1:])
