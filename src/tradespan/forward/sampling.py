"""The agent's own sampling: which traces are delivered, decided when they can be judged.

Traces with an error, an order, a slow call or an exemplar are kept, and a share of the others, by
their id. A verdict needs the whole trace, which comes in over seconds: records wait for it where
they are safe, on disk. A scout reads ahead and remembers facts, no records; the cursor follows once
what it passes has been known for the time that a verdict takes. Whoever is killed in between loses
nothing: the next one scouts anew from the cursor.

What is left out counts as sampled, outside the books' equation. Records of the error lane wait for
nobody and are never left out.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, NamedTuple, TypeVar

from tradespan.core.coin import Coin
from tradespan.core.delivery import Batch, Cursor, Slice
from tradespan.core.records import Kind, Lane, Site, Span
from tradespan.declare.names import TRADESPAN_EXEMPLAR
from tradespan.forward.source import BatchLimits, FolderSource
from tradespan.spool.folder import RunFolder
from tradespan.spool.names import SegmentName
from tradespan.wire.codec import decode_span

T = TypeVar("T")

MOST_TRACES = 200_000
"""Kept in mind at once, about 100 bytes each; with more the oldest are judged by what is known."""
MOST_MARKS = 50
"""Places of the scout that are kept: each names all segments. A verdict is late by as much."""
SCOUTED_AGAIN = 64 * 1024 * 1024
"""Bytes of the newest segments that are scouted from their beginning, whatever was delivered."""
_AT_ONCE = 8
"""Batches that the scout reads in one round: delivery takes turns with it."""
_ERROR = 2
_ORDER = "trading.order."


@dataclass(frozen=True, slots=True)
class SamplingPolicy:
    """What is kept."""

    share: float = 1.0
    """Of the traces without an error, an order or a slow call: 0 to 1."""
    slow: float = 1.0
    """Seconds from which on a call is slow."""
    wait: float = 5.0
    """Seconds from the first record of a trace to its verdict."""

    def keeps_by_coin(self, trace_id: bytes) -> bool:
        """The verdict of the id alone: the one of OpenTelemetry's consistent sampling."""
        return Coin(self.share).keeps(trace_id)

    def keeps(self, span: Span, site: Site | None) -> bool:
        """Whether one span is reason enough to keep its trace."""
        return (
            span.status == _ERROR
            or span.is_open
            or span.duration >= self.slow * 1e9
            or _is_of_order(span.attributes)
            # A metric's exemplar points to it: whoever follows it has to find it.
            or TRADESPAN_EXEMPLAR in (span.attributes or {})
            or (site is not None and _is_of_order(site.attributes))
        )


def _is_of_order(attributes: Mapping[str, Any] | None) -> bool:
    return any(name.startswith(_ORDER) for name in attributes or ())


def _is_of_errors(segment: str) -> bool:
    name = SegmentName.parse(segment)
    return name is not None and name.lane == Lane.ERROR


class Verdicts:
    """Which traces are kept, as far as their spans were seen."""

    def __init__(self, policy: SamplingPolicy, most: int = MOST_TRACES) -> None:
        self._policy = policy
        self._most = most
        self._kept: dict[bytes, bool] = {}
        """By age of the first sight: the oldest are forgotten first."""

    def learn(self, batch: Batch[Span]) -> None:
        """Take in what a scout has read."""
        for part in batch.slices:
            failed = part.origin.lane == Lane.ERROR
            for span in part.records:
                known = self._kept.get(span.trace_id)
                if known:
                    continue
                site = part.sites.get(span.site)
                if failed or self._policy.keeps(span, site):
                    self._kept[span.trace_id] = True
                elif known is None:
                    self._kept[span.trace_id] = self._policy.keeps_by_coin(span.trace_id)
        # At once: looking for the first key passes over all that were deleted before it.
        for oldest in list(islice(self._kept, max(len(self._kept) - self._most, 0))):
            del self._kept[oldest]

    def keeps(self, trace_id: bytes) -> bool:
        """The verdict; by the coin for a trace that is no longer kept in mind."""
        known = self._kept.get(trace_id)
        return self._policy.keeps_by_coin(trace_id) if known is None else known


class _Mark(NamedTuple):
    """Where the scout stood when."""

    at: float
    positions: Mapping[str, int | None]
    """Segment → offset; None: to its end."""


