"""The accounting equation of one run's folder (DESIGN 4.4).

    recorded = accepted + parked + on disk + in memory + discarded(reason) + unaccounted

for each sink. `recorded` comes from the writers' sequence numbers and counter pages only, never
from the other terms: what does not add up is unaccounted. A number that was drawn for a record that
is nowhere is one of two things. It is *interrupted*, and not recorded, if its call never returned:
the process died in it, or is in it now. It is *lost* if there is a sign of loss in its row (a
writer's lane): bytes that did not validate, a segment of the row missing, or a later record
acknowledged than any that was found. In a row with a sign of loss every such number counts as lost,
also those that were interrupted.

What cannot be seen: a loss in a row whose counter page is gone too, behind the last record that
some sink has read or that is still there. Where threads raced for the page's last store, as many
records as there were threads may be missing from `recorded` then.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tradespan.core.delivery import Cursor, LaneBook
from tradespan.core.errors import SpoolError
from tradespan.forward.amends import Amend, read_amends
from tradespan.pages.counters import LaneCounters, Page
from tradespan.spool.folder import RunFolder
from tradespan.spool.layout import SegmentName
from tradespan.spool.reader import READ_BYTES, SegmentReader, smaller_threshold

DIED_IN_MEMORY = "died_in_memory"
"""Reason of records that waited in the memory of a process when it died."""
_LOOKS = 3


@dataclass(frozen=True, slots=True)
class SinkBook:
    """One sink's line."""

    accepted: int
    parked: int
    on_disk: int
    unaccounted: int
    purged: int = 0
    """Records that somebody deleted with their dead letter."""


@dataclass(frozen=True, slots=True)
class Books:
    """What was recorded in a folder, and where it is now."""

    recorded: int
    in_memory: int
    interrupted: int
    discarded: dict[str, int] = field(default_factory=dict)
    sinks: dict[str, SinkBook] = field(default_factory=dict)

    @property
    def balanced(self) -> bool:
        """Whether nothing is unaccounted for."""
        return not any(sink.unaccounted for sink in self.sinks.values())

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        sinks = {
            name: {
                "accepted": sink.accepted,
                "parked": sink.parked,
                "on_disk": sink.on_disk,
                "unaccounted": sink.unaccounted,
                **({"purged": sink.purged} if sink.purged else {}),
            }
            for name, sink in self.sinks.items()
        }
        return {
            "recorded": self.recorded,
            "in_memory": self.in_memory,
            "interrupted": self.interrupted,
            "discarded": self.discarded,
            "sinks": sinks,
        }


def add_up(folder: RunFolder, cursors: Mapping[str, Cursor]) -> Books:
    """Add up a folder's books once. Who does it again and again keeps a `Bookkeeper`."""
    return Bookkeeper(folder).add_up(cursors)


@dataclass(slots=True)
class _Count:
    """Records of one segment from some offset up to `end`."""

    end: int
    read: int = 0
    highest: int = 0
    damaged: int = 0
    finished: bool = False


@dataclass(slots=True)
class _Row:
    """One writer's lane, as far as anybody knows."""

    highest: int = 0
    found: int = 0
    """Records that some sink has read or that are on disk."""
    damaged: int = 0
    gap_in_segments: bool = False

    def learn(self, book: LaneBook) -> None:
        """What one sink has read, and will read."""
        self.highest = max(self.highest, book.highest)
        self.found = max(self.found, book.read)
        self.damaged = max(self.damaged, book.damaged)
        self.gap_in_segments = self.gap_in_segments or book.ordinal > book.segments


@dataclass(slots=True)
class _Sum:
    """The terms that are the same for all sinks."""

    recorded: int = 0
    in_memory: int = 0
    interrupted: int = 0
    discarded: dict[str, int] = field(default_factory=dict)

    def discard(self, reason: str, count: int) -> None:
        if count:
            self.discarded[reason] = self.discarded.get(reason, 0) + count

    def add(self, row: _Row, counters: LaneCounters, alive: bool) -> None:
        """One row: what is neither found nor known to be elsewhere is lost, or was interrupted."""
        elsewhere = counters.in_memory + counters.overflow
        highest = max(row.highest, counters.acknowledged, row.found + elsewhere)
        missing = highest - row.found - elsewhere
        unseen = counters.acknowledged - row.highest
        lost = bool(row.damaged) or row.gap_in_segments or unseen > elsewhere
        interrupted = 0 if lost else missing
        self.interrupted += interrupted
        # The last two were discarded before they had a number.
        self.recorded += highest - interrupted + counters.unencodable + counters.oversize
        for reason, count in counters.discarded.items():
            self.discard(reason, count)
        if alive:
            self.in_memory += counters.in_memory
        else:
            self.discard(DIED_IN_MEMORY, counters.in_memory)


