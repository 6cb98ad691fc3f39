"""Records that found no place to be written to: a bounded ring in memory."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from tradespan.core.records import Lane
from tradespan.pages.counters import CounterPage
from tradespan.spool.layout import unpack_frame_header


class WaitingFrame(NamedTuple):
    """A whole frame, and what it takes to write it."""

    lane: int
    site: int
    frame: bytes

    @property
    def sequence(self) -> int:
        """Its number."""
        return int(unpack_frame_header(self.frame)[2]) >> 16


class WaitingRing:
    """Errors leave first, and are dropped last. Used under the spool's lock, re-entrantly."""

    def __init__(self, records: int, size: int, counters: CounterPage) -> None:
        """At most so many records, and so many bytes of frames."""
        self._records = records
        self._room = size
        self._counters = counters
        self._rings: dict[int, deque[WaitingFrame]] = {lane: deque() for lane in Lane}

    def __len__(self) -> int:
        return sum(map(len, self._rings.values()))

    def keep(self, waiting: WaitingFrame) -> None:
        """Keep a frame; the oldest ordinary ones make room, then the oldest errors."""
        self._rings[waiting.lane].append(waiting)
        self._room -= len(waiting.frame)
        self._remember(waiting)
        self._counters.add(waiting.lane, "in_memory")
        while len(self) > self._records or self._room < 0:
            ring = self._rings[Lane.ORDINARY] or self._rings[Lane.ERROR]
            dropped = self._forget(ring.popleft())
            self._counters.add(dropped.lane, "overflow")

    def take(self) -> WaitingFrame | None:
        """The next frame to write. It is still counted as in memory until `wrote` or `give_back`.

        Taken out first and written then: a signal handler that records meanwhile takes the next.
        """
        ring = self._rings[Lane.ERROR] or self._rings[Lane.ORDINARY]
        return ring.popleft() if ring else None

    def wrote(self, waiting: WaitingFrame) -> None:
        """The frame has a place in a segment now."""
        self._counters.raise_to(waiting.lane, "written", waiting.sequence)
        self._forget(waiting)
        self._counters.add(waiting.lane, "recovered")

    def give_back(self, waiting: WaitingFrame) -> None:
        """The frame could not be written: it is the next one again."""
        self._rings[waiting.lane].appendleft(waiting)

    def _remember(self, waiting: WaitingFrame) -> None:
        """What was written before it, and that it was not: `acknowledged` will name it."""
        counters = self._counters
        counters.raise_to(waiting.lane, "written", counters.read(waiting.lane).highest_written)
        counters.raise_to(waiting.lane, "kept", waiting.sequence)

    def _forget(self, waiting: WaitingFrame) -> WaitingFrame:
        self._room += len(waiting.frame)
        self._counters.add(waiting.lane, "in_memory", -1)
        return waiting
