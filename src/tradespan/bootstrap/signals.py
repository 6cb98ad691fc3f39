"""What the bot reports beside spans, put together: metrics, logs, the audit log, the sets."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from opentelemetry import metrics

from tradespan.bootstrap import toldorders
from tradespan.bootstrap.greenlets import follow_patching
from tradespan.config import Config
from tradespan.core.orders import OpenOrders
from tradespan.pages.metrics import MetricPage
from tradespan.signals.audit.log import AUDIT
from tradespan.signals.logs.capture import LOGS
from tradespan.signals.metrics.callbacks import OBSERVER
from tradespan.signals.metrics.provider import MeterProvider
from tradespan.signals.metrics.registry import REGISTRY
from tradespan.signals.orders.slot import ORDERS
from tradespan.signals.slot import SIGNALS
from tradespan.spool.writer import SpoolWriter


class Signals:
    """Those of one process, from `configure()` to its end."""

    def __init__(self) -> None:
        self.meter_provider: MeterProvider | None = None
        """None where metrics are switched off."""
        self._mapping: Any = None
        """The module that listens to mapped calls; None: nobody does."""

    def start(
        self,
        config: Config,
        spool: SpoolWriter,
        page: MetricPage | None,
        open_orders: OpenOrders | None = None,
    ) -> None:
        """Begin to report. `page`: None: nothing is counted."""
        ORDERS.fill(acknowledge_within=config.orders.acknowledge_within, mode=config.mode)
        SIGNALS.fill(spool, page, open_orders)
        begin_audit(config, spool)
        LOGS.start(config.logs)
        if page is not None:
            self.meter_provider = start_metrics(config.metrics_interval)
        toldorders.begin(config)
        if config.sets or config.map:
            # Sets are many instruments: who uses none does not load them.
            self._mapping = import_module("tradespan.bootstrap.mapping")
            self._mapping.begin(config)

    def end(self) -> None:
        """Report no more."""
        self.look_last()
        if self._mapping is not None:
            self._mapping.end()
        toldorders.end()
        LOGS.stop()
        SIGNALS.clear()
        AUDIT.end()

    def look_last(self) -> None:
        """Have callbacks observe once more, and then never again; the rest goes on."""
        OBSERVER.end()


def start_metrics(interval: float) -> MeterProvider:
    """Count by OpenTelemetry's API, too, if nobody else does. `interval`: seconds."""
    provider = MeterProvider(REGISTRY, OBSERVER)
    if is_no_meter_provider(metrics.get_meter_provider()):
        metrics.set_meter_provider(provider)
    OBSERVER.begin(interval)
    follow_patching(OBSERVER)
    return provider


def is_no_meter_provider(provider: object) -> bool:
    """Whether it is what the API has until one is set, whose class has no public name."""
    is_the_apis = type(provider).__module__.startswith("opentelemetry.metrics.")
    return is_the_apis and not isinstance(provider, metrics.NoOpMeterProvider)


def begin_audit(config: Config, spool: SpoolWriter) -> None:
    """Open the audit log of the root; how this process is configured is its first entry."""
    AUDIT.begin(
        config.root,
        spool,
        service=config.service_name,
        age=config.audit_age,
        without_orders=config.mode == "backtest",
    )
    AUDIT.note_settings(
        (row.key, row.value, row.origin) for row in config.explain() if row.origin != "default"
    )
