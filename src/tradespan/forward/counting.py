"""Counts the records of a stretch of a segment, by kind, without decoding them."""

from __future__ import annotations

from dataclasses import dataclass, field

from tradespan.spool.reader import READ_BYTES, SegmentReader


@dataclass(slots=True)
class SegmentCount:
    """Records of one segment from some offset up to `end`."""

    end: int = 0
    kinds: dict[int, int] = field(default_factory=dict)
    """Kind → records."""
    highest: int = 0
    damaged: int = 0
    """Bytes that did not validate."""
    finished: bool = False

    @property
    def records(self) -> int:
        """Of any kind."""
        return sum(self.kinds.values())

    def go_on(self, reader: SegmentReader, until: int | None = None) -> None:
        """Count from where it ends, up to `until` or to where nothing more is.

        Raises:
            OSError: The file cannot be read now.
        """
        while until is None or self.end < until:
            limit = READ_BYTES if until is None else min(READ_BYTES, until - self.end)
            damaged = reader.damaged_bytes
            stretch = reader.read(self.end, limit)
            for kind, count in stretch.count_kinds().items():
                self.kinds[kind] = self.kinds.get(kind, 0) + count
            self.highest = max([self.highest, *(raw.sequence for raw in stretch.records)])
            self.damaged += reader.damaged_bytes - damaged
            moved, self.end = stretch.end > self.end, stretch.end
            self.finished = stretch.finished
            if stretch.finished or not moved:
                break
