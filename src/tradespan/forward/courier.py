"""One sink's courier: takes batches from the folders to the sink, and acknowledges.

States of a courier, and what leads from one to the next:

    ready    accepted → ready        retry → waiting       split → ready (halves)    parked → ready
    waiting  time over → ready (the same batch again, byte for byte)

A batch is given up by nobody: no status code and no deadline deletes it (DESIGN 5).
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tradespan.core.delivery import (
    Accepted,
    Batch,
    Cursor,
    CursorKeeper,
    Parked,
    Retry,
    Sink,
    Slice,
    Split,
)
from tradespan.core.records import Kind
from tradespan.forward.parking import park_batch
from tradespan.forward.source import BatchLimits, FolderSource
from tradespan.spool.folder import RunFolder

T = TypeVar("T")
logger = logging.getLogger("tradespan")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Waits between tries, in seconds: doubled from `first` to `longest`, each ± 20 %."""

    first: float = 0.5
    longest: float = 30.0

    def wait(self, tries: int, asked: float | None) -> float:
        """Seconds before the next try; what the sink asked for counts if it is longer."""
        doubled = min(self.first * 2 ** min(tries, 16), self.longest)
        return max(doubled * random.uniform(0.8, 1.2), asked or 0.0)


@dataclass(slots=True)
class CourierState:
    """What others may look at while the courier works."""

    failing_since: float | None = None
    """Monotonic seconds; None while the sink takes what it is given."""
    last_error: str = ""
    tries: int = 0
    not_before: float = 0.0


class Courier(Generic[T]):
    """Works for one sink over any number of run folders. Used by one thread."""

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
        self._keeper = keeper
        self._kind = kind
        self._decode = decode
        self._retry = retry or RetryPolicy()
        self._limits = limits
        self._now = now
        self._sources: dict[str, FolderSource[T]] = {}
        self._held: dict[str, tuple[Batch[T], Cursor]] = {}

    def work(self, folders: list[RunFolder]) -> bool:
        """One round over the folders. Returns whether anything was delivered."""
        if self._now() < self.state.not_before:
            return False
        delivered = False
        for folder in folders:
            while self._deliver_next(folder):
                delivered = True
                if self.state.failing_since is not None:
                    return delivered
            if self.state.failing_since is not None:
                break
        return delivered

    def source(self, folder: RunFolder) -> FolderSource[T]:
        """The reading side for one folder, from the cursor on."""
        key = str(folder.path)
        known = self._sources.get(key)
        if known is not None:
            return known
        fresh = FolderSource(
            folder, self._kind, self._decode, self._keeper.load(key), self._limits
        )
        # The agent's main thread asks as well: whoever comes first decides.
        return self._sources.setdefault(key, fresh)

    def forget(self, folder: RunFolder) -> None:
        """Let go of a folder in which nothing is left."""
        source = self._sources.pop(str(folder.path), None)
        if source is not None:
            source.close()

    def finished(self, folder: RunFolder) -> set[str]:
        """Names of segments that this sink has taken to their end."""
        source = self._sources.get(str(folder.path))
        return set() if source is None else set(source.finished)

    def cursor(self, folder: RunFolder) -> Cursor:
        """The sink's cursor in a folder."""
        return self.source(folder).cursor

    def _deliver_next(self, folder: RunFolder) -> bool:
        key = str(folder.path)
        source = self.source(folder)
        held = self._held.pop(key, None) or source.next_batch()
        if held is None:
            return False
        batch, ahead = held
        refused = self._deliver(batch)
        if refused is None:
            self._held[key] = held
            return False
        ahead.accepted -= refused
        ahead.parked += refused
        self._keeper.save(key, ahead)
        source.accept(ahead)
        return True

    def _deliver(self, batch: Batch[T]) -> int | None:
        """Deliver a batch, in halves if need be.

        Returns:
            How many of its records were parked; None if it has to be tried again.
        """
        outcome = self.sink.deliver(batch)
        if isinstance(outcome, Retry):
            self._wait(outcome)
            return None
        self._recovered()
        if isinstance(outcome, Accepted):
            return 0
        if isinstance(outcome, Split) and batch.count > 1:
            return self._deliver_halves(batch)
        reason = outcome.reason
        refused = batch.count
        if isinstance(outcome, Parked) and outcome.count is not None:
            refused = min(outcome.count, refused)
        logger.warning(
            "%s refused %d records for good (%s): parked", self.sink.name, refused, reason
        )
        park_batch(batch, self.sink.name, reason)
        return refused

    def _deliver_halves(self, batch: Batch[T]) -> int | None:
        parked = 0
        for half in halve(batch):
            refused = self._deliver(half)
            if refused is None:
                return None
            parked += refused
        return parked

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
