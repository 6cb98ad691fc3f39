"""What a receiver says in the body of an OTLP/HTTP request that it took.

Source: opentelemetry-proto 1.x, collector/*/v1/*_service.proto (the three signals' responses have
the same fields); OTLP specification, "Partial Success".
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from tradespan.wire.reading import read_fields


class PartialSuccess(NamedTuple):
    """How many records were not taken, and why. (0, words) is a remark, (0, "") says nothing."""

    rejected: int = 0
    message: str = ""


class _JsonPartialSuccess(msgspec.Struct, frozen=True, rename="camel"):
    rejected_spans: int = 0
    rejected_log_records: int = 0
    rejected_data_points: int = 0
    error_message: str = ""


class _JsonResponse(msgspec.Struct, frozen=True, rename="camel"):
    partial_success: _JsonPartialSuccess = _JsonPartialSuccess()


# Not strict: protobuf's JSON writes 64-bit numbers as text, and reads either.
_read_json = msgspec.json.Decoder(_JsonResponse, strict=False).decode


def read_partial_success(body: bytes) -> PartialSuccess:
    """The partial success of an answer's body; of a body that is no OTLP answer, an empty one.

    Some answer in JSON what they were asked in protobuf, so the body itself tells which it is: no
    message begins with a brace.
    """
    try:
        return _from_json(body) if body.startswith(b"{") else _from_protobuf(body)
    except (ValueError, msgspec.DecodeError):
        return PartialSuccess()


def _from_json(body: bytes) -> PartialSuccess:
    said = _read_json(body).partial_success
    rejected = said.rejected_spans or said.rejected_log_records or said.rejected_data_points
    return PartialSuccess(max(rejected, 0), said.error_message)


def _from_protobuf(body: bytes) -> PartialSuccess:
    rejected, words = 0, b""
    for number, content in read_fields(body):
        if number != 1 or not isinstance(content, bytes):
            continue
        for inner, value in read_fields(content):
            if inner == 1 and isinstance(value, int):
                # int64: what is negative says nothing.
                rejected = value if value < 1 << 63 else 0
            elif inner == 2 and isinstance(value, bytes):
                words = value
    return PartialSuccess(rejected, words.decode("utf-8", "replace"))
