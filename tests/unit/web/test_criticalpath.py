from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.web.builders import MILLISECOND, NOON, make_span
from tradespan.store.rows import SpanDetail
from tradespan.web.criticalpath import Tree, build_tree, find_critical_path, subtract


def names(spans: Sequence[SpanDetail], tree: Tree) -> list[str]:
    return [spans[node.span].span_id for node in tree.nodes]


def own_times(spans: Sequence[SpanDetail]) -> dict[str, float]:
    tree = build_tree(spans)
    return {spans[node.span].span_id: node.own_time / MILLISECOND for node in tree.nodes}


def path(spans: Sequence[SpanDetail]) -> list[tuple[str, float, float]]:
    """The critical path as (span, from, to) in milliseconds, earliest first."""
    tree = build_tree(spans)
    found = find_critical_path(tree, tree.main)
    return [
        (
            spans[tree.nodes[step.node].span].span_id,
            (step.start - NOON) / MILLISECOND,
            (step.end - NOON) / MILLISECOND,
        )
        for step in reversed(found.steps)
    ]


def test_rows_are_in_reading_order_whatever_order_the_spans_came_in() -> None:
    spans = [
        make_span("d", "c", 6, 7),
        make_span("c", "a", 5, 9),
        make_span("a", "", 0, 10),
        make_span("b", "a", 1, 4),
    ]
    tree = build_tree(spans)
    assert names(spans, tree) == ["a", "b", "c", "d"]
    assert [node.depth for node in tree.nodes] == [0, 1, 1, 2]
    assert [node.parent for node in tree.nodes] == [None, 0, 0, 2]


def test_children_that_start_together_are_ordered_longest_first() -> None:
    spans = [make_span("a", "", 0, 10), make_span("short", "a", 1, 2), make_span("long", "a", 1, 9)]
    assert names(spans, build_tree(spans)) == ["a", "long", "short"]


def test_orphan_is_shown_as_a_root_and_marked() -> None:
    spans = [make_span("a", "", 5, 10), make_span("lost", "never-stored", 0, 3)]
    tree = build_tree(spans)
    orphans = {spans[node.span].span_id: node.orphan for node in tree.nodes}
    assert orphans == {"a": False, "lost": True}
    assert spans[tree.nodes[tree.main].span].span_id == "a"


def test_only_orphans_are_headed_by_the_earliest() -> None:
    spans = [make_span("late", "x", 5, 10), make_span("early", "y", 0, 3)]
    tree = build_tree(spans)
    assert spans[tree.nodes[tree.main].span].span_id == "early"


def test_cycle_is_cut_at_its_earliest_span_and_nothing_is_lost() -> None:
    spans = [
        make_span("a", "c", 2, 9),
        make_span("b", "a", 0, 8),
        make_span("c", "b", 4, 7),
        make_span("self", "self", 20, 21),
        make_span("below", "c", 5, 6),
    ]
    tree = build_tree(spans)
    assert names(spans, tree) == ["b", "c", "a", "below", "self"]
    assert [spans[tree.nodes[root].span].span_id for root in tree.roots] == ["b", "self"]


def test_own_time_leaves_out_children_and_keeps_gaps() -> None:
    spans = [make_span("a", "", 0, 10), make_span("b", "a", 1, 4), make_span("c", "a", 5, 9)]
    assert own_times(spans) == {"a": 3, "b": 3, "c": 4}


def test_own_time_counts_concurrent_children_once() -> None:
    spans = [make_span("a", "", 0, 10), make_span("b", "a", 1, 6), make_span("c", "a", 2, 9)]
    assert own_times(spans)["a"] == 2


def test_own_time_ignores_what_a_child_does_outside_of_its_parent() -> None:
    spans = [make_span("a", "", 0, 10), make_span("b", "a", -5, 2), make_span("c", "a", 8, 30)]
    assert own_times(spans)["a"] == 6


def test_own_time_of_a_zero_duration_is_zero() -> None:
    spans = [make_span("a", "", 1, 1), make_span("b", "a", 0, 2)]
    assert own_times(spans) == {"a": 0, "b": 2}


def test_path_goes_through_sequential_children_and_the_gaps_between() -> None:
    spans = [make_span("a", "", 0, 10), make_span("b", "a", 1, 4), make_span("c", "a", 5, 9)]
    assert path(spans) == [
        ("a", 0, 1),
        ("b", 1, 4),
        ("a", 4, 5),
        ("c", 5, 9),
        ("a", 9, 10),
    ]


