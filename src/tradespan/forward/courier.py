"""One sink's courier: takes batches from the folders to the sink, and acknowledges.

States of a courier, and what leads from one to the next:

    ready    accepted → ready        retry → waiting       split → ready (halves)    parked → ready
    waiting  time over → ready (the same piece again, byte for byte)

A batch is given up by nobody: no status code and no deadline deletes it (DESIGN 5). What of a batch
was accepted, or parked, is not sent again while the rest waits.
"""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tradespan.core.delivery import (
    Accepted,
    Batch,
    Cursor,
    CursorKeeper,
    Outcome,
    Parked,
    Retry,
    Sink,
    Slice,
    Split,
)
from tradespan.core.errors import SpoolUnavailable
from tradespan.core.guard import report
from tradespan.core.records import Kind
from tradespan.forward.parking import park_batch
from tradespan.forward.source import BatchLimits, FolderSource
from tradespan.spool.folder import RunFolder

T = TypeVar("T")
logger = logging.getLogger("tradespan")

FAULTS = 2
"""A piece that made the sink itself fail (it must not) so often is halved, to find the record."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Waits between tries, in seconds: doubled from `first` to `longest`, each ± 20 %."""

    first: float = 0.5
    longest: float = 30.0
    most_asked: float = 3_600.0
    """What a sink asks for counts up to here: a slip must not stop delivery for a year."""

    def wait(self, tries: int, asked: float | None) -> float:
        """Seconds before the next try; what the sink asked for counts if it is longer."""
        doubled: float = min(self.first * 2 ** min(tries, 16), self.longest)
        return max(doubled * random.uniform(0.8, 1.2), min(asked or 0.0, self.most_asked))


@dataclass(slots=True)
class CourierState:
    """What others may look at while the courier works."""

    failing_since: float | None = None
    """Monotonic seconds; None while the sink takes what it is given."""
    last_error: str = ""
    tries: int = 0
    not_before: float = 0.0


@dataclass(slots=True)
class _Held(Generic[T]):
    """A batch on its way: the pieces of it that are not delivered yet, the next one first."""

    pieces: deque[Batch[T]]
    ahead: Cursor
    """The cursor once all of it is gone."""
    faults: int = 0


