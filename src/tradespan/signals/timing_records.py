"""What becomes of a duration: a value of the histogram, and a warning if it was long."""

from __future__ import annotations

import logging
from typing import Final

from opentelemetry.trace import get_current_span

from tradespan.core import guard
from tradespan.declare.instruments import TRADESPAN_TIMER_DURATION, TRADESPAN_TIMER_FORGOTTEN
from tradespan.signals.lines import declare_scope, write_line
from tradespan.signals.metrics.registry import from_declaration
from tradespan.signals.severity import WARNING
from tradespan.signals.slot import SIGNALS

logger = logging.getLogger("tradespan")

_DURATION: Final = from_declaration(TRADESPAN_TIMER_DURATION)
_FORGOTTEN: Final = from_declaration(TRADESPAN_TIMER_FORGOTTEN)
_SCOPE: Final = "tradespan.timer"
_EVENT: Final = "tradespan.operation.slow"


def record_duration(
    operation: str,
    nanoseconds: int,
    error: type[BaseException] | None,
    *,
    slow: float | None,
    trace_id: str = "",
) -> None:
    """Never raises. `error`: what the operation raised; `slow`: seconds."""
    seconds = nanoseconds / 1e9
    try:
        _DURATION.labels(operation, "" if error is None else error.__qualname__).record(seconds)
        if slow is not None and seconds > slow:
            _warn(operation, seconds, trace_id)
    except Exception as failure:  # noqa: BLE001 - the host comes first
        guard.report("timer", failure)


def count_forgotten(operation: str) -> None:
    """An operation was begun and never ended."""
    _FORGOTTEN.labels(operation).add(1)


def _warn(operation: str, seconds: float, trace_id: str) -> None:
    spool = SIGNALS.spool
    context = get_current_span().get_span_context()
    shown = trace_id or (f"{context.trace_id:032x}" if context.trace_id else "none")
    # For people: what this logger says is not recorded, the line below is.
    logger.warning("slow operation: %s took %.3f s (trace %s)", operation, seconds, shown)
    if spool is None:
        return
    attributes: dict[str, str | float] = {
        "tradespan.operation": operation,
        "tradespan.elapsed": seconds,
    }
    if trace_id:
        attributes["tradespan.trace_id"] = trace_id
    write_line(
        declare_scope(_SCOPE),
        "slow operation",
        time=spool.clock.wall(),
        severity=WARNING,
        severity_text="warning",
        attributes=attributes,
        event_name=_EVENT,
    )
