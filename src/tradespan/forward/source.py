"""Reads one run's folder for one sink: the next batch from the cursor on, errors first."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

from tradespan.core.delivery import Batch, Cursor, LaneBook, Slice
from tradespan.core.errors import DamagedSegment, SpoolError, UnsupportedFormat
from tradespan.core.records import Kind, Lane
from tradespan.forward.counting import SegmentCount
from tradespan.spool.discarded import DiscardedSegment
from tradespan.spool.folder import DAMAGED, RunFolder
from tradespan.spool.layout import HEADER_SIZE
from tradespan.spool.names import SegmentName
from tradespan.spool.reader import READ_BYTES, SegmentReader, Stretch, smaller_threshold

T = TypeVar("T")
logger = logging.getLogger("tradespan")


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """A batch ends with the read that reaches one of these."""

    records: int = 4_096
    bytes: int = 4 * 1024 * 1024


@dataclass(slots=True)
class _Reading(Generic[T]):
    """A batch in the making."""

    ahead: Cursor
    slices: list[Slice[T]] = field(default_factory=list)
    records: int = 0
    bytes: int = 0
    touched: set[str] = field(default_factory=set)
    """Rows whose book is a copy already."""

    def book(self, name: SegmentName) -> LaneBook:
        """The row's book, to be changed; the cursor that stands keeps its own."""
        books = self.ahead.books
        if name.row not in self.touched:
            self.touched.add(name.row)
            books[name.row] = books.get(name.row, LaneBook()).copy()
        return books[name.row]

    def pass_over(self, name: SegmentName, counts: dict[int, int]) -> None:
        """Records that were read of a segment, whether they can be decoded or not."""
        before = self.ahead.passed.get(str(name), {})
        self.ahead.passed[str(name)] = {
            kind: before.get(kind, 0) + counts.get(kind, 0) for kind in before.keys() | counts
        }


