"""The agent's side of the spool: frames of one segment, from an offset, while it may still grow.

Reads by `pread`, never through a mapping: a file that its writer cuts would end a mapping reader
with SIGBUS. No number of the file is trusted (FORMAT.md, rule 9).
"""

from __future__ import annotations

import os
import struct
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tradespan.core.delivery import Origin
from tradespan.core.errors import DamagedSegment, UnsupportedFormat
from tradespan.core.plainfiles import NotPlainFile, open_plain
from tradespan.core.process import is_alive
from tradespan.core.records import Kind, Lane, Resource, Site
from tradespan.pages.locks import is_locked
from tradespan.spool.layout import (
    END_KIND,
    END_SIZE,
    FIRST_RECORD_KIND,
    FORMAT_VERSION,
    FRAME_HEADER_SIZE,
    HEADER_SIZE,
    MAX_PAYLOAD,
    SegmentHeader,
    format_version,
    frame_checksum,
    frame_size,
    pack_end,
    unpack_frame_header,
    unpack_header,
)
from tradespan.spool.names import SegmentName
from tradespan.wire.codec import decode_resource, decode_site

READ_BYTES = 256 * 1024
OTHER_KINDS = 0
"""Stands in counts for all kinds of record of a later version."""
_KNOWN_KINDS = frozenset(Kind)
SEARCH_BUDGET = 64 * 1024 * 1024
"""What the searches for the next whole frame may cost, per segment: bytes of checksums in vain,
and a page for each search."""
_SEARCH_COST = 4096
_SCAN_SHARE = 8
"""Bytes that are looked at in vain cost so much less than bytes of a checksum: of a hole of a
terabyte, half a gibibyte is read."""
MOST_SITES = 65_536
MOST_SITE_BYTES = 8 * 1024 * 1024
"""Declarations of sites that are kept of one segment; the records of others have no facts."""
_FIRST_WINDOW = 16 * 1024
_ZEROS = bytes(READ_BYTES)
_LENGTHS = struct.Struct("<I4x")


class RawRecord(NamedTuple):
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

    def count_kinds(self) -> dict[int, int]:
        """Kind → records; those of kinds that this version does not know are one, `OTHER_KINDS`."""
        counts: dict[int, int] = {}
        for kind, count in Counter(raw.kind for raw in self.records).items():
            known = kind if kind in _KNOWN_KINDS else OTHER_KINDS
            counts[known] = counts.get(known, 0) + count
        return counts


class KnownSites(dict[int, Site]):
    """The sites that a segment declares; one whose declaration was damaged has no facts."""

    def __missing__(self, number: int) -> Site:
        return Site(number, "")


def smaller_threshold(one: int, other: int) -> int:
    """The smaller of two thresholds in records; 0, or anything a file may hold below, is none."""
    return min((each for each in (one, other) if each > 0), default=0)


