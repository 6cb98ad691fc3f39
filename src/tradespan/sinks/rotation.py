"""A file of lines that grows, is rotated by size and by day (UTC), and compressed.

    bot.jsonl                             being written
    bot-20261121T000000.123456Z.jsonl     rotated, not compressed yet
    bot-20261120T000000.004711Z.jsonl.gz

The names of rotated files say when that was; they sort by age and never change, so that whoever
reads one goes on. A reader that follows the name (`tail -F`) sees the old file to its end, then the
new one. For one process at a time; whoever writes holds a lock.
"""

from __future__ import annotations

import gzip
import logging
import os
import re
import shutil
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from tradespan.core.guard import guarded

logger = logging.getLogger("tradespan")

_STAMP = r"(\d{8}T\d{6}\.\d{6}Z)"
_FORM = "%Y%m%dT%H%M%S.%fZ"
_CHUNK = 256 * 1024
_LEVEL = 6
_PATIENCE = 1.0
"""Seconds that closing waits for a compression to notice it."""


class Rotation(NamedTuple):
    """When a file is rotated, and which rotated ones are kept."""

    bytes: int = 100_000_000
    keep_bytes: int | None = None
    keep_files: int | None = 5
    keep_age: float | None = 30 * 86_400.0
    """Seconds."""


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class Backup(NamedTuple):
    """A rotated file."""

    path: Path
    time: datetime
    """When it was rotated."""


def find_backups(path: Path) -> list[Backup]:
    """What was rotated away from a file, oldest first; compressed or not."""
    form = re.compile(re.escape(path.stem) + "-" + _STAMP + re.escape(path.suffix) + r"(?:\.gz)?")
    found = []
    try:
        names = [each.name for each in path.parent.iterdir()]
    except OSError:
        return []
    for name in names:
        if match := form.fullmatch(name):
            with suppress(ValueError):
                time = datetime.strptime(match[1], _FORM).replace(tzinfo=UTC)
                found.append(Backup(path.with_name(name), time))
    return sorted(found, key=lambda backup: (backup.time, backup.path.name))


class GrowingFile:
    """The file that is being written. For one thread, but for the compression's own."""

    def __init__(
        self, path: Path, rotation: Rotation, now: Callable[[], datetime] = utc_now
    ) -> None:
        self.path = path
        self._rotation = rotation
        self._now = now
        self._descriptor: int | None = None
        self._day = ""
        self._mode = 0o600
        self._tidying: threading.Thread | None = None
        self._stop = threading.Event()

    def ready(self) -> None:
        """Have the file open that has the name now: somebody may have moved or deleted it.

        Raises:
            OSError: It cannot be opened.
        """
        if self._descriptor is not None and not self._is_current():
            self.close()
        if self._descriptor is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor = os.open(self.path, flags, self._mode)
            status = os.fstat(self._descriptor)
            if not stat.S_ISREG(status.st_mode):
                self.close()
                raise OSError(f"{self.path} is no regular file")
            began = datetime.fromtimestamp(status.st_mtime, UTC) if status.st_size else self._now()
            self._day = f"{began:%Y%m%d}"
            self.tidy()

    def _is_current(self) -> bool:
        assert self._descriptor is not None
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.lstat(self.path))
        except OSError:
            return False

    @property
    def inode(self) -> int:
        """Which file it is."""
        return os.fstat(self._open()).st_ino

    @property
    def size(self) -> int:
        """Bytes that are in it."""
        return os.fstat(self._open()).st_size

    def _open(self) -> int:
        assert self._descriptor is not None, "ready() first"
        return self._descriptor

    def append(self, data: memoryview) -> int:
        """Write at the end; returns how many bytes the disk took.

        Raises:
            OSError: It took none.
        """
        done = 0
        while done < len(data):
            try:
                done += os.write(self._open(), data[done:])
            except OSError:
                if done:
                    break
                raise
        return done

    def cut(self, size: int) -> None:
        """Take away what is behind `size` bytes."""
        os.ftruncate(self._open(), size)

    def is_due(self, more: int) -> bool:
        """Whether the file is to be rotated before `more` bytes are written."""
        size = self.size
        if not size:
            self._day = f"{self._now():%Y%m%d}"
            return False
        return size + more > self._rotation.bytes or f"{self._now():%Y%m%d}" > self._day

    def rotate(self) -> None:
        """Give the file its last name, and begin another one.

        Raises:
            OSError: It cannot be renamed.
        """
        self._mode = stat.S_IMODE(os.fstat(self._open()).st_mode)
        backups = find_backups(self.path)
        time = self._now()
        if backups:
            time = max(time, backups[-1].time + timedelta(microseconds=1))
        self.path.rename(self.path.with_name(_backup_name(self.path, time)))
        self.close()
        self.ready()

    def close(self) -> None:
        """Close it; a compression goes on."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def end(self) -> None:
        """Close it, and stop compressing: what is not finished is begun anew by the next one."""
        self.close()
        self._stop.set()
        if self._tidying is not None:
            self._tidying.join(_PATIENCE)

    def wait(self) -> None:
        """Until what was rotated is compressed."""
        if self._tidying is not None:
            self._tidying.join()

    def abandon(self) -> None:
        """In a forked child: nothing of it is ours."""
        self.close()
        self._tidying = None

    def tidy(self) -> None:
        """Compress what was rotated and delete what is not kept, in a thread of its own."""
        if self._tidying is None or not self._tidying.is_alive():
            self._tidying = threading.Thread(
                target=self._tidy, name="tradespan-log-files", daemon=True
            )
            self._tidying.start()

    def _tidy(self) -> None:
        # First: a full disk may be full of them.
        with guarded(f"old files of {self.path.name}"):
            delete_old(self.path, self._rotation, self._now())
        with guarded(f"compressing {self.path.name}"):
            while waiting := [b for b in find_backups(self.path) if b.path.suffix != ".gz"]:
                for backup in waiting:
                    if not compress(backup.path, self._stop):
                        return
                delete_old(self.path, self._rotation, self._now())


def _backup_name(path: Path, time: datetime) -> str:
    return f"{path.stem}-{time.strftime(_FORM)}{path.suffix}"


def compress(path: Path, stop: threading.Event) -> bool:
    """Replace a file by its compressed form; a crash leaves the one or the other, whole.

    Returns whether it was done; not, if `stop` is set meanwhile.

    Raises:
        OSError: The disk does not take it.
    """
    target, part = path.with_name(f"{path.name}.gz"), path.with_name(f".{path.name}.gz.part")
    if not target.exists():
        try:
            with path.open("rb") as source, part.open("wb") as raw:
                shutil.copystat(path, part)
                with gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as packed:
                    while chunk := source.read(_CHUNK):
                        if stop.is_set():
                            return False
                        packed.write(chunk)
                raw.flush()
                os.fsync(raw.fileno())
            part.rename(target)
        finally:
            part.unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    return True


def delete_old(path: Path, rotation: Rotation, now: datetime) -> None:
    """Delete the rotated files that are not kept, the oldest first."""
    room, files = rotation.keep_bytes, rotation.keep_files
    for number, backup in enumerate(reversed(find_backups(path)), 1):
        age = (now - backup.time).total_seconds()
        with suppress(FileNotFoundError):
            size = backup.path.stat().st_size
            kept = (rotation.keep_age is None or age <= rotation.keep_age) and (
                files is None or number <= files
            )
            if room is not None:
                room -= size
                kept = kept and room >= 0
            if not kept:
                backup.path.unlink()
                logger.info("deleted %s: rotated files are kept no longer", backup.path)
