from __future__ import annotations

import math
import sqlite3

import pytest

from tests.unit.store.builders import (
    BOT,
    DECIDE,
    ERROR,
    EXCHANGE,
    FOLDER,
    MILLISECOND,
    NOON,
    SAMPLED,
    SERVER,
    SITES,
    TRACER,
    insert,
    make_batch,
    make_exception,
    make_site,
    make_span,
    trace_hex,
)
from tradespan.core.delivery import Cursor, LaneBook
from tradespan.core.records import Event, Link, Resource, Site
from tradespan.store.rows import SpanEvent, SpanLink, TraceFilter
from tradespan.store.store import Store
from tradespan.wire.attributes import event_attributes, span_attributes


def test_span_is_read_back_as_it_was_recorded(store: Store) -> None:
    exception = make_exception(time=300)
    span = make_span(
        7,
        0xFFFF_FFFF_FFFF_FFFE,
        0x8000_0000_0000_0001,
        start=5,
        duration=250,
        flags=SAMPLED | SERVER | ERROR,
        arguments=["AAPL", None],
        result={"filled": 300, "prices": [1.5, 2.0]},
        attributes={"trading.symbol": "AAPL", "code.line.number": 99, "active": True},
        status_message="refused",
        events=[Event("retry", NOON + 100, {"attempt": 2}), exception],
        links=[Link(b"\x01" * 16, 0xF00D, {"why": "batch"})],
    )
    insert(store, span)
    (found,) = store.trace(trace_hex(7))
    assert found.trace_id == trace_hex(7)
    assert (found.span_id, found.parent_id) == ("fffffffffffffffe", "8000000000000001")
    assert (found.name, found.process) == ("decide", "momentum_bot.strategy.decide")
    assert (found.group, found.service) == ("strategy", "momentum-bot")
    assert (found.kind, found.status, found.status_message) == ("SERVER", "ERROR", "refused")
    assert (found.start, found.duration) == (NOON + 5, 250)
    assert found.attributes == span_attributes(DECIDE, span)
    assert found.events == [
        SpanEvent("retry", NOON + 100, {"attempt": 2}),
        SpanEvent("exception", NOON + 300, event_attributes(exception)),
    ]
    assert found.links == [SpanLink("01" * 16, "000000000000f00d", {"why": "batch"})]
    assert found.resource == BOT.attributes
    assert found.scope == "tradespan 0.1"


def test_span_without_anything_is_read_back(store: Store) -> None:
    insert(store, make_span(site=TRACER, name="GET", flags=0))
    (found,) = store.trace(trace_hex(1))
    assert (found.parent_id, found.kind, found.status) == ("", "INTERNAL", "UNSET")
    assert (found.attributes, found.events, found.links) == ({}, [], [])
    assert found.process == "opentelemetry.instrumentation.urllib.GET"


def test_spans_of_one_site_keep_their_own_names(store: Store) -> None:
    insert(
        store,
        make_span(1, 1, site=TRACER, name="GET"),
        make_span(1, 2, 1, site=TRACER, name="PUT"),
    )
    assert [span.name for span in store.trace(trace_hex(1))] == ["GET", "PUT"]


def test_batch_that_comes_twice_changes_nothing_but_the_cursor(store: Store) -> None:
    spans = [make_span(1, 1), make_span(1, 2, 1, failed=True, events=[make_exception()])]
    batch = make_batch(spans)
    assert store.insert(batch, Cursor({"0001.spans": 4096}, 2)) == 2
    before = store.summary(), store.traces(TraceFilter()), store.trace(trace_hex(1))
    changes = store.changes()
    assert store.insert(batch, Cursor({"0001.spans": 4096}, 4)) == 0
    assert before == (store.summary(), store.traces(TraceFilter()), store.trace(trace_hex(1)))
    assert store.changes() == changes
    assert store.load(FOLDER) == Cursor({"0001.spans": 4096}, 4)


def test_only_the_new_spans_of_a_repeated_batch_are_added(store: Store) -> None:
    first, second, third = make_span(1, 1), make_span(1, 2, 1), make_span(2, 1)
    assert insert(store, first) == 1
    assert insert(store, first, second, third) == 2
    assert store.summary().spans == 3
    assert {row.trace_id: row.spans for row in store.traces(TraceFilter()).rows} == {
        trace_hex(1): 2,
        trace_hex(2): 1,
    }


def test_span_that_a_batch_holds_twice_is_stored_once(store: Store) -> None:
    assert insert(store, make_span(), make_span()) == 1
    assert store.summary().spans == 1


def test_equal_span_ids_of_two_traces_are_two_spans(store: Store) -> None:
    assert insert(store, make_span(1, 9), make_span(2, 9)) == 2


def test_failed_insert_stores_neither_rows_nor_cursor(store: Store) -> None:
    insert(store, make_span(1, 1))
    good = make_span(2, 1, site=make_site(5), name="new")
    bad = make_span(3, 1, duration=1 << 70)
    batch = make_batch([good, bad], sites={**SITES, 5: make_site(5, "fresh")})
    with pytest.raises(OverflowError):
        store.insert(batch, Cursor({"0001.spans": 9999}))
    assert store.load(FOLDER).positions == {"0001.spans": 4096}
    assert store.summary().spans == 1
    # The site of the batch that failed is made again, not remembered from the one rolled back.
    assert store.insert(make_batch([good], sites=batch.slices[0].sites), Cursor()) == 1
    assert store.trace(trace_hex(2))[0].name == "new"