def test_path_goes_through_the_last_of_concurrent_children_only() -> None:
    spans = [make_span("a", "", 0, 10), make_span("fast", "a", 0, 6), make_span("slow", "a", 0, 10)]
    assert path(spans) == [("slow", 0, 10)]


def test_overlapping_time_belongs_to_the_child_that_ended_later() -> None:
    spans = [make_span("a", "", 0, 12), make_span("b", "a", 0, 10), make_span("c", "a", 8, 12)]
    assert path(spans) == [("b", 0, 8), ("c", 8, 12)]


def test_path_descends_into_the_child_that_was_waited_for() -> None:
    spans = [
        make_span("a", "", 0, 10),
        make_span("b", "a", 2, 9),
        make_span("c", "b", 3, 8),
        make_span("d", "c", 3, 8),
    ]
    assert path(spans) == [("a", 0, 2), ("b", 2, 3), ("d", 3, 8), ("b", 8, 9), ("a", 9, 10)]


def test_path_stays_inside_the_root_where_clocks_disagree() -> None:
    spans = [make_span("a", "", 0, 10), make_span("b", "a", -3, 4), make_span("c", "a", 7, 15)]
    assert path(spans) == [("b", 0, 4), ("a", 4, 7), ("c", 7, 10)]


def test_child_that_ran_after_its_parent_is_not_on_the_path() -> None:
    spans = [make_span("a", "", 0, 10), make_span("after", "a", 11, 20)]
    assert path(spans) == [("a", 0, 10)]


def test_path_of_an_instant_is_empty() -> None:
    assert path([make_span("a", "", 5, 5)]) == []


def test_windows_hold_the_stretch_of_each_span_on_the_path() -> None:
    spans = [make_span("a", "", 0, 12), make_span("b", "a", 0, 10), make_span("c", "a", 8, 12)]
    tree = build_tree(spans)
    windows = find_critical_path(tree, 0).windows
    stretches = {
        spans[tree.nodes[node].span].span_id: tuple((t - NOON) // MILLISECOND for t in window)
        for node, window in windows.items()
    }
    assert stretches == {"a": (0, 12), "b": (0, 8), "c": (8, 12)}


def test_chain_of_ten_thousand_calls_needs_no_recursion() -> None:
    spans = [make_span("s0", "", 0, 10)]
    spans += [make_span(f"s{i}", f"s{i - 1}", 0, 10) for i in range(1, 10_000)]
    tree = build_tree(spans)
    assert tree.nodes[-1].depth == 9_999
    assert [step.node for step in find_critical_path(tree, 0).steps] == [9_999]


def test_subtract_leaves_what_no_part_covers() -> None:
    assert subtract((0, 10), [(2, 4), (3, 5), (-5, 1), (9, 20)]) == [(1, 2), (5, 9)]
    assert subtract((0, 10), []) == [(0, 10)]
    assert subtract((0, 10), [(-1, 11)]) == []
    assert subtract((5, 5), []) == []


@st.composite
def traces(draw: st.DrawFn) -> list[SpanDetail]:
    """Any spans at all: unknown parents, cycles, two with one id, times that contradict."""
    ids = [f"s{i}" for i in range(draw(st.integers(1, 12)))]
    spans = []
    for span_id in ids:
        start = draw(st.integers(0, 50))
        length = draw(st.integers(0, 50))
        parent = draw(st.sampled_from(["", "gone", *ids]))
        spans.append(make_span(span_id, parent, start, start + length))
    return spans


@given(traces())
def test_every_span_appears_once_and_parents_come_first(spans: list[SpanDetail]) -> None:
    tree = build_tree(spans)
    assert sorted(node.span for node in tree.nodes) == list(range(len(spans)))
    for index, node in enumerate(tree.nodes):
        assert node.parent is None or node.parent < index
        assert 0 <= node.own_time <= node.end - node.start


@given(traces())
def test_path_covers_the_root_exactly_once(spans: list[SpanDetail]) -> None:
    tree = build_tree(spans)
    root = tree.nodes[tree.main]
    at = root.end
    for step in find_critical_path(tree, tree.main).steps:
        assert step.end == at
        assert step.start < step.end
        at = step.start
    assert at == root.start
