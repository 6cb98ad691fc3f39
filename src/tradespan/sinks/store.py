"""Delivers spans to the embedded store. Its cursor lives there and commits with the rows."""

from __future__ import annotations

import sqlite3

from tradespan.core.delivery import Accepted, Batch, Cursor, Outcome, Parked, Retry, Split
from tradespan.core.errors import StoreError
from tradespan.core.records import Span
from tradespan.store.encode import to_json
from tradespan.store.store import Store

_FAULTS_OF_A_RECORD = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)
"""What SQLite says about a value; its other errors are about the file, the disk or a lock."""


class StoreSink:
    """Sink and cursor keeper of the embedded store, which it closes in the end.

    A lock, a full disk or a damaged file means: later again. A record that the store cannot hold
    is found by halving, and parked. For one thread.
    """

    name = "store"

    def __init__(self, store: Store) -> None:
        self._store = store
        self._committed: dict[str, str] = {}
        """Folder → its cursor's JSON, as committed last."""

    def deliver(self, batch: Batch[Span]) -> Outcome:
        """Store a batch, and how far its folder has come, in one transaction."""
        try:
            self._follow_replaced_file()
            self._store.insert(batch, batch.ahead)
        except _FAULTS_OF_A_RECORD as error:
            return _refuse(batch, error)
        except (sqlite3.Error, StoreError, OSError) as error:
            return Retry(f"the store {self._store.path} does not take them: {error}")
        except Exception as error:  # noqa: BLE001 - a record of any shape must not stop the others
            return _refuse(batch, error)
        if batch.ahead is not None:
            self._committed[batch.folder] = to_json(batch.ahead.to_json())
        return Accepted()

    def load(self, folder: str) -> Cursor:
        """The cursor of one run's folder; an empty one if there is none.

        Raises:
            StoreUnreadable: The store is damaged, or locked for too long.
        """
        return self._store.load(folder)

    def save(self, folder: str, cursor: Cursor) -> None:
        """Replace the cursor; what was committed with its batch is not written again.

        Raises:
            StoreError: The store cannot be written now.
        """
        wanted = to_json(cursor.to_json())
        if self._committed.get(folder) == wanted:
            return
        try:
            self._follow_replaced_file()
            self._store.save(folder, cursor)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"The store {self._store.path} keeps no cursor: {error}.") from error
        self._committed[folder] = wanted

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _follow_replaced_file(self) -> None:
        """Begin anew where somebody deleted or moved the file: nobody could read the old one."""
        if self._store.is_replaced():
            new = Store.open(self._store.path)
            self._store.close()
            self._store = new
            self._committed.clear()


def _refuse(batch: Batch[Span], error: Exception) -> Outcome:
    reason = f"the store cannot hold it: {type(error).__name__}: {error}"
    return Split(reason) if batch.count > 1 else Parked(reason)
