"""A mapped call with its facts, and what a signal of `[[map]]` tables feeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tradespan.declare.attributes import ATTRIBUTES
from tradespan.declare.instruments import Instrument as Declaration
from tradespan.signals.events.types import EventType
from tradespan.signals.sets.switch import Sets

VENUE, SYMBOL, CURRENCY = "trading.venue", "trading.symbol", "trading.currency"
STRATEGY, DECISION = "trading.strategy", "trading.decision.id"

Facts = dict[str, Any]


class Call(NamedTuple):
    """A mapped call, as far as it has come."""

    facts: Facts
    seconds: float | None
    """How long it took; None: it has only begun."""
    error: Exception | None
    mode: str
    ago: float = 0.0
    """So many seconds before it is told."""

    def word(self, name: str) -> str:
        """A fact as a label's value: in lower case where the conventions have that word."""
        value = self.facts.get(name)
        if value is None:
            return ""
        text = value if type(value) is str else str(value)
        lower = text.lower()
        known = ATTRIBUTES.get(name)
        return lower if known is not None and lower in known.members else text

    def number(self, name: str) -> float | None:
        """A fact as a number; None where it is none."""
        value = self.facts.get(name)
        try:
            return None if value is None else float(value)
        except (TypeError, ValueError):
            return None

    def time(self) -> int | None:
        """Its event time, nanoseconds UTC; None without one."""
        happened = self.facts.get("trading.event_time")
        return happened if type(happened) is int else None

    def past(self) -> int | None:
        """The event time of what goes before an order: in a backtest only.

        A decision is given its tick's time, as a rule; how long it took the clock knows.
        """
        return self.time() if self.mode == "backtest" else None

    def known(self, names: Mapping[str, str]) -> dict[str, str]:
        """Facts by a verb's own names; what the call does not have is not there."""
        facts, word = self.facts, self.word
        return {names[name]: word(name) for name in facts if name in names}


class Feeds(NamedTuple):
    """What one signal feeds."""

    counts: Callable[[Sets, Call], EventType | bool | None] | None = None
    """Counts a call; may say which event it is instead of `event`, and by False that it is none: it
    was told before.
    """
    event: EventType | None = None
    started: EventType | None = None
    """Published when the call begins, beside `event`."""
    after: Callable[[Sets, Call], None] | None = None
    """Counts what is known at the end of a call that returned."""
    early: bool = True
    """Whether it is told before the body runs, where all facts are there."""
    failed: bool = False
    """Whether a call that raised counts, where it is told at the end."""
    failed_event: bool = False
    """Whether it is an event as well then."""
    required: tuple[str, ...] = ()
    """Facts without which nothing is told."""
    instruments: tuple[Declaration, ...] = ()
    """That a call may feed."""
