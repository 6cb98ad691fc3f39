"""Pages with counters, gauges and histograms, byte by byte as FORMAT.md has them."""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from tests.unit.pages.builders import Writer
from tradespan.pages.metrics import (
    EXEMPLAR_CELLS,
    HISTOGRAM,
    NUMBER,
    HistogramSeries,
    MetricPage,
    NumberSeries,
)

TRADES = NumberSeries("trading.trades", "counter", "{trade}", "Trades.", (("venue", "X"),))
VALUE = NumberSeries("trading.portfolio.value", "gauge", "{currency}")
OPEN = NumberSeries("trading.connections", "up_down_counter", "{connection}")
LATENCY = HistogramSeries("trading.order.latency", unit="s", bounds=(0.1, 0.5, 1.0))


class Page:
    """What a process counts: values by series, stored as a bot's cells are."""

    def __init__(self, folder: Path, writer: Writer | None = None) -> None:
        self.writer = writer or Writer(folder)
        self.page = MetricPage(self.writer)

    @property
    def name(self) -> str:
        return self.writer.identity.hex()

    def number(self, series: NumberSeries, value: float, set_at: int = 0) -> memoryview:
        """Store a value; returns the cells."""
        cells = self.page.series(NUMBER, series, 2 + EXEMPLAR_CELLS, series)
        struct.pack_into("<dQ", cells, 0, value, set_at)
        return cells

    def add(self, series: NumberSeries, value: float = 1.0) -> None:
        cells = self.page.series(NUMBER, series, 2 + EXEMPLAR_CELLS, series)
        (before,) = struct.unpack_from("<d", cells)
        struct.pack_into("<d", cells, 0, before + value)

    def histogram(self, series: HistogramSeries, values: Iterable[float]) -> memoryview:
        """Record values; returns the cells."""
        measured = list(values)
        buckets = len(series.bounds) + 1
        cells = self.page.series(HISTOGRAM, series, buckets + 3 + EXEMPLAR_CELLS, series)
        counts = [0] * buckets
        for value in measured:
            counts[bisect_left(series.bounds, value)] += 1
        struct.pack_into(f"<{buckets}Q", cells, 0, *counts)
        spread = sum(measured), min(measured, default=0.0), max(measured, default=0.0)
        struct.pack_into("<3d", cells, 8 * buckets, *spread)
        return cells

    def die(self) -> None:
        """The process is gone; its files are as they were."""
        self.page.close()
        self.writer.locks.abandon()


def put_exemplar(
    cells: memoryview, value: float, time: int, *, sequence: int = 2, span: int = 0xABC
) -> None:
    """As the last six cells of a series."""
    first = len(cells) - 8 * EXEMPLAR_CELLS
    struct.pack_into("<QdQQ16s", cells, first, sequence, value, time, span, b"t" * 16)


def declare(series: Any, **changed: Any) -> Any:
    """The same series with other facts."""
    return msgspec.structs.replace(series, **changed)
