"""Bound instruments beside those of prometheus_client and of OpenTelemetry's SDK, in one process.

`python -m benchmarks.metrics ROUNDS CALLS` prints what it found as JSON; it runs in the peers'
environment, which has prometheus_client.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from importlib import import_module
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import tradespan
from benchmarks.peers import PINS, cache_folder, ensure_environment, tradespan_on_path
from benchmarks.processes import ProcessFailed, run_for_json
from benchmarks.recording import recording
from benchmarks.results import Report, Row, compare
from benchmarks.timing import Loop, Rounds, Subject, time_in_turns

GROUP = "metrics"
_THREADS, _TIMES = 8, 1_000_000
_LABELS = ("trading.venue", "trading.order.side")
_VALUES = ("kraken", "buy")
_OURS = {
    "counter, `add`": "prometheus_client, bound counter, `inc`",
    "gauge, `set`": "prometheus_client, bound gauge, `set`",
    "histogram, `record`": "prometheus_client, bound histogram, `observe`",
}
_SDK = "SDK, `Counter.add`, 2 attributes"
_WHY = "the call into C, the store into the page, a reading of the coarse clock"
_CALLS = 20
"""Times as many as in other groups: these are the cheapest of all."""


def measure_metrics(rounds: Rounds, report: Report) -> None:
    """Add a row for each kind of instrument, and what eight threads added up to."""
    try:
        python = ensure_environment(PINS, cache_folder(os.environ))
    except (ProcessFailed, OSError) as error:
        report.notes.append(f"Metrics: not measured, the peers' environment is missing: {error}")
        return
    with tradespan_on_path() as environment:
        arguments = (rounds.count, rounds.calls)
        found = run_for_json(
            "benchmarks.metrics", *arguments, python=python, environment=environment
        )
    report.rows += rows_of(found["costs"])
    report.notes.append(tell_threads(found["threads"]))


def rows_of(costs: dict[str, float]) -> list[Row]:
    """Each bound child against prometheus_client's, and the counter against the SDK's."""
    rows = [
        compare(Row(GROUP, f"bound {ours}", costs[ours], why=_WHY), costs, theirs, at_most=1.0)
        for ours, theirs in _OURS.items()
    ]
    counter = next(iter(_OURS))
    rows.append(compare(Row(GROUP, f"bound {counter}", costs[counter]), costs, _SDK))
    return rows


def tell_threads(found: dict[str, float]) -> str:
    """One sentence."""
    verdict = "exact" if found["sum"] == _THREADS * _TIMES else "**not exact**"
    return (
        f"{_THREADS} threads × {_TIMES:,} `add` to one bound counter, in spans, so that there are"
        f" exemplars: the sum is {found['sum']:,.0f} ({verdict}), after {found['seconds']:.2f} s."
    )


def _with(method: Any, value: float) -> Loop:
    """A bound method's loop, with one argument: no call in between."""

    def loop(times: int) -> int:
        steps = range(times)
        began = time.perf_counter_ns()
        for _ in steps:
            method(value)
        return time.perf_counter_ns() - began

    return loop


def subjects() -> list[Subject]:
    """Of ours and theirs: the label sets are looked up once."""
    client: Any = import_module("prometheus_client")
    registry = client.CollectorRegistry()
    names = [name.replace(".", "_") for name in _LABELS]

    def bound(kind: Any, name: str) -> Any:
        return kind(name, "Bench.", names, registry=registry).labels(*_VALUES)

    add, put, record = _OURS
    return [
        Subject(add, _with(tradespan.counter("bench.c", labels=_LABELS).labels(*_VALUES).add, 1)),
        Subject(_OURS[add], _with(bound(client.Counter, "c").inc, 1)),
        Subject(put, _with(tradespan.gauge("bench.g", labels=_LABELS).labels(*_VALUES).set, 3.5)),
        Subject(_OURS[put], _with(bound(client.Gauge, "g").set, 3.5)),
        Subject(
            record,
            _with(tradespan.histogram("bench.h", labels=_LABELS).labels(*_VALUES).record, 0.0015),
        ),
        Subject(_OURS[record], _with(bound(client.Histogram, "h").observe, 0.0015)),
        Subject(_SDK, sdk_loop()),
    ]


def sdk_loop() -> Loop:
    """The SDK's counter, read by nobody meanwhile."""
    provider = MeterProvider(metric_readers=[InMemoryMetricReader()])
    counter = provider.get_meter("bench").create_counter("bench.c")
    attributes = dict(zip(_LABELS, _VALUES, strict=True))

    def loop(times: int) -> int:
        steps = range(times)
        began = time.perf_counter_ns()
        for _ in steps:
            counter.add(1, attributes)
        return time.perf_counter_ns() - began

    return loop


def add_together(tracer: Any) -> dict[str, float]:
    """Eight threads add to one child, each in a span."""
    bound = tradespan.counter("bench.threads", labels=("trading.venue",)).labels("kraken")
    ready = threading.Barrier(_THREADS + 1)

    def work() -> None:
        with tracer.start_as_current_span("work"):
            add, steps = bound.add, range(_TIMES)
            ready.wait()
            for _ in steps:
                add(1)

    workers = [threading.Thread(target=work) for _ in range(_THREADS)]
    for worker in workers:
        worker.start()
    ready.wait()
    began = time.perf_counter()
    for worker in workers:
        worker.join()
    return {"sum": bound.value, "seconds": time.perf_counter() - began}


def main(arguments: list[str]) -> None:
    """Measure in this process."""
    rounds = Rounds(int(arguments[0]), _CALLS * int(arguments[1]))
    with recording() as ours:
        costs = time_in_turns(subjects(), rounds, section=GROUP)
        threads = add_together(ours.tracer)
    print(json.dumps({"costs": costs, "threads": threads}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
