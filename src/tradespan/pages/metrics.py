"""Cells of metric series in mapped files: what is counted there survives the process's death.

One page a process generation: `<writer>.metrics`, and further files as it grows; FORMAT.md has the
bytes. Making a series may block and fail; counting in its cells is a store into memory.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import msgspec

from tradespan.core import guard
from tradespan.core.clock import Clock
from tradespan.core.forks import after_fork_in_child
from tradespan.declare.instruments import TRADESPAN_FUNCTION_DURATION
from tradespan.pages.files import make_file
from tradespan.pages.locks import LockKeeper

MAGIC = b"tsmetr\r\n"
VERSION = 1
HEADER_SIZE = 128
BLOCK_HEADER_SIZE = 24
FUNCTION: Final = 1
"""The kind of a block that declares a `FunctionSeries`."""
FOLDED: Final = 2
"""The kind of a block without cells that declares `Folded`."""
NUMBER: Final = 3
"""The kind of a block that declares a `NumberSeries`."""
HISTOGRAM: Final = 4
"""The kind of a block that declares a `HistogramSeries`."""

DURATION_BOUNDS = tuple(round(bound * 1e9) for bound in TRADESPAN_FUNCTION_DURATION.bounds)
"""Nanoseconds."""
EXTRA_CELLS = 4
"""Of a function, beside one cell a bound: the bucket above the last, sum, errors, good calls."""
EXEMPLAR_CELLS = 6
"""Sequence, value, time, span id, and two for the trace id."""
NUMBER_CELLS = 2 + EXEMPLAR_CELLS
"""Value and time of the last `set`, then the exemplar."""
HISTOGRAM_EXTRA_CELLS = 4 + EXEMPLAR_CELLS
"""Beside one cell a bound: the bucket above the last, sum, least, greatest; then the exemplar."""
OTHER = "(other)"
"""Name of the series into which functions go for which there was no other."""

MOST_SERIES = 2_000
"""Functions in one process."""
MOST_INSTRUMENT_SERIES = 20_000
"""Numbers, and as many histograms, in one process; each instrument has a lower cap of its own."""
MOST_DECLARATION = 4_096
"""Bytes of a function's; a series with a longer one is folded into `OTHER`."""
MOST_INSTRUMENT_DECLARATION = 16_384
"""Bytes of an instrument's, whose labels may be many."""
FIRST_FILE = 64 * 1024
LARGEST_FILE = 1024 * 1024
_PAGE = mmap.PAGESIZE

HEADER = struct.Struct("<8sHHIII QQ16s4x")
BLOCK = struct.Struct("<IHHIIII")
"""Size, kind, 0, cells, bytes of the declaration, its CRC, the CRC of what stands before."""
U32 = struct.Struct("<I")
CHECKED = 64
"""Bytes of the header that never change, with their CRC at the end."""
END, OVERFLOW, IN_MEMORY = 0, 1, 2
"""Places of the words behind `CHECKED`."""

_encode = msgspec.msgpack.Encoder().encode


class FunctionSeries(msgspec.Struct, frozen=True):
    """The declaration of a watched function's series. Its labels are bounded, and never ids."""

    name: str
    process_group: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    """Labels beside these two: `code.function.name` where `name` is another."""
    target: float | None = None
    """Of an objective: the share of calls that are to be good, 0 to 1."""
    latency: int | None = None
    """Of an objective: nanoseconds within which a good call succeeds."""
    unit: str = "ns"
    """Of the bounds and the sum."""
    bounds: tuple[int, ...] = DURATION_BOUNDS


class Folded(msgspec.Struct, frozen=True):
    """In a page made of others': whose counts are in it."""

    writers: tuple[str, ...]
    """Those whose own pages may still be there, and do not count any more."""


Labels = tuple[tuple[str, str], ...]
Scope = tuple[str, str, str]
"""Name, version and schema URL of an instrumentation scope."""


class NumberSeries(msgspec.Struct, frozen=True):
    """The declaration of one label set of a counter, an up-down counter or a gauge."""

    name: str
    instrument: str
    """`counter`, `up_down_counter` or `gauge`."""
    unit: str = ""
    """By UCUM."""
    description: str = ""
    labels: Labels = ()
    """Sorted by key."""
    scope: Scope = ("", "", "")


class HistogramSeries(msgspec.Struct, frozen=True):
    """The declaration of one label set of a histogram."""

    name: str
    instrument: str = "histogram"
    unit: str = ""
    """By UCUM; of the bounds and the sum, too."""
    description: str = ""
    labels: Labels = ()
    """Sorted by key."""
    scope: Scope = ("", "", "")
    bounds: tuple[float, ...] = ()
    """Upper bounds of the buckets, rising; one more bucket is above the last."""


