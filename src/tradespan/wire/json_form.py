"""OTLP's protobuf → OTLP's JSON: one walk for the three signals.

The walk reads the protobuf request that would have been sent, so that both say the same, and metric
readings, which are encoded when they are recorded, need no decoder of their own. It costs some ten
times what the protobuf does (benchmarks: `encode`); who has many spans a second sends protobuf.

Source: OTLP specification 1.x, "JSON Protobuf Encoding", and protobuf.dev, "ProtoJSON Format":
lowerCamelCase names, 64-bit integers as text, enums as numbers, trace and span ids as hex, other
bytes as base64, numbers that are none as "NaN", "Infinity" and "-Infinity".
"""

from __future__ import annotations

import math
import struct
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from tradespan.wire.reading import read_fields, read_varint

Message = dict[int, "Field"]
Field = tuple[str, Callable[[Any], Any] | str, bool]
"""Name in JSON; how its value is read, or the kind of message that it is; whether it is a list."""

_unpack_double = struct.Struct("<d").unpack


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _hex(value: bytes) -> str:
    return value.hex()


def _base64(value: bytes) -> str:
    return b64encode(value).decode()


def _number(value: int) -> int:
    """Enums and uint32; none of OTLP's enums is negative."""
    return value


def _zigzag(value: int) -> int:
    return value >> 1 ^ -(value & 1)


def _int64(value: int) -> str:
    return str(value - (1 << 64) if value >> 63 else value)


def _fixed32(value: bytes) -> int:
    return int.from_bytes(value, "little")


def _fixed64(value: bytes) -> str:
    return str(int.from_bytes(value, "little"))


def _sfixed64(value: bytes) -> str:
    return str(int.from_bytes(value, "little", signed=True))


def _double(value: bytes) -> float | str:
    (number,) = _unpack_double(value)
    if math.isfinite(number):
        return float(number)
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _fixed64s(value: bytes) -> list[str]:
    """A packed list."""
    return [_fixed64(value[place : place + 8]) for place in range(0, len(value), 8)]


def _doubles(value: bytes) -> list[float | str]:
    """A packed list."""
    return [_double(value[place : place + 8]) for place in range(0, len(value), 8)]


def _uint64s(value: bytes) -> list[str]:
    """A packed list."""
    found, place = [], 0
    while place < len(value):
        number, place = read_varint(value, place)
        found.append(str(number))
    return found


def _one(name: str, kind: Callable[[Any], Any] | str) -> Field:
    return name, kind, False


def _list(name: str, kind: str) -> Field:
    return name, kind, True


def _points(kind: str) -> Message:
    return {1: _list("dataPoints", kind), 2: _one("aggregationTemporality", _number)}


def _resources(name: str, scoped: str) -> Message:
    return {
        1: _one("resource", "Resource"),
        2: _list(name, scoped),
        3: _one("schemaUrl", _text),
    }


def _scopes(name: str, record: str) -> Message:
    return {1: _one("scope", "Scope"), 2: _list(name, record), 3: _one("schemaUrl", _text)}


_PERIOD: Message = {2: _one("startTimeUnixNano", _fixed64), 3: _one("timeUnixNano", _fixed64)}

