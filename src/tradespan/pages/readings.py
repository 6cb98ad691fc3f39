"""Metric pages as others read them, beside a live process or after its death.

A page may be torn, cut, foreign or hostile: what cannot be read is told in words, the rest counts.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec

from tradespan.core.process import is_alive
from tradespan.pages.locks import read_with_lock
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
    IN_MEMORY,
    MAGIC,
    OVERFLOW,
    U32,
    VERSION,
    Folded,
    FunctionSeries,
)

MOST_BYTES = 16 * 1024 * 1024
"""Of one file that are read."""

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


class PageFacts(NamedTuple):
    """Whose counts a page holds."""

    writer: str
    """32 hex digits: the process generation."""
    process_id: int
    created: int
    """Nanoseconds, UTC: when its counts were zero."""
    alive: bool
    """Whether the process that counts there runs."""


@dataclass(frozen=True, slots=True)
class FunctionReading:
    """One function in one process."""

    series: FunctionSeries
    counts: Counts
    page: PageFacts


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


class _NotReadableError(ValueError):
    """Says why."""


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
    except _NotReadableError as error:
        return MetricReading(path, problems=(f"{path}: {error}",))
    functions: list[FunctionReading] = []
    folded: tuple[str, ...] = ()
    problems: list[str] = []
    if end > len(data):
        problems.append(f"{path}: the file is cut at byte {len(data)} of {end}")
    for block in _walk(data, begin, min(end, len(data))):
        if isinstance(block, str):
            problems.append(f"{path}: {block}")
            continue
        try:
            if block.kind == FUNCTION:
                functions.append(FunctionReading(*_read_function(block), facts))
            elif block.kind == FOLDED:
                folded += _decode_folded(block.payload).writers
        except (_NotReadableError, msgspec.DecodeError) as error:
            problems.append(f"{path}: byte {block.start}: {error}")
    words = memoryview(data)[CHECKED:HEADER_SIZE].cast("Q")
    return MetricReading(
        path,
        facts,
        tuple(functions),
        words[OVERFLOW],
        words[IN_MEMORY],
        tuple(problems),
        folded,
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
        raise _NotReadableError("it is no metric page")
    if U32.unpack_from(data, CHECKED - 4)[0] != zlib.crc32(data[: CHECKED - 4]):
        raise _NotReadableError("the header's checksum does not match")
    _, version, begin, _, process, _, start, created, writer = HEADER.unpack_from(data)
    if version > VERSION:
        raise _NotReadableError(f"its format version is {version}; this tradespan knows {VERSION}")
    end = memoryview(data)[CHECKED:HEADER_SIZE].cast("Q")[END]
    alive = is_alive(process, start) if locked is None else locked
    return PageFacts(writer.hex(), process, created, alive), begin, end


class _Block(NamedTuple):
    kind: int
    start: int
    payload: bytes
    cells: tuple[int, ...]
    """As whole numbers with a sign; kinds that hold others read the bytes anew."""


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
            words = memoryview(data)[first : start + size].cast("q")
            yield _Block(kind, start, payload, tuple(words))
        else:
            yield f"the declaration at byte {start} is damaged"
        start += size


def _read_function(block: _Block) -> tuple[FunctionSeries, Counts]:
    try:
        series = _decode(block.payload)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _NotReadableError(f"the declaration cannot be read: {error}") from error
    buckets = len(series.bounds) + 1
    if len(block.cells) < buckets + EXTRA_CELLS - 1:
        raise _NotReadableError(f"{len(block.cells)} cells are too few for {buckets} buckets")
    if any(bound <= before for before, bound in pairwise((0, *series.bounds))):
        raise _NotReadableError("the bounds do not rise")
    counts = Counts(block.cells[:buckets], *block.cells[buckets : buckets + EXTRA_CELLS - 1])
    if min(*counts.buckets, *counts[1:]) < 0:
        raise _NotReadableError("a count is negative")
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
