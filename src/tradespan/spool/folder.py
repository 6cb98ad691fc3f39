"""A run's folder and its root: who recorded, where it shall go, how it ended.

Standard library only: the supervisor uses it too. Files are replaced atomically; a folder is 0700
and belongs to its user, anything else is refused.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from tradespan.core.errors import SpoolUnavailable
from tradespan.core.plainfiles import open_plain
from tradespan.pages.counters import Page, read_page
from tradespan.pages.locks import is_held, is_locked
from tradespan.pages.orders import is_kept, is_orders_file, tables_in
from tradespan.spool.discarded import DiscardedSegment
from tradespan.spool.listing import Listing, Mark, list_folder, mark_of
from tradespan.spool.names import SegmentName

RUN, ENDED, DRAINED, PROGRESS = "run.json", "ended.json", "drained.json", "progress.json"
EXEMPLARS = "exemplars.json"
READINGS = "readings.json"
"""How far the metric pages have been read (`forward/readingstate.py`)."""
RUNS = "runs"
DESTINATIONS = "destinations.json"
"""Where a run goes, if an agent was told more than the run itself (`forward/directions.py`)."""
AMENDS = "amends.json"
"""What became of dead letters by hand (`forward/amends.py`)."""
DAMAGED = ".damaged"
"""Ending of a file that was set aside because it is no segment."""
_SMALL_FILES = (RUN, ENDED, DRAINED, PROGRESS, EXEMPLARS, READINGS, DESTINATIONS, AMENDS)
_LOCK = "agent.lock"
LOG_FILE = "logfile"
"""Kind of a destination, in `run.json`: JSON lines of log records; its address is a path. It holds
no segment that has no other destination, and lets none go."""
_LARGEST_JSON = 16 * 1024 * 1024
_BEGUN = re.compile(r"\.(json(\.[0-9]+)*|page|seg|inflight|(metrics|orders)(\.[0-9]+)?)$")
_OF_DEATHS = re.compile(
    r"death-[0-9a-z]+\.json|exception-[0-9]+\.json|[0-9]+\.fault|[0-9a-f]{32}\.inflight(\.closed)?"
)
"""What tells of processes that died, or run still: FORMAT.md."""
_METRICS = re.compile(r"[0-9a-f]{32}\.metrics(\.[0-9]+)?")
_OF_GOVERNORS = re.compile(r"governor-[0-9a-f]{32}\.json")
_WRITER = re.compile(r"[0-9a-f].*\.page")
_LOOKS_TAKE = 0.5
"""Seconds after which somebody who seems to look at a lock only is believed to hold it."""


def replace_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a small file so that a reader sees the old one or the new one, whole.

    Raises:
        OSError: It cannot be written.
    """
    unnamed = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(unnamed, flags, 0o600), "w", encoding="utf-8") as file:
            # Not by `dump`, which is in Python.
            file.write(json.dumps(content))
        os.replace(unnamed, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(unnamed)
        raise


def read_json(path: Path) -> dict[str, Any] | None:
    """The file's content; None if it is missing or not whole."""
    try:
        with os.fdopen(open_plain(path), "rb") as file:
            content = json.loads(file.read(_LARGEST_JSON))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def private_folder(path: Path) -> Path:
    """Make a folder that only its user may enter, or check one that is there.

    Raises:
        SpoolUnavailable: It cannot be made, is not a folder, or belongs to another user.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except OSError as error:
        raise SpoolUnavailable(path, say_why(path, error)) from error
    if status.st_uid != os.geteuid():
        raise SpoolUnavailable(path, f"it belongs to user {status.st_uid}, not to us")
    return path


def say_why(path: Path, error: OSError) -> str:
    """Why a folder cannot be made or used, in words for who named it."""
    if isinstance(error, FileExistsError | NotADirectoryError):
        for each in (path, *path.parents):
            if each.exists() and not each.is_dir():
                return f"{'it' if each == path else each} is a file, not a folder"
    told = error.strerror or str(error)
    if isinstance(error, PermissionError):
        return f"user {os.geteuid()} may not write there ({told})"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"its disk is full ({told})"
    return told


class _Small(NamedTuple):
    """A small file as it was at the folder's mark."""

    mark: Mark | None
    state: tuple[int, int, int]
    content: dict[str, Any] | None


class RunFolder:
    """One run's folder. Nothing is listed or read again while nothing has changed there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._text = os.fspath(path)
        self._listed: Listing | None = None
        self.held: dict[object, frozenset[str]] = {}
        """Who reads here → names of segments of which it has records in its hands that nobody has
        acknowledged yet. Such a segment is discarded last of all, if ever."""
        self._read: dict[str, _Small] = {}

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    @classmethod
    def create(cls, root: Path, service: str) -> RunFolder:
        """A new folder below `<root>/runs`, named by time, service and process.

        Raises:
            SpoolUnavailable: The root cannot be used.
        """
        now = time.time_ns()
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now // 10**9))
        stamp = f"{stamp}.{now // 1000 % 10**6:06d}Z"
        plain = "".join(c if c.isalnum() or c in "-_." else "_" for c in service)[:60]
        private_folder(root)
        private_folder(root / RUNS)
        return cls(private_folder(root / RUNS / f"{stamp}-{plain}-{os.getpid()}"))

    @property
    def description(self) -> dict[str, Any]:
        """`run.json`: who recorded and where it shall go; empty if there is none."""
        told = self._content(RUN) or {}
        further = self._content(DESTINATIONS)
        return told | further if further else told

    def describe(self, **facts: Any) -> None:
        """Add to `run.json`. Facts with a `pid` begin a run: what an earlier one left is over."""
        if "pid" in facts:
            for name in (ENDED, DRAINED, PROGRESS, DESTINATIONS):
                (self.path / name).unlink(missing_ok=True)
        replace_json(self.path / RUN, self.description | facts)

    def entries(self) -> list[str]:
        """Names of all that is in it, sorted; none if it is gone."""
        return list(self._listing().entries)

    def _listing(self) -> Listing:
        self._listed = listing = list_folder(self._text, self._listed)
        return listing

    def segments(self) -> list[SegmentName]:
        """The segments, oldest first."""
        return self.contents()[0]

    def contents(self) -> tuple[list[SegmentName], list[DiscardedSegment]]:
        """The segments and what is left of discarded ones, oldest first, as of one look."""
        segments, left = self._listing().contents
        return list(segments), list(left)

    def pages(self) -> list[Page]:
        """The counters of the folder's writers."""
        paths = [self.path / each for each in self._listing().entries if _WRITER.fullmatch(each)]
        return [page for path in paths if (page := read_page(path)) is not None]

    def metric_pages(self) -> list[Path]:
        """The files of its writers' metric pages; `pages.readings` reads them."""
        return [self.path / entry for entry in self.entries() if _METRICS.fullmatch(entry)]

    @property
    def ended(self) -> dict[str, Any] | None:
        """How the bot ended, if the supervisor has said so."""
        return self._content(ENDED)

    @property
    def drained(self) -> dict[str, Any] | None:
        """The books at the end, once the agent has closed them."""
        return self._content(DRAINED)

    def deaths(self) -> list[dict[str, Any]]:
        """What was written of processes that died here, the earliest first; all may be missing."""
        found = (read_json(path) for path in self.path.glob("death-*.json"))
        notes = [note for note in found if note and isinstance(note.get("time"), int | float)]
        return sorted(notes, key=lambda note: float(note["time"]))

    def keeps_orders(self) -> bool:
        """Whether orders stand here that a process knows, or that one may still take over."""
        now = time.time_ns()
        return any(is_kept(path, now) for path in tables_in(self.path, self.entries()))

    @property
    def changed(self) -> int:
        """When a file came or went, in nanoseconds; 0 if the folder is gone."""
        try:
            return os.stat(self._text).st_mtime_ns
        except OSError:
            return 0

    def remove(self) -> bool:
        """Delete a folder of which everything was delivered. Returns whether it is gone.

        Only what tradespan's own work needs is deleted: segments, dead letters, files that were set
        aside and whatever a user put there keep the folder. Its metric pages go with it, unless a
        living process counts there; its open orders, unless another process may want them.
        """
        try:
            entries = os.listdir(self.path)
            if not all(map(_is_passing, entries)) or any(map(is_held, self.metric_pages())):
                return False
            if self.keeps_orders():
                return False
            for entry in entries:
                os.unlink(self.path / entry)
            os.rmdir(self.path)
        except OSError:
            return False
        return True

    def _content(self, name: str) -> dict[str, Any] | None:
        mark, known = mark_of(self._text), self._read.get(name)
        if known is not None and mark is not None and known.mark == mark:
            return known.content
        path = f"{self._text}/{name}"
        state, content = (0, 0, 0), None
        with suppress(OSError):
            status = os.stat(path, follow_symlinks=False)
            # Such a file is replaced, never written again: a new content is a new inode.
            state = status.st_ino, status.st_mtime_ns, status.st_size
            same = known is not None and known.state == state
            content = known.content if known is not None and same else read_json(Path(path))
        self._read[name] = _Small(mark, state, content)
        return content


def _is_passing(entry: str) -> bool:
    """Whether a file of a run's folder means nothing once the run is delivered."""
    if DiscardedSegment.parse(entry) is not None:
        return True
    if entry in _SMALL_FILES or entry.endswith(".page"):
        return True
    if is_orders_file(entry) or _METRICS.fullmatch(entry) or _OF_DEATHS.fullmatch(entry):
        return True
    if _OF_GOVERNORS.fullmatch(entry):
        return True
    begun = entry.startswith(".") and _BEGUN.search(entry) is not None
    return begun or (entry.startswith("cursor-") and entry.endswith(".json"))


def run_folders(root: Path) -> Iterator[RunFolder]:
    """All run folders of a root: those below `runs`, and the root itself if it is one."""
    if (root / RUN).exists():
        yield RunFolder(root)
    try:
        names = sorted(os.listdir(root / RUNS))
    except OSError:
        return
    for name in names:
        path = root / RUNS / name
        if not name.startswith(".") and path.is_dir() and not path.is_symlink():
            yield RunFolder(path)


class RootLock:
    """One agent per root: whoever holds this lock forwards for all."""

    def __init__(self, root: Path, name: str = _LOCK) -> None:
        """`name`: of the lock's file, for another lock than that of a root."""
        self._path = root / name
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether we hold it."""
        return self._descriptor is not None

    @property
    def is_made(self) -> bool:
        """Whether anybody has ever held it."""
        return self._path.exists()

    def try_acquire(self) -> bool:
        """Take the lock if nobody has it. Does not wait for who holds it.

        Raises:
            SpoolUnavailable: The lock file cannot be made.
        """
        if self._descriptor is not None:
            return True
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            descriptor = os.open(self._path, flags, 0o600)
        except OSError as error:
            raise SpoolUnavailable(self._path, error.strerror or str(error)) from error
        if not _lock_exclusively(descriptor):
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor
        return True

    def adopt(self, descriptor: int) -> None:
        """Go on with the lock of another process of ours, which gave us its descriptor."""
        os.set_inheritable(descriptor, False)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def hand_over(self) -> int:
        """The descriptor that holds the lock, for a process that goes on with it: ours no more.

        Whoever asks has to close it, and holds the lock as long as he has not.
        """
        descriptor, self._descriptor = self._descriptor, None
        assert descriptor is not None
        return descriptor

    def is_free(self) -> bool:
        """Whether nobody holds it, without taking it."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return True
        try:
            return is_locked(descriptor) is False
        finally:
            os.close(descriptor)

    def holder(self) -> int | None:
        """Process id of the holder, as it wrote it; None if nobody holds it."""
        if self.is_free():
            return None
        try:
            return int(self._path.read_text())
        except (OSError, ValueError):
            return None

    def release(self) -> None:
        """Let the next one have it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def abandon(self) -> None:
        """In a forked child: close every copy of the parent's descriptors, or its lock would last
        as long as the child; also of one that another thread was just about to lock.
        """
        self._descriptor = None
        try:
            mine = os.stat(self._path)
            numbers = [int(entry) for entry in os.listdir("/proc/self/fd")]
        except (OSError, ValueError):
            return
        for number in numbers:
            with suppress(OSError):
                if os.path.samestat(os.fstat(number), mine):
                    os.close(number)


def _lock_exclusively(descriptor: int) -> bool:
    """Lock a file unless somebody holds it. Others that only look (`is_free`) hold it a moment."""
    end = time.monotonic() + _LOOKS_TAKE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if is_locked(descriptor) is not False or time.monotonic() > end:
                return False
            os.sched_yield()
        else:
            return True
