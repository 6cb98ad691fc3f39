"""What sets share: their instruments come from declarations, their verbs never raise."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from tradespan.core import guard
from tradespan.declare.instruments import Instrument as Declaration
from tradespan.signals.metrics.instruments import BoundGauge

Maker = Callable[[Declaration], Any]
"""`InstrumentRegistry.from_declaration`."""
P = ParamSpec("P")


def harmless(verb: Callable[P, None]) -> Callable[P, None]:
    """A verb from which nothing of ours reaches the trading code; mistakes are logged sparingly."""

    @wraps(verb)
    def called(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            verb(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the host comes first
            guard.report(f"sets: {verb.__qualname__}", error)

    return called


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
