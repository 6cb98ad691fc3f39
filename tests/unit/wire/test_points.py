"""Our metrics, decoded by OpenTelemetry's own classes, are the messages that these would make."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    HistogramDataPoint,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)

from tests.unit.wire import measured
from tests.unit.wire.builders import NOON, batch_of
from tests.unit.wire.measured import Said
from tradespan.core.records import Kind, MetricReading
from tradespan.wire.codec import decode_reading, encode_record
from tradespan.wire.metrics import encode_metrics
from tradespan.wire.points import Period, Spread, encode_histogram, encode_number

NOW = Period(NOON, NOON + 1)


@settings(max_examples=80, deadline=None)
@given(st.lists(measured.metrics(), max_size=3))
def test_metrics_say_what_they_were_made_of(metrics: list[Said]) -> None:
    read = ScopeMetrics.FromString(b"".join(each.ours for each in metrics))
    wanted = ScopeMetrics(metrics=[each.theirs for each in metrics])
    assert read.SerializeToString(deterministic=True) == wanted.SerializeToString(
        deterministic=True
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(measured.readings, max_size=4))
def test_a_request_is_its_readings_one_after_another(readings: list[MetricReading]) -> None:
    read = [decode_reading(encode_record(reading)) for reading in readings]
    body = encode_metrics(batch_of(*read, kind=Kind.METRIC))
    groups = ExportMetricsServiceRequest.FromString(body).resource_metrics
    assert [group.SerializeToString(deterministic=True) for group in groups] == [
        ResourceMetrics.FromString(each.resource_metrics).SerializeToString(deterministic=True)
        for each in readings
    ]


@pytest.mark.parametrize("value", [1 << 63, -(1 << 63) - 1, 1 << 200])
def test_an_integer_beyond_64_bits_is_a_double(value: int) -> None:
    point = NumberDataPoint.FromString(encode_number({}, NOW, value))
    assert point.as_double == float(value)


def test_an_empty_histogram_has_no_least_and_no_most() -> None:
    spread = Spread(0, 0.0, float("inf"), float("-inf"))
    point = HistogramDataPoint.FromString(encode_histogram({}, NOW, spread, [0, 0], [1.0]))
    assert not point.HasField("min")
    assert not point.HasField("max")
    assert point.HasField("sum")


def test_a_sum_that_is_none_is_left_out() -> None:
    spread = Spread(1, float("nan"), float("nan"), 2.0)
    point = HistogramDataPoint.FromString(encode_histogram({}, NOW, spread, [], []))
    assert not point.HasField("sum")
    assert not point.HasField("min")
    assert point.max == 2.0


def test_a_gauge_has_no_start() -> None:
    point = NumberDataPoint.FromString(encode_number({}, Period(0, NOON), 1))
    assert (point.start_time_unix_nano, point.time_unix_nano) == (0, NOON)


def test_a_time_before_1970_is_an_error() -> None:
    with pytest.raises(struct.error):
        encode_number({}, Period(0, -1), 1)
