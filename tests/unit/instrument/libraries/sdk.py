"""The plain OpenTelemetry SDK on memory, as somebody without tradespan has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.support.fakes import SteppingClock
from tradespan.core.clock import Clock, SystemClock
from tradespan.instrument.libraries.base import Telemetry


class Sdk:
    """Providers, and what they got."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meter_provider = MeterProvider([self._reader])

    @property
    def options(self) -> dict[str, Any]:
        """For `instrument()`."""
        return {
            "tracer_provider": self.tracer_provider,
            "meter_provider": self.meter_provider,
            "clock": self.clock,
        }

    @property
    def telemetry(self) -> Telemetry:
        return Telemetry(
            self.tracer_provider.get_tracer("tests"),
            self.meter_provider.get_meter("tests"),
            self.clock,
        )

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span

    @property
    def text(self) -> str:
        """All that was recorded, as text: to look for what must not be in it."""
        metrics = self._reader.get_metrics_data()
        said = [span.to_json() for span in self.spans]
        return "\n".join([*said, metrics.to_json() if metrics is not None else ""])

    def points(self, name: str) -> dict[frozenset[tuple[str, Any]], Any]:
        """Labels → the point of a metric, as it is collected now."""
        data = self._reader.get_metrics_data()
        found = {}
        for resource in data.resource_metrics if data is not None else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == name:
                        for point in metric.data.data_points:
                            found[frozenset((point.attributes or {}).items())] = point
        return found

    def value(self, name: str, **labels: Any) -> Any:
        """The value, or the count of a histogram, of all points that have these labels; 0: none.

        In labels, `__` stands for a dot.
        """
        wanted = {key.replace("__", "."): value for key, value in labels.items()}.items()
        found = [point for key, point in self.points(name).items() if wanted <= set(key)]
        return sum(getattr(point, "value", None) or getattr(point, "count", 0) for point in found)


def attributes(span: ReadableSpan) -> Mapping[str, Any]:
    """Never None."""
    return span.attributes or {}


def stepping() -> tuple[Sdk, SteppingClock]:
    """An SDK whose instrumentors go by a clock that stands still."""
    clock = SteppingClock()
    return Sdk(clock), clock