def test_functions_and_resources_are_stored_once(store: Store) -> None:
    for number in range(1, 4):
        insert(store, make_span(number, 1), make_span(number, 2, 1))
    with Store.open(store.path) as again:
        insert(again, make_span(9, 1))
    connection = sqlite3.connect(store.path)
    for table in ("site", "scope", "resource"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,)
    connection.close()


def test_changed_facts_of_a_function_do_not_touch_older_spans(store: Store) -> None:
    insert(store, make_span(1, 1, arguments=["AAPL", 300]))
    renamed = {1: make_site(parameters=("ticker", "size"))}
    store.insert(make_batch([make_span(2, 1, arguments=["MSFT", 5])], sites=renamed), Cursor())
    assert store.trace(trace_hex(1))[0].attributes["tradespan.args.symbol"] == "AAPL"
    assert store.trace(trace_hex(2))[0].attributes["tradespan.args.ticker"] == "MSFT"


def test_span_of_a_lost_site_is_stored_without_its_facts(store: Store) -> None:
    insert(store, make_span(site=Site(77, "")))
    (found,) = store.trace(trace_hex(1))
    assert (found.service, found.group, found.scope) == ("momentum-bot", "", "")


def test_numbers_that_json_has_not_become_their_names(store: Store) -> None:
    values = {"a": math.nan, "b": [math.inf, 1.5], "c": {"d": -math.inf}, "e": None, "f": b"\0\1"}
    insert(store, make_span(attributes=values, result=math.nan))
    (found,) = store.trace(trace_hex(1))
    own = {key: found.attributes[key] for key in values if key in found.attributes}
    assert own == {
        "a": "NaN",
        "b": ["Infinity", 1.5],
        "c": {"d": "-Infinity"},
        "e": None,
        "f": "AAE=",
    }
    assert found.attributes["tradespan.result"] == "NaN"


def test_cursor_of_each_folder_is_kept_apart(store: Store) -> None:
    assert store.load("/a") == Cursor()
    store.save("/a", Cursor({"1": 10, "2": 20}, 5, 1))
    store.save("/b", Cursor({"1": 30}, 6))
    store.save("/a", Cursor({"2": 25}, 7, 1))
    assert store.load("/a") == Cursor({"2": 25}, 7, 1)
    assert store.load("/b") == Cursor({"1": 30}, 6)


def test_cursor_is_kept_with_its_books(store: Store) -> None:
    books = {"aa-e": LaneBook(highest=9, read=8, damaged=3, segments=2, ordinal=4)}
    store.save(FOLDER, Cursor({"1": 10}, 5, 1, books))
    assert store.load(FOLDER) == Cursor({"1": 10}, 5, 1, books)


def test_part_of_a_batch_leaves_the_cursor(store: Store) -> None:
    insert(store, make_span(1, 1))
    before = store.load(FOLDER)
    assert store.insert(make_batch([make_span(2, 1)], end=9999), None) == 1
    assert store.load(FOLDER) == before


def test_every_insert_that_adds_moves_changes_forward(store: Store) -> None:
    seen = [store.changes()]
    for number in range(1, 4):
        insert(store, make_span(number, 1))
        seen.append(store.changes())
    assert seen == sorted(set(seen))


def test_empty_batch_saves_its_cursor(store: Store) -> None:
    assert store.insert(make_batch([]), Cursor({"0001.spans": 64})) == 0
    assert store.load(FOLDER).positions == {"0001.spans": 64}


def test_summary_counts_without_a_scan(store: Store) -> None:
    empty = store.summary()
    assert (empty.spans, empty.traces, empty.errors) == (0, 0, 0)
    assert (empty.first, empty.last, empty.services) == (None, None, [])
    insert(store, make_span(1, 1, start=10, duration=100), make_span(1, 2, 1, failed=True))
    insert(store, make_span(2, 1, start=-5, duration=1), resource=EXCHANGE)
    filled = store.summary()
    assert (filled.spans, filled.traces, filled.errors) == (3, 2, 1)
    assert (filled.first, filled.last) == (NOON - 5, NOON + MILLISECOND)
    assert filled.services == ["exchange", "momentum-bot"]


def test_groups_and_services_are_sorted_and_without_the_empty(store: Store) -> None:
    insert(store, make_span(1, 1), make_span(1, 2, 1, site=TRACER, name="GET"))
    store.insert(make_batch([make_span(2, 1)], resource=Resource({})), Cursor())
    assert store.groups() == ["strategy"]
    assert store.services() == ["momentum-bot"]


def test_values_of_an_attribute_are_counted_wherever_it_stands(store: Store) -> None:
    insert(
        store,
        make_span(1, 1, attributes={"trading.order.status": "FILLED"}, arguments=["AAPL", 300]),
        make_span(1, 2, 1, attributes={"trading.order.status": "FILLED"}, result="sent"),
        make_span(1, 3, 1, attributes={"trading.order.status": "REJECTED"}, arguments=["A", None]),
        make_span(1, 4, 1),
    )
    assert store.counts_by_attribute("trading.order.status") == {"FILLED": 2, "REJECTED": 1}
    assert store.counts_by_attribute("tradespan.args.symbol") == {"AAPL": 1, "A": 1}
    assert store.counts_by_attribute("tradespan.args.quantity") == {"300": 1}
    assert store.counts_by_attribute("tradespan.result") == {"sent": 1}
    assert store.counts_by_attribute("tradespan.process_group") == {"strategy": 4}
    assert store.counts_by_attribute('no"such') == {}
