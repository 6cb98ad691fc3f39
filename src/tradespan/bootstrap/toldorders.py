"""Orders that instrumentors of libraries tell of: joined to journeys, which load with the first."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from tradespan.config import Config
from tradespan.instrument.orders_told import LISTENER, Listener


class _Late:
    """Journeys are many instruments: a program that sends no order does not load them."""

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._listener: Listener | None = None

    def __call__(self, signal: str, facts: Mapping[str, Any], ago: float) -> None:
        if self._listener is None:
            told = import_module("tradespan.signals.sets.told")
            sets = import_module("tradespan.signals.sets.switch").sets
            events = import_module("tradespan.signals.events.bus").events
            self._listener = told.ToldOrders(sets, events, self._mode)
        self._listener(signal, facts, ago)


def begin(config: Config) -> None:
    """Listen, unless a `[[map]]` table says itself what the program's orders are."""
    maps_orders = any(rule.signal.startswith("order.") for rule in config.map)
    LISTENER.listener = None if maps_orders else _Late(config.mode)


def end() -> None:
    """Listen no more."""
    LISTENER.listener = None
