"""Counts of processes that are gone, added up in one page.

A server whose workers come and go leaves a page each; without this they would fill the disk. Only
one process a root does it, the agent.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import msgspec

from tradespan.pages.measured import (
    HistogramReading,
    NumberReading,
    PageFacts,
    merge_histograms,
    merge_numbers,
)
from tradespan.pages.metrics import (
    CHECKED,
    EXEMPLAR_CELLS,
    FOLDED,
    FUNCTION,
    HEADER_SIZE,
    HISTOGRAM,
    HISTOGRAM_EXTRA_CELLS,
    MOST_INSTRUMENT_SERIES,
    MOST_SERIES,
    NUMBER,
    NUMBER_CELLS,
    OTHER,
    Folded,
    FunctionSeries,
    HistogramSeries,
    NumberSeries,
    metric_file_name,
    pack_block,
    pack_header,
)
from tradespan.pages.numbers import OVERFLOW_LABELS
from tradespan.pages.readings import (
    FunctionReading,
    FunctionTotal,
    MetricReading,
    merge,
    read_metric_pages,
)

MOST_DEAD = 32
"""Pages of processes that are gone; above that they are folded."""
_WRITER = bytes(16)
"""Nobody's: the page they are folded into."""

S = TypeVar("S", NumberSeries, HistogramSeries)
_encode = msgspec.msgpack.Encoder().encode


def fold_dead_pages(
    folder: Path,
    list_files: Callable[[], Iterable[Path]],
    most: int = MOST_DEAD,
    may_fold: Callable[[str], bool] = lambda writer: True,
) -> int:
    """Fold the pages of a folder's dead processes if there are more than `most`.

    The counts are whole at any moment: the new page names those that it holds before they are
    deleted. A page that cannot be read whole is left alone. Returns how many were folded.

    Counters and histograms are added up. Gauges and up-down counters are not: what they told was
    so while their process lived. `may_fold`: whether nobody needs a writer's own page any more, for
    its last reading; a folded page is of no process, and nothing of it is exported.

    Raises:
        OSError: The new page cannot be written; nothing has changed.
    """
    readings = read_metric_pages(list_files)
    nobodys = _WRITER.hex()
    left_alone = {r.page.writer for r in readings if r.page and _is_left_alone(r, may_fold)}
    dead = [r for r in readings if r.page is not None and r.page.writer not in left_alone]
    writers = sorted({r.page.writer for r in dead if r.page} - {nobodys})
    _delete(folder, readings, list_files)
    if len(writers) <= most or nobodys in left_alone:
        return 0
    path = folder / metric_file_name(_WRITER, 1)
    unnamed = path.with_name(f".{path.name}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(unnamed, flags, 0o600), "wb") as file:
            file.write(_pack(dead, writers))
        os.replace(unnamed, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(unnamed)
        raise
    for reading in dead:
        if reading.path != path:
            reading.path.unlink(missing_ok=True)
    return len(writers)


def _is_left_alone(reading: MetricReading, may_fold: Callable[[str], bool]) -> bool:
    page = reading.page
    if page is None or page.alive or reading.problems:
        return True
    return page.writer != _WRITER.hex() and not may_fold(page.writer)


def _delete(
    folder: Path, readings: list[MetricReading], list_files: Callable[[], Iterable[Path]]
) -> None:
    """What an earlier folding had named and not deleted, when it was killed."""
    folded = {writer for reading in readings for writer in reading.folded}
    for path in list_files():
        if path.name.partition(".")[0] in folded:
            path.unlink(missing_ok=True)


def _pack(dead: list[MetricReading], writers: list[str]) -> bytes:
    """A page with the sum of others."""
    created = min(reading.page.created for reading in dead if reading.page)
    totals = _bounded(merge(function for reading in dead for function in reading.functions))
    blocks = [pack_block(FOLDED, _encode(Folded(tuple(writers))), 0)]
    for total in totals:
        counts = total.counts
        cells = (*counts.buckets, counts.total, counts.errors, counts.good)
        block = pack_block(FUNCTION, _encode(total.series), len(cells))
        blocks.append(block + b"".join(cell.to_bytes(8, "little") for cell in cells))
    blocks += _pack_measured(dead)
    body = b"".join(blocks)
    words = [
        HEADER_SIZE + len(body),
        sum(reading.overflow for reading in dead),
        sum(reading.in_memory for reading in dead),
    ]
    header = pack_header(_WRITER, 1, 0, 0, created)
    header += b"".join(word.to_bytes(8, "little") for word in words)
    return header + bytes(HEADER_SIZE - CHECKED - 8 * len(words)) + body


def _pack_measured(dead: list[MetricReading]) -> list[bytes]:
    """The sums of counters and histograms; none has an exemplar, which was of a living one."""
    counters = [
        each for reading in dead for each in reading.numbers if each.series.instrument == "counter"
    ]
    blocks = [
        pack_block(NUMBER, _encode(each.series), NUMBER_CELLS)
        + struct.pack("<dQ", each.value, 0)
        + bytes(8 * EXEMPLAR_CELLS)
        for each in _cap_numbers(merge_numbers(counters))
    ]
    histograms = merge_histograms(each for reading in dead for each in reading.histograms)
    for each in _cap_histograms(histograms):
        cells = len(each.series.bounds) + HISTOGRAM_EXTRA_CELLS
        blocks.append(
            pack_block(HISTOGRAM, _encode(each.series), cells)
            + struct.pack(f"<{len(each.counts)}Q", *each.counts)
            + struct.pack("<3d", each.sum, each.min, each.max)
            + bytes(8 * EXEMPLAR_CELLS)
        )
    return blocks


def _cap_numbers(readings: list[NumberReading]) -> list[NumberReading]:
    """As many series as one process may have; the rest of each instrument in one."""
    rest = readings[MOST_INSTRUMENT_SERIES:]
    folded = [replace(each, series=_overflowed(each.series)) for each in rest]
    return merge_numbers([*readings[:MOST_INSTRUMENT_SERIES], *folded])


def _cap_histograms(readings: list[HistogramReading]) -> list[HistogramReading]:
    rest = readings[MOST_INSTRUMENT_SERIES:]
    folded = [replace(each, series=_overflowed(each.series)) for each in rest]
    return merge_histograms([*readings[:MOST_INSTRUMENT_SERIES], *folded])


def _overflowed(series: S) -> S:
    """Where the rest of an instrument counts."""
    return msgspec.structs.replace(series, labels=OVERFLOW_LABELS)


def _bounded(totals: list[FunctionTotal]) -> list[FunctionTotal]:
    """As many series as one process may have, those with the fewest calls folded into `OTHER`."""
    if len(totals) <= MOST_SERIES:
        return totals
    ranked = sorted(totals, key=lambda total: (total.series.name != OTHER, -total.counts.calls))
    page = PageFacts(_WRITER.hex(), 0, 0, alive=False)
    rest = [
        FunctionReading(FunctionSeries(OTHER, bounds=total.series.bounds), total.counts, page)
        for total in ranked[MOST_SERIES:]
    ]
    kept = [FunctionReading(each.series, each.counts, page) for each in ranked[:MOST_SERIES]]
    return merge([*kept, *rest])
