"""What mapped calls feed: the signal that a `[[map]]` table names, as instruments and events.

Where all facts of a signal are arguments it is told before the body runs, so that what the body
leads to comes later; else when the call has returned.
"""

from __future__ import annotations

import difflib
from typing import Any, Final

from tradespan.core import guard
from tradespan.declare import instruments as declared
from tradespan.declare.attributes import ATTRIBUTES
from tradespan.declare.events import EVENTS
from tradespan.signals.events.bus import EventBus
from tradespan.signals.events.types import Event, EventType
from tradespan.signals.metrics.instruments import BoundCounter, Counter
from tradespan.signals.metrics.registry import REGISTRY, InstrumentRegistry
from tradespan.signals.sets.calls import Call, Feeds
from tradespan.signals.sets.feeding import FEEDS
from tradespan.signals.sets.switch import Sets

Facts = dict[str, Any]
_NOT_GIVEN: Final = "no field of the table gives it"


class Meanings:
    """Gives each mapped function its meaning (`instrument/meaning.py` has the protocol)."""

    def __init__(
        self, sets: Sets, bus: EventBus, mode: str, registry: InstrumentRegistry = REGISTRY
    ) -> None:
        """`mode`: `live`, `paper` or `backtest`."""
        self.sets = sets
        self.bus = bus
        self.mode = mode
        self.calls: Counter = registry.from_declaration(declared.TRADESPAN_MAP_CALLS)  # type: ignore[assignment]
        self._missing: Counter = registry.from_declaration(declared.TRADESPAN_MAP_MISSING)  # type: ignore[assignment]

    def __call__(
        self, signal: str, function: str, *, late: bool = False, events: bool = True
    ) -> Meaning:
        """What the calls of a function mean.

        `late`: some of its facts come from the result. `events`: whether they are events.
        """
        feeds = feeds_of(signal)
        if feeds is not None and not events:
            feeds = feeds._replace(event=None, started=None)
        return Meaning(self, feeds, function, signal, late)

    def note_missing(self, function: str, signal: str, attribute: str, problem: str) -> None:
        """A call did not give a field."""
        self._missing.labels(function, signal, attribute, problem).add()


class Meaning:
    """What one function's calls mean."""

    def __init__(
        self,
        meanings: Meanings,
        feeds: Feeds | None,
        function: str,
        signal: str,
        late: bool,
    ) -> None:
        self._meanings = meanings
        self._function = function
        self._signal = signal
        self._calls: BoundCounter = meanings.calls.declare(function, signal)
        self._feeds = feeds
        self._early = feeds is not None and feeds.early and not late
        self._started = Publisher(feeds.started) if feeds is not None and feeds.started else None
        self._event = Publisher(feeds.event) if feeds is not None and feeds.event else None
        self._others: dict[EventType, Publisher] = {}

    def begins(self, facts: Facts) -> None:
        """A call begins."""
        self._calls.add()
        if self._started is not None:
            self._started.publish(self._meanings.bus, facts, self._function)
        if self._early:
            self._tell(facts, None, None)

    def ended(self, facts: Facts, seconds: float, error: Exception | None) -> None:
        """A call ended."""
        feeds = self._feeds
        if feeds is None:
            return
        if not self._early and (error is None or feeds.failed):
            self._tell(facts, seconds, error)
        if feeds.after is not None and error is None:
            with guard.guarded(f"map: {self._function}"):
                call = Call(facts, seconds, error, self._meanings.mode)
                feeds.after(self._meanings.sets, call)

    def missed(self, attribute: str, problem: str) -> None:
        """A call did not give a field."""
        self._meanings.note_missing(self._function, self._signal, attribute, problem)

    def _tell(self, facts: Facts, seconds: float | None, error: Exception | None) -> None:
        feeds, meanings = self._feeds, self._meanings
        assert feeds is not None
        for attribute in feeds.required:
            if attribute not in facts:
                self.missed(attribute, _NOT_GIVEN)
                return
        call = Call(facts, seconds, error, meanings.mode)
        event = self._event
        if feeds.counts is not None:
            with guard.guarded(f"map: {self._function}"):
                chosen = feeds.counts(meanings.sets, call)
                if chosen is False:
                    event = None
                elif isinstance(chosen, EventType) and event is not None:
                    event = self._others.setdefault(chosen, Publisher(chosen))
        if event is not None and (error is None or feeds.failed_event):
            event.publish(meanings.bus, call.facts, self._function)


def near_signal(signal: str) -> str | None:
    """What may be meant by a signal that feeds nothing; None: a user's own, as far as seen."""
    if feeds_of(signal) is not None:
        return None
    known = [*FEEDS, *(name.removeprefix("trading.") for name in EVENTS)]
    return next(iter(difflib.get_close_matches(signal, known, n=1, cutoff=0.8)), None)


def feeds_of(signal: str) -> Feeds | None:
    """What a signal feeds; None: neither instruments nor events know it."""
    found = FEEDS.get(signal)
    if found is None and f"trading.{signal}" in EVENTS:
        return Feeds(event=EventType(f"trading.{signal}"))
    return found


class Publisher:
    """Publishes one type of event, its data by the short names that subscribers know."""

    def __init__(self, event_type: EventType) -> None:
        self._type = event_type
        event = EVENTS[event_type.value]
        self._severity = event.severity
        self._names: dict[str, str] = {}
        for field in event.fields:
            if field.factor == 1.0:
                self._names.setdefault(field.name, field.short)
        self._allowed = frozenset(event.attributes)

    def publish(self, bus: EventBus, facts: Facts, source: str) -> None:
        """What the conventions know, and the event does not have, is left to the span."""
        names, allowed = self._names, self._allowed
        data = {
            names.get(key, key): value
            for key, value in facts.items()
            if key in allowed or key not in ATTRIBUTES
        }
        bus.publish(Event(self._type, data=data, source=source, severity=self._severity))
