from __future__ import annotations

import sqlite3

from tests.unit.store.builders import NOON, SECOND, insert, make_span, trace_hex
from tradespan.store.rows import TraceFilter
from tradespan.store.store import Store


def fill(store: Store) -> None:
    """Traces 1 to 4, one a second, of 3 spans each, the first of them failed."""
    for number in range(1, 5):
        start = number * SECOND
        insert(
            store,
            make_span(number, 2, 1, start=start + 10, failed=number == 1),
            make_span(number, 3, 1, start=start + 20),
            make_span(number, 1, start=start),
        )


def kept(store: Store) -> list[tuple[str, int]]:
    return [(row.trace_id, row.spans) for row in store.traces(TraceFilter()).rows]


def test_whole_traces_go_oldest_first_up_to_the_limit(store: Store) -> None:
    fill(store)
    before = NOON + 4 * SECOND
    assert store.purge(before, limit=7) == 6
    assert kept(store) == [(trace_hex(4), 3), (trace_hex(3), 3)]
    assert store.purge(before, limit=7) == 3
    assert store.purge(before, limit=7) == 0
    assert kept(store) == [(trace_hex(4), 3)]
    summary = store.summary()
    assert (summary.spans, summary.traces, summary.errors) == (3, 1, 0)
    assert (summary.first, store.trace(trace_hex(1))) == (NOON + 4 * SECOND, [])


def test_trace_larger_than_a_step_goes_in_steps_its_root_last(store: Store) -> None:
    fill(store)
    before = NOON + 2 * SECOND
    assert store.purge(before, limit=2) == 2
    assert kept(store)[-1] == (trace_hex(1), 1)
    assert [span.span_id for span in store.trace(trace_hex(1))] == [f"{1:016x}"]
    assert store.purge(before, limit=2) == 1
    assert store.purge(before, limit=2) == 0
    assert store.summary().errors == 0


def test_trace_that_still_grows_is_kept(store: Store) -> None:
    insert(store, make_span(1, 1), make_span(1, 2, 1, start=100 * SECOND))
    assert store.purge(NOON + 50 * SECOND) == 0


def test_purge_leaves_nothing_behind(store: Store) -> None:
    fill(store)
    while store.purge(NOON + 100 * SECOND, limit=2):
        pass
    connection = sqlite3.connect(store.path)
    assert connection.execute("SELECT count(*) FROM span").fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM trace").fetchone() == (0,)
    connection.close()


def test_numbers_of_purged_rows_are_not_given_again(store: Store) -> None:
    fill(store)
    changes, newest = store.changes(), store.traces(TraceFilter()).rows[0].row_id
    while store.purge(NOON + 100 * SECOND):
        pass
    insert(store, make_span(9, 1))
    assert store.changes() > changes
    assert store.traces(TraceFilter()).rows[0].row_id > newest


def test_span_that_comes_after_its_trace_was_purged_is_stored(store: Store) -> None:
    fill(store)
    store.purge(NOON + 2 * SECOND)
    insert(store, make_span(1, 4, 1, start=SECOND + 30))
    assert (trace_hex(1), 1) in kept(store)
