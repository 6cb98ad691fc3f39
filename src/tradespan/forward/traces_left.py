"""What a dead process's segments say of the calls that were open: their starts, and their ends."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from tradespan.core.errors import SpoolError
from tradespan.core.records import Kind, Resource, Site, Span
from tradespan.pages.inflight import InFlight
from tradespan.spool.deaths import printable
from tradespan.spool.folder import RunFolder
from tradespan.spool.names import SegmentName
from tradespan.spool.reader import RawRecord, SegmentReader
from tradespan.wire.codec import decode_log, decode_span

logger = logging.getLogger("tradespan")

SLACK = 2.0
"""Seconds by which a segment's times and a start's may disagree: the clock may have been set."""
_LAST = 2
"""Segments of a lane in which the end of a call may stand that left its slot no more."""
_MOST_SEARCHED = 16
"""Calls up to which a segment is searched for their ids, before it is read record by record."""

MOST_LOG_LINES = 20


Key = tuple[bytes, int]
"""(trace id, span id)."""


@dataclass(slots=True)
class Left:
    """What was found."""

    starts: dict[Key, Span] = field(default_factory=dict)
    """Of durable calls, with their arguments."""
    ended: set[Key] = field(default_factory=set)
    """Calls whose end is recorded: the process died before it freed their slots."""
    sites: dict[int, Site] = field(default_factory=dict)
    resource: Resource | None = None


def read_left(folder: RunFolder, table: InFlight) -> Left:
    """Look through the segments of a dead process, as far as they may hold something."""
    left = Left()
    wanted = {(call.trace_id, call.span_id) for call in table.calls}
    for name in relevant_segments(folder, table):
        try:
            _read_segment(folder, name, wanted, left, everything=table.overflow > 0)
        except (OSError, SpoolError) as error:
            logger.warning("%s: what was open may lack its arguments: %s", name, error)
    return left


def last_log_lines(folder: RunFolder, writer: str) -> list[str]:
    """The last log lines that a process recorded, the latest last: `severity body`."""
    found: list[tuple[int, str]] = []
    own = [name for name in folder.segments() if name.writer == writer]
    for name in own[-2 * _LAST :]:
        try:
            reader = SegmentReader(folder.path / str(name), learn_sites=False)
        except (OSError, SpoolError):
            continue
        try:
            found += _log_lines(reader)
        except OSError:
            continue
        finally:
            reader.close()
    return [line for _, line in sorted(found)[-MOST_LOG_LINES:]]


def _log_lines(reader: SegmentReader) -> Iterator[tuple[int, str]]:
    for raw in _records(reader):
        if raw.kind == Kind.LOG:
            try:
                line = decode_log(raw.payload)
            except msgspec.DecodeError:
                continue
            yield line.time, printable(f"{line.severity_text} {line.body}".strip())


def _records(reader: SegmentReader) -> Iterator[RawRecord]:
    offset, finished = 0, False
    while not finished:
        stretch = reader.read(offset)
        yield from stretch.records
        finished = stretch.finished or stretch.end <= offset
        offset = stretch.end


def relevant_segments(folder: RunFolder, table: InFlight) -> Iterator[SegmentName]:
    """The last ones of each lane, and those in which a durable call began."""
    own = [name for name in folder.segments() if name.writer == table.writer]
    last = {lane: [name for name in own if name.lane == lane][-_LAST:] for lane in (0, 1)}
    slack = int(SLACK * 1e9)
    starts = [call.start for call in table.calls if call.durable]
    for name in own:
        if table.overflow or name in last[name.lane]:
            yield name
            continue
        try:
            until = (folder.path / str(name)).stat().st_mtime_ns + slack
        except OSError:
            continue
        if any(name.created - slack <= start <= until for start in starts):
            yield name


def _read_segment(
    folder: RunFolder, name: SegmentName, wanted: set[Key], left: Left, *, everything: bool
) -> None:
    reader = SegmentReader(folder.path / str(name))
    try:
        left.resource = left.resource or reader.origin.resource
        marks = [] if everything or len(wanted) > _MOST_SEARCHED else [*map(_as_written, wanted)]
        for raw in _records(reader):
            if raw.kind != Kind.SPAN or not (
                not marks or any(mark in raw.payload for mark in marks)
            ):
                continue
            try:
                span = decode_span(raw.payload)
            except msgspec.DecodeError:
                continue
            _take(span, wanted, left, everything=everything)
        left.sites.update(reader.sites)
    finally:
        reader.close()


def _take(span: Span, wanted: set[Key], left: Left, *, everything: bool) -> None:
    key = span.trace_id, span.span_id
    if span.is_open:
        if everything or key in wanted:
            left.starts[key] = span
    elif key in wanted or key in left.starts or everything:
        left.ended.add(key)


def _as_written(key: Key) -> bytes:
    """The two ids as they stand one after the other in a record."""
    return msgspec.msgpack.encode(key)[1:]
