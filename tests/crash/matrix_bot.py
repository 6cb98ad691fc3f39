"""The program of the loss matrix: spans in a loop, then an end of some kind.

`matrix_bot.py SUBJECT COUNT END LEDGER`, END one of:

    exit    returns from its main program
    kill    `kill -9` to itself, right after the last span
    term    SIGTERM to itself, with the default handler
    child   a forked child of multiprocessing records, and leaves by `os._exit`
    told    waits for a line on stdin, then as `exit`

The ledger is a mapped little-endian u64: how many spans have ended, each written after its call has
returned. `recorded` on stdout says that all have. Only the subject's own library is imported.
"""

from __future__ import annotations

import mmap
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

Call = Callable[[int], object]


def work(number: int) -> int:
    """What is watched."""
    return number


def watched_by_run() -> Call:
    """`tradespan run -i` has wrapped it by now."""
    return work


def watched_by_code() -> Call:
    """`tradespan.configure()` in the program; settings come by the environment."""
    tradespan: Any = import_module("tradespan")
    tradespan.configure()
    return tradespan.monitor(work)  # type: ignore[no-any-return]


def sdk() -> Call:
    """OpenTelemetry's SDK, all at its defaults: batch processor, OTLP/HTTP exporter."""
    tracing: Any = import_module("opentelemetry.sdk.trace")
    export: Any = import_module("opentelemetry.sdk.trace.export")
    otlp: Any = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    provider = tracing.TracerProvider()
    provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))
    tracer = provider.get_tracer("proof")

    def call(number: int) -> object:
        with tracer.start_as_current_span("work", attributes={"number": number}):
            return work(number)

    return call


def logfire() -> Call:
    """Logfire as its users have it, its receiver replaced by ours."""
    library: Any = import_module("logfire")
    library.configure(
        token="pylf_v1_local_proof",
        service_name="proof",
        console=False,
        metrics=False,
        inspect_arguments=False,
        advanced=library.AdvancedOptions(base_url=os.environ["PROOF_LOGFIRE_URL"]),
    )

    def call(number: int) -> object:
        with library.span("work", number=number):
            return work(number)

    return call


SUBJECTS: dict[str, Callable[[], Call]] = {
    "tradespan": watched_by_run,
    "tradespan-code": watched_by_code,
    "sdk": sdk,
    "logfire": logfire,
}


def record(call: Call, count: int, ledger: str) -> None:
    """Make the spans, each acknowledged once its call has returned."""
    descriptor = os.open(ledger, os.O_RDWR)
    done = memoryview(mmap.mmap(descriptor, 8)).cast("Q")
    for number in range(1, count + 1):
        call(number)
        done[0] = number
    os.write(1, b"recorded\n")


def record_and_leave(call: Call, count: int, ledger: str) -> None:
    """As a worker does that wants no cleaning up."""
    record(call, count, ledger)
    os._exit(0)


def main(subject: str, count: int, end: str, ledger: str) -> None:
    call = SUBJECTS[subject]()
    if end == "child":
        process = multiprocessing.get_context("fork").Process(
            target=record_and_leave, args=(call, count, ledger)
        )
        process.start()
        process.join()
        return
    record(call, count, ledger)
    if end == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif end == "term":
        os.kill(os.getpid(), signal.SIGTERM)
    elif end == "told":
        sys.stdin.readline()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
