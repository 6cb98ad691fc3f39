"""What the UI and its API say about a call that has no end yet."""

from __future__ import annotations

import json

import pytest
from starlette.testclient import TestClient

from tests.browser import market
from tests.unit.web.builders import MILLISECOND, NOON, SECOND, make_span
from tradespan.core.records import OPEN, Span
from tradespan.store.rows import SpanDetail, age
from tradespan.store.store import Store
from tradespan.web.otlp import to_otlp
from tradespan.web.pages import trace as trace_page
from tradespan.web.running import cut_running, measure_drawn, measure_lasted
from tradespan.web.traceview import lay_out_waterfall, view_trace

TRACE = (7).to_bytes(16, "big")


def pending(*, root_runs: bool = True) -> list[SpanDetail]:
    """A decision with a check that took 10 ms and an order that began at 20 ms, after 4 s."""
    spans = [
        make_span("a", "", 0, 0 if root_runs else 25, name="strategy.decide", running=root_runs),
        make_span("b", "a", 2, 12, name="risk.check"),
        make_span("c", "a", 20, 20, name="execution.submit", running=True),
    ]
    return [age(span, NOON + 4 * SECOND) for span in spans]


def start(span: int, parent: int, begin: int) -> Span:
    """A start as it is in the store, `begin` in nanoseconds before noon."""
    return Span(2, TRACE, span, parent, NOON - begin, 0, OPEN | 1 << 8)


@pytest.fixture
def running_trace(store: Store) -> str:
    """A trace in the store that began 2 s before noon and has no end."""
    market.write(
        store,
        [
            start(1, 0, 2 * SECOND),
            Span(3, TRACE, 2, 1, NOON - SECOND, 5 * MILLISECOND, 1 << 8),
            start(3, 1, SECOND // 2),
        ],
    )
    return TRACE.hex()


def test_what_is_known_fills_half_of_what_is_drawn() -> None:
    assert measure_drawn(pending()) == 40 * MILLISECOND
    assert measure_lasted(pending()) == 4 * SECOND
    assert [span.duration for span in cut_running(pending())] == [
        40 * MILLISECOND,
        10 * MILLISECOND,
        20 * MILLISECOND,
    ]


def test_a_trace_is_drawn_until_now_while_that_is_near() -> None:
    spans = [make_span("a", "", 0, 30), make_span("b", "a", 20, 20, running=True)]
    aged = [age(span, NOON + 50 * MILLISECOND) for span in spans]
    assert measure_drawn(aged) == measure_lasted(aged) == 50 * MILLISECOND


def test_a_start_alone_is_drawn_until_now() -> None:
    assert measure_drawn([age(make_span("a", running=True), NOON + SECOND)]) == SECOND


def test_a_finished_trace_is_drawn_as_it_is() -> None:
    spans = [make_span("a", "", 0, 30), make_span("b", "a", 20, 45)]
    assert cut_running(spans) == spans
    assert measure_drawn(spans) == measure_lasted(spans) == 45 * MILLISECOND


def test_waterfall_ages_what_runs_beside_its_bar() -> None:
    columns = lay_out_waterfall(view_trace(pending()), [])
    assert columns["running"] == [4 * SECOND, None, 4 * SECOND - 20 * MILLISECOND]
    assert columns["duration"] == 40 * MILLISECOND
    assert columns["end"] == [40 * MILLISECOND, 12 * MILLISECOND, 40 * MILLISECOND]
    assert columns["critical"] == [None, None, None]


def show(spans: list[SpanDetail]) -> str:
    """The page's content as Dash sends it, without the layout of the waterfall."""
    _, *page = trace_page.render(view_trace(spans), [])
    return json.dumps(
        [part.to_plotly_json() for part in page], default=lambda c: c.to_plotly_json()
    )


def test_page_says_that_the_trace_runs_and_since_when() -> None:
    page = show(pending())
    assert '"2 running"' in page
    assert '"running for 4.00 s"' in page
    assert '" has no end yet, after 4.00 s."' in page
    assert "Underlined" not in page


def test_page_of_a_finished_trace_says_nothing_of_the_kind() -> None:
    page = show([make_span("a", "", 0, 30)])
    assert "running" not in page
    assert '"30.0 ms"' in page


def test_critical_path_of_a_finished_root_is_told_while_a_child_runs() -> None:
    page = show(pending(root_runs=False))
    assert '"running"' in page
    assert "Underlined" in page


def test_list_gives_the_age_of_what_runs(client: TestClient, running_trace: str) -> None:
    answer = client.get("/api/v1/traces", params={"status": "running", "range": "all"}).json()
    (row,) = answer["rows"]
    assert (row["trace_id"], row["status"], row["running"]) == (running_trace, "RUNNING", 2)
    assert (row["duration"], row["spans"]) == (2 * SECOND, 3)


def test_spans_say_that_they_run_and_for_how_long(client: TestClient, running_trace: str) -> None:
    whole = client.get(f"/api/v1/traces/{running_trace}").json()
    assert [(span["running"], span["duration"]) for span in whole["spans"]] == [
        (True, 2 * SECOND),
        (False, 5 * MILLISECOND),
        (True, SECOND // 2),
    ]
    one = client.get(f"/api/v1/traces/{running_trace}/spans/{3:016x}").json()
    assert (one["running"], one["status"]) == (True, "UNSET")


def test_points_and_export_have_finished_spans_only(client: TestClient, running_trace: str) -> None:
    assert client.get("/api/v1/scatter", params={"range": "all"}).json()["trace"] == []
    otlp = client.get(f"/api/v1/traces/{running_trace}/otlp").json()
    (resource,) = otlp["resourceSpans"]
    ids = [span["spanId"] for scope in resource["scopeSpans"] for span in scope["spans"]]
    assert ids == [f"{2:016x}"]
    assert to_otlp([make_span("a", running=True)]) == {"resourceSpans": []}


def test_summary_counts_what_runs(client: TestClient, running_trace: str) -> None:
    summary = client.get("/api/v1/summary").json()
    assert (summary["spans"], summary["running"], summary["errors"]) == (3, 2, 0)


def test_ended_call_is_not_running_any_more(
    client: TestClient, store: Store, running_trace: str
) -> None:
    before = client.get("/api/v1/status").json()["changes"]
    market.write(
        store,
        [
            Span(2, TRACE, 1, 0, NOON - 2 * SECOND, SECOND, 1 << 8),
            Span(2, TRACE, 3, 1, NOON - SECOND // 2, 9, 1 << 8),
        ],
    )
    assert client.get("/api/v1/status").json()["changes"] > before
    (row,) = client.get("/api/v1/traces", params={"range": "all"}).json()["rows"]
    assert (row["status"], row["running"], row["spans"]) == ("OK", 0, 3)
    assert row["duration"] == 1_500_000_009
