"""From no file, or an older schema, to the schema of this version, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from tradespan.core.errors import StoreError
from tradespan.store.connections import (
    APPLICATION_ID,
    SCHEMA_VERSION,
    Header,
    check_header,
    enter_wal,
)
from tradespan.store.queries import read_script

UPGRADES: Mapping[int, str] = {
    1: read_script("upgrade_1.sql"),
    2: read_script("upgrade_2.sql"),
}
"""Version n → the script that makes n + 1 of it. schema.sql is always the newest version."""


def migrate(
    connection: sqlite3.Connection,
    path: Path,
    *,
    upgrades: Mapping[int, str] = UPGRADES,
    target: int = SCHEMA_VERSION,
) -> None:
    """Bring the store to the version `target`, whole or not at all, and switch it to WAL.

    Raises:
        StoreTooNew: A newer tradespan got there in between.
        StoreError: There is no way from the version found.
        sqlite3.Error: Locked for too long, read-only, or full.
    """
    if read_version(connection).version != target:
        connection.execute("BEGIN IMMEDIATE")
        try:
            _upgrade(connection, path, upgrades, target)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        # So that the version stands in the file itself, where the next opener looks first.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    enter_wal(connection)


def read_version(connection: sqlite3.Connection) -> Header:
    """The application id and version as SQLite sees them, the WAL included."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return Header(application, version)


def _upgrade(
    connection: sqlite3.Connection, path: Path, upgrades: Mapping[int, str], target: int
) -> None:
    # Read again, now that nobody else can write: two agents may start at the same moment.
    found = read_version(connection)
    if found == Header(0, 0):
        scripts = [read_script("schema.sql")]
    else:
        check_header(path, found)
        missing = [step for step in range(found.version, target) if step not in upgrades]
        if missing:
            raise StoreError(f"The store {path} has schema {found.version}: no way to {target}.")
        scripts = [upgrades[step] for step in range(found.version, target)]
    for script in scripts:
        for statement in split_statements(script):
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {target}")


def split_statements(script: str) -> Iterator[str]:
    """The statements of a script, each of which must end its line.

    `executescript` would commit before it begins.
    """
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.strip():
        yield pending