class FolderSource(Generic[T]):
    """One folder, one kind of record, one cursor. Read by one thread; others may look."""

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
        self.cursor = replace(cursor, kind=kind, passed=_complete(cursor, folder))
        """What has been taken. Never changed, only replaced."""
        self.finished: frozenset[str] = frozenset()
        """Names of segments of which nothing is left to deliver, and to which nothing will come;
        and of what is left of discarded ones, once the cursor that is kept knows of it."""
        self._taken: frozenset[str] = frozenset()
        """The same, whether the cursor could be kept or not."""
        self._unsaved = False
        self.queue_warning_threshold = 0
        """The smallest one of the functions met so far; 0: none has one."""
        self._until: Mapping[str, int | None] | None = None
        """Segment → offset that is not passed, None: to its end. Others are not read at all; all
        are read to their ends while this is None."""
        self._decode = decode
        self._limits = limits or BatchLimits()
        self._readers: dict[str, SegmentReader] = {}
        self._ending: set[str] = set()
        self._refused: set[str] = set()
        """Segments that cannot be read now; said once."""

    @property
    def unsaved(self) -> bool:
        """Whether the cursor has moved since it was saved last; who saves it says so."""
        return self._unsaved

    @unsaved.setter
    def unsaved(self, unsaved: bool) -> None:
        self._unsaved = unsaved
        if not unsaved:
            # Not before: a kill would leave a cursor that misses what was deleted behind it.
            self.finished = self._taken

    def next_batch(self) -> tuple[Batch[T], Cursor] | None:
        """The next records and the cursor that stands once they are accepted; None if none wait.

        Asked again before `accept`, it reads the same anew.
        """
        self._ending.clear()
        names, discarded = self._in_order()
        standing = self.cursor
        reading: _Reading[T] = _Reading(
            replace(standing, books=dict(standing.books), passed=dict(standing.passed))
        )
        present = {str(name) for name in [*names, *discarded]} | self._taken
        ahead = reading.ahead
        missing = standing.unfinished - present - {str(each.segment) for each in discarded}
        vanished = find_vanished(missing, self.folder)
        for name in vanished:
            book_vanished(reading.book(name))
        # Not the others: the folder could not be listed, or changed while it was.
        present |= missing - {str(name) for name in vanished}
        ahead.unfinished = standing.unfinished & present
        ahead.positions = {k: v for k, v in standing.positions.items() if k in present}
        for each in discarded:
            self._book_discarded(each, reading)
        ahead.passed = {k: v for k, v in ahead.passed.items() if k in present}
        for name in names:
            if self._until is None or str(name) in self._until:
                self._read_segment(name, reading)
        if not reading.slices:
            # Damage that was passed over has to be remembered, or a restart would not know of it;
            # and that a segment is finished, before it is deleted.
            moved = ahead.books != standing.books or ahead.unfinished != standing.unfinished
            self.accept(ahead, unsaved=self.unsaved or moved)
            return None
        ahead.accepted += reading.records
        self.folder.held[self] = frozenset(part.segment for part in reading.slices)
        return Batch(str(self.folder.path), self.kind, reading.slices, ahead), ahead

    def hurry(self) -> None:
        """Hold back nothing of what is there now: somebody waits for it."""

    def accept(self, ahead: Cursor, *, unsaved: bool = False) -> None:
        """Move on: what `next_batch` gave has been taken, or there was nothing to give."""
        self.cursor = ahead
        self.folder.held.pop(self, None)
        self._taken |= self._ending
        self._ending.clear()
        self.unsaved = unsaved

    def _in_order(self) -> tuple[list[SegmentName], list[DiscardedSegment]]:
        """Segments that may hold something new, errors first, then by age; discarded ones."""
        names, discarded = self.folder.contents()
        present = {str(name) for name in [*names, *discarded]}
        for gone in self._readers.keys() - present:
            self._readers.pop(gone).close()
        self._refused &= present
        self._taken &= present
        self.finished &= present
        waiting = [name for name in names if str(name) not in self._taken]
        waiting.sort(key=lambda name: (name.lane != Lane.ERROR, name))
        return waiting, [each for each in discarded if str(each) not in self._taken]

    def _book_discarded(self, each: DiscardedSegment, reading: _Reading[T]) -> None:
        """Count what a limit has cost this sink of a segment, once: the cursor remembers it."""
        left, ahead = str(each), reading.ahead
        self._ending.add(left)
        if left not in ahead.positions:
            book_discarded(reading.book(each.segment), each, self.cursor)
            ahead.positions[left] = 0

    def _read_segment(self, name: SegmentName, reading: _Reading[T]) -> None:
        """Read a segment until it has nothing new, or the batch is full."""
        limits = self._limits
        # What brings no record counts for no limit: an empty batch says that nothing waits.
        while not reading.slices or (
            reading.records < limits.records and reading.bytes < limits.bytes
        ):
            try:
                if not self._read_stretch(name, reading):
                    return
            except OSError as error:
                # Not the others' fault; and it may be over the next time.
                self._refuse(name, f"it cannot be read now ({error.strerror or error})")
                return

    def _read_stretch(self, name: SegmentName, reading: _Reading[T]) -> bool:
        """One read; the cursor is moved past it. Returns whether there may be more."""
        reader = self._reader(name)
        if reader is None:
            return False
        text = str(name)
        known = reading.ahead.positions.get(text)
        start = known or HEADER_SIZE
        until = None if self._until is None else self._until[text]
        if until is not None and start >= until:
            return False
        damaged = reader.damaged_bytes
        stretch = reader.read(
            start, READ_BYTES if until is None else min(READ_BYTES, until - start)
        )
        self.queue_warning_threshold = smaller_threshold(
            self.queue_warning_threshold, reader.queue_warning_threshold
        )
        if not stretch.finished:
            reading.ahead.unfinished.add(text)
        if known is not None and stretch.end == known and not stretch.finished:
            return False
        book = reading.book(name)
        if known is None:
            book.segments += 1
            book.ordinal = max(book.ordinal, name.ordinal)
        reading.ahead.positions[text] = stretch.end
        part = self._decoded(reader, text, stretch)
        counts = stretch.count_kinds()
        reading.pass_over(name, counts)
        # What cannot be decoded was not delivered: it is missing in the books.
        book.pass_over({**counts, int(self.kind): len(part.records)}, self.kind)
        book.highest = max(book.highest, part.highest)
        book.damaged += reader.damaged_bytes - damaged
        if part.records:
            reading.slices.append(part)
        reading.records += len(part.records)
        reading.bytes += stretch.end - stretch.start
        if stretch.finished:
            reading.ahead.unfinished.discard(text)
            self._ending.add(text)
            self._readers.pop(text).close()
        return not stretch.finished and stretch.end > stretch.start

    def _decoded(self, reader: SegmentReader, name: str, stretch: Stretch) -> Slice[T]:
        records = []
        highest = max((raw.sequence for raw in stretch.records), default=0)
        for raw in stretch.records:
            if raw.kind != self.kind:
                continue
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
            except UnsupportedFormat as error:
                self._refuse(name, str(error))
            except FileNotFoundError:
                pass  # deleted since the folder was listed
        return reader

    def _refuse(self, name: SegmentName, reason: str) -> None:
        if str(name) not in self._refused:
            self._refused.add(str(name))
            logger.warning("%s/%s is left alone: %s", self.folder.path, name, reason)

    def close(self) -> None:
        """Close the segments."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()
        self.folder.held.pop(self, None)


def book_discarded(book: LaneBook, each: DiscardedSegment, cursor: Cursor) -> None:
    """Add to a row's book what a discarded segment held behind a sink's cursor."""
    name = str(each.segment)
    passed = cursor.passed.get(name, {})
    missed = {kind: max(n - passed.get(kind, 0), 0) for kind, n in each.counts.items()}
    book.pass_over(missed, cursor.kind)
    if own := missed.get(cursor.kind, 0):
        book.discarded[each.reason] = book.discarded.get(each.reason, 0) + own
    book.highest = max(book.highest, each.highest)
    book.damaged += each.damaged
    if name not in cursor.positions:
        book.segments += 1
        book.ordinal = max(book.ordinal, each.segment.ordinal)


def find_vanished(unfinished: set[str], folder: RunFolder) -> list[SegmentName]:
    """Of segments that were not finished and not listed, those that somebody took away."""
    names = {name: SegmentName.parse(name) for name in unfinished}
    gone = [name for key, name in names.items() if name and not os.path.lexists(folder.path / key)]
    if gone:
        discarded = {each.segment for each in folder.contents()[1]}
        gone = [name for name in gone if name not in discarded]
    return gone


def book_vanished(book: LaneBook) -> None:
    """A segment is gone that the sink was in the middle of: the row has a gap from now on."""
    book.segments -= 1


def _complete(cursor: Cursor, folder: RunFolder) -> dict[str, dict[int, int]]:
    """What lies before a cursor's positions, counted where an earlier version did not."""
    passed = dict(cursor.passed)
    for name, position in cursor.positions.items():
        if position <= 0 or name in passed or SegmentName.parse(name) is None:
            continue
        with suppress(OSError, SpoolError):
            reader = SegmentReader(folder.path / name, learn_sites=False)
            try:
                count = SegmentCount()
                count.go_on(reader, position)
                passed[name] = count.kinds
            finally:
                reader.close()
    return passed


def quarantine(path: Path, error: DamagedSegment) -> None:
    """Set a file aside that is not a segment, so that it is never read again, nor deleted.

    Raises:
        OSError: The folder cannot be written.
    """
    path.rename(path.with_name(f"{path.name}{DAMAGED}"))
    logger.warning("%s; set aside as %s%s", error, path.name, DAMAGED)
