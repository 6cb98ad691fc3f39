"""Our JSON, parsed by protobuf's own parser, says what the protobuf request says."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.unit.wire import builders, measured
from tests.unit.wire.builders import batch_of, make_batch, make_log, make_slice, make_span
from tradespan.core.records import Kind, LogRecord, MetricReading, Resource, Site, Span
from tradespan.wire.json_form import write_json
from tradespan.wire.signals import LOGS, METRICS, TRACES

IDS = ("traceId", "spanId", "parentSpanId")


def with_base64_ids(value: Any) -> Any:
    """OTLP has ids as hex, which protobuf's parser takes for base64."""
    if isinstance(value, list):
        return [with_base64_ids(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: b64encode(bytes.fromhex(item)).decode() if key in IDS else with_base64_ids(item)
        for key, item in value.items()
    }


def parsed(body: bytes, request: Message) -> dict[str, Any]:
    """What the request says that a JSON body says. Whatever is no number is the same "NaN"."""
    json_format.ParseDict(with_base64_ids(json.loads(body)), request)
    return json_format.MessageToDict(request)


def decoded(body: bytes, request: Message) -> dict[str, Any]:
    request.MergeFromString(body)
    return json_format.MessageToDict(request)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(builders.sites, max_size=2, unique_by=lambda site: site.number),
    st.lists(builders.spans(), max_size=3),
    st.builds(Resource, builders.attributes, builders.texts),
)
def test_traces_in_json_say_what_they_say_in_protobuf(
    sites: list[Site], spans: list[Span], resource: Resource
) -> None:
    batch = make_batch(make_slice(*spans, resource=resource, sites=tuple(sites)))
    assert parsed(TRACES.encode_json(batch), ExportTraceServiceRequest()) == decoded(
        TRACES.encode(batch), ExportTraceServiceRequest()
    )


@settings(max_examples=40, deadline=None)
@given(
    st.lists(builders.sites, max_size=2, unique_by=lambda site: site.number),
    st.lists(builders.logs, max_size=3),
)
def test_logs_in_json_say_what_they_say_in_protobuf(
    sites: list[Site], logs: list[LogRecord]
) -> None:
    batch = make_batch(make_slice(*logs, sites=tuple(sites)), kind=Kind.LOG)
    assert parsed(LOGS.encode_json(batch), ExportLogsServiceRequest()) == decoded(
        LOGS.encode(batch), ExportLogsServiceRequest()
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(measured.readings, max_size=3))
def test_metrics_in_json_say_what_they_say_in_protobuf(readings: list[MetricReading]) -> None:
    batch = batch_of(*readings, kind=Kind.METRIC)
    assert parsed(METRICS.encode_json(batch), ExportMetricsServiceRequest()) == decoded(
        METRICS.encode(batch), ExportMetricsServiceRequest()
    )


def test_ids_are_hex_numbers_of_64_bits_are_text_and_enums_are_numbers() -> None:
    said = json.loads(TRACES.encode_json(batch_of(make_span(span_id=0xAB, flags=2 | 2 << 2))))
    (span,) = said["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert span["traceId"] == "000102030405060708090a0b0c0d0e0f"
    assert span["spanId"] == "00000000000000ab"
    assert span["startTimeUnixNano"] == str(builders.NOON)
    assert (span["kind"], span["status"]["code"]) == (3, 2)
    assert {"key": "code.line.number", "value": {"intValue": "64"}} in span["attributes"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), {"doubleValue": "NaN"}),
        (float("inf"), {"doubleValue": "Infinity"}),
        (float("-inf"), {"doubleValue": "-Infinity"}),
        (-7, {"intValue": "-7"}),
        (b"\x00\xff", {"bytesValue": "AP8="}),
        (False, {"boolValue": False}),
        (None, {}),
        ([1, None], {"arrayValue": {"values": [{"intValue": "1"}, {}]}}),
    ],
    ids=str,
)
def test_a_value_that_json_has_no_form_for_has_that_of_protobuf(value: Any, said: Any) -> None:
    body = json.loads(LOGS.encode_json(batch_of(make_log(body=[value]), kind=Kind.LOG)))
    (log,) = body["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    assert log["body"] == {"arrayValue": {"values": [said]}}


def test_a_batch_that_is_sent_again_has_the_same_bytes() -> None:
    batch = batch_of(make_span(attributes={"a": 1, "b": [2.5]}))
    assert TRACES.encode_json(batch) == TRACES.encode_json(batch)


def test_fields_of_a_later_version_are_left_out() -> None:
    known = TRACES.encode(batch_of(make_span()))
    later = b"\xa2\x06\x03new"  # field 100
    assert write_json("traces", known + later) == write_json("traces", known)


@pytest.mark.parametrize("body", [b"\x0a\x05abc", b"\x08\x01", b"\x07", b"\x0d\x00\x00\x00\x01"])
def test_what_is_no_request_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"field|number"):
        write_json("metrics", body)
