"""Metrics as plain values, between whoever reads them and both forms that they leave in.

`encode_readings` makes OTLP of them; `prometheus_text.py` what a scraper gets.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from tradespan.core.records import MetricReading, Resource, Site
from tradespan.declare.names import TRADESPAN_EXEMPLAR
from tradespan.wire import points as wire
from tradespan.wire.prometheus_names import Named
from tradespan.wire.protobuf import field, string
from tradespan.wire.requests import encode_resource, encode_scope

READING_BYTES = 256 * 1024
"""About as many bytes of points in one record, so that a batch is bisected to a fine grain."""
_CUMULATIVE = 2
_FILTERED = {TRADESPAN_EXEMPLAR: True}

Labels = tuple[tuple[str, str], ...]
Scope = tuple[str, str, str]
"""Name, version and schema URL."""


class Metric(NamedTuple):
    """An instrument of one scope."""

    name: str
    unit: str
    kind: str
    """`counter`, `up_down_counter`, `gauge` or `histogram`."""
    description: str = ""
    scope: Scope = ("", "", "")

    @property
    def named(self) -> Named:
        """What decides its name in Prometheus."""
        return Named(self.name, self.unit, self.kind)


class Exemplar(NamedTuple):
    """A measurement, and the span that it was made in."""

    time: int
    """Nanoseconds, UTC."""
    value: float
    trace_id: bytes
    span_id: bytes


class Distribution(NamedTuple):
    """What a histogram knows."""

    counts: tuple[int, ...]
    """One a bound, and one above the last."""
    bounds: tuple[float, ...]
    sum: float
    min: float | None = None
    max: float | None = None

    @property
    def measured(self) -> int:
        """Measurements."""
        return sum(self.counts)

    @property
    def falls(self) -> bool:
        """Whether the sum may fall: there are negative measurements, or they are expected."""
        least = self.min if self.min is not None else 0.0
        return least < 0 or self.sum < 0 or (self.bounds[:1] or (0.0,))[0] < 0


class Point(NamedTuple):
    """One series at one moment; times in nanoseconds, UTC."""

    labels: Labels
    start: int
    """When it was 0; 0: it has no start, or nobody knows."""
    time: int
    value: float | Distribution | None
    """None: from here on it has no value, its process has ended."""
    exemplars: tuple[Exemplar, ...] = ()


def encode_readings(
    resource: Resource, points: Iterable[tuple[Metric, Point]], most: int = READING_BYTES
) -> Iterator[MetricReading]:
    """The points of one resource in records of about `most` bytes; those of a metric in a row."""
    gathered: list[_Encoded] = []
    size = 0
    for metric, point in points:
        encoded = _Encoded(metric, point.time, _encode_point(metric, point))
        if gathered and size + len(encoded.point) > most:
            yield _reading(resource, gathered)
            gathered, size = [], 0
        gathered.append(encoded)
        size += len(encoded.point)
    if gathered:
        yield _reading(resource, gathered)


class _Encoded(NamedTuple):
    metric: Metric
    time: int
    point: bytes


def _reading(resource: Resource, gathered: Sequence[_Encoded]) -> MetricReading:
    scopes = []
    for scope, of_scope in groupby(gathered, key=lambda each: each.metric.scope):
        told, schema = encode_scope(Site(0, *scope))
        metrics = [
            _encode_metric(metric, [each.point for each in of_metric])
            for metric, of_metric in groupby(of_scope, key=lambda each: each.metric)
        ]
        scopes.append(field(2, told + b"".join(metrics) + schema))
    times = [each.time for each in gathered]
    encoded = encode_resource(resource) + b"".join(scopes) + string(3, resource.schema_url)
    return MetricReading(max(times), min(times), len(times), encoded)


def _encode_metric(metric: Metric, points: list[bytes]) -> bytes:
    if metric.kind == "gauge":
        data = wire.gauge(points)
    elif metric.kind == "histogram":
        data = wire.histogram(points, _CUMULATIVE)
    else:
        data = wire.sum_of(points, _CUMULATIVE, monotonic=metric.kind == "counter")
    return wire.encode_metric(metric.name, metric.description, metric.unit, data)


def _encode_point(metric: Metric, point: Point) -> bytes:
    period = wire.Period(0 if metric.kind == "gauge" else point.start, point.time)
    labels = dict(point.labels)
    value = point.value
    if value is None:
        if metric.kind == "histogram":
            raise ValueError(f"{metric.name}: a histogram that ends keeps its counts")
        return wire.encode_no_value(labels, period)
    exemplars = [
        wire.encode_exemplar(each.time, each.value, _FILTERED, each.trace_id, each.span_id)
        for each in point.exemplars
    ]
    if isinstance(value, Distribution):
        # OTLP has no sum of what may be negative, for it would pass for one that only rises.
        total = math.nan if value.falls else value.sum
        spread = wire.Spread(value.measured, total, value.min, value.max)
        return wire.encode_histogram(labels, period, spread, value.counts, value.bounds, exemplars)
    return wire.encode_number(labels, period, value, exemplars)
