"""One row a trace, whatever the order in which its spans arrive."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.store.builders import (
    CHECK,
    EXCHANGE,
    NOON,
    SUBMIT,
    insert,
    make_batch,
    make_exception,
    make_span,
    trace_hex,
)
from tradespan.core.delivery import Cursor
from tradespan.core.records import Span
from tradespan.store.connections import connect_writer
from tradespan.store.dimensions import Dimensions
from tradespan.store.ingest import store_batch
from tradespan.store.rows import StoreSummary, TraceFilter, TraceRow
from tradespan.store.store import Store

SPAN_IDS = [1, 2, 3, 4, 5, (1 << 63) + 1, (1 << 64) - 1]


def only_row(store: Store) -> TraceRow:
    (row,) = store.traces(TraceFilter()).rows
    return row


def test_row_tells_the_root_and_the_whole_extent(store: Store) -> None:
    insert(
        store,
        make_span(1, 2, 1, start=30, duration=100, site=SUBMIT),
        make_span(1, 1, start=10, duration=50, arguments=["'AAPL'", 300]),
    )
    row = only_row(store)
    assert (row.trace_id, row.span_id) == (trace_hex(1), "0000000000000001")
    assert (row.name, row.process) == ("decide", "momentum_bot.strategy.decide")
    assert (row.group, row.service) == ("strategy", "momentum-bot")
    assert (row.start, row.duration) == (NOON + 10, 120)
    assert (row.status, row.spans, row.errors, row.exception) == ("OK", 2, 0, "")
    assert row.data == "symbol='AAPL' quantity=300"


def test_root_that_arrives_last_takes_the_row(store: Store) -> None:
    insert(store, make_span(1, 3, 2, start=30, site=CHECK))
    assert only_row(store).name == "check_limits"
    insert(store, make_span(1, 2, 1, start=20, site=SUBMIT))
    assert only_row(store).name == "submit"
    insert(store, make_span(1, 1, start=10))
    assert only_row(store).name == "decide"


def test_span_with_a_remote_parent_is_a_root(store: Store) -> None:
    insert(store, make_span(1, 2, 0xABCD, flags=1 << 5))
    assert only_row(store).span_id == f"{2:016x}"


def test_remote_parent_that_starts_later_by_its_clock_still_takes_the_row(store: Store) -> None:
    insert(store, make_span(1, 2, 1, start=10), make_span(1, 3, 9, start=30, site=CHECK))
    insert(store, make_span(1, 1, start=20, site=SUBMIT), resource=EXCHANGE)
    row = only_row(store)
    assert (row.name, row.service, row.start) == ("submit", "exchange", NOON + 10)


def test_root_is_searched_when_its_parent_comes_and_starts_last(store: Store) -> None:
    insert(store, make_span(1, 2, 1, start=10), make_span(1, 3, 9, start=30, site=CHECK))
    insert(store, make_span(1, 1, start=50, site=SUBMIT))
    assert only_row(store).name == "check_limits"


@pytest.mark.parametrize("circle", [[(1, 1)], [(1, 2), (2, 1)], [(1, 2), (2, 3), (3, 1)]])
def test_circle_of_parents_is_led_by_its_earliest_span(
    store: Store, circle: list[tuple[int, int]]
) -> None:
    for span, parent in circle:
        insert(store, make_span(1, span, parent, start=span))
    assert only_row(store).span_id == f"{1:016x}"
    assert len(store.trace(trace_hex(1))) == len(circle)
    insert(store, make_span(1, 77, start=99, site=SUBMIT))
    assert only_row(store).name == "submit"


def test_error_that_arrives_before_the_rest_is_in_the_row(store: Store) -> None:
    timeout = make_exception(time=50)
    insert(store, make_span(1, 2, 1, start=20, failed=True, events=[timeout]))
    insert(store, make_span(1, 1, start=10), make_span(1, 3, 1, start=70))
    row = only_row(store)
    assert (row.status, row.errors, row.spans, row.name) == ("ERR", 1, 3, "decide")
    assert row.exception == "ExchangeTimeout: no answer in 2.0 s"


def test_first_exception_is_the_earliest_not_the_first_to_arrive(store: Store) -> None:
    insert(store, make_span(1, 1, failed=True, events=[make_exception("E", "outer", time=90)]))
    insert(store, make_span(1, 2, 1, failed=True, events=[make_exception("E", "inner", time=80)]))
    insert(store, make_span(1, 3, 1, failed=True, events=[make_exception("E", "late", time=95)]))
    assert only_row(store).exception == "E: inner"


def test_failed_span_without_an_exception_gives_its_message(store: Store) -> None:
    insert(store, make_span(failed=True, status_message="rejected:\n  no funds"))
    assert only_row(store).exception == "rejected: no funds"


def test_exception_that_was_handled_is_no_error(store: Store) -> None:
    insert(store, make_span(events=[make_exception()]))
    row = only_row(store)
    assert (row.status, row.errors, row.exception) == ("OK", 0, "")


def test_long_exception_is_cut_and_says_so(store: Store) -> None:
    insert(store, make_span(failed=True, events=[make_exception("E", "x" * 5000)]))
    exception = only_row(store).exception
    assert len(exception) == 200
    assert exception.endswith("xxx...")


@pytest.mark.parametrize(
    ("facts", "data"),
    [
        ({"arguments": ["'AAPL'", 300]}, "symbol='AAPL' quantity=300"),
        ({"arguments": [None, 300]}, "quantity=300"),
        ({"attributes": {"trading.symbol": "AAPL"}}, "symbol='AAPL'"),
        (
            {
                "arguments": ["{'a': ...}"],
                "attributes": {"trading.strategy": "m", "trading.symbol": "AAPL"},
            },
            "symbol='AAPL' strategy='m' +1",
        ),
        (
            {"arguments": ["'AAPL'"], "attributes": {"trading.event_time": 1}},
            "symbol='AAPL'",
        ),
        ({"attributes": {"a": 1, "b": 2, "c": 3, "d": 4}}, "a=1 b=2 +2"),
        ({"arguments": ["x" * 99]}, f"symbol={'x' * 37}..."),
        ({}, ""),
    ],
)
def test_data_shows_what_the_root_was_given(store: Store, facts: dict[str, Any], data: str) -> None:
    insert(store, make_span(**facts))
    assert only_row(store).data == data


# Model: the row computed at once from all spans, and any way to cut and shuffle them.

spans = st.builds(
    lambda span, parent, start, duration, failed, time: make_span(
        1,
        span,
        parent,
        start=start,
        duration=duration,
        failed=failed,
        events=[make_exception("E", f"{span} at {time}", time)] if time else None,
    ),
    st.sampled_from(SPAN_IDS),
    st.sampled_from([0, *SPAN_IDS, 99]),
    st.integers(0, 6),
    st.integers(0, 6),
    st.booleans(),
    st.integers(0, 4),
)
traces = st.lists(spans, min_size=1, max_size=len(SPAN_IDS), unique_by=lambda span: span.span_id)


def signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def expect_root(spans: Sequence[Span]) -> Span:
    ids = {span.span_id for span in spans}
    free = [span for span in spans if span.parent_id == 0 or span.parent_id not in ids]
    return min(free or spans, key=lambda span: (span.start, signed(span.span_id)))


def expect_exception(spans: Sequence[Span]) -> str:
    found = [
        (span.events[0].time, signed(span.span_id), span.events[0].failure)
        for span in spans
        if span.status == 2 and span.events
    ]
    failure = min(found, default=(0, 0, None), key=lambda item: item[:2])[2]
    return "" if failure is None else f"{failure.type}: {failure.message}"


def store_in_batches(batches: Sequence[Sequence[Span]]) -> tuple[TraceRow, StoreSummary]:
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(Path(folder) / "store.db") as store,
    ):
        for batch in batches:
            insert(store, *batch)
        return replace(only_row(store), row_id=0), store.summary()


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[Span], list[list[Span]]]:
    """Spans of one trace, and the same in another order, cut into batches, some sent twice."""
    trace = draw(traces)
    shuffled = draw(st.permutations(trace))
    cuts = sorted(draw(st.sets(st.integers(1, len(trace)), max_size=len(trace))))
    ends = [*cuts, len(trace)]
    batches = [shuffled[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    again = draw(st.lists(st.sampled_from(batches), max_size=2))
    return trace, [*batches, *again]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(arrivals())
def test_any_order_and_any_batches_give_the_same_row(
    arrival: tuple[list[Span], list[list[Span]]],
) -> None:
    trace, batches = arrival
    row, summary = store_in_batches(batches)
    assert (row, summary) == store_in_batches([trace])
    root = expect_root(trace)
    start, end = min(span.start for span in trace), max(span.end for span in trace)
    errors = sum(span.status == 2 for span in trace)
    assert row.span_id == f"{root.span_id:016x}"
    assert (row.start, row.duration) == (start, end - start)
    assert (row.spans, row.errors) == (len(trace), errors)
    assert row.exception == expect_exception(trace)
    assert (summary.spans, summary.traces, summary.errors) == (len(trace), 1, errors)
    assert (summary.first, summary.last) == (start, end)


@settings(max_examples=60, deadline=None)
@given(traces)
def test_spans_are_read_by_start_with_parents_first(trace: list[Span]) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(Path(folder) / "store.db") as store,
    ):
        insert(store, *trace)
        found = store.trace(trace_hex(1))
    assert sorted(span.span_id for span in found) == sorted(f"{s.span_id:016x}" for s in trace)
    places = {span.span_id: place for place, span in enumerate(found)}
    parents = {span.span_id: span.parent_id for span in found}
    for span in found:
        if span.parent_id in places and not in_circle(span.span_id, parents):
            assert places[span.parent_id] < places[span.span_id]
    if all(places.get(span.parent_id, -1) < 0 for span in found):
        assert [span.start for span in found] == sorted(span.start for span in found)


def in_circle(span: str, parents: dict[str, str]) -> bool:
    seen: set[str] = set()
    while span in parents and span not in seen:
        seen.add(span)
        span = parents[span]
    return span in parents


def test_each_batch_of_a_trace_that_never_ends_asks_the_same(store: Store) -> None:
    """A root that is open for hours: its children come, batch after batch, without it."""
    statements: list[str] = []
    writer = connect_writer(store.path)
    writer.set_trace_callback(statements.append)
    dimensions = Dimensions(writer)
    asked = []
    for batch in range(20):
        start = batch * 50
        children = [make_span(1, 2 + start + n, 1, start=start + n) for n in range(50)]
        statements.clear()
        with writer:
            writer.execute("BEGIN")
            store_batch(writer, dimensions, make_batch(children), Cursor())
        asked.append(len(statements))
    writer.close()
    assert only_row(store).spans == 1000
    assert len(set(asked[1:])) == 1