class SampledSource(FolderSource[T]):
    """A folder's records without those of the traces that are left out."""

    def __init__(
        self,
        folder: RunFolder,
        kind: Kind,
        decode: Callable[[bytes], T],
        cursor: Cursor,
        limits: BatchLimits | None = None,
        *,
        policy: SamplingPolicy,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(folder, kind, decode, cursor, limits)
        self._hurried = False
        self._policy = policy
        self._now = now
        self._verdicts = Verdicts(policy)
        ahead = Cursor(_begin_of_scout(folder, cursor))
        self._scout = FolderSource(folder, Kind.SPAN, decode_span, ahead, limits)
        self._marks: deque[_Mark] = deque()
        self._known: dict[str, int | None] = {}
        """How far records have a verdict."""
        self._until = self._known

    def next_batch(self) -> tuple[Batch[T], Cursor] | None:
        """As `FolderSource.next_batch`, of what has a verdict."""
        self._look_ahead()
        while (found := super().next_batch()) is not None:
            batch, ahead = found
            kept = [self._keep(part, ahead) for part in batch.slices]
            left = batch.count - sum(len(part.records) for part in kept)
            ahead.accepted -= left
            slices = [part for part in kept if part.records]
            if slices:
                return Batch(batch.folder, batch.kind, slices, ahead), ahead
            self.accept(ahead, unsaved=True)
        return None

    def hurry(self) -> None:
        """Judge what is there now by what is known of it."""
        self._hurried = True

    def close(self) -> None:
        """Close the segments."""
        super().close()
        self._scout.close()

    def _keep(self, part: Slice[T], ahead: Cursor) -> Slice[T]:
        if part.origin.lane == Lane.ERROR:
            return part
        records = [
            record
            for record in part.records
            # What belongs to no trace (a log line, a reading) has no verdict to wait for.
            if not (trace := getattr(record, "trace_id", b"")) or self._verdicts.keeps(trace)
        ]
        if len(records) == len(part.records):
            return part
        name = SegmentName.parse(part.segment)
        if name is not None:  # the batch was made for us: the books of rows it read are copies
            ahead.books[name.row].sampled += len(part.records) - len(records)
        return Slice(part.origin, part.sites, records, part.segment, part.end, part.highest)

    def _look_ahead(self) -> None:
        """Let the scout read what is new, then move on to where it stood long enough ago."""
        over = self._is_over()
        has_all = False
        for _ in count() if over else range(_AT_ONCE):
            found = self._scout.next_batch()
            if found is None:
                has_all = True
                break
            self._verdicts.learn(found[0])
            self._scout.accept(found[1])
        # Nobody keeps its cursor: what it has finished does not wait for that.
        self._scout.unsaved = False
        standing, now = self._standing(), self._now()
        if over:
            self._marks.clear()
            self._until = self._known = standing
            # Once for each time that somebody asked: what comes later has its time again.
            self._hurried = self._hurried and not has_all
            return
        self._mark(standing, now)
        reached: _Mark | None = None
        while self._marks and self._marks[0].at <= now - self._policy.wait:
            reached = self._marks.popleft()
        if reached is not None:
            self._until = self._known = dict(reached.positions)
        self._let_errors_pass()

    def _mark(self, standing: dict[str, int | None], now: float) -> None:
        """Remember where the scout stands, unless it stands there for long, or did just now."""
        if self._marks:
            last = self._marks[-1]
            if now - last.at < self._policy.wait / MOST_MARKS or standing == last.positions:
                return
        self._marks.append(_Mark(now, standing))

    def _let_errors_pass(self) -> None:
        """Errors wait for nobody; but their segments stay as long as the rest of their traces.

        Whoever comes after a kill has to find again why those are kept.
        """
        for name, end in self._scout.cursor.positions.items():
            if _is_of_errors(name) and self._known.get(name, 0) is not None:
                self._known[name] = end

    def _standing(self) -> dict[str, int | None]:
        scout = self._scout
        standing: dict[str, int | None] = dict(scout.cursor.positions)
        standing.update(dict.fromkeys(scout.finished))
        return standing

    def _is_over(self) -> bool:
        """Whether no more will come that could change a verdict, or nobody can wait for it."""
        return self._hurried or self.folder.ended is not None


def _begin_of_scout(folder: RunFolder, cursor: Cursor) -> dict[str, int]:
    """Where the scout begins: of a trace that goes on, some may have been delivered already."""
    positions = dict(cursor.positions)
    scouted = 0
    for name in reversed(folder.segments()):
        with suppress(OSError):
            scouted += (folder.path / str(name)).stat(follow_symlinks=False).st_size
        if scouted > SCOUTED_AGAIN:
            break
        positions.pop(str(name), None)
    return positions