class PageWriter(Protocol):
    """The process generation that counts; `spool.writer.SpoolWriter` is one."""

    @property
    def folder(self) -> Path: ...
    @property
    def identity(self) -> bytes: ...
    @property
    def process_start(self) -> int: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def locks(self) -> LockKeeper: ...


class MetricPage:
    """The series of this process generation; a forked child begins anew, from zero.

    A function that could not get a place in a file is counted in memory for good: its cells are
    held by others, and cannot move. Instruments wait in memory of their own until there is room.
    The page says how many series are not in it.
    """

    def __init__(self, writer: PageWriter) -> None:
        self._writer = writer
        self._begin()
        after_fork_in_child(self._begin)

    def _begin(self) -> None:
        # The parent's mappings are let go unread and unwritten.
        self._lock = threading.RLock()
        self._depth = 0
        self._series: dict[tuple[int, bytes], memoryview] = {}
        self._counts: dict[int, int] = {}
        self._files: list[_MetricFile] = []
        self._ordinal = 0
        self._overflow = 0
        self._in_memory = 0
        self._waiting: set[tuple[int, bytes]] = set()
        self._failing = False
        self._untold: OSError | None = None

    def function(self, declaration: FunctionSeries, cells: int) -> memoryview:
        """The cells of a function, of format `q`: made with zeros, or those it has already.

        Whoever counts keeps them. Layout: a count for each of the buckets, the sum of durations in
        ns, errors, good calls. Above `MOST_SERIES`: the cells of `OTHER`.

        Raises:
            ValueError: `cells` are not those of a function with these bounds.
        """
        if cells != len(declaration.bounds) + EXTRA_CELLS:
            raise ValueError(f"{len(declaration.bounds)} bounds do not take {cells} cells")
        other = FunctionSeries(OTHER, bounds=declaration.bounds)
        return self.series(FUNCTION, declaration, cells, other).cast("q")

    def number(self, declaration: NumberSeries, other: NumberSeries) -> memoryview:
        """The bytes of a number's cells: its value, the time of its last `set`, its exemplar.

        Raises:
            OSError: No space; it may be asked for again.
        """
        return self.series(NUMBER, declaration, NUMBER_CELLS, other)

    def histogram(self, declaration: HistogramSeries, other: HistogramSeries) -> memoryview:
        """The bytes of a histogram's cells: bucket counts, sum, least, greatest, its exemplar.

        Raises:
            OSError: See `number`.
            ValueError: `other`, which is counted where there is no place, has other bounds.
        """
        if declaration.bounds != other.bounds:
            raise ValueError("the series for the rest has other bounds")
        cells = len(declaration.bounds) + HISTOGRAM_EXTRA_CELLS
        return self.series(HISTOGRAM, declaration, cells, other)

    def series(
        self, kind: int, declaration: msgspec.Struct, cells: int, other: msgspec.Struct
    ) -> memoryview:
        """The bytes of so many cells of 8 bytes, at a multiple of 8, all zero at first.

        `kind` says how a reader takes declaration and cells. Two declarations are one series if
        they are encoded to the same bytes. `other` is counted instead where there is no place.

        Raises:
            OSError: No space, and it is no function.
        """
        try:
            payload = _encode(declaration)
        except (UnicodeEncodeError, OverflowError):
            payload = b""
        found = self._series.get((kind, payload))
        if found is not None:
            return found
        try:
            with self._lock:
                self._depth += 1
                try:
                    return self._find(kind, payload, cells, _encode(other))
                finally:
                    self._depth -= 1
                    if self._depth == 0:  # a signal handler leaves it to whom it interrupted
                        self._publish()
        finally:
            self._tell()

    def close(self) -> None:
        """Cut the last file behind what is used. A series made later gets a file of its own."""
        with self._lock:
            for file in self._files:
                with suppress(OSError):
                    file.cut()

    def leave(self) -> None:
        """Count here no more, though the process goes on: readers take it for one that is gone."""
        with self._lock:
            for file in self._files:
                self._writer.locks.let_go(file.lock)

    # ── under the lock ──────────────────────────────────────────────────────────────────────────

    def _find(self, kind: int, payload: bytes, cells: int, other: bytes) -> memoryview:
        key = kind, payload
        if key in self._series:  # another thread was first
            return self._series[key]
        count = self._counts.get(kind, 0)
        most, longest = MOST_INSTRUMENT_SERIES, MOST_INSTRUMENT_DECLARATION
        if kind == FUNCTION:
            most, longest = MOST_SERIES, MOST_DECLARATION
        fits = count < most and 0 < len(payload) <= longest
        self._counts[kind] = count + fits
        self._overflow += not fits
        if not fits:
            key = kind, other
            if key in self._series:
                return self._series[key]
        try:
            made = self._make(*key, cells)
        except OSError:
            self._counts[kind] -= fits
            self._overflow -= not fits
            self._waiting.add(key)
            raise
        self._waiting.discard(key)
        # A signal handler may have made it meanwhile: what it counts in is the series.
        return self._series.setdefault(key, made)

    def _make(self, kind: int, payload: bytes, cells: int) -> memoryview:
        head = pack_block(kind, payload, cells)
        try:
            while True:
                place = self._files[-1].add(head, 8 * cells) if self._files else None
                if place is not None:
                    self._failing = False
                    return place
                self._open_file(len(head) + 8 * cells)
        except OSError as error:
            if not self._failing:
                self._failing, self._untold = True, error
            if kind != FUNCTION:
                raise
            self._in_memory += 1
            return memoryview(bytearray(8 * cells))

    def _open_file(self, size: int) -> None:
        """A file with room for a block of so many bytes, twice as large as the last."""
        # Drawn first: a signal handler that counts meanwhile makes a file of its own.
        self._ordinal = ordinal = self._ordinal + 1
        while (self._writer.folder / metric_file_name(self._writer.identity, ordinal)).exists():
            self._ordinal = ordinal = self._ordinal + 1  # another page of the same writer
        usual = min(FIRST_FILE << ordinal - 1, LARGEST_FILE)
        least = (HEADER_SIZE + size + _PAGE - 1) // _PAGE * _PAGE
        try:
            file = _MetricFile(self._writer, ordinal, max(usual, least))
        except BaseException:
            if self._ordinal == ordinal:
                self._ordinal -= 1
            raise
        self._files.append(file)

    def _publish(self) -> None:
        for file in self._files:
            file.publish()
        if self._files:
            words = self._files[0].words
            words[OVERFLOW] = self._overflow
            words[IN_MEMORY] = self._in_memory + len(self._waiting)

    def _tell(self) -> None:
        error, self._untold = self._untold, None
        if error is not None:
            guard.report(
                f"{self._writer.folder} cannot be written; functions called for the first time now"
                " are counted in memory, where nobody sees it, and new label sets until it can",
                error,
            )


