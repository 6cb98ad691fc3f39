"""One sink's courier: takes batches from the folders to the sink, and acknowledges.

What a courier does with a sink's answer, and the state it is in then, is the table of
`transitions.py`; it runs on it. A batch is given up by nobody: no status code and no deadline
deletes it (DESIGN 5). What of a batch was accepted, or parked, is not sent again while the rest
waits. A batch holds whatever waits in its folder, up to its limits: batches grow with the backlog.

A sink that denies us (401, 403) gets one record every now and then; once it takes one, everything
goes at once. What it denies although it takes the records beside is denied for what it says (a
firewall reads along): that is looked for by halving, and parked.
"""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, NamedTuple, TypeVar

from tradespan.core.delivery import (
    Accepted,
    Batch,
    Cursor,
    CursorKeeper,
    Denied,
    Outcome,
    Parked,
    Retry,
    Sink,
    Split,
)
from tradespan.core.errors import SpoolUnavailable
from tradespan.core.guard import report
from tradespan.core.records import Kind
from tradespan.forward.cutting import READINGS, ByTime, halve, take_first
from tradespan.forward.parking import park_batch
from tradespan.forward.ration import Ration
from tradespan.forward.sampling import SampledSource, SamplingPolicy
from tradespan.forward.source import BatchLimits, FolderSource
from tradespan.forward.transitions import Action, State, transition
from tradespan.spool.deaths import printable
from tradespan.spool.folder import RunFolder

T = TypeVar("T")
logger = logging.getLogger("tradespan")

FAULTS = 2
"""A piece that made the sink itself fail (it must not) so often is halved, to find the record."""

DENIALS = 3
"""One record that was denied so often, while the records beside it were taken, is parked."""
_LATELY = 5.0
MOST_PROBES = 32
"""Single records of a batch that take turns in asking whether we are denied still."""


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


class Restraint(NamedTuple):
    """What a courier does not deliver, or not at once."""

    sampling: SamplingPolicy | None = None
    """Which traces are left out; None: none."""
    ration: Ration = Ration(None)
    """How fast what earlier runs left is delivered."""


@dataclass(slots=True)
class CourierState:
    """What others may look at while the courier works."""

    failing_since: float | None = None
    """Monotonic seconds; None while the sink takes what it is given."""
    last_error: str = ""
    tries: int = 0
    not_before: float = 0.0
    waits_for: State = State.READY


