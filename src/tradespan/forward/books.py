"""The accounting equation of one run's folder (DESIGN 4.4).

    recorded = accepted + parked + on disk + in memory + discarded(reason) + unaccounted

for each sink, and within it for each lane. A sink takes records of one kind (signal); those of
others that lie in the same segments are a term of their own, `others`; so are those that sampling
left out, `sampled`. Records are `discarded` by
the bot's process, for all sinks alike, or with a whole segment by a limit of the spool: then each
sink misses what it had not taken by then, which its own line tells.

`recorded` comes from the writers' sequence numbers and counter pages only, never
from the other terms: what does not add up is unaccounted. A number that was drawn for a record that
is nowhere is one of two things. It is *interrupted*, and not recorded, if its call never returned:
the process died in it, or is in it now. It is *lost* if there is a sign of loss in its row (a
writer's lane): bytes that did not validate, a segment of the row missing, or a later record
written than any that was found. In a row with a sign of loss every such number counts as lost, also
those that were interrupted.

What cannot be seen: a loss in a row whose counter page is gone too, behind the last record that
some sink has read or that is still there; and what FORMAT.md's rule 4 names. Where threads raced
for the page's last store, as many records as there were threads may be missing from `recorded`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tradespan.core.delivery import Cursor, LaneBook
from tradespan.core.errors import SpoolError
from tradespan.core.records import Kind
from tradespan.forward.amends import PURGED, Amend, read_amends
from tradespan.forward.counting import SegmentCount
from tradespan.forward.source import book_discarded, book_vanished, find_vanished
from tradespan.pages.counters import LaneCounters, Page
from tradespan.spool.discarded import DiscardedSegment
from tradespan.spool.folder import RunFolder
from tradespan.spool.names import SegmentName
from tradespan.spool.reader import SegmentReader, smaller_threshold

DIED_IN_MEMORY = "died_in_memory"
"""Reason of records that waited in the memory of a process when it died."""
_LOOKS = 3
_LOOKS_AT_MOVING = 50
"""At books that do not balance while cursors move."""
_LETTERS = "oe"
_LANES = {"o": "ordinary", "e": "error"}


@dataclass(frozen=True, slots=True)
class SinkBook:
    """One sink's line."""

    accepted: int
    parked: int
    on_disk: int
    """Records of its kind that it has not read."""
    unaccounted: int
    others: int = 0
    """Records of other kinds, wherever they are: they are not for this sink."""
    discarded: dict[str, int] = field(default_factory=dict)
    """Reason → records of its kind that went with a segment before it had taken them."""
    sampled: int = 0
    """Records of its kind that the agent's sampling left out: nothing is missing there."""

    @property
    def says_something(self) -> bool:
        """Whether any record is, or should be, the sink's: a receiver has one for each signal."""
        told = (self.accepted, self.parked, self.on_disk, self.unaccounted, self.sampled)
        return any(told) or any(self.discarded.values())


@dataclass(frozen=True, slots=True)
class LaneSink:
    """One sink's line for one lane."""

    taken: int
    """Accepted or parked."""
    on_disk: int
    unaccounted: int
    others: int = 0
    discarded: dict[str, int] = field(default_factory=dict)
    sampled: int = 0


@dataclass(slots=True)
class LaneBooks:
    """One lane of all writers."""

    recorded: int = 0
    in_memory: int = 0
    interrupted: int = 0
    recovered: int = 0
    """Records that waited in memory and have been written since; they are elsewhere by now."""
    discarded: dict[str, int] = field(default_factory=dict)
    sinks: dict[str, LaneSink] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Books:
    """What was recorded in a folder, and where it is now."""

    recorded: int
    in_memory: int
    interrupted: int
    discarded: dict[str, int] = field(default_factory=dict)
    """Reason → records that the bot's process discarded: of all sinks the same."""
    sinks: dict[str, SinkBook] = field(default_factory=dict)
    lanes: dict[str, LaneBooks] = field(default_factory=dict, compare=False)
    """`ordinary` and `error`."""
    signals: dict[str, int] = field(default_factory=dict, compare=False)
    """`span`, `log`, `metric` → records that were found in segments; a record in memory, or one
    that was lost, has no kind that anybody knows."""

    @property
    def balanced(self) -> bool:
        """Whether nothing is unaccounted for."""
        return not any(sink.unaccounted for sink in self.sinks.values())

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def add_up(folder: RunFolder, cursors: Mapping[str, Cursor]) -> Books:
    """Add up a folder's books once. Who does it again and again keeps a `Bookkeeper`."""
    return Bookkeeper(folder).add_up(cursors)


