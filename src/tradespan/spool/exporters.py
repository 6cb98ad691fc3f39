"""Exporters of OpenTelemetry's SDK that write into the spool.

An export is a few microseconds a record and done when it returns: the record is in the page cache,
where killing the process does not reach it. So the SDK's batch processors, whose queue dies with
the process, are not needed: with its simple ones nothing lies in between.

What goes wrong is counted and reported, and answered with FAILURE; nothing is raised.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    ResourceMetrics,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tradespan.core import guard
from tradespan.core.records import Lane, Site
from tradespan.spool.outlet import Outlet
from tradespan.spool.sdk_metrics import make_readings
from tradespan.spool.sdk_records import log_record, span_lane, span_record
from tradespan.wire.cut import cut_log_to_fit, cut_to_fit
from tradespan.wire.sites import SITES

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.view import Aggregation

T = TypeVar("T")

_OURS = "tradespan"
"""Scope of our own log lines: a line about a failing export must not be exported in its turn."""


class _Writer(Generic[T]):
    """What the three have in common: where to write, and what becomes of it at the end."""

    def __init__(self, outlet: Outlet | None) -> None:
        """`outlet`: None: there is no place to record in, and every export fails."""
        self._outlet = outlet

    def _write_all(self, exported: Iterable[T]) -> bool:
        """Write each, whatever becomes of the others; whether all of them are safe."""
        outlet = self._outlet
        if outlet is None:
            return False
        done = [self._write(outlet, each) for each in exported]
        return all(done)

    @abstractmethod
    def _write(self, outlet: Outlet, exported: T) -> bool: ...

    def force_flush(self, timeout_millis: float = 30_000) -> bool:
        """True: what was exported is in the page cache already."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Seal the segments; later exports fail."""
        self._outlet, outlet = None, self._outlet
        if outlet is not None:
            outlet.close()


class SpanWriter(_Writer[ReadableSpan], SpanExporter):
    """Writes spans; those that failed go to the error lane."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write spans. SUCCESS: each of them is safe."""
        return SpanExportResult.SUCCESS if self._write_all(spans) else SpanExportResult.FAILURE

    def _write(self, outlet: Outlet, span: ReadableSpan) -> bool:
        with guard.guarded("exporting a span"):
            site = outlet.site(span.instrumentation_scope)
            record = span_record(span, site)
            writer = outlet.writer(span.resource)
            return outlet.write(writer, span_lane(record), site, record, cut_to_fit)
        return False


class LogWriter(_Writer[ReadableLogRecord], LogRecordExporter):
    """Writes log records; those from ERROR up go to the error lane."""

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Write log records, but for tradespan's own. SUCCESS: each of them is safe."""
        done = self._write_all(batch)
        return LogRecordExportResult.SUCCESS if done else LogRecordExportResult.FAILURE

    def _write(self, outlet: Outlet, readable: ReadableLogRecord) -> bool:
        with guard.guarded("exporting a log record"):
            scope = readable.instrumentation_scope
            if scope is not None and (scope.name or "").partition(".")[0] == _OURS:
                return True
            site = outlet.site(scope)
            record = log_record(readable, site)
            writer = outlet.writer(readable.resource)
            return outlet.write(writer, record.lane, site, record, cut_log_to_fit)
        return False


class MetricWriter(_Writer[ResourceMetrics], MetricExporter):
    """Writes what a metric reader has collected, encoded already, in the ordinary lane."""

    def __init__(
        self,
        outlet: Outlet | None,
        preferred_temporality: dict[type, AggregationTemporality] | None = None,
        preferred_aggregation: dict[type, Aggregation] | None = None,
    ) -> None:
        """`outlet`: None: there is no place to record in, and every export fails."""
        MetricExporter.__init__(self, preferred_temporality, preferred_aggregation)
        _Writer.__init__(self, outlet)

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        """Write metrics. SUCCESS: all of them are safe."""
        done = self._write_all(metrics_data.resource_metrics)
        return MetricExportResult.SUCCESS if done else MetricExportResult.FAILURE

    def _write(self, outlet: Outlet, metrics: ResourceMetrics) -> bool:
        with guard.guarded("exporting metrics"):
            writer = outlet.writer(metrics.resource)
            scopes = [(_site(outlet, each), each) for each in metrics.scope_metrics]
            done = [
                outlet.write(writer, Lane.ORDINARY, 0, reading)
                for reading in make_readings(outlet.describe(metrics.resource), scopes)
            ]
            return all(done)
        return False


def _site(outlet: Outlet, scoped: Any) -> Site:
    return SITES.site(outlet.site(scoped.scope))
