"""tradespan under `opentelemetry-instrument`: a distro and a configurator by entry points."""

from __future__ import annotations

from typing import Any

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]

from tradespan.bootstrap.runtime import configure_from, default_service
from tradespan.config import load_config
from tradespan.core import guard


class TradespanDistro(BaseDistro):
    """Chooses nothing but the configurator: OTEL_* variables mean what the specification says."""

    def _configure(self, **kwargs: Any) -> None:
        return None


class TradespanConfigurator:
    """Puts tradespan's provider in force, in place of the SDK's."""

    def configure(self, **kwargs: Any) -> None:
        """Called by `opentelemetry-instrument` before the program starts; never raises."""
        with guard.guarded("tradespan could not be configured"):
            configure_from(load_config(service_default=default_service()))
