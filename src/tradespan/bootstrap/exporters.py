"""Exporters for applications on OpenTelemetry's own SDK: the spool without the rest of tradespan.

They write into a run's folder, and `tradespan agent` delivers what is in it. The three of one
process share one folder.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradespan.bootstrap.environment import RUN_FOLDER
from tradespan.bootstrap.folders import choose_root, describe_run, open_run_folder
from tradespan.bootstrap.runtime import default_service
from tradespan.config import Config, load_config
from tradespan.core import guard
from tradespan.core.errors import SpoolUnavailable
from tradespan.core.records import Kind
from tradespan.declare.names import TRADING_MODE
from tradespan.spool.exporters import LogWriter, MetricWriter, SpanWriter
from tradespan.spool.folder import RunFolder
from tradespan.spool.outlet import Outlet
from tradespan.spool.writer import SpoolLimits

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import AggregationTemporality
    from opentelemetry.sdk.metrics.view import Aggregation

_folders: dict[tuple[Path, Path | None, str], RunFolder] = {}
"""Root, folder that was named, service → the run's folder. A forked child belongs to the run."""


class SpoolSpanExporter(SpanWriter):
    """For `SimpleSpanProcessor`: when a span has ended, it is safe."""

    def __init__(self, root: str | Path | None = None, *, service: str | None = None) -> None:
        """As the settings say where these say nothing.

        Args:
            root: Below which the run's folder is made, and which `tradespan agent` watches.
            service: The run's name; also the service's where the SDK's resource has none.

        Raises:
            ConfigurationError: A setting that is unknown, or has no good value.
        """
        super().__init__(_open(Kind.SPAN, root, service))


class SpoolLogExporter(LogWriter):
    """For `SimpleLogRecordProcessor`: when a record was emitted, it is safe."""

    def __init__(self, root: str | Path | None = None, *, service: str | None = None) -> None:
        """As `SpoolSpanExporter`."""
        super().__init__(_open(Kind.LOG, root, service))


class SpoolMetricExporter(MetricWriter):
    """For `PeriodicExportingMetricReader`: what it has collected is safe."""

    def __init__(
        self,
        root: str | Path | None = None,
        *,
        service: str | None = None,
        preferred_temporality: dict[type, AggregationTemporality] | None = None,
        preferred_aggregation: dict[type, Aggregation] | None = None,
    ) -> None:
        """As `SpoolSpanExporter`; what is preferred is the SDK's own to explain."""
        outlet = _open(Kind.METRIC, root, service)
        super().__init__(outlet, preferred_temporality, preferred_aggregation)


def _open(kind: Kind, root: str | Path | None, service: str | None) -> Outlet | None:
    """Where records of a kind go; None, and one warning, where there is no place to record in."""
    joined = os.environ.get(RUN_FOLDER) if root is None else None
    given: dict[str, Any] = {"root": root, "service": service, "spool": joined}
    given = {name: value for name, value in given.items() if value is not None}
    config = choose_root(load_config(given, service_default=default_service()))
    if config.disabled:
        return None
    try:
        folder = _open_folder(config, joined=joined is not None)
    except (OSError, SpoolUnavailable) as error:
        guard.logger.warning("%s The program runs, unrecorded.", error)
        return None
    limits = SpoolLimits(
        config.spool.segment_first, config.spool.segment_last, config.spool.memory_records
    )
    facts = {"service.name": config.service_name, TRADING_MODE: config.mode}
    return Outlet(folder.path, kind, facts, limits)


def _open_folder(config: Config, *, joined: bool) -> RunFolder:
    """This process's folder; below `tradespan run`, the one that the run has described."""
    key = config.root, config.spool.directory, config.service_name
    known = _folders.get(key)
    if known is None:
        known = open_run_folder(config)
        if not joined:
            describe_run(known, config)
        _folders[key] = known
    return known
