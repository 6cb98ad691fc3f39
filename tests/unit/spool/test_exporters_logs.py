"""Log records exported into the spool are what the SDK's own OTLP exporter would have sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry import trace
from opentelemetry._logs import LogRecord as ApiLogRecord
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs as their_logs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import (
    InMemoryLogRecordExporter,
    SimpleLogRecordProcessor,
)

from tests.unit.spool.exported import REMOTE, RESOURCE, outlet, read_back, sent
from tradespan.core.records import Kind, Lane
from tradespan.spool.exporters import LogWriter
from tradespan.wire.cut import MARK


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[tuple[LoggerProvider, InMemoryLogRecordExporter]]:
    memory = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider(resource=RESOURCE)
    provider.add_log_record_processor(SimpleLogRecordProcessor(memory))
    provider.add_log_record_processor(
        SimpleLogRecordProcessor(LogWriter(outlet(tmp_path, Kind.LOG)))
    )
    yield provider, memory
    provider.shutdown()


def speak(provider: LoggerProvider) -> None:
    """Log records with everything that one can have."""
    logger = provider.get_logger("desk.orders", "1.2", "https://example.com/s", {"team": "fx"})
    context = trace.set_span_in_context(trace.NonRecordingSpan(REMOTE))
    logger.emit(
        ApiLogRecord(
            timestamp=1_772_366_400_000_000_000,
            observed_timestamp=1_772_366_400_000_000_001,
            context=context,
            severity_text="INFO",
            severity_number=SeverityNumber.INFO,
            body={"order": 7, "fills": [1.5, 2], "note": None, "raw": b"\x00\xff"},
            attributes={"symbol": "AAPL", "nested": {"deep": [True]}},
            event_name="order.filled",
        )
    )
    logger.emit(ApiLogRecord(severity_number=SeverityNumber.ERROR, body="rejected", timestamp=5))
    provider.get_logger("other").emit(ApiLogRecord(body="plain", timestamp=6))


def said(request: Any) -> list[dict[str, Any]]:
    """Each log record with its scope."""
    return sorted(
        (
            {
                "record": MessageToDict(log),
                "scope": MessageToDict(scoped.scope),
                "schemas": (scoped.schema_url, group.schema_url),
            }
            for group in request.resource_logs
            for scoped in group.scope_logs
            for log in scoped.log_records
        ),
        key=str,
    )


def test_log_records_are_those_that_the_sdks_exporter_would_send(
    logs: tuple[LoggerProvider, InMemoryLogRecordExporter], tmp_path: Path
) -> None:
    provider, memory = logs
    speak(provider)
    ours = ExportLogsServiceRequest.FromString(sent(tmp_path, Kind.LOG))
    assert said(ours) == said(their_logs(memory.get_finished_logs()))


def test_log_records_from_error_up_travel_in_the_error_lane(
    logs: tuple[LoggerProvider, InMemoryLogRecordExporter], tmp_path: Path
) -> None:
    speak(logs[0])
    lanes = [
        (log.severity_number, part.origin.lane)
        for part in read_back(tmp_path, Kind.LOG).slices
        for log in part.records
    ]
    assert sorted(lanes) == [(0, Lane.ORDINARY), (9, Lane.ORDINARY), (17, Lane.ERROR)]


def test_our_own_log_lines_stay_out(
    logs: tuple[LoggerProvider, InMemoryLogRecordExporter], tmp_path: Path
) -> None:
    for name in ("tradespan", "tradespan.forward", "tradespanish"):
        logs[0].get_logger(name).emit(ApiLogRecord(body=name))
    (part,) = read_back(tmp_path, Kind.LOG).slices
    assert [log.body for log in part.records] == ["tradespanish"]


def test_a_log_record_over_1_mib_is_cut_and_kept(
    logs: tuple[LoggerProvider, InMemoryLogRecordExporter], tmp_path: Path
) -> None:
    logs[0].get_logger("desk").emit(ApiLogRecord(severity_text="INFO", body="x" * (2 << 20)))
    (part,) = read_back(tmp_path, Kind.LOG).slices
    (record,) = part.records
    assert record.severity_text == "INFO"
    assert record.body.endswith(MARK)
