"""The agent's side of the spool: frames of one segment, from an offset, while it may still grow.

Reads by `pread`, never through a mapping: a file that its writer cuts would end a mapping reader
with SIGBUS. No number of the file is trusted (FORMAT.md, rule 9).
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass, field
from pathlib import Path

from tradespan.core.delivery import Origin
from tradespan.core.errors import DamagedSegment, UnsupportedFormat
from tradespan.core.process import is_alive
from tradespan.core.records import Kind, Lane, Resource, Site
from tradespan.spool.layout import (
    FIRST_RECORD_KIND,
    FORMAT_VERSION,
    FRAME_HEADER_SIZE,
    HEADER_SIZE,
    MAX_PAYLOAD,
    SegmentHeader,
    format_version,
    frame_checksum,
    frame_size,
    unpack_frame_header,
    unpack_header,
)
from tradespan.wire.codec import decode_resource, decode_site

READ_BYTES = 256 * 1024
CHECKSUM_BUDGET = 64 * 1024 * 1024
"""Bytes of checksums that a search for the next whole frame may cost, per segment."""


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One record frame, not yet decoded."""

    sequence: int
    kind: int
    payload: bytes


@dataclass(slots=True)
class Stretch:
    """What one read brought."""

    records: list[RawRecord] = field(default_factory=list)
    start: int = 0
    end: int = 0
    finished: bool = False
    """No byte will ever follow: the writer closed the segment, or is dead."""


class SegmentReader:
    """Reads one segment forward. Keeps the sites it has passed."""

    def __init__(self, path: Path) -> None:
        """Open a segment.

        Raises:
            DamagedSegment: It has no valid header, or no valid resource frame.
            UnsupportedFormat: A later version wrote it.
            OSError: It is gone, a link, or not readable.
        """
        self.path = path
        self.damaged_bytes = 0
        self.unknown_frames = 0
        self.sites: dict[int, Site] = {}
        self._resource: Resource | None = None
        self._searched = 0
        self._sites_known_to = HEADER_SIZE
        self._final = False
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            first = os.pread(self._descriptor, HEADER_SIZE, 0)
            header = unpack_header(first)
            if (version := format_version(first)) > FORMAT_VERSION:
                raise UnsupportedFormat(path, version, FORMAT_VERSION)
            if isinstance(header, str):
                raise DamagedSegment(path, 0, header)
            self.header: SegmentHeader = header
            self._read_resource()
        except BaseException:
            os.close(self._descriptor)
            raise
        assert self._resource is not None
        self.origin = Origin(header.writer.hex(), Lane(header.lane), self._resource)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def writer_is_gone(self) -> bool:
        """Whether nobody will append any more: closed, or its lock is free."""
        header = unpack_header(os.pread(self._descriptor, HEADER_SIZE, 0))
        if isinstance(header, SegmentHeader) and header.closed:
            return True
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without flock: the second witness
            return not is_alive(self.header.process_id, self.header.process_start)
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        return True

    def read(self, offset: int, limit: int = READ_BYTES) -> Stretch:
        """Read whole frames from `offset` on, about `limit` bytes of them.

        Where the writer lives, an invalid frame ends the stretch: it may be half written. Where it
        is gone, invalid bytes are passed over and counted in `damaged_bytes`.
        """
        offset = max(offset, HEADER_SIZE)
        self._learn_sites(offset)
        stretch = self._read_valid(offset, limit)
        if stretch.end > offset or not (self._final or self.writer_is_gone()):
            return stretch
        if not self._final:
            # The last frames may be newer than the look above: once more, now that no one writes.
            self._final = True
            stretch = self._read_valid(offset, limit)
            if stretch.end > offset:
                return stretch
        return self._pass_over_damage(offset)

    def _read_valid(self, offset: int, limit: int) -> Stretch:
        stretch = Stretch(start=offset, end=offset)
        data = os.pread(self._descriptor, limit, offset)
        place = 0
        while (frame := self._frame_at(data, place)) is not None:
            payload, word, size = frame
            if payload is None:  # cut by the end of what was read: read on from here
                if place == 0 and size > limit:
                    return self._read_valid(offset, size)
                break
            self._sort_in(stretch, word, payload)
            place += size
        stretch.end = offset + place
        self._sites_known_to = max(self._sites_known_to, stretch.end)
        return stretch

    def _frame_at(self, data: bytes, place: int) -> tuple[bytes | None, int, int] | None:
        """(payload, word, frame size) of the frame at `place`; None where no valid frame begins.

        The payload is None when `data` ends before the frame does.
        """
        if place + FRAME_HEADER_SIZE > len(data):
            return None
        length, checksum, word = unpack_frame_header(data, place)
        if not 0 < length <= MAX_PAYLOAD:
            return None
        size = frame_size(length)
        if place + size > len(data):
            return None, word, size
        start = place + FRAME_HEADER_SIZE
        payload = data[start : start + length]
        if frame_checksum(payload, word) != checksum:
            return None
        return payload, word, size

    def _sort_in(self, stretch: Stretch, word: int, payload: bytes) -> None:
        kind = word >> 8 & 0xFF
        if kind >= FIRST_RECORD_KIND:
            stretch.records.append(RawRecord(word >> 16, kind, payload))
        elif kind == Kind.SITE:
            site = decode_site(payload)
            self.sites[site.number] = site
        elif kind == Kind.RESOURCE:
            self._resource = decode_resource(payload)
        else:
            self.unknown_frames += 1

    def _read_resource(self) -> None:
        self._read_valid(HEADER_SIZE, READ_BYTES)
        if self._resource is None:
            raise DamagedSegment(self.path, HEADER_SIZE, "it does not begin with a resource")

    def _learn_sites(self, offset: int) -> None:
        """Pass over what lies before a cursor once, for the sites declared there."""
        while self._sites_known_to < offset:
            before = self._sites_known_to
            self._read_valid(before, READ_BYTES)
            if self._sites_known_to == before:
                self._sites_known_to = self._next_valid(before) or offset

    def _pass_over_damage(self, offset: int) -> Stretch:
        following = self._next_valid(offset)
        size = os.fstat(self._descriptor).st_size
        if following is None:
            self._count_damage(offset, size)
            return Stretch(start=offset, end=max(offset, size), finished=True)
        self._count_damage(offset, following)
        return Stretch(start=offset, end=following)

    def _count_damage(self, start: int, end: int) -> None:
        """Zeros are what was never written; anything else is counted."""
        while start < end:
            data = os.pread(self._descriptor, min(READ_BYTES, end - start), start)
            if not data:
                return
            self.damaged_bytes += len(data) - data.count(0)
            start += len(data)

    def _next_valid(self, offset: int) -> int | None:
        """Offset of the next whole frame after `offset`; None if none is found in the budget."""
        size = os.fstat(self._descriptor).st_size
        place = offset + 8
        while place < size:
            data = os.pread(self._descriptor, READ_BYTES + MAX_PAYLOAD + 64, place)
            for inside in range(0, min(len(data), READ_BYTES), 8):
                if data[inside : inside + 4] == b"\0\0\0\0":
                    continue
                frame = self._frame_at(data, inside)
                length = unpack_frame_header(data, inside)[0] if inside + 16 <= len(data) else 0
                self._searched += min(length, MAX_PAYLOAD) if length <= MAX_PAYLOAD else 0
                if frame is not None and frame[0] is not None:
                    return place + inside
                if self._searched > CHECKSUM_BUDGET:
                    return None
            place += READ_BYTES
        return None
