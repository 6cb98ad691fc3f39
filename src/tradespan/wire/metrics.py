"""Metric readings → OTLP protobuf: they are encoded already, and follow one another.

Source: opentelemetry-proto 1.x, collector/metrics/v1/metrics_service.proto.
"""

from __future__ import annotations

from tradespan.core.delivery import Batch
from tradespan.core.records import MetricReading
from tradespan.wire.protobuf import field


def encode_metrics(batch: Batch[MetricReading]) -> bytes:
    """An ExportMetricsServiceRequest: one ResourceMetrics for each reading, in their order.

    What is recorded is what is sent: nothing is decoded, merged or put in another order.
    """
    return b"".join(
        [field(1, reading.resource_metrics) for part in batch.slices for reading in part.records]
    )
