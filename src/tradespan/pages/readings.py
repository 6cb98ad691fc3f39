"""Metric pages as others read them, beside a live process or after its death.

A page may be torn, cut, foreign or hostile: what cannot be read is told in words, the rest counts.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from tradespan.core.process import is_alive
from tradespan.pages.locks import read_with_lock
from tradespan.pages.measured import (
    HistogramReading,
    NotReadableError,
    NumberReading,
    PageFacts,
    read_histogram,
    read_number,
)
from tradespan.pages.metrics import (
    BLOCK,
    BLOCK_HEADER_SIZE,
    CHECKED,
    END,
    EXTRA_CELLS,
    FOLDED,
    FUNCTION,
    HEADER,
    HEADER_SIZE,
    HISTOGRAM,
    IN_MEMORY,
    MAGIC,
    NUMBER,
    OVERFLOW,
    U32,
    VERSION,
    Folded,
    FunctionSeries,
)

MOST_BYTES = 16 * 1024 * 1024
"""Of one file that are read."""

MOST_PROBLEMS = 100
"""Sentences about one file."""
_LOOKS = 5
"""At a folder whose files come and go."""

_decode = msgspec.msgpack.Decoder(FunctionSeries).decode
_decode_folded = msgspec.msgpack.Decoder(Folded).decode


class Counts(NamedTuple):
    """The cells of a function."""

    buckets: tuple[int, ...]
    """Calls, by the first bound that their duration is not above; the last: above all."""
    total: int
    """Nanoseconds of all calls together."""
    errors: int
    good: int

    @property
    def calls(self) -> int:
        return sum(self.buckets)

    def __add__(self, other: object) -> Counts:
        if not isinstance(other, Counts):
            return NotImplemented
        buckets = tuple(map(sum, zip(self.buckets, other.buckets, strict=True)))
        return Counts(
            buckets, self.total + other.total, self.errors + other.errors, self.good + other.good
        )


@dataclass(frozen=True, slots=True)
class FunctionReading:
    """One function in one process."""

    series: FunctionSeries
    counts: Counts
    page: PageFacts
    place: int = 0
    """Byte of its cells in its file: later ones are of a later series."""


@dataclass(frozen=True, slots=True)
class MetricReading:
    """What one file of a page holds."""

    path: Path
    page: PageFacts | None = None
    """None: nothing of it could be read."""
    functions: tuple[FunctionReading, ...] = ()
    overflow: int = 0
    """How often a series was asked for that found no place, and was folded into `(other)`."""
    in_memory: int = 0
    """Series that this process counts in memory only."""
    problems: tuple[str, ...] = ()
    """Sentences about what could not be read."""
    folded: tuple[str, ...] = ()
    """Writers whose counts are in here, so that their own pages do not count."""
    numbers: tuple[NumberReading, ...] = ()
    histograms: tuple[HistogramReading, ...] = ()
    end: int = 0
    """Byte behind the last block."""


def read_metric_page(path: Path) -> MetricReading:
    """Read a file of a metric page, as far as it can be read.

    Raises:
        FileNotFoundError: It is not there any more.
    """
    try:
        data, locked = read_with_lock(path, MOST_BYTES)
        facts, begin, end = _read_header(data, locked)
    except FileNotFoundError:
        raise
    except OSError as error:
        return MetricReading(path, problems=(f"{path}: {error.strerror or error}",))
    except NotReadableError as error:
        return MetricReading(path, problems=(f"{path}: {error}",))
    found = _Found(path, facts)
    if end > len(data):
        found.problems.append(f"{path}: the file is cut at byte {len(data)} of {end}")
    for block in _walk(data, begin, min(end, len(data))):
        found.add(block)
    words = memoryview(data)[CHECKED:HEADER_SIZE].cast("Q")
    return _settle(
        MetricReading(
            path,
            facts,
            tuple(found.functions),
            words[OVERFLOW],
            words[IN_MEMORY],
            tuple(found.problems),
            found.folded,
            tuple(found.numbers),
            tuple(found.histograms),
            min(end, len(data)),
        )
    )


class _Found:
    """What the blocks of one file give."""

    def __init__(self, path: Path, facts: PageFacts) -> None:
        self.functions: list[FunctionReading] = []
        self.numbers: list[NumberReading] = []
        self.histograms: list[HistogramReading] = []
        self.folded: tuple[str, ...] = ()
        self.problems: list[str] = []
        self._path = path
        self._facts = facts

    def add(self, block: _Block | str) -> None:
        """A block, or what is wrong with it."""
        if isinstance(block, str):
            self._complain(block)
            return
        try:
            self._read(block)
        except (NotReadableError, msgspec.DecodeError) as error:
            self._complain(f"byte {block.start}: {error}")

    def _read(self, block: _Block) -> None:
        facts, place = self._facts, block.first
        if block.kind == FUNCTION:
            self.functions.append(FunctionReading(*_read_function(block), facts, place))
        elif block.kind == FOLDED:
            self.folded += _decode_folded(block.payload).writers
        elif block.kind == NUMBER:
            self.numbers.append(read_number(block.payload, block.raw, facts, place))
        elif block.kind == HISTOGRAM:
            self.histograms.append(read_histogram(block.payload, block.raw, facts, place))

    def _complain(self, sentence: str) -> None:
        # Each of a hostile file's blocks may be wrong.
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(f"{self._path}: {sentence}")


R = TypeVar("R", NumberReading, HistogramReading)


def _settle(reading: MetricReading) -> MetricReading:
    """The same without exemplars that were being written while they were read.

    Whoever writes makes the sequence odd before and even behind; the file is one copy, so that the
    sequence is looked at again, in a second one.
    """
    seen = [each.exemplar for each in reading.numbers]
    seen += [each.exemplar for each in reading.histograms]
    if not any(seen):
        return reading
    try:
        again = read_with_lock(reading.path, MOST_BYTES)[0]
    except OSError:
        again = b""

    def settle(each: R) -> R:
        seen = each.exemplar
        if seen is None or again[seen.place : seen.place + 8] == seen.sequence.to_bytes(
            8, "little"
        ):
            return each
        return replace(each, exemplar=None)

    return replace(
        reading,
        numbers=tuple(map(settle, reading.numbers)),
        histograms=tuple(map(settle, reading.histograms)),
    )


def read_metric_pages(list_files: Callable[[], Iterable[Path]]) -> list[MetricReading]:
    """The pages of a folder whose files are listed anew if one has gone meanwhile.

    Each count is in it once: what was folded into another page is taken from there.
    """
    readings: list[MetricReading] = []
    for _ in range(_LOOKS):
        readings = []
        try:
            for path in list_files():
                readings.append(read_metric_page(path))
        except FileNotFoundError:
            continue
        break
    folded = {writer for reading in readings for writer in reading.folded}
    return [each for each in readings if each.page is None or each.page.writer not in folded]


def _read_header(data: bytes, locked: bool | None) -> tuple[PageFacts, int, int]:
    """Whose page it is, and where its blocks begin and end."""
    if len(data) < HEADER_SIZE or not data.startswith(MAGIC):
        raise NotReadableError("it is no metric page")
    if U32.unpack_from(data, CHECKED - 4)[0] != zlib.crc32(data[: CHECKED - 4]):
        raise NotReadableError("the header's checksum does not match")
    _, version, begin, _, process, _, start, created, writer = HEADER.unpack_from(data)
    if version > VERSION:
        raise NotReadableError(f"its format version is {version}; this tradespan knows {VERSION}")
    end = memoryview(data)[CHECKED:HEADER_SIZE].cast("Q")[END]
    alive = is_alive(process, start) if locked is None else locked
    return PageFacts(writer.hex(), process, created, alive), begin, end


class _Block(NamedTuple):
    kind: int
    start: int
    payload: bytes
    cells: tuple[int, ...]
    """Of a function: whole numbers with a sign."""
    raw: memoryview
    first: int
    """Byte of the cells in the file."""


def _walk(data: bytes, start: int, end: int) -> Iterator[_Block | str]:
    """The blocks of a file. A sentence where one is damaged: where the next begins is unknown."""
    while start < end:
        head = data[start : min(start + BLOCK_HEADER_SIZE, end)]
        if len(head) < BLOCK_HEADER_SIZE or U32.unpack_from(head, BLOCK_HEADER_SIZE - 4)[
            0
        ] != zlib.crc32(head[:-4]):
            yield f"from byte {start} on it is damaged"
            return
        size, kind, _, cells, length, checksum, _ = BLOCK.unpack(head)
        payload = data[start + BLOCK_HEADER_SIZE : start + BLOCK_HEADER_SIZE + length]
        first = start + size - 8 * cells
        if start + size > end or first < start + BLOCK_HEADER_SIZE + length or size & 7:
            yield f"from byte {start} on it is damaged"
            return
        if zlib.crc32(payload) == checksum:
            raw = memoryview(data)[first : start + size]
            words = tuple(raw.cast("q")) if kind == FUNCTION else ()
            yield _Block(kind, start, payload, words, raw, first)
        else:
            yield f"the declaration at byte {start} is damaged"
        start += size


def _read_function(block: _Block) -> tuple[FunctionSeries, Counts]:
    try:
        series = _decode(block.payload)
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotReadableError(f"the declaration cannot be read: {error}") from error
    buckets = len(series.bounds) + 1
    if len(block.cells) < buckets + EXTRA_CELLS - 1:
        raise NotReadableError(f"{len(block.cells)} cells are too few for {buckets} buckets")
    if any(bound <= before for before, bound in pairwise((0, *series.bounds))):
        raise NotReadableError("the bounds do not rise")
    counts = Counts(block.cells[:buckets], *block.cells[buckets : buckets + EXTRA_CELLS - 1])
    if min(*counts.buckets, *counts[1:]) < 0:
        raise NotReadableError("a count is negative")
    return series, counts


@dataclass(frozen=True, slots=True)
class FunctionTotal:
    """One function over all processes that count it."""

    series: FunctionSeries
    counts: Counts
    running: tuple[FunctionReading, ...]
    """Those of processes that run."""

    @property
    def share_failed(self) -> float | None:
        """Errors of all calls, 0 to 1; None without calls."""
        return self.counts.errors / self.counts.calls if self.counts.calls else None

    @property
    def share_good(self) -> float | None:
        """Of all calls, those that met the objective; None without calls or an objective."""
        if self.series.target is None or not self.counts.calls:
            return None
        return self.counts.good / self.counts.calls

    @property
    def met(self) -> bool | None:
        """Whether the objective is met; None where that cannot be said."""
        share, target = self.share_good, self.series.target
        return None if share is None or target is None else share >= target

    def quantile(self, share: float) -> float | None:
        """The duration that this share of calls, 0 to 1, did not exceed; None without calls.

        Nanoseconds. Interpolated: calls count as spread evenly over their bucket. Above the last
        bound it is infinite.

        Source: Prometheus, `histogram_quantile`.
        """
        calls = self.counts.calls
        if not calls:
            return None
        rank = share * calls
        below = 0
        for count, (lower, upper) in zip(
            self.counts.buckets, pairwise((0, *self.series.bounds)), strict=False
        ):
            if count and below + count >= rank:
                return lower + (upper - lower) * (rank - below) / count
            below += count
        return float("inf")


def merge(readings: Iterable[FunctionReading]) -> list[FunctionTotal]:
    """Add up the processes that count the same series, by its declaration."""
    groups: dict[FunctionSeries, list[FunctionReading]] = {}
    for reading in readings:
        groups.setdefault(reading.series, []).append(reading)
    totals = []
    for series, group in groups.items():
        counts = group[0].counts
        for reading in group[1:]:
            counts += reading.counts
        running = tuple(reading for reading in group if reading.page.alive)
        totals.append(FunctionTotal(series, counts, running))
    return totals
