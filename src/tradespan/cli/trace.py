"""`tradespan trace TRACE_ID`: one trace as a tree."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from tradespan.cli.exits import FAILED, OK
from tradespan.cli.render import (
    RUNNING_STYLE,
    Branch,
    draw_bar,
    format_count,
    format_duration,
    format_time,
    local_zone,
    make_console,
    name_zone,
    plain,
    print_line,
    walk_tree,
)
from tradespan.cli.traces import add_store_options, find_store
from tradespan.store.rows import SpanDetail, SpanEvent, age
from tradespan.store.store import LONGEST_TRACE, SHORTEST_PREFIX, Store
from tradespan.web.running import measure_drawn, measure_lasted
from tradespan.wire.attributes import ARGUMENT_PREFIX, RESULT

BAR_WIDTH = 30
"""Columns of the bars, in a terminal that has room."""
NAME_WIDTH = 60
"""Columns of the longest names that are shown whole; longer ones move their own line's rest."""
NEAR = 5

_FRAME = re.compile(r'^\s*(?:\| )*\s*File "(?P<file>.*)", line (?P<line>\d+), in (?P<name>.*)$')
_TRACEBACK = "Traceback (most recent call last):"


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "trace",
        help="show one trace as a tree",
        description="Show one trace as a tree: what called what, how long it took, what failed.",
    )
    add = parser.add_argument
    add("trace_id", metavar="TRACE_ID", help="the id, or its first digits (4 or more)")
    add_store_options(parser)
    add(
        "--args", action=argparse.BooleanOptionalAction, default=None,
        help="show arguments and results (default: of the span that failed first)",
    )  # fmt: skip
    add("--json", action="store_true", help="one JSON object a span and line, with all fields")


def run(namespace: argparse.Namespace) -> int:
    """Show the trace."""
    path = find_store(namespace)
    if path is None:
        return FAILED
    with Store.open(path, readonly=True) as store:
        spans = store.trace(namespace.trace_id)
        if not spans:
            print(f"tradespan: {explain_unknown(store, namespace.trace_id)}", file=sys.stderr)
            return FAILED
    now = time.time_ns()
    spans = [age(span, now) for span in spans]
    if namespace.json:
        for span in spans:
            facts = asdict(span)
            # It is for whoever reads the file, and in the attributes otherwise.
            del facts["source"]
            print(msgspec.json.encode(facts).decode())
    else:
        print_trace(make_console(), spans, show_values=namespace.args)
    return OK


def explain_unknown(store: Store, trace_id: str) -> str:
    """Why an id finds no trace, and which ids come near."""
    if not re.fullmatch(r"[0-9a-fA-F]{1,32}", trace_id):
        return f"{plain(trace_id)} is no trace id: up to 32 hex digits (`tradespan traces` lists)"
    same = store.matching_ids(trace_id, NEAR + 1)
    if len(trace_id) < SHORTEST_PREFIX and same:
        problem = f"{trace_id} is too short: give {SHORTEST_PREFIX} digits or more"
    elif same:
        problem = f"several traces begin with {trace_id}"
    else:
        problem = f"no trace begins with {trace_id}"
        for length in range(len(trace_id) - 1, 1, -1):
            if same := store.matching_ids(trace_id[:length], NEAR + 1):
                break
    if not same:
        return f"{problem}; `tradespan traces` lists what there is"
    shown = [*same[:NEAR], "…"] if len(same) > NEAR else same
    return "\n  ".join([f"{problem}; near:", *shown])


@dataclass(frozen=True, slots=True)
class Layout:
    """How wide things are, and what is shown."""

    start: int
    whole: int
    """Nanoseconds of the whole trace: what a full bar means."""
    name_width: int
    status_width: int
    bar_width: int
    show_values: bool | None
    """None: of the spans in `origins` only."""
    origins: frozenset[str]
    """Ids of the spans in which an exception began."""


def print_trace(console: Console, spans: Sequence[SpanDetail], *, show_values: bool | None) -> None:
    """The head of the trace, and its tree. What runs is as long as it has lasted."""
    for line in describe_head(spans):
        print_line(console, line)
    print_line(console, "")
    branches = list(build_tree(spans))
    layout = plan_layout(branches, console.width, show_values)
    for branch in branches:
        print_line(console, *draw_span(branch, layout))
        room = max(console.width - len(branch.below), 20)
        for text in describe_span(branch.item, layout):
            for line in text.wrap(console, room):
                print_line(console, Text(branch.below, style="dim"), line)
    if len(spans) == LONGEST_TRACE:
        print_line(console, f"… the first {LONGEST_TRACE:,} spans; there may be more")


def describe_head(spans: Sequence[SpanDetail]) -> Iterator[Text]:
    """Name, id, time, extent and who took part."""
    first = min(spans, key=lambda span: span.start)
    zone = local_zone()
    failed = sum(span.status == "ERROR" for span in spans)
    yield Text.assemble((plain(spans[0].process), "bold"), "  ", (spans[0].trace_id, "dim"))
    running = sum(span.running for span in spans)
    lasted = format_duration(measure_lasted(spans))
    count = format_count(len(spans), "span")
    facts = [
        f"{format_time(first.start, zone)} {name_zone(first.start, zone)}",
        f"running for {lasted}" if running else lasted,
        f"{count}, {running:,} running" if running else count,
        format_count(failed, "error") if failed else "no errors",
        *sorted({plain(span.service) for span in spans if span.service}),
    ]
    yield Text(" · ").join(
        Text(fact, style="bold red" if failed and place == 3 else "")
        for place, fact in enumerate(facts)
    )