_MESSAGES: dict[str, Message] = {
    "AnyValue": {
        1: _one("stringValue", _text),
        2: _one("boolValue", bool),
        3: _one("intValue", _int64),
        4: _one("doubleValue", _double),
        5: _one("arrayValue", "ArrayValue"),
        6: _one("kvlistValue", "KeyValueList"),
        7: _one("bytesValue", _base64),
    },
    "ArrayValue": {1: _list("values", "AnyValue")},
    "KeyValueList": {1: _list("values", "KeyValue")},
    "KeyValue": {1: _one("key", _text), 2: _one("value", "AnyValue")},
    "Scope": {
        1: _one("name", _text),
        2: _one("version", _text),
        3: _list("attributes", "KeyValue"),
        4: _one("droppedAttributesCount", _number),
    },
    "Resource": {
        1: _list("attributes", "KeyValue"),
        2: _one("droppedAttributesCount", _number),
    },
    # ── traces ──────────────────────────────────────────────────────────────────────────────────
    "traces": {1: _list("resourceSpans", "ResourceSpans")},
    "ResourceSpans": _resources("scopeSpans", "ScopeSpans"),
    "ScopeSpans": _scopes("spans", "Span"),
    "Span": {
        1: _one("traceId", _hex),
        2: _one("spanId", _hex),
        3: _one("traceState", _text),
        4: _one("parentSpanId", _hex),
        5: _one("name", _text),
        6: _one("kind", _number),
        7: _one("startTimeUnixNano", _fixed64),
        8: _one("endTimeUnixNano", _fixed64),
        9: _list("attributes", "KeyValue"),
        10: _one("droppedAttributesCount", _number),
        11: _list("events", "Event"),
        12: _one("droppedEventsCount", _number),
        13: _list("links", "Link"),
        14: _one("droppedLinksCount", _number),
        15: _one("status", "Status"),
        16: _one("flags", _fixed32),
    },
    "Event": {
        1: _one("timeUnixNano", _fixed64),
        2: _one("name", _text),
        3: _list("attributes", "KeyValue"),
        4: _one("droppedAttributesCount", _number),
    },
    "Link": {
        1: _one("traceId", _hex),
        2: _one("spanId", _hex),
        3: _one("traceState", _text),
        4: _list("attributes", "KeyValue"),
        5: _one("droppedAttributesCount", _number),
        6: _one("flags", _fixed32),
    },
    "Status": {2: _one("message", _text), 3: _one("code", _number)},
    # ── logs ────────────────────────────────────────────────────────────────────────────────────
    "logs": {1: _list("resourceLogs", "ResourceLogs")},
    "ResourceLogs": _resources("scopeLogs", "ScopeLogs"),
    "ScopeLogs": _scopes("logRecords", "LogRecord"),
    "LogRecord": {
        1: _one("timeUnixNano", _fixed64),
        2: _one("severityNumber", _number),
        3: _one("severityText", _text),
        5: _one("body", "AnyValue"),
        6: _list("attributes", "KeyValue"),
        7: _one("droppedAttributesCount", _number),
        8: _one("flags", _fixed32),
        9: _one("traceId", _hex),
        10: _one("spanId", _hex),
        11: _one("observedTimeUnixNano", _fixed64),
        12: _one("eventName", _text),
    },
    # ── metrics ─────────────────────────────────────────────────────────────────────────────────
    "metrics": {1: _list("resourceMetrics", "ResourceMetrics")},
    "ResourceMetrics": _resources("scopeMetrics", "ScopeMetrics"),
    "ScopeMetrics": _scopes("metrics", "Metric"),
    "Metric": {
        1: _one("name", _text),
        2: _one("description", _text),
        3: _one("unit", _text),
        5: _one("gauge", "Gauge"),
        7: _one("sum", "Sum"),
        9: _one("histogram", "Histogram"),
        10: _one("exponentialHistogram", "ExponentialHistogram"),
        11: _one("summary", "Summary"),
        12: _list("metadata", "KeyValue"),
    },
    "Gauge": {1: _list("dataPoints", "NumberDataPoint")},
    "Sum": _points("NumberDataPoint") | {3: _one("isMonotonic", bool)},
    "Histogram": _points("HistogramDataPoint"),
    "ExponentialHistogram": _points("ExponentialHistogramDataPoint"),
    "Summary": {1: _list("dataPoints", "SummaryDataPoint")},
    "NumberDataPoint": {
        **_PERIOD,
        4: _one("asDouble", _double),
        5: _list("exemplars", "Exemplar"),
        6: _one("asInt", _sfixed64),
        7: _list("attributes", "KeyValue"),
        8: _one("flags", _number),
    },
    "HistogramDataPoint": {
        **_PERIOD,
        4: _one("count", _fixed64),
        5: _one("sum", _double),
        6: _one("bucketCounts", _fixed64s),
        7: _one("explicitBounds", _doubles),
        8: _list("exemplars", "Exemplar"),
        9: _list("attributes", "KeyValue"),
        10: _one("flags", _number),
        11: _one("min", _double),
        12: _one("max", _double),
    },
    "ExponentialHistogramDataPoint": {
        1: _list("attributes", "KeyValue"),
        **_PERIOD,
        4: _one("count", _fixed64),
        5: _one("sum", _double),
        6: _one("scale", _zigzag),
        7: _one("zeroCount", _fixed64),
        8: _one("positive", "Buckets"),
        9: _one("negative", "Buckets"),
        10: _one("flags", _number),
        11: _list("exemplars", "Exemplar"),
        12: _one("min", _double),
        13: _one("max", _double),
        14: _one("zeroThreshold", _double),
    },
    "Buckets": {1: _one("offset", _zigzag), 2: _one("bucketCounts", _uint64s)},
    "SummaryDataPoint": {
        **_PERIOD,
        4: _one("count", _fixed64),
        5: _one("sum", _double),
        6: _list("quantileValues", "Quantile"),
        7: _list("attributes", "KeyValue"),
        8: _one("flags", _number),
    },
    "Quantile": {1: _one("quantile", _double), 2: _one("value", _double)},
    "Exemplar": {
        2: _one("timeUnixNano", _fixed64),
        3: _one("asDouble", _double),
        4: _one("spanId", _hex),
        5: _one("traceId", _hex),
        6: _one("asInt", _sfixed64),
        7: _list("filteredAttributes", "KeyValue"),
    },
}


def write_json(signal: str, request: bytes) -> bytes:
    """The JSON of an Export…ServiceRequest of `traces`, `logs` or `metrics`.

    Fields that this version does not know are left out: a receiver of JSON ignores them anyway.

    Raises:
        ValueError: The bytes are no such request.
    """
    return msgspec.json.encode(_read(_MESSAGES[signal], request))


def _read(message: Message, data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    try:
        for (name, read, repeated), value in _known(message, data):
            content = _read(_MESSAGES[read], value) if isinstance(read, str) else read(value)
            if repeated:
                found.setdefault(name, []).append(content)
            else:
                found[name] = content
    except (TypeError, AttributeError, struct.error) as error:
        raise ValueError(f"a field of another type: {error}") from error
    return found


def _known(message: Message, data: bytes) -> Iterator[tuple[Field, Any]]:
    for number, value in read_fields(data):
        field = message.get(number)
        if field is not None:
            yield field, value
