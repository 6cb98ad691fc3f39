"""Instruments of a test's own, in both ways of the hot path."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from tests.unit.native.ways import way
from tests.unit.pages.builders import Writer
from tradespan.pages.metrics import MetricPage
from tradespan.signals.metrics.registry import InstrumentRegistry
from tradespan.signals.slot import SignalSlot

__all__ = ["way"]


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
