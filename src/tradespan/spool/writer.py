"""The bot's side of the spool: one call, and the record is in the page cache.

The fast path of `LaneWriter.append` holds no lock and makes one system-call-free C call that can be
seen by others. All that may block, fail or allocate (a new segment, a new site, a full disk) is the
slow path, under one re-entrant lock: a signal handler or `__del__` that records there gets through.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from tradespan.core import guard
from tradespan.core.clock import Clock, SystemClock
from tradespan.core.forks import after_fork_in_child
from tradespan.core.process import process_start
from tradespan.core.records import Kind, Lane
from tradespan.pages.counters import CounterPage, LaneCounters
from tradespan.spool.layout import (
    FRAME_HEADER_SIZE,
    HEADER_SIZE,
    SegmentHeader,
    frame_packers,
    frame_size,
    pack_frame,
)
from tradespan.spool.segment import OpenSegment

_RETRY_AFTER = 1_000_000_000
"""Nanoseconds between two tries to make a segment while records are kept in memory."""


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """Sizes of one writer, in bytes and records."""

    first_segment: int = 256 * 1024
    largest_segment: int = 16 * 1024 * 1024
    memory_records: int = 50_000


class _NoSegment:
    """Stands where no segment is: every append takes the slow path."""

    sites: frozenset[int] = frozenset()

    @staticmethod
    def append(frame: bytes) -> int:
        raise ValueError


class SpoolWriter:
    """All that one process generation writes into one run's folder."""

    def __init__(
        self,
        folder: Path,
        *,
        describe: Callable[[bytes], bytes],
        site_payload: Callable[[int], bytes],
        clock: Clock | None = None,
        limits: SpoolLimits | None = None,
    ) -> None:
        """`describe` gives the encoded resource of a process generation, by its identity."""
        self.folder = folder
        self._describe = describe
        self.site_payload = site_payload
        self.clock: Clock = clock or SystemClock()
        self.limits = limits or SpoolLimits()
        self._begin()
        self.ordinary = LaneWriter(self, Lane.ORDINARY)
        self.errors = LaneWriter(self, Lane.ERROR)
        after_fork_in_child(self._after_fork)

    def _begin(self) -> None:
        """Become a writer: identity, lock and counters of this process generation."""
        self.identity = os.urandom(16)
        self.process_start = process_start(os.getpid())
        self.description = self._describe(self.identity)
        self.lock = threading.RLock()
        self.counters = CounterPage()
        self.waiting: deque[tuple[LaneWriter, int, bytes]] = deque()
        self.retry_at = 0
        self.closed = False

    def _after_fork(self) -> None:
        lanes = (self.ordinary, self.errors)
        for lane in lanes:
            lane.abandon()
        self._begin()

    def close(self) -> None:
        """Seal the segments. Records made later (atexit handlers, threads) open new ones."""
        with self.lock, guard.guarded("spool close"):
            self.retry_at = 0
            self.recover()
            for lane in (self.ordinary, self.errors):
                lane.seal()

    # ── memory, while there is no place to write ────────────────────────────────────────────────

    def keep_in_memory(self, lane: LaneWriter, site: int, frame: bytes) -> None:
        """Keep a frame until there is a segment again; the oldest ordinary one makes room."""
        if len(self.waiting) >= self.limits.memory_records:
            self._make_room()
        self.waiting.append((lane, site, frame))
        self.counters.add(lane.lane, "in_memory")
        self.counters.raise_to(lane.lane, "drawn", int.from_bytes(frame[10:16], "little"))

    def _make_room(self) -> None:
        ordinary = (i for i, (lane, _, _) in enumerate(self.waiting) if lane is self.ordinary)
        place = next(ordinary, 0)
        lane = self.waiting[place][0]
        del self.waiting[place]
        self.counters.add(lane.lane, "in_memory", -1)
        self.counters.add(lane.lane, "overflow")

    def recover(self) -> None:
        """Write what waits in memory, oldest first, as far as it goes."""
        while self.waiting:
            lane, site, frame = self.waiting[0]
            if not lane.write(site, frame):
                return
            self.waiting.popleft()
            self.counters.add(lane.lane, "in_memory", -1)
            self.counters.add(lane.lane, "recovered")

    def begin_segment(self, lane: int, ordinal: int, capacity: int) -> OpenSegment | None:
        """A new segment, or None (and one warning) where none can be made now."""
        now = self.clock.monotonic()
        if now < self.retry_at:
            return None
        header = SegmentHeader(
            writer=self.identity,
            lane=lane,
            ordinal=ordinal,
            process_id=os.getpid(),
            process_start=self.process_start,
            created=self.clock.wall(),
            created_monotonic=now,
            capacity=capacity,
        )
        try:
            if not self.counters.attached:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self.counters.attach(self.folder / f"{self.identity.hex()}.page")
            return OpenSegment(
                self.folder, header, pack_frame(0, Kind.RESOURCE, lane, self.description)
            )
        except OSError as error:
            self.retry_at = now + _RETRY_AFTER
            guard.report(f"{self.folder} cannot be written; {_kept(self.limits)}", error)
            return None


