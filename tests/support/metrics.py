"""Points of OTLP metrics requests, as plain values in the order in which they came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ResourceMetrics

from tests.support.otlp import decode_attributes
from tests.support.receiver import Receiver

NO_VALUE = 1
"""DataPointFlags: no recorded value."""


@dataclass(frozen=True, slots=True)
class ReceivedPoint:
    """One point, with what its metric, scope and resource say."""

    service: str
    instance: str
    resource: dict[str, Any]
    scope: str
    name: str
    unit: str
    description: str
    kind: str
    """`counter`, `up_down_counter`, `gauge` or `histogram`; cumulative, or an error."""
    labels: dict[str, Any]
    start: int
    time: int
    value: float
    """Of a histogram its count."""
    sum: float
    counts: tuple[int, ...]
    bounds: tuple[float, ...]
    exemplars: tuple[Any, ...]
    has_value: bool

    @property
    def series(self) -> tuple[Any, ...]:
        """What tells it from others."""
        return (self.service, self.instance, self.name, tuple(sorted(self.labels.items())))


def read_points(receiver: Receiver) -> list[ReceivedPoint]:
    """All points of the requests that were taken."""
    bodies = [
        request.body
        for request in receiver.requests
        if request.path == "/v1/metrics" and request.fault is None
    ]
    return [point for body in bodies for point in decode_points(body)]


def decode_points(body: bytes) -> list[ReceivedPoint]:
    """The points of one request."""
    request = ExportMetricsServiceRequest.FromString(body)
    return [point for group in request.resource_metrics for point in points_of(group)]


def points_of(group: ResourceMetrics) -> Iterator[ReceivedPoint]:
    """The points of one resource."""
    resource = decode_attributes(group.resource.attributes)
    for scoped in group.scope_metrics:
        for metric in scoped.metrics:
            yield from _points(metric, scoped.scope.name, resource)


def _points(metric: Metric, scope: str, resource: dict[str, Any]) -> Iterator[ReceivedPoint]:
    case = metric.WhichOneof("data")
    data: Any = getattr(metric, str(case))
    if case != "gauge":
        assert data.aggregation_temporality == 2, "it is not cumulative"
    kind = str(case)
    if case == "sum":
        kind = "counter" if data.is_monotonic else "up_down_counter"
    for point in data.data_points:
        spread = case == "histogram"
        number = None if spread else point.WhichOneof("value")
        yield ReceivedPoint(
            service=str(resource.get("service.name")),
            instance=str(resource.get("service.instance.id")),
            resource=resource,
            scope=scope,
            name=metric.name,
            unit=metric.unit,
            description=metric.description,
            kind=kind,
            labels=decode_attributes(point.attributes),
            start=point.start_time_unix_nano,
            time=point.time_unix_nano,
            value=point.count if spread else (getattr(point, number) if number else 0),
            sum=point.sum if spread else 0.0,
            counts=tuple(point.bucket_counts) if spread else (),
            bounds=tuple(point.explicit_bounds) if spread else (),
            exemplars=tuple(point.exemplars),
            has_value=not point.flags & NO_VALUE,
        )


def last_values(points: Iterable[ReceivedPoint], name: str) -> dict[str, float]:
    """Instance → the value that its series of this name have last, added up over their labels."""
    latest: dict[tuple[Any, ...], ReceivedPoint] = {}
    for point in points:
        if point.name == name and point.has_value:
            known = latest.get(point.series)
            if known is None or known.time <= point.time:
                latest[point.series] = point
    totals: dict[str, float] = {}
    for point in latest.values():
        totals[point.instance] = totals.get(point.instance, 0) + point.value
    return totals


def total(points: Iterable[ReceivedPoint], name: str) -> float:
    """The last values of all processes together."""
    return sum(last_values(points, name).values())
