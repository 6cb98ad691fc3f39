"""Strategies of metrics: each drawn twice, as our bytes and as OpenTelemetry's message."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from tests.unit.wire import builders
from tests.unit.wire.builders import MOST, NOON, replaced
from tradespan.core.records import MetricReading, Resource
from tradespan.wire import points
from tradespan.wire.points import Buckets, Period, Spread
from tradespan.wire.protobuf import attributes, field
from tradespan.wire.requests import encode_resource


class Said(NamedTuple):
    """One thing in both forms."""

    ours: bytes
    theirs: Any


def pairs(values: dict[str, Any]) -> list[KeyValue]:
    """Attributes as their messages; test_otlp_property shows that these are right."""
    found = pb.NumberDataPoint.FromString(attributes(values, 7)).attributes
    return list(found)


numbers = st.integers(-1 << 63, (1 << 63) - 1) | st.floats(allow_nan=False)
whole = st.integers(0, MOST)
periods = st.builds(Period, st.just(0) | st.integers(1, MOST), whole)
finite = st.floats(allow_nan=False, allow_infinity=False)
spreads = st.builds(
    Spread, st.integers(1, MOST), st.floats(allow_nan=False), st.none() | finite, st.none() | finite
)
labels = st.dictionaries(builders.texts, builders.plain_values, max_size=3).filter(
    builders.distinct
)
temporalities = st.integers(1, 2)


def value_of(value: float) -> dict[str, Any]:
    return {"as_int": value} if isinstance(value, int) else {"as_double": value}


def period_of(period: Period) -> dict[str, int]:
    return {"start_time_unix_nano": period.start, "time_unix_nano": period.time}


def spread_of(spread: Spread) -> dict[str, Any]:
    known = {"count": spread.count, "sum": spread.sum, "min": spread.min, "max": spread.max}
    return {key: value for key, value in known.items() if value is not None}


@st.composite
def exemplars(draw: st.DrawFn) -> Said:
    time, value, filtered = draw(whole), draw(numbers), draw(labels)
    trace_id, span_id = draw(st.just((b"", b"")) | st.tuples(builders.ids, st.just(b"12345678")))
    theirs = pb.Exemplar(
        time_unix_nano=time,
        trace_id=trace_id,
        span_id=span_id,
        filtered_attributes=pairs(filtered),
        **value_of(value),
    )
    return Said(points.encode_exemplar(time, value, filtered, trace_id, span_id), theirs)


def ours(said: Iterable[Said]) -> list[bytes]:
    return [each.ours for each in said]


def theirs(said: Iterable[Said]) -> list[Any]:
    return [each.theirs for each in said]


some_exemplars = st.lists(exemplars(), max_size=2)


@st.composite
def number_points(draw: st.DrawFn) -> Said:
    named, period, value, seen = draw(labels), draw(periods), draw(numbers), draw(some_exemplars)
    return Said(
        points.encode_number(named, period, value, ours(seen)),
        pb.NumberDataPoint(
            attributes=pairs(named),
            exemplars=theirs(seen),
            **period_of(period),
            **value_of(value),
        ),
    )


@st.composite
def histogram_points(draw: st.DrawFn) -> Said:
    named, period, spread = draw(labels), draw(periods), draw(spreads)
    bounds = draw(st.lists(finite, max_size=4))
    counts = [draw(whole) for _ in range(len(bounds) + 1)] if bounds else []
    seen = draw(some_exemplars)
    return Said(
        points.encode_histogram(named, period, spread, counts, bounds, ours(seen)),
        pb.HistogramDataPoint(
            attributes=pairs(named),
            bucket_counts=counts,
            explicit_bounds=bounds,
            exemplars=theirs(seen),
            **period_of(period),
            **spread_of(spread),
        ),
    )


sides = st.builds(Buckets, st.integers(-1 << 31, (1 << 31) - 1), st.lists(whole, max_size=4))


def side_of(side: Buckets) -> pb.ExponentialHistogramDataPoint.Buckets | None:
    if not side.counts:
        return None
    return pb.ExponentialHistogramDataPoint.Buckets(offset=side.offset, bucket_counts=side.counts)


@st.composite
def exponential_points(draw: st.DrawFn) -> Said:
    named, period, spread = draw(labels), draw(periods), draw(spreads)
    scale, zeros = draw(st.integers(-10, 20)), draw(whole)
    positive, negative, seen = draw(sides), draw(sides), draw(some_exemplars)
    return Said(
        points.encode_exponential(
            named, period, spread, scale, zeros, positive, negative, ours(seen)
        ),
        pb.ExponentialHistogramDataPoint(
            attributes=pairs(named),
            scale=scale,
            zero_count=zeros,
            positive=side_of(positive),
            negative=side_of(negative),
            exemplars=theirs(seen),
            **period_of(period),
            **spread_of(spread),
        ),
    )


@st.composite
def summary_points(draw: st.DrawFn) -> Said:
    named, period = draw(labels), draw(periods)
    spread = draw(st.builds(Spread, whole, finite))
    quantiles = draw(st.lists(st.tuples(st.floats(0, 1), finite), max_size=3))
    at = pb.SummaryDataPoint.ValueAtQuantile
    return Said(
        points.encode_summary(named, period, spread, quantiles),
        pb.SummaryDataPoint(
            attributes=pairs(named),
            count=spread.count,
            sum=spread.sum,
            quantile_values=[at(quantile=q, value=value) for q, value in quantiles],
            **period_of(period),
        ),
    )


@st.composite
def metrics(draw: st.DrawFn) -> Said:
    """A metric of any of the five kinds."""
    name, description, unit = draw(builders.texts), draw(builders.texts), draw(builders.texts)
    kind = draw(st.sampled_from(["gauge", "sum", "histogram", "exponential", "summary"]))
    drawn = {
        "gauge": number_points,
        "sum": number_points,
        "histogram": histogram_points,
        "exponential": exponential_points,
        "summary": summary_points,
    }
    some = draw(st.lists(drawn[kind](), max_size=3))
    how, monotonic = draw(temporalities), draw(st.booleans())
    data, theirs_data = _data(kind, some, how, monotonic)
    return Said(
        points.encode_metric(name, description, unit, data),
        pb.Metric(
            name=replaced(name),
            description=replaced(description),
            unit=replaced(unit),
            **theirs_data,
        ),
    )


def _data(kind: str, some: list[Said], how: Any, monotonic: bool) -> tuple[bytes, dict[str, Any]]:
    built: dict[str, Callable[[], tuple[bytes, dict[str, Any]]]] = {
        "gauge": lambda: (
            points.gauge(ours(some)),
            {"gauge": pb.Gauge(data_points=theirs(some))},
        ),
        "sum": lambda: (
            points.sum_of(ours(some), how, monotonic=monotonic),
            {
                "sum": pb.Sum(
                    data_points=theirs(some), aggregation_temporality=how, is_monotonic=monotonic
                )
            },
        ),
        "histogram": lambda: (
            points.histogram(ours(some), how),
            {"histogram": pb.Histogram(data_points=theirs(some), aggregation_temporality=how)},
        ),
        "exponential": lambda: (
            points.exponential_histogram(ours(some), how),
            {
                "exponential_histogram": pb.ExponentialHistogram(
                    data_points=theirs(some), aggregation_temporality=how
                )
            },
        ),
        "summary": lambda: (
            points.summary(ours(some)),
            {"summary": pb.Summary(data_points=theirs(some))},
        ),
    }
    return built[kind]()


@st.composite
def make_readings(draw: st.DrawFn) -> MetricReading:
    some = draw(st.lists(metrics(), max_size=2))
    resource = Resource(draw(labels))
    encoded = encode_resource(resource) + field(2, b"".join(ours(some)))
    return MetricReading(NOON, NOON, len(some), encoded)


readings = make_readings()
