"""The agent prepares the segments that writers will need next (spool/FORMAT.md, rule 16).

A page of a mapped file that is touched for the first time costs the bot 2 to 4 µs, and more while
the file system commits. Written beforehand, in pieces that the kernel keeps as one, 64 pages cost
one such fault together.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tradespan.core.plainfiles import open_plain
from tradespan.pages.locks import is_locked
from tradespan.spool.folder import RunFolder
from tradespan.spool.layout import (
    HEADER_SIZE,
    SegmentHeader,
    making_name,
    prepared_name,
    prepared_row,
    unpack_header,
)
from tradespan.spool.names import SegmentName
from tradespan.spool.ways import allocates

PIECE = 256 * 1024
"""Bytes of one write: the kernel keeps them together, and maps them together (Linux 6.16 on, ext4,
XFS; elsewhere page by page). Larger ones make one fault longer, and more to write back for a bot
that records little."""
STEP = 16 * PIECE
"""Bytes written in one step: a millisecond or two."""
MOST = 256 * 1024 * 1024
_SPARE = 16
"""So many times its size has to be free on the disk for a file to be prepared."""
_SWEEP = 1.0
"""Seconds between two looks whether writers live."""
_ZEROS = bytes(PIECE)
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


def free_bytes(folder: Path) -> int:
    """What a file system has left for its users.

    Raises:
        OSError: There is no such folder.
    """
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


@dataclass(slots=True)
class _Making:
    """A file that is not finished."""

    descriptor: int
    size: int
    written: int = 0


@dataclass(slots=True)
class _Row:
    """What is known of a writer's lane."""

    newest: SegmentName
    capacity: int
    wanted: int
    """Bytes of its next segment."""
    making: _Making | None = None
    ready: int = 0
    """Bytes of the file that stands there finished; -1: it could not be made."""


@dataclass(slots=True)
class _Watched:
    """What is known of a run's folder."""

    allocates: bool
    changed: int = -1
    rows: dict[str, _Row] = field(default_factory=dict)