class Bookkeeper:
    """Adds up one folder's books; for each place that a sink is at, it reads what follows once.

    May be asked by any thread.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self.queue_warning_threshold = 0
        """The smallest one of the functions in what was read so far; 0: none has one."""
        self._counts: dict[tuple[str, int], _Count] = {}
        self._lock = threading.Lock()

    def add_up(self, cursors: Mapping[str, Cursor]) -> Books:
        """The books now, for the sinks that have these cursors."""
        with self._lock:
            looks = 0
            while True:
                # Before the segments: what was acknowledged by then has to be found in them.
                before = {page.writer: page for page in self._folder.pages()}
                rests = self._read_rests(cursors or {"": Cursor()})
                after = {page.writer: page for page in self._folder.pages()}
                looks += 1
                if looks == _LOOKS or not _moved(before, after):
                    return _sum_up(before, rests, cursors, read_amends(self._folder))

    def _read_rests(self, cursors: Mapping[str, Cursor]) -> dict[str, _Rest]:
        """What lies on disk behind each cursor. All see the segments as of the same moment."""
        rests = {
            sink: _Rest(cursor, {row: replace(book) for row, book in cursor.books.items()})
            for sink, cursor in cursors.items()
        }
        used: set[tuple[str, int]] = set()
        for name in self._folder.segments():
            starts = {cursor.positions.get(str(name), 0) for cursor in cursors.values()}
            used |= {(str(name), start) for start in starts}
            counts = self._count_segment(name, sorted(starts))
            for rest in rests.values():
                start = rest.cursor.positions.get(str(name), 0)
                if (count := counts.get(start)) is not None:
                    rest.add(name, count)
        self._counts = {key: count for key, count in self._counts.items() if key in used}
        return rests

    def _count_segment(self, name: SegmentName, starts: list[int]) -> dict[int, _Count]:
        """Count on from each place to one common end; empty if the segment cannot be read."""
        keys = {start: (str(name), start) for start in starts}
        counts = {start: self._counts.get(key) or _Count(start) for start, key in keys.items()}
        if all(count.finished for count in counts.values()):
            return counts
        try:
            reader = SegmentReader(self._folder.path / str(name), learn_sites=False)
        except (OSError, SpoolError):
            return {}
        try:
            end: int | None = None
            for count in counts.values():
                _count_on(reader, count, end)
                end = count.end
        except OSError:
            return {}
        finally:
            self.queue_warning_threshold = smaller_threshold(
                self.queue_warning_threshold, reader.queue_warning_threshold
            )
            reader.close()
        self._counts.update({key: counts[start] for start, key in keys.items()})
        return counts


def _count_on(reader: SegmentReader, count: _Count, until: int | None) -> None:
    """Count records from where `count` ends, up to `until` or to where nothing more is."""
    while until is None or count.end < until:
        limit = READ_BYTES if until is None else min(READ_BYTES, until - count.end)
        damaged = reader.damaged_bytes
        stretch = reader.read(count.end, limit)
        count.read += len(stretch.records)
        count.highest = max([count.highest, *(raw.sequence for raw in stretch.records)])
        count.damaged += reader.damaged_bytes - damaged
        moved, count.end = stretch.end > count.end, stretch.end
        count.finished = stretch.finished
        if stretch.finished or not moved:
            break


@dataclass(slots=True)
class _Rest:
    """One sink's books as they will be once it has read what is on disk."""

    cursor: Cursor
    books: dict[str, LaneBook]
    records: int = 0

    def add(self, name: SegmentName, count: _Count) -> None:
        book = self.books.setdefault(name.row, LaneBook())
        if str(name) not in self.cursor.positions:
            book.segments += 1
            book.ordinal = max(book.ordinal, name.ordinal)
        self.records += count.read
        book.read += count.read
        book.highest = max(book.highest, count.highest)
        book.damaged += count.damaged


def _moved(before: Mapping[str, Page], after: Mapping[str, Page]) -> bool:
    """Whether records went into memory, out of it, or were discarded meanwhile."""

    def without_acknowledged(page: Page) -> list[LaneCounters]:
        return [counters._replace(acknowledged=0) for counters in page.lanes]

    return before.keys() != after.keys() or any(
        without_acknowledged(page) != without_acknowledged(after[writer])
        for writer, page in before.items()
    )


def _sum_up(
    pages: Mapping[str, Page],
    rests: Mapping[str, _Rest],
    cursors: Mapping[str, Cursor],
    amends: Mapping[str, Amend],
) -> Books:
    rows: dict[str, _Row] = {}
    for rest in rests.values():
        for key, book in rest.books.items():
            rows.setdefault(key, _Row()).learn(book)
    for writer in pages:
        for letter in "oe":
            rows.setdefault(f"{writer}-{letter}", _Row())
    total = _Sum()
    for key, row in rows.items():
        writer, _, letter = key.rpartition("-")
        page = pages.get(writer)
        counters = page.lanes["oe".index(letter)] if page is not None else LaneCounters()
        total.add(row, counters, page is None or page.alive)
    discarded = sum(total.discarded.values())
    sinks = {}
    for name, cursor in cursors.items():
        on_disk = rests[name].records
        accepted, parked, purged = amends.get(name, Amend()).settle(cursor)
        told = accepted + parked + purged + on_disk + total.in_memory + discarded
        unaccounted = max(total.recorded - told, 0)
        sinks[name] = SinkBook(accepted, parked, on_disk, unaccounted, purged)
    return Books(total.recorded, total.in_memory, total.interrupted, total.discarded, sinks)
