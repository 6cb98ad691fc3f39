"""The limits of what one root's runs may take: bytes, age, and a floor of free disk.

What goes, and in which order:

    age        whatever waits for longer, of both lanes
    bytes      the oldest ordinary segment of all runs, while ordinary ones and what was set aside
               take more than the limit less the errors' share; the oldest of the errors only when
               they take more than the whole limit by themselves
    low disk   the oldest ordinary segment, while less is free than the floor; the oldest of the
               errors only when none of those is left, and less than half of the floor is free

So no error is ever discarded for an ordinary record. Segments that every sink has taken are deleted
anyway. Never discarded: a segment whose writer lives, one of which a sink has records in its hands,
dead letters, and files that were set aside; these two count as bytes, and are for a human to judge.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tradespan.core.clock import Clock, SystemClock
from tradespan.core.errors import DamagedSegment, UnsupportedFormat
from tradespan.core.guard import guarded
from tradespan.core.records import Lane
from tradespan.forward.counting import SegmentCount
from tradespan.forward.parking import PARKED
from tradespan.forward.source import quarantine
from tradespan.spool.discarded import DiscardedSegment, discard_segment, empty
from tradespan.spool.folder import DAMAGED, RunFolder, run_folders
from tradespan.spool.names import SegmentName
from tradespan.spool.reader import SegmentReader

logger = logging.getLogger("tradespan")

LIMIT_BYTES, LIMIT_AGE, LOW_DISK = "limit_bytes", "limit_age", "low_disk"
_SECOND = 1_000_000_000
_LOOK_EVERY = 1.0
"""Seconds between two looks. Short of space at two of them: a burst is gone by then, as a rule."""
_LOOK_AT_CLOSED = 60.0
"""Seconds between two looks at folders that are delivered: dead letters are all they hold."""
_AT_ONCE = 16 * 1024 * 1024
"""Bytes that are counted and discarded in one step: the agent has more to do."""
_GRACE = 3_600.0
"""Seconds for which age costs nothing after the agent began, or the wall clock jumped: a machine
that was off for a month delivers first."""
_JUMP = 60.0
_TELL_EVERY = 60.0
_ERROR_SHARE = 8
_DISK_SHARE = 20


@dataclass(frozen=True, slots=True)
class SpaceLimits:
    """What the files of all runs below one root may take."""

    bytes: int = 2 << 30
    age: float | None = 7 * 86_400.0
    """Seconds; None: without end."""
    free: int = 256 << 20
    """Bytes of free disk; of a small file system, at most a twentieth."""

    @property
    def error_reserve(self) -> int:
        """Bytes of the limit that ordinary records never take."""
        return self.bytes // _ERROR_SHARE

    def floor(self, total: int) -> int:
        """Free bytes below which records go, on a file system of so many bytes."""
        return min(self.free, total // _DISK_SHARE)


class Space(NamedTuple):
    """Bytes of a file system."""

    total: int
    free: int


def measure_space(path: Path) -> Space:
    """What the file system of a folder has, and has left.

    Raises:
        OSError: There is no such folder.
    """
    usage = shutil.disk_usage(path)
    return Space(usage.total, usage.free)


class _File(NamedTuple):
    """One segment, as its folder shows it."""

    name: SegmentName
    folder: RunFolder
    bytes: int
    changed: int
    """Nanoseconds UTC: not older than its newest record."""


@dataclass(slots=True)
class _Usage:
    """What a look found."""

    lanes: dict[int, list[_File]] = field(default_factory=lambda: {lane: [] for lane in Lane})
    """Lane → segments, oldest first."""
    taken: dict[int, int] = field(default_factory=lambda: dict.fromkeys(Lane, 0))
    """Lane → bytes."""
    aside: int = 0
    """Bytes of dead letters and of files that were set aside."""


@dataclass(slots=True)
class _Discards:
    """What has been discarded since it was told last."""

    segments: int = 0
    records: int = 0


class SpaceKeeper:
    """Enforces the limits: a chore of the agent's."""

    def __init__(
        self,
        root: Path,
        limits: SpaceLimits | None = None,
        *,
        clock: Clock | None = None,
        measure: Callable[[Path], Space] = measure_space,
    ) -> None:
        self.limits = limits or SpaceLimits()
        self.told: dict[str, Any] = {}
        """What the last look found, as plain values, for `agent.json`. The same object for good."""
        self._root = root
        self._clock: Clock = clock or SystemClock()
        self._measure = measure
        now = self._now()
        self._next = now
        self._began = now
        self._wall_less_monotonic = self._clock.wall() / _SECOND - now
        self._short: frozenset[str] = frozenset()
        """Limits that were passed at the last look."""
        self._aside: dict[str, int] = {}
        """Path of a delivered folder → bytes set aside in it."""
        self._aside_at = float("-inf")
        self._untold: dict[tuple[str, int], _Discards] = {}
        self._told_at: dict[tuple[str, int], float] = {}
        self._left = 0

    def work(self, folders: list[RunFolder]) -> None:
        """Look once a second; discard what has to go, a few segments a step."""
        now = self._now()
        if now < self._next:
            return
        self._next = now + _LOOK_EVERY
        self._watch_clock(now)
        usage = self._look(folders, now)
        space = self._measure(self._root)
        short = frozenset(self._passed(usage, space))
        self._left = _AT_ONCE
        for reason in (LIMIT_AGE, LIMIT_BYTES, LOW_DISK):
            if reason in short and (reason in self._short or reason == LIMIT_AGE):
                for file in self._excess(reason, usage):
                    if self._left <= 0:
                        self._next = now
                        break
                    self._discard(file, reason, usage)
        self._short = short
        self._tell(usage, self._measure(self._root), short, now)

    # ── looking ─────────────────────────────────────────────────────────────────────────────────

    def _now(self) -> float:
        return self._clock.monotonic() / _SECOND

    def _look(self, folders: list[RunFolder], now: float) -> _Usage:
        usage = _Usage()
        for folder in folders:
            # What is wrong with one folder must not hide the others.
            with guarded(f"limits: {folder.path.name}"):
                _look_into(folder, usage)
        for files in usage.lanes.values():
            files.sort(key=_age)
        if now - self._aside_at >= _LOOK_AT_CLOSED:
            self._aside_at = now
            known = {str(folder.path) for folder in folders}
            closed = (each for each in run_folders(self._root) if str(each.path) not in known)
            self._aside = {str(each.path): bytes_aside(each.path) for each in closed}
        usage.aside += sum(self._aside.values())
        return usage

    def _passed(self, usage: _Usage, space: Space) -> Iterator[str]:
        """The limits that are passed now."""
        if next(self._too_old(usage), None) is not None:
            yield LIMIT_AGE
        if any(self._over(lane, usage) > 0 for lane in Lane):
            yield LIMIT_BYTES
        if space.free < self.limits.floor(space.total):
            yield LOW_DISK

    def _over(self, lane: Lane, usage: _Usage) -> int:
        """Bytes by which a lane takes more than it may."""
        errors = usage.taken[Lane.ERROR]
        if lane == Lane.ERROR:
            return errors - self.limits.bytes
        room = self.limits.bytes - max(errors, self.limits.error_reserve)
        return usage.taken[Lane.ORDINARY] + usage.aside - room

    def _watch_clock(self, now: float) -> None:
        """A wall clock that jumps makes nothing old: age waits again for a while."""
        offset = self._clock.wall() / _SECOND - now
        if abs(offset - self._wall_less_monotonic) > _JUMP:
            self._began = now
        self._wall_less_monotonic = offset

    def _too_old(self, usage: _Usage) -> Iterator[_File]:
        """Segments whose newest record is older than the limit."""
        age = self.limits.age
        if age is None or self._now() - self._began < min(age, _GRACE):
            return
        oldest = self._clock.wall() - int(age * _SECOND)
        for lane in (Lane.ORDINARY, Lane.ERROR):
            yield from (file for file in usage.lanes[lane] if file.changed < oldest)

    def _excess(self, reason: str, usage: _Usage) -> Iterator[_File]:
        """What goes next, as long as something has to."""
        if reason == LIMIT_AGE:
            yield from list(self._too_old(usage))
            return
        for lane in (Lane.ORDINARY, Lane.ERROR):
            for file in list(usage.lanes[lane]):
                if not self._is_short(reason, lane, usage):
                    break
                yield file

    def _is_short(self, reason: str, lane: Lane, usage: _Usage) -> bool:
        if reason == LIMIT_BYTES:
            return self._over(lane, usage) > 0
        space = self._measure(self._root)
        floor = self.limits.floor(space.total)
        return space.free < (floor // 2 if lane == Lane.ERROR else floor)

    # ── discarding ──────────────────────────────────────────────────────────────────────────────

    def _discard(self, file: _File, reason: str, usage: _Usage) -> None:
        """Discard a segment, if it may be: the count is in its new name, as one step."""
        with guarded(f"limits: {file.folder.path.name}"):
            left = _count(file, reason)
            if left is None or _is_held(file):
                return
            discard_segment(file.folder.path, left)
            self._left -= file.bytes
            lane = file.name.lane
            usage.lanes[lane].remove(file)
            usage.taken[lane] -= file.bytes
            untold = self._untold.setdefault((reason, lane), _Discards())
            untold.segments += 1
            untold.records += sum(left.counts.values())

    # ── telling ─────────────────────────────────────────────────────────────────────────────────

    def _tell(self, usage: _Usage, space: Space, short: frozenset[str], now: float) -> None:
        self.told.update(
            bytes=sum(usage.taken.values()) + usage.aside,
            ordinary=usage.taken[Lane.ORDINARY],
            error=usage.taken[Lane.ERROR],
            set_aside=usage.aside,
            limit=self.limits.bytes,
            free=space.free,
            floor=self.limits.floor(space.total),
            short=sorted(short),
        )
        for (reason, lane), discards in list(self._untold.items()):
            if self._may_tell((reason, lane), now):
                del self._untold[reason, lane]
                logger.log(
                    logging.CRITICAL if lane == Lane.ERROR else logging.WARNING,
                    "%s: discarded %d %s records (%d segments), %s",
                    self._root,
                    discards.records,
                    "ERROR" if lane == Lane.ERROR else "ordinary",
                    discards.segments,
                    self._explain(reason),
                )
        room = self.limits.bytes - self.limits.error_reserve
        if usage.aside > room and self._may_tell(("set_aside", 0), now):
            logger.critical(
                "%s: dead letters and damaged files take %d bytes, more than ordinary records may"
                " (spool.bytes %d); nothing deletes them but you",
                self._root,
                usage.aside,
                self.limits.bytes,
            )

    def _may_tell(self, what: tuple[str, int], now: float) -> bool:
        if now - self._told_at.get(what, float("-inf")) < _TELL_EVERY:
            return False
        self._told_at[what] = now
        return True

    def _explain(self, reason: str) -> str:
        if reason == LIMIT_BYTES:
            return f"the files of all runs take more than spool.bytes ({self.limits.bytes})"
        if reason == LIMIT_AGE:
            return f"they waited for longer than spool.age ({self.limits.age or 0.0:.0f} s)"
        return (
            f"less than spool.free ({self.limits.free} bytes, or a twentieth) is left on the disk"
        )


def _look_into(folder: RunFolder, usage: _Usage) -> None:
    """Add what a folder's files take; empty what a killed agent left half discarded."""
    with os.scandir(folder.path) as entries:
        for entry in entries:
            name = SegmentName.parse(entry.name)
            if name is None:
                if DiscardedSegment.parse(entry.name) and _status(entry).st_size:
                    empty(folder.path / entry.name)
                continue
            status = _status(entry)
            size = status.st_blocks * 512
            usage.lanes[name.lane].append(
                _File(name, folder, size, max(name.created, status.st_mtime_ns))
            )
            usage.taken[name.lane] += size
    usage.aside += bytes_aside(folder.path)


def _status(entry: os.DirEntry[str]) -> os.stat_result:
    return entry.stat(follow_symlinks=False)


def bytes_aside(folder: Path) -> int:
    """Bytes that a run's dead letters and set-aside files take on the disk."""
    total = 0
    pending = [folder]
    while pending:
        place = pending.pop()
        try:
            entries = list(os.scandir(place))
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if place != folder or entry.name == PARKED:
                    pending.append(place / entry.name)
            elif place != folder or entry.name.endswith(DAMAGED):
                total += _status(entry).st_blocks * 512
    return total


def _age(file: _File) -> tuple[SegmentName, str]:
    return file.name, str(file.folder.path)


def _is_held(file: _File) -> bool:
    return any(str(file.name) in names for names in list(file.folder.held.values()))


def _count(file: _File, reason: str) -> DiscardedSegment | None:
    """What a segment holds; None if it may not be discarded, or cannot be read now."""
    if _is_held(file):
        return None
    path = file.folder.path / str(file.name)
    try:
        reader = SegmentReader(path, learn_sites=False)
    except DamagedSegment as error:
        quarantine(path, error)
        return None
    except (FileNotFoundError, UnsupportedFormat):
        return None
    try:
        if not reader.writer_is_gone():
            return None
        count = SegmentCount()
        count.go_on(reader)
        if not count.finished:
            return None
        return DiscardedSegment(file.name, reason, count.kinds, count.highest, count.damaged)
    finally:
        reader.close()
