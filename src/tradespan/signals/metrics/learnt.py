"""Instruments whose labels are learnt: each call brings its own, as OpenTelemetry's API has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from tradespan.signals.metrics.instruments import (
    MOST_CACHED,
    BoundCounter,
    BoundGauge,
    BoundHistogram,
    BoundUpDownCounter,
    Instrument,
)
from tradespan.signals.metrics.series import OVERFLOW_LABEL, text_of

Child = TypeVar("Child")
_EXACT = frozenset({str, int, bool})
"""Types whose values have one text each."""


class Learnt(Instrument[Child]):
    """An instrument without an allow-list of labels; it has the same cap of label sets."""

    _calls = ()

    def labels(self, *values: object, **named: object) -> Child:
        """The child of a label set.

        Raises:
            TypeError: A value has no name.
        """
        if values:
            raise TypeError(f"{self.name} learns its labels: each value needs a name")
        return self.child(named)

    def child(self, attributes: Mapping[str, Any] | None = None) -> Child:
        """The child of a set of attributes, whose values become text; an empty one is left out.

        Raises:
            Exception: `attributes` are no mapping, or it raised it.
        """
        key = tuple(attributes.items()) if attributes else ()
        try:
            return self._cache[key]
        except Exception:  # noqa: BLE001 - not there, or a value that cannot be hashed
            return self._learn(key)

    def pairs(self, texts: tuple[str, ...] | None) -> tuple[tuple[str, str], ...]:
        """The labels of a series, sorted by key."""
        if texts is None:
            return ((OVERFLOW_LABEL, "true"),)
        return tuple(zip(texts[::2], texts[1::2], strict=True))

    def _learn(self, key: tuple[Any, ...]) -> Child:
        types = [type(each) for pair in key for each in pair]
        cached: tuple[Any, ...] | None = None
        if all(each is str for each in types):
            cached = key
        elif _EXACT.issuperset(types):
            # 1 and True are equal, and their texts are not.
            cached = (key, *types)
            if cached in self._cache:
                return self._cache[cached]
        texts = _read(key)
        series = self.children.get(texts)
        if series is None or series.page is None:
            series = self._make(self, texts)
        child = cast("Child", series.cells)
        if cached is not None and len(self._cache) < MOST_CACHED and texts in self.children:
            self._cache[cached] = child
        return child


def _read(key: tuple[Any, ...]) -> tuple[str, ...]:
    """Names and values in turn, sorted by name: what a series is known by."""
    labels = {text_of(name): text_of(value) for name, value in key}
    return tuple(
        text for name in sorted(labels) if name and labels[name] for text in (name, labels[name])
    )


class LearntCounter(Learnt[BoundCounter]):
    """Counts what happens; it only rises."""

    kind = "counter"


class LearntUpDownCounter(Learnt[BoundUpDownCounter]):
    """Counts what there is."""

    kind = "up_down_counter"


class LearntGauge(Learnt[BoundGauge]):
    """Holds what was measured last."""

    kind = "gauge"


class LearntHistogram(Learnt[BoundHistogram]):
    """Counts values by their size."""

    kind = "histogram"


class ObservedCounter(Learnt[BoundGauge]):
    """A count that somebody else keeps: it is set, and exported as a counter."""

    kind = "counter"
    observed = True


class ObservedUpDownCounter(Learnt[BoundGauge]):
    """Likewise, of what there is."""

    kind = "up_down_counter"
    observed = True


class ObservedGauge(Learnt[BoundGauge]):
    """What a callback measures."""

    kind = "gauge"
    observed = True
