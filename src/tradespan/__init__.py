r"""OpenTelemetry for trading systems: spans that survive the crash they describe.

    tradespan run -i 'bot\..*' bot.py        # no code edited
    tradespan.configure(); @tradespan.monitor # or by hand

Names are loaded when first used: the supervisor of `tradespan run` imports this package and nothing
that it does not need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tradespan import engine_hooks as engine_hooks
    from tradespan.bootstrap.exporters import SpoolLogExporter as SpoolLogExporter
    from tradespan.bootstrap.exporters import SpoolMetricExporter as SpoolMetricExporter
    from tradespan.bootstrap.exporters import SpoolSpanExporter as SpoolSpanExporter
    from tradespan.bootstrap.runtime import Runtime as Runtime
    from tradespan.bootstrap.runtime import configure as configure
    from tradespan.bootstrap.runtime import flush as flush
    from tradespan.bootstrap.runtime import shutdown as shutdown
    from tradespan.core.version import __version__ as __version__
    from tradespan.instrument.byname import auto_instrument_module as auto_instrument_module
    from tradespan.instrument.byname import instrument as instrument
    from tradespan.instrument.byname import uninstrument as uninstrument
    from tradespan.instrument.monitor import monitor as monitor
    from tradespan.instrument.options import Objective as Objective
    from tradespan.instrument.propagation import child_environment as child_environment
    from tradespan.signals.audit.log import audit as audit
    from tradespan.signals.events.bus import EventBus as EventBus
    from tradespan.signals.events.bus import events as events
    from tradespan.signals.events.types import Event as Event
    from tradespan.signals.events.types import EventType as EventType
    from tradespan.signals.metrics.named import MetricsRegistry as MetricsRegistry
    from tradespan.signals.metrics.named import metrics as metrics
    from tradespan.signals.metrics.registry import counter as counter
    from tradespan.signals.metrics.registry import gauge as gauge
    from tradespan.signals.metrics.registry import histogram as histogram
    from tradespan.signals.metrics.registry import up_down_counter as up_down_counter
    from tradespan.signals.sets.journeys import orders as orders
    from tradespan.signals.sets.judging import agents as agents
    from tradespan.signals.sets.switch import sets as sets
    from tradespan.signals.timing import LatencyTracker as LatencyTracker
    from tradespan.signals.timing import timer as timer

_HOMES = {
    "__version__": "tradespan.core.version",
    "Event": "tradespan.signals.events.types",
    "EventBus": "tradespan.signals.events.bus",
    "EventType": "tradespan.signals.events.types",
    "LatencyTracker": "tradespan.signals.timing",
    "MetricsRegistry": "tradespan.signals.metrics.named",
    "Objective": "tradespan.instrument.options",
    "Runtime": "tradespan.bootstrap.runtime",
    "SpoolLogExporter": "tradespan.bootstrap.exporters",
    "SpoolMetricExporter": "tradespan.bootstrap.exporters",
    "SpoolSpanExporter": "tradespan.bootstrap.exporters",
    "agents": "tradespan.signals.sets.judging",
    "audit": "tradespan.signals.audit.log",
    "auto_instrument_module": "tradespan.instrument.byname",
    "child_environment": "tradespan.instrument.propagation",
    "configure": "tradespan.bootstrap.runtime",
    "counter": "tradespan.signals.metrics.registry",
    "engine_hooks": "tradespan.engine_hooks",
    "events": "tradespan.signals.events.bus",
    "flush": "tradespan.bootstrap.runtime",
    "gauge": "tradespan.signals.metrics.registry",
    "histogram": "tradespan.signals.metrics.registry",
    "instrument": "tradespan.instrument.byname",
    "metrics": "tradespan.signals.metrics.named",
    "monitor": "tradespan.instrument.monitor",
    "orders": "tradespan.signals.sets.journeys",
    "sets": "tradespan.signals.sets.switch",
    "shutdown": "tradespan.bootstrap.runtime",
    "timer": "tradespan.signals.timing",
    "uninstrument": "tradespan.instrument.byname",
    "up_down_counter": "tradespan.signals.metrics.registry",
}

__all__ = [
    "Event",
    "EventBus",
    "EventType",
    "LatencyTracker",
    "MetricsRegistry",
    "Objective",
    "Runtime",
    "SpoolLogExporter",
    "SpoolMetricExporter",
    "SpoolSpanExporter",
    "__version__",
    "agents",
    "audit",
    "auto_instrument_module",
    "child_environment",
    "configure",
    "counter",
    "engine_hooks",
    "events",
    "flush",
    "gauge",
    "histogram",
    "instrument",
    "metrics",
    "monitor",
    "orders",
    "sets",
    "shutdown",
    "timer",
    "uninstrument",
    "up_down_counter",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tradespan' has no attribute {name!r}")
    # A sub-package of the same name is imported on the way and would stand in the function's place.
    module = import_module(home)
    value = module if home == f"{__name__}.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
