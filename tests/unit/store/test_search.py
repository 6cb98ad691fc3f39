"""What each filter finds in a store."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from tests.unit.store.builders import (
    CHECK,
    EXCHANGE,
    MILLISECOND,
    NOON,
    SECOND,
    SUBMIT,
    TRACER,
    insert,
    make_exception,
    make_span,
    trace_hex,
)
from tradespan.store import conditions
from tradespan.store import store as store_module
from tradespan.store.filters import InvalidSearch
from tradespan.store.rows import TraceFilter, TracePage
from tradespan.store.store import Store


@pytest.fixture
def market(store: Store) -> Store:
    """Five traces, one a second, each about something else."""
    insert(
        store,
        make_span(1, 1, start=1 * SECOND, arguments=["'AAPL'", 300], duration=5 * MILLISECOND),
        make_span(
            1, 2, 1, start=1 * SECOND + 10, site=CHECK, arguments=["'AAPL'"], result="'pass'",
        ),
        make_span(
            2, 1, start=2 * SECOND, arguments=["'MSFT'", "Decimal('5')"],
            duration=50 * MILLISECOND,
        ),
        make_span(
            2, 2, 1, start=2 * SECOND + 10, site=SUBMIT, failed=True,
            events=[make_exception(time=5)], attributes={"trading.symbol": "MSFT", "retry": True},
        ),
        make_span(3, 1, start=3 * SECOND, site=TRACER, name="GET /orders", attributes={
            "http.status": 404, "note": 'said "100%" under_score', "price": 1.5,
        }),
        make_span(5, 1, start=5 * SECOND, failed=True, status_message="venue CLOSED today"),
    )  # fmt: skip
    insert(store, make_span(4, 1, start=4 * SECOND, arguments=["'AAPL'", None]), resource=EXCHANGE)
    return store


def find(store: Store, **wanted: Any) -> list[int]:
    """Numbers of the traces found, oldest first."""
    page = store.traces(TraceFilter(**wanted))
    assert page.total == len(page.rows)
    return sorted(int(row.trace_id, 16) for row in page.rows)


@pytest.mark.parametrize(
    ("text", "traces"),
    [
        ("symbol=AAPL", [1, 4]),
        ("symbol=MSFT", [2]),
        ("trading.symbol=MSFT", [2]),
        ("args.symbol=MSFT", [2]),
        ("tradespan.args.symbol=AAPL", [1, 4]),
        ("ymbol=AAPL", []),
        ("symbol=AAP", []),
        ("symbol=aapl", []),
        ("quantity=300", [1]),
        ("quantity=300.0", [1]),
        ("quantity=3e2", [1]),
        ("quantity=30", []),
        ("quantity=5", [2]),
        ("""symbol="'AAPL'\"""", [1, 4]),
        ("price=1.5", [3]),
        ("price=1.50", [3]),
        ("http.status=404", [3]),
        ("retry=true", [2]),
        ("retry=1", []),
        ("result=pass", [1]),
        ("tradespan.result=pass", [1]),
        ("result=AAPL", []),
        ('note="said \\"100%\\" under_score"', [3]),
        ("process_group=risk", [1]),
        ("code.function.name=momentum_bot.execution.submit", [2]),
        ("exception.type=momentum_bot.errors.ExchangeTimeout", [2]),
        ("service.name=exchange", [4]),
        ("process.pid=42", [4]),
        ("status:err", [2, 5]),
        ("status:ok", [1, 3, 4]),
        ("duration:>5ms", [2]),
        ("duration:>=5ms duration:<20ms", [1]),
        ("name:^GET", [3]),
        (r"name:risk\.check", [1]),
        ("name:nothing", []),
        ("group:execution", [2]),
        ("group:nothing", []),
        ("service:exchange", [4]),
        ("AAPL", [1, 4]),
        ("aapl", [1, 4]),
        ("check_limits", [1]),
        ("ORDERS", [3]),
        ("ExchangeTimeout", [2]),
        ("venue.py", [2]),
        ("closed", [5]),
        ('"said \\"100%"', [3]),
        ("100%", [3]),
        ("10_%", []),
        ("under_score", [3]),
        ("underxscore", []),
        (trace_hex(3), [3]),
        (trace_hex(3)[:31], [1, 2, 3, 4, 5]),
        ("symbol=MSFT status:err retry", [2]),
        ("symbol=MSFT pass", []),
    ],
)
def test_search_finds(market: Store, text: str, traces: list[int]) -> None:
    assert find(market, text=text) == traces


@pytest.mark.parametrize(
    ("wanted", "traces"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"since": NOON + 2 * SECOND}, [2, 3, 4, 5]),
        ({"until": NOON + 2 * SECOND}, [1]),
        ({"since": NOON + 2 * SECOND, "until": NOON + 4 * SECOND}, [2, 3]),
        ({"errors": True}, [2, 5]),
        ({"name": "submit|GET"}, [2, 3]),
        ({"name": "submit", "since": NOON + 3 * SECOND}, []),
        ({"group": "strategy"}, [1, 2, 4, 5]),
        ({"group": "strategy", "errors": True}, [2, 5]),
        ({"service": "momentum-bot"}, [1, 2, 3, 5]),
        ({"minimum_duration": 50 * MILLISECOND}, [2]),
        ({"maximum_duration": MILLISECOND}, [3, 4, 5]),
        ({"text": "AAPL", "service": "exchange"}, [4]),
    ],
)
def test_filter_finds(market: Store, wanted: dict[str, Any], traces: list[int]) -> None:
    assert find(market, **wanted) == traces


