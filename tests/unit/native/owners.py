"""Cells of instruments for tests, and what stands for their instrument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tradespan.pages.numbers import (
    COUNTER,
    HistogramCells,
    NumberCell,
    make_histogram_cells,
    make_number_cell,
)
from tradespan.signals.metrics.series import SeriesOwner

BOUNDS = (1.0, 2.0, 5.0)


class Owner(SeriesOwner):
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.refused = 0
        self.looks = 0
        self.placed = 0
        self.span: tuple[bytes, int] | None = None
        self.on_place: Callable[[], Any] = lambda: None
        super().__init__("test", lambda _: self._refuse(), lambda _: None, lambda: None)

    def _refuse(self) -> None:
        self.refused += 1

    def place(self, cells: object, /) -> None:
        self.placed += 1
        self.on_place()

    def find_span(self) -> tuple[bytes, int] | None:
        self.looks += 1
        return self.span


def memory(cells: int = 8) -> memoryview:
    return memoryview(bytearray(8 * cells))


def number(kind: int = COUNTER) -> tuple[NumberCell, memoryview, Owner]:
    held, owner = memory(), Owner()
    return make_number_cell(owner, held, kind), held, owner


def histogram() -> tuple[HistogramCells, memoryview, Owner]:
    held, owner = memory(13), Owner()
    return make_histogram_cells(owner, held, BOUNDS), held, owner
