"""A label set's series as it is made: its cells in memory, and how it is declared in a page."""

from __future__ import annotations

from typing import Any, Final

from tradespan.pages import numbers
from tradespan.pages.metrics import (
    HISTOGRAM_EXTRA_CELLS,
    NUMBER_CELLS,
    HistogramSeries,
    NumberSeries,
)
from tradespan.pages.numbers import OVERFLOW_LABELS
from tradespan.signals.metrics.instruments import Instrument
from tradespan.signals.metrics.othernames import OtherName
from tradespan.signals.metrics.series import Series, SeriesFacts

MOST_DESCRIPTION: Final = 1_024
"""Characters that are told; each series has them."""

_NUMBERS = {
    "counter": numbers.COUNTER,
    "up_down_counter": numbers.UP_DOWN,
    "gauge": numbers.GAUGE,
}


def build_series(
    instrument: Instrument[Any], texts: tuple[str, ...] | None, other: OtherName | None
) -> Series:
    """With cells in memory, all zero."""
    memory, owner = _memory(instrument), instrument.owner
    cells: numbers.NumberCell | numbers.HistogramCells
    if instrument.kind == "histogram":
        cells = numbers.make_histogram_cells(owner, memory, instrument.facts.bounds)
    else:
        kind = numbers.GAUGE if instrument.observed else _NUMBERS[instrument.kind]
        cells = numbers.make_number_cell(owner, memory, kind)
    return Series(cells, instrument.pairs(texts), *declare_series(instrument, texts, other))


def declare_series(
    instrument: Instrument[Any], texts: tuple[str, ...] | None, other: OtherName | None
) -> tuple[SeriesFacts, SeriesFacts]:
    """How a series is declared, and the one for the rest."""
    facts = instrument.facts
    name, labels = facts.name, instrument.pairs(texts)
    renamed = None if other is None else other.rename(() if texts is None else labels)
    if other is not None and texts is None:
        name = other.name
    elif other is not None and renamed is not None:
        name, labels = other.name, renamed
    said = (name, instrument.kind, facts.unit, facts.description[:MOST_DESCRIPTION])
    if instrument.kind == "histogram":
        return (
            HistogramSeries(*said, labels, facts.scope, facts.bounds),
            HistogramSeries(*said, OVERFLOW_LABELS, facts.scope, facts.bounds),
        )
    return NumberSeries(*said, labels, facts.scope), NumberSeries(
        *said, OVERFLOW_LABELS, facts.scope
    )


def _memory(instrument: Instrument[Any]) -> memoryview:
    bounds = instrument.facts.bounds
    histogram = instrument.kind == "histogram"
    cells = len(bounds) + HISTOGRAM_EXTRA_CELLS if histogram else NUMBER_CELLS
    return memoryview(bytearray(8 * cells))
