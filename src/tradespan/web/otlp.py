"""Spans as OTLP JSON: what every OpenTelemetry tool takes by file or paste.

Source: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding (ids as hex, 64-bit numbers
as strings, enumerations as numbers).
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from tradespan.core.records import AttributeValue
from tradespan.store.rows import SpanDetail

_KINDS = {"INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_STATUS = {"UNSET": 0, "OK": 1, "ERROR": 2}


def to_otlp(spans: Iterable[SpanDetail]) -> dict[str, Any]:
    """A `TracesData` message; spans of one resource and scope stand together.

    Without those that run: OTLP knows finished spans only.
    """
    grouped: dict[str, tuple[SpanDetail, dict[str, list[SpanDetail]]]] = {}
    for span in spans:
        if span.running:
            continue
        key = json.dumps(span.resource, sort_keys=True, default=str)
        _, scopes = grouped.setdefault(key, (span, {}))
        scopes.setdefault(span.scope, []).append(span)
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": encode_attributes(first.resource)},
                "scopeSpans": [
                    {"scope": encode_scope(scope), "spans": [encode_span(span) for span in members]}
                    for scope, members in scopes.items()
                ],
            }
            for first, scopes in grouped.values()
        ]
    }


def encode_scope(scope: str) -> dict[str, str]:
    name, _, version = scope.partition(" ")
    return {"name": name, "version": version} if version else {"name": name}


def encode_span(span: SpanDetail) -> dict[str, Any]:
    status: dict[str, Any] = {"code": _STATUS.get(span.status, 0)}
    if span.status_message:
        status["message"] = span.status_message
    return {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "parentSpanId": span.parent_id,
        "name": span.name,
        "kind": _KINDS.get(span.kind, 1),
        "startTimeUnixNano": str(span.start),
        "endTimeUnixNano": str(span.start + span.duration),
        "attributes": encode_attributes(span.attributes),
        "events": [
            {
                "timeUnixNano": str(event.time),
                "name": event.name,
                "attributes": encode_attributes(event.attributes),
            }
            for event in span.events
        ],
        "links": [
            {
                "traceId": link.trace_id,
                "spanId": link.span_id,
                "attributes": encode_attributes(link.attributes),
            }
            for link in span.links
        ],
        "status": status,
    }


def encode_attributes(attributes: Mapping[str, AttributeValue]) -> list[dict[str, Any]]:
    return [{"key": key, "value": encode_value(value)} for key, value in attributes.items()]


def encode_value(value: AttributeValue | str | bool | float) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value if math.isfinite(value) else _NOT_FINITE[str(value)]}
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return {"arrayValue": {"values": [encode_value(item) for item in value]}}
    return {"stringValue": value}
