"""A hot loop at a given pace: each event is three functions, about twenty microseconds of work.

`python -m benchmarks.paced WAY EVENTS INTERVAL OUT [--ready FILE] [--endpoint URL]`: runs one way
(`bare`, `tradespan`, `sdk`), and writes the quantiles of its events to OUT as JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from array import array
from collections.abc import Callable
from pathlib import Path

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import tradespan
from benchmarks.results import quantile

QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
WARM_UP = 4_000
"""Events that are not measured: pages, caches and the agent's first look."""
_STEPS = 240
_READY_WITHIN = 30.0

Function = Callable[[int], float]
Instrument = Callable[[Function], Function]


def _work(price: float) -> float:
    total = 0.0
    for step in range(_STEPS):
        total += price * step
    return total


def build_handler(instrument: Instrument) -> Function:
    """The event's handler and the two functions that it calls, each instrumented."""

    @instrument
    def decide(tick: int) -> float:
        return _work(tick * 0.5)

    @instrument
    def check(tick: int) -> float:
        return _work(tick * 0.25)

    @instrument
    def handle(tick: int) -> float:
        return decide(tick) + check(tick) + _work(tick)

    return handle


def run_paced(
    handle: Function, events: int, interval: int, clock: Callable[[], int] = time.perf_counter_ns
) -> tuple[array[int], array[int]]:
    """Handle so many events, one each `interval` nanoseconds.

    Returns:
        For each event, in nanoseconds: how long it took to handle; how long after it was due it was
        done. An event that comes while another one is handled waits, and that counts in the second.
    """
    took, late = array("q", bytes(8 * events)), array("q", bytes(8 * events))
    due = clock()
    for event in range(events):
        due += interval
        now = clock()
        while now < due:
            now = clock()
        handle(event)
        ended = clock()
        took[event] = ended - now
        late[event] = ended - due
    return took, late


def quantiles(nanoseconds: array[int]) -> dict[str, float]:
    """In microseconds, by name."""
    ordered = sorted(nanoseconds)
    return {name: quantile(ordered, share) / 1000 for name, share in QUANTILES.items()}


def _sdk(endpoint: str) -> Instrument:
    provider = TracerProvider()
    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("bench")

    def instrument(function: Function) -> Function:
        name = function.__qualname__

        def call(tick: int) -> float:
            with tracer.start_as_current_span(name):
                return function(tick)

        return call

    return instrument


def _watch(function: Function) -> Function:
    return tradespan.monitor(function)


def _as_it_is(function: Function) -> Function:
    return function


def _wait_for(path: Path) -> None:
    """Until the agent has said that it is there."""
    until = time.monotonic() + _READY_WITHIN
    while not path.exists():
        if time.monotonic() > until:
            raise SystemExit(f"benchmarks.paced: no agent after {_READY_WITHIN:g} s")
        time.sleep(0.05)


def main() -> None:
    """One run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=("bare", "tradespan", "sdk"))
    parser.add_argument("events", type=int)
    parser.add_argument("interval", type=int, help="nanoseconds")
    parser.add_argument("out", type=Path)
    parser.add_argument("--ready", type=Path)
    parser.add_argument("--endpoint")
    given = parser.parse_args()
    instruments: dict[str, Instrument] = {"bare": _as_it_is, "tradespan": _watch}
    handle = build_handler(instruments.get(given.way) or _sdk(given.endpoint))
    if given.ready:
        _wait_for(given.ready)
    run_paced(handle, WARM_UP, given.interval)
    took, late = run_paced(handle, given.events, given.interval)
    given.out.write_text(json.dumps({"handling": quantiles(took), "after due": quantiles(late)}))


if __name__ == "__main__":
    main()
