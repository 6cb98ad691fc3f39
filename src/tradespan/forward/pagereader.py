"""The agent reads the runs' metric pages each interval, and records what it read.

The points of a reading are records of the agent's own writer in the run's folder: so an outage of
hours keeps every one of them, and they travel, are acknowledged and accounted for like all others.
A process that has died is read a last time; then its gauges are told to have no value any more. A
run is over when the last reading of all its processes is recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from tradespan.core import guard
from tradespan.core.guard import guarded
from tradespan.core.records import Kind, Resource
from tradespan.forward.gathering import Functions
from tradespan.forward.ownpoints import OwnPoints
from tradespan.forward.post import Destination
from tradespan.forward.readingstate import (
    NOBODY,
    ReadingState,
    load_state,
    save_state,
    unread_pages,
)
from tradespan.forward.whose import find_resource, when_ended
from tradespan.forward.writerpoints import ENDS_AFTER, Told, read_writer
from tradespan.pages.readings import MetricReading, read_metric_page
from tradespan.spool.folder import RunFolder
from tradespan.spool.layout import PayloadTooLong
from tradespan.spool.writer import SpoolWriter
from tradespan.wire.codec import encode_record
from tradespan.wire.measured import encode_readings

STEP = 0.005
"""Seconds of one step, beside other work; one file, or 256 KiB of points, at least."""
LAST_STEP = 0.05
"""The same at the end of a run, for which somebody waits."""


class Served(NamedTuple):
    """A run whose metrics somebody takes."""

    folder: RunFolder
    destinations: frozenset[Destination]
    """Those that take metrics."""
    is_live: Callable[[], bool]


class PageReader:
    """Of one root's agent. Used by its main loop, under its lock."""

    def __init__(
        self,
        interval: float,
        takes: Callable[[Destination], bool],
        make_writer: Callable[[Path], SpoolWriter],
        own: OwnPoints,
        *,
        functions: Callable[[RunFolder], Functions] = lambda folder: {},
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        """`interval`: seconds. `takes`: whether a destination takes metrics.

        `functions`: the exemplars of a run's functions.
        """
        self.takes = takes
        self._interval = interval
        self._make_writer = make_writer
        self._own = own
        self._functions = functions
        self._now = now
        self._wall = wall
        self._states: dict[str, ReadingState] = {}
        self._writers: dict[str, SpoolWriter] = {}
        self._passes: dict[str, Iterator[None]] = {}
        self._last: dict[str, Iterator[None]] = {}
        self._due: dict[str, float] = {}
        self._own_due = float("-inf")

    def work(self, served: list[Served]) -> None:
        """Begin the readings that are due, and do a few milliseconds of those under way."""
        self._forget_others({str(each.folder.path) for each in served})
        now = self._now()
        for each in served:
            key = str(each.folder.path)
            if key not in self._passes and now >= self._due.get(key, float("-inf")):
                self._due[key] = now + self._interval
                self._passes[key] = self._pass(each.folder)
        end = self._now() + STEP
        for key in list(self._passes):
            # One after the other: the end of an earlier run is told before the next one's values.
            if not _advance(self._passes[key], end, self._now):
                break
            del self._passes[key]
        if served and now >= self._own_due:
            self._own_due = now + self._interval
            self._record_own(served)

    def finish(self, folder: RunFolder, leaving: int = 0) -> bool:
        """Read a run the last time, a part at each call. Returns whether all of it is recorded.

        `leaving`: process id of one that still lives, and is about to end.
        """
        key = str(folder.path)
        if key not in self._last:
            begun: Iterable[None] = self._passes.pop(key, iter(()))
            self._last[key] = chain(begun, self._pass(folder, leaving))
        if not _advance(self._last[key], self._now() + LAST_STEP, self._now):
            return False
        del self._last[key]
        self._due[key] = self._now() + self._interval
        with guarded("the agent's last metrics"):
            self._append(folder, self._own.resource, self._own.end(folder, self._wall()))
        self._close(key)
        return True

    def read_now(self, folder: RunFolder) -> None:
        """Read a run as it is at this moment, whether it is due or not."""
        key = str(folder.path)
        for _ in chain(self._passes.pop(key, iter(())), self._pass(folder)):
            continue
        self._due[key] = self._now() + self._interval

    def may_fold(self, folder: RunFolder, writer: str) -> bool:
        """Whether nothing more will be read of a process."""
        return self._state(folder).is_finished(writer)

    def unread(self, folder: RunFolder) -> list[Path]:
        """Pages in which something may be counted, or was, after their last reading."""
        return unread_pages(folder, self._state(folder))

    def close(self) -> None:
        """Close the segments; who is asked on after that begins new ones."""
        for key in list(self._writers):
            self._close(key)

    # ── one reading ─────────────────────────────────────────────────────────────────────────────

    def _pass(self, folder: RunFolder, leaving: int = 0) -> Iterator[None]:
        """Read all processes of a run, those that are gone first; pauses after each piece."""
        state = self._state(folder)
        found: dict[str, list[MetricReading]] = {}
        present = set()
        for path in sorted(folder.metric_pages(), key=_ordinal):
            writer = path.name.partition(".")[0]
            present.add(writer)
            if writer == NOBODY or state.is_finished(writer):
                continue
            with guarded("a metric page"):
                reading = _read(path)
                if reading is not None:
                    found.setdefault(writer, []).append(reading)
            yield
        # Once for all: a run may have thousands of processes.
        segments = folder.segments() if found.keys() - state.resources.keys() else []
        functions = self._functions(folder)
        # A process that began anew is told of after the end of the one before it.
        for writer in sorted(found, key=lambda writer: _lives(found[writer])):
            if writer not in state.resources:
                facts = found[writer][0].page
                assert facts is not None
                state.resources[writer] = find_resource(folder, facts, segments)
            yield from self._read_process(folder, writer, found[writer], functions, leaving)
        state.forget_others(present)
        if found:
            with guarded("keeping what was read"):
                save_state(folder.path, state)

    def _read_process(
        self,
        folder: RunFolder,
        writer: str,
        readings: list[MetricReading],
        functions: Functions,
        leaving: int,
    ) -> Iterator[None]:
        state = self._state(folder)
        memory = state.memory(writer)
        facts = readings[0].page
        assert facts is not None
        alive = _lives(readings)
        now = self._wall()
        if not alive:
            now = when_ended(folder, facts, [each.path for each in readings], now)
        now = max(now, memory.read_at + ENDS_AFTER, facts.created)
        resource = state.resources[writer]
        ending = not alive or facts.process_id == leaving
        points = read_writer(readings, memory, now, ending=ending, functions=functions)
        for part in points:
            for _ in self._record(folder, resource, part):
                yield
        # What waits in memory while the disk is full is not safe.
        spool = self._writers.get(str(folder.path))
        memory.finished = not alive and not (spool is not None and spool.waiting)

    def _record(self, folder: RunFolder, resource: Resource, points: list[Told]) -> Iterator[None]:
        for reading in encode_readings(resource, points):
            try:
                spool = self._writer(folder)
                spool.ordinary.append(int(Kind.METRIC), 0, encode_record(reading))
            except PayloadTooLong as error:
                guard.report("a metric's point", error)
            yield

    def _append(self, folder: RunFolder, resource: Resource, points: list[Told]) -> None:
        for _ in self._record(folder, resource, points):
            continue

    def _record_own(self, served: list[Served]) -> None:
        """The agent's own metrics, by live runs that reach all destinations between them."""
        reached: set[Destination] = set()
        chosen = []
        for each in reversed(served):
            if not each.destinations <= reached and each.is_live():
                reached |= each.destinations
                chosen.append(each.folder)
        if chosen:
            with guarded("the agent's metrics"):
                points = self._own.read(chosen, self._wall())
                for folder in chosen:
                    self._append(folder, self._own.resource, points)

    # ── what is kept ────────────────────────────────────────────────────────────────────────────

    def _state(self, folder: RunFolder) -> ReadingState:
        key = str(folder.path)
        known = self._states.get(key)
        return known or self._states.setdefault(key, load_state(folder.path))

    def _writer(self, folder: RunFolder) -> SpoolWriter:
        key = str(folder.path)
        known = self._writers.get(key)
        return known or self._writers.setdefault(key, self._make_writer(folder.path))

    def _close(self, key: str) -> None:
        writer = self._writers.pop(key, None)
        if writer is not None:
            writer.close()
            # Its lock would say that somebody records there still.
            writer.locks.abandon()

    def _forget_others(self, served: set[str]) -> None:
        for key in self._states.keys() - served:
            self._close(key)
            for kept in (self._states, self._passes, self._last, self._due):
                kept.pop(key, None)


def _advance(work: Iterator[None], end: float, now: Callable[[], float]) -> bool:
    """Go on until a moment. Returns whether all is done."""
    with guarded("metric pages"):
        for _ in work:
            if now() >= end:
                return False
    return True


def _read(path: Path) -> MetricReading | None:
    """A file of which something can be read."""
    try:
        reading = read_metric_page(path)
    except FileNotFoundError:
        return None
    return reading if reading.page is not None else None


def _ordinal(path: Path) -> int:
    _, _, number = path.name.partition(".metrics")
    return int(number[1:] or 1)


def _lives(readings: list[MetricReading]) -> bool:
    return any(reading.page is not None and reading.page.alive for reading in readings)
