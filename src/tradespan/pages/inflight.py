"""The in-flight table: a mapped file that says which calls run, readable after the process's death.

One a process generation, `<writer>.inflight`; FORMAT.md has the bytes. It explains itself: who
recorded, and each function that a slot names, stand in it, for a process that dies in its first
call has written nothing else.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from tradespan.core import guard
from tradespan.core.forks import after_fork_in_child
from tradespan.core.process import is_alive
from tradespan.pages.files import make_file
from tradespan.pages.flights import (
    CLEAN,
    DECLARED,
    HEADER_SIZE,
    LAST,
    OVERFLOW,
    SLOT,
    SLOT_SIZE,
    SLOTS,
    WORDS,
    make_flights,
)
from tradespan.pages.locks import read_with_lock
from tradespan.pages.metrics import PageWriter

MAGIC = b"tsflight"
VERSION = 1
SUFFIX = ".inflight"
RESOURCE: Final = 1
SITE: Final = 2
"""Kinds of a declaration: those of the spool's frames."""
_DECLARATIONS = HEADER_SIZE + SLOTS * SLOT_SIZE
SIZE = _DECLARATIONS + 64 * 1024
_CHECKED = 64
_HEADER = struct.Struct("<8sHHHHI4xQQ16s4x")
_DECLARATION = struct.Struct("<IIHHI")
"""Length, CRC-32 of the payload, kind, 0, site."""
_U32 = struct.Struct("<I")


class DescribedWriter(PageWriter, Protocol):
    """The process generation that records; `spool.writer.SpoolWriter` is one."""

    @property
    def description(self) -> bytes: ...
    def site_payload(self, site: int) -> bytes: ...


class FlightTable:
    """The writing side. Its file is made with the first call that wants a slot."""

    def __init__(
        self, writer: DescribedWriter, on_new_file: Callable[[], object] | None = None
    ) -> None:
        """`on_new_file` is called once the file is made, in a forked child for its own, too."""
        self._writer = writer
        self._on_new_file = on_new_file
        self.flights = make_flights(self._declare)
        self._begin()
        after_fork_in_child(self._after_fork)

    def _begin(self) -> None:
        self._lock = threading.RLock()
        self._making = False
        self._map: mmap.mmap | None = None
        self._used = _DECLARATIONS
        self._failing = False
        self._untold: OSError | None = None

    def _after_fork(self) -> None:
        # The parent's mapping is let go unread and unwritten.
        self.flights.restart()
        self._begin()

    @property
    def path(self) -> Path:
        """Where the file is, if it was made."""
        return self._writer.folder / f"{self._writer.identity.hex()}{SUFFIX}"

    def end(self) -> None:
        """Say that the process, or recording in it, ends as it should; calls may run all the same.

        The file goes unless one does.

        Raises:
            OSError: It cannot be deleted.
        """
        mapped = self._map
        if mapped is None:
            return
        _store(mapped, CLEAN, self._writer.clock.wall())
        if not self.flights.open:
            self.path.unlink(missing_ok=True)

    def _declare(self, site: int) -> None:
        with guard.guarded("in-flight table"):
            with self._lock:
                # A signal handler leaves it to whom it interrupted.
                if self._making:
                    return
                self._making = True
                try:
                    self._write(site)
                finally:
                    self._making = False
            self._tell()

    def _write(self, site: int) -> None:
        if self._map is None:
            try:
                self._make()
                self._failing = False
            except OSError as error:
                if not self._failing:
                    self._failing, self._untold = True, error
                return
        with suppress(KeyError):  # a site of nobody's
            self._add(SITE, self._writer.site_payload(site), site)

    def _make(self) -> None:
        writer = self._writer
        writer.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with make_file(self.path, SIZE, writer.locks) as (descriptor, _):
            mapped = mmap.mmap(descriptor, SIZE)
            mapped[:_CHECKED] = _pack_header(writer)
            self._map = mapped
            self._used = _DECLARATIONS
            self._add(RESOURCE, writer.description, 0)
        self.flights.use(mapped)
        if self._on_new_file is not None:
            self._on_new_file()

    def _add(self, kind: int, payload: bytes, site: int) -> None:
        """Add a declaration, if there is room; a reader sees it once its end is stored."""
        mapped = self._map
        entry = _DECLARATION.pack(len(payload), zlib.crc32(payload), kind, 0, site) + payload
        end = self._used + (len(entry) + 7 & ~7)
        if mapped is None or end > SIZE:
            return
        mapped[self._used : self._used + len(entry)] = entry
        self._used = end
        _store(mapped, DECLARED, end)

    def _tell(self) -> None:
        error, self._untold = self._untold, None
        if error is not None:
            guard.report(
                f"{self._writer.folder} cannot be written; which calls run is not told if the bot"
                " dies now",
                error,
            )


