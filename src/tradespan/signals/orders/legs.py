"""Records the legs of journeys, each once, when both its ends are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tradespan.declare import instruments as declared
from tradespan.declare.instruments import Instrument as Declaration
from tradespan.signals.metrics.instruments import Histogram
from tradespan.signals.orders.journey import Journey
from tradespan.signals.orders.moments import AT_END, LEGS, seconds_between

_Leg = tuple[str, str, str]

_TOUCHED: Final[dict[str, tuple[_Leg, ...]]] = {
    stage: tuple((leg, *ends) for leg, ends in LEGS.items() if stage in ends and leg != AT_END)
    for stage in {each for ends in LEGS.values() for each in ends}
}
_END: Final[tuple[_Leg, ...]] = ((AT_END, *LEGS[AT_END]),)


class LegRecorder:
    """The histogram `trading.order.leg.duration`; its exemplars are of the current span."""

    def __init__(self, make: Callable[[Declaration], Any]) -> None:
        self._histogram: Histogram = make(declared.TRADING_ORDER_LEG_DURATION)

    def record(self, journey: Journey, *stages: str) -> None:
        """Stages of a journey are known now."""
        for stage in stages:
            self._record(journey, _TOUCHED.get(stage, ()))

    def record_end(self, journey: Journey) -> None:
        """It has ended: the time between its first and last fill is known."""
        if journey.fill_count > 1:
            self._record(journey, _END)

    def _record(self, journey: Journey, legs: tuple[_Leg, ...]) -> None:
        stages, recorded = journey.stages, journey.recorded
        for leg, begin, end in legs:
            if begin not in stages or end not in stages or leg in recorded:
                continue
            seconds = seconds_between(stages[begin], stages[end])
            if seconds is not None:
                recorded.add(leg)
                self._histogram.labels(leg, journey.venue, journey.strategy).record(seconds)
