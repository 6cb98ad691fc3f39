"""What is left of a segment that was discarded for want of space: a file name that tells what it
held.

The segment is renamed, then emptied. The name counts, and a rename is one step that needs no space
on a full disk: there is no moment at which a kill could lose a count, or leave a record in two
places. An agent that finds such a file with bytes in it empties it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tradespan.spool.names import SegmentName

_NAME = re.compile(
    r"([^.]{1,80})\.(limit_bytes|limit_age|low_disk)\.((?:[0-9]{1,3}x[0-9]{1,15}_?){0,12})"
    r"\.([0-9]{1,15})\.([0-9]{1,15})\.gone"
)


class DiscardedSegment(NamedTuple):
    """A discarded segment, as the name of what is left of it tells. Sorts by age."""

    segment: SegmentName
    reason: str
    """`limit_bytes`, `limit_age` or `low_disk`."""
    counts: Mapping[int, int]
    """Kind → records that the segment held."""
    highest: int
    """The highest sequence number among them."""
    damaged: int
    """Bytes in it that did not validate."""

    def __str__(self) -> str:
        stem = str(self.segment).removesuffix(".seg")
        counts = "_".join(f"{kind}x{count}" for kind, count in sorted(self.counts.items()))
        return f"{stem}.{self.reason}.{counts}.{self.highest}.{self.damaged}.gone"

    @classmethod
    def parse(cls, name: str) -> DiscardedSegment | None:
        """The parts of a file name; None if it is not what is left of a segment."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        stem, reason, text, highest, damaged = match.groups()
        segment = SegmentName.parse(f"{stem}.seg")
        if segment is None:
            return None
        pairs = (pair.split("x") for pair in text.split("_") if pair)
        counts = {int(kind): int(count) for kind, count in pairs}
        parsed = cls(segment, reason, counts, int(highest), int(damaged))
        return parsed if str(parsed) == name else None


def discard_segment(folder: Path, discarded: DiscardedSegment) -> None:
    """Give a segment's blocks back; from the first step on it counts as discarded.

    Raises:
        OSError: The folder cannot be changed, or the segment is gone.
    """
    left = folder / str(discarded)
    os.rename(folder / str(discarded.segment), left)
    _sync(folder)
    empty(left)


def empty(left: Path) -> None:
    """Empty what is left of a discarded segment: also after a kill between the two steps.

    Raises:
        OSError: It cannot be changed.
    """
    flags = os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(left, flags)
    try:
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    """The new name goes to the disk before the content leaves it, a power cut included."""
    with suppress(OSError):  # a file system that cannot: the order is the journal's
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
