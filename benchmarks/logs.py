"""A log call with one field: recorded by us, written by `logging`, queued by OpenTelemetry's SDK.

In a process of its own, `python -m benchmarks.logs ROUNDS CALLS`, which prints its costs as JSON:
capturing wraps `logging` for the whole process.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from pathlib import Path

from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    LogRecordExporter,
    LogRecordExportResult,
)

import tradespan
from benchmarks.processes import run_for_json
from benchmarks.results import Report, Row, compare
from benchmarks.timing import Loop, Rounds, Subject, repeated, time_in_turns

GROUP = "logs"
_HERE = "benchmarks.logs"
_FILE = "FileHandler"
_SDK = "OpenTelemetry"
_BARE = "NullHandler"
_OURS = "tradespan"


def measure_logs(rounds: Rounds, report: Report) -> None:
    """Add a row for each way."""
    costs = run_for_json(_HERE, rounds.count, rounds.calls, environment={})
    names = {
        _FILE: "`logging` with a FileHandler",
        _SDK: "OpenTelemetry's LoggingHandler and batch processor, nothing exported",
    }
    for key, name in names.items():
        row = Row(GROUP, f"a log call, recorded by tradespan, beside {name}", costs[_OURS])
        report.rows.append(compare(row, costs, key))
    row = Row(GROUP, "a log call to a NullHandler", costs[_BARE])
    report.rows.append(compare(row, costs, _OURS))


class Nowhere(LogRecordExporter):
    """Takes everything, sends nothing."""

    def export(self, batch: object) -> LogRecordExportResult:
        """Take a batch."""
        return LogRecordExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 10_000) -> bool:
        """Nothing is held."""
        return True

    def shutdown(self) -> None:
        """Nothing is held."""


def make_loop(name: str, handler: logging.Handler) -> Loop:
    """A logger with one handler, which is called with one field."""
    logger = logging.getLogger(name)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    extra = {"quantity": 5}

    def call() -> None:
        logger.info("order %s sent", "K123", extra=extra)

    return repeated(call)


def main(arguments: list[str]) -> None:
    """Measure in this process."""
    with tempfile.TemporaryDirectory() as folder:
        tradespan.configure(
            service="bench", root=Path(folder), store=None, forwarder="external",
            logs={"exclude": [_FILE, _SDK, _BARE]},
        )  # fmt: skip
        provider = LoggerProvider()
        provider.add_log_record_processor(BatchLogRecordProcessor(Nowhere()))
        file = logging.FileHandler(Path(folder) / "bench.log")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        subjects = [
            Subject(_BARE, make_loop(_BARE, logging.NullHandler())),
            Subject(_FILE, make_loop(_FILE, file)),
            Subject(_SDK, make_loop(_SDK, LoggingHandler(logger_provider=provider))),
            Subject(_OURS, make_loop(_OURS + "_bot", logging.NullHandler())),
        ]
        rounds = Rounds(int(arguments[0]), int(arguments[1]))
        print(json.dumps(time_in_turns(subjects, rounds, section=GROUP)))
        tradespan.shutdown()
        provider.shutdown()


if __name__ == "__main__":
    main(sys.argv[1:])
