"""Metrics → OTLP protobuf, from plain values: points, metrics of them, and all of one resource's.

Source: opentelemetry-proto 1.x, metrics/v1/metrics.proto. Equal input gives equal bytes. What is
not known is left out: no minimum of an empty histogram, no sum that is none (DESIGN 4.11).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tradespan.wire.protobuf import attributes, field, pack_double, pack_fixed64, string, varint

_pack_period = struct.Struct("<cQcQ").pack
_pack_int = struct.Struct("<q").pack
_LEAST_INT, _MOST_INT = -1 << 63, (1 << 63) - 1

Numbers = int | float


@dataclass(frozen=True, slots=True)
class Period:
    """When a point was measured, nanoseconds, UTC. `start`: 0 for a gauge, which has none."""

    start: int
    time: int


@dataclass(frozen=True, slots=True)
class Spread:
    """What both kinds of histograms know of their measurements."""

    count: int
    sum: Numbers
    min: Numbers | None = None
    max: Numbers | None = None


@dataclass(frozen=True, slots=True)
class Buckets:
    """One side of an exponential histogram: counts from the bucket `offset` on."""

    offset: int
    counts: Sequence[int]


def encode_exemplar(
    time: int, value: Numbers, filtered: Mapping[str, Any], trace_id: bytes, span_id: bytes
) -> bytes:
    """An Exemplar message; ids are 16 and 8 bytes, or empty.

    Raises:
        struct.error: The time is out of range.
    """
    return (
        b"\x11"
        + pack_fixed64(time)
        + _number(value, b"\x19", b"\x31")
        + (field(4, span_id) if span_id else b"")
        + (field(5, trace_id) if trace_id else b"")
        + attributes(filtered, 7)
    )


def encode_number(
    labels: Mapping[str, Any], period: Period, value: Numbers, exemplars: Iterable[bytes] = ()
) -> bytes:
    """A NumberDataPoint message, of a sum or a gauge.

    Raises:
        struct.error: A time is out of range.
        OverflowError: An integer that is beyond a double.
    """
    return (
        _times(period)
        + _number(value, b"\x21", b"\x31")
        + b"".join([field(5, each) for each in exemplars])
        + attributes(labels, 7)
    )


def encode_no_value(labels: Mapping[str, Any], period: Period) -> bytes:
    """A NumberDataPoint message that ends its series: DataPointFlags says "no recorded value".

    Raises:
        struct.error: A time is out of range.
    """
    return _times(period) + attributes(labels, 7) + b"\x40\x01"


def encode_histogram(
    labels: Mapping[str, Any],
    period: Period,
    spread: Spread,
    counts: Sequence[int],
    bounds: Sequence[float],
    exemplars: Iterable[bytes] = (),
) -> bytes:
    """A HistogramDataPoint message: one count more than bounds, or none of both.

    Raises:
        struct.error: A time or a count is out of range.
    """
    return (
        _times(period)
        + _spread(spread, b"\x59", b"\x61")
        + (field(6, struct.pack(f"<{len(counts)}Q", *counts)) if counts else b"")
        + (field(7, struct.pack(f"<{len(bounds)}d", *bounds)) if bounds else b"")
        + b"".join([field(8, each) for each in exemplars])
        + attributes(labels, 9)
    )


def encode_exponential(
    labels: Mapping[str, Any],
    period: Period,
    spread: Spread,
    scale: int,
    zeros: int,
    positive: Buckets,
    negative: Buckets,
    exemplars: Iterable[bytes] = (),
) -> bytes:
    """An ExponentialHistogramDataPoint message; a side without counts is left out.

    Raises:
        struct.error: A time or a count is out of range.
    """
    return (
        attributes(labels, 1)
        + _times(period)
        + _spread(spread, b"\x61", b"\x69")
        + (b"\x30" + _zigzag(scale) if scale else b"")
        + (b"\x39" + pack_fixed64(zeros) if zeros else b"")
        + _buckets(8, positive)
        + _buckets(9, negative)
        + b"".join([field(11, each) for each in exemplars])
    )


def encode_summary(
    labels: Mapping[str, Any],
    period: Period,
    spread: Spread,
    quantiles: Iterable[tuple[float, float]],
) -> bytes:
    """A SummaryDataPoint message; `quantiles`: (0 to 1, value). It has no minimum or maximum.

    Raises:
        struct.error: A time or the count is out of range.
    """
    values = [
        field(6, b"\x09" + pack_double(quantile) + b"\x11" + pack_double(value))
        for quantile, value in quantiles
    ]
    plain = Spread(spread.count, spread.sum)
    return _times(period) + _spread(plain, b"", b"") + b"".join(values) + attributes(labels, 7)


def gauge(points: Iterable[bytes]) -> bytes:
    """A metric's data field."""
    return field(5, _points(points))


def sum_of(points: Iterable[bytes], temporality: int, *, monotonic: bool) -> bytes:
    """A metric's data field; `temporality`: 1 delta, 2 cumulative."""
    grows = b"\x18\x01" if monotonic else b""
    return field(7, _points(points) + b"\x10" + varint(temporality) + grows)


def histogram(points: Iterable[bytes], temporality: int) -> bytes:
    """A metric's data field."""
    return field(9, _points(points) + b"\x10" + varint(temporality))


def exponential_histogram(points: Iterable[bytes], temporality: int) -> bytes:
    """A metric's data field."""
    return field(10, _points(points) + b"\x10" + varint(temporality))


def summary(points: Iterable[bytes]) -> bytes:
    """A metric's data field."""
    return field(11, _points(points))


def encode_metric(name: str, description: str, unit: str, data: bytes) -> bytes:
    """One element of a ScopeMetrics' `metrics`, with tag and size."""
    return field(2, string(1, name) + string(2, description) + string(3, unit) + data)


def _points(points: Iterable[bytes]) -> bytes:
    return b"".join([field(1, point) for point in points])


def _times(period: Period) -> bytes:
    if not period.start:
        return b"\x19" + pack_fixed64(period.time)
    return _pack_period(b"\x11", period.start, b"\x19", period.time)


def _number(value: Numbers, as_double: bytes, as_int: bytes) -> bytes:
    if isinstance(value, int) and _LEAST_INT <= value <= _MOST_INT:
        return as_int + _pack_int(value)
    return as_double + pack_double(value)


def _spread(spread: Spread, least: bytes, most: bytes) -> bytes:
    encoded = b"\x21" + pack_fixed64(spread.count)
    if not math.isnan(spread.sum):
        encoded += b"\x29" + pack_double(spread.sum)
    if spread.count and spread.min is not None and math.isfinite(spread.min):
        encoded += least + pack_double(spread.min)
    if spread.count and spread.max is not None and math.isfinite(spread.max):
        encoded += most + pack_double(spread.max)
    return encoded


def _buckets(number: int, side: Buckets) -> bytes:
    if not side.counts:
        return b""
    counts = field(2, b"".join(map(varint, side.counts)))
    return field(number, (b"\x08" + _zigzag(side.offset) if side.offset else b"") + counts)


def _zigzag(value: int) -> bytes:
    return varint(value << 1 ^ value >> 31)
