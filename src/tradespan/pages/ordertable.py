"""The open-order table, the writing side: a put is a store into mapped memory, and takes no lock.

Threads, signal handlers and finalizers may put and drop the same order at once: each step that
others could see half done is one call that holds the GIL. What is freed is freed by the one who
took it out of the order's list.
"""

from __future__ import annotations

import itertools
import mmap
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from tradespan.core import guard
from tradespan.core.forks import after_fork_in_child, process_generation
from tradespan.core.orders import OpenOrder
from tradespan.pages.adoption import Estate, take_over
from tradespan.pages.files import make_file
from tradespan.pages.metrics import PageWriter
from tradespan.pages.orders import (
    CLEAN,
    CRC_AT,
    FIRST_FILE,
    HEADER_SIZE,
    LARGEST_FILE,
    MOST_FILES,
    MOST_OPEN,
    OVERFLOW,
    SLOT_SIZE,
    SUFFIX,
    UNWRITTEN,
    OrdersHeader,
    file_of,
    pack_body,
    pack_header,
    read_orders,
    tables_in,
)

RETRY_AFTER: Final = 1_000_000_000
"""Nanoseconds between two tries to make a file."""
_WHERE = "open orders"
_LEAST_PAUSE: Final = 20_000_000
"""Nanoseconds between two looks at other processes' tables."""


class _File:
    """One mapped file."""

    __slots__ = ("mapped", "view", "words")

    def __init__(self, mapped: mmap.mmap) -> None:
        self.mapped = mapped
        self.view = memoryview(mapped)
        self.words = self.view.cast("Q")

    def release(self) -> None:
        """Let nobody write here any more, not even who was about to."""
        self.words.release()
        self.view.release()
        self.mapped.close()


class _Place(NamedTuple):
    """A slot that an order has; compared by its number, which no other has."""

    number: int
    file: _File
    at: int


