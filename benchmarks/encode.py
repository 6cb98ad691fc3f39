"""What the agent pays to say a record in OTLP, beside the SDK's own encoder of the same record.

One call encodes a request of many records: rows are microseconds a record.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from opentelemetry._logs import LogRecord as ApiLogRecord
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource as SdkResource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from benchmarks.results import Report, Row, compare
from benchmarks.timing import Rounds, Subject, repeated, time_in_turns
from tradespan.core.delivery import Batch, Origin, Slice
from tradespan.core.records import Kind, Lane, LogRecord, Resource, Site
from tradespan.spool.exporters import SpanWriter
from tradespan.spool.outlet import Outlet
from tradespan.spool.sdk_metrics import make_readings
from tradespan.spool.sdk_records import log_record, span_record
from tradespan.wire.signals import LOGS, TRACES

GROUP = "encode"
RECORDS = 200
"""Of one request."""
_CALLS = 5
"""Of each subject in a round: a thousand records."""
_ORDER: dict[str, Any] = {
    "symbol": "AAPL",
    "side": "buy",
    "quantity": 300,
    "price": 187.15,
    "live": True,
}
_SITE = Site(1, "desk", "1.0")
_FACTS: dict[str, Any] = {"service.name": "desk", "process.pid": 41, "host.name": "h1"}
_SPAN, _LOG, _POINT = "SDK: span", "SDK: log record", "SDK: point"

_ROWS = {
    "span": ("a span of 5 attributes → protobuf", _SPAN, 1 / 4),
    "log": ("a log record of 5 attributes → protobuf", _LOG, 1 / 3),
    "point": ("a counter's point of 2 attributes → protobuf", _POINT, 1.0),
    "span in JSON": ("a span of 5 attributes → JSON", _SPAN, None),
    "log in JSON": ("a log record of 5 attributes → JSON", _LOG, None),
    "exporter": ("`SpoolSpanExporter.export` of a span, on disk when it returns", _SPAN, None),
}
"""Key → the row's name, what it is compared with, and the bar."""


def measure_encoding(rounds: Rounds, report: Report) -> None:
    """Add a row for each kind of record and form."""
    with tempfile.TemporaryDirectory(prefix="tradespan-bench-") as folder:
        subjects = _subjects(Path(folder))
        few = Rounds(rounds.count, _CALLS)
        costs = time_in_turns(subjects, few, section=GROUP)
    each = {key: cost / RECORDS for key, cost in costs.items()}
    for key, (name, reference, bar) in _ROWS.items():
        row = Row(GROUP, name, each[key], why="pure Python, in the agent's process")
        report.rows.append(compare(row, each, reference, at_most=bar))


def _subjects(folder: Path) -> list[Subject]:
    spans, logs = _sdk_spans(), _sdk_logs()
    data = _sdk_metrics()
    (measured,) = data.resource_metrics
    scopes = [(_SITE, scoped) for scoped in measured.scope_metrics]
    resource = Resource(dict(_FACTS))
    traced = _batch(Kind.SPAN, [span_record(span, 1) for span in spans])
    logged: Batch[LogRecord] = _batch(Kind.LOG, [log_record(each, 1) for each in logs])
    exporter = SpanWriter(Outlet(folder, Kind.SPAN, {}))
    made = {
        _SPAN: lambda: encode_spans(spans).SerializeToString(),
        _LOG: lambda: encode_logs(logs).SerializeToString(),
        _POINT: lambda: encode_metrics(data).SerializeToString(),
        "span": lambda: TRACES.encode(traced),
        "log": lambda: LOGS.encode(logged),
        "point": lambda: list(make_readings(resource, scopes)),
        "span in JSON": lambda: TRACES.encode_json(traced),
        "log in JSON": lambda: LOGS.encode_json(logged),
        "exporter": lambda: exporter.export(spans),
    }
    return [Subject(key, repeated(call)) for key, call in made.items()]


def _batch(kind: Kind, records: list[Any]) -> Batch[Any]:
    origin = Origin("ab" * 16, Lane.ORDINARY, Resource(dict(_FACTS)))
    return Batch("/run", kind, [Slice(origin, {1: _SITE}, records, "1.seg", 1)])


def _sdk_spans() -> tuple[ReadableSpan, ...]:
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=SdkResource(_FACTS))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("desk", "1.0")
    with tracer.start_as_current_span("tick"):
        for _ in range(RECORDS):
            tracer.start_span("submit", attributes=_ORDER).end()
    return memory.get_finished_spans()[:RECORDS]


def _sdk_logs() -> list[ReadableLogRecord]:
    scope = InstrumentationScope("desk", "1.0")
    return [
        ReadableLogRecord(
            ApiLogRecord(
                timestamp=1_772_366_400_000_000_000 + number,
                severity_text="INFO",
                severity_number=SeverityNumber.INFO,
                body=f"order {number} is filled at 187.15",
                attributes=_ORDER,
            ),
            SdkResource(_FACTS),
            scope,
        )
        for number in range(RECORDS)
    ]


def _sdk_metrics() -> Any:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], resource=SdkResource(_FACTS))
    counter = provider.get_meter("desk", "1.0").create_counter("orders", "{order}")
    for number in range(RECORDS):
        counter.add(number, {"symbol": f"S{number}", "venue": "x"})
    data = reader.get_metrics_data()
    provider.shutdown()
    return data
