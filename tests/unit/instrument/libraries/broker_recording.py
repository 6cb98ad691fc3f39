"""What an instrumentor recorded, by the plain OpenTelemetry SDK."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tradespan.core import guard
from tradespan.instrument.libraries.base import LibraryInstrumentor


class SteppingClock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1_000_000_000

    def monotonic(self) -> int:
        return self.now

    wall = monotonic

    def advance(self, seconds: float) -> None:
        self.now += int(seconds * 1e9)


class Recorded:
    """Spans and metrics of one test."""

    def __init__(self) -> None:
        self.clock = SteppingClock()
        self._spans = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self._reader = InMemoryMetricReader()
        self.meters = MeterProvider([self._reader])

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._spans.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        found = self.named(name)
        assert len(found) == 1, [span.name for span in self.spans]
        return found[0]

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """(labels, value) of each series: a count of observations if it is a histogram."""
        data = self._reader.get_metrics_data()
        return [
            (dict(point.attributes or {}), getattr(point, "value", getattr(point, "count", None)))
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def text(self) -> str:
        """All that was recorded, for what must not be in it."""
        data = self._reader.get_metrics_data()
        return "\n".join([*(span.to_json() for span in self.spans), data.to_json() if data else ""])

    def shut_down(self) -> None:
        self.tracers.shutdown()
        self.meters.shutdown()


@contextmanager
def recording(instrumentor: LibraryInstrumentor) -> Iterator[Recorded]:
    """Instrument for a test; no guarded error may come of it."""
    recorded = Recorded()
    before = dict(guard.counts)
    instrumentor.instrument(
        tracer_provider=recorded.tracers, meter_provider=recorded.meters, clock=recorded.clock
    )
    try:
        yield recorded
    finally:
        instrumentor.uninstrument()
        recorded.shut_down()
    assert guard.counts == before
