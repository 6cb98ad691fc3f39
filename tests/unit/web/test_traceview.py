from __future__ import annotations

import json

from tests.unit.web.builders import MILLISECOND, NOON, make_span
from tradespan.store.rows import SpanDetail
from tradespan.web.traceview import (
    colour_groups,
    lay_out_waterfall,
    measure_path,
    name_group,
    view_trace,
)


def tick() -> list[SpanDetail]:
    return [
        make_span("a", "", 0, 40, name="feed.on_tick", group="feed"),
        make_span("b", "a", 2, 12, name="strategy.decide", group="strategy"),
        make_span("c", "a", 12, 14, name="risk.check", group="risk"),
        make_span("d", "a", 14, 38, name="execution.submit", group="execution", status="ERROR"),
    ]


def test_view_sums_up_the_trace() -> None:
    view = view_trace(tick())
    assert view.title == "feed.on_tick"
    assert (view.start, view.duration) == (NOON, 40 * MILLISECOND)
    assert view.errors == 1
    assert view.groups == ["feed", "strategy", "risk", "execution"]


def test_duration_reaches_to_the_last_end_even_after_the_root() -> None:
    view = view_trace([*tick(), make_span("late", "d", 39, 55)])
    assert view.duration == 55 * MILLISECOND


def test_columns_hold_one_entry_a_row_with_times_from_the_start() -> None:
    columns = lay_out_waterfall(view_trace(tick()), ["feed"])
    assert columns["id"] == ["a", "b", "c", "d"]
    assert columns["begin"] == [0, 2 * MILLISECOND, 12 * MILLISECOND, 14 * MILLISECOND]
    assert columns["parent"] == [-1, 0, 0, 0]
    assert columns["error"] == [0, 0, 0, 1]
    assert columns["own"][0] == [0, 2 * MILLISECOND, 38 * MILLISECOND, 40 * MILLISECOND]
    assert columns["own"][1:] == [None, None, None], "a leaf's bar is all own time"
    assert {len(columns[key]) for key in ("name", "group", "depth", "end", "critical")} == {4}
    assert json.loads(json.dumps(columns)) == columns


def test_only_what_carries_a_tenth_of_the_path_is_underlined() -> None:
    view = view_trace(tick())
    critical = lay_out_waterfall(view, [])["critical"]
    assert critical[0] == [0, 40 * MILLISECOND]
    assert critical[1] == [2 * MILLISECOND, 12 * MILLISECOND]
    assert critical[2] is None, "2 of 40 ms"
    assert measure_path(view.tree, view.path) == 34 * MILLISECOND


def test_root_without_calls_is_its_own_critical_path() -> None:
    view = view_trace([make_span("a", "", 0, 8)])
    assert measure_path(view.tree, view.path) == 8 * MILLISECOND


def test_library_stands_in_for_a_missing_group() -> None:
    span = make_span("a", group="", scope="opentelemetry.instrumentation.urllib 0.66b1")
    assert name_group(span) == "urllib"
    assert name_group(make_span("a", group="risk")) == "risk"


def test_group_has_the_same_colour_in_every_trace() -> None:
    known = ["execution", "feed", "risk"]
    assert colour_groups(["risk"], known) == colour_groups(["feed", "risk"], known)[1:]
    assert colour_groups([""], known) == [-1]
