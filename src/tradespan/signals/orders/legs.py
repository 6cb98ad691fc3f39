"""The legs of a journey: how long it took from one stage to another.

Event time counts where the caller gave it for both ends, else this machine's monotonic clock; the
two are never mixed. A leg whose end lies before its begin has no length and is absent, and so is
one that only the clock could measure while a backtest plays the past.
"""

from __future__ import annotations

from typing import Final

from tradespan.declare import instruments as declared
from tradespan.declare.instruments import Instrument as Declaration
from tradespan.signals.metrics.instruments import BoundHistogram, Histogram
from tradespan.signals.metrics.registry import from_declaration
from tradespan.signals.orders.journey import Journey, Moment
from collections.abc import Callable

LEGS: Final[dict[str, tuple[str, str]]] = {
    "tick_to_decision": ("tick", "decision"),
    "decision_to_check": ("decision", "check"),
    "check_to_submit": ("check", "submit"),
    "decision_to_submit": ("decision", "submit"),
    "tick_to_submit": ("tick", "submit"),
    "submit_to_ack": ("submit", "ack"),
    "ack_to_fill": ("ack", "fill"),
    "submit_to_fill": ("submit", "fill"),
    "tick_to_fill": ("tick", "fill"),
    "first_to_last_fill": ("fill", "last_fill"),
    "cancel_to_cancelled": ("cancel_request", "cancelled"),
}
"""Leg → its two stages; `fill` is the first one."""
_AT_END: Final = "first_to_last_fill"
_ALL: Final = tuple(LEGS.items())
_TOUCHED: Final = {
    stage: tuple((leg, *ends) for leg, ends in _ALL if stage in ends and leg != _AT_END)
    for stage in {each for ends in LEGS.values() for each in ends}
}
_LAST_LEG: Final = ((_AT_END, *LEGS[_AT_END]),)


def seconds_between(begin: Moment, end: Moment, *, by_clock: bool = True) -> float | None:
    """How long from one moment to another; None: it cannot be said.

    `by_clock`: whether the monotonic clock counts.
    """
    if begin.ts is not None and end.ts is not None:
        found = (end.ts - begin.ts) / 1e9
    elif by_clock and begin.mono is not None and end.mono is not None:
        found = end.mono - begin.mono
    else:
        return None
    return found if found >= 0 else None


def legs_of(journey: Journey, *, by_clock: bool = True) -> dict[str, float]:
    """All legs that can be measured, in seconds."""
    stages, found = journey.stages, {}
    for leg, (begin, end) in _ALL:
        if leg == _AT_END and journey.fill_count < 2:
            continue
        if begin in stages and end in stages:
            seconds = seconds_between(stages[begin], stages[end], by_clock=by_clock)
            if seconds is not None:
                found[leg] = seconds
    return found


class LegRecorder:
    """Records each leg of each journey once, when both its ends are known."""

    def __init__(self, make: Callable[[Declaration], Histogram] = from_declaration) -> None:  # type: ignore[assignment]
        self._histogram = make(declared.TRADING_ORDER_LEG_DURATION)
        self._bound: dict[tuple[str, str, str], BoundHistogram] = {}

    def record(self, journey: Journey, stage: str, *, by_clock: bool) -> None:
        """A stage of a journey is known now."""
        self._record(journey, _TOUCHED.get(stage, ()), by_clock)

    def record_end(self, journey: Journey, *, by_clock: bool) -> None:
        """It has ended: the time between its first and last fill is known."""
        if journey.fill_count > 1:
            self._record(journey, _LAST_LEG, by_clock)

    def _record(
        self, journey: Journey, legs: tuple[tuple[str, str, str], ...], by_clock: bool
    ) -> None:
        stages, recorded = journey.stages, journey.recorded
        for leg, begin, end in legs:
            if begin not in stages or end not in stages or leg in recorded:
                continue
            seconds = seconds_between(stages[begin], stages[end], by_clock=by_clock)
            if seconds is not None:
                recorded.add(leg)
                self._of(leg, journey.venue, journey.strategy).record(seconds)

    def _of(self, leg: str, venue: str, strategy: str) -> BoundHistogram:
        return self._histogram.labels(leg, venue, strategy)
