"""Outlets into a folder, and what a destination gets from there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanContext, TraceFlags
from opentelemetry.trace.span import TraceState

from tradespan.core.delivery import Batch, Cursor
from tradespan.core.records import Kind
from tradespan.forward.source import FolderSource
from tradespan.spool.folder import RunFolder
from tradespan.spool.outlet import Outlet
from tradespan.wire.signals import SIGNALS

RESOURCE = Resource({"service.name": "desk", "host.name": "h1"}, "https://example.com/schema")
REMOTE = SpanContext(
    0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(1), trace_state=TraceState([("v", "1")])
)


def outlet(folder: Path, kind: Kind) -> Outlet:
    return Outlet(folder, kind, {"service.name": "fallback", "trading.mode": "live"})


def read_back(folder: Path, kind: Kind) -> Batch[Any]:
    """All records of a kind, as a destination gets them."""
    source = FolderSource(RunFolder(folder), kind, SIGNALS[kind].decode, Cursor())
    given = source.next_batch()
    source.close()
    return Batch(str(folder), kind, []) if given is None else given[0]


def sent(folder: Path, kind: Kind) -> bytes:
    return SIGNALS[kind].encode(read_back(folder, kind))


def measure(reader: InMemoryMetricReader) -> Any:
    """All kinds of points that the SDK makes."""
    provider = MeterProvider(
        [reader],
        resource=RESOURCE,
        views=[
            View(
                instrument_name="orders.size",
                aggregation=ExponentialBucketHistogramAggregation(),
            )
        ],
    )
    meter = provider.get_meter("desk", "1.2", "https://example.com/s", {"team": "fx"})
    filled = meter.create_counter("orders.filled", "1", "Orders that were filled")
    filled.add(2, {"venue": "x"})
    filled.add(0.5, {"venue": "y"})
    meter.create_up_down_counter("position").add(-3)
    meter.create_gauge("spread", "{currency}").set(0.25)
    latency = meter.create_histogram("latency", "s", explicit_bucket_boundaries_advisory=[0.1, 1.0])
    size = meter.create_histogram("orders.size")
    span = trace.set_span_in_context(trace.NonRecordingSpan(REMOTE))
    for value in (0.05, 0.5, 5.0):
        latency.record(value, {"venue": "x"}, span)
        size.record(value * 100, {}, span)
        size.record(0)
    data = reader.get_metrics_data()
    provider.shutdown()
    return data
