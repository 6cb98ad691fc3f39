"""The counters of one writer that its segments cannot tell: what is in memory, what was discarded.

One page a process generation, `<writer>.page`: 16 bytes of magic and version, then one little-endian
u64 per cell. The writer stores whole words; a reader beside it sees each cell whole.
"""

from __future__ import annotations

import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"tspage\r\n\x01\0\0\0\0\0\0\0"
CELLS = ("drawn", "in_memory", "recovered", "overflow", "unencodable", "oversize")
"""Per lane. `drawn`: highest sequence number given to a record that went to memory; the last three
are records discarded, by reason."""
_LANES = 2
_SIZE = len(MAGIC) + 8 * len(CELLS) * _LANES
_WORDS = struct.Struct(f"<{len(CELLS) * _LANES}Q")

DISCARD_REASONS = CELLS[3:]


@dataclass(frozen=True, slots=True)
class LaneCounters:
    """The cells of one lane."""

    drawn: int = 0
    in_memory: int = 0
    recovered: int = 0
    overflow: int = 0
    unencodable: int = 0
    oversize: int = 0

    @property
    def discarded(self) -> dict[str, int]:
        """Records discarded by the bot's process, by reason; reasons that never came left out."""
        values = {reason: getattr(self, reason) for reason in DISCARD_REASONS}
        return {reason: value for reason, value in values.items() if value}


class CounterPage:
    """The writing side. Counts in plain memory until `attach` gives it a file."""

    __slots__ = ("_cells", "_map")

    def __init__(self) -> None:
        self._map: mmap.mmap | None = None
        self._cells = memoryview(bytearray(_SIZE - len(MAGIC))).cast("Q")

    def attach(self, path: Path) -> None:
        """Go on in a file, with what was counted so far.

        Raises:
            OSError: The file cannot be made.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, _SIZE)
            mapped = mmap.mmap(descriptor, _SIZE)
        except OSError:
            os.unlink(path)
            raise
        finally:
            os.close(descriptor)
        mapped[: len(MAGIC)] = MAGIC
        cells = memoryview(mapped)[len(MAGIC) :].cast("Q")
        cells[:] = self._cells
        self._map, self._cells = mapped, cells

    @property
    def attached(self) -> bool:
        """Whether the cells live in a file."""
        return self._map is not None

    def add(self, lane: int, cell: str, amount: int = 1) -> None:
        """Add to a cell; callers hold the spool's lock or accept the GIL's word."""
        self._cells[lane * len(CELLS) + CELLS.index(cell)] += amount

    def raise_to(self, lane: int, cell: str, value: int) -> None:
        """Set a cell that only grows."""
        place = lane * len(CELLS) + CELLS.index(cell)
        self._cells[place] = max(self._cells[place], value)

    def read(self, lane: int) -> LaneCounters:
        """The lane's cells now."""
        start = lane * len(CELLS)
        return LaneCounters(*self._cells[start : start + len(CELLS)])


def read_page(path: Path) -> tuple[LaneCounters, LaneCounters] | None:
    """The counters of another process by lane; None if the file is not a whole page."""
    try:
        data = path.read_bytes()[:_SIZE]
    except OSError:
        return None
    if len(data) < _SIZE or not data.startswith(MAGIC):
        return None
    words = _WORDS.unpack_from(data, len(MAGIC))
    return LaneCounters(*words[: len(CELLS)]), LaneCounters(*words[len(CELLS) :])
