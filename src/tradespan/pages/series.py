"""Declarations of the series that instruments count in: kinds 3 and 4 of FORMAT.md."""

from __future__ import annotations

from typing import Final

import msgspec

NUMBER: Final = 3
"""The kind of a block that declares a `NumberSeries`."""
HISTOGRAM: Final = 4
"""The kind of a block that declares a `HistogramSeries`."""
EXEMPLAR_CELLS = 6
"""Sequence, value, time, span id, and two for the trace id."""
MOST_INSTRUMENT_SERIES = 20_000
"""Numbers, and as many histograms, in one process; each instrument has a lower cap of its own."""


class NumberSeries(msgspec.Struct, frozen=True):
    """The declaration of one label set of a counter, an up-down counter or a gauge."""

    name: str
    instrument: str
    unit: str = ""
    description: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    scope: tuple[str, str, str] = ("", "", "")


class HistogramSeries(msgspec.Struct, frozen=True):
    """The declaration of one label set of a histogram."""

    name: str
    instrument: str = "histogram"
    unit: str = ""
    description: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    scope: tuple[str, str, str] = ("", "", "")
    bounds: tuple[float, ...] = ()
