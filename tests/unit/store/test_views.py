"""The public views, as somebody with a SQLite shell sees them."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

import pytest

from tests.unit.store.builders import DECIDE, SUBMIT, insert, make_exception, make_span
from tradespan.core.records import Event
from tradespan.store.store import Store


def select(store: Store, query: str) -> list[dict[str, object]]:
    connection = sqlite3.connect(store.path)
    connection.row_factory = sqlite3.Row
    rows = [dict(row) for row in connection.execute(query)]
    connection.close()
    return rows


@pytest.fixture
def calls(store: Store) -> Store:
    insert(
        store,
        make_span(
            1, 1, start=1_234_567_890, duration=2_500_000, arguments=["AAPL", None], result=[1, 2]
        ),
        make_span(
            1, 2, 1, site=SUBMIT, start=2_000_000_000, failed=True, arguments=[True],
            events=[Event("retry", 1), make_exception()],
        ),
        make_span(1, 3, 1, start=3_000_000_000, failed=True, status_message="refused"),
    )  # fmt: skip
    return store


def test_process_trace_has_one_row_a_call(calls: Store) -> None:
    first, second, third = select(calls, "SELECT * FROM process_trace ORDER BY ts")
    assert first == {
        "ts": "2026-03-01T12:00:01.234567Z",
        "process": "momentum_bot.strategy.decide",
        "status": "OK",
        "duration_ms": 2.5,
        "exception": None,
    }
    assert (second["process"], second["status"]) == ("momentum_bot.execution.submit", "ERR")
    traceback = str(second["exception"])
    assert traceback.startswith("Traceback (most recent call last):\n")
    assert 'File "/srv/bot/venue.py", line 7, in send' in traceback
    assert "ExchangeTimeout: no answer in 2.0 s" in traceback
    assert (third["status"], third["exception"]) == ("ERR", "refused")


def test_data_trace_has_one_row_a_value(calls: Store) -> None:
    rows = select(calls, "SELECT * FROM data_trace ORDER BY ts")
    assert list(rows[0]) == [
        "ts",
        "process",
        "data",
        "data_type",
        "data_value",
        "status",
        "exception",
    ]
    assert [(row["data"], row["data_type"], row["data_value"]) for row in rows] == [
        ("symbol", "INPUT", "AAPL"),
        ("result", "OUTPUT", "[1,2]"),
        ("order", "INPUT", "true"),
    ]
    assert [row["ts"] for row in rows] == [
        "2026-03-01T12:00:01.234567Z",
        "2026-03-01T12:00:01.237067Z",
        "2026-03-01T12:00:02.000000Z",
    ]
    assert [row["status"] for row in rows] == ["OK", "OK", "ERR"]
    assert "ExchangeTimeout" in str(rows[2]["exception"])


def test_times_of_the_views_are_iso_text(calls: Store) -> None:
    (row,) = select(calls, "SELECT max(ts) AS ts FROM process_trace")
    assert datetime.fromisoformat(str(row["ts"])) == datetime(2026, 3, 1, 12, 0, 3, tzinfo=UTC)


def test_views_name_the_process_like_the_function(calls: Store) -> None:
    found = select(calls, "SELECT DISTINCT process FROM process_trace ORDER BY process")
    names = [site.attributes["code.function.name"] for site in (SUBMIT, DECIDE)]
    assert [row["process"] for row in found] == names
