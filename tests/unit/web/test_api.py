from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tests.browser import market
from tests.unit.web.builders import NOON
from tests.unit.web.conftest import ADDRESS, TOKEN
from tradespan.core.errors import StoreUnreadable
from tradespan.store.store import Store
from tradespan.web.server import build_app


def test_list_pages_through_all_traces_once(client: TestClient, story: market.Story) -> None:
    seen: list[str] = []
    before = ""
    while before is not None:
        page = client.get("/api/v1/traces", params={"before": before, "range": "all"}).json()
        assert len(page["rows"]) <= 50
        assert page["total"] == story.traces
        seen += [row["trace_id"] for row in page["rows"]]
        before = page["next"]
    assert len(seen) == len(set(seen)) == story.traces


def test_row_has_what_a_line_shows(client: TestClient, story: market.Story) -> None:
    page = client.get("/api/v1/traces", params={"q": story.shown}).json()
    (row,) = page["rows"]
    assert row["trace_id"] == story.shown
    assert row["process"] == "market.on_tick"
    assert (row["group"], row["service"]) == ("feed", "momentum-bot")
    assert (row["status"], row["spans"], row["errors"]) == ("ERR", 14, 1)
    assert row["exception"] == "InsufficientCash: need 52,311.00, have 51,904.12"
    assert "AAPL" in row["data"]
    assert row["start"] == NOON / 1e6 - 9_000


def test_filters_narrow_the_list(client: TestClient, story: market.Story) -> None:
    page = client.get("/api/v1/traces", params={"status": "err", "range": "all"}).json()
    assert page["total"] == story.errors
    assert {row["status"] for row in page["rows"]} == {"ERR"}
    slow = client.get("/api/v1/traces", params={"slower": "20ms", "range": "all"}).json()
    assert all(row["duration"] >= 20_000_000 for row in slow["rows"])


def test_points_are_columns_of_equal_length(client: TestClient, story: market.Story) -> None:
    points = client.get("/api/v1/scatter", params={"range": "all"}).json()
    lengths = {len(points[key]) for key in ("start", "duration", "failed", "trace")}
    assert lengths == {story.traces}
    assert sum(points["failed"]) == story.errors
    assert points["until"] == NOON / 1e6


def test_trace_is_found_by_the_beginning_of_its_id(client: TestClient, story: market.Story) -> None:
    whole = client.get(f"/api/v1/traces/{story.shown[:12]}").json()
    assert whole["trace_id"] == story.shown
    assert len(whole["spans"]) == 14
    span = next(span for span in whole["spans"] if span["exceptions"])
    one = client.get(f"/api/v1/traces/{story.shown}/spans/{span['span_id']}").json()
    assert one == span
    assert one["exceptions"][0]["message"] == "need 52,311.00, have 51,904.12"


def test_trace_is_exported_as_otlp(client: TestClient, story: market.Story) -> None:
    otlp = client.get(f"/api/v1/traces/{story.shown}/otlp").json()
    spans = [span for scope in otlp["resourceSpans"][0]["scopeSpans"] for span in scope["spans"]]
    assert {span["traceId"] for span in spans} == {story.shown}
    assert len(spans) == 14


@pytest.mark.parametrize(
    "path", ["traces/ffffffffffffffff", "traces/zz", "traces/ffffffff/spans/1", "nosuch", ""]
)
def test_what_is_not_there_is_a_404_in_json(client: TestClient, path: str) -> None:
    answer = client.get(f"/api/v1/{path}")
    assert answer.status_code == 404
    assert answer.json()["error"] == "not-found"


def test_search_that_means_nothing_names_the_place(client: TestClient) -> None:
    answer = client.get("/api/v1/traces", params={"q": "ok duration:>ab"})
    assert answer.status_code == 400
    body = answer.json()
    assert body["error"] == "invalid-query"
    assert body["position"] == 12
    assert "duration" in body["message"]


def test_parameter_that_means_nothing_is_a_400(client: TestClient) -> None:
    answer = client.get("/api/v1/traces", params={"range": "century"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid-query")


def test_summary_counts_the_store(client: TestClient, story: market.Story) -> None:
    summary = client.get("/api/v1/summary").json()
    assert summary["traces"] == story.traces
    assert summary["services"] == ["momentum-bot"]


def test_status_changes_when_spans_arrive(
    client: TestClient, store: Store, story: market.Story
) -> None:
    before = client.get("/api/v1/status").json()
    market.tell(store, NOON, traces=1, seed=12)
    after = client.get("/api/v1/status").json()
    assert after["changes"] != before["changes"]
    assert after["groups"] == ["agent", "execution", "feed", "portfolio", "risk", "strategy"]
    assert [pill["key"] for pill in after["pills"]] == ["bot", "errors"]


def test_answers_are_never_stored_by_the_browser(client: TestClient) -> None:
    assert client.get("/api/v1/summary").headers["cache-control"] == "no-store"
    assert client.get("/assets/shell.js").headers["cache-control"] == "no-cache"


def test_store_that_cannot_be_opened_is_said_and_tried_again(store: Store) -> None:
    opened: list[Store] = []

    def open_store() -> Store:
        if not opened:
            opened.append(store)
            raise StoreUnreadable(store.path, "it does not exist")
        return store

    app = build_app(open_store, token=TOKEN)
    headers = {"authorization": f"Bearer {TOKEN}"}
    with TestClient(app, base_url=ADDRESS, headers=headers) as client:
        failed = client.get("/api/v1/summary")
        assert (failed.status_code, failed.json()["error"]) == (503, "store-unreadable")
        assert client.get("/api/v1/summary").status_code == 200


def test_ready_only_when_the_store_can_be_read(store: Store) -> None:
    def missing() -> Store:
        raise StoreUnreadable(store.path, "it does not exist")

    with TestClient(build_app(missing, token=TOKEN), base_url=ADDRESS) as client:
        assert client.get("/ready").status_code == 503
        assert client.get("/health").json()["status"] == "ok"
