"""Points → OTLP, decoded by OpenTelemetry's own classes."""

from __future__ import annotations

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics

from tests.support.metrics import ReceivedPoint, points_of
from tradespan.core.records import Resource
from tradespan.wire.measured import (
    Distribution,
    Exemplar,
    Metric,
    Point,
    encode_readings,
)

RESOURCE = Resource({"service.name": "desk", "service.instance.id": "1"}, "https://schema")
SCOPE = ("bot.orders", "1.2", "https://scope")
TRADES = Metric("trades", "{trade}", "counter", "All of them.", SCOPE)
OPEN = Metric("open", "{connection}", "up_down_counter", "", SCOPE)
VALUE = Metric("value", "1", "gauge")
LATENCY = Metric("latency", "s", "histogram")


def decode(*points: tuple[Metric, Point], most: int = 1_000_000) -> list[ReceivedPoint]:
    found = []
    for reading in encode_readings(RESOURCE, points, most):
        group = ResourceMetrics.FromString(reading.resource_metrics)
        assert group.schema_url == "https://schema"
        inside = list(points_of(group))
        assert reading.points == len(inside)
        assert (reading.oldest, reading.time) == (
            min(point.time for point in inside),
            max(point.time for point in inside),
        )
        found += inside
    return found


def test_numbers_keep_kind_labels_and_times() -> None:
    trades, value, opened = decode(
        (TRADES, Point((("venue", "X"),), 5, 9, 3.5)),
        (VALUE, Point((), 5, 9, 2)),
        (OPEN, Point((), 5, 9, -1.0)),
    )
    assert (trades.kind, trades.value, trades.labels) == ("counter", 3.5, {"venue": "X"})
    assert (trades.start, trades.time, trades.scope) == (5, 9, "bot.orders")
    assert (trades.unit, trades.description) == ("{trade}", "All of them.")
    assert (value.kind, value.value, value.start) == ("gauge", 2, 0)
    assert (opened.kind, opened.value) == ("up_down_counter", -1.0)


def test_histogram_keeps_its_buckets() -> None:
    (latency,) = decode(
        (LATENCY, Point((), 5, 9, Distribution((1, 0, 2), (0.1, 1.0), 4.5, 0.1, 3)))
    )
    assert (latency.counts, latency.bounds, latency.sum) == ((1, 0, 2), (0.1, 1.0), 4.5)


def test_histogram_whose_sum_may_fall_has_none() -> None:
    slippage = Metric("slippage", "1", "histogram")
    spread = Distribution((1, 0, 2), (-0.1, 1.0), 4.5, -0.5, 3)
    (message,) = (
        ResourceMetrics.FromString(reading.resource_metrics)
        for reading in encode_readings(RESOURCE, [(slippage, Point((), 5, 9, spread))], 1_000)
    )
    (point,) = message.scope_metrics[0].metrics[0].histogram.data_points
    assert (point.count, point.min, point.HasField("sum")) == (3, -0.5, False)


def test_exemplar_says_that_it_is_one() -> None:
    exemplar = Exemplar(8, 0.25, b"t" * 16, b"s" * 8)
    (trades,) = decode((TRADES, Point((), 5, 9, 3.0, (exemplar,))))
    (seen,) = trades.exemplars
    assert (seen.time_unix_nano, seen.as_double) == (8, 0.25)
    assert (seen.trace_id, seen.span_id) == (b"t" * 16, b"s" * 8)
    (filtered,) = seen.filtered_attributes
    assert (filtered.key, filtered.value.bool_value) == ("tradespan.exemplar", True)


def test_end_of_a_series_has_a_flag_and_no_value() -> None:
    gauge, opened = decode((VALUE, Point((("a", "b"),), 0, 9, None)), (OPEN, Point((), 5, 9, None)))
    assert (gauge.has_value, gauge.labels) == (False, {"a": "b"})
    assert not opened.has_value
    with pytest.raises(ValueError, match="keeps its counts"):
        decode((LATENCY, Point((), 5, 9, None)))


def test_many_points_are_several_records() -> None:
    points = [(TRADES, Point((("n", str(n)),), 5, 9, float(n))) for n in range(100)]
    readings = list(encode_readings(RESOURCE, points, 500))
    assert len(readings) > 5
    assert sum(reading.points for reading in readings) == 100
    assert [point.value for point in decode(*points, most=500)] == [float(n) for n in range(100)]
    assert list(encode_readings(RESOURCE, [])) == []