class Preparer:
    """A chore of the agent: see `forward.agent.Chore`."""

    def __init__(
        self,
        largest: int,
        *,
        most: int = MOST,
        floor: int = 0,
        prepares: bool = True,
        now: Callable[[], float] = time.monotonic,
        measure: Callable[[Path], int] = free_bytes,
    ) -> None:
        """`largest`: bytes at which segments stop to grow, as far as the agent knows.

        `most`: bytes of all prepared files together. `floor`: free bytes below which records are
        discarded: prepared files go long before.

        `prepares`: else files that others have left are removed, and nothing is made.
        """
        self._largest = largest
        self._most = most
        self._short = 2 * floor
        self._measure = measure
        self._prepares = prepares
        self._now = now
        self._watched: dict[Path, _Watched] = {}
        self._swept = float("-inf")

    def work(self, folders: list[RunFolder]) -> None:
        """Look at what has changed, then write a few pieces."""
        sweeping = self._now() - self._swept >= _SWEEP
        if sweeping:
            self._swept = self._now()
        self._leave({folder.path for folder in folders})
        for folder in folders:
            watched = self._watched.get(folder.path)
            if watched is None:
                watched = self._watched[folder.path] = _Watched(allocates(folder.path))
            # Before the look: what changes meanwhile is seen the next time.
            changed = folder.changed
            if sweeping or changed != watched.changed:
                watched.changed = changed
                self._look(folder, watched)
            if sweeping and self._free(folder.path) < self._short:
                for name, row in watched.rows.items():
                    _discard(folder.path, name, row)
        left = STEP if self._prepares else 0
        for path, watched in self._watched.items():
            for name, row in watched.rows.items():
                left -= self._advance(path, name, row, left)

    def _leave(self, open_now: set[Path]) -> None:
        """Folders that are over need nothing."""
        for path in self._watched.keys() - open_now:
            for name, row in self._watched.pop(path).rows.items():
                _discard(path, name, row)

    def _look(self, folder: RunFolder, watched: _Watched) -> None:
        """Learn which rows live and what they write now; remove what the dead have left."""
        newest = {name.row: name for name in sorted(folder.segments(), key=lambda n: n.ordinal)}
        for row_name, name in newest.items():
            row = watched.rows.get(row_name)
            if row is None or row.newest != name:
                self._learn(folder.path, watched, name)
            elif not _capacity(folder.path / str(name)):
                _discard(folder.path, row_name, watched.rows.pop(row_name))
        for row_name in watched.rows.keys() - newest.keys():
            _discard(folder.path, row_name, watched.rows.pop(row_name))
        for entry in _entries(folder.path):
            row_name = prepared_row(entry) or ""
            if row_name and row_name not in watched.rows:
                with suppress(OSError):
                    (folder.path / entry).unlink()

    def _learn(self, folder: Path, watched: _Watched, name: SegmentName) -> None:
        """A row has another newest segment than before."""
        before = watched.rows.get(name.row)
        capacity = _capacity(folder / str(name))
        if capacity == 0 or not watched.allocates:
            if before is not None:
                _discard(folder, name.row, watched.rows.pop(name.row))
            return
        grows = before is None or before.capacity != capacity
        wanted = min(2 * capacity, max(self._largest, capacity)) if grows else capacity
        row = watched.rows[name.row] = _Row(name, capacity, wanted)
        if before is not None:
            row.making, row.ready = before.making, before.ready
        if not (folder / prepared_name(name.row)).exists():
            row.ready = 0
        if row.ready not in (0, wanted) or (row.making and row.making.size != wanted):
            _discard(folder, name.row, row)

    def _advance(self, folder: Path, name: str, row: _Row, most: int) -> int:
        """Write pieces of a row's file, so many bytes at most. Returns how many."""
        if most <= 0 or row.ready:
            return 0
        if row.making is None:
            row.making = self._begin(folder, name, row.wanted)
            if row.making is None:
                return 0
        making, written = row.making, 0
        try:
            while written < most and making.written < making.size:
                piece = _ZEROS[: making.size - making.written]
                count = os.pwrite(making.descriptor, piece, making.written)
                making.written += count
                written += count
            if making.written == making.size:
                os.close(making.descriptor)
                row.making = None
                # Finished, and from here on the writer's: nothing of ours touches it again.
                (folder / making_name(name)).rename(folder / prepared_name(name))
                row.ready = making.size
        except OSError:  # no space, or the folder is gone: the writer makes its own
            _discard(folder, name, row)
            row.ready = -1
        return written

    def _free(self, folder: Path) -> int:
        try:
            return self._measure(folder)
        except OSError:
            return 0

    def _begin(self, folder: Path, name: str, size: int) -> _Making | None:
        """Make the file, if there is plenty of room; its pages follow."""
        rows = [row for watched in self._watched.values() for row in watched.rows.values()]
        held = sum(max(row.ready, row.making.size if row.making else 0) for row in rows)
        if held + size > self._most or self._free(folder) < self._short + _SPARE * size:
            return None
        try:
            path = folder / making_name(name)
            path.unlink(missing_ok=True)  # an agent that was killed has left it
            descriptor = os.open(path, _FLAGS, 0o600)
        except OSError:
            return None
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError:
            os.close(descriptor)
            with suppress(OSError):
                path.unlink()
            return None
        return _Making(descriptor, size)


def _discard(folder: Path, name: str, row: _Row) -> None:
    """Remove a row's files, finished or not."""
    if row.making is not None:
        os.close(row.making.descriptor)
    row.making, row.ready = None, 0
    for entry in (making_name(name), prepared_name(name)):
        with suppress(OSError):
            (folder / entry).unlink()


def _entries(folder: Path) -> Iterator[str]:
    with suppress(OSError):
        yield from [path.name for path in folder.iterdir()]


def _capacity(path: Path) -> int:
    """Bytes allocated for a segment that its writer has open; 0 if it is none."""
    with suppress(OSError):
        descriptor = open_plain(path)
        try:
            header = unpack_header(os.pread(descriptor, HEADER_SIZE, 0))
            live = isinstance(header, SegmentHeader) and not header.closed
            # Without locks nobody knows who lives: such places are not prepared for.
            if isinstance(header, SegmentHeader) and live and is_locked(descriptor):
                return header.capacity
        finally:
            os.close(descriptor)
    return 0
