"""What is in a folder, as of its last change. Standard library only: the supervisor uses it too."""

from __future__ import annotations

import os
import time

from tradespan.spool.discarded import DiscardedSegment
from tradespan.spool.names import SegmentName

_SETTLED = 2_100_000_000
"""Nanoseconds since a folder's last change, after which what was read there is known to stand: file
systems keep times by steps of up to two seconds, and a second change in a step is not seen."""

Mark = tuple[int, int]
"""Inode and time of the last change of a folder: the same as long as no file came, went or was
replaced."""


class Listing:
    """What was in a folder at its mark; None: it had changed just before."""

    def __init__(self, mark: Mark | None, entries: list[str]) -> None:
        self.mark = mark
        self.entries = entries
        """Sorted."""
        self._contents: tuple[list[SegmentName], list[DiscardedSegment]] | None = None

    @property
    def contents(self) -> tuple[list[SegmentName], list[DiscardedSegment]]:
        """The segments and what is left of discarded ones, oldest first. Not to be changed."""
        if self._contents is None:
            segments = {name for each in self.entries if (name := SegmentName.parse(each))}
            left = [gone for each in self.entries if (gone := DiscardedSegment.parse(each))]
            # A look beside a rename may find both names: from the rename on it is discarded.
            segments.difference_update(gone.segment for gone in left)
            self._contents = sorted(segments), sorted(left, key=_begun)
        return self._contents


def mark_of(folder: str) -> Mark | None:
    """A folder's state, if any change to come will show in it; None too if the folder is gone."""
    try:
        status = os.stat(folder)
    except OSError:
        return None
    settled = time.time_ns() - status.st_mtime_ns > _SETTLED
    return (status.st_ino, status.st_mtime_ns) if settled else None


def list_folder(folder: str, known: Listing | None) -> Listing:
    """What is in a folder; `known` again if that stands. Empty if the folder is gone."""
    mark = mark_of(folder)
    if known is not None and mark is not None and known.mark == mark:
        return known
    try:
        entries = sorted(os.listdir(folder))
    except OSError:
        entries = []
    return Listing(mark, entries)


def _begun(left: DiscardedSegment) -> SegmentName:
    return left.segment
