"""One open segment: a locked file, usually allocated and mapped, that frames are appended to."""

from __future__ import annotations

import errno
import mmap
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from tradespan.core import native
from tradespan.pages.files import Prepared, make_file
from tradespan.pages.locks import LockKeeper
from tradespan.spool.layout import (
    CLOSED,
    END_SIZE,
    FRAME_HEADER_SIZE,
    HEADER_SIZE,
    MAX_PAYLOAD,
    STATE_OFFSET,
    SegmentHeader,
    frame_checksum,
    frame_size,
    pack_end,
    pack_header,
    prepared_name,
    unpack_frame_header,
)
from tradespan.spool.names import SegmentName

Append = Callable[[bytes], int]


class Place(Protocol):
    """Where the frames of one segment go."""

    @property
    def write(self) -> Append:
        """Append a whole frame in one C call under the GIL (FORMAT.md, rule 1).

        Raises `ValueError` when it does not fit, or once the place was closed.
        """
        ...

    def close(self) -> int:
        """Refuse every later frame. Where the next one would have stood, or one before it."""
        ...


class MapPlace:
    """The mapping's own `write` and position; `Place` of `_native.c` is the same in one object."""

    __slots__ = ("_map", "write")

    def __init__(self, mapped: mmap.mmap) -> None:
        self._map = mapped
        self.write: Append = mapped.write

    def close(self) -> int:
        # Between the two calls other threads may append: whoever closes walks over their frames.
        position = self._map.tell()
        self._map.seek(0, os.SEEK_END)
        return position


class FilePlace:
    """Appends by `pwrite`, where allocation cannot be trusted (FORMAT.md, rule 17).

    A call lets other threads run, so that they wait for each other here. A signal handler or
    `__del__` that records inside a call gets the bytes behind it.
    """

    __slots__ = ("_descriptor", "_position", "_room", "_writing")

    def __init__(self, descriptor: int, position: int, room: int) -> None:
        """`descriptor` stays the caller's. `room`: bytes of the file that frames may take."""
        self._descriptor = descriptor
        self._position = position
        self._room = room
        self._writing = threading.RLock()

    def write(self, frame: bytes) -> int:
        with self._writing:
            begun = self._position
            if len(frame) > self._room - begun:
                raise ValueError("no room here, or closed")
            end = begun + len(frame)
            try:
                self._position = end
                write_all(self._descriptor, frame, begun)
            except OSError as error:
                self._retire(begun, end)
                # As if it were full: the frame goes to another segment, or waits in memory.
                raise ValueError(f"cannot be written: {error}") from error
            except BaseException:  # the host's own interruption
                self._retire(begun, end)
                raise
        return len(frame)

    def _retire(self, begun: int, end: int) -> None:
        """What was written of a frame must not hide later ones: they go to the next segment."""
        self._room = 0
        if self._position == end:  # nobody wrote behind it
            with suppress(OSError):
                os.ftruncate(self._descriptor, begun)
                self._position = begun

    def close(self) -> int:
        with self._writing:
            self.abandon()
            return self._position

    def abandon(self) -> None:
        """Refuse every later frame, without waiting: in a forked child nobody else writes."""
        self._room, self._descriptor = 0, -1


def write_all(descriptor: int, data: bytes, offset: int) -> None:
    """Write at an offset until all is written.

    Raises:
        OSError: It could not be; some of it may be there.
    """
    done = 0
    while done < len(data):
        count = os.pwrite(descriptor, data[done:], offset + done)
        if count == 0:
            raise OSError(errno.EIO, "nothing was written")
        done += count


def _make_place(mapped: mmap.mmap) -> Place:
    if native.module is None:
        return MapPlace(mapped)
    made: Place = native.module.Place(mapped, mapped.tell())
    return made


class OpenSegment:
    """A segment that this process generation writes; `append` is its place's `write`."""

    __slots__ = (
        "_checked",
        "_lane",
        "_lock",
        "_locks",
        "_map",
        "append",
        "appends",
        "path",
        "place",
    )

    def __init__(
        self,
        folder: Path,
        header: SegmentHeader,
        first_frame: bytes,
        locks: LockKeeper,
        largest: int = 0,
        *,
        maps: bool = True,
    ) -> None:
        """Create the file: allocated, locked, described, and only then named.

        `largest`: bytes that it may have if one was prepared (FORMAT.md, rule 16). `maps`: else it
        grows by what is written (rule 17).

        Raises:
            OSError: No space, no permission, no folder.
        """
        name = SegmentName(header.created, header.writer.hex(), header.lane, header.ordinal)
        self.path = folder / str(name)
        self._locks = locks
        self._map: mmap.mmap | None = None
        if maps:
            prepared = Prepared(folder / prepared_name(name.row), header.capacity, largest)
            with make_file(self.path, header.capacity, locks, prepared) as (descriptor, lock):
                header = header._replace(capacity=os.fstat(descriptor).st_size)
                # Without the room that closing needs: the last frame always has a place.
                self._map = mmap.mmap(descriptor, header.capacity - END_SIZE)
                self._map.write(pack_header(header) + first_frame)
                self.place = _make_place(self._map)
        else:
            with make_file(self.path, 0, locks) as (descriptor, lock):
                begin = pack_header(header._replace(capacity=0)) + first_frame
                write_all(descriptor, begin, 0)
                self.place = FilePlace(lock, len(begin), header.capacity - END_SIZE)
        self._lock = lock
        self._lane, self._checked = header.lane, (header.checksum, header.seed)
        self.append: Append = self.place.write
        self.appends: dict[int, Append] = {0: self.append}
        """Number of a site that was declared in this segment → `append`: one look answers both
        whether the site is known and where the record goes. 0 needs no declaration."""

    def declare(self, site: int, frame: bytes) -> None:
        """Append a site's frame; its records may follow.

        Raises:
            ValueError: It does not fit.
        """
        self.append(frame)
        self.appends[site] = self.append

    def seal(self) -> None:
        """Stop appends, end the file behind the last frame, mark it closed (FORMAT.md, rule 7).

        Raises:
            OSError: The file could not be cut; it stays open in name, and is read all the same.
        """
        # First of all: an open native place keeps the mapping from being closed.
        end = self._end_of_frames(self.place.close())
        try:
            os.pwrite(self._lock, pack_end(end, self._lane, *self._checked), end)
            os.ftruncate(self._lock, end + END_SIZE)
            os.pwrite(self._lock, bytes([CLOSED]), STATE_OFFSET)
        finally:
            if self._map is not None:
                self._map.close()
            self._locks.let_go(self._lock)

    def abandon(self) -> None:
        """In a forked child: let go of the parent's mapping without touching it."""
        if isinstance(self.place, FilePlace):
            self.place.abandon()
        else:
            self.place.close()
        if self._map is not None:
            self._map.close()

    def _end_of_frames(self, position: int) -> int:
        """Walk over frames that other threads appended since `position` was read."""
        mapped = self._map
        if mapped is None:  # nobody wrote after the place was closed
            return position
        while position + FRAME_HEADER_SIZE <= len(mapped):
            size, checksum, word = unpack_frame_header(mapped, position)
            end = position + frame_size(size)
            if not 0 < size <= MAX_PAYLOAD or end > len(mapped):
                break
            start = position + FRAME_HEADER_SIZE
            payload = mapped[start : start + size]
            if checksum != frame_checksum(payload, word, *self._checked):
                break
            position = end
        return max(position, HEADER_SIZE)