@dataclass(slots=True)
class _Held(Generic[T]):
    """A batch on its way: the pieces of it that are not delivered yet, the next one first."""

    pieces: deque[Batch[T]]
    ahead: Cursor
    """The cursor once all of it is gone."""
    faults: int = 0
    was_denied: bool = False
    others_taken: bool = False
    """Whether something of it was taken since it was denied."""
    denials: int = 0
    """Of one record, in a row, while others were taken."""


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
        restraint: Restraint | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`restraint`: what is left out, or kept waiting; None: nothing."""
        self.sink = sink
        self.state = CourierState()
        self.kind = kind
        """Kind of record that it delivers."""
        self.has_delivered = False
        """Whether it has met any since it began."""
        self.sending_since: float | None = None
        """Since when the sink has been busy with a piece, in monotonic seconds."""
        self.took = 0.0
        """Seconds that its last answer took, if it was one."""
        self._keeper = keeper
        self._decode = decode
        self._retry = retry or RetryPolicy()
        self._limits = limits
        by_time: ByTime[Any] | None = READINGS if kind == Kind.METRIC else None
        self._cut: Callable[[Batch[T]], list[Batch[T]]] = by_time.cut if by_time else _whole
        self._halve = by_time.halve if by_time else halve
        self._sampling, self._ration = restraint or Restraint()
        self._now = now
        self._began = now()
        self._sources: dict[str, FolderSource[T]] = {}
        self._held: dict[str, _Held[T]] = {}
        self._caught_up: dict[str, float] = {}
        self._hurried = False
        self._urgent: set[str] = set()
        """Folders of which nothing may be held back when they are looked at next."""

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
            if self._ration.is_spent(folder):
                continue
            delivered = self._deliver_next(folder) or delivered
            if self._now() < self.state.not_before:
                break
        return delivered

    def hurry(self, folder: RunFolder) -> None:
        """Try once more now, whatever the back-off says, and hold back nothing of one folder.

        Called by another thread.
        """
        self._urgent.add(str(folder.path))
        self._hurried = True

    def source(self, folder: RunFolder) -> FolderSource[T]:
        """The reading side for one folder, from the cursor on."""
        key = str(folder.path)
        known = self._sources.get(key)
        if known is not None:
            return known
        asked = (folder, self.kind, self._decode, self._keeper.load(key), self._limits)
        fresh = (
            FolderSource(*asked)
            if self._sampling is None
            else SampledSource(*asked, policy=self._sampling, now=self._now)
        )
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

    def keeps_up(self, folder: RunFolder) -> bool:
        """Whether it takes all that it may: what waits nevertheless waits for its verdict."""
        looked = self._caught_up.get(str(folder.path), self._began)
        return self._sampling is not None and self._now() - looked < _LATELY

    def _let_go(self, folders: list[RunFolder]) -> None:
        """Close folders that are no longer served, once their cursor is kept."""
        served = {str(folder.path) for folder in folders}
        for key in [key for key in self._sources if key not in served]:
            source = self._sources[key]
            if not source.unsaved or self._save(key, source.cursor):
                self._sources.pop(key).close()
                self._urgent.discard(key)
                self._held.pop(key, None)
                self._caught_up.pop(key, None)

    def _deliver_next(self, folder: RunFolder) -> bool:
        key = str(folder.path)
        try:
            source = self.source(folder)
        except Exception as error:  # noqa: BLE001 - the sink's own place for cursors: later again
            self._wait(Retry(f"its cursor cannot be read: {error}"))
            return False
        if key in self._urgent:
            self._urgent.discard(key)
            source.hurry()
        tried = source.unsaved
        if tried:
            source.unsaved = not self._save(key, source.cursor)
        held = self._held.get(key)
        if held is None:
            began = self._now()
            found = source.next_batch()
            if found is None:
                if source.unsaved and not tried:
                    # At once: what it passed over may be all that holds a segment, and a run's end.
                    source.unsaved = not self._save(key, source.cursor)
                self._caught_up[key] = began
                return False
            held = self._held[key] = _Held(deque(self._cut(found[0])), found[1])
            self._ration.spend(folder, found[0].count)
        while held.pieces:
            if not self._deliver_piece(held):
                return False
        source.accept(held.ahead, unsaved=not self._save(key, held.ahead))
        del self._held[key]
        self.has_delivered = True
        return True

    def _deliver_piece(self, held: _Held[T]) -> bool:
        """Deliver the next piece of a batch, or begin to halve it. False: it has to be retried."""
        piece = held.pieces[0]
        outcome = self._ask_sink(piece, held)
        row = transition(outcome, piece.count == 1, held.others_taken)
        if isinstance(outcome, Denied) and row.action is Action.PARK:
            held.denials += 1
            if held.denials < DENIALS:
                row = row._replace(action=Action.KEEP, state=State.DENIED)
        if row.action in (Action.KEEP, Action.PROBE):
            if row.action is Action.PROBE:
                _change_turns(held)
            self._wait(outcome, row.state)
            return False
        held.faults = 0
        if row.action is Action.HALVE:
            self._recovered()
            held.pieces.popleft()
            held.pieces.extendleft(reversed(self._halve(piece)))
            return True
        return self._finish_piece(held, piece, outcome)

    def _finish_piece(self, held: _Held[T], piece: Batch[T], outcome: Outcome) -> bool:
        """A piece is taken, or refused for good. False: it could not be parked, and is retried."""
        refused = 0
        if isinstance(outcome, Accepted):
            held.others_taken = held.was_denied
        else:
            told = outcome.count if isinstance(outcome, Parked) else None
            refused = piece.count if told is None else min(told, piece.count)
            if not self._park(piece, outcome.reason, None if told is None else refused):
                return False
        held.denials = 0
        self._recovered()
        held.pieces.popleft()
        held.ahead.accepted -= refused
        held.ahead.parked += refused
        return True

    def _ask_sink(self, piece: Batch[T], held: _Held[T]) -> Outcome:
        self.sending_since = begun = self._now()
        try:
            outcome = _readable(self.sink.deliver(piece))
        except Exception as error:  # noqa: BLE001 - a sink must not raise, nor stop us if it does
            report(f"delivering to {self.sink.name}", error)
            held.faults += 1
            reason = f"{type(error).__name__}: {error}"
            return Retry(reason) if held.faults < FAULTS else Split(reason)
        finally:
            self.sending_since = None
        if not isinstance(outcome, Retry):
            self.took = self._now() - begun
        return outcome

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

    def _wait(self, outcome: Outcome, state: State = State.WAITING) -> None:
        assert not isinstance(outcome, Accepted)
        told, now = self.state, self._now()
        if told.failing_since is None or told.waits_for is not state:
            logger.info("%s does not accept: %s", self.sink.name, outcome.reason)
        if told.failing_since is None:
            told.failing_since = now
        told.last_error = outcome.reason
        asked = outcome.after if isinstance(outcome, Retry) else None
        told.not_before = now + self._retry.wait(told.tries, asked)
        told.tries += 1
        told.waits_for = state

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


def _readable(outcome: Outcome) -> Outcome:
    """The same without control characters: what a receiver says comes on the user's terminal."""
    if isinstance(outcome, Accepted) or outcome.reason.isprintable():
        return outcome
    return replace(outcome, reason=printable(outcome.reason, len(outcome.reason)))


def _whole(batch: Batch[T]) -> list[Batch[T]]:
    return [batch]


def _change_turns(held: _Held[T]) -> None:
    """Denied: the next try is one record; another one than before, for it may be at fault."""
    held.was_denied, held.others_taken = True, False
    pieces = held.pieces
    if pieces[0].count == 1:
        pieces.rotate(-1)
    if pieces[0].count > 1 and len(pieces) < MOST_PROBES:
        pieces.extendleft(reversed(take_first(pieces.popleft())))
    elif any(each.count == 1 for each in pieces):
        while pieces[0].count > 1:
            pieces.rotate(-1)
