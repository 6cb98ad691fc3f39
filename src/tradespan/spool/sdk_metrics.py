"""Metrics of OpenTelemetry's SDK as readings: encoded once, and cut into records of some size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.sdk.metrics.export import (
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    NumberDataPoint,
    Sum,
)

from tradespan.core import guard
from tradespan.core.records import MetricReading, Resource, Site
from tradespan.wire import points as wire
from tradespan.wire.protobuf import field, string
from tradespan.wire.requests import encode_resource, encode_scope

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import Metric, ScopeMetrics

READING_BYTES = 256 * 1024
"""About as many bytes of points in one record: far under the most that a record may have, and few
enough that a batch is bisected to a fine grain."""


class _Piece(NamedTuple):
    """Points of one metric, as many as go together."""

    scope: int
    metric: bytes
    times: list[int]


class _Form(NamedTuple):
    """How one metric's points are encoded, and what is put around them."""

    encode: Callable[[Any], bytes]
    finish: Callable[[list[bytes]], bytes]


def make_readings(
    resource: Resource, scopes: Iterable[tuple[Site, ScopeMetrics]], most: int = READING_BYTES
) -> Iterator[MetricReading]:
    """The metrics of one resource, in records of about `most` bytes of points.

    A point that cannot be encoded is left out and reported: the others are not its fault.
    """
    known = list(scopes)
    head = encode_resource(resource)
    schema = string(3, resource.schema_url)
    gathered: list[_Piece] = []
    size = 0
    for number, (_, scoped) in enumerate(known):
        for metric in scoped.metrics:
            for piece in _pieces(number, metric, most):
                if gathered and size + len(piece.metric) > most:
                    yield _reading(head, schema, known, gathered)
                    gathered, size = [], 0
                gathered.append(piece)
                size += len(piece.metric)
    if gathered:
        yield _reading(head, schema, known, gathered)


def _reading(
    head: bytes, schema: bytes, known: list[tuple[Site, ScopeMetrics]], gathered: list[_Piece]
) -> MetricReading:
    scopes = []
    for number, pieces in groupby(gathered, key=lambda piece: piece.scope):
        scope, scope_schema = encode_scope(known[number][0])
        scopes.append(field(2, scope + b"".join([each.metric for each in pieces]) + scope_schema))
    times = [time for piece in gathered for time in piece.times]
    encoded = head + b"".join(scopes) + schema
    return MetricReading(max(times), min(times), len(times), encoded)


def _pieces(scope: int, metric: Metric, most: int) -> Iterator[_Piece]:
    form = _form(metric.data)
    if form is None:
        kind = type(metric.data).__name__
        guard.report("a metric", TypeError(f"metrics of {kind} are not known"))
        return
    kept: list[bytes] = []
    times: list[int] = []
    size = 0

    def cut() -> _Piece:
        data = form.finish(kept)
        encoded = wire.encode_metric(metric.name, metric.description or "", metric.unit or "", data)
        return _Piece(scope, encoded, times)

    for point in metric.data.data_points:
        try:
            encoded = form.encode(point)
        except Exception as error:  # noqa: BLE001 - one bad point must not cost all others
            guard.report("a metric's point", error)
            continue
        if kept and size + len(encoded) > most:
            yield cut()
            kept, times, size = [], [], 0
        kept.append(encoded)
        times.append(point.time_unix_nano)
        size += len(encoded)
    if kept:
        yield cut()


def _form(data: Any) -> _Form | None:
    """None: of a later version of the SDK; this one makes no other (no summaries)."""
    if isinstance(data, Sum):
        how, monotonic = int(data.aggregation_temporality), data.is_monotonic
        return _Form(_number, lambda points: wire.sum_of(points, how, monotonic=monotonic))
    if isinstance(data, Gauge):
        return _Form(_number, wire.gauge)
    if isinstance(data, Histogram):
        how = int(data.aggregation_temporality)
        return _Form(_histogram, lambda points: wire.histogram(points, how))
    if isinstance(data, ExponentialHistogram):
        how = int(data.aggregation_temporality)
        return _Form(_exponential, lambda points: wire.exponential_histogram(points, how))
    return None


def _period(point: NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint) -> Any:
    return wire.Period(point.start_time_unix_nano or 0, point.time_unix_nano)


def _number(point: NumberDataPoint) -> bytes:
    return wire.encode_number(
        point.attributes or {}, _period(point), point.value, _exemplars(point)
    )


def _histogram(point: HistogramDataPoint) -> bytes:
    return wire.encode_histogram(
        point.attributes or {},
        _period(point),
        wire.Spread(point.count, point.sum, point.min, point.max),
        point.bucket_counts,
        point.explicit_bounds,
        _exemplars(point),
    )


def _exponential(point: ExponentialHistogramDataPoint) -> bytes:
    return wire.encode_exponential(
        point.attributes or {},
        _period(point),
        wire.Spread(point.count, point.sum, point.min, point.max),
        point.scale,
        point.zero_count,
        wire.Buckets(point.positive.offset, point.positive.bucket_counts),
        wire.Buckets(point.negative.offset, point.negative.bucket_counts),
        _exemplars(point),
    )


def _exemplars(point: Any) -> list[bytes]:
    return [
        wire.encode_exemplar(
            seen.time_unix_nano,
            seen.value,
            seen.filtered_attributes or {},
            seen.trace_id.to_bytes(16, "big") if seen.trace_id else b"",
            seen.span_id.to_bytes(8, "big") if seen.span_id else b"",
        )
        for seen in point.exemplars or ()
    ]