@dataclass(slots=True)
class _Row:
    """One writer's lane, as far as anybody knows."""

    highest: int = 0
    found: int = 0
    """Records that some sink has read or that are on disk."""
    damaged: int = 0
    segments: int = 0
    gap_in_segments: bool = False

    def learn(self, book: LaneBook) -> None:
        """What one sink has read, and will read."""
        self.highest = max(self.highest, book.highest)
        self.found = max(self.found, book.read)
        self.damaged = max(self.damaged, book.damaged)
        self.segments = max(self.segments, book.segments)
        self.gap_in_segments |= book.ordinal > book.segments


def _add(total: dict[str, int], more: Mapping[str, int]) -> None:
    for key, count in more.items():
        if count:
            total[key] = total.get(key, 0) + count


def _add_row(total: LaneBooks, row: _Row, counters: LaneCounters, alive: bool) -> None:
    """One row: what is neither found nor known to be elsewhere is lost, or was interrupted."""
    elsewhere = counters.in_memory + counters.overflow
    highest = max(row.highest, counters.acknowledged, row.found + elsewhere)
    missing = highest - row.found - elsewhere
    gap = row.gap_in_segments or counters.segments > row.segments
    lost = bool(row.damaged) or gap or counters.highest_written > row.highest
    interrupted = 0 if lost else missing
    total.interrupted += interrupted
    # The last two were discarded before they had a number.
    total.recorded += highest - interrupted + counters.unencodable + counters.oversize
    total.recovered += counters.recovered
    _add(total.discarded, counters.discarded)
    if alive:
        total.in_memory += counters.in_memory
    else:
        _add(total.discarded, {DIED_IN_MEMORY: counters.in_memory})


class Bookkeeper:
    """Adds up one folder's books; for each place that a sink is at, it reads what follows once.

    May be asked by any thread.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self.queue_warning_threshold = 0
        """The smallest one of the functions in what was read so far; 0: none has one."""
        self._counts: dict[tuple[str, int], SegmentCount] = {}
        self._lock = threading.Lock()

    def add_up(self, cursors: Mapping[str, Cursor]) -> Books:
        """The books now, for the sinks that have these cursors."""
        with self._lock:
            looks = 0
            while True:
                # Before the segments: what was acknowledged by then has to be found in them.
                before = {page.writer: page for page in self._folder.pages()}
                segments, discarded = self._folder.contents()
                rests = self._read_rests(cursors or {"": Cursor()}, segments, discarded)
                after = {page.writer: page for page in self._folder.pages()}
                looks += 1
                still = discarded == self._folder.contents()[1]
                if looks == _LOOKS or (still and not _moved(before, after)):
                    return _sum_up(before, rests, cursors, read_amends(self._folder))

    def settle(
        self, read_cursors: Callable[[], dict[str, Cursor]]
    ) -> tuple[Books, dict[str, Cursor]]:
        """The books and the cursors that they stand for, while others forward.

        Whoever forwards deletes a segment once his cursor is past it, maybe since we have read that
        cursor: what is missing is believed only if no cursor has moved meanwhile.
        """
        cursors = read_cursors()
        looks = 0
        while True:
            books, standing = self.add_up(cursors), cursors
            looks += 1
            if books.balanced or looks == _LOOKS_AT_MOVING:
                return books, standing
            cursors = read_cursors()
            if cursors == standing:
                return books, standing

    def _read_rests(
        self,
        cursors: Mapping[str, Cursor],
        segments: list[SegmentName],
        discarded: list[DiscardedSegment],
    ) -> dict[str, _Rest]:
        """What lies on disk behind each cursor. All see the segments as of the same moment."""
        rests = {
            sink: _Rest(cursor, {row: book.copy() for row, book in cursor.books.items()})
            for sink, cursor in cursors.items()
        }
        there = {str(name) for name in segments} | {str(left.segment) for left in discarded}
        for rest in rests.values():
            for gone in find_vanished(rest.cursor.unfinished - there, self._folder):
                book_vanished(rest.books.setdefault(gone.row, LaneBook()))
            for left in discarded:
                rest.add_discarded(left)
        used: set[tuple[str, int]] = set()
        for name in segments:
            starts = {cursor.positions.get(str(name), 0) for cursor in cursors.values()}
            used |= {(str(name), start) for start in starts}
            counts = self._count_segment(name, sorted(starts))
            for rest in rests.values():
                start = rest.cursor.positions.get(str(name), 0)
                if (count := counts.get(start)) is not None:
                    rest.add(name, count)
        self._counts = {key: count for key, count in self._counts.items() if key in used}
        return rests

    def _count_segment(self, name: SegmentName, starts: list[int]) -> dict[int, SegmentCount]:
        """Count on from each place to one common end; empty if the segment cannot be read."""
        keys = {start: (str(name), start) for start in starts}
        counts = {
            start: self._counts.get(key) or SegmentCount(start) for start, key in keys.items()
        }
        if all(count.finished for count in counts.values()):
            return counts
        try:
            reader = SegmentReader(self._folder.path / str(name), learn_sites=False)
        except (OSError, SpoolError):
            return {}
        try:
            end: int | None = None
            for count in counts.values():
                count.go_on(reader, end)
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


@dataclass(slots=True)
class _Rest:
    """One sink's books as they will be once it has read what is on disk."""

    cursor: Cursor
    books: dict[str, LaneBook]
    on_disk: dict[str, int] = field(default_factory=dict)
    """Row → records of its kind."""

    def add(self, name: SegmentName, count: SegmentCount) -> None:
        book = self.books.setdefault(name.row, LaneBook())
        if str(name) not in self.cursor.positions:
            book.segments += 1
            book.ordinal = max(book.ordinal, name.ordinal)
        _add(self.on_disk, {name.row: count.kinds.get(self.cursor.kind, 0)})
        book.pass_over(count.kinds, self.cursor.kind)
        book.highest = max(book.highest, count.highest)
        book.damaged += count.damaged

    def add_discarded(self, left: DiscardedSegment) -> None:
        if str(left) not in self.cursor.positions:
            book = self.books.setdefault(left.segment.row, LaneBook())
            book_discarded(book, left, self.cursor)

    def line(self, letter: str, lane: LaneBooks) -> LaneSink:
        """The sink's line for one lane, of which `lane` tells what is the same for all sinks."""
        rows = {row: book for row, book in self.books.items() if row.endswith(f"-{letter}")}
        on_disk = sum(self.on_disk.get(row, 0) for row in rows)
        taken = sum(book.taken for book in rows.values()) - on_disk
        others = sum(sum(book.other.values()) for book in rows.values())
        discarded: dict[str, int] = {}
        for book in rows.values():
            _add(discarded, book.discarded)
        sampled = sum(book.sampled for book in rows.values())
        told = taken + on_disk + others + sum(discarded.values()) + sampled
        told += lane.in_memory + sum(lane.discarded.values())
        return LaneSink(taken, on_disk, max(lane.recorded - told, 0), others, discarded, sampled)


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
        for letter in _LETTERS:
            rows.setdefault(f"{writer}-{letter}", _Row())
    lanes = {letter: LaneBooks() for letter in _LETTERS}
    for key, row in rows.items():
        writer, _, letter = key.rpartition("-")
        page = pages.get(writer)
        counters = page.lanes[_LETTERS.index(letter)] if page is not None else LaneCounters()
        _add_row(lanes[letter], row, counters, page is None or page.alive)
    discarded: dict[str, int] = {}
    for lane in lanes.values():
        _add(discarded, lane.discarded)
    recorded = sum(lane.recorded for lane in lanes.values())
    in_memory = sum(lane.in_memory for lane in lanes.values())
    sinks = {}
    for name, cursor in cursors.items():
        for letter, lane in lanes.items():
            lane.sinks[name] = rests[name].line(letter, lane)
        written = recorded - in_memory - sum(discarded.values())
        lines = [lane.sinks[name] for lane in lanes.values()]
        sinks[name] = _add_lines(cursor, amends.get(name, Amend()), lines, written)
    return Books(
        recorded,
        in_memory,
        sum(lane.interrupted for lane in lanes.values()),
        discarded,
        sinks,
        {_LANES[letter]: lane for letter, lane in lanes.items()},
        _count_signals(rests.values()),
    )


