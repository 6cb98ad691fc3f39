"""Hooks with a set, a bus and a spool of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.captured import Captured, CapturedSpan, capture
from tests.unit.signals.sets.conftest import Values, observing, registry, sets, values, watches
from tradespan.core import guard
from tradespan.signals.events.bus import EventBus
from tradespan.signals.events.types import Event
from tradespan.signals.hooks.hooks import EngineHooks
from tradespan.signals.hooks.outlets import Outlets
from tradespan.signals.sets.switch import Sets
from tradespan.signals.slot import SIGNALS, SignalSlot

__all__ = ["observing", "registry", "sets", "values", "watches"]


class Ticking:
    """A clock on which each look takes half a second."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        self.now += 500_000_000
        return self.now


class Desk:
    """An engine's hooks, and what came of them."""

    def __init__(self, sets: Sets, values: Values, captured: Captured | None) -> None:
        self.bus = EventBus()
        self.values = values
        self._captured = captured
        slot = SignalSlot() if captured is None else SIGNALS
        tracers: Any = None if captured is None else captured.provider.get_tracer
        self.outlets = Outlets(slot, sets, self.bus, Ticking(), tracers)
        self.hooks = EngineHooks(self.outlets)
        if captured is not None:
            sets.journeys.flow.bus = self.bus

    @property
    def events(self) -> list[Event]:
        return self.bus.get_recent(1_000)

    @property
    def told(self) -> list[tuple[str, dict[str, Any]]]:
        """Name and data of each event, in their order."""
        return [(event.name, event.data) for event in self.events]

    @property
    def spans(self) -> list[CapturedSpan]:
        assert self._captured is not None
        return self._captured.spans


@pytest.fixture
def desk(sets: Sets, values: Values, tmp_path: Path) -> Iterator[Desk]:
    """Configured; what goes wrong in a hook fails the test."""
    with capture(tmp_path / "spool") as captured:
        yield Desk(sets, values, captured)


@pytest.fixture
def asleep(sets: Sets, values: Values) -> Iterator[Desk]:
    """Not configured."""
    before = guard.raise_errors(strict=True)
    yield Desk(sets, values, None)
    guard.raise_errors(before)