def _kept(limits: SpoolLimits) -> str:
    return (
        f"the bot runs on, up to {limits.memory_records:,} records are kept in memory until it can"
    )


class LaneWriter:
    """One lane of a writer."""

    __slots__ = ("_ordinal", "_segment", "_spool", "_words", "lane")

    def __init__(self, spool: SpoolWriter, lane: Lane) -> None:
        self._spool = spool
        self.lane = int(lane)
        self._start()

    def _start(self) -> None:
        self._segment: OpenSegment | _NoSegment = _NoSegment()
        self._ordinal = 0
        # Counts in steps of the word's sequence field, so that drawing a number is the word.
        self._words = itertools.count(1 << 16 | self.lane, 1 << 16)

    def append(self, kind: int, site: int, payload: bytes) -> None:
        """Write one record. When this returns it is in the page cache (or counted in memory).

        Raises:
            PayloadTooLong: Over 1 MiB; nothing was written, and no number drawn.
        """
        size = len(payload)
        pack = frame_packers[size]
        word = next(self._words) | kind << 8
        frame = pack(size, crc32(payload, word ^ word >> 32), word, payload)
        segment = self._segment
        if site in segment.sites:
            try:
                segment.append(frame)
                return
            except ValueError:
                pass
        self._append_slowly(site, frame)

    def count_discarded(self, reason: str) -> None:
        """A record that could not even be encoded."""
        self._spool.counters.add(self.lane, reason)

    def counters(self) -> LaneCounters:
        """What the segments of this lane cannot tell."""
        return self._spool.counters.read(self.lane)

    def _append_slowly(self, site: int, frame: bytes) -> None:
        spool = self._spool
        with spool.lock:
            if spool.waiting:
                spool.recover()
            if spool.waiting or not self.write(site, frame):
                spool.keep_in_memory(self, site, frame)

    def write(self, site: int, frame: bytes) -> bool:
        """Under the lock: write a frame, in a new segment if need be. False: there is none."""
        while True:
            segment = self._segment
            try:
                if site not in segment.sites:
                    declaration = self._spool.site_payload(site)
                    segment.append(pack_frame(0, Kind.SITE, self.lane, declaration))
                    segment.sites.add(site)  # type: ignore[union-attr]
                segment.append(frame)
            except ValueError:
                if not self._roll_over(site, len(frame)):
                    return False
            else:
                return True

    def _roll_over(self, site: int, frame_bytes: int) -> bool:
        """Begin the next segment, twice as large as the last, large enough for this frame."""
        limits = self._spool.limits
        described = frame_size(len(self._spool.description)) + FRAME_HEADER_SIZE
        declared = frame_size(len(self._spool.site_payload(site)))
        needed = HEADER_SIZE + described + declared + frame_bytes
        capacity = min(limits.first_segment << min(self._ordinal, 20), limits.largest_segment)
        page = 4096
        capacity = max(capacity, (needed + page - 1) // page * page)
        # Drawn before the segment is made: a signal handler that records meanwhile makes the next.
        self._ordinal = ordinal = self._ordinal + 1
        fresh = self._spool.begin_segment(self.lane, ordinal, capacity)
        if fresh is None:
            if self._ordinal == ordinal:
                self._ordinal -= 1
            return False
        full, self._segment = self._segment, fresh
        if isinstance(full, OpenSegment):
            with guard.guarded("spool roll-over"):
                full.seal()
        return True

    def seal(self) -> None:
        """Close the lane's segment; a later record begins a new one."""
        full, self._segment = self._segment, _NoSegment()
        if isinstance(full, OpenSegment):
            full.seal()

    def abandon(self) -> None:
        """In a forked child: the parent's segment is not ours."""
        segment = self._segment
        self._start()
        if isinstance(segment, OpenSegment):
            segment.abandon()


