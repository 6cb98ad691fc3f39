"""One peer beside the SDK and tradespan, in one process of the peers' environment.

`python -m benchmarks.peer_process PEER ROUNDS CALLS` prints its costs as JSON. Nothing leaves the
machine: what a peer would send is dropped in its process.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from typing import Any

from opentelemetry.sdk.trace.export import BatchSpanProcessor

import tradespan
from benchmarks import functions as f
from benchmarks.recording import NullExporter, Sdk, recording
from benchmarks.subjects import span_call
from benchmarks.timing import Loop, Rounds, Subject, repeated, time_in_turns

_PER_TRANSACTION = 250
"""Child spans of one transaction: sentry keeps a thousand at most, and drops the others."""


def ddtrace_subjects() -> list[Subject]:
    """Traces end in a filter that drops them: no writer sees them."""
    os.environ.update(
        DD_INSTRUMENTATION_TELEMETRY_ENABLED="false",
        DD_REMOTE_CONFIGURATION_ENABLED="false",
        DD_TRACE_STARTUP_LOGS="false",
        DD_CRASHTRACKING_ENABLED="false",
        DD_TRACE_AGENT_URL="http://127.0.0.1:9",
    )
    tracing: Any = import_module("ddtrace.trace")

    class Drop(tracing.TraceFilter):  # type: ignore[misc]
        def process_trace(self, trace: Any) -> None:
            return None

    tracer = tracing.tracer
    tracer.configure(trace_processors=[Drop()])

    def span() -> None:
        with tracer.trace("empty"):
            pass

    return [
        Subject("`tracer.wrap`", repeated(tracer.wrap("empty")(f.empty))),
        Subject("`tracer.trace`", repeated(span)),
    ]


def sentry_subjects() -> list[Subject]:
    """Child spans of a transaction; the transport drops the envelopes."""
    sentry: Any = import_module("sentry_sdk")
    transports: Any = import_module("sentry_sdk.transport")

    class Drop(transports.Transport):  # type: ignore[misc]
        def capture_envelope(self, envelope: Any) -> None:
            return None

    sentry.init(
        dsn="http://key@127.0.0.1:9/1",
        traces_sample_rate=1.0,
        transport=Drop,
        default_integrations=False,
    )
    traced = sentry.trace(f.empty)

    def in_transactions(call: Callable[[], object]) -> Loop:
        def loop(times: int) -> int:
            took = 0
            for done in range(0, times, _PER_TRANSACTION):
                with sentry.start_transaction(op="bench", name="bench"):
                    steps = range(min(_PER_TRANSACTION, times - done))
                    began = time.perf_counter_ns()
                    for _ in steps:
                        call()
                    took += time.perf_counter_ns() - began
            return took

        return loop

    def span() -> None:
        with sentry.start_span(op="bench", name="empty"):
            pass

    return [
        Subject("`@trace`, child span", in_transactions(traced)),
        Subject("`start_span`, child span", in_transactions(span)),
    ]


def logfire_subjects() -> list[Subject]:
    """Its own SDK provider, with the same batch processor and exporter as the SDK's subject."""
    logfire: Any = import_module("logfire")
    processor = BatchSpanProcessor(NullExporter())
    logfire.configure(
        send_to_logfire=False,
        console=False,
        metrics=False,
        inspect_arguments=False,
        service_name="bench",
        additional_span_processors=[processor],
    )

    def span() -> None:
        with logfire.span("empty"):
            pass

    instrumented = logfire.instrument("empty", extract_args=False)(f.empty)
    return [
        Subject("`@instrument`", repeated(instrumented), processor.force_flush),
        Subject("`span`", repeated(span), processor.force_flush),
    ]


def prometheus_subjects() -> list[Subject]:
    """Bound children: the labels are looked up once."""
    client: Any = import_module("prometheus_client")
    registry = client.CollectorRegistry()
    counter = client.Counter("calls", "Calls.", ["function"], registry=registry).labels("empty")
    histogram = client.Histogram("seconds", "Durations.", ["function"], registry=registry)
    bound = histogram.labels("empty")
    return [
        Subject("bound counter, `inc`", repeated(counter.inc)),
        Subject("bound histogram, `observe`", repeated(lambda: bound.observe(0.0015))),
    ]


PEERS = {
    "ddtrace": ddtrace_subjects,
    "sentry-sdk": sentry_subjects,
    "logfire": logfire_subjects,
    "prometheus-client": prometheus_subjects,
}
"""By the name of the package."""


def main(arguments: list[str]) -> None:
    """Measure one peer."""
    peer, rounds = arguments[0], Rounds(int(arguments[1]), int(arguments[2]))
    theirs = PEERS[peer]()
    with recording() as ours:
        sdk = Sdk()
        subjects = [
            Subject("sdk", repeated(span_call(sdk.tracer)), sdk.settle),
            Subject("monitor", repeated(tradespan.monitor(f.empty))),
        ]
        costs = time_in_turns(
            [*subjects, *theirs], rounds, section=f"peers, {peer}", between=ours.sweep
        )
        sdk.provider.shutdown()
    found = {
        "peer": f"{peer} {version(peer)}",
        "sdk": costs.pop("sdk"),
        "monitor": costs.pop("monitor"),
        "costs": costs,
    }
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