class SegmentReader:
    """Reads one segment forward. Keeps the sites it has passed."""

    def __init__(self, path: Path, *, learn_sites: bool = True) -> None:
        """Open a segment. `learn_sites=False`: for counting; reading from a cursor on costs less.

        Raises:
            DamagedSegment: It is a link or no file, has no valid header or no valid resource.
            UnsupportedFormat: A later version wrote it.
            OSError: It is gone, or not readable.
        """
        self.path = path
        self.origin: Origin
        self.damaged_bytes = 0
        """Bytes passed over so far because they were not valid."""
        self.unknown_frames = 0
        self.sites = KnownSites()
        self.queue_warning_threshold = 0
        """The smallest one of the sites so far; 0: none has one."""
        self._site_bytes = 0
        self._searched = 0
        self._learns = learn_sites
        self._sites_known_to = HEADER_SIZE
        self._final = False
        self._descriptor = _open_file(path)
        try:
            self.header = self._read_header()
            self._compare_name()
            self._lane = self.header.lane
            self._checked = self.header.checksum, self.header.seed
            resource = self._read_resource()
        except BaseException:
            os.close(self._descriptor)
            raise
        self.origin = Origin(self.header.writer.hex(), Lane(self._lane), resource)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def writer_is_gone(self) -> bool:
        """Whether nobody will append any more: closed, or its lock is free."""
        if self._is_closed():
            return True
        locked = is_locked(self._descriptor)
        if locked is None:  # a file system without flock: the second witness
            return not is_alive(self.header.process_id, self.header.process_start)
        return not locked

    def read(self, offset: int, limit: int = READ_BYTES) -> Stretch:
        """Read whole frames from `offset` on, about `limit` bytes of them.

        Where the writer lives, an invalid frame ends the stretch: it may be half written. Where it
        is gone, invalid bytes are passed over and counted in `damaged_bytes`.
        """
        offset = max(offset & ~7, HEADER_SIZE)
        if self._learns:
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
        return self._pass_over_damage(offset, limit)

    # ── frames ──────────────────────────────────────────────────────────────────────────────────

    def _read_header(self) -> SegmentHeader:
        first = os.pread(self._descriptor, HEADER_SIZE, 0)
        if (version := format_version(first)) > FORMAT_VERSION:
            raise UnsupportedFormat(self.path, version, FORMAT_VERSION)
        header = unpack_header(first)
        if isinstance(header, str):
            raise DamagedSegment(self.path, 0, header)
        return header

    def _read_resource(self) -> Resource:
        """The first frame's content: without it nobody knows whose records these are."""
        frame = self._frame_at(os.pread(self._descriptor, _FIRST_WINDOW, HEADER_SIZE), 0)
        if frame is not None and frame[0] is None:
            frame = self._frame_at(os.pread(self._descriptor, frame[2], HEADER_SIZE), 0)
        if frame is not None and frame[0] is not None and frame[1] >> 8 == Kind.RESOURCE:
            try:
                return decode_resource(frame[0])
            except Exception:  # noqa: BLE001, S110 - bytes of a file may be anything
                pass
        raise DamagedSegment(self.path, HEADER_SIZE, "it does not begin with a resource")

    def _compare_name(self) -> None:
        """A copy under another name would be delivered a second time, as records of its own."""
        named, header = SegmentName.parse(self.path.name), self.header
        own = SegmentName(header.created, header.writer.hex(), header.lane, header.ordinal)
        if named is not None and named != own:
            raise DamagedSegment(self.path, 0, f"it is {own} under another name")

    def _is_closed(self) -> bool:
        header = unpack_header(os.pread(self._descriptor, HEADER_SIZE, 0))
        return isinstance(header, SegmentHeader) and header.closed

    def _read_valid(self, offset: int, limit: int) -> Stretch:
        stretch = Stretch(start=offset, end=offset)
        # Where nobody has written yet, a look costs no copy of a prepared file's zeros.
        data = os.pread(self._descriptor, FRAME_HEADER_SIZE, offset)
        if any(data):
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
        if not 0 < length <= MAX_PAYLOAD or word & 0xFF != self._lane:
            return None
        size = frame_size(length)
        if place + size > len(data):
            return None, word, size
        start = place + FRAME_HEADER_SIZE
        payload = data[start : start + length]
        if frame_checksum(payload, word, *self._checked) != checksum:
            return None
        return payload, word, size

    def _sort_in(self, stretch: Stretch, word: int, payload: bytes) -> None:
        kind = word >> 8 & 0xFF
        if kind >= FIRST_RECORD_KIND:
            stretch.records.append(RawRecord(word >> 16, kind, payload))
        elif kind == Kind.SITE:
            self._learn_site(payload)
        elif kind not in (Kind.RESOURCE, END_KIND):
            self.unknown_frames += 1

    def _learn_site(self, payload: bytes) -> None:
        """Keep a declaration. The first one of a number stays: reading again adds nothing."""
        try:
            site = decode_site(payload)
        except Exception:  # noqa: BLE001 - bytes of a file may be anything: count them, go on
            self.damaged_bytes += len(payload)
            return
        if site.number in self.sites:
            return
        if len(self.sites) >= MOST_SITES or self._site_bytes + len(payload) > MOST_SITE_BYTES:
            self.damaged_bytes += len(payload)
            return
        self._site_bytes += len(payload)
        self.sites[site.number] = site
        self.queue_warning_threshold = smaller_threshold(
            self.queue_warning_threshold, site.queue_warning_threshold
        )

    def _learn_sites(self, offset: int) -> None:
        """Pass over what lies before a cursor once, for the sites declared there."""
        damaged = self.damaged_bytes
        while self._sites_known_to < offset:
            before = self._sites_known_to
            self._read_valid(before, READ_BYTES)
            if self._sites_known_to == before:
                self._sites_known_to = self._next_valid(before) or offset
        self.damaged_bytes = damaged  # counted by whoever moved the cursor

    # ── damage ──────────────────────────────────────────────────────────────────────────────────

    def _pass_over_damage(self, offset: int, limit: int) -> Stretch:
        """No valid frame begins here, and nobody writes: go on where the next one does."""
        size = os.fstat(self._descriptor).st_size
        following = self._next_valid(offset)
        if following is not None:
            self.damaged_bytes += following - offset
            stretch = self._read_valid(following, limit)
            stretch.start = offset
            return stretch
        damage = self._damage_of_rest(offset, size)
        if os.fstat(self._descriptor).st_size < HEADER_SIZE:
            # Discarded while it was being read: what it held is told by what is left of it.
            return Stretch(start=offset, end=offset)
        self.damaged_bytes += damage
        return Stretch(start=offset, end=max(offset, size), finished=True)

    def _damage_of_rest(self, offset: int, size: int) -> int:
        """How many bytes behind the last valid frame ought to be valid."""
        if self._is_closed():
            return max(size - offset, 0 if self._ends(size) else END_SIZE)
        # Half a frame is the call that never returned (FORMAT.md, rule 2).
        end = min(size, offset + SEARCH_BUDGET * _SCAN_SHARE)
        written = self._length_of_rest(offset, end)
        if written <= FRAME_HEADER_SIZE + MAX_PAYLOAD:
            written = 0
        cut = size < self.header.capacity and not self._ends(size)
        return max(written, END_SIZE) if cut else written

    def _ends(self, size: int) -> bool:
        """Whether the last bytes of the file are a whole end frame."""
        offset = max(size - END_SIZE, 0)
        last = os.pread(self._descriptor, END_SIZE, offset)
        return last == pack_end(offset, self._lane, *self._checked)

    def _length_of_rest(self, offset: int, end: int) -> int:
        """Bytes from `offset` to the last one that is not zero: zeros were never written."""
        written, place = 0, offset
        while place < end:
            data = os.pread(self._descriptor, min(READ_BYTES, end - place), place)
            if not data:
                break
            if kept := len(data.rstrip(b"\0")):
                written = place + kept - offset
            place += len(data)
        return written

    def _next_valid(self, offset: int) -> int | None:
        """Offset of the next whole frame after `offset`; None if none is found in the budget."""
        place, window = offset + 8, _FIRST_WINDOW
        self._searched += _SEARCH_COST
        while self._searched <= SEARCH_BUDGET:
            data = os.pread(self._descriptor, window, place)
            self._searched += len(data) // _SCAN_SHARE
            usable = len(data) & ~7
            if usable < FRAME_HEADER_SIZE:
                return None
            found = self._search(data[:usable], place)
            if found is not None:
                return found
            # Its last 8 bytes may begin a frame: they are the first of the next window.
            place, window = place + usable - 8, READ_BYTES
        return None

    def _search(self, data: bytes, base: int) -> int | None:
        if _ZEROS.startswith(data):
            return None
        for place, (length,) in enumerate(_LENGTHS.iter_unpack(data)):
            if not 0 < length <= MAX_PAYLOAD:
                continue
            inside = place * 8
            frame = self._frame_at(data, inside)
            if frame is not None and frame[0] is None:
                frame = self._frame_at(os.pread(self._descriptor, frame[2], base + inside), 0)
            if frame is not None and frame[0] is not None:
                return base + inside
            self._searched += length
            if self._searched > SEARCH_BUDGET:
                return None
        return None


def _open_file(path: Path) -> int:
    """Open for reading what has to be a plain file: a pipe would hold us up, a link lead astray."""
    try:
        return open_plain(path)
    except NotPlainFile as error:
        raise DamagedSegment(path, 0, "it is no plain file") from error
