"""Where `tradespan logs` finds lines: the files of a root, and what waits in its spools."""

from __future__ import annotations

import gzip
import heapq
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import msgspec

from tradespan.bootstrap.receivers import sink_name
from tradespan.core.records import Kind
from tradespan.forward.cursors import FileCursors
from tradespan.sinks.rotation import find_backups
from tradespan.spool.folder import LOG_FILE, RootLock, RunFolder, run_folders
from tradespan.spool.reader import SegmentReader
from tradespan.wire.codec import decode_log
from tradespan.wire.log_lines import encode_line, line_fields

Line = tuple[str, bytes, Mapping[str, Any]]
"""Its time stamp, the line as it is written, and what it says."""


def find_files(root: Path) -> list[Path]:
    """The files that agents of a root write: those that its runs name, and those in `logs`."""
    named = {
        Path(address) for folder in run_folders(root) for address in _files_of(folder)
    }  # fmt: skip
    backups: set[Path] = set()
    for path in sorted((root / "logs").glob("*.jsonl")) if (root / "logs").is_dir() else ():
        backups.update(backup.path for backup in find_backups(path))
        named.add(path)
    return sorted(path for path in named - backups if path.exists() or find_backups(path))


def _files_of(folder: RunFolder) -> list[str]:
    told = folder.description.get("destinations")
    pairs = told if isinstance(told, list) else []
    return [
        str(pair[1])
        for pair in pairs
        if isinstance(pair, list | tuple) and len(pair) == 2 and pair[0] == LOG_FILE
    ]


def read_all(files: list[Path], root: Path | None, since: datetime | None) -> Iterator[Line]:
    """All lines, by time: of the files, what was rotated included, and of the spools.

    `since`: files that were rotated before are left out. A line may be older all the same.
    """
    sources = [read_file(path, since) for path in files]
    if root is not None and RootLock(root).is_free():
        # With an agent at work, what is written now is in a file a moment later.
        sources.append(iter(sorted(read_waiting(root), key=lambda line: line[0])))
    return heapq.merge(*sources, key=lambda line: line[0])


def read_file(path: Path, since: datetime | None = None) -> Iterator[Line]:
    """The lines of a file and of what was rotated from it, oldest first."""
    file, rotated = open_current(path)
    for time in sorted(rotated):
        if since is None or time >= since:
            yield from read_backup(path, time)
    if file is not None:
        with file:
            yield from _lines_of(file)


def read_current(path: Path) -> Iterator[Line]:
    """The lines of the file that is being written."""
    file, _ = open_current(path)
    if file is not None:
        with file:
            yield from _lines_of(file)


def open_current(path: Path) -> tuple[IO[bytes] | None, set[datetime]]:
    """The file that is being written, and when those before it were rotated.

    Of one moment: a rotation meanwhile would leave out a file, or give one twice.
    """
    rotated: set[datetime] | None = None
    file: IO[bytes] | None = None
    while rotated != (now := {backup.time for backup in find_backups(path)}):
        rotated = now
        if file is not None:
            file.close()
        try:
            file = path.open("rb")
        except FileNotFoundError:
            file = None
    return file, rotated


def read_backup(path: Path, time: datetime) -> Iterator[Line]:
    """The lines of what was rotated at one time, whether it is compressed by now or not."""
    named = [each.path for each in find_backups(path) if each.time == time]
    for each in reversed(named):  # the compressed one first: it is whole
        try:
            with each.open("rb") as raw:
                yield from _lines_of(gzip.GzipFile(fileobj=raw) if each.suffix == ".gz" else raw)
            return
        except FileNotFoundError:
            continue
    if named and named[-1].suffix != ".gz":
        # Compressed while we looked.
        with suppress(FileNotFoundError), gzip.open(f"{named[-1]}.gz") as packed:
            yield from _lines_of(packed)


def _lines_of(file: Iterable[bytes]) -> Iterator[Line]:
    for raw in file:
        if raw.endswith(b"\n") and (line := read_line(raw)):
            yield line


def read_line(raw: bytes) -> Line | None:
    """A line of ours; None if it is something else."""
    try:
        fields = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if not isinstance(fields, dict) or not isinstance(fields.get("timestamp"), str):
        return None
    return fields["timestamp"], raw, fields


def read_waiting(root: Path) -> Iterator[Line]:
    """The lines that no agent has taken yet."""
    for folder in run_folders(root):
        files = _files_of(folder)
        name = sink_name(LOG_FILE, files[0]) if files else ""
        positions = FileCursors(name).load(str(folder.path)).positions if name else {}
        for segment in folder.segments():
            with suppress(OSError):
                yield from _read_segment(folder.path / str(segment), positions.get(str(segment), 0))


def _read_segment(path: Path, offset: int) -> Iterator[Line]:
    reader = SegmentReader(path)
    try:
        while True:
            stretch = reader.read(offset)
            resource = reader.origin.resource.attributes
            for raw in stretch.records:
                if raw.kind != Kind.LOG:
                    continue
                with suppress(msgspec.DecodeError):
                    record = decode_log(raw.payload)
                    scope = reader.sites[record.site].scope_name if record.site else ""
                    fields = line_fields(record, scope, resource)
                    yield str(fields.get("timestamp", "")), encode_line(fields), fields
            if stretch.finished or stretch.end <= offset:
                return
            offset = stretch.end
    finally:
        reader.close()


class Follower:
    """Reads what is appended to files, across any number of rotations."""

    def __init__(self, find: Callable[[], list[Path]]) -> None:
        self._find = find
        self._open: dict[Path, IO[bytes]] = {}
        self._partial: dict[Path, bytes] = {}
        self._rotated: dict[Path, set[datetime]] = {}
        """What had been rotated when the file that is open was the one being written."""
        for path in find():
            self._begin(path, at_end=True)

    def _begin(self, path: Path, *, at_end: bool) -> None:
        file, rotated = open_current(path)
        if file is None:
            return  # between two files: looked at again
        if path in self._open:
            self._open[path].close()
        if at_end:
            file.seek(0, os.SEEK_END)
        self._open[path], self._rotated[path], self._partial[path] = file, rotated, b""

    def read(self) -> list[Line]:
        """What has come since, by time."""
        found: list[Line] = []
        for path in self._find():
            if path not in self._open:
                self._begin(path, at_end=False)
        for path in list(self._open):
            found += self._read(path)
        return sorted(found, key=lambda line: line[0])

    def _read(self, path: Path) -> Iterator[Line]:
        moved = self._is_moved(path)
        yield from self._rest(path)
        if moved:
            known = self._rotated[path]
            self._begin(path, at_end=False)
            fresh = self._rotated[path] - known
            # The first of them is the one that was open.
            for rotated in sorted(fresh)[1:]:
                yield from read_backup(path, rotated)
            yield from self._rest(path)

    def _is_moved(self, path: Path) -> bool:
        held = os.fstat(self._open[path].fileno())
        try:
            return not os.path.samestat(held, path.stat())
        except FileNotFoundError:
            return False

    def _rest(self, path: Path) -> Iterator[Line]:
        file = self._open[path]
        size = os.fstat(file.fileno()).st_size
        if size < file.tell():
            file.seek(size)
            self._partial[path] = b""
        text = self._partial[path] + file.read()
        lines = text.split(b"\n")
        self._partial[path] = lines.pop()
        for raw in lines:
            if line := read_line(raw + b"\n"):
                yield line
