"""Where the calls of watched functions are counted: cells in this process's metric page."""

from __future__ import annotations

from tradespan.core import guard
from tradespan.instrument.plan import Plan
from tradespan.pages.durations import DurationCells, make_cells
from tradespan.pages.metrics import DURATION_BOUNDS, EXTRA_CELLS, FunctionSeries, MetricPage


class FunctionMeters:
    """The cells of each function, made at its first call; for one process generation."""

    def __init__(self, page: MetricPage | None) -> None:
        """`page`: None counts nothing."""
        self.page = page
        self._cells: dict[Plan, DurationCells | None] = {}

    def cells_of(self, plan: Plan) -> DurationCells | None:
        """A function's cells; None if its calls are not counted."""
        try:
            return self._cells[plan]
        except KeyError:
            return self._cells.setdefault(plan, self._make(plan))

    def _make(self, plan: Plan) -> DurationCells | None:
        if self.page is None or not plan.metrics:
            return None
        with guard.guarded("metrics of a function"):
            cells = self.page.function(series_of(plan), len(DURATION_BOUNDS) + EXTRA_CELLS)
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
