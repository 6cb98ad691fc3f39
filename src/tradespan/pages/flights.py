"""Which calls of a process run now: slots of a mapped file, taken at the start, freed at the end.

Two of the same: `Flights` of `native/inflight.c`, and the one here. `pages/inflight.py` makes the
file, FORMAT.md describes its bytes.
"""

from __future__ import annotations

import struct
import time
from collections import deque
from collections.abc import Callable
from threading import get_ident
from typing import Any, Final, Protocol

from tradespan.core import native

SLOTS: Final = 1_024
SLOT_SIZE: Final = 128
NAME_ROOM: Final = 64
"""Bytes of a name that a slot has room for; what is longer is cut."""
HEADER_SIZE: Final = 128
WORDS: Final = 64
"""Where the header's words begin."""
DECLARED, OVERFLOW, LAST, CLEAN = 0, 1, 2, 3
"""Places of the words."""
KNOWN_SITES = 65_536
"""Sites with a higher number have no declaration in the table."""
RETRY_AFTER = 1_000_000_000
"""Nanoseconds between two tries to make the file."""

SLOT = struct.Struct("<Q16sQqQIHBB8x64s")
"""Span id (0: free), trace id, parent id, start, thread, site, flags, durable, name's length, name.
"""
_BEHIND_ID = struct.Struct("<16sQqQIHBB8x64s")
_ID = struct.Struct("<Q")
_MASK = (1 << 64) - 1


class Flights(Protocol):
    """The slots of one process generation. Entering and leaving take no lock and never fail.

    A span that is collected before it ended stays in its slot, for it never ended. Where all slots
    are taken, the longest lost of those gives way, and that is counted as an overflow.
    """

    @property
    def open(self) -> int:
        """Slots that are taken."""
        ...

    @property
    def missed(self) -> int:
        """Calls that found no file."""
        ...

    def enter(self, span: Any, durable: bool, /) -> None:
        """Give a running span a slot; one that has a slot is written anew."""
        ...

    def leave(self, span: Any, /) -> None:
        """Free its slot, if it has one."""
        ...

    def use(self, mapping: Any, /) -> None:
        """The file's mapping: from now on there are slots.

        Raises:
            ValueError: It is too short.
        """
        ...

    def restart(self) -> None:
        """In a forked child: the file is the parent's."""
        ...


class PureFlights:
    """The way in Python."""

    def __init__(self, declare: Callable[[int], object]) -> None:
        """`declare(site)` makes the file if there is none, and declares a site in it."""
        self._declare = declare
        self.restart()

    def restart(self) -> None:
        self._map: memoryview | None = None
        self._words: memoryview | None = None
        self._retry_at = 0
        self.missed = 0
        self._known: set[int] = set()
        # The first page is used first. Taking and giving back are one step each for other threads.
        self._free = list(range(SLOTS - 1, -1, -1))
        self._lost: deque[int] = deque()

    @property
    def open(self) -> int:
        return SLOTS - len(self._free)

    def use(self, mapping: Any, /) -> None:
        fresh = memoryview(mapping)
        if len(fresh) < HEADER_SIZE + SLOTS * SLOT_SIZE:
            raise ValueError("the mapping is no table's")
        missed = self.missed
        self.restart()
        self._words = fresh[WORDS:HEADER_SIZE].cast("Q")
        self._words[OVERFLOW] += missed
        self._map = fresh

    def enter(self, span: Any, durable: bool, /) -> None:
        if (self._map is None or span.site not in self._known) and not self._clear(span.site):
            self.missed += 1
            return
        mapped, words = self._map, self._words
        if mapped is None or words is None or span.ended is not None:
            return
        place = self._place_of(span) if span.flights is self else -1
        if place < 0:
            place = self._take(mapped, words)
            if place < 0:
                return
        name = b"" if span.name_set is None else _cut(span.name_set)
        start = span.began + span.offset
        at = HEADER_SIZE + place * SLOT_SIZE
        _BEHIND_ID.pack_into(
            mapped,
            at + _ID.size,
            span.trace_key,
            span.parent_id,
            start,
            get_ident() & _MASK,
            span.site & 0xFFFFFFFF,
            span.flags & 0xFFFF,
            bool(durable),
            len(name),
            name,
        )
        words[LAST] = start & _MASK
        span.slot = place + 1
        span.flights = self
        _ID.pack_into(mapped, at, span.span_id)

    def leave(self, span: Any, /) -> None:
        if span.flights is not self:
            return
        place = self._place_of(span)
        span.flights = None
        if place >= 0 and self._map is not None and self._words is not None:
            if span.ended is not None:
                self._words[LAST] = (span.ended + span.offset) & _MASK
            _ID.pack_into(self._map, HEADER_SIZE + place * SLOT_SIZE, 0)
            self._free.append(place)

    def lose(self, span: Any) -> None:
        """A span is collected that has not ended."""
        place = self._place_of(span)
        if place >= 0:
            self._lost.append(place)

    def _clear(self, site: int) -> bool:
        """Declare a site; whether there is a file. May run any code."""
        now = time.monotonic_ns()
        if self._map is None and now < self._retry_at:
            return False
        self._declare(site)
        if self._map is None:
            self._retry_at = now + RETRY_AFTER
            return False
        # Even if there was no room for its declaration: not asked for at each call.
        self._known.add(site)
        return True

    def _place_of(self, span: Any) -> int:
        """The place of a span that has one here; -1: it has none."""
        if self._map is None:
            return -1
        place: int = span.slot - 1
        (held,) = _ID.unpack_from(self._map, HEADER_SIZE + place * SLOT_SIZE)
        return place if held == span.span_id else -1

    def _take(self, mapped: memoryview, words: memoryview) -> int:
        try:
            return self._free.pop()
        except IndexError:
            words[OVERFLOW] += 1
        try:
            place = self._lost.popleft()
        except IndexError:
            return -1
        _ID.pack_into(mapped, HEADER_SIZE + place * SLOT_SIZE, 0)
        return place


def _cut(name: str) -> bytes:
    try:
        return name.encode()[:NAME_ROOM]
    except UnicodeEncodeError:  # a lone surrogate: it goes without
        return b""


def make_flights(declare: Callable[[int], object]) -> Flights:
    """The native ones, where there are such; see `PureFlights` for the argument."""
    if native.module is None:
        return PureFlights(declare)
    made: Flights = native.module.Flights(declare)
    return made