class _MetricFile:
    """One file of a page: allocated, locked, described, and only then named."""

    def __init__(self, writer: PageWriter, ordinal: int, size: int) -> None:
        """Make it.

        Raises:
            OSError: No space, no permission.
        """
        folder, locks = writer.folder, writer.locks
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / metric_file_name(writer.identity, ordinal)
        with make_file(path, size, locks) as (descriptor, lock):
            self._map = mmap.mmap(descriptor, size)
            self._map[:CHECKED] = pack_header(
                writer.identity, ordinal, os.getpid(), writer.process_start, writer.clock.wall()
            )
            self._bytes = memoryview(self._map)
            self.words = self._bytes[CHECKED:HEADER_SIZE].cast("Q")
            self.used = self.words[END] = HEADER_SIZE
        self.lock = lock
        self._size = size

    def add(self, head: bytes, cells: int) -> memoryview | None:
        """Place a block; returns the bytes of its cells, None if there is no room."""
        # No call between the look and the store: a signal handler may add another one.
        middle = len(head)
        start = self.used
        end = start + middle + cells
        if end > self._size:
            return None
        self.used = end
        middle += start
        self._map[start:middle] = head
        return self._bytes[middle:end]

    def publish(self) -> None:
        """Let readers see all blocks: one store."""
        self.words[END] = self.used

    def cut(self) -> None:
        """Give back the blocks behind those in use; nothing more is added.

        Raises:
            OSError: It could not be cut.
        """
        self._size = self.used
        os.ftruncate(self.lock, (self.used + _PAGE - 1) // _PAGE * _PAGE)


def metric_file_name(writer: bytes, ordinal: int) -> str:
    """`<writer>.metrics`; from the second file on `<writer>.metrics.2`."""
    return f"{writer.hex()}.metrics" + (f".{ordinal}" if ordinal > 1 else "")


def pack_header(writer: bytes, ordinal: int, process: int, start: int, created: int) -> bytes:
    """The header's first `CHECKED` bytes."""
    body = HEADER.pack(MAGIC, VERSION, HEADER_SIZE, ordinal, process, 0, start, created, writer)
    return body + U32.pack(zlib.crc32(body))


def pack_block(kind: int, payload: bytes, cells: int) -> bytes:
    """What stands before a block's cells: its header and its declaration, padded."""
    padded = payload + bytes(-len(payload) & 7)
    size = BLOCK_HEADER_SIZE + len(padded) + 8 * cells
    head = BLOCK.pack(size, kind, 0, cells, len(payload), zlib.crc32(payload), 0)
    head = head[:-4] + U32.pack(zlib.crc32(head[:-4]))
    return head + padded