def _store(mapped: mmap.mmap, word: int, value: int) -> None:
    with memoryview(mapped) as whole, whole[WORDS:HEADER_SIZE].cast("Q") as words:
        words[word] = value


def _pack_header(writer: PageWriter) -> bytes:
    body = _HEADER.pack(
        MAGIC,
        VERSION,
        HEADER_SIZE,
        SLOTS,
        SLOT_SIZE,
        os.getpid(),
        writer.process_start,
        writer.clock.wall(),
        writer.identity,
    )
    return body + _U32.pack(zlib.crc32(body))


# ── reading ─────────────────────────────────────────────────────────────────────────────────────


class RunningCall(NamedTuple):
    """One slot that is taken."""

    span_id: int
    trace_id: bytes
    parent_id: int
    start: int
    """Nanoseconds, UTC."""
    thread: int
    """As `threading.get_ident`, and as faulthandler prints it."""
    site: int
    flags: int
    """As `core.records.Span.flags`, the low 16 bits."""
    durable: bool
    """Whether its start was recorded, with its arguments."""
    name: str
    """Empty: the site's."""


class InFlight(NamedTuple):
    """A table as read from its file."""

    path: Path
    writer: str
    """32 hex digits."""
    process_id: int
    process_start: int
    created: int
    alive: bool
    """Whether its process runs."""
    ended_cleanly: bool
    """Whether the process said that it ends."""
    last: int
    """When a call entered or left last, nanoseconds UTC; 0: never."""
    overflow: int
    """Calls that found no slot, or took the place of one whose span was lost."""
    calls: list[RunningCall]
    resource: bytes
    """Encoded; empty if it is not whole."""
    sites: dict[int, bytes]
    """Number → encoded."""


def read_table(path: Path) -> InFlight | None:
    """The table of another process; None if the file is not a whole one, or gone."""
    try:
        data, locked = read_with_lock(path, SIZE)
    except OSError:
        return None
    return _unpack(path, data, locked)


def _unpack(path: Path, data: bytes, locked: bool | None) -> InFlight | None:
    if len(data) < _DECLARATIONS or not data.startswith(MAGIC):
        return None
    if _U32.unpack_from(data, _CHECKED - 4)[0] != zlib.crc32(data[: _CHECKED - 4]):
        return None
    _, version, begin, slots, size, process, start, created, writer = _HEADER.unpack_from(data)
    if (version, begin, slots, size) != (VERSION, HEADER_SIZE, SLOTS, SLOT_SIZE):
        return None
    words = struct.unpack_from("<8Q", data, WORDS)
    resource, sites = b"", {}
    for kind, site, payload in _declarations(data, min(words[DECLARED], len(data))):
        if kind == RESOURCE:
            resource = payload
        elif kind == SITE:
            sites[site] = payload
    return InFlight(
        path=path,
        writer=writer.hex(),
        process_id=process,
        process_start=start,
        created=created,
        alive=is_alive(process, start) if locked is None else locked,
        ended_cleanly=words[CLEAN] != 0,
        last=words[LAST],
        overflow=words[OVERFLOW],
        calls=list(_calls(data)),
        resource=resource,
        sites=sites,
    )


def _calls(data: bytes) -> Iterator[RunningCall]:
    for at in range(HEADER_SIZE, _DECLARATIONS, SLOT_SIZE):
        span_id, *facts, durable, size, name = SLOT.unpack_from(data, at)
        if span_id:
            text = name[: min(size, len(name))].decode("utf-8", "ignore")
            yield RunningCall._make((span_id, *facts, bool(durable), text))


def _declarations(data: bytes, end: int) -> Iterator[tuple[int, int, bytes]]:
    place = _DECLARATIONS
    while place + _DECLARATION.size <= end:
        length, checksum, kind, _, site = _DECLARATION.unpack_from(data, place)
        start = place + _DECLARATION.size
        payload = data[start : start + length]
        if length == 0 or len(payload) < length or zlib.crc32(payload) != checksum:
            return
        yield kind, site, payload
        place = start + (length + 7 & ~7)