class Courier(Generic[T]):
    """Works for one sink over any number of run folders. Used by one thread; others may look."""

    def __init__(
        self,
        sink: Sink[T],
        keeper: CursorKeeper,
        kind: Kind,
        decode: Callable[[bytes], T],
        *,
        retry: RetryPolicy | None = None,
        limits: BatchLimits | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.sink = sink
        self.state = CourierState()
        self.sending_since: float | None = None
        """Since when the sink has been busy with a piece, in monotonic seconds."""
        self._keeper = keeper
        self._kind = kind
        self._decode = decode
        self._retry = retry or RetryPolicy()
        self._limits = limits
        self._now = now
        self._sources: dict[str, FolderSource[T]] = {}
        self._held: dict[str, _Held[T]] = {}
        self._caught_up: dict[str, float] = {}
        self._hurried = False

    def work(self, folders: list[RunFolder]) -> bool:
        """One round over the folders, a batch of each. Returns whether anything was delivered."""
        self._let_go(folders)
        if self._hurried:
            self._hurried = False
            self.state.not_before = 0.0
        if self._now() < self.state.not_before:
            return False
        delivered = False
        for folder in folders:
            delivered = self._deliver_next(folder) or delivered
            if self._now() < self.state.not_before:
                break
        return delivered

    def hurry(self) -> None:
        """Try once more now, whatever the back-off says; called by another thread."""
        self._hurried = True

    def source(self, folder: RunFolder) -> FolderSource[T]:
        """The reading side for one folder, from the cursor on."""
        key = str(folder.path)
        known = self._sources.get(key)
        if known is not None:
            return known
        fresh = FolderSource(folder, self._kind, self._decode, self._keeper.load(key), self._limits)
        # The agent's main thread asks as well: whoever comes first decides.
        return self._sources.setdefault(key, fresh)

    def finished(self, folder: RunFolder) -> frozenset[str]:
        """Names of segments that this sink has taken to their end."""
        source = self._sources.get(str(folder.path))
        return frozenset() if source is None else source.finished

    def cursor(self, folder: RunFolder) -> Cursor:
        """The sink's cursor in a folder."""
        return self.source(folder).cursor

    def caught_up(self, folder: RunFolder) -> float | None:
        """When it last began to look for records in a folder and found none; monotonic seconds."""
        return self._caught_up.get(str(folder.path))

    def _let_go(self, folders: list[RunFolder]) -> None:
        """Close folders that are no longer served, once their cursor is kept."""
        served = {str(folder.path) for folder in folders}
        for key in [key for key in self._sources if key not in served]:
            source = self._sources[key]
            if not source.unsaved or self._save(key, source.cursor):
                self._sources.pop(key).close()
                self._held.pop(key, None)
                self._caught_up.pop(key, None)

    def _deliver_next(self, folder: RunFolder) -> bool:
        key = str(folder.path)
        try:
            source = self.source(folder)
        except Exception as error:  # noqa: BLE001 - the sink's own place for cursors: later again
            self._wait(Retry(f"its cursor cannot be read: {error}"))
            return False
        if source.unsaved:
            source.unsaved = not self._save(key, source.cursor)
        held = self._held.get(key)
        if held is None:
            began = self._now()
            found = source.next_batch()
            if found is None:
                self._caught_up[key] = began
                return False
            held = self._held[key] = _Held(deque([found[0]]), found[1])
        while held.pieces:
            if not self._deliver_piece(held):
                return False
        source.accept(held.ahead, unsaved=not self._save(key, held.ahead))
        del self._held[key]
        return True

    def _deliver_piece(self, held: _Held[T]) -> bool:
        """Deliver the next piece of a batch, or begin to halve it. False: it has to be retried."""
        piece = held.pieces[0]
        outcome = self._ask_sink(piece, held)
        if isinstance(outcome, Retry):
            self._wait(outcome)
            return False
        held.faults = 0
        if isinstance(outcome, Split) and piece.count > 1:
            self._recovered()
            held.pieces.popleft()
            held.pieces.extendleft(reversed(halve(piece)))
            return True
        refused = 0
        if not isinstance(outcome, Accepted):
            told = outcome.count if isinstance(outcome, Parked) else None
            refused = piece.count if told is None else min(told, piece.count)
            if not self._park(piece, outcome.reason, None if told is None else refused):
                return False
        self._recovered()
        held.pieces.popleft()
        held.ahead.accepted -= refused
        held.ahead.parked += refused
        return True

    def _ask_sink(self, piece: Batch[T], held: _Held[T]) -> Outcome:
        self.sending_since = self._now()
        try:
            return self.sink.deliver(piece)
        except Exception as error:  # noqa: BLE001 - a sink must not raise, nor stop us if it does
            report(f"delivering to {self.sink.name}", error)
            held.faults += 1
            reason = f"{type(error).__name__}: {error}"
            return Retry(reason) if held.faults < FAULTS else Split(reason)
        finally:
            self.sending_since = None

    def _park(self, piece: Batch[T], reason: str, refused: int | None) -> bool:
        count = piece.count if refused is None else refused
        logger.warning("%s refused %d records for good (%s): parked", self.sink.name, count, reason)
        try:
            park_batch(piece, self.sink.name, reason, refused)
        except (OSError, SpoolUnavailable) as error:
            self._wait(Retry(f"what it refused cannot be parked: {error}"))
            return False
        return True

    def _save(self, key: str, cursor: Cursor) -> bool:
        """Keep a cursor. Where it cannot be kept now, it is tried again each round.

        What was accepted is not sent again meanwhile: a full disk must not turn into a flood.
        """
        try:
            self._keeper.save(key, cursor)
        except Exception as error:  # noqa: BLE001 - a file's or a store's: both mean later again
            report(f"keeping the cursor of {self.sink.name}", error)
            return False
        return True

    def _wait(self, outcome: Retry) -> None:
        state, now = self.state, self._now()
        if state.failing_since is None:
            state.failing_since = now
            logger.info("%s does not accept: %s", self.sink.name, outcome.reason)
        state.last_error = outcome.reason
        state.not_before = now + self._retry.wait(state.tries, outcome.after)
        state.tries += 1

    def _recovered(self) -> None:
        if self.state.failing_since is not None:
            logger.info("%s accepts again", self.sink.name)
            self.state = CourierState()

    def close(self) -> None:
        """Close the files and the sink."""
        self._let_go([])
        for source in self._sources.values():
            source.close()
        self._sources.clear()
        self.sink.close()


def halve(batch: Batch[T]) -> tuple[Batch[T], Batch[T]]:
    """Two batches with half of the records each; together they are the batch."""
    half = batch.count // 2
    first: list[Slice[Any]] = []
    second: list[Slice[Any]] = []
    for part in batch.slices:
        room = max(half - sum(len(taken.records) for taken in first), 0)
        for target, records in ((first, part.records[:room]), (second, part.records[room:])):
            if records:
                target.append(_with_records(part, records))
    return (
        Batch(batch.folder, batch.kind, first),
        Batch(batch.folder, batch.kind, second),
    )


def _with_records(part: Slice[T], records: list[T]) -> Slice[T]:
    return Slice(part.origin, part.sites, records, part.segment, part.end, part.highest)
