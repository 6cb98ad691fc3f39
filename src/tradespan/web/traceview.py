"""One trace as the trace page needs it: computed once on the server, drawn in the browser.

The waterfall's data is columns, not one object per span: 10,000 spans are a few lists of numbers.
All its times are nanoseconds from the trace's start, which a browser's number holds exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tradespan.store.rows import SpanDetail
from tradespan.web.criticalpath import (
    CriticalPath,
    Interval,
    Tree,
    build_tree,
    find_critical_path,
    subtract,
)
from tradespan.web.running import cut_running, measure_lasted
from tradespan.web.words import Share, list_orders, rank_shares, title_trace

GROUP_COLOURS = 6
UNDERLINED = 0.1
"""Spans that carry at least this part of the critical path are underlined; with every short call
marked too, the line would say nothing."""


@dataclass(frozen=True, slots=True)
class TraceView:
    """A trace, analysed."""

    trace_id: str
    title: str
    service: str
    start: int
    duration: int
    """Nanoseconds that are drawn."""
    lasted: int
    """Nanoseconds to the latest end, or to now where a span runs: mostly the same."""
    spans: list[SpanDetail]
    """As the store gave them; `tree` points into this list."""
    tree: Tree
    path: CriticalPath
    """Empty while the root runs: nobody knows yet what its end waits for."""
    shares: list[Share]
    errors: int
    running: int
    """Spans without an end."""
    groups: list[str]
    orders: list[str]

    @property
    def root(self) -> SpanDetail:
        """The span that the trace is named after."""
        return self.spans[self.tree.nodes[self.tree.main].span]


def view_trace(spans: list[SpanDetail]) -> TraceView:
    """Analyse the spans of one trace; at least one. What runs is as long as it has lasted."""
    tree = build_tree(cut_running(spans))
    root = spans[tree.nodes[tree.main].span]
    path = CriticalPath([], {}) if root.running else find_critical_path(tree, tree.main)
    return TraceView(
        trace_id=root.trace_id,
        title=title_trace(root),
        service=root.service,
        start=tree.start,
        duration=tree.end - tree.start,
        lasted=measure_lasted(spans),
        spans=spans,
        tree=tree,
        path=path,
        shares=rank_shares(spans, tree, path.steps),
        errors=sum(span.status == "ERROR" for span in spans),
        running=sum(span.running for span in spans),
        groups=list(dict.fromkeys(name for span in spans if (name := name_group(span)))),
        orders=list_orders(spans),
    )


def lay_out_waterfall(view: TraceView, all_groups: Iterable[str]) -> dict[str, Any]:
    """The columns that `assets/waterfall.js` draws. Row order is the tree's.

    `own`: per row, the stretches of its own time as a flat list (start, end, start, end …), or
    None where the whole bar is own time. `critical`: the stretch to underline, None for most rows.
    `running`: how long a span without an end has lasted, which its bar need not show; else None.
    """
    nodes, origin = view.tree.nodes, view.start
    rows = [view.spans[node.span] for node in nodes]
    names, name_numbers = number_texts(span.name for span in rows)
    groups, group_numbers = number_texts(name_group(span) for span in rows)
    critical = underline_path(view.tree, view.path)
    return {
        "trace_id": view.trace_id,
        "start": str(origin),
        "duration": view.duration,
        "names": names,
        "groups": groups,
        "colours": colour_groups(groups, all_groups),
        "id": [span.span_id for span in rows],
        "name": name_numbers,
        "group": group_numbers,
        "depth": [node.depth for node in nodes],
        "parent": [-1 if node.parent is None else node.parent for node in nodes],
        "begin": [node.start - origin for node in nodes],
        "end": [node.end - origin for node in nodes],
        "error": [int(span.status == "ERROR") for span in rows],
        "running": [span.duration if span.running else None for span in rows],
        "own": [flatten(node.own, origin) if node.children else None for node in nodes],
        "critical": [
            flatten([critical[row]], origin) if row in critical else None
            for row in range(len(nodes))
        ],
    }


def underline_path(tree: Tree, path: CriticalPath) -> dict[int, Interval]:
    """The spans that make the critical path, by row; calls too short to matter are left out."""
    whole = tree.nodes[tree.main].end - tree.nodes[tree.main].start
    return {
        node: (start, end)
        for node, (start, end) in path.windows.items()
        if end - start >= whole * UNDERLINED
    }


def measure_path(tree: Tree, path: CriticalPath) -> int:
    """Nanoseconds of the critical path below its root, as it is underlined.

    A root without underlined calls is its own critical path.
    """
    lines = underline_path(tree, path)
    whole = lines.pop(tree.main, (0, 0))
    gaps = subtract(whole, lines.values())
    return whole[1] - whole[0] - (sum(end - start for start, end in gaps) if lines else 0)


def name_group(span: SpanDetail) -> str:
    """A span's process group; for a library's span the library: `websockets`."""
    return span.group or span.scope.split(" ", 1)[0].rsplit(".", 1)[-1]


def number_texts(texts: Iterable[str]) -> tuple[list[str], list[int]]:
    """Each distinct text once, and the sequence as numbers into it."""
    known: dict[str, int] = {}
    numbers = [known.setdefault(text, len(known)) for text in texts]
    return list(known), numbers


def colour_groups(groups: Sequence[str], all_groups: Iterable[str]) -> list[int]:
    """A colour number per group; the same in every trace, as long as no new group comes."""
    order = {name: index for index, name in enumerate(sorted({*all_groups, *groups} - {""}))}
    return [order[name] % GROUP_COLOURS if name else -1 for name in groups]


def flatten(intervals: Iterable[Interval], origin: int) -> list[int]:
    return [moment - origin for interval in intervals for moment in interval]
