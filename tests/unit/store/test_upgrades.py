"""Stores of earlier versions, brought to this one."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import msgspec
import pytest

from tests.unit.store.builders import (
    DECIDE,
    NOON,
    insert,
    make_batch,
    make_exception,
    make_open,
    make_span,
    new_store,
    trace_hex,
)
from tradespan.core.delivery import Cursor
from tradespan.core.records import SourceFile
from tradespan.store.connections import APPLICATION_ID, SCHEMA_VERSION
from tradespan.store.migrations import UPGRADES
from tradespan.store.rows import TraceFilter
from tradespan.store.store import Store

SCHEMA_1 = Path(__file__).with_name("schema_1.sql")


def make_version(folder: Path, version: int = 1) -> Path:
    """A store of an earlier version with one trace of two spans, one of them failed."""
    with new_store(
        folder,
        make_span(1, 1, arguments=["AAPL", 300], result="sent"),
        make_span(1, 2, 1, start=9, failed=True, events=[make_exception()]),
    ) as store:
        source = store.path
    path = folder / f"version-{version}.db"
    connection = sqlite3.connect(path)
    connection.executescript(SCHEMA_1.read_text(encoding="utf-8"))
    for step in range(1, version):
        connection.executescript(UPGRADES[step])
    connection.execute("ATTACH ? AS source", (str(source),))
    connection.execute("DELETE FROM total")
    for table in ("resource", "scope", "site", "span", "trace", "total", "cursor"):
        facts = connection.execute(f"PRAGMA main.table_info({table})").fetchall()
        columns = ", ".join(fact[1] for fact in facts)
        connection.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM source.{table}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.commit()
    connection.close()
    return path


def describe_schema(path: Path) -> dict[str, object]:
    """Tables by their columns, indexes and views by their text without comments and layout."""
    connection = sqlite3.connect(path)
    found: dict[str, object] = {}
    for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_master"):
        if kind == "table":
            facts = connection.execute(f"PRAGMA table_xinfo({name})").fetchall()
            found[name] = {fact[1]: fact[2:] for fact in facts}
        elif sql is not None:
            found[name] = " ".join(re.sub(r"--.*", "", sql).split())
    connection.close()
    return found


def test_there_is_a_way_up_from_every_version() -> None:
    assert sorted(UPGRADES) == list(range(1, SCHEMA_VERSION))


@pytest.mark.parametrize("version", sorted(UPGRADES))
def test_upgraded_store_has_the_schema_of_a_new_one(tmp_path: Path, version: int) -> None:
    path = make_version(tmp_path, version)
    Store.open(path).close()
    new_store(tmp_path / "new").close()
    assert describe_schema(path) == describe_schema(tmp_path / "new" / "store.db")


@pytest.mark.parametrize("version", sorted(UPGRADES))
def test_upgraded_store_keeps_everything_and_has_nothing_running(
    tmp_path: Path, version: int
) -> None:
    path = make_version(tmp_path, version)
    with Store.open(path) as store, Store.open(tmp_path / "store.db") as source:
        assert store.traces(TraceFilter()) == source.traces(TraceFilter())
        assert store.trace(trace_hex(1)) == source.trace(trace_hex(1))
        assert store.summary() == source.summary()
        assert store.summary().running == 0


def test_upgraded_store_takes_starts_and_ends(tmp_path: Path) -> None:
    path = make_version(tmp_path)
    with Store.open(path) as store:
        begun = make_open(1, 3, 1, start=20, site=DECIDE)
        insert(store, begun)
        (row,) = store.traces(TraceFilter()).rows
        assert (row.spans, row.running) == (3, 1)
        insert(store, make_span(1, 3, 1, start=20, duration=50))
        (row,) = store.traces(TraceFilter()).rows
        assert (row.spans, row.running, row.start) == (3, 0, NOON)


def test_upgraded_store_learns_where_a_function_stands(tmp_path: Path) -> None:
    source = SourceFile("/srv/bot/strategy.py", 300, NOON, b"\x0f" * 32)
    site = msgspec.structs.replace(DECIDE, source=source)
    with Store.open(make_version(tmp_path, 2)) as store:
        store.insert(make_batch([make_span(1, 4, 1)], sites={site.number: site}), Cursor())
        found = {span.span_id: span.source for span in store.trace(trace_hex(1))}
    assert found == {f"{1:016x}": None, f"{2:016x}": None, f"{4:016x}": source}


def test_row_of_a_function_without_source_keeps_its_key(tmp_path: Path) -> None:
    path = make_version(tmp_path, 2)
    with Store.open(path) as store:
        insert(store, make_span(2, 1))
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM site").fetchone() == (1,)
    connection.close()
