"""One small batch of each signal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics

from tests.unit.sinks.builders import BOT, DECIDE, WRITER, make_span
from tradespan.core.delivery import Batch, Origin, Slice
from tradespan.core.records import Lane, LogRecord, MetricReading
from tradespan.wire.signals import LOGS, METRICS, TRACES, Signal

SECOND = 1_000_000_000
NOON = 1_772_366_400 * SECOND


def make_log(number: int) -> LogRecord:
    """A log line of trace 1."""
    return LogRecord(
        1, NOON + number, body=f"line {number}", trace_id=(1).to_bytes(16, "big"), span_id=number
    )


def make_reading(number: int, time: int | None = None) -> MetricReading:
    """A gauge read once, at noon and so many seconds, if no time is given."""
    when = NOON + number * SECOND if time is None else time
    group = ResourceMetrics()
    metric = group.scope_metrics.add().metrics.add(name=f"gauge.{number}")
    metric.gauge.data_points.add(time_unix_nano=when, as_double=number)
    return MetricReading(when, when, 1, group.SerializeToString())


@dataclass(frozen=True, slots=True)
class Made:
    """A signal, and how a record of it is made from a number."""

    signal: Signal[Any]
    make: Callable[[int], Any]
    count: int = 3

    def batch(self, count: int | None = None) -> Batch[Any]:
        records = [self.make(number) for number in range(1, (count or self.count) + 1)]
        origin = Origin(WRITER, Lane.ORDINARY, BOT)
        return Batch(
            "/runs/1", self.signal.kind, [Slice(origin, {1: DECIDE}, records, "segment", 96)]
        )


BATCHES = [Made(TRACES, make_span), Made(LOGS, make_log), Made(METRICS, make_reading)]