class OrderTable:
    """The open orders of one process generation (`core.orders.OpenOrders`)."""

    def __init__(
        self,
        writer: PageWriter,
        owner: bytes,
        *,
        keep: float = 0.0,
        estate: Estate | None = None,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """The file is made with the first order.

        Args:
            writer: The process generation.
            owner: `pack_owner`: who may take over from it, and it from whom.
            keep: Seconds that what is left here is kept for another process.
            estate: Where to look for what others left; None: `adopt` takes over nothing.
            monotonic: Nanoseconds.
        """
        self._writer = writer
        self.owner = owner
        self._keep = min(max(int(keep), 0), 0xFFFFFFFF)
        self._estate = estate
        self._monotonic = monotonic
        self._files: list[_File] = []
        # Goes on after `end`: of two states of an order the higher number holds.
        self._numbers = itertools.count(1)
        self._settling = False
        self._begin()
        after_fork_in_child(self._after_fork)

    def _begin(self) -> None:
        self._lock = threading.RLock()
        self._making = False
        self._files = []
        self._held: list[int] = []
        """Descriptors that hold the files' locks."""
        self._free: list[tuple[_File, int]] = []
        self._places: dict[str, list[_Place]] = {}
        self._unwritten: dict[str, tuple[int, OpenOrder]] = {}
        self._retry_at = 0
        self._others: dict[str, OpenOrder] = {}
        """What `find` read last."""
        self._read_again = 0
        self._overflow = 0
        self._failing = False

    def _after_fork(self) -> None:
        files = self._files
        # The parent's orders are not the child's; its file is let go unread and unwritten.
        self._begin()
        self._settling = False
        for file in files:
            file.release()

    @property
    def path(self) -> Path:
        """Where the first file is, if it was made."""
        return self._writer.folder / f"{self.writer}{SUFFIX}"

    @property
    def writer(self) -> str:
        """Of this process generation, 32 hex digits."""
        return self._writer.identity.hex()

    def __len__(self) -> int:
        """Orders that stand, in the file and in memory."""
        return len(self._places.keys() | self._unwritten.keys())

    @property
    def free(self) -> int:
        """Slots that nobody has, of the files that were made."""
        return len(self._free)

    def holds(self, client_id: str) -> bool:
        """Whether an order stands in the file."""
        return client_id in self._places

    def put(self, row: OpenOrder, /) -> None:
        """Keep an order, or its new state: from the return on, a kill does not take it."""
        try:
            number = next(self._numbers)
            if not self._write(row, number):
                self._wait(row, number)
            elif self._unwritten:
                self._settle()
        except Exception as error:  # noqa: BLE001 - the host comes first
            guard.report(_WHERE, error)

    def drop(self, client_id: str, /) -> None:
        """Forget an order that is over; one that is not known is nothing."""
        try:
            places = self._places.pop(client_id, None)
            if places is not None:
                self._clear(places, places.copy())
            if self._unwritten and self._unwritten.pop(client_id, None) is not None:
                self._tell_unwritten()
        except Exception as error:  # noqa: BLE001 - the host comes first
            guard.report(_WHERE, error)

    def find(self, client_id: str) -> OpenOrder | None:
        """An order in the table of another living process of the same run; never raises.

        Tables are read anew a twentieth of the time at most: what stands there since a moment ago
        may be missing.
        """
        found = self._others.get(client_id)
        now = self._monotonic()
        if found is not None or now < self._read_again:
            return found
        with guard.guarded(_WHERE):
            others: dict[str, OpenOrder] = {}
            for path in tables_in(self._writer.folder):
                left = None if path == self.path else read_orders(path)
                if left is not None and left.alive:
                    others |= {row.client_id: row for row in left.rows}
            self._others = others
        took = self._monotonic() - now
        self._read_again = now + max(20 * took, _LEAST_PAUSE)
        return self._others.get(client_id)

    def adopt(self) -> list[OpenOrder]:
        """Take over what dead processes of this owner left open; see `OpenOrders`."""
        if self._estate is None:
            return []
        try:
            return take_over(self, self._estate, self._writer)
        except Exception as error:  # noqa: BLE001 - the host comes first
            guard.report(_WHERE, error)
            return []

    def end(self) -> None:
        """The process, or recording in it, ends as it should. The files go if no order stands.

        Raises:
            OSError: They cannot be deleted.
        """
        with self._lock:
            if not self._files:
                return
            if self._places or self._unwritten:
                self._files[0].words[CLEAN] = self._writer.clock.wall()
                return
            # The first one last: it says whose the others are.
            for number in range(len(self._files), 0, -1):
                file_of(self.path, number).unlink(missing_ok=True)
            # Who puts an order after this gets a new one.
            held = self._held
            self._begin()
            for descriptor in held:
                self._writer.locks.let_go(descriptor)

    def leave(self) -> None:
        """Keep no orders here any more, though the process goes on: others may take them over."""
        with self._lock:
            held, self._held = self._held, []
            for descriptor in held:
                self._writer.locks.let_go(descriptor)

    # ── slots ───────────────────────────────────────────────────────────────────────────────────

    def _write(self, row: OpenOrder, number: int) -> bool:
        """Give an order's state a slot and free those of its earlier ones; False: there is none."""
        client_id, everybodys, generation = row.client_id, self._places, process_generation()
        body = pack_body(row, number)
        if body is None or (len(self._places) >= MOST_OPEN and client_id not in self._places):
            self._count_overflow()
            return True
        slot = self._take()
        if slot is None:
            return False
        file, at = slot
        file.view[at + CRC_AT : at + CRC_AT + len(body)] = body
        # From here on it counts.
        file.words[at >> 3] = number
        place = _Place(number, file, at)
        places = everybodys.setdefault(client_id, [])
        places.append(place)
        if len(places) > 1:
            latest = max(places.copy())
            self._clear(places, [each for each in places.copy() if each is not latest])
        if everybodys.get(client_id) is not places:
            # Somebody dropped it while we were at it: it is over.
            self._clear(places, places.copy())
        elif everybodys is not self._places and generation == process_generation():
            # The file ended meanwhile, and is gone.
            return self._write(row, number)
        return True

    def _clear(self, places: list[_Place], outdated: Iterable[_Place]) -> None:
        for place in outdated:
            try:
                places.remove(place)
            except ValueError:  # somebody else frees it
                continue
            place.file.words[place.at >> 3] = 0
            self._free.append((place.file, place.at))

    def _take(self) -> tuple[_File, int] | None:
        try:
            return self._free.pop()
        except IndexError:
            pass
        if self._monotonic() < self._retry_at:
            return None
        with self._lock:
            # A signal handler leaves it to whom it interrupted.
            if not self._making and not self._free:
                self._making = True
                try:
                    self._grow()
                finally:
                    self._making = False
        try:
            return self._free.pop()
        except IndexError:
            return None

    # ── orders without a slot ───────────────────────────────────────────────────────────────────

    def _wait(self, row: OpenOrder, number: int) -> None:
        """Keep an order in memory, for there is no file for it."""
        unwritten = self._unwritten
        if len(unwritten) >= MOST_OPEN and row.client_id not in unwritten:
            self._count_overflow()
            return
        unwritten[row.client_id] = number, row
        self._tell_unwritten()

    def _settle(self) -> None:
        """Write what waited in memory, as far as there is room now."""
        with self._lock:
            if self._settling:  # a signal handler leaves it to whom it interrupted
                return
            self._settling = True
            try:
                for client_id, waiting in list(self._unwritten.items()):
                    if not self._write(waiting[1], waiting[0]):
                        break
                    if self._unwritten.pop(client_id, None) is None:
                        self.drop(client_id)  # it is over since
            finally:
                self._settling = False
                self._tell_unwritten()

    def _tell_unwritten(self) -> None:
        if self._files:
            self._files[0].words[UNWRITTEN] = len(self._unwritten)

    def _count_overflow(self) -> None:
        self._overflow += 1
        if self._files:
            self._files[0].words[OVERFLOW] = self._overflow
        if self._overflow == 1:
            guard.logger.warning(
                "an order is not kept over a restart: its client_id is empty or has more than 64"
                " bytes, or 10,000 stand"
            )

    # ── files, under the lock ───────────────────────────────────────────────────────────────────

    def _grow(self) -> None:
        number = len(self._files) + 1
        if number > MOST_FILES:
            self._retry_at = self._monotonic() + RETRY_AFTER
            return
        size = min(FIRST_FILE << (number - 1), LARGEST_FILE)
        slots = (size - HEADER_SIZE) // SLOT_SIZE
        writer = self._writer
        header = OrdersHeader(
            number,
            os.getpid(),
            writer.process_start,
            slots,
            writer.clock.wall(),
            writer.identity,
            self._keep,
            self.owner,
        )
        try:
            with make_file(file_of(self.path, number), size, writer.locks) as (descriptor, lock):
                mapped = mmap.mmap(descriptor, size)
                packed = pack_header(header)
                mapped[: len(packed)] = packed
        except OSError as error:
            self._fail(error)
            return
        self._failing = False
        file = _File(mapped)
        if not self._files:
            file.words[OVERFLOW] = self._overflow
        self._held.append(lock)
        self._files.append(file)
        # The first is used first.
        places = range(HEADER_SIZE + (slots - 1) * SLOT_SIZE, HEADER_SIZE - 1, -SLOT_SIZE)
        self._free.extend([(file, at) for at in places])

    def _fail(self, error: OSError) -> None:
        self._retry_at = self._monotonic() + RETRY_AFTER
        if not self._failing:
            self._failing = True
            with suppress(Exception):
                guard.report(
                    f"{self._writer.folder} cannot be written; open orders are not kept over a"
                    " restart for now",
                    error,
                )
