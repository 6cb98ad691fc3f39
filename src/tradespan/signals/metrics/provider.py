"""Our `MeterProvider`, on OpenTelemetry's public API classes.

Whatever counts through that API, third-party instrumentations included, counts in the cells of
`tradespan.counter` and its like; nothing in it is known to the SDK.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from opentelemetry.metrics import MeterProvider as ApiMeterProvider

from tradespan.capture.attributes import as_text
from tradespan.core.forks import after_fork_in_child
from tradespan.pages.metrics import Scope
from tradespan.signals.metrics.callbacks import Observer
from tradespan.signals.metrics.meters import Meter
from tradespan.signals.metrics.registry import InstrumentRegistry


class MeterProvider(ApiMeterProvider):
    """Gives meters whose instruments count in the metric page."""

    def __init__(self, registry: InstrumentRegistry, observer: Observer) -> None:
        """`observer`: runs the callbacks of observable instruments."""
        self._registry = registry
        self._observer = observer
        self._meters: dict[Scope, Meter] = {}
        self._lock = threading.Lock()
        after_fork_in_child(self._begin_anew)

    def get_meter(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Meter:
        """The meter of one instrumentation scope. `attributes` of a scope are not recorded."""
        scope = as_text(name or ""), as_text(version or ""), as_text(schema_url or "")
        with self._lock:
            meter = self._meters.get(scope)
            if meter is None:
                meter = self._meters[scope] = Meter(scope, self._registry, self._observer)
            return meter

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Whether all callbacks observed anew in time.

        What is counted is in the page cache when its call returns: nothing is held back.
        """
        return self._observer.observe(timeout_millis / 1_000)

    def shutdown(self, timeout_millis: float = 1_000) -> None:
        """Observe once more, and then no more. Instruments count on."""
        self._observer.end(timeout_millis / 1_000)

    def _begin_anew(self) -> None:
        """In a forked child."""
        self._lock = threading.Lock()
