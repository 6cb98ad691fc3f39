"""Taking over the orders that dead processes left open: one process gets them, once.

Under one lock a root: their orders are put into the heir's own table first, and each dead table is
marked then, by one store. FORMAT.md has the rules, and what a kill in between leaves.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from tradespan.core import guard
from tradespan.core.orders import OpenOrder
from tradespan.pages.metrics import PageWriter
from tradespan.pages.orders import ADOPTED, HEIR, LeftOrders, last_sign, read_orders, tables_in

LOCK = "orders.lock"
"""In the root: held by whoever takes over."""
PATIENCE: Final = 2.0
"""Seconds that one waits for another who takes over."""
DYING: Final = 0.2
"""Seconds that a process may take to die, as far as its locks tell."""
_PAUSE = 0.005


class Estate(NamedTuple):
    """Where dead processes' orders are looked for."""

    root: Path
    folders: Callable[[], Iterable[Path]]
    """All run folders of the root."""
    within: float
    """Seconds since the last sign of life of who left them, at most."""


class Heir(Protocol):
    """The table of a process that takes over."""

    owner: bytes

    @property
    def writer(self) -> str: ...
    def put(self, row: OpenOrder, /) -> None: ...
    def drop(self, client_id: str, /) -> None: ...
    def holds(self, client_id: str) -> bool: ...


def take_over(heir: Heir, estate: Estate, writer: PageWriter) -> list[OpenOrder]:
    """Take over whatever is left, the earliest order first; nothing if somebody else does so now.

    Raises:
        OSError: The root cannot be written.
    """
    with _only_one(estate.root, writer) as alone:
        if not alone:
            guard.logger.warning("another process takes over the open orders of %s", estate.root)
            return []
        left = _find_left(heir, estate, writer.clock.wall())
        fresh = {
            client_id: row for client_id, row in _merge(left).items() if not heir.holds(client_id)
        }
        for row in fresh.values():
            heir.put(row)
        missing = {client_id for client_id in fresh if not heir.holds(client_id)}
        kept = set(missing)
        for table in left:
            ids = {row.client_id for row in table.rows}
            if ids & missing or not _mark(table, writer):
                kept |= ids
        for client_id in kept & fresh.keys():
            heir.drop(client_id)
            del fresh[client_id]
    return sorted(fresh.values(), key=lambda row: (row.submitted, row.client_id))


@contextmanager
def _only_one(root: Path, writer: PageWriter) -> Iterator[bool]:
    """Whether nobody else takes over in this root now; waits a while for one who does."""
    path = root / LOCK
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    lock, end, pause = -1, time.monotonic() + PATIENCE, threading.Event()
    while lock < 0:
        try:
            lock = writer.locks.lock(path)
        except BlockingIOError:
            if time.monotonic() > end:
                break
            pause.wait(_PAUSE)
    try:
        yield lock >= 0
    finally:
        writer.locks.let_go(lock)


def _find_left(heir: Heir, estate: Estate, now: int) -> list[LeftOrders]:
    """The tables to take over, once nobody who holds one of their orders is about to die."""
    end, pause = time.monotonic() + DYING, threading.Event()
    while True:
        tables = [each for each in _tables(estate) if each.owner == heir.owner]
        others = [each for each in tables if each.alive and each.writer != heir.writer]
        living = {row.client_id for each in others for row in each.rows}
        waiting = [each for each in tables if each.is_waiting]
        disputed = [t for t in waiting if any(row.client_id in living for row in t.rows)]
        if not disputed or time.monotonic() > end:
            break
        pause.wait(_PAUSE)
    since = now - int(estate.within * 1e9)
    return [each for each in waiting if each not in disputed and last_sign(each) >= since]


def _tables(estate: Estate) -> Iterator[LeftOrders]:
    for folder in estate.folders():
        for path in tables_in(folder):
            left = read_orders(path)
            if left is not None and not left.adopted:
                yield left


def _merge(left: Iterable[LeftOrders]) -> dict[str, OpenOrder]:
    """By client id, the state that changed last; of equal ones the later process's."""
    merged: dict[str, OpenOrder] = {}
    for table in sorted(left, key=lambda table: table.created):
        for row in table.rows:
            known = merged.get(row.client_id)
            if known is None or row.changed >= known.changed:
                merged[row.client_id] = row
    return merged


def _mark(table: LeftOrders, writer: PageWriter) -> bool:
    """Store in a table that it has been taken over; whether that went well."""
    with guard.guarded("open orders"):
        descriptor = os.open(table.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.pwrite(descriptor, writer.identity, 8 * HEIR)
            os.pwrite(descriptor, writer.clock.wall().to_bytes(8, "little"), 8 * ADOPTED)
        finally:
            os.close(descriptor)
        return True
    return False
