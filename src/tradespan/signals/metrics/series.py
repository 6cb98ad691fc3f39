"""One label set of an instrument: its text, its cells, and what those ask for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Any, Final

from opentelemetry.trace import get_current_span

from tradespan.core import guard
from tradespan.core.interruptions import is_hosts
from tradespan.declare.names import TRADESPAN_EXEMPLAR
from tradespan.pages.metrics import (
    HISTOGRAM_EXTRA_CELLS,
    NUMBER_CELLS,
    HistogramSeries,
    Labels,
    MetricPage,
    NumberSeries,
)
from tradespan.pages.numbers import HistogramCells, NumberCell

MOST_VALUE: Final = 256
"""Characters of a label's value; a longer one is cut."""

SeriesFacts = NumberSeries | HistogramSeries
"""What a page is told of a series."""

_logger = logging.getLogger("tradespan")


def text_of(value: object) -> str:
    """A label's value as text, never longer than `MOST_VALUE`. Never raises.

    None is empty, a bool `true` or `false`, a member of an enumeration its value.
    """
    text = value if type(value) is str else _convert(value)
    if len(text) > MOST_VALUE:
        text = f"{text[: MOST_VALUE - 1]}…"
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def is_plain(value: object) -> bool:
    """Whether whatever equals a value has the same text: 1 and True are equal, and have not."""
    if type(value) is str:
        return True
    return isinstance(value, Enum) and (
        isinstance(value, str) or type(value).__eq__ is object.__eq__
    )


def _convert(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return _convert(value.value)
    try:
        return str.__str__(value) if isinstance(value, str) else str(value)
    except Exception as error:
        if is_hosts(error):
            raise
        return f"<{type(value).__name__}>"


class Series:
    """A label set that counts."""

    __slots__ = ("_declaration", "_other", "cells", "labels", "page")

    def __init__(
        self,
        cells: NumberCell | HistogramCells,
        labels: Labels,
        declaration: SeriesFacts,
        other: SeriesFacts,
    ) -> None:
        """`other`: declares the series that counts where the page has no place for this one."""
        self.cells = cells
        self.labels = labels
        self.page: MetricPage | None = None
        """Where the cells are; None: in memory, where nobody sees them."""
        self._declaration = declaration
        self._other = other

    def place(self, page: MetricPage) -> None:
        """Count there from now on: what was counted in memory goes along.

        What was counted in another page stays there: that was another run.

        Raises:
            OSError: There is no space. It counts on in memory.
        """
        if self.page is page:
            return
        declaration, other = self._declaration, self._other
        try:
            if isinstance(declaration, NumberSeries) and isinstance(other, NumberSeries):
                memory = page.number(declaration, other)
            else:
                assert isinstance(declaration, HistogramSeries)
                assert isinstance(other, HistogramSeries)
                memory = page.histogram(declaration, other)
        except OSError:
            if self.page is not None:
                self.begin_anew(waits=False)
            raise
        if self.page is None:
            self.cells.move(memory)
        else:
            self.cells.restart(memory)
        self.page = page

    def rename(self, declaration: SeriesFacts, other: SeriesFacts) -> None:
        """Be declared otherwise. What was counted in a page stays there; the rest is in memory, and
        counts from zero until the next place.
        """
        self._declaration, self._other = declaration, other
        if self.page is not None:
            self.page = None
            self.cells.restart(self._fresh())

    def leave(self) -> None:
        """The run is over: count on in memory. What it told stays as it is."""
        if self.page is not None:
            self.cells.move(self._fresh())

    def begin_anew(self, waits: bool) -> None:
        """In a forked child, or a next run without space: count from zero, in memory at first."""
        self.page = None
        self.cells.restart(self._fresh(), waits)

    def _fresh(self) -> memoryview:
        told = self._declaration
        cells = NUMBER_CELLS
        if isinstance(told, HistogramSeries):
            cells = len(told.bounds) + HISTOGRAM_EXTRA_CELLS
        return memoryview(bytearray(8 * cells))


class SeriesOwner:
    """What the cells of one instrument ask for."""

    __slots__ = (
        "_count_refused",
        "_name",
        "_place",
        "_place_homeless",
        "_told",
        "find_series",
        "reduce",
    )

    reduce: Callable[[object], tuple[Any, ...]]
    """Set by the instrument: what a copy of its cells is made by."""
    find_series: Callable[[object], Series | None]
    """Likewise: whose cells they are."""

    def __init__(
        self,
        name: str,
        count_refused: Callable[[str], object],
        place: Callable[[Series], None],
        place_homeless: Callable[[], None],
    ) -> None:
        """`count_refused`: called with the name; `place`: gives a series its place;
        `place_homeless`: gives it to all that found no space, if there is some by now.
        """
        self._name = name
        self._count_refused = count_refused
        self._told = False
        self._place = place
        self._place_homeless = place_homeless

    def place(self, cells: object, /) -> None:
        """See `CellOwner`."""
        with guard.guarded("a forked child's metrics"):
            series = self.find_series(cells)
            if series is not None:
                self._place(series)

    def to_number(self, value: object, /) -> float | None:
        """See `CellOwner`: what has `__float__` or `__index__` is a number, text is none."""
        kind = type(value)
        if kind is int or hasattr(kind, "__float__") or hasattr(kind, "__index__"):
            try:
                return float(value)  # type: ignore[arg-type]
            except Exception as error:
                if is_hosts(error):
                    raise
        self.refuse(value)
        return None

    def refuse(self, value: object, /) -> None:
        """Count it; the instrument's first one is told on the log."""
        self.refuse_call(f"{_show(value)} is no value for it")

    def refuse_call(self, why: str) -> None:
        """Likewise, with another reason."""
        with guard.guarded("counting what an instrument refuses"):
            self._count_refused(self._name)
        if not self._told:
            self._told = True
            with suppress(Exception):  # a log handler of the host's
                _logger.warning(
                    "%s: %s; it is not counted (later ones neither, and not told)", self._name, why
                )

    def find_span(self) -> tuple[bytes, int] | None:
        """Trace id and span id of the current span, if it is sampled; it is marked to be kept."""
        try:
            self._place_homeless()  # here because counting passes by now and then
            span = get_current_span()
            context = span.get_span_context()
            if not (context.is_valid and context.trace_flags.sampled and span.is_recording()):
                return None
            span.set_attribute(TRADESPAN_EXEMPLAR, True)
            return context.trace_id.to_bytes(16, "big"), context.span_id
        except Exception as error:  # noqa: BLE001 - the host comes first
            guard.report("an exemplar's span", error)
            return None


def _show(value: object) -> str:
    """What was refused, for people. A value may be secret, or large, or raise."""
    return str(value) if type(value) in {float, bool} else f"a {type(value).__name__}"
