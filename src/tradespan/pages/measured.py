"""What the blocks of instruments hold: numbers and histograms, as others read them.

A cell is whole, two cells of a block may be of different moments. What cannot be true (a counter
below zero, bounds that do not rise, a label twice) is refused in words: it is no reading.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple, TypeVar

import msgspec

from tradespan.pages.metrics import (
    HISTOGRAM_EXTRA_CELLS,
    NUMBER_CELLS,
    HistogramSeries,
    NumberSeries,
)

NUMBERS = ("counter", "up_down_counter", "gauge")
_MOST = 1 << 62
"""Of a count, and of all counts together: OTLP has 64 bits for them."""
_TIMES_END = 1 << 63

_decode_number = msgspec.msgpack.Decoder(NumberSeries).decode
_decode_histogram = msgspec.msgpack.Decoder(HistogramSeries).decode
_unpack_number = struct.Struct("<dQ").unpack_from
_unpack_exemplar = struct.Struct("<QdQQ16s").unpack_from

S = TypeVar("S", NumberSeries, HistogramSeries)


class NotReadableError(ValueError):
    """Says why."""


class PageFacts(NamedTuple):
    """Whose counts a page holds."""

    writer: str
    """32 hex digits: the process generation."""
    process_id: int
    created: int
    """Nanoseconds, UTC: when its counts were zero."""
    alive: bool
    """Whether the process that counts there runs."""


class CellExemplar(NamedTuple):
    """The last measurement of a series that was made in a sampled span."""

    sequence: int
    value: float
    time: int
    """Nanoseconds, UTC."""
    span_id: int
    trace_id: bytes
    """16 bytes."""
    place: int = 0
    """Byte of its sequence in the file."""


@dataclass(frozen=True, slots=True)
class NumberReading:
    """A counter, an up-down counter or a gauge in one process."""

    series: NumberSeries
    value: float
    set_at: int
    """Nanoseconds, UTC, of a gauge's latest `set`; 0: never set, so that it has no value."""
    page: PageFacts
    exemplar: CellExemplar | None = None
    place: int = 0
    """Byte of its cells in its file: later ones are of a later series."""

    @property
    def has_value(self) -> bool:
        """Whether there is anything to tell."""
        return self.series.instrument != "gauge" or self.set_at > 0


@dataclass(frozen=True, slots=True)
class HistogramReading:
    """A histogram in one process."""

    series: HistogramSeries
    counts: tuple[int, ...]
    """One a bound, and one above the last."""
    sum: float
    min: float
    max: float
    """Both mean nothing while all counts are 0."""
    page: PageFacts
    exemplar: CellExemplar | None = None
    place: int = 0

    @property
    def count(self) -> int:
        """Measurements."""
        return sum(self.counts)


def read_number(payload: bytes, cells: memoryview, page: PageFacts, place: int) -> NumberReading:
    """A block of kind 3, whose cells begin at the file's byte `place`.

    Raises:
        NotReadableError: It holds something else.
    """
    series = _declared(_decode_number, payload)
    if len(cells) < 8 * NUMBER_CELLS:
        raise NotReadableError(f"{len(cells) // 8} cells are too few for a number")
    value, set_at = _unpack_number(cells)
    if not math.isfinite(value) or (value < 0 and series.instrument == "counter"):
        raise NotReadableError(f"the {series.instrument} {series.name!r} cannot be {value}")
    exemplar = _exemplar(cells, 16, place)
    return NumberReading(series, value, min(set_at, _TIMES_END), page, exemplar, place)


def read_histogram(
    payload: bytes, cells: memoryview, page: PageFacts, place: int
) -> HistogramReading:
    """A block of kind 4, whose cells begin at the file's byte `place`.

    Raises:
        NotReadableError: It holds something else.
    """
    series = _declared(_decode_histogram, payload)
    buckets = len(series.bounds) + 1
    if len(cells) < 8 * (len(series.bounds) + HISTOGRAM_EXTRA_CELLS):
        raise NotReadableError(f"{len(cells) // 8} cells are too few for {buckets} buckets")
    if not all(map(math.isfinite, series.bounds)) or any(
        bound <= before for before, bound in pairwise(series.bounds)
    ):
        raise NotReadableError("the bounds do not rise")
    counts = struct.unpack_from(f"<{buckets}Q", cells)
    total, least, most = struct.unpack_from("<3d", cells, 8 * buckets)
    if sum(counts) > _MOST or not math.isfinite(total):
        raise NotReadableError(f"the histogram {series.name!r} cannot have these counts")
    exemplar = _exemplar(cells, 8 * (buckets + 3), place)
    return HistogramReading(series, counts, total, least, most, page, exemplar, place)


def _declared(decode: Callable[[bytes], S], payload: bytes) -> S:
    try:
        series = decode(payload)
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotReadableError(f"the declaration cannot be read: {error}") from error
    numbers = isinstance(series, NumberSeries)
    if series.instrument not in (NUMBERS if numbers else ("histogram",)):
        raise NotReadableError(f"{series.instrument!r} is no instrument of this kind")
    keys = [key for key, _ in series.labels]
    if not series.name or "" in keys or len(set(keys)) < len(keys):
        raise NotReadableError(f"{series.name!r} is named or labelled as nothing can be")
    return series


def _exemplar(cells: memoryview, start: int, place: int) -> CellExemplar | None:
    """None: there is none, or it is being written."""
    sequence, value, time, span_id, trace_id = _unpack_exemplar(cells, start)
    whole = sequence and sequence % 2 == 0 and math.isfinite(value)
    if not whole or not span_id or not any(trace_id) or not 0 < time < _TIMES_END:
        return None
    return CellExemplar(sequence, value, time, span_id, trace_id, place + start)


# ── of several processes ────────────────────────────────────────────────────────────────────────


def merge_numbers(readings: Iterable[NumberReading]) -> list[NumberReading]:
    """One reading a declaration: sums; of gauges the one that was set last."""
    merged: dict[NumberSeries, NumberReading] = {}
    for each in readings:
        known = merged.get(each.series)
        if known is None:
            merged[each.series] = each
        elif each.series.instrument == "gauge":
            merged[each.series] = max(known, each, key=lambda reading: reading.set_at)
        else:
            merged[each.series] = replace(known, value=known.value + each.value)
    return list(merged.values())


def merge_histograms(readings: Iterable[HistogramReading]) -> list[HistogramReading]:
    """One reading a declaration, with all counts."""
    merged: dict[HistogramSeries, HistogramReading] = {}
    for each in readings:
        known = merged.get(each.series)
        if known is None or not known.count:
            merged[each.series] = each
        elif each.count:
            merged[each.series] = replace(
                known,
                counts=tuple(map(sum, zip(known.counts, each.counts, strict=True))),
                sum=known.sum + each.sum,
                min=min(known.min, each.min),
                max=max(known.max, each.max),
            )
    return list(merged.values())
