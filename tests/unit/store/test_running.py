"""Spans that have begun and are not over, and what becomes of them when their end arrives."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.store.builders import (
    CHECK,
    ERROR,
    MILLISECOND,
    NOON,
    SECOND,
    SUBMIT,
    insert,
    make_exception,
    make_open,
    make_span,
    new_store,
    trace_hex,
)
from tradespan.core.records import OPEN, Span
from tradespan.store.rows import StoreSummary, TraceFilter, TraceRow, age
from tradespan.store.store import Store

START = make_open(1, 2, 1, start=30, site=SUBMIT, arguments=["buy"], attributes={"venue": "X"})
END = make_span(1, 2, 1, start=30, duration=500, site=SUBMIT, arguments=["buy"], result="filled")
PARENT = make_span(1, 1, start=10, duration=100)


def only_row(store: Store) -> TraceRow:
    (row,) = store.traces(TraceFilter()).rows
    return row


def read_view(store: Store, view: str) -> list[Any]:
    connection = sqlite3.connect(store.path)
    rows = connection.execute(f"SELECT * FROM {view}").fetchall()
    connection.close()
    return sorted(rows)


def test_start_is_stored_and_counted_as_running(store: Store) -> None:
    assert insert(store, START) == 1
    row, summary = only_row(store), store.summary()
    assert (row.status, row.spans, row.errors, row.running) == ("RUNNING", 1, 0, 1)
    assert (row.start, row.duration, row.data) == (NOON + 30, 0, "order=buy")
    assert (summary.spans, summary.running, summary.errors) == (1, 1, 0)
    (span,) = store.trace(trace_hex(1))
    assert (span.running, span.status, span.attributes["venue"]) == (True, "UNSET", "X")


def test_end_replaces_the_start_whole(store: Store) -> None:
    insert(store, START)
    changes = store.changes()
    assert insert(store, END) == 1
    row, summary = only_row(store), store.summary()
    assert (row.status, row.spans, row.running, row.duration) == ("OK", 1, 0, 500)
    assert (summary.spans, summary.running, summary.last) == (1, 0, NOON + 530)
    (span,) = store.trace(trace_hex(1))
    assert (span.running, span.duration, span.attributes["tradespan.result"]) == (
        False,
        500,
        "filled",
    )
    assert "venue" not in span.attributes
    assert store.changes() > changes


def test_end_that_failed_fails_its_trace(store: Store) -> None:
    insert(store, PARENT, START)
    failed = msgspec.structs.replace(
        END, flags=END.flags | ERROR, events=[make_exception(time=400)], result=None
    )
    insert(store, failed)
    row = only_row(store)
    assert (row.status, row.spans, row.errors, row.running) == ("ERR", 2, 1, 0)
    assert row.exception == "ExchangeTimeout: no answer in 2.0 s"
    assert store.summary().errors == 1


@pytest.mark.parametrize("earlier", [[END], [START, END], [END, START]])
def test_start_that_is_read_after_its_end_changes_nothing(
    store: Store, earlier: list[Span]
) -> None:
    insert(store, *earlier)
    before = (store.summary(), only_row(store), store.trace(trace_hex(1)), store.changes())
    assert insert(store, START) == 0
    assert before == (store.summary(), only_row(store), store.trace(trace_hex(1)), store.changes())


def test_start_that_comes_again_changes_nothing(store: Store) -> None:
    insert(store, START, START)
    changes = store.changes()
    assert insert(store, START) == 0
    assert (store.summary().running, store.changes()) == (1, changes)


def test_root_that_ends_stays_the_root(store: Store) -> None:
    root = make_open(1, 1, start=10)
    insert(store, root)
    insert(store, make_span(1, 3, 9, start=50, duration=5, site=CHECK))
    insert(store, make_span(1, 1, start=10, duration=90))
    row = only_row(store)
    assert (row.name, row.span_id, row.duration) == ("decide", f"{1:016x}", 90)
    insert(store, make_span(1, 4, 1, start=60, duration=MILLISECOND))
    assert only_row(store).name == "decide"


def test_trace_with_a_failure_and_a_running_span_has_failed(store: Store) -> None:
    insert(store, START, make_span(1, 1, start=10, failed=True))
    row = only_row(store)
    assert (row.status, row.errors, row.running) == ("ERR", 1, 1)


def test_start_with_an_error_status_has_not_failed(store: Store) -> None:
    insert(store, msgspec.structs.replace(START, flags=START.flags | ERROR))
    assert (only_row(store).status, store.summary().errors) == ("RUNNING", 0)
    insert(store, END)
    assert (only_row(store).status, store.summary().errors) == ("OK", 0)


def test_running_traces_are_found_by_their_status(store: Store) -> None:
    insert(store, START, make_span(2, 1))
    rows = store.traces(TraceFilter(text="status:running")).rows
    assert [row.trace_id for row in rows] == [trace_hex(1)]


def test_points_are_of_traces_that_have_a_duration(store: Store) -> None:
    insert(store, START, make_span(2, 1), make_open(3, 1), make_span(3, 2, 1, failed=True))
    assert {point[3] for point in store.scatter(TraceFilter())} == {trace_hex(2), trace_hex(3)}


def test_views_show_a_call_only_when_it_is_over(store: Store) -> None:
    insert(store, PARENT, START)
    assert [row[1:4] for row in read_view(store, "process_trace")] == [
        ("momentum_bot.strategy.decide", "OK", 0.0001)
    ]
    assert read_view(store, "data_trace") == []
    insert(store, END)
    assert len(read_view(store, "process_trace")) == 2
    assert [row[2:5] for row in read_view(store, "data_trace")] == [
        ("order", "INPUT", "buy"),
        ("result", "OUTPUT", "filled"),
    ]


def test_retention_takes_a_running_span_as_any_other(store: Store) -> None:
    insert(store, START, PARENT, make_open(2, 1, start=9 * SECOND))
    assert store.purge(NOON + SECOND) == 2
    summary = store.summary()
    assert (summary.spans, summary.traces, summary.running) == (1, 1, 1)


def test_retention_in_steps_counts_what_runs(store: Store) -> None:
    insert(store, PARENT, START, make_open(1, 3, 1, start=40))
    assert store.purge(NOON + SECOND, limit=1) == 1
    assert (only_row(store).running, store.summary().running) == (1, 1)
    assert store.purge(NOON + SECOND, limit=2) == 2
    assert (store.summary().spans, store.summary().running) == (0, 0)


def test_end_of_a_span_that_retention_took_is_stored_anew(store: Store) -> None:
    insert(store, START)
    store.purge(NOON + SECOND)
    assert insert(store, END) == 1
    summary = store.summary()
    assert (summary.spans, summary.traces, summary.running) == (1, 1, 0)


def test_what_runs_ages_and_what_ended_does_not(store: Store) -> None:
    insert(store, PARENT, START, make_span(2, 1))
    now = NOON + SECOND
    durations = [age(row, now).duration for row in store.traces(TraceFilter()).rows]
    assert durations == [SECOND - 10, MILLISECOND]
    assert [age(span, now).duration for span in store.trace(trace_hex(1))] == [100, SECOND - 30]
    assert [age(span, 0).duration for span in store.trace(trace_hex(1))] == [100, 0]


# Order and repetition


@st.composite
def calls(draw: st.DrawFn) -> tuple[list[Span], list[Span]]:
    """Starts and ends of some calls: durable ones and others, some without an end."""
    starts, ends = [], []
    keys = st.tuples(st.integers(1, 3), st.sampled_from([1, 2, 3, 4, (1 << 64) - 1]))
    for trace, span in sorted(draw(st.sets(keys, min_size=1, max_size=8))):
        durable = draw(st.booleans())
        facts: dict[str, Any] = {
            "parent": draw(st.sampled_from([0, 1, 2, 3, 99])),
            "start": draw(st.integers(0, 5)),
            "site": draw(st.sampled_from([SUBMIT, CHECK])),
            "arguments": ["AAPL"],
        }
        if durable:
            starts.append(make_open(trace, span, **facts))
        if not durable or draw(st.booleans()):
            failed = draw(st.booleans())
            events = [make_exception(message=f"{trace}.{span}", time=draw(st.integers(0, 9)))]
            ends.append(
                make_span(
                    trace, span, duration=draw(st.integers(0, 9)), failed=failed, result="done",
                    attributes={"late": span % 7}, events=events if failed else None, **facts,
                )
            )  # fmt: skip
    return starts, ends


def read_content(
    store: Store,
) -> tuple[StoreSummary, dict[str, TraceRow], dict[str, object], list[Any], list[Any]]:
    rows = store.traces(TraceFilter()).rows
    return (
        store.summary(),
        {row.trace_id: replace(row, row_id=0) for row in rows},
        {row.trace_id: store.trace(row.trace_id) for row in rows},
        read_view(store, "process_trace"),
        read_view(store, "data_trace"),
    )


def split(records: Sequence[Span], cuts: Sequence[int]) -> list[Sequence[Span]]:
    return [records[a:b] for a, b in pairwise([0, *sorted(cuts), len(records)])]


@given(st.data())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_starts_and_ends_in_any_order_and_number_give_the_same_store(data: st.DataObject) -> None:
    starts, ends = data.draw(calls())
    records = starts + ends
    again = data.draw(st.lists(st.sampled_from(records), max_size=8))
    order = data.draw(st.permutations(records + again))
    cuts = data.draw(st.lists(st.integers(0, len(order)), max_size=4))
    ended = {(span.trace_id, span.span_id) for span in ends}
    left = [span for span in starts if (span.trace_id, span.span_id) not in ended]
    with tempfile.TemporaryDirectory() as folder, new_store(Path(folder)) as store:
        for batch in split(order, cuts):
            insert(store, *batch)
        with new_store(Path(folder) / "wanted", *ends, *left) as wanted:
            assert read_content(store) == read_content(wanted)
            assert store.summary().running == len(left)


@pytest.mark.parametrize("status", [0, 1, 2])
@pytest.mark.parametrize("kind", [0, 4])
def test_open_bit_leaves_the_other_flags_alone(status: int, kind: int) -> None:
    flags = status | kind << 2 | 1 << 5 | 0x01 << 8
    open_span, ended = make_span(flags=flags | OPEN), make_span(flags=flags)
    assert (open_span.is_open, ended.is_open) == (True, False)
    facts = [(s.status, s.kind, s.parent_is_remote, s.trace_flags) for s in (open_span, ended)]
    assert facts[0] == facts[1] == (status, kind, True, 1)
