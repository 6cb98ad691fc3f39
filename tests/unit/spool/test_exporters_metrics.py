"""Metrics exported into the spool are what the SDK's own OTLP exporter would have sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import (
    encode_metrics as their_metrics,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult

from tests.unit.spool.exported import RESOURCE, measure, outlet, read_back, sent
from tradespan.core.records import Kind, MetricReading
from tradespan.spool.exporters import MetricWriter


def scopes(request: Any) -> list[dict[str, Any]]:
    return [
        MessageToDict(scoped)
        for group in request.resource_metrics
        for scoped in group.scope_metrics
    ]


def test_metrics_are_those_that_the_sdks_exporter_would_send(tmp_path: Path) -> None:
    data = measure(InMemoryMetricReader())
    writer = MetricWriter(outlet(tmp_path, Kind.METRIC))
    assert writer.export(data) is MetricExportResult.SUCCESS
    ours = ExportMetricsServiceRequest.FromString(sent(tmp_path, Kind.METRIC))
    theirs = their_metrics(data)
    assert "exemplars" in str(scopes(theirs))
    assert scopes(ours) == scopes(theirs)
    (facts,) = [group.resource.attributes for group in ours.resource_metrics]
    assert {"service.name", "host.name", "trading.mode"} < {pair.key for pair in facts}
    assert "tradespan.lane" not in {pair.key for pair in facts}


def test_a_reading_knows_its_times_and_points(tmp_path: Path) -> None:
    data = measure(InMemoryMetricReader())
    MetricWriter(outlet(tmp_path, Kind.METRIC)).export(data)
    (part,) = read_back(tmp_path, Kind.METRIC).slices
    (reading,) = part.records
    assert isinstance(reading, MetricReading)
    assert reading.points == 6
    assert 0 < reading.oldest <= reading.time


def test_many_points_are_several_records_that_say_the_same(tmp_path: Path) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], resource=RESOURCE)
    meter = provider.get_meter("desk")
    for name in ("one", "two"):
        counter = meter.create_counter(name)
        for number in range(1_500):
            counter.add(number, {"order": f"{number}-" + "x" * 400})
    data = reader.get_metrics_data()
    assert data is not None
    MetricWriter(outlet(tmp_path, Kind.METRIC)).export(data)
    provider.shutdown()
    readings = [
        reading for part in read_back(tmp_path, Kind.METRIC).slices for reading in part.records
    ]
    assert len(readings) > 3
    assert sum(reading.points for reading in readings) == 3_000
    request = ExportMetricsServiceRequest.FromString(sent(tmp_path, Kind.METRIC))
    found = {
        (metric.name, point.attributes[0].value.string_value, point.as_int)
        for group in request.resource_metrics
        for scoped in group.scope_metrics
        for metric in scoped.metrics
        for point in metric.sum.data_points
    }
    assert len(found) == 3_000
