"""Exporters of OpenTelemetry's SDK that write into the spool.

An export is a few microseconds a record and done when it returns: the record is in the page cache,
where killing the process does not reach it. So the SDK's batch processors, whose queue dies with
the process, are not needed: with its simple ones nothing lies in between.

What goes wrong is counted and reported, and answered with FAILURE; nothing is raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    MetricExporter,
    MetricExportResult,
    MetricsData,
)
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tradespan.core import guard
from tradespan.core.records import Lane, Site
from tradespan.spool.outlet import Outlet
from tradespan.spool.sdk_metrics import make_readings
from tradespan.spool.sdk_records import log_record, span_lane, span_record
from tradespan.wire.cut import cut_log_to_fit, cut_to_fit
from tradespan.wire.sites import SITES

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.metrics.export import ResourceMetrics
    from opentelemetry.sdk.metrics.view import Aggregation
    from opentelemetry.sdk.trace import ReadableSpan

_OURS = "tradespan"
"""Scope of our own log lines: a line about a failing export must not be exported in its turn."""


class SpanWriter(SpanExporter):
    """Writes spans; those that failed go to the error lane."""

    def __init__(self, outlet: Outlet | None) -> None:
        """`outlet`: None: there is no place to record in, and every export fails."""
        self._outlet = outlet

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write spans. SUCCESS: each of them is safe."""
        outlet = self._outlet
        if outlet is None:
            return SpanExportResult.FAILURE
        done = [self._write(outlet, span) for span in spans]
        return SpanExportResult.SUCCESS if all(done) else SpanExportResult.FAILURE

    def _write(self, outlet: Outlet, span: ReadableSpan) -> bool:
        with guard.guarded("exporting a span"):
            site = outlet.site(span.instrumentation_scope)
            record = span_record(span, site)
            writer = outlet.writer(span.resource)
            return outlet.write(writer, span_lane(record), site, record, cut_to_fit)
        return False

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """True: what was exported is in the page cache already."""
        return True

    def shutdown(self) -> None:
        """Seal the segments; later exports fail."""
        self._outlet, outlet = None, self._outlet
        if outlet is not None:
            outlet.close()


class LogWriter(LogRecordExporter):
    """Writes log records; those from ERROR up go to the error lane."""

    def __init__(self, outlet: Outlet | None) -> None:
        """`outlet`: None: there is no place to record in, and every export fails."""
        self._outlet = outlet

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Write log records, but for tradespan's own. SUCCESS: each of them is safe."""
        outlet = self._outlet
        if outlet is None:
            return LogRecordExportResult.FAILURE
        done = [self._write(outlet, readable) for readable in batch]
        return LogRecordExportResult.SUCCESS if all(done) else LogRecordExportResult.FAILURE

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

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """True: what was exported is in the page cache already."""
        return True

    def shutdown(self) -> None:
        """Seal the segments; later exports fail."""
        self._outlet, outlet = None, self._outlet
        if outlet is not None:
            outlet.close()


class MetricWriter(MetricExporter):
    """Writes what a metric reader has collected, encoded already, in the ordinary lane."""

    def __init__(
        self,
        outlet: Outlet | None,
        preferred_temporality: dict[type, AggregationTemporality] | None = None,
        preferred_aggregation: dict[type, Aggregation] | None = None,
    ) -> None:
        """`outlet`: None: there is no place to record in, and every export fails."""
        super().__init__(preferred_temporality, preferred_aggregation)
        self._outlet = outlet

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        """Write metrics. SUCCESS: all of them are safe."""
        outlet = self._outlet
        if outlet is None:
            return MetricExportResult.FAILURE
        done = [self._write(outlet, each) for each in metrics_data.resource_metrics]
        return MetricExportResult.SUCCESS if all(done) else MetricExportResult.FAILURE

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

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """True: what was exported is in the page cache already."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Seal the segments; later exports fail."""
        self._outlet, outlet = None, self._outlet
        if outlet is not None:
            outlet.close()


def _site(outlet: Outlet, scoped: Any) -> Site:
    return SITES.site(outlet.site(scoped.scope))
