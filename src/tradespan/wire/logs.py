"""Log records → OTLP protobuf, written by hand as spans are.

Source: opentelemetry-proto 1.x, logs/v1/logs.proto and collector/logs/v1/logs_service.proto. Fields
may stand in any order (protobuf.dev, "Field Order").
"""

from __future__ import annotations

import struct
from functools import lru_cache

from tradespan.core.delivery import Batch
from tradespan.core.records import LogRecord, Site
from tradespan.wire.protobuf import any_value, attributes, count, field, string, varint
from tradespan.wire.requests import Encoder, encode_request

_TRACE_ID_SIZE = 16

# time_unix_nano, observed_time_unix_nano; trace_id, span_id, flags.
_pack_times = struct.Struct("<cQcQ").pack
_pack_trace = struct.Struct(">2s16s2sQ").pack
_pack_span = struct.Struct(">2sQ").pack
_pack_flags = struct.Struct("<cI").pack


def encode_logs(batch: Batch[LogRecord]) -> bytes:
    """An ExportLogsServiceRequest: one ResourceLogs for each process generation and lane.

    Raises:
        ValueError: A record that OTLP cannot say: an identifier or a time out of range.
    """
    return encode_request(batch, _encoder_of)


def _encoder_of(_site: Site) -> Encoder[LogRecord]:
    # The request says all that a log record has of its site: the scope.
    return encode_log


def encode_log(record: LogRecord) -> bytes:
    """One element of a ScopeLogs' `log_records`: any number of them follow one another.

    Raises:
        ValueError: A record that OTLP cannot say: an identifier or a time out of range.
    """
    try:
        pieces = [
            _pack_times(b"\x09", record.time, b"\x59", record.observed_time),
            _severity(record.severity_number, record.severity_text),
        ]
        if record.body is not None:
            pieces.append(field(5, any_value(record.body)))
        if record.attributes:
            pieces.append(attributes(record.attributes, 6))
        if record.trace_id or record.span_id or record.trace_flags:
            pieces.append(_encode_place(record))
    except struct.error as error:
        raise ValueError(f"log record of {record.time}: {error}") from error
    if record.event_name or record.dropped_attributes:
        pieces += string(12, record.event_name), count(7, record.dropped_attributes)
    encoded = b"".join(pieces)
    return b"\x12" + varint(len(encoded)) + encoded


@lru_cache(maxsize=256)
def _severity(number: int, text: str) -> bytes:
    return (b"\x10" + varint(number) if number else b"") + string(3, text)


def _encode_place(record: LogRecord) -> bytes:
    """Where in which trace it was."""
    flags = _pack_flags(b"\x45", record.trace_flags & 0xFF) if record.trace_flags else b""
    if not record.trace_id:
        return flags + (_pack_span(b"\x52\x08", record.span_id) if record.span_id else b"")
    if len(record.trace_id) != _TRACE_ID_SIZE:
        raise ValueError(f"a trace id of {len(record.trace_id)} bytes")
    if not record.span_id:
        return b"\x4a\x10" + record.trace_id + flags
    return _pack_trace(b"\x4a\x10", record.trace_id, b"\x52\x08", record.span_id) + flags