def _add_lines(cursor: Cursor, amend: Amend, lines: list[LaneSink], written: int) -> SinkBook:
    """A sink's line over all lanes. `written`: records that went into segments."""
    discarded: dict[str, int] = {}
    for line in lines:
        _add(discarded, line.discarded)
    on_disk, others = (sum(line.on_disk for line in lines), sum(line.others for line in lines))
    sampled = sum(line.sampled for line in lines)
    accepted, parked, purged = amend.settle(cursor)
    _add(discarded, {PURGED: purged})
    told = accepted + parked + on_disk + others + sum(discarded.values()) + sampled
    unaccounted = max(written - told, 0)
    return SinkBook(accepted, parked, on_disk, unaccounted, others, discarded, sampled)


def _count_signals(rests: Iterable[_Rest]) -> dict[str, int]:
    """What was found of each kind, by the sink that has found most."""
    found: dict[int, int] = {}
    for rest in rests:
        kinds: dict[int, int] = {}
        for book in rest.books.values():
            for kind, count in book.other.items():
                kinds[kind] = kinds.get(kind, 0) + count
            own = book.read - sum(book.other.values())
            kinds[rest.cursor.kind] = kinds.get(rest.cursor.kind, 0) + own
        found = {kind: max(found.get(kind, 0), kinds.get(kind, 0)) for kind in found | kinds}
    names = {int(kind): kind.name.lower() for kind in Kind}
    return {names.get(kind, "unknown"): count for kind, count in sorted(found.items()) if count}