@pytest.mark.parametrize("rare", [0, 1, 5_000])
def test_frequent_and_rare_functions_are_found_alike(
    market: Store, monkeypatch: pytest.MonkeyPatch, rare: int
) -> None:
    monkeypatch.setattr(conditions, "RARE_SPANS", rare)
    assert find(market, name="strategy") == [1, 2, 4, 5]
    assert find(market, name="submit") == [2]


def test_search_that_cannot_be_read_is_refused(market: Store) -> None:
    with pytest.raises(InvalidSearch):
        market.traces(TraceFilter(text="status:maybe"))
    with pytest.raises(InvalidSearch):
        market.scatter(TraceFilter(name="("))


def test_text_of_a_user_is_never_sql(market: Store) -> None:
    for text in ("'; DROP TABLE span; --", "x' OR '1'='1", "{conditions}", ":this_key", "%", "_"):
        find(market, text=f'"{text}"')
        find(market, text=f'key="{text}"')
    assert len(find(market)) == 5


def read_pages(store: Store, wanted: TraceFilter) -> list[TracePage]:
    pages = [store.traces(wanted)]
    while pages[-1].next is not None:
        following = TraceFilter(limit=wanted.limit, errors=wanted.errors, before=pages[-1].next)
        pages.append(store.traces(following))
    return pages


def test_pages_follow_each_other_newest_first(store: Store) -> None:
    starts = [0, 1, 1, 1, 2, 3, 3]  # equal starts must not be lost between two pages
    insert(store, *[make_span(n, 1, start=start) for n, start in enumerate(starts, 1)])
    pages = read_pages(store, TraceFilter(limit=2))
    assert [len(page.rows) for page in pages] == [2, 2, 2, 1]
    assert {page.total for page in pages} == {7}
    rows = [row for page in pages for row in page.rows]
    assert [row.start - NOON for row in rows] == sorted(starts, reverse=True)
    assert len({row.trace_id for row in rows}) == 7


def test_last_full_page_has_no_next(store: Store) -> None:
    insert(store, *[make_span(n, 1, start=n) for n in range(1, 5)])
    assert [len(page.rows) for page in read_pages(store, TraceFilter(limit=2))] == [2, 2]


def test_pages_stay_when_newer_traces_arrive(store: Store) -> None:
    insert(store, *[make_span(n, 1, start=n) for n in range(1, 5)])
    first = store.traces(TraceFilter(limit=2))
    insert(store, make_span(9, 1, start=9))
    second = store.traces(TraceFilter(limit=2, before=first.next))
    assert [row.start - NOON for row in second.rows] == [2, 1]


def test_count_stops_and_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    insert(store, *[make_span(n, 1, start=n) for n in range(1, 9)])
    page = store.traces(TraceFilter(limit=2))
    assert (page.total, page.capped) == (8, False)
    monkeypatch.setattr(store_module, "COUNTED", 5)
    page = store.traces(TraceFilter(limit=2))
    assert (page.total, page.capped, len(page.rows)) == (5, True, 2)


def test_count_that_takes_too_long_is_given_up(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(store, *[make_span(n, 1, start=n) for n in range(1, 3000)])
    monkeypatch.setattr(store_module, "COUNTING_SECONDS", -1.0)
    page = store.traces(TraceFilter(limit=2))
    assert (page.capped, len(page.rows)) == (True, 2)
    assert page.total < 2999
    assert store.summary().traces == 2999  # the connection is used again, without a limit


def test_points_are_the_newest_that_match(market: Store) -> None:
    assert market.scatter(TraceFilter(errors=True)) == [
        (NOON + 5 * SECOND, MILLISECOND, "ERR", trace_hex(5)),
        (NOON + 2 * SECOND, 50 * MILLISECOND, "ERR", trace_hex(2)),
    ]
    assert [status for _, _, status, _ in market.scatter(TraceFilter(), limit=3)] == [
        "ERR",
        "OK",
        "OK",
    ]


def test_trace_is_found_by_a_prefix_that_only_it_has(store: Store) -> None:
    first, second = 0xABCD1 << 108, 0xABCD2 << 108
    insert(store, make_span(first, 1), make_span(second, 1))
    assert store.trace("abcd1")[0].trace_id == trace_hex(first)
    assert store.trace("ABCD2")[0].trace_id == trace_hex(second)
    for unknown in ("abcd", "abc", "", "abcd3", "xyz1", trace_hex(first) + "0"):
        assert store.trace(unknown) == []
    assert store.matching_ids("abcd") == [trace_hex(second), trace_hex(first)]
    assert store.matching_ids("a", limit=1) == [trace_hex(second)]
    assert store.matching_ids("nothex") == []


def test_only_the_earliest_spans_of_a_huge_trace_are_read(store: Store) -> None:
    insert(store, *[make_span(1, n, start=n) for n in range(1, 50)])
    assert [span.start - NOON for span in store.trace(trace_hex(1), limit=3)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT * FROM trace ORDER BY start DESC, id DESC LIMIT 50", "trace_newest"),
        (
            "SELECT * FROM trace WHERE errors > 0 ORDER BY start DESC, id DESC LIMIT 50",
            "trace_failed",
        ),
        ("SELECT * FROM span WHERE trace = 5", "span_trace"),
        ("SELECT * FROM span WHERE site = 5 ORDER BY start DESC", "span_site"),
    ],
)
def test_frequent_queries_use_their_index(market: Store, query: str, index: str) -> None:
    connection = sqlite3.connect(market.path)
    plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))
    connection.close()
    assert f"USING INDEX {index}" in plan
    assert "TEMP B-TREE" not in plan
