"""The store: one SQLite file that one process writes and any number of processes read."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TypeVar

from tradespan.core.delivery import Batch, Cursor
from tradespan.core.errors import StoreError, StoreUnreadable
from tradespan.core.records import Span
from tradespan.store.conditions import Condition, ConditionBuilder, id_range
from tradespan.store.connections import (
    SCHEMA_VERSION,
    Readers,
    check_header,
    connect_writer,
    identify,
    read_header,
)
from tradespan.store.details import read_spans, sweep_spans, to_trace_row
from tradespan.store.dimensions import Dimensions
from tradespan.store.filters import list_terms
from tradespan.store.ingest import read_cursor, read_total, store_batch, write_cursor
from tradespan.store.migrations import migrate, read_version
from tradespan.store.queries import QUERIES
from tradespan.store.retention import purge_traces
from tradespan.store.rows import SpanDetail, StoreSummary, TraceFilter, TracePage, TraceRow
from tradespan.wire.attributes import ARGUMENT_PREFIX, RESULT

T = TypeVar("T")

COUNTED = 10_000
"""`TracePage.total` counts so far at most …"""
COUNTING_SECONDS = 0.1
"""… and so long."""
SHORTEST_PREFIX = 4
LONGEST_TRACE = 100_000
"""Spans of one trace that `trace` reads unless told otherwise."""


class Store:
    """Spans and traces in one SQLite file; `schema.sql` describes it.

    Reading is safe from any thread and from many at once, also while a batch is stored; each
    answer is of one moment. Writing is for one process (the agent), from any of its threads.
    """

    def __init__(self, path: Path, readers: Readers, writer: sqlite3.Connection | None) -> None:
        """Use `Store.open`."""
        self.path = path
        self._readers = readers
        self._writer = writer
        self._dimensions = Dimensions(writer) if writer is not None else None
        self._writing = threading.Lock()
        self._file = identify(path)

    @classmethod
    def open(cls, path: str | Path, *, readonly: bool = False) -> Self:
        """Open a store; unless `readonly`, make it or bring it to this version.

        Args:
            path: The file; its folder is made too.
            readonly: Never change the file. Works beside a writer, and in a folder without
                write permission.

        Raises:
            StoreTooNew: A newer tradespan wrote it; it is left untouched.
            StoreUnreadable: Missing (readonly), no permission, damaged, or no store.
        """
        path = Path(path)
        header = read_header(path)
        if header is not None:
            check_header(path, header)
        try:
            return cls._open_readonly(path) if readonly else cls._open_writable(path)
        except (sqlite3.Error, OSError) as error:
            raise StoreUnreadable(path, str(error)) from error

    @classmethod
    def _open_readonly(cls, path: Path) -> Self:
        if not path.exists() or path.stat().st_size == 0:
            raise StoreUnreadable(path, "it does not exist" if not path.exists() else "it is empty")
        store = cls(path, Readers(path), None)
        try:
            store._check_version()
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def _open_writable(cls, path: Path) -> Self:
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = connect_writer(path)
        try:
            migrate(writer, path)
        except BaseException:
            writer.close()
            raise
        return cls(path, Readers(path), writer)

    def _check_version(self) -> None:
        # Once more, now with what may stand in the WAL only.
        with self._readers.borrow() as connection:
            header = read_version(connection)
        check_header(self.path, header)
        if header.version < SCHEMA_VERSION:
            reason = f"it has the older schema {header.version}; open it for writing once"
            raise StoreUnreadable(self.path, reason)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._readers.close()
        with self._writing:
            writer, self._writer = self._writer, None
            if writer is not None:
                writer.close()

    def is_replaced(self) -> bool:
        """Whether the path names another file now, or none: what is written would be lost."""
        return identify(self.path) != self._file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Writing

    def insert(self, batch: Batch[Span], cursor: Cursor | None) -> int:
        """Store a batch and the cursor of its folder in one transaction.

        Args:
            batch: Spans of one run's folder.
            cursor: `batch.ahead`; None for a part of a batch, with which the cursor stays.

        Returns:
            How many spans were new, or have ended; those already there, by trace and span id,
            are ignored.

        Raises:
            StoreError: Opened `readonly`, or closed.
            sqlite3.Error: Locked for too long, full, or damaged; nothing was stored.
        """
        return self._write(lambda writer, sites: store_batch(writer, sites, batch, cursor))

    def load(self, folder: str) -> Cursor:
        """The cursor of one run's folder; an empty one if there is none."""
        with self._readers.borrow() as connection:
            return read_cursor(connection, folder)

    def save(self, folder: str, cursor: Cursor) -> None:
        """Replace the cursor of one run's folder.

        Raises:
            StoreError, sqlite3.Error: As `insert`.
        """
        self._write(lambda writer, _: write_cursor(writer, folder, cursor))

    def purge(self, older_than_ns: int, limit: int = 5_000) -> int:
        """Delete traces that ended before a moment, oldest first, in one short transaction.

        Call it until it returns 0; between calls the agent stores its batches.

        Args:
            older_than_ns: Nanoseconds UTC.
            limit: Spans deleted at most.

        Returns:
            How many spans were deleted.

        Raises:
            StoreError, sqlite3.Error: As `insert`.
        """
        return self._write(lambda writer, _: purge_traces(writer, older_than_ns, limit))

    def _write(self, change: Callable[[sqlite3.Connection, Dimensions], T]) -> T:
        with self._writing:
            if self._writer is None or self._dimensions is None:
                raise StoreError(f"The store {self.path} is not open for writing.")
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                answer = change(self._writer, self._dimensions)
                self._writer.execute("COMMIT")
            except BaseException:
                self._dimensions.forget()
                if self._writer.in_transaction:  # SQLite itself rolls back when a disk is full
                    self._writer.execute("ROLLBACK")
                raise
            return answer

    # Reading

    def traces(self, wanted: TraceFilter) -> TracePage:
        """One page of traces, newest first.

        Raises:
            InvalidSearch: The filter's text or name cannot be understood.
            StoreUnreadable: The file is damaged, or gone.
        """
        terms = list_terms(wanted)
        with self._readers.borrow() as connection:
            every = ConditionBuilder(connection).build(terms)
            page = ConditionBuilder(connection).build(terms, wanted.before)
            found = list(_list_traces(connection, page, wanted.limit + 1))
            rows = found[: wanted.limit]
            if len(found) <= wanted.limit and wanted.before is None:
                return TracePage(rows, None, len(rows))
            total, capped = _count_traces(connection, every)
        more = len(found) > wanted.limit and rows
        return TracePage(rows, (rows[-1].start, rows[-1].row_id) if more else None, total, capped)

    def trace(self, trace_id: str, *, limit: int = LONGEST_TRACE) -> list[SpanDetail]:
        """The spans of a trace by start, parents before children; empty if it is unknown.

        Args:
            trace_id: 32 hex digits, or the first 4 or more of them if no other trace has them.
            limit: At most so many spans, the earliest.
        """
        with self._readers.borrow() as connection:
            found = _match_ids(connection, trace_id, 2)
            if len(found) != 1:
                return []
            number, whole = found[0]
            return read_spans(connection, number, whole, limit)

    def sweep(self, limit: int = 1_000) -> Iterator[list[SpanDetail]]:
        """All spans, in the order they were stored, so many at a time; each lot is of one moment.

        Raises:
            StoreUnreadable: The file is damaged, or gone.
        """
        after = 0
        while True:
            with self._readers.borrow() as connection:
                spans, after = sweep_spans(connection, after, limit)
            if not spans:
                return
            yield spans

    def matching_ids(self, prefix: str, limit: int = 10) -> list[str]:
        """Ids of the newest traces that begin with `prefix` (1 to 32 hex digits)."""
        with self._readers.borrow() as connection:
            return [whole for _, whole in _match_ids(connection, prefix, limit, shortest=1)]

    def scatter(self, wanted: TraceFilter, limit: int = 2000) -> list[tuple[int, int, str, str]]:
        """(start, duration, `OK` or `ERR`, trace id) of the newest `limit` traces that match.

        Not of those that run, for they have no duration yet, unless something failed in them.

        Raises:
            InvalidSearch: The filter's text or name cannot be understood.
        """
        terms = list_terms(wanted)
        with self._readers.borrow() as connection:
            condition = ConditionBuilder(connection).build(terms)
            rows = _run(connection, "list-points", condition, limit)
            return [
                (start, duration, "ERR" if errors else "OK", trace_id.hex())
                for start, duration, errors, trace_id in rows
            ]

    def groups(self) -> list[str]:
        """All process groups, sorted."""
        with self._readers.borrow() as connection:
            return [name for (name,) in connection.execute(QUERIES["list-groups"])]

    def services(self) -> list[str]:
        """All services, sorted."""
        with self._readers.borrow() as connection:
            return _list_services(connection)

    def summary(self) -> StoreSummary:
        """Counts and the time covered; costs no scan."""
        with self._readers.borrow() as connection:
            total = read_total(connection)
            (first,) = connection.execute(QUERIES["first-start"]).fetchone()
            services = _list_services(connection)
        return StoreSummary(
            total.spans, total.traces, total.errors, total.running, first, total.last_end, services
        )

    def counts_by_attribute(self, key: str) -> dict[str, int]:
        """How many spans have each value of an attribute, most frequent first; scans all spans."""
        is_argument = key.startswith(ARGUMENT_PREFIX)
        values = {
            "path": f'$."{key}"',
            "parameter": key.removeprefix(ARGUMENT_PREFIX) if is_argument else None,
            "is_result": key == RESULT,
        }
        with self._readers.borrow() as connection:
            rows = connection.execute(QUERIES["count-by-attribute"], values)
            return {str(value): count for value, count in rows}

    def changes(self) -> int:
        """A number that grows when spans were added, or ended; costs one row."""
        with self._readers.borrow() as connection:
            return read_total(connection).last_span


