"""What the bus counts of itself."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from tradespan.declare.instruments import (
    TRADESPAN_EVENTS_DROPPED,
    TRADESPAN_EVENTS_DURATION,
    TRADESPAN_EVENTS_FAILURES,
    TRADESPAN_EVENTS_PUBLISHED,
    TRADESPAN_EVENTS_SLOW,
)
from tradespan.signals.metrics.instruments import BoundCounter, BoundHistogram
from tradespan.signals.metrics.registry import from_declaration

_PUBLISHED: Final = from_declaration(TRADESPAN_EVENTS_PUBLISHED)
_DURATION: Final = from_declaration(TRADESPAN_EVENTS_DURATION)
_FAILURES: Final = from_declaration(TRADESPAN_EVENTS_FAILURES)
_SLOW: Final = from_declaration(TRADESPAN_EVENTS_SLOW)
_DROPPED: Final = from_declaration(TRADESPAN_EVENTS_DROPPED)
_MOST_KEPT: Final = 1_000
_published: dict[str, Any] = {}


class SubscriberMeters(NamedTuple):
    """One subscriber's instruments."""

    duration: BoundHistogram
    failures: BoundCounter
    slow: BoundCounter
    dropped: BoundCounter


def for_subscriber(name: str) -> SubscriberMeters:
    """The instruments of the subscriber of this name, born at 0."""
    instruments = (_DURATION, _FAILURES, _SLOW, _DROPPED)
    return SubscriberMeters(*(each.declare(name) for each in instruments))


def count_published(name: str) -> None:
    """An event of this name was published."""
    bound = _published.get(name)
    if bound is None:
        bound = _PUBLISHED.labels(name)
        if len(_published) < _MOST_KEPT:
            _published[name] = bound
    bound.add(1)
