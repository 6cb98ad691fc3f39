"""Reads one run's folder for one sink: the next batch from the cursor on, errors first."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from tradespan.core.delivery import Batch, Cursor, LaneBook, Slice
from tradespan.core.errors import DamagedSegment, UnsupportedFormat
from tradespan.core.records import Kind, Lane
from tradespan.spool.folder import RunFolder
from tradespan.spool.layout import SegmentName
from tradespan.spool.reader import SegmentReader, Stretch

T = TypeVar("T")
logger = logging.getLogger("tradespan")


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """A batch ends with the read that reaches one of these."""

    records: int = 4_096
    bytes: int = 4 * 1024 * 1024


class FolderSource(Generic[T]):
    """One folder, one kind of record, one cursor."""

    def __init__(
        self,
        folder: RunFolder,
        kind: Kind,
        decode: Callable[[bytes], T],
        cursor: Cursor,
        limits: BatchLimits | None = None,
    ) -> None:
        self.folder = folder
        self.kind = kind
        self.cursor = cursor
        self.finished: set[str] = set()
        """Names of segments of which nothing is left to deliver, and to which nothing will come."""
        self._decode = decode
        self._limits = limits or BatchLimits()
        self._readers: dict[str, SegmentReader] = {}
        self._ending: set[str] = set()

    def next_batch(self) -> tuple[Batch[T], Cursor] | None:
        """The next records and the cursor that stands once they are accepted; None if none wait."""
        ahead = copy.deepcopy(self.cursor)
        slices: list[Slice[T]] = []
        records = size = 0
        for name in self._in_order():
            while records < self._limits.records and size < self._limits.bytes:
                part, read_bytes = self._read(name, ahead)
                if part is None:
                    break
                if part.records:
                    slices.append(part)
                records += len(part.records)
                size += read_bytes
        if not slices:
            self.accept(ahead)
            return None
        ahead.accepted += records
        return Batch(str(self.folder.path), self.kind, slices, ahead), ahead

    def accept(self, ahead: Cursor) -> None:
        """Move on: what `next_batch` gave has been taken, or there was nothing to give."""
        self.cursor = ahead
        self.finished |= self._ending
        self._ending.clear()

    def _in_order(self) -> list[SegmentName]:
        """Segments that may hold something new: errors first, then by age."""
        names = self.folder.segments()
        present = {str(name) for name in names}
        for gone in self._readers.keys() - present:
            self._readers.pop(gone).close()
        self.finished &= present
        self.cursor.positions = {
            name: end for name, end in self.cursor.positions.items() if name in present
        }
        waiting = [name for name in names if str(name) not in self.finished | self._ending]
        return sorted(waiting, key=lambda name: (name.lane != Lane.ERROR, name))

    def _read(self, name: SegmentName, ahead: Cursor) -> tuple[Slice[T] | None, int]:
        """One stretch of a segment as a slice; `ahead` is moved past it."""
        reader = self._reader(name)
        if reader is None:
            return None, 0
        text = str(name)
        start = ahead.positions.get(text, 0)
        damaged = reader.damaged_bytes
        stretch = reader.read(start)
        book = ahead.books.setdefault(f"{name.writer}-{'oe'[name.lane]}", LaneBook())
        if text not in ahead.positions:
            book.segments += 1
            book.ordinal = max(book.ordinal, name.ordinal)
        ahead.positions[text] = stretch.end
        book.damaged += reader.damaged_bytes - damaged
        if stretch.finished:
            self._ending.add(text)
            self._readers.pop(text).close()
        elif stretch.end == stretch.start:
            return None, 0
        part = self._decoded(reader, text, stretch)
        book.read += len(part.records)
        book.highest = max(book.highest, part.highest)
        return (None if stretch.finished else part), stretch.end - max(start, 0)

    def _decoded(self, reader: SegmentReader, name: str, stretch: Stretch) -> Slice[T]:
        records = []
        highest = 0
        for raw in stretch.records:
            if raw.kind != self.kind:
                continue
            highest = max(highest, raw.sequence)
            try:
                records.append(self._decode(raw.payload))
            except Exception as error:  # noqa: BLE001 - bytes of a file: count, say so, go on
                reader.damaged_bytes += len(raw.payload)
                logger.warning("%s: record %d is unreadable: %s", name, raw.sequence, error)
        return Slice(reader.origin, reader.sites, records, name, stretch.end, highest)

    def _reader(self, name: SegmentName) -> SegmentReader | None:
        text = str(name)
        reader = self._readers.get(text)
        if reader is None:
            path = self.folder.path / text
            try:
                reader = self._readers[text] = SegmentReader(path)
            except DamagedSegment as error:
                quarantine(path, error)
                return None
            except (FileNotFoundError, UnsupportedFormat):
                return None
        return reader

    def close(self) -> None:
        """Close the segments."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()


def quarantine(path: Path, error: DamagedSegment) -> None:
    """Set a file aside that is not a segment, so that it is never read again, nor deleted."""
    logger.warning("%s; set aside as %s.damaged", error, path.name)
    path.rename(path.with_name(f"{path.name}.damaged"))