def _run(
    connection: sqlite3.Connection, name: str, condition: Condition, limit: int
) -> sqlite3.Cursor:
    query = QUERIES[name].replace("{conditions}", condition.sql)
    return connection.execute(query, condition.parameters | {"limit": limit})


def _list_traces(
    connection: sqlite3.Connection, condition: Condition, limit: int
) -> Iterator[TraceRow]:
    return map(to_trace_row, _run(connection, "list-traces", condition, limit))


def _count_traces(connection: sqlite3.Connection, condition: Condition) -> tuple[int, bool]:
    """How many match, and whether counting was given up."""
    total = 0
    with _time_limit(connection, COUNTING_SECONDS):
        try:
            for _ in _run(connection, "count-traces", condition, COUNTED):
                total += 1
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            return total, True
    return total, total == COUNTED


@contextmanager
def _time_limit(connection: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """Let statements fail with SQLITE_INTERRUPT after this time."""
    end = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)


def _match_ids(
    connection: sqlite3.Connection, prefix: str, limit: int, shortest: int = SHORTEST_PREFIX
) -> list[tuple[int, str]]:
    if not shortest <= len(prefix) <= 32 or not set(prefix.lower()) <= set("0123456789abcdef"):
        return []
    rows = connection.execute(QUERIES["match-traces"], (*id_range(prefix), limit))
    return [(number, trace_id.hex()) for number, trace_id in rows]


def _list_services(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute(QUERIES["list-services"])]
