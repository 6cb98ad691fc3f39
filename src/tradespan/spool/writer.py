"""The bot's side of the spool: one call, and the record is in the page cache.

The fast path (`spool/lane.py`) holds no lock. All that may block, fail or allocate (a new segment,
a new site, a full disk) is the slow path here, under one re-entrant lock: a signal handler or
`__del__` that records there gets through.
Nothing is logged under that lock: a log handler is the user's code, and may wait for a thread that
records.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradespan.core import guard
from tradespan.core.clock import Clock, SystemClock
from tradespan.core.forks import after_fork_in_child
from tradespan.core.process import process_start
from tradespan.core.records import Kind, Lane, Resource, Site
from tradespan.pages.counters import CounterPage, LaneCounters, PageOwner
from tradespan.pages.locks import LockKeeper
from tradespan.spool.checksums import best
from tradespan.spool.lane import make_lane, reads_spans
from tradespan.spool.layout import (
    END_SIZE,
    HEADER_SIZE,
    MAX_PAYLOAD,
    SegmentHeader,
    frame_size,
    pack_frame,
    seed_of,
)
from tradespan.spool.names import AGENTS
from tradespan.spool.segment import Append, OpenSegment
from tradespan.spool.waiting import WaitingFrame, WaitingRing
from tradespan.spool.ways import MMAP, choose_way
from tradespan.wire.codec import encode_record

_RETRY_AFTER = 1_000_000_000
"""Nanoseconds between two tries to make a segment while records are kept in memory."""
_RECOVERED_AT_ONCE = 64
"""Frames that one record takes along from memory: the call that finds space again stays short."""
_DEEPEST = 2
"""Slow paths inside each other that may make a segment. Deeper ones keep their record in memory
until the outermost is done, microseconds later: signals that come faster than segments are made
would begin one after the other, for ever."""
_PAGE = 4096
_DETOUR: dict[int, Append] = {}
"""Stands where no site is known: every append takes the slow path."""


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """Sizes of one writer, in bytes and records."""

    first_segment: int = 256 * 1024
    largest_segment: int = 16 * 1024 * 1024
    memory_records: int = 50_000
    memory_bytes: int = 64 * 1024 * 1024


def draw_identity() -> bytes:
    """A new process generation's."""
    return os.urandom(16)


