"""Opening the store's file: who may write, who reads beside, and what is refused untouched."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tradespan.core.errors import StoreTooNew, StoreUnreadable

APPLICATION_ID = 0x7473706E
"""`tspn`, in the file's header: tells the store from every other SQLite file."""
SCHEMA_VERSION = 3

BUSY_SECONDS = 5.0
"""How long a statement waits for another process's lock before it fails."""
CACHE_KIB = 8192
CHECKPOINT_PAGES = 4000
"""16 MiB of WAL: fewer checkpoints than SQLite's 4 MiB, and each writes a hot page once."""
WAL_LIMIT_BYTES = 64 << 20
"""What stays of a WAL that a long reader let grow."""

_HEADER_BYTES = 100
_MAGIC = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Header:
    """The facts of an SQLite file's first 100 bytes that decide whether it is ours."""

    application_id: int
    version: int


def read_header(path: Path) -> Header | None:
    """The file's header, read as bytes; None for a missing or empty file.

    SQLite itself would create a `-wal` beside a file just to read its version.

    Raises:
        StoreUnreadable: The file cannot be read, or is no SQLite file.

    Source: https://www.sqlite.org/fileformat2.html#the_database_header
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreUnreadable(path, os.strerror(error.errno or 0)) from error
    if not head:
        return None
    if len(head) < _HEADER_BYTES or not head.startswith(_MAGIC):
        raise StoreUnreadable(path, "it is not an SQLite file")
    return Header(int.from_bytes(head[68:72], "big"), int.from_bytes(head[60:64], "big"))


def check_header(path: Path, header: Header) -> None:
    """Refuse what is not ours or too new for us.

    Raises:
        StoreUnreadable: Another program's SQLite file.
        StoreTooNew: A newer tradespan wrote it.
    """
    if header.application_id != APPLICATION_ID:
        raise StoreUnreadable(path, "it is an SQLite file of another program")
    if header.version > SCHEMA_VERSION:
        raise StoreTooNew(path, header.version, SCHEMA_VERSION)


def identify(path: Path) -> tuple[int, int] | None:
    """Device and inode of a file, whatever its name becomes; None: there is no such file."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def connect_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes; transactions are begun by hand.

    A file that it makes is its user's alone; SQLite makes those beside it as the file is.

    Raises:
        sqlite3.Error: The file cannot be opened.
    """
    # Never one that is there: to close it would take SQLite's locks from this process's others.
    with suppress(OSError):  # SQLite says better what is wrong with it
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    except BaseException:
        connection.close()
        raise
    return connection


def enter_wal(connection: sqlite3.Connection) -> None:
    """Let readers and the writer work side by side; see schema.sql for FULL."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")


class Readers:
    """Read-only connections to one file, one for each thread that reads at the moment."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._closed = False
        self._file = identify(path)
        self._immutable = self._must_be_immutable()

    @contextmanager
    def borrow(self) -> Iterator[sqlite3.Connection]:
        """A connection in one read transaction: all queries in it see the same moment.

        Raises:
            StoreUnreadable: The file cannot be opened, was closed, or is damaged.
        """
        try:
            connection = self._take()
            try:
                connection.execute("BEGIN")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.close()
                raise
            self._give_back(connection)
        except sqlite3.DatabaseError as error:
            raise StoreUnreadable(self._path, str(error)) from error

    def close(self) -> None:
        """Close what is idle now, and what is in use when it comes back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            if self._closed:
                raise StoreUnreadable(self._path, "it was closed")
            self._drop_outdated()
            if self._idle:
                return self._idle.pop()
            immutable = self._immutable
        return self._connect(immutable)

    def _drop_outdated(self) -> None:
        """Close idle connections to a file that is not the store any more."""
        file, immutable = identify(self._path), self._immutable and self._must_be_immutable()
        # If a writer came, an immutable connection would not see its rows, or see half of them.
        if (file, immutable) != (self._file, self._immutable):
            self._file, self._immutable = file, immutable
            while self._idle:
                self._idle.pop().close()

    def _connect(self, immutable: bool) -> sqlite3.Connection:
        mode = "mode=ro&immutable=1" if immutable else "mode=ro"
        connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?{mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def _must_be_immutable(self) -> bool:
        """Whether reading must do without SQLite's shared memory file.

        It lies beside the store, so a folder that we may not write has none unless a writer is
        there, and then a `-wal` is there too.
        """
        wal = self._path.with_name(self._path.name + "-wal")
        return not os.access(self._path.parent, os.W_OK) and not wal.exists()
