"""One open segment: a locked, allocated, mapped file that frames are appended to."""

from __future__ import annotations

import fcntl
import mmap
import os
from pathlib import Path

from tradespan.spool.layout import (
    CLOSED,
    FRAME_HEADER_SIZE,
    HEADER_SIZE,
    MAX_PAYLOAD,
    STATE_OFFSET,
    SegmentHeader,
    SegmentName,
    frame_checksum,
    frame_size,
    pack_header,
    unpack_frame_header,
)

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


class OpenSegment:
    """A segment that this process generation writes.

    `append` is the mapping's own `write`: one C call under the GIL (FORMAT.md, rule 1). It raises
    `ValueError` when the frame does not fit, or once the segment was sealed.
    """

    __slots__ = ("_lock", "_map", "append", "path", "sites")

    def __init__(self, folder: Path, header: SegmentHeader, first_frame: bytes) -> None:
        """Create the file: allocated, locked, described, and only then named.

        Raises:
            OSError: No space, no permission, no folder.
        """
        name = str(SegmentName(header.created, header.writer.hex(), header.lane, header.ordinal))
        self.path = folder / name
        unnamed = folder / f".{name}"
        descriptor = os.open(unnamed, _FLAGS, 0o600)
        try:
            self._lock = os.open(unnamed, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.posix_fallocate(descriptor, 0, header.capacity)
                self._map = mmap.mmap(descriptor, header.capacity)
                self._map.write(pack_header(header) + first_frame)
                os.rename(unnamed, self.path)
            except BaseException:
                os.close(self._lock)
                raise
        except BaseException:
            os.unlink(unnamed)
            raise
        finally:
            os.close(descriptor)
        self.append = self._map.write
        self.sites: set[int] = {0}
        """Numbers of the sites that were declared in this segment; 0 needs no declaration."""

    def seal(self) -> None:
        """Stop appends, cut the file behind the last frame, mark it closed (FORMAT.md, rule 7)."""
        position = self._map.tell()
        self._map.seek(0, os.SEEK_END)
        end = self._end_of_frames(position)
        self._map[STATE_OFFSET] = CLOSED
        self._map.close()
        os.ftruncate(self._lock, end)
        os.close(self._lock)

    def abandon(self) -> None:
        """In a forked child: let go of the parent's segment without touching it."""
        os.close(self._lock)
        self._map.close()

    def _end_of_frames(self, position: int) -> int:
        """Walk over frames that other threads appended since `position` was read."""
        mapped = self._map
        while position + FRAME_HEADER_SIZE <= len(mapped):
            size, checksum, word = unpack_frame_header(mapped, position)
            end = position + frame_size(size)
            if not 0 < size <= MAX_PAYLOAD or end > len(mapped):
                break
            start = position + FRAME_HEADER_SIZE
            payload = mapped[start : start + size]
            if checksum != frame_checksum(payload, word):
                break
            position = end
        return max(position, HEADER_SIZE)
