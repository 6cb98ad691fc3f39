from __future__ import annotations

import base64
import json
import math
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from tests.unit.web.builders import MILLISECOND, NOON, TRACE, make_span
from tradespan.store.rows import SpanDetail, SpanEvent, SpanLink
from tradespan.web.otlp import to_otlp

ROOT = "00000000000000aa"
CHILD = "00000000000000bb"


def parse(message: dict[str, Any]) -> TracesData:
    """As protobuf reads it: OTLP JSON differs in that ids are hex, not base64."""

    def to_base64(value: Any) -> Any:
        if isinstance(value, list):
            return [to_base64(item) for item in value]
        if not isinstance(value, dict):
            return value
        ids = {"traceId", "spanId", "parentSpanId"}
        return {
            key: base64.b64encode(bytes.fromhex(item)).decode() if key in ids else to_base64(item)
            for key, item in value.items()
        }

    text = json.dumps(to_base64(message), allow_nan=False)
    return json_format.Parse(text, TracesData())


def spans() -> list[SpanDetail]:
    event = SpanEvent("retry", NOON + MILLISECOND, {"attempt": 2})
    facts = {"symbol": "AAPL", "live": True, "ratio": 0.5, "sizes": [1, 2], "raw": b"\x00\x01"}
    return [
        make_span(ROOT, "", 0, 5, attributes=facts, events=[event], kind="SERVER"),
        make_span(
            CHILD,
            ROOT,
            1,
            2,
            status="ERROR",
            status_message="no cash",
            links=[SpanLink("f" * 32, "e" * 16, {})],
            scope="opentelemetry.instrumentation.urllib 0.66b1",
        ),
    ]


def test_export_is_a_valid_traces_data_message() -> None:
    message = parse(to_otlp(spans()))
    (resource,) = message.resource_spans
    assert resource.resource.attributes[0].value.string_value == "momentum-bot"
    assert [scope.scope.name for scope in resource.scope_spans] == [
        "tradespan",
        "opentelemetry.instrumentation.urllib",
    ]
    root, child = (scope.spans[0] for scope in resource.scope_spans)
    assert root.trace_id.hex() == TRACE
    assert (root.start_time_unix_nano, root.end_time_unix_nano) == (NOON, NOON + 5 * MILLISECOND)
    assert root.kind == 2
    assert {item.key: item.value.WhichOneof("value") for item in root.attributes} == {
        "symbol": "string_value",
        "live": "bool_value",
        "ratio": "double_value",
        "sizes": "array_value",
        "raw": "bytes_value",
    }
    assert root.events[0].time_unix_nano == NOON + MILLISECOND
    assert (child.parent_span_id.hex(), child.status.code, child.status.message) == (
        ROOT,
        2,
        "no cash",
    )
    assert child.links[0].trace_id.hex() == "f" * 32


def test_numbers_without_a_json_form_are_spelled_out() -> None:
    facts = {"a": math.nan, "b": math.inf, "c": -math.inf}
    message = parse(to_otlp([make_span(ROOT, attributes=facts)]))
    span = message.resource_spans[0].scope_spans[0].spans[0]
    values = [item.value.double_value for item in span.attributes]
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf]


def test_spans_of_two_processes_stand_apart() -> None:
    other = make_span(CHILD, ROOT, 1, 2, resource={"service.name": "exchange"})
    assert len(to_otlp([make_span(ROOT), other])["resourceSpans"]) == 2
