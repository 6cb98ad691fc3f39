"""The fast way of one lane's records: number, checksum, frame, copy, acknowledge.

Two of the same: `Lane` of `_native.c`, and `PureLane` where that could not be compiled. Neither
holds a lock. What may block, fail or allocate is behind the one callable `slow`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Protocol, cast
from zlib import crc32

import msgspec

from tradespan.core import native
from tradespan.spool.checksums import CRC32
from tradespan.spool.layout import PayloadTooLong, frame_packers, make_packer
from tradespan.spool.segment import Append, Place

Slow = Callable[[int, bytes], None]
"""Gets the frame of a site to safety, whatever it takes."""

_encode = msgspec.msgpack.Encoder(enc_hook=str).encode
_FIRST_NUMBER = 1 << 16


class FastLane(Protocol):
    """What `PureLane` and the native `Lane` are. Lives as long as its writer, across forks."""

    def append(self, kind: int, site: int, payload: bytes, /) -> None:
        """Write one record that is encoded. When this returns it is safe.

        Raises:
            PayloadTooLong: Over 1 MiB; nothing was written, and no number drawn.
            ValueError: Empty; likewise.
        """
        ...

    def record(self, kind: int, site: int, fields: tuple[Any, ...], /) -> None:
        """Encode a record and write it; what MessagePack has no form for as `str` shows it.

        Raises:
            PayloadTooLong: Over 1 MiB; nothing was written, and no number drawn.
            UnicodeEncodeError: A lone surrogate; likewise.
            OverflowError: An integer beyond 64 bits; likewise.
        """
        ...

    def use(self, place: Place | None, declared: dict[int, Append], /) -> None:
        """Write to a segment's place from now on, records of sites that were declared there.

        All others take the slow way; all records do while `declared` is empty. What it holds for a
        site appends a whole frame, or raises ValueError: used where the place is no mapping's.
        """
        ...

    def count_in(self, counter: memoryview, /) -> None:
        """Acknowledge in another cell from now on, with what was acknowledged before."""
        ...

    def restart(self, counter: memoryview, seed: int = 0, /) -> None:
        """Begin as a new writer: numbers from 1, no place, another counter and seed."""
        ...


class SpanLane(FastLane, Protocol):
    """A lane that reads spans as they are: the native one. In Python the recorder does."""

    def finish(self, kind: int, span: Any, ended: int | None, cells: Any, /) -> int | None:
        """End a span (`instrument/state.py`) and write its record.

        `ended`: monotonic nanoseconds; None: now. `cells`: where its call is counted; or None.

        Returns:
            None if all is done; else when it ended: counted, and left to the caller to write.
        """
        ...

    def fail(
        self,
        kind: int,
        span: Any,
        ended: int | None,
        cells: Any,
        message: str,
        event: list[Any],
        /,
    ) -> int | None:
        """As `finish`, for a call that raised: how its status is described, and the fields of the
        exception's event (`core.records.Event`).
        """
        ...


class PureLane:
    """Drawing a number and copying a frame are one C call each; nothing else can be seen."""

    __slots__ = ("_acknowledged", "_appends", "_lane", "_seed", "_slow", "_words")

    def __init__(self, lane: int, counter: memoryview, slow: Slow, seed: int = 0) -> None:
        self._lane = lane
        self._slow = slow
        self._acknowledged = counter
        self._appends: dict[int, Append] = {}
        self.restart(counter, seed)

    def append(self, kind: int, site: int, payload: bytes, /) -> None:
        size = len(payload)
        try:
            pack = frame_packers[size]
        except KeyError:
            pack = make_packer(size)
        word = next(self._words) | kind << 8
        frame = pack(size, crc32(payload, word ^ word >> 32 ^ self._seed), word, payload)
        try:
            self._appends[site](frame)
        except (KeyError, ValueError):
            pass
        else:
            self._acknowledged[0] = word
            return
        self._slow(site, frame)
        self._acknowledged[0] = word

    def record(self, kind: int, site: int, fields: tuple[Any, ...], /) -> None:
        self.append(kind, site, _encode(fields))

    def use(self, place: Place | None, declared: dict[int, Append], /) -> None:
        # The values of `declared` say where records go: one look answers both questions.
        self._appends = declared

    def count_in(self, counter: memoryview, /) -> None:
        before, self._acknowledged = self._acknowledged, counter
        counter[0] = max(counter[0], before[0])

    def restart(self, counter: memoryview, seed: int = 0, /) -> None:
        self._appends = {}
        self._seed = seed
        # Counts in steps of the word's sequence field, so that drawing a number is the word.
        self._words = itertools.count(_FIRST_NUMBER | self._lane, _FIRST_NUMBER)
        self._acknowledged = counter


def make_lane(
    lane: int, counter: memoryview, slow: Slow, checksum: int = CRC32, seed: int = 0
) -> FastLane:
    """The native one, where there is one; the other knows no checksum but CRC-32."""
    if native.module is None:
        return PureLane(lane, counter, slow, seed)
    kinds = _encode, slow, PayloadTooLong
    made: FastLane = native.module.Lane(lane, counter, *kinds, checksum, seed)
    return made


def reads_spans(lane: FastLane) -> SpanLane | None:
    """The same lane, if it is one that reads spans."""
    return None if isinstance(lane, PureLane) else cast(SpanLane, lane)
