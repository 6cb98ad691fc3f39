"""OTLP requests, decoded by OpenTelemetry's own protobuf classes; spans into plain values."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    name: str
    time: int
    attributes: dict[str, Any]
    dropped_attributes: int = 0


@dataclass(frozen=True, slots=True)
class ReceivedLink:
    trace_id: str
    span_id: str
    attributes: dict[str, Any]
    trace_state: str = ""
    flags: int = 0
    dropped_attributes: int = 0


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """One span of a request, with what its scope and its resource say."""

    trace_id: str
    """32 hex digits."""
    span_id: str
    """16 hex digits."""
    parent_id: str
    """16 hex digits; "" for a root."""
    name: str
    kind: int
    """OTLP's number: 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer."""
    start: int
    """Nanoseconds, UTC."""
    end: int
    attributes: dict[str, Any]
    events: list[ReceivedEvent]
    links: list[ReceivedLink]
    status_code: int
    """0 unset, 1 ok, 2 error."""
    status_message: str
    trace_state: str
    flags: int
    dropped: tuple[int, int, int]
    """Attributes, events, links."""
    resource: dict[str, Any]
    resource_schema_url: str
    scope_name: str
    scope_version: str
    scope_attributes: dict[str, Any]
    scope_schema_url: str


REQUESTS: dict[str, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}


def decode_request(body: bytes) -> list[ReceivedSpan]:
    """The spans of an ExportTraceServiceRequest, in its order.

    Raises:
        google.protobuf.message.DecodeError: The bytes are not one.
    """
    return list(_spans(ExportTraceServiceRequest.FromString(body)))


def decode_signal(signal: str, body: bytes, *, json: bool = False) -> list[Any]:
    """The records of a request, in its order: `ReceivedSpan`s, LogRecord or Metric messages.

    Raises:
        google.protobuf.message.DecodeError, google.protobuf.json_format.ParseError: The bytes are
            none of this signal.
    """
    request: Any = REQUESTS[signal]()
    if json:
        json_format.Parse(body, request)
        _read_ids_as_hex(request)
    else:
        request.ParseFromString(body)
    if signal == "traces":
        return list(_spans(request))
    if signal == "logs":
        groups = [scoped for group in request.resource_logs for scoped in group.scope_logs]
        return [record for scoped in groups for record in scoped.log_records]
    groups = [scoped for group in request.resource_metrics for scoped in group.scope_metrics]
    return [metric for scoped in groups for metric in scoped.metrics]


def encode_partial_success(rejected: int, words: str) -> bytes:
    """An answer that says so; the three signals' answers have the same fields."""
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = rejected
    response.partial_success.error_message = words
    return response.SerializeToString()


def _read_ids_as_hex(message: Message) -> None:
    """OTLP's JSON has ids in hex, where ProtoJSON, which has been read here, has base64."""
    for field, value in message.ListFields():
        if field.name in ("trace_id", "span_id", "parent_span_id"):
            setattr(message, field.name, bytes.fromhex(b64encode(value).decode()))
        elif field.message_type is not None:
            for inner in [value] if isinstance(value, Message) else value:
                _read_ids_as_hex(inner)


def _spans(request: ExportTraceServiceRequest) -> Iterator[ReceivedSpan]:
    for group in request.resource_spans:
        resource = decode_attributes(group.resource.attributes)
        for scoped in group.scope_spans:
            for span in scoped.spans:
                yield _span(span, group, scoped, resource)


def _span(
    span: trace_pb2.Span,
    group: trace_pb2.ResourceSpans,
    scoped: trace_pb2.ScopeSpans,
    resource: dict[str, Any],
) -> ReceivedSpan:
    return ReceivedSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name,
        kind=span.kind,
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        attributes=decode_attributes(span.attributes),
        events=[_event(event) for event in span.events],
        links=[_link(link) for link in span.links],
        status_code=span.status.code,
        status_message=span.status.message,
        trace_state=span.trace_state,
        flags=span.flags,
        dropped=(
            span.dropped_attributes_count,
            span.dropped_events_count,
            span.dropped_links_count,
        ),
        resource=resource,
        resource_schema_url=group.schema_url,
        scope_name=scoped.scope.name,
        scope_version=scoped.scope.version,
        scope_attributes=decode_attributes(scoped.scope.attributes),
        scope_schema_url=scoped.schema_url,
    )


def _event(event: trace_pb2.Span.Event) -> ReceivedEvent:
    return ReceivedEvent(
        event.name,
        event.time_unix_nano,
        decode_attributes(event.attributes),
        event.dropped_attributes_count,
    )


def _link(link: trace_pb2.Span.Link) -> ReceivedLink:
    return ReceivedLink(
        link.trace_id.hex(),
        link.span_id.hex(),
        decode_attributes(link.attributes),
        link.trace_state,
        link.flags,
        link.dropped_attributes_count,
    )


def decode_attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes as a dict; a key that comes twice, which OTLP forbids, is an error here.

    Raises:
        AssertionError: A key comes twice.
    """
    decoded: dict[str, Any] = {}
    for pair in pairs:
        assert pair.key not in decoded, f"the attribute {pair.key!r} comes twice"
        decoded[pair.key] = decode_value(pair.value)
    return decoded


def decode_value(value: AnyValue) -> Any:
    """An AnyValue as Python has it; an empty one is None."""
    case = value.WhichOneof("value")
    if case is None:
        return None
    if case == "array_value":
        return [decode_value(item) for item in value.array_value.values]
    if case == "kvlist_value":
        return decode_attributes(value.kvlist_value.values)
    return getattr(value, case)