def draw_agents_identity() -> bytes:
    """That of an agent's writer, which readers know by it: it records no bot's life."""
    return os.urandom(10) + bytes.fromhex(AGENTS)


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
        draw_identity: Callable[[], bytes] = draw_identity,
    ) -> None:
        """`describe` gives the encoded resource of a process generation, by its identity.

        `draw_identity`: 16 bytes for each generation, of which the first four are random.
        """
        self._draw_identity = draw_identity
        self.folder = folder
        self._describe = describe
        self._site_payload = site_payload
        self.clock: Clock = clock or SystemClock()
        self.limits = limits or SpoolLimits()
        self.checksum = best()
        """Of every frame of this process: some are made before their segment is."""
        self._begin()
        self.ordinary = LaneWriter(self, Lane.ORDINARY)
        self.errors = LaneWriter(self, Lane.ERROR)
        self.lanes = {int(Lane.ORDINARY): self.ordinary, int(Lane.ERROR): self.errors}
        after_fork_in_child(self._after_fork)

    def _begin(self) -> None:
        """Become a writer: identity, lock and counters of this process generation."""
        limits = self.limits
        self.lock = threading.RLock()
        self.depth = 0
        """How many slow paths are under way: one, and those of signal handlers inside it."""
        self.locks = LockKeeper()
        self.counters = CounterPage(self.locks)
        self.waiting = WaitingRing(limits.memory_records, limits.memory_bytes, self.counters)
        self._retry_at = 0
        self._failing = False
        self._settling = False
        self._maps = True
        self._untold: list[tuple[str, Exception]] = []
        self.identity = self._draw_identity()
        self.seed = seed_of(self.identity)
        self.process_start = process_start(os.getpid())
        self.description = encode_record(Resource({}))
        self.description = _fitting(self._describe(self.identity), self.description)

    def _after_fork(self) -> None:
        # Descriptors first: the child's copies would keep the parent's locks alive.
        self.locks.abandon()
        try:
            self._begin()
        finally:
            for lane in self.lanes.values():
                lane.abandon()

    def close(self) -> None:
        """Seal the segments. Records made later (atexit handlers, threads) open new ones."""
        with self.lock:
            self.depth += 1
            try:
                self._retry_at = 0
                self.recover(len(self.waiting))
                for lane in self.lanes.values():
                    lane.seal()
            finally:
                self.depth -= 1
        self.tell()

    def site_payload(self, site: int) -> bytes:
        """A site's declaration; without its facts if they are longer than a frame may be."""
        return _fitting(self._site_payload(site), encode_record(Site(site, "")))

    def note(self, where: str, error: Exception) -> None:
        """Remember what went wrong under the lock, to be told when it is let go."""
        self._untold.append((where, error))

    def tell(self) -> None:
        """Report what went wrong, unless this runs inside another slow path, under the lock."""
        if self._untold and not self.depth:
            untold, self._untold = self._untold, []
            for where, error in untold:
                guard.report(where, error)

    # ── under the lock ──────────────────────────────────────────────────────────────────────────

    def recover(self, most: int) -> None:
        """Write what waits in memory, errors first, as far as it goes."""
        if not self.waiting or self.clock.monotonic() < self._retry_at:
            return
        for _ in range(most):
            waiting = self.waiting.take()
            if waiting is None:
                return
            if not self.lanes[waiting.lane].write(waiting.site, waiting.frame):
                self.waiting.give_back(waiting)
                return
            self.waiting.wrote(waiting)

    def begin_segment(self, lane: int, ordinal: int, capacities: list[int]) -> OpenSegment | None:
        """A new segment, of the first size for which there is space; None if there is none."""
        now = self.clock.monotonic()
        if now < self._retry_at or self._settling or self.depth > _DEEPEST:
            return None
        for place, capacity in enumerate(capacities, start=1):
            header = SegmentHeader(
                writer=self.identity,
                lane=lane,
                ordinal=ordinal,
                process_id=os.getpid(),
                process_start=self.process_start,
                created=self.clock.wall(),
                created_monotonic=now,
                capacity=capacity,
                checksum=self.checksum,
                seed=self.seed,
            )
            try:
                segment = self._make_segment(header)
            except OSError as error:
                if place == len(capacities):
                    self._fail(now, error)
            else:
                self._failing = False
                return segment
        return None

    def _make_segment(self, header: SegmentHeader) -> OpenSegment:
        first = pack_frame(
            0, Kind.RESOURCE, header.lane, self.description, self.checksum, self.seed
        )
        largest = max(self.limits.largest_segment, header.capacity)
        if self.counters.attached:
            try:
                return OpenSegment(self.folder, header, first, self.locks, largest, maps=self._maps)
            except FileNotFoundError:
                # Somebody deleted the folder. What other lanes write goes to files without a name.
                for lane in self.lanes.values():
                    lane.seal()
        self._settling = True
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._attach_counters()
            self._maps = choose_way(self.folder).name == MMAP
        finally:
            self._settling = False
        return OpenSegment(self.folder, header, first, self.locks, largest, maps=self._maps)

    def _attach_counters(self) -> None:
        path = self.folder / f"{self.identity.hex()}.page"
        if self.counters.attached and path.exists():
            return
        owner = PageOwner(self.identity, os.getpid(), self.process_start, self.clock.wall())
        self.counters.attach(path, owner)
        for lane in self.lanes.values():
            lane.count_anew()

    def _fail(self, now: int, error: OSError) -> None:
        """Try again in a second; say so once, until a segment could be made."""
        self._retry_at = now + _RETRY_AFTER
        if not self._failing:
            self._failing = True
            kept = f"up to {self.limits.memory_records:,} records are kept in memory until it can"
            self.note(f"{self.folder} cannot be written; the bot runs on, {kept}", error)


def _fitting(payload: bytes, substitute: bytes) -> bytes:
    return payload if 0 < len(payload) <= MAX_PAYLOAD else substitute


