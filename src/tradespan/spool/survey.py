"""One segment read to its end, for whoever wants to know what is in it. Changes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tradespan.core.errors import SpoolError
from tradespan.core.process import is_alive
from tradespan.core.records import Kind, LogRecord, MetricReading, Site, Span
from tradespan.spool.layout import SegmentName
from tradespan.spool.reader import READ_BYTES, RawRecord, SegmentReader
from tradespan.wire.codec import decode_log, decode_reading, decode_span

State = Literal["open", "closed", "dead"]
"""Its writer lives and appends; its writer has sealed it; its writer is gone and left it open."""

_DECODE: dict[int, Callable[[bytes], Any]] = {
    Kind.SPAN: decode_span,
    Kind.LOG: decode_log,
    Kind.METRIC: decode_reading,
}


class Record(NamedTuple):
    """One record of a segment, as far as this version reads its kind."""

    raw: RawRecord
    kind: str
    content: Any
    """A `Span`, `LogRecord` or `MetricReading`; None: a kind of a later version."""
    site: Site

    @property
    def time(self) -> int | None:
        """When it was made, in nanoseconds UTC; None where nothing says so."""
        return _time_of(self.content)


@dataclass(slots=True)
class Numbers:
    """Sequence numbers met in one row or segment. Each number stands in one frame alone."""

    low: int = 0
    high: int = 0
    count: int = 0

    def add(self, number: int) -> None:
        """One more record."""
        self.low = min(self.low, number) if self.count else number
        self.high = max(self.high, number)
        self.count += 1

    def join(self, other: Numbers) -> None:
        """Those of another segment of the row."""
        if other.count:
            self.low = min(self.low, other.low) if self.count else other.low
            self.high = max(self.high, other.high)
            self.count += other.count

    @property
    def missing(self) -> int:
        """Numbers between the lowest and the highest that are not here."""
        return max(self.high - self.low + 1 - self.count, 0) if self.count else 0


@dataclass(slots=True)
class Survey:
    """What is in one segment."""

    name: SegmentName
    size: int = 0
    """Bytes of the file."""
    state: State = "dead"
    process_id: int = 0
    alive: bool = False
    """Whether the process that wrote it runs."""
    service: str = ""
    records: dict[str, int] = field(default_factory=dict)
    """By kind, such as `span`."""
    first: int | None = None
    """When the earliest record was made, nanoseconds UTC."""
    last: int | None = None
    numbers: Numbers = field(default_factory=Numbers)
    damaged_bytes: int = 0
    unknown_frames: int = 0
    """Whole frames of a kind that a later version wrote."""
    problem: str = ""
    """Why it cannot be read at all; empty if it can."""

    @property
    def count(self) -> int:
        """Records of all kinds."""
        return sum(self.records.values())

    @property
    def good(self) -> bool:
        """Whether every byte of it is what a writer of ours left."""
        return not self.problem and not self.damaged_bytes

    def learn(self, record: Record) -> None:
        """One more record."""
        self.records[record.kind] = self.records.get(record.kind, 0) + 1
        self.numbers.add(record.raw.sequence)
        if (time := record.time) is not None:
            self.first = time if self.first is None else min(self.first, time)
            self.last = time if self.last is None else max(self.last, time)


def survey_segment(path: Path, on_bytes: Callable[[int], None] = lambda _: None) -> Survey:
    """Read every byte of a segment. `on_bytes` is told how many have been read since it was last.

    What is wrong with the file stands in the survey: nothing is raised for it.
    """
    name = SegmentName.parse(path.name)
    assert name is not None
    survey = Survey(name)
    try:
        survey.size = os.stat(path, follow_symlinks=False).st_size
        reader = SegmentReader(path)
    except (OSError, SpoolError) as error:
        survey.problem = _without_path(error, path)
        return survey
    try:
        header = reader.header
        survey.process_id = header.process_id
        survey.state = "closed" if header.closed else "dead" if reader.writer_is_gone() else "open"
        survey.alive = survey.state == "open" or is_alive(header.process_id, header.process_start)
        survey.service = str(reader.origin.resource.attributes.get("service.name", ""))
        for record in _walk(reader, survey, on_bytes):
            survey.learn(record)
        survey.damaged_bytes += reader.damaged_bytes
        survey.unknown_frames = reader.unknown_frames
    except OSError as error:
        survey.problem = _without_path(error, path)
    finally:
        reader.close()
    return survey


def read_records(path: Path, offset: int = 0) -> Iterator[Record]:
    """The records of a segment in the order they were written; damaged bytes are passed over.

    `offset`: where to begin.

    Raises:
        SpoolError: It is no segment, or one of a later version.
        OSError: It is gone, or not readable.
    """
    reader = SegmentReader(path)
    try:
        yield from _walk(reader, None, lambda _: None, offset)
    finally:
        reader.close()


def _walk(
    reader: SegmentReader, survey: Survey | None, on_bytes: Callable[[int], None], offset: int = 0
) -> Iterator[Record]:
    while True:
        stretch = reader.read(offset, READ_BYTES)
        on_bytes(stretch.end - offset)
        for raw in stretch.records:
            record = _decode(reader, raw)
            if record is not None:
                yield record
            elif survey is not None:
                survey.damaged_bytes += len(raw.payload)
        if stretch.finished or stretch.end <= max(offset, stretch.start):
            return
        offset = stretch.end


def _decode(reader: SegmentReader, raw: RawRecord) -> Record | None:
    """A record; None if its payload is nothing that can be decoded."""
    decode = _DECODE.get(raw.kind)
    if decode is None:
        return Record(raw, name_kind(raw.kind), None, reader.sites[0])
    try:
        content = decode(raw.payload)
    except Exception:  # noqa: BLE001 - bytes of a file may be anything: told as damage
        return None
    return Record(raw, name_kind(raw.kind), content, reader.sites[getattr(content, "site", 0)])


def read_time(raw: RawRecord) -> int | None:
    """When a record was made, as `Record.time`; None also if it cannot be decoded."""
    try:
        decode = _DECODE.get(raw.kind)
        return None if decode is None else _time_of(decode(raw.payload))
    except Exception:  # noqa: BLE001 - bytes of a file may be anything
        return None


def _time_of(content: object) -> int | None:
    if isinstance(content, Span):
        return content.end
    if isinstance(content, LogRecord):
        return content.time or content.observed_time or None
    return content.time if isinstance(content, MetricReading) else None


def name_kind(kind: int) -> str:
    """`span`, `log`, `metric`; `kind 42` for one of a later version."""
    try:
        return Kind(kind).name.lower()
    except ValueError:
        return f"kind {kind}"


def _without_path(error: Exception, path: Path) -> str:
    """An error's sentence for a line that names the file already."""
    said = getattr(error, "reason", "") or getattr(error, "strerror", "") or str(error)
    return str(said).replace(str(path), "it")
