from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tradespan.wire.answers import PartialSuccess, read_partial_success

NOTHING = PartialSuccess(0, "")


@settings(max_examples=100, deadline=None)
@given(st.integers(0, (1 << 63) - 1), st.text(max_size=300))
def test_any_partial_success_of_any_signal_is_read(rejected: int, message: str) -> None:
    traces = ExportTraceServiceResponse()
    traces.partial_success.rejected_spans = rejected
    logs = ExportLogsServiceResponse()
    logs.partial_success.rejected_log_records = rejected
    metrics = ExportMetricsServiceResponse()
    metrics.partial_success.rejected_data_points = rejected
    for response in (traces, logs, metrics):
        response.partial_success.error_message = message
        assert read_partial_success(response.SerializeToString()) == (rejected, message)


def test_a_negative_number_says_nothing() -> None:
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = -1
    assert read_partial_success(response.SerializeToString()) == NOTHING


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{}", NOTHING),
        (b'{"partialSuccess": {}}', NOTHING),
        (b'{"partialSuccess": {"rejectedSpans": "3"}}', PartialSuccess(3, "")),
        (b'{"partialSuccess": {"rejectedSpans": 3, "later": [1]}}', PartialSuccess(3, "")),
        (b'{"partialSuccess": {"rejectedLogRecords": 4}}', PartialSuccess(4, "")),
        (b'{"partialSuccess": {"rejectedDataPoints": 5}}', PartialSuccess(5, "")),
        (b'{"partialSuccess": {"errorMessage": "old"}}', PartialSuccess(0, "old")),
        (b'{"partialSuccess": {"rejectedSpans": -3}}', NOTHING),
        (b'{"error": "none of OTLP"}', NOTHING),
        (b'{"partialSuccess": 5}', NOTHING),
        (b'{"partialSuccess": {"rejectedSpans": "many"}}', NOTHING),
        (b"{", NOTHING),
    ],
)
def test_the_json_form_is_read_too(body: bytes, said: PartialSuccess) -> None:
    assert read_partial_success(body) == said


def test_unknown_fields_are_passed_over() -> None:
    inner = b"\x19" + b"8bytes!!" + b"\x25" + b"four" + b"\x08\x02" + b"\x12\x03old"
    body = b"\x10\x01" + b"\x0a" + bytes([len(inner)]) + inner
    assert read_partial_success(body) == (2, "old")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_bytes_that_are_no_answer_are_no_error(body: bytes) -> None:
    assert read_partial_success(body).rejected >= 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"\xff" * 20,
        b"\x0a\xff",
        b"\x0a\x05\x08",
        b"\x08" + b"\x80" * 20,
        b"\x0b",
        b"\x00",
    ],
)
def test_garbage_says_nothing(body: bytes) -> None:
    assert read_partial_success(body) == NOTHING
