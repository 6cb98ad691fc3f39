"""The counters of one writer that its segments cannot tell: acknowledged, in memory, discarded.

One page a process generation, `<writer>.page`; the spool's FORMAT.md describes its bytes. The
writer stores whole words; a reader beside it sees each cell whole, old or new. Named tuples: the
supervisor, who has 15 MB, reads pages too, and `dataclasses` costs it 1.3.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

from tradespan.core.process import is_alive
from tradespan.pages.files import make_file
from tradespan.pages.locks import LockKeeper, read_with_lock

MAGIC = b"tspage\r\n"
VERSION = 1
HEADER_SIZE = 64
LANES = 2
CELLS = (
    "acknowledged",
    "in_memory",
    "recovered",
    "overflow",
    "unencodable",
    "oversize",
    "kept",
    "written",
    "segments",
)
"""Per lane. `acknowledged`: the word (FORMAT.md) of the latest record whose call returned; from
`overflow` on, records discarded, by reason; the last three are the highest of their kind."""
DISCARD_REASONS = CELLS[3:6]
_HIGHEST = CELLS[6:]

_HEADER = struct.Struct("<8sHHHHI4xQQ16s4x")
_U32 = struct.Struct("<I")
_CELLS_SIZE = 8 * len(CELLS) * LANES
_SIZE = HEADER_SIZE + _CELLS_SIZE
_LARGEST = 4096
"""Bytes of a page that are read at most; a later version may have more cells."""
_INDEX = {cell: place for place, cell in enumerate(CELLS)}


class PageOwner(NamedTuple):
    """Whose counters a page holds."""

    writer: bytes
    """16 bytes: the process generation."""
    process_id: int
    process_start: int
    """Clock ticks since boot; 0 where the system does not tell."""
    created: int
    """Nanoseconds, UTC."""


class LaneCounters(NamedTuple):
    """The cells of one lane."""

    acknowledged: int = 0
    """The highest sequence number that is known to have been written, or kept in memory. Where
    threads raced for the last store it may be short by as many records as there were threads."""
    in_memory: int = 0
    recovered: int = 0
    """Records that were in memory and have been written since."""
    overflow: int = 0
    """Records that had a number, and were dropped because memory was full."""
    unencodable: int = 0
    oversize: int = 0
    kept: int = 0
    """The highest sequence number of a record that was ever kept in memory."""
    written: int = 0
    """The highest one known to be in a segment, as of the last time that memory was used."""
    segments: int = 0
    """The ordinal of the latest segment."""

    @property
    def highest_written(self) -> int:
        """The highest sequence number that has to be in a segment."""
        # What was acknowledged and never kept in memory was written.
        return max(self.written, self.acknowledged if self.acknowledged > self.kept else 0)

    @property
    def discarded(self) -> dict[str, int]:
        """Records discarded by the bot's process, by reason; reasons that never came left out."""
        values = {reason: getattr(self, reason) for reason in DISCARD_REASONS}
        return {reason: value for reason, value in values.items() if value}


class Page(NamedTuple):
    """A page as read from its file."""

    writer: str
    """32 hex digits."""
    lanes: tuple[LaneCounters, LaneCounters]
    alive: bool
    """Whether the process that counts here runs."""
    process_id: int = 0
    """Says nothing across containers."""


class CounterPage:
    """The writing side. Counts in plain memory until `attach` gives it a file."""

    __slots__ = ("_cells", "_lock", "_locks", "_map")

    def __init__(self, locks: LockKeeper) -> None:
        self._locks = locks
        self._lock = -1
        self._map: mmap.mmap | None = None
        self._cells = memoryview(bytearray(_CELLS_SIZE)).cast("Q")

    def attach(self, path: Path, owner: PageOwner) -> None:
        """Go on in a file, with what was counted so far. Again: in another file.

        The views that were given out before are outdated then; who has one carries it over.

        Raises:
            OSError: The file cannot be made.
        """
        with make_file(path, _SIZE, self._locks) as (descriptor, lock):
            mapped = mmap.mmap(descriptor, _SIZE)
            mapped[:HEADER_SIZE] = _pack_header(owner)
        self._locks.let_go(self._lock)
        self._lock = lock
        before, self._map = self._cells, mapped
        self._cells = memoryview(mapped)[HEADER_SIZE:].cast("Q")
        # Moved after the change: a signal handler may count meanwhile, there or here.
        for place, count in enumerate(before.tolist()):
            cell = CELLS[place % len(CELLS)]
            if cell in _HIGHEST:
                self.raise_to(place // len(CELLS), cell, count)
            elif cell != "acknowledged":
                self._cells[place] += count

    @property
    def attached(self) -> bool:
        """Whether the cells live in a file."""
        return self._map is not None

    def acknowledged(self, lane: int) -> memoryview:
        """The lane's first cell alone: one store into it a record."""
        start = lane * len(CELLS)
        return self._cells[start : start + 1]

    def add(self, lane: int, cell: str, amount: int = 1) -> None:
        """Add to a cell. Callers hold the spool's lock, or accept that `attach` may miss it."""
        place = lane * len(CELLS) + _INDEX[cell]
        # No call between load and store: the interpreter switches threads at calls only.
        self._cells[place] += amount

    def raise_to(self, lane: int, cell: str, value: int) -> None:
        """Remember the highest of what was given; as `add`."""
        place = lane * len(CELLS) + _INDEX[cell]
        if value > self._cells[place]:  # noqa: PLR1730 - as in `add`: `max` would be a call
            self._cells[place] = value

    def read(self, lane: int) -> LaneCounters:
        """The lane's cells now."""
        start = lane * len(CELLS)
        return _to_counters(self._cells[start : start + len(CELLS)].tolist())


def _pack_header(owner: PageOwner) -> bytes:
    body = _HEADER.pack(
        MAGIC,
        VERSION,
        HEADER_SIZE,
        LANES,
        len(CELLS),
        owner.process_id,
        owner.process_start,
        owner.created,
        owner.writer,
    )
    return body + _U32.pack(zlib.crc32(body))


def _to_counters(cells: list[int]) -> LaneCounters:
    counters = LaneCounters(*cells[: len(CELLS)])
    return counters._replace(acknowledged=counters.acknowledged >> 16)


def read_page(path: Path) -> Page | None:
    """The counters of another process; None if the file is not a whole page."""
    try:
        data, locked = read_with_lock(path, _LARGEST)
    except OSError:
        return None
    return _unpack(data, locked)


def _unpack(data: bytes, locked: bool | None) -> Page | None:
    if len(data) < HEADER_SIZE or not data.startswith(MAGIC):
        return None
    if _U32.unpack_from(data, HEADER_SIZE - 4)[0] != zlib.crc32(data[: HEADER_SIZE - 4]):
        return None
    _, version, begin, lanes, cells, process, start, _, writer = _HEADER.unpack_from(data)
    whole = begin + 8 * lanes * cells
    if version > VERSION or begin < HEADER_SIZE or lanes < LANES or whole > len(data):
        return None
    words = [
        list(struct.unpack_from(f"<{cells}Q", data, begin + 8 * cells * lane))
        for lane in range(LANES)
    ]
    alive = is_alive(process, start) if locked is None else locked
    lane_counters = (_to_counters(words[0]), _to_counters(words[1]))
    return Page(writer.hex(), lane_counters, alive, process)
