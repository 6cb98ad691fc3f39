"""Sets with instruments of a test's own, and clocks that stand still."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.signals.metrics.conftest import Run
from tests.unit.signals.metrics.reading import Read, read_run
from tradespan.core import guard
from tradespan.signals.metrics.registry import InstrumentRegistry
from tradespan.signals.sets.switch import Sets
from tradespan.signals.slot import SignalSlot


class Watches:
    """Both clocks of a test."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def monotonic(self) -> float:
        return self.seconds


class Observing:
    """Who would call tasks every few seconds."""

    def __init__(self) -> None:
        self.tasks: list[Any] = []

    def add(self, task: Any) -> None:
        self.tasks.append(task)


class Values:
    """What is told in a metric page."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, name: str) -> dict[tuple[str, ...], Any]:
        """Label values that are not empty, in the order of the labels' names → value; of a
        histogram (count, sum).
        """
        return {
            tuple(text for _, text in sorted(each.labels.items()) if text): _value_of(each)
            for each in read_run(self._folder)
            if each.name == name and (each.declaration["instrument"] != "gauge" or each.set_at)
        }

    def __contains__(self, name: str) -> bool:
        return bool(self.of(name))


def _value_of(each: Read) -> Any:
    return each.value if each.kind == 3 else (sum(each.buckets), each.parts[0])


@pytest.fixture
def registry(tmp_path: Path) -> InstrumentRegistry:
    signals = SignalSlot()
    run = Run(tmp_path, signals)
    made = InstrumentRegistry(signals)
    made.run = run  # type: ignore[attr-defined] # lives as long
    return made


@pytest.fixture
def values(tmp_path: Path) -> Values:
    return Values(tmp_path)


@pytest.fixture
def watches() -> Watches:
    return Watches()


@pytest.fixture
def observing() -> Observing:
    return Observing()


@pytest.fixture
def sets(registry: InstrumentRegistry, watches: Watches, observing: Observing) -> Sets:
    return Sets(registry.from_declaration, watches.monotonic, observing)


@pytest.fixture(autouse=True)
def strict() -> Iterator[None]:
    """What goes wrong in a verb fails the test, unless it lets it pass."""
    before = guard.raise_errors(strict=True)
    yield
    guard.raise_errors(before)
