from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.store.builders import insert, make_span, new_store, trace_hex
from tradespan.core.errors import StoreError, StoreTooNew, StoreUnreadable
from tradespan.store.connections import APPLICATION_ID, SCHEMA_VERSION, connect_writer
from tradespan.store.migrations import migrate
from tradespan.store.rows import TraceFilter
from tradespan.store.store import Store

OPENER = """
import sys
from tradespan.store.store import Store
sys.stdin.read()
Store.open(sys.argv[1]).close()
"""


def make_database(path: Path, application_id: int, version: int) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE things (id INTEGER PRIMARY KEY)")
    connection.execute(f"PRAGMA application_id = {application_id}")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.commit()
    connection.close()


def fingerprint(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def show_to_others(folder: Path) -> None:
    """What an owner does who lets another user read along."""
    for path in folder.iterdir():
        path.chmod(0o644)


def test_new_store_and_the_files_beside_it_are_its_users_alone(tmp_path: Path) -> None:
    with new_store(tmp_path, make_span()):
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}


def test_new_store_is_made_with_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "state" / "tradespan" / "store.db"
    with Store.open(path) as store:
        assert store.summary().spans == 0
    head = path.read_bytes()[:100]
    assert int.from_bytes(head[68:72], "big") == APPLICATION_ID
    assert int.from_bytes(head[60:64], "big") == SCHEMA_VERSION


def test_empty_file_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "store.db").touch()
    with new_store(tmp_path, make_span()) as store:
        assert store.summary().spans == 1


def test_store_is_found_as_it_was_left(tmp_path: Path) -> None:
    new_store(tmp_path, make_span()).close()
    with Store.open(tmp_path / "store.db") as store:
        insert(store, make_span(2, 1))
        assert store.summary().traces == 2


@pytest.mark.parametrize("readonly", [False, True])
def test_store_of_a_newer_version_is_left_untouched(tmp_path: Path, readonly: bool) -> None:
    new_store(tmp_path, make_span()).close()
    path = tmp_path / "store.db"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    before = fingerprint(tmp_path)
    with pytest.raises(StoreTooNew, match=f"has schema {SCHEMA_VERSION + 1}"):
        Store.open(path, readonly=readonly)
    assert fingerprint(tmp_path) == before


def test_newer_version_that_stands_only_in_the_wal_is_refused(tmp_path: Path) -> None:
    new_store(tmp_path, make_span()).close()
    path = tmp_path / "store.db"
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = path.read_bytes()
    for readonly in (False, True):
        with pytest.raises(StoreTooNew):
            Store.open(path, readonly=readonly)
    assert path.read_bytes() == before
    newer.close()


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize("version", [0, SCHEMA_VERSION, SCHEMA_VERSION + 5])
def test_sqlite_file_of_another_program_is_refused_untouched(
    tmp_path: Path, readonly: bool, version: int
) -> None:
    make_database(tmp_path / "orders.db", 0, version)
    before = fingerprint(tmp_path)
    with pytest.raises(StoreUnreadable, match="of another program"):
        Store.open(tmp_path / "orders.db", readonly=readonly)
    assert fingerprint(tmp_path) == before


@pytest.mark.parametrize("readonly", [False, True])
def test_file_that_is_no_database_is_refused_untouched(tmp_path: Path, readonly: bool) -> None:
    (tmp_path / "store.db").write_text("time,price\n" * 50)
    before = fingerprint(tmp_path)
    with pytest.raises(StoreUnreadable, match="not an SQLite file"):
        Store.open(tmp_path / "store.db", readonly=readonly)
    assert fingerprint(tmp_path) == before


def test_missing_store_is_not_made_by_a_reader(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreadable, match="does not exist"):
        Store.open(tmp_path / "store.db", readonly=True)
    assert list(tmp_path.iterdir()) == []


def test_folder_in_place_of_a_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreadable, match="Is a directory"):
        Store.open(tmp_path)


def test_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnreadable):
        Store.open(tmp_path / "file" / "store.db")


def test_reader_writes_nothing_and_says_so(tmp_path: Path) -> None:
    new_store(tmp_path, make_span()).close()
    with Store.open(tmp_path / "store.db", readonly=True) as store:
        with pytest.raises(StoreError, match="not open for writing"):
            insert(store, make_span(2, 1))
        assert store.summary().traces == 1


def test_closed_store_says_so(tmp_path: Path) -> None:
    store = new_store(tmp_path, make_span())
    store.close()
    store.close()
    with pytest.raises(StoreUnreadable, match="it was closed"):
        store.summary()
    with pytest.raises(StoreError, match="not open for writing"):
        insert(store, make_span(2, 1))


def test_store_in_a_folder_with_special_characters_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "50% of #1? über"
    folder.mkdir()
    new_store(folder, make_span()).close()
    with Store.open(folder / "store.db", readonly=True) as store:
        assert store.summary().spans == 1


def test_damaged_store_is_reported(tmp_path: Path) -> None:
    new_store(tmp_path, *[make_span(number, 1) for number in range(1, 400)]).close()
    path = tmp_path / "store.db"
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (size - 8192))
    with (
        pytest.raises(StoreUnreadable, match="malformed"),
        Store.open(path, readonly=True) as store,
    ):
        store.traces(TraceFilter())


