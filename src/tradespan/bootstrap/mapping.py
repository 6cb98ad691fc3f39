"""What mapped calls mean, and the sets of instruments: switched on and off with the process."""

from __future__ import annotations

from tradespan.config import Config
from tradespan.core import guard
from tradespan.instrument.meaning import LISTENER
from tradespan.signals.events.bus import events
from tradespan.signals.sets.mapped import Meanings, near_signal
from tradespan.signals.sets.switch import sets

_FIGURES = {"portfolio", "performance", "risk"}
"""Sets and signals for whose sake books are kept."""


def begin(config: Config) -> None:
    """Switch on the sets that the settings name, and listen to mapped calls."""
    with guard.guarded("sets"):
        sets(*config.sets)
        if any(rule.signal.startswith("order.") for rule in config.map):
            _ = sets.journeys  # now, and not in the first order's call; it takes over open ones
    for rule in config.map:
        if near := near_signal(rule.signal):
            guard.logger.warning(
                "[[map]] signal = %s feeds no instrument and no event; did you mean %s?",
                rule.signal,
                near,
            )
    if _FIGURES & {*config.sets, *(rule.signal for rule in config.map)}:
        try:
            sets.keep_books(config.figures)
        except (ImportError, ValueError) as error:
            guard.logger.warning("no figures of portfolio, performance and risk: %s", error)
    with guard.guarded("mapped calls"):
        LISTENER.listener = Meanings(sets, events, config.mode) if config.map else None


def end() -> None:
    """Listen no more."""
    LISTENER.listener = None
    sets.end()