class LaneWriter:
    """One lane of a writer."""

    __slots__ = ("_fast", "_open", "_ordinal", "_spool", "append", "lane", "record", "spans")

    def __init__(self, spool: SpoolWriter, lane: Lane) -> None:
        self._spool = spool
        self.lane = int(lane)
        self._open: OpenSegment | None = None
        self._ordinal = 0
        counter = spool.counters.acknowledged(self.lane)
        # One for good: who took its methods before a fork has them in the child, too.
        self._fast = make_lane(self.lane, counter, self._append_slowly, spool.checksum, spool.seed)
        # Its methods and not ours around them, which would cost a call each.
        self.append: Callable[[int, int, bytes], None] = self._fast.append
        """`FastLane.append`: kind, site, payload. When it returns the record is in the page cache
        (or counted in memory)."""
        self.record: Callable[[int, int, tuple[Any, ...]], None] = self._fast.record
        """`FastLane.record`: kind, site, fields; likewise."""
        self.spans = reads_spans(self._fast)
        """The lane, if it reads spans as they are."""

    def count_discarded(self, reason: str) -> None:
        """A record that could not even be encoded."""
        with self._spool.lock:
            self._spool.counters.add(self.lane, reason)

    def counters(self) -> LaneCounters:
        """What the segments of this lane cannot tell."""
        return self._spool.counters.read(self.lane)

    def _append_slowly(self, site: int, frame: bytes) -> None:
        spool = self._spool
        with spool.lock:
            spool.depth += 1
            try:
                # Not behind those that wait: their order is free, and here this one is safe.
                if not self.write(site, frame):
                    spool.waiting.keep(WaitingFrame(self.lane, site, frame))
                if spool.depth == 1:
                    spool.recover(_RECOVERED_AT_ONCE)
                for lane in spool.lanes.values():
                    lane.choose_way()
            finally:
                spool.depth -= 1
        spool.tell()

    # ── under the lock ──────────────────────────────────────────────────────────────────────────

    def write(self, site: int, frame: bytes) -> bool:
        """Write a frame, in a new segment if need be. False: there is none."""
        declaration = b""
        while True:
            segment = self._open
            try:
                if segment is not None:
                    if site not in segment.appends:
                        declaration = declaration or self._declaration(site)
                        segment.declare(site, declaration)
                    segment.append(frame)
                    return True
            except ValueError:  # full, or sealed
                pass
            if not self._roll_over(len(declaration or self._declaration(site)) + len(frame)):
                return False

    def _declaration(self, site: int) -> bytes:
        if not site:
            return b""
        spool = self._spool
        payload = spool.site_payload(site)
        return pack_frame(0, Kind.SITE, self.lane, payload, spool.checksum, spool.seed)

    def _roll_over(self, frames: int) -> bool:
        """Begin the next segment, twice as large as the last, with room for so many bytes."""
        limits = self._spool.limits
        least = HEADER_SIZE + frame_size(len(self._spool.description)) + frames + END_SIZE
        least = (least + _PAGE - 1) // _PAGE * _PAGE
        usual = min(limits.first_segment << min(self._ordinal, 20), limits.largest_segment)
        sizes = {max(usual, least), max(limits.first_segment, least)}
        # Drawn before the segment is made: a signal handler that records meanwhile makes the next.
        self._ordinal = ordinal = self._ordinal + 1
        fresh = self._spool.begin_segment(self.lane, ordinal, sorted(sizes, reverse=True))
        if fresh is None:
            if self._ordinal == ordinal:
                self._ordinal -= 1
            return False
        full, self._open = self._open, fresh
        self._spool.counters.raise_to(self.lane, "segments", ordinal)
        self.choose_way()
        self._seal(full)
        return True

    def choose_way(self) -> None:
        """The fast path, or the slow one while something waits in memory: it looks for a place."""
        segment = self._open
        if segment is None or self._spool.waiting:
            self._fast.use(None, _DETOUR)
        else:
            self._fast.use(segment.place, segment.appends)

    def seal(self) -> None:
        """Close the lane's segment; a later record begins a new one."""
        full, self._open = self._open, None
        self.choose_way()
        self._seal(full)

    def _seal(self, full: OpenSegment | None) -> None:
        if full is not None:
            try:
                full.seal()
            except OSError as error:
                self._spool.note("closing a segment", error)

    def count_anew(self) -> None:
        """The counters have moved to a file: acknowledge there."""
        self._fast.count_in(self._spool.counters.acknowledged(self.lane))

    def abandon(self) -> None:
        """In a forked child: the parent's segment is not ours."""
        segment, self._open = self._open, None
        self._ordinal = 0
        self._fast.restart(self._spool.counters.acknowledged(self.lane), self._spool.seed)
        if segment is not None:
            segment.abandon()
