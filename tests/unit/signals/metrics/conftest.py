"""Instruments of a test's own, in both ways of the hot path."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support.fakes import SteppingClock
from tests.unit.native.ways import way
from tests.unit.pages.builders import Writer
from tradespan.pages.metrics import MetricPage
from tradespan.signals.metrics.callbacks import Observer
from tradespan.signals.metrics.named import MetricsRegistry
from tradespan.signals.metrics.registry import InstrumentRegistry
from tradespan.signals.slot import SignalSlot

__all__ = ["way"]

PATIENCE = 30.0
"""Seconds."""


class Run:
    """A configured process: its metric page, and who writes it."""

    def __init__(self, folder: Path, signals: SignalSlot) -> None:
        self.writer = Writer(folder)
        self.page = MetricPage(self.writer)
        self.folder = folder
        signals.fill(cast("Any", self.writer), self.page)


@pytest.fixture
def signals() -> SignalSlot:
    return SignalSlot()


@pytest.fixture
def registry(signals: SignalSlot, way: str) -> InstrumentRegistry:
    return InstrumentRegistry(signals)


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@pytest.fixture
def observer(registry: InstrumentRegistry) -> Iterator[Observer]:
    made = Observer(registry)
    yield made
    made.end(PATIENCE)


@pytest.fixture
def metrics(
    registry: InstrumentRegistry, observer: Observer, clock: SteppingClock
) -> MetricsRegistry:
    return MetricsRegistry(registry=registry, observer=observer, clock=clock)


@pytest.fixture
def run(tmp_path: Path, signals: SignalSlot) -> Run:
    return Run(tmp_path, signals)