def test_reader_follows_a_store_that_was_deleted_and_made_anew(tmp_path: Path) -> None:
    new_store(tmp_path, make_span()).close()
    with Store.open(tmp_path / "store.db", readonly=True) as reader:
        assert reader.summary().spans == 1
        for path in tmp_path.iterdir():
            path.unlink()
        with pytest.raises(StoreUnreadable, match="unable to open"):
            reader.summary()
        new_store(tmp_path, make_span(5, 1), make_span(5, 2, 1)).close()
        assert reader.summary().spans == 2


def test_every_commit_is_synced(tmp_path: Path) -> None:
    """FULL (2): a segment of the spool may be deleted right after."""
    new_store(tmp_path).close()
    connection = connect_writer(tmp_path / "store.db")
    migrate(connection, tmp_path / "store.db")
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


# Folders that may not be written: root may write everywhere, so it reads as nobody.

READER = """
import os, sys
from tradespan.store.store import Store
from tradespan.store.rows import TraceFilter
if os.geteuid() == 0:
    os.setuid(65534)
store = Store.open(sys.argv[1], readonly=True)
print(len(store.traces(TraceFilter()).rows), flush=True)
for line in sys.stdin:
    print(len(store.traces(TraceFilter()).rows), flush=True)
"""


@pytest.fixture
def guarded_folder() -> Iterator[Path]:
    """A folder that its reader may enter and not write."""
    folder = Path("/var/tmp") / f"tradespan-{os.getpid()}"  # tmp_path is closed to other users
    folder.mkdir(mode=0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def start_reader(path: Path) -> subprocess.Popen[str]:
    path.parent.chmod(0o555)
    return subprocess.Popen(
        [sys.executable, "-c", READER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_store_in_a_readonly_folder_is_read(guarded_folder: Path) -> None:
    new_store(guarded_folder, make_span()).close()
    show_to_others(guarded_folder)
    answer, _ = start_reader(guarded_folder / "store.db").communicate(timeout=60)
    assert answer == "1\n"
    assert [path.name for path in guarded_folder.iterdir()] == ["store.db"]


def test_store_in_a_readonly_folder_is_read_with_what_an_earlier_reader_left(
    guarded_folder: Path,
) -> None:
    new_store(guarded_folder, make_span()).close()
    show_to_others(guarded_folder)
    with Store.open(guarded_folder / "store.db", readonly=True) as store:
        store.summary()
    assert (guarded_folder / "store.db-wal").exists()
    answer, _ = start_reader(guarded_folder / "store.db").communicate(timeout=60)
    assert answer == "1\n"


def test_reader_of_a_readonly_folder_sees_a_writer_that_comes_later(guarded_folder: Path) -> None:
    new_store(guarded_folder, make_span()).close()
    show_to_others(guarded_folder)
    reader = start_reader(guarded_folder / "store.db")
    assert reader.stdin is not None
    assert reader.stdout is not None
    assert reader.stdout.readline() == "1\n"
    guarded_folder.chmod(0o755)
    with new_store(guarded_folder, make_span(2, 1)):
        reader.stdin.write("again\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "2\n"
    reader.communicate(timeout=60)


# Versions


def test_older_store_is_brought_to_the_new_version_whole(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    new_store(tmp_path, make_span()).close()
    connection = connect_writer(path)
    upgrades = {
        SCHEMA_VERSION: "ALTER TABLE total ADD COLUMN logs INTEGER; -- a note; with a semicolon\n"
        "UPDATE total SET logs = 7;",
        SCHEMA_VERSION + 1: "CREATE TABLE log (id INTEGER PRIMARY KEY);",
    }
    migrate(connection, path, upgrades=upgrades, target=SCHEMA_VERSION + 2)
    assert connection.execute("SELECT logs, spans FROM total").fetchone() == (7, 1)
    assert connection.execute("SELECT count(*) FROM log").fetchone() == (0,)
    assert path.read_bytes()[60:64] == (SCHEMA_VERSION + 2).to_bytes(4, "big")
    connection.close()


def test_failed_upgrade_leaves_the_old_version(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    new_store(tmp_path, make_span()).close()
    connection = connect_writer(path)
    upgrades = {SCHEMA_VERSION: "DELETE FROM span;\nUPDATE nothing SET x = 1;"}
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, path, upgrades=upgrades, target=SCHEMA_VERSION + 1)
    connection.close()
    with Store.open(path) as store:
        assert len(store.trace(trace_hex(1))) == 1


def test_version_without_a_way_up_is_named(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    new_store(tmp_path).close()
    connection = connect_writer(path)
    with pytest.raises(StoreError, match=f"has schema {SCHEMA_VERSION}: no way"):
        migrate(connection, path, upgrades={}, target=SCHEMA_VERSION + 1)
    connection.close()


def test_older_store_cannot_be_opened_readonly(tmp_path: Path) -> None:
    make_database(tmp_path / "store.db", APPLICATION_ID, SCHEMA_VERSION - 1)
    with pytest.raises(StoreUnreadable, match="older schema"):
        Store.open(tmp_path / "store.db", readonly=True)


def test_processes_that_make_one_store_at_once_all_succeed(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, str(path)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.close()
        opener.stdin = None  # communicate() would flush it again
    errors = [opener.communicate(timeout=60)[1] for opener in openers]
    assert errors == [""] * 6
    with Store.open(path) as store:
        assert store.summary().spans == 0
