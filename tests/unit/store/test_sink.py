from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.store.builders import FOLDER, make_batch, make_span
from tradespan.core.delivery import (
    Accepted,
    Cursor,
    CursorKeeper,
    LaneBook,
    Parked,
    Retry,
    Sink,
    Split,
)
from tradespan.core.errors import StoreError
from tradespan.core.records import Span
from tradespan.sinks.store import StoreSink
from tradespan.store import connections
from tradespan.store.store import Store


@pytest.fixture
def sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StoreSink]:
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.05)
    sink = StoreSink(Store.open(tmp_path / "store.db"))
    yield sink
    sink.close()


def count_spans(folder: Path) -> int:
    with Store.open(folder / "store.db", readonly=True) as store:
        return store.summary().spans


def test_it_is_a_sink_and_keeps_its_cursor(sink: StoreSink) -> None:
    as_sink: Sink[Span] = sink
    as_keeper: CursorKeeper = sink
    assert as_sink.name == "store"
    assert as_keeper.load("/new") == Cursor()


def test_accepted_batch_brings_its_cursor(sink: StoreSink, tmp_path: Path) -> None:
    ahead = Cursor({"a": 10}, 1, books={"aa-o": LaneBook(highest=3, read=3)})
    assert sink.deliver(make_batch([make_span(1, 1)], ahead=ahead)) == Accepted()
    assert sink.load(FOLDER) == ahead
    with Store.open(tmp_path / "store.db", readonly=True) as store:
        assert store.load(FOLDER) == ahead


def test_part_of_a_split_batch_leaves_the_cursor(sink: StoreSink) -> None:
    part = replace(make_batch([make_span(1, 1)]), ahead=None)
    assert sink.deliver(part) == Accepted()
    assert sink.load(FOLDER) == Cursor()


def test_next_agent_goes_on_where_the_last_stopped(sink: StoreSink, tmp_path: Path) -> None:
    sink.deliver(make_batch([make_span(1, 1)], segment="a", end=10))
    sink.close()
    following = StoreSink(Store.open(tmp_path / "store.db"))
    assert following.load(FOLDER) == Cursor({"a": 10}, 1)
    following.close()


def test_cursor_that_is_committed_already_is_not_written_again(
    sink: StoreSink, tmp_path: Path
) -> None:
    ahead = Cursor({"a": 10}, 1)
    sink.deliver(make_batch([make_span(1, 1)], ahead=ahead))
    locker = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    sink.save(FOLDER, ahead)
    ahead.parked = 1
    with pytest.raises(StoreError, match="locked"):
        sink.save(FOLDER, ahead)
    locker.close()
    sink.save(FOLDER, ahead)
    assert sink.load(FOLDER) == Cursor({"a": 10}, 1, 1)


def test_locked_store_asks_to_come_again(sink: StoreSink, tmp_path: Path) -> None:
    locker = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    outcome = sink.deliver(make_batch([make_span(1, 1)]))
    assert isinstance(outcome, Retry)
    assert "database is locked" in outcome.reason
    locker.close()
    assert sink.deliver(make_batch([make_span(1, 1)])) == Accepted()
    assert sink.load(FOLDER).accepted == 1


FILLER = """
import resource, signal, sys
from tests.unit.store.builders import make_batch, make_span
from tradespan.sinks.store import StoreSink
from tradespan.store.store import Store
sink = StoreSink(Store.open(sys.argv[1]))
print(sink.deliver(make_batch([make_span(1, 1)])))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
spans = [make_span(n, 1, attributes={"text": "x" * 500}) for n in range(2, 9000)]
print(sink.deliver(make_batch(spans)))
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
print(sink.deliver(make_batch(spans)))
sink.close()
"""


def test_full_disk_asks_to_come_again_and_loses_nothing(tmp_path: Path) -> None:
    """A limit on file size stands in for the disk: the write fails in the same place."""
    path = tmp_path / "store.db"
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    assert hard == resource.RLIM_INFINITY
    run = subprocess.run(
        [sys.executable, "-c", FILLER, str(path), str(1 << 20)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    first, full, again = run.stdout.splitlines()
    assert (first, again) == ("Accepted()", "Accepted()"), run.stderr
    assert full.startswith("Retry(reason='the store ")
    assert count_spans(tmp_path) == 8999


def test_damaged_store_asks_to_come_again(sink: StoreSink, tmp_path: Path) -> None:
    sink.deliver(make_batch([make_span(number, 1) for number in range(1, 500)]))
    sink.close()
    path = tmp_path / "store.db"
    store = Store.open(path)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xee" * (size - 4096))
    damaged = StoreSink(store)
    outcome = damaged.deliver(make_batch([make_span(900, 1)]))
    assert isinstance(outcome, Retry)
    assert "malformed" in outcome.reason
    damaged.close()


def test_closed_store_asks_to_come_again(sink: StoreSink) -> None:
    sink.close()
    assert isinstance(sink.deliver(make_batch([make_span(1, 1)])), Retry)


def test_store_that_was_deleted_is_made_anew(sink: StoreSink, tmp_path: Path) -> None:
    sink.deliver(make_batch([make_span(1, 1)], segment="a", end=10))
    for path in tmp_path.iterdir():
        path.unlink()
    assert sink.deliver(make_batch([make_span(2, 1)], segment="b", end=20)) == Accepted()
    assert count_spans(tmp_path) == 1
    assert sink.load(FOLDER) == Cursor({"b": 20}, 1)


def test_record_that_cannot_be_stored_is_found_by_halving_and_parked(
    sink: StoreSink, tmp_path: Path
) -> None:
    good, bad = make_span(1, 1), make_span(2, 1, duration=1 << 70)
    assert isinstance(sink.deliver(make_batch([good, bad])), Split)
    assert sink.deliver(make_batch([good])) == Accepted()
    outcome = sink.deliver(make_batch([bad]))
    assert isinstance(outcome, Parked)
    assert "OverflowError" in outcome.reason
    assert count_spans(tmp_path) == 1
