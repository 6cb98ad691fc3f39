"""Instruments whose labels are learnt: each call brings its own, as OpenTelemetry's API has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from tradespan.core import guard
from tradespan.core.interruptions import is_hosts
from tradespan.pages.metrics import Labels
from tradespan.pages.numbers import OVERFLOW_LABELS
from tradespan.signals.metrics.arguments import Facts
from tradespan.signals.metrics.instruments import (
    MOST_CACHED,
    BoundCounter,
    BoundGauge,
    BoundHistogram,
    BoundUpDownCounter,
    Instrument,
)
from tradespan.signals.metrics.registry import REGISTRY
from tradespan.signals.metrics.series import text_of

Child = TypeVar("Child")
_EXACT = frozenset({str, int, bool})
"""Types whose values have one text each."""


class Learnt(Instrument[Child]):
    """An instrument without an allow-list of labels; it has the same cap of label sets."""

    learns = True
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
        except (KeyError, TypeError):  # not there, or a value that cannot be hashed
            return self._learn(key)
        except Exception as error:
            if is_hosts(error):
                raise
            return self._learn(key)  # a value of the user's whose hash fails

    def find(self, attributes: Mapping[str, Any] | None = None) -> Child | None:
        """The child of a set of attributes, if there is one. Never raises for what it is given."""
        try:
            series = self.children.get(_read(tuple(attributes.items()) if attributes else ()))
        except Exception as error:  # noqa: BLE001 - the host comes first
            guard.report(f"looking for labels of {self.name}", error)
            return None
        return None if series is None else cast("Child", series.cells)

    def pairs_of(self, attributes: Mapping[str, Any] | None = None) -> Labels:
        """Attributes as labels: text, sorted by key. Never raises for what it is given."""
        try:
            return self.pairs(_read(tuple(attributes.items()) if attributes else ()))
        except Exception as error:  # noqa: BLE001 - the host comes first
            guard.report(f"reading labels of {self.name}", error)
            return ()

    def pairs(self, texts: tuple[str, ...] | None) -> tuple[tuple[str, str], ...]:
        """The labels of a series, sorted by key."""
        if texts is None:
            return OVERFLOW_LABELS
        return tuple(zip(texts[::2], texts[1::2], strict=True))

    def __reduce__(self) -> tuple[Any, ...]:
        return restore, (type(self), self.facts, self.key)

    def _reduce_child(self, cells: object) -> tuple[Any, ...]:
        found = [texts for texts, each in list(self.children.items()) if each.cells is cells]
        return restore, (type(self), self.facts, self.key, *found)

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


def restore(
    kind: type[Learnt[Any]],
    facts: Facts,
    key: tuple[Any, ...],
    *children: tuple[str, ...] | None,
) -> Any:
    """The instrument of this process that is the same as another's, or its child."""
    found = REGISTRY.get(kind, facts, key)
    if not children:
        return found
    (texts,) = children
    return REGISTRY.make_series(found, texts).cells


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
