"""Pages of a process generation that exists in a test only."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.fakes import SteppingClock
from tradespan.core.clock import Clock
from tradespan.pages.durations import PureDurationCells
from tradespan.pages.locks import LockKeeper
from tradespan.pages.metrics import DURATION_BOUNDS, EXTRA_CELLS, FunctionSeries, MetricPage
from tradespan.pages.readings import FunctionTotal, MetricReading, merge, read_metric_pages
from tradespan.spool.folder import RunFolder

CELLS = len(DURATION_BOUNDS) + EXTRA_CELLS
MICROSECOND = 1_000
MILLISECOND = 1_000_000

DECIDE = FunctionSeries("bot.strategy.decide", "strategy")
CHECK = FunctionSeries("bot.risk.check", "risk", target=0.9, latency=10 * MILLISECOND)


@dataclass(eq=False)
class Writer:
    """What a page asks of its process generation."""

    folder: Path
    identity: bytes = field(default_factory=lambda: os.urandom(16))
    process_start: int = 0
    clock: Clock = field(default_factory=SteppingClock)
    locks: LockKeeper = field(default_factory=LockKeeper)

    @property
    def path(self) -> Path:
        return self.folder / f"{self.identity.hex()}.metrics"


def cells_of(page: MetricPage, series: FunctionSeries) -> PureDurationCells:
    """What a watched function counts in."""
    return PureDurationCells(page.function(series, CELLS), series.bounds)


def count(page: MetricPage, series: FunctionSeries, *durations: int, errors: int = 0) -> None:
    """Calls of these durations in ns, of which so many failed and the others were good."""
    cells = cells_of(page, series)
    for duration in durations:
        cells.record(duration)
    for _ in range(errors):
        cells.fail()
    for _ in range(len(durations) - errors):
        cells.good()


def leave_dead(folder: Path, series: FunctionSeries, *durations: int) -> Path:
    """A page whose process is gone."""
    writer = Writer(folder)
    page = MetricPage(writer)
    count(page, series, *durations)
    page.close()
    writer.locks.abandon()
    return writer.path


def read_folder(folder: Path) -> list[MetricReading]:
    return read_metric_pages(RunFolder(folder).metric_pages)


def totals_of(folder: Path) -> dict[str, FunctionTotal]:
    """Name → total, over all pages of a folder."""
    functions = (each for reading in read_folder(folder) for each in reading.functions)
    return {total.series.name: total for total in merge(functions)}


def calls_in(folder: Path) -> dict[str, int]:
    return {name: total.counts.calls for name, total in totals_of(folder).items()}


def problems_in(folder: Path) -> list[str]:
    return [problem for reading in read_folder(folder) for problem in reading.problems]
