"""The accounting equation of one run's folder (DESIGN 4.4).

    recorded = accepted + parked + on disk + in memory + discarded(reason) + unaccounted   (per sink)

`recorded` comes from the writers' sequence numbers and counter pages only, never from the other terms:
what does not add up is unaccounted. A record whose call was cut by the process's death before it
returned was drawn a number and never written; it is `interrupted`, and not recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tradespan.core.delivery import Cursor, LaneBook
from tradespan.core.errors import SpoolError
from tradespan.pages.counters import DISCARD_REASONS, read_page
from tradespan.spool.folder import RunFolder
from tradespan.spool.layout import SegmentName
from tradespan.spool.reader import SegmentReader


@dataclass(frozen=True, slots=True)
class SinkBook:
    """One sink's line."""

    accepted: int
    parked: int
    on_disk: int
    unaccounted: int


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
    """Add up a folder's books from its segments, pages and the sinks' cursors."""
    read_ahead = {name: _read_rest(folder, cursor) for name, cursor in cursors.items()}
    nothing = Cursor()
    lanes = _merge([rest.books for rest in read_ahead.values()] or [_read_rest(folder, nothing).books])
    discarded = dict.fromkeys(DISCARD_REASONS, 0)
    in_memory = beyond = 0
    for page in folder.pages():
        for lane, counters in zip("oe", read_page(page) or (), strict=False):
            for reason, count in counters.discarded.items():
                discarded[reason] += count
            in_memory += counters.in_memory
            book = lanes.get(f"{page.stem}-{lane}", LaneBook())
            # Drawn for memory, and never written: in memory still, or given up for room.
            beyond += max(counters.drawn - book.highest, 0)
            beyond += counters.unencodable + counters.oversize
    lost = sum(book.lost for book in lanes.values())
    missing = sum(book.missing for book in lanes.values())
    gaps_explained = min(discarded["overflow"], missing)
    interrupted = max(missing - lost - gaps_explained, 0)
    recorded = sum(book.highest for book in lanes.values()) + beyond - interrupted
    discarded = {reason: count for reason, count in discarded.items() if count}
    sinks = {}
    for name, rest in read_ahead.items():
        cursor = cursors[name]
        told = cursor.accepted + cursor.parked + rest.records + in_memory + sum(discarded.values())
        sinks[name] = SinkBook(cursor.accepted, cursor.parked, rest.records, recorded - told)
    return Books(recorded, in_memory, interrupted, discarded, sinks)


@dataclass(slots=True)
class _Rest:
    records: int
    books: dict[str, LaneBook]


def _read_rest(folder: RunFolder, cursor: Cursor) -> _Rest:
    """What lies on disk behind a cursor, and the books as they will be once it is read."""
    books = {key: LaneBook(**vars_of(book)) for key, book in cursor.books.items()}
    rest = _Rest(0, books)
    for name in folder.segments():
        try:
            reader = SegmentReader(folder.path / str(name))
        except (OSError, SpoolError):
            continue
        try:
            _count(reader, name, cursor, rest)
        finally:
            reader.close()
    return rest


def _count(reader: SegmentReader, name: SegmentName, cursor: Cursor, rest: _Rest) -> None:
    text = str(name)
    book = rest.books.setdefault(f"{name.writer}-{'oe'[name.lane]}", LaneBook())
    if text not in cursor.positions:
        book.segments += 1
        book.ordinal = max(book.ordinal, name.ordinal)
    place = cursor.positions.get(text, 0)
    while True:
        stretch = reader.read(place)
        rest.records += len(stretch.records)
        book.read += len(stretch.records)
        book.highest = max([book.highest, *(raw.sequence for raw in stretch.records)])
        if stretch.finished or stretch.end == place:
            break
        place = stretch.end
    book.damaged += reader.damaged_bytes


def vars_of(book: LaneBook) -> dict[str, int]:
    """A slotted dataclass's fields."""
    return {name: getattr(book, name) for name in LaneBook.__slots__}


def _merge(all_books: list[dict[str, LaneBook]]) -> dict[str, LaneBook]:
    """The furthest book of each lane: sinks read at their own pace."""
    merged: dict[str, LaneBook] = {}
    for books in all_books:
        for key, book in books.items():
            if key not in merged or book.highest > merged[key].highest:
                merged[key] = book
    return merged
