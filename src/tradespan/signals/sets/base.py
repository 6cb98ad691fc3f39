"""What sets share: their instruments come from declarations, their verbs never raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tradespan.declare.instruments import Instrument as Declaration
from tradespan.signals.harmless import harmless
from tradespan.signals.metrics.instruments import BoundGauge

__all__ = ["Maker", "harmless", "kind_of_error", "tell"]

Maker = Callable[[Declaration], Any]
"""`InstrumentRegistry.from_declaration`."""


def kind_of_error(error: object) -> str:
    """The label `error.type` of an exception, a class of them, or a word; empty for None."""
    if error is None:
        return ""
    if isinstance(error, BaseException):
        return type(error).__qualname__
    return error.__qualname__ if isinstance(error, type) else str(error)


def tell(gauge: BoundGauge, value: Any) -> None:
    """Set a gauge to what is known; None is not known, and leaves it as it is."""
    if value is not None:
        gauge.set(value)
