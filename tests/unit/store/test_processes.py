"""One process writes, others read at the same time: real processes on a real file."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.unit.store.builders import FOLDER, insert, make_span
from tradespan.store.connections import Readers
from tradespan.store.store import Store

BATCHES = 60
TRACES = 10
SPANS = 4

WRITER = """
import sys
from tests.unit.store.builders import make_batch, make_span
from tradespan.core.delivery import Cursor
from tradespan.store.store import Store
path, batches, traces, spans = sys.argv[1], *map(int, sys.argv[2:])
store = Store.open(path)
for batch in range(batches):
    numbers = range(1 + batch * traces, 1 + (batch + 1) * traces)
    records = [make_span(n, s, s - 1, start=n) for n in numbers for s in range(spans, 0, -1)]
    store.insert(make_batch(records), Cursor({"s": batch}, (batch + 1) * len(records)))
    print(batch, flush=True)
store.close()
"""

READER = """
import sys
from tradespan.store.rows import TraceFilter
from tradespan.store.store import Store
path, batches, traces, spans = sys.argv[1], *map(int, sys.argv[2:])
store = Store.open(path, readonly=True)
rounds = seen = 0
while seen < batches * traces * spans:
    summary = store.summary()
    page = store.traces(TraceFilter(limit=7))
    assert summary.spans >= seen, "rows went away"
    assert summary.spans == summary.traces * spans, summary
    assert summary.spans % (traces * spans) == 0, "half a batch"
    assert all(row.spans == spans for row in page.rows), page
    for row in page.rows[:2]:
        assert len(store.trace(row.trace_id)) == spans
    seen, rounds = summary.spans, rounds + 1
print(rounds)
"""


def start(script: str, path: Path, batches: int = BATCHES) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, str(path), str(batches), str(TRACES), str(SPANS)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_readers_see_whole_batches_while_one_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    Store.open(path).close()
    readers = [start(READER, path) for _ in range(3)]
    writer = start(WRITER, path)
    written, complaint = writer.communicate(timeout=100)
    assert (writer.returncode, complaint) == (0, "")
    assert len(written.splitlines()) == BATCHES
    for reader in readers:
        rounds, complaint = reader.communicate(timeout=100)
        assert (reader.returncode, complaint) == (0, "")
        assert int(rounds) >= 1


def test_reader_that_stays_neither_stops_the_writer_nor_sees_its_rows(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.db") as store:
        insert(store, make_span(1, 1), make_span(2, 1))
        readers = Readers(store.path)
        with readers.borrow() as connection:
            rows = connection.execute("SELECT id FROM span")
            assert rows.fetchone() == (1,)
            for number in range(3, 200):
                insert(store, make_span(number, 1, start=number))
            assert rows.fetchall() == [(2,)]
        readers.close()
        assert store.summary().traces == 199


def test_killed_writer_leaves_rows_and_cursor_that_agree(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    writer = start(WRITER, path, batches=100_000)
    assert writer.stdout is not None
    for _ in range(25):
        writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    writer.communicate(timeout=60)
    with Store.open(path) as store:
        summary = store.summary()
        assert summary.spans >= 25 * TRACES * SPANS
        assert store.load(FOLDER).accepted == summary.spans
        assert insert(store, make_span(1 << 100, 1)) == 1
