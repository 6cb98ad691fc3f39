"""Where the calls of watched functions are counted: cells in this process's metric page."""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident
from typing import Any

from tradespan.core import guard
from tradespan.instrument.plan import Plan
from tradespan.pages.durations import DurationCells, make_cells
from tradespan.pages.metrics import (
    DURATION_BOUNDS,
    EXTRA_CELLS,
    MOST_SERIES,
    FunctionSeries,
    MetricPage,
)


class FunctionMeters:
    """The cells of each function, made at its first call; for one process generation."""

    def __init__(self, page: MetricPage | None) -> None:
        """`page`: None counts nothing that is told."""
        self.page = page
        self._counts: dict[tuple[int, int | None, float | None], memoryview] = {}
        """What the cells hold; of those without a place of their own, the first one's."""
        self._others: memoryview | None = None
        self.on_made: Callable[[], None] | None = None
        """Told of each function that is called first, if anybody wants its counts; then it is
        counted in any case, in memory where there is no page."""
        self._cells: dict[tuple[int, int | None, float | None], DurationCells | None] = {}
        """By what makes a series of its own: a function decorated anew in each call has one."""
        self._making: set[int] = set()
        """Threads that make cells. What they call may be watched, too: that goes uncounted."""

    def look_up(self, plan: Plan) -> tuple[DurationCells | None, bool]:
        """A function's cells, None if its calls are not counted; and whether that is settled."""
        if not plan.metrics:
            return None, True
        try:
            return self._cells[plan.series], True
        except KeyError:
            pass
        thread = get_ident()
        if thread in self._making:
            return None, False
        self._making.add(thread)
        try:
            made = self._make(plan)
        finally:
            self._making.discard(thread)
        return self._cells.setdefault(plan.series, made), True

    def cells_of(self, plan: Plan) -> DurationCells | None:
        """A function's cells; None if a call of it is not to be counted now."""
        return self.look_up(plan)[0]

    def counts_of(self, series: Any) -> tuple[memoryview, int] | None:
        """What a function's cells hold, as `DurationCells` lays them out, and how many functions
        share them; None if it has not been called. `series`: its plan's.
        """
        counts = self._counts.get(series)
        if counts is None:
            return None
        return counts, len(self._counts) - MOST_SERIES if counts is self._others else 1

    def _make(self, plan: Plan) -> DurationCells | None:
        size = len(DURATION_BOUNDS) + EXTRA_CELLS
        if self.page is None and self.on_made is None:
            return None
        with guard.guarded("metrics of a function"):
            if self.page is None:
                cells = memoryview(bytearray(8 * size)).cast("q")
            else:
                cells = self.page.function(series_of(plan), size)
            if self.page is not None and len(self._counts) >= MOST_SERIES:
                self._others = self._others or cells
            self._counts[plan.series] = self._others or cells
            if self.on_made is not None:
                self.on_made()
            return make_cells(cells, DURATION_BOUNDS)
        return None


def series_of(plan: Plan) -> FunctionSeries:
    """What the metric page says of a function."""
    attributes = () if plan.name == plan.function else (("code.function.name", plan.function),)
    objective = plan.objective
    return FunctionSeries(
        plan.name,
        plan.group,
        attributes,
        target=None if objective is None else objective.success,
        latency=plan.latency,
    )