def build_tree(spans: Sequence[SpanDetail]) -> Iterator[Branch[SpanDetail]]:
    """The spans depth first; those whose parent is not stored, or in a circle, are roots."""
    known = {span.span_id: span for span in spans}
    children: dict[int, list[SpanDetail]] = {}
    roots: list[SpanDetail] = []
    seen: set[str] = set()
    for span in spans:  # parents come before their children, but in a circle
        if span.parent_id in seen:
            children.setdefault(id(known[span.parent_id]), []).append(span)
        else:
            roots.append(span)
        seen.add(span.span_id)
    return walk_tree(roots, children)


def plan_layout(
    branches: Sequence[Branch[SpanDetail]], width: int, show_values: bool | None
) -> Layout:
    """Widths of names and bars for this trace in this terminal."""
    spans = [branch.item for branch in branches]
    start = min(span.start for span in spans)
    longest = max(len(branch.guide) + len(branch.item.name) for branch in branches)
    bar_width = min(BAR_WIDTH, max(width // 4, 10))
    status_width = max(len(tell_status(span)) for span in spans) + 1
    # The status and a duration of 10 columns stand between name and bar.
    room = max(width - bar_width - status_width - 10 - 3, 16)
    return Layout(
        start=start,
        whole=measure_drawn(spans),
        name_width=min(longest, room, NAME_WIDTH),
        status_width=status_width,
        bar_width=bar_width,
        show_values=show_values,
        origins=frozenset(find_origins(spans)),
    )


def find_origins(spans: Sequence[SpanDetail]) -> Iterator[str]:
    """Ids of the failed spans whose exception did not come out of a failed child."""
    passed_on = {(span.parent_id, describe_failure(span)) for span in spans if is_failed(span)}
    for span in spans:
        if is_failed(span) and (span.span_id, describe_failure(span)) not in passed_on:
            yield span.span_id


def draw_span(branch: Branch[SpanDetail], layout: Layout) -> list[Text]:
    """One line: guide, name, status, duration, bar."""
    span = branch.item
    failed = is_failed(span)
    name = Text.assemble((branch.guide, "dim"), (plain(span.name), "bold red" if failed else ""))
    name.truncate(max(layout.name_width, len(branch.guide) + 8), overflow="ellipsis")
    name.pad_right(layout.name_width - name.cell_len)
    bar = draw_bar(span.start - layout.start, span.duration, layout.whole, layout.bar_width)
    running = RUNNING_STYLE if span.running else ""
    return [
        name,
        Text(f" {tell_status(span)}".ljust(layout.status_width), style=running or "bold red"),
        Text(f"{format_duration(span.duration):>10}  ", style=running),
        Text(bar, style="red" if failed else running or "blue"),
    ]


def tell_status(span: SpanDetail) -> str:
    """What stands beside the name of a span that is not simply over; blanks for one that is."""
    if span.running:
        return "running"
    return "ERR" if is_failed(span) else "   "


def describe_span(span: SpanDetail, layout: Layout) -> Iterator[Text]:
    """The lines below a span: its exception with frames, its arguments and result."""
    is_origin = span.span_id in layout.origins
    if is_failed(span):
        yield Text(describe_failure(span), style="red")
        if is_origin:
            for frame in list_frames(find_exception(span)):
                yield Text(f"  {frame}", style="dim red")
    if layout.show_values or (layout.show_values is None and is_origin):
        for key, value in span.attributes.items():
            if key.startswith(ARGUMENT_PREFIX) or key == RESULT:
                name = key.removeprefix(ARGUMENT_PREFIX) if key != RESULT else "result"
                yield Text.assemble((f"{name} = ", "dim"), plain(str(value)))


def is_failed(span: SpanDetail) -> bool:
    """Whether the span ended with an error."""
    return span.status == "ERROR"


def find_exception(span: SpanDetail) -> SpanEvent | None:
    """The first exception that the span recorded."""
    return next((event for event in span.events if "exception.type" in event.attributes), None)


def describe_failure(span: SpanDetail) -> str:
    """Type and message on one line."""
    event = find_exception(span)
    if event is None:
        return plain(span.status_message) or "failed, without saying why"
    kind, message = (event.attributes.get(f"exception.{part}", "") for part in ("type", "message"))
    return plain(f"{kind}: {message}" if message else str(kind))


def list_frames(exception: SpanEvent | None) -> list[str]:
    """`file:line function` of each frame, innermost first.

    Of an exception with causes those of the last one, which is the one that came out.
    """
    if exception is None:
        return []
    trace = str(exception.attributes.get("exception.stacktrace", ""))
    matches = (_FRAME.match(line) for line in trace.rpartition(_TRACEBACK)[2].splitlines())
    frames = [f"{match['file']}:{match['line']} {match['name']}" for match in matches if match]
    return [plain(frame) for frame in reversed(frames)]
