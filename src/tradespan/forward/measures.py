"""The agent's own instruments, computed from the books; their export comes later."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tradespan.core.guard import guarded
from tradespan.declare.instruments import (
    TRADESPAN_FORWARD_ACCEPTED,
    TRADESPAN_FORWARD_PARKED,
    TRADESPAN_GOVERNOR_FUNCTIONS,
    TRADESPAN_GOVERNOR_OVERHEAD,
    TRADESPAN_SPOOL_BYTES,
    TRADESPAN_SPOOL_DISCARDED,
    TRADESPAN_SPOOL_RECORDS,
    TRADESPAN_SPOOL_UNACCOUNTED,
    TRADESPAN_SPOOL_UNDELIVERED,
    Instrument,
)
from tradespan.declare.names import (
    TRADESPAN_CONTENT,
    TRADESPAN_LANE,
    TRADESPAN_LEVEL,
    TRADESPAN_REASON,
    TRADESPAN_SINK,
    TRADESPAN_STATE,
)
from tradespan.forward.books import Books
from tradespan.spool.folder import RunFolder
from tradespan.spool.governed import read_governed

_LOOK_EVERY = 5.0
"""Seconds between two looks at the books of all runs."""


class Reading(NamedTuple):
    """One series of an instrument, and its value."""

    instrument: Instrument
    labels: tuple[tuple[str, str], ...]
    value: float

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "name": self.instrument.name,
            "kind": self.instrument.kind,
            "unit": self.instrument.unit,
            "labels": dict(self.labels),
            "value": self.value,
        }


def measure_books(books: Books) -> Iterator[Reading]:
    """What one run's books give to each instrument."""
    for lane, line in books.lanes.items():
        for state in ("recorded", "in_memory", "recovered", "interrupted"):
            labels = ((TRADESPAN_LANE, lane), (TRADESPAN_STATE, state))
            yield Reading(TRADESPAN_SPOOL_RECORDS, labels, getattr(line, state))
        for sink, of_sink in line.sinks.items():
            where = ((TRADESPAN_LANE, lane), (TRADESPAN_SINK, sink))
            yield Reading(TRADESPAN_SPOOL_UNDELIVERED, where, of_sink.on_disk)
            for reason, count in (line.discarded | of_sink.discarded).items():
                why = (*where, (TRADESPAN_REASON, reason))
                yield Reading(TRADESPAN_SPOOL_DISCARDED, why, count)
    for sink, book in books.sinks.items():
        of = ((TRADESPAN_SINK, sink),)
        yield Reading(TRADESPAN_SPOOL_UNACCOUNTED, of, book.unaccounted)
        yield Reading(TRADESPAN_FORWARD_ACCEPTED, of, book.accepted)
        yield Reading(TRADESPAN_FORWARD_PARKED, of, book.parked)


def measure_governors(folder: RunFolder) -> Iterator[Reading]:
    """What the governors of a run's living processes tell."""
    for told in read_governed(folder, alive=True):
        for level, count in told["levels"].items():
            yield Reading(TRADESPAN_GOVERNOR_FUNCTIONS, ((TRADESPAN_LEVEL, str(level)),), count)
        yield Reading(TRADESPAN_GOVERNOR_OVERHEAD, (), told["overhead"])


def measure_space(told: Mapping[str, Any]) -> Iterator[Reading]:
    """What the space keeper tells (`forward/limits.py`)."""
    for content in ("ordinary", "error", "set_aside"):
        if content in told:
            labels = ((TRADESPAN_CONTENT, content),)
            yield Reading(TRADESPAN_SPOOL_BYTES, labels, int(told[content]))


def add_readings(readings: Iterable[Reading]) -> list[Reading]:
    """One reading a series: several runs' values are added."""
    totals: dict[tuple[Instrument, tuple[tuple[str, str], ...]], float] = {}
    for instrument, labels, value in readings:
        totals[instrument, labels] = totals.get((instrument, labels), 0) + value
    return [Reading(*series, value) for series, value in totals.items()]


class Meter:
    """Reads all runs' books now and then. Used by one thread; others may read its attribute."""

    def __init__(self, books: Callable[[RunFolder], Books]) -> None:
        self.readings: tuple[Reading, ...] = ()
        """What the last look gave. Never changed, only replaced."""
        self._books = books
        self._of_runs: dict[str, list[Reading]] = {}
        """Path of a folder → its readings; those of a run that is over stay, or counters fell."""
        self._of_removed: list[Reading] = []
        """Those of runs whose folders are removed, added up: a service sees any number of them."""
        self._looked = float("-inf")

    def look(self, folders: Iterable[RunFolder], space: Mapping[str, Any]) -> None:
        """Measure what is due."""
        now = time.monotonic()
        if now - self._looked < _LOOK_EVERY:
            return
        self._looked = now
        governors: list[Reading] = []
        for folder in folders:
            governors += measure_governors(folder)
            # What cannot be counted now hides no other, and stays as it was.
            with guarded(f"measures: {folder.path.name}"):
                self._of_runs[str(folder.path)] = list(measure_books(self._books(folder)))
        for path in [path for path in self._of_runs if not Path(path).exists()]:
            self._of_removed = add_readings([*self._of_removed, *self._of_runs.pop(path)])
        runs = (reading for readings in self._of_runs.values() for reading in readings)
        now_true = [*measure_space(space), *governors]
        self.readings = tuple(add_readings([*self._of_removed, *runs, *now_true]))
