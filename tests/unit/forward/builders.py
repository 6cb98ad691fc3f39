"""Folders with real spans in real segments, and couriers to lists."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.support.fakes import ListSink, MemoryCursors, SteppingClock
from tests.unit.spool.builders import read_segment
from tradespan.core.delivery import Batch, CursorKeeper, Sink
from tradespan.core.records import Kind, Resource, Site, Span
from tradespan.forward.books import Books, add_up
from tradespan.forward.courier import Courier, RetryPolicy
from tradespan.forward.source import BatchLimits, FolderSource
from tradespan.spool.folder import RunFolder
from tradespan.spool.writer import SpoolLimits, SpoolWriter
from tradespan.wire.codec import decode_span, encode_record

SPAN = int(Kind.SPAN)
SMALL = SpoolLimits(first_segment=4096, largest_segment=4096)
ONE_AT_A_TIME = BatchLimits(records=1, bytes=1)


class Bot:
    """A process that records spans whose ids count from 1."""

    def __init__(
        self,
        folder: Path,
        *,
        limits: SpoolLimits = SMALL,
        clock: SteppingClock | None = None,
        thresholds: Mapping[int, int] | None = None,
    ) -> None:
        """`thresholds`: site → its `queue_warning_threshold`. Span n is of site 1 + n % 3."""
        given = thresholds or {}
        self.folder = RunFolder(folder)
        self.clock = clock or SteppingClock()
        self.spool = SpoolWriter(
            folder,
            describe=lambda writer: encode_record(Resource({"service.name": "bot"})),
            site_payload=lambda number: encode_record(
                Site(
                    number,
                    "tradespan",
                    name="decide",
                    queue_warning_threshold=given.get(number, 0),
                )
            ),
            limits=limits,
            clock=self.clock,
        )
        self.recorded = 0

    def record(self, count: int, *, failed: bool = False, name: str = "tick") -> list[int]:
        """Record spans; returns their ids."""
        # Segments that begin at one moment have no order among each other.
        self.clock.step(0.001)
        first = self.recorded + 1
        self.recorded += count
        lane = self.spool.errors if failed else self.spool.ordinary
        for number in range(first, self.recorded + 1):
            lane.append(SPAN, 1 + number % 3, encode_record(make_span(number, name)))
        return list(range(first, self.recorded + 1))

    def close(self) -> None:
        self.spool.close()

    def die(self) -> None:
        """The process is gone; its locks are free, its files as they were."""
        self.spool.locks.abandon()


def make_span(number: int, name: str = "tick") -> Span:
    return Span(1 + number % 3, b"t" * 16, number, 0, 1_000 * number, 10, 0x100, name)


def make_source(
    folder: RunFolder, keeper: MemoryCursors | None = None, limits: BatchLimits | None = None
) -> FolderSource[Span]:
    cursor = (keeper or MemoryCursors()).load(str(folder.path))
    return FolderSource(folder, Kind.SPAN, decode_span, cursor, limits)


def make_courier(
    sink: Sink[Span],
    keeper: CursorKeeper | None = None,
    *,
    clock: SteppingClock | None = None,
    limits: BatchLimits | None = None,
    retry: RetryPolicy | None = None,
) -> Courier[Span]:
    clock = clock or SteppingClock()
    return Courier(
        sink,
        keeper or MemoryCursors(),
        Kind.SPAN,
        decode_span,
        retry=retry,
        limits=limits,
        now=clock.seconds,
    )


def open_files(folder: Path) -> list[str]:
    """Names of files in a folder that this process has open, once a descriptor."""
    entries = Path("/proc/self/fd").iterdir()
    found = [entry.readlink() for entry in entries if entry.is_symlink()]
    return sorted(path.name for path in found if path.parent == folder)


def ids(batch: Batch[Span]) -> list[int]:
    return [span.span_id for part in batch.slices for span in part.records]


def taken(sink: ListSink[Span]) -> list[int]:
    return [span.span_id for span in sink.records]


def drain(source: FolderSource[Span]) -> list[int]:
    """Take everything a source has; returns the ids in order."""
    found: list[int] = []
    while (given := source.next_batch()) is not None:
        batch, ahead = given
        found += ids(batch)
        source.accept(ahead)
    return found


def told(books: Books, sink: str = "list") -> int:
    """The right side of the equation."""
    book = books.sinks[sink]
    elsewhere = books.in_memory + sum(books.discarded.values()) + book.others
    elsewhere += sum(book.discarded.values())
    return book.accepted + book.parked + book.on_disk + elsewhere + book.unaccounted


def told_by_lanes(books: Books, sink: str = "list") -> list[int]:
    """The right side of the equation of each lane."""
    sides = []
    for lane in books.lanes.values():
        line = lane.sinks[sink]
        elsewhere = lane.in_memory + sum(lane.discarded.values()) + line.others
        elsewhere += sum(line.discarded.values())
        sides.append(line.taken + line.on_disk + elsewhere + line.unaccounted)
    return sides


def deliver(courier: Courier[Span], folder: RunFolder, batches: int = 1_000) -> None:
    for _ in range(batches):
        if not courier.work([folder]):
            return


def add_up_for(folder: RunFolder, *couriers: Courier[Span]) -> Books:
    books = add_up(folder, {courier.sink.name: courier.cursor(folder) for courier in couriers})
    for name in books.sinks:
        assert told(books, name) == books.recorded
        assert told_by_lanes(books, name) == [lane.recorded for lane in books.lanes.values()]
    return books


def work_on(courier: Courier[Span], *folders: RunFolder) -> None:
    """Round after round, until nothing more is delivered."""
    while courier.work(list(folders)):
        pass


def parked_files(folder: RunFolder) -> list[Path]:
    return sorted((folder.path / "parked" / "list").glob("*.seg"))


def parked_ids(folder: RunFolder) -> list[int]:
    return [
        decode_span(record.payload).span_id
        for path in parked_files(folder)
        for record in read_segment(path)
    ]
