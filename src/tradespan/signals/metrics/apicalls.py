"""What code that counts by OpenTelemetry's API holds. No call of it raises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context, attach, detach
from opentelemetry.metrics import Counter as ApiCounter
from opentelemetry.metrics import Histogram as ApiHistogram
from opentelemetry.metrics import ObservableCounter as ApiObservableCounter
from opentelemetry.metrics import ObservableGauge as ApiObservableGauge
from opentelemetry.metrics import ObservableUpDownCounter as ApiObservableUpDownCounter
from opentelemetry.metrics import Synchronous
from opentelemetry.metrics import UpDownCounter as ApiUpDownCounter

from tradespan.core import guard
from tradespan.signals.metrics.learnt import (
    Learnt,
    LearntCounter,
    LearntGauge,
    LearntHistogram,
    LearntUpDownCounter,
)

Attributes = Mapping[str, Any] | None


class _Adding:
    """What counts by adding."""

    def __init__(self, held: LearntCounter | LearntUpDownCounter) -> None:
        self._held = held

    def add(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        """Add. What is not finite, and in a counter what is negative, is refused and counted.

        `context`: whose span an exemplar points to; the current one if left out.
        """
        try:
            if context is None:
                self._held.child(attributes).add(amount)
            else:
                _in_context(context, self._held.child(attributes).add, amount)
        except Exception as error:  # noqa: BLE001 - the host comes first
            _report(self._held, error)


class Counter(_Adding, ApiCounter):
    """Counts what happens."""


class UpDownCounter(_Adding, ApiUpDownCounter):
    """Counts what there is."""


class Gauge(Synchronous):
    """Holds what was measured last. The API's own class has no public name."""

    def __init__(self, held: LearntGauge) -> None:
        self._held = held

    def set(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        """It is this now. See `Counter.add`."""
        try:
            if context is None:
                self._held.child(attributes).set(amount)
            else:
                _in_context(context, self._held.child(attributes).set, amount)
        except Exception as error:  # noqa: BLE001 - the host comes first
            _report(self._held, error)


class Histogram(ApiHistogram):
    """Counts values by their size."""

    def __init__(self, held: LearntHistogram) -> None:
        self._held = held

    def record(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        """Count a value. A negative one is refused, as the specification has it. See `Counter.add`.

        `tradespan.histogram` takes negative values.
        """
        try:
            number = amount if type(amount) is float else self._held.owner.to_number(amount)
            if number is None:
                return
            if number < 0.0:
                self._held.owner.refuse_call(
                    "a histogram of OpenTelemetry's takes no negative value"
                )
            elif context is None:
                self._held.child(attributes).record(number)
            else:
                _in_context(context, self._held.child(attributes).record, number)
        except Exception as error:  # noqa: BLE001 - the host comes first
            _report(self._held, error)


class ObservableCounter(ApiObservableCounter):
    """A count that callbacks tell."""

    def __init__(self, held: Learnt[Any]) -> None:
        super().__init__(held.name, None, held.unit, held.description)


class ObservableUpDownCounter(ApiObservableUpDownCounter):
    """Likewise, of what there is."""

    def __init__(self, held: Learnt[Any]) -> None:
        super().__init__(held.name, None, held.unit, held.description)


class ObservableGauge(ApiObservableGauge):
    """What callbacks measure."""

    def __init__(self, held: Learnt[Any]) -> None:
        super().__init__(held.name, None, held.unit, held.description)


def _in_context(context: Context, count: Any, amount: float) -> None:
    token = attach(context)
    try:
        count(amount)
    finally:
        detach(token)


def _report(held: Learnt[Any], error: Exception) -> None:
    guard.report(f"counting in {held.name}", error)
