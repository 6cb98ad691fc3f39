"""One trace: where did the time go, and why did it fail?

The head is rendered here; the waterfall and the drawer are drawn by `assets/trace.js`.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from dash import dcc, html

from tradespan.store.rows import age
from tradespan.store.store import Store
from tradespan.web.door import StoreDoor
from tradespan.web.format import format_count, format_duration, format_part, format_share
from tradespan.web.parts import (
    Component,
    button,
    copy_button,
    element,
    empty_state,
    moment,
    page_link,
)
from tradespan.web.traceview import TraceView, lay_out_waterfall, measure_path, view_trace
from tradespan.web.words import ORDER_ID, shorten_name

SHARES_IN_WORDS = 3
SMALLEST_SHARE = 0.03
"""Of the shares after the first, those from here up are worth a word."""
ORDERS_IN_HEAD = 3
NO_END = "Begun, and no end is recorded: it runs, or its process died."


async def show(door: StoreDoor, trace_id: str, now: int) -> tuple[Component, Component]:
    """The page of one trace (a unique beginning of its id is enough), and its tools in the bar.

    `now`: nanoseconds UTC; so long has lasted what runs.
    """

    def compose(store: Store) -> Component:
        spans = store.trace(trace_id)
        if not spans:
            return unknown(trace_id)
        view = view_trace([age(span, now) for span in spans])
        return render(view, store.groups())

    return await door.ask(compose), tools()


def tools() -> Component:
    return [
        button("← Traces", {"data-back": "/traces"}, className="tool"),
        html.Kbd("Esc", className="hint"),
    ]


def unknown(trace_id: str) -> Component:
    return empty_state(
        "No such trace",
        f"{trace_id} is not in this store. It may have been removed by retention, or its first "
        "spans have not arrived yet.",
        ("tradespan traces",),
    )


def render(view: TraceView, all_groups: Sequence[str]) -> Component:
    """The page's content."""
    return [
        dcc.Store(id="trace-data", data=lay_out_waterfall(view, all_groups)),
        dcc.Store(id="trace-mounted"),
        head(view),
        html.Div(
            className="trace-columns",
            children=[
                element(
                    html.Section,
                    [
                        html.Div(id="waterfall", className="waterfall"),
                        html.Div(words(view), className="card-foot", id="critical-words"),
                    ],
                    className="card waterfall-card",
                    attributes={"aria-label": "Waterfall"},
                ),
                element(
                    html.Aside,
                    id="drawer",
                    className="card drawer",
                    attributes={"aria-label": "Span"},
                ),
            ],
        ),
    ]


def head(view: TraceView) -> Component:
    """Name, errors, and the facts in one line."""
    title: list[Component] = [html.H1(view.title)]
    if view.errors:
        title.append(html.Span(format_count(view.errors, "error"), className="badge error"))
    if view.running:
        title.append(
            html.Span(
                "running" if view.running == 1 else f"{format_count(view.running)} running",
                className="badge running",
                title=NO_END,
            )
        )
    buttons = html.Div(
        className="head-buttons",
        children=[
            button("Copy link", {"data-copy-link": "here"}, className="pill-button"),
            button("OTLP JSON", {"data-copy-otlp": view.trace_id}, className="pill-button"),
        ],
    )
    return html.Div(
        className="head",
        children=[
            html.Div(className="head-title", children=[*title, buttons]),
            html.Div(facts(view), className="facts"),
        ],
    )


def facts(view: TraceView) -> list[Component]:
    """Id, time, duration, sizes and orders."""
    parts: list[Component] = [
        copy_button(view.trace_id, view.trace_id, className="id", title="Copy the trace id"),
        moment(view.start),
        html.B(tell_duration(view), className="total"),
        format_count(len(view.spans), "span"),
    ]
    if view.groups:
        parts.append(format_count(len(view.groups), "process group"))
    if view.service:
        parts.append(view.service)
    if view.orders:
        parts.append(name_orders(view.orders))
    return [html.Span(part, className="fact") for part in parts]


def tell_duration(view: TraceView) -> str:
    lasted = format_duration(view.lasted)
    return f"running for {lasted}" if view.running else lasted


def name_orders(orders: Sequence[str]) -> list[Component]:
    """The orders of the trace; each leads to all traces that name it."""
    shown: list[Component] = ["order " if len(orders) == 1 else "orders "]
    for number, order in enumerate(orders[:ORDERS_IN_HEAD]):
        query = urlencode({"q": f'{ORDER_ID}="{order}"', "range": "all"})
        shown += [", "] if number else []
        shown.append(page_link(order, f"/traces?{query}", className="id-link"))
    if more := len(orders) - ORDERS_IN_HEAD:
        shown += [f" and {more} more"] if more > 0 else []
    return shown


def words(view: TraceView) -> list[Component]:
    """The critical path in words, the biggest part first; each name selects its span."""
    whole = sum(share.time for share in view.shares)
    legend = html.Span(
        [html.I(className="own-key"), "own time ", html.I(className="calls-key"), "in calls"],
        className="legend",
    )
    if view.root.running:
        root = name_span(view, shorten_name(view.root.name), view.tree.main)
        after = f" has no end yet, after {format_duration(view.root.duration)}."
        return [html.Span([root, after, " Its end decides the critical path."]), legend]
    if not view.shares:
        return [html.Span("This trace took no time."), legend]
    measured = format_part(measure_path(view.tree, view.path), whole)
    sentence: list[Component] = [f"Underlined: critical path, {measured} in calls. "]
    first, *others = view.shares[:SHARES_IN_WORDS]
    told = [first, *(share for share in others if share.fraction >= SMALLEST_SHARE)]
    for number, share in enumerate(told):
        part = format_share(share.fraction)
        name = name_span(view, share.label, share.node)
        sentence += [", ", name, f" {part}"] if number else [name, f" is {part} of it"]
    return [html.Span([*sentence, "."]), legend]


def name_span(view: TraceView, label: str, node: int) -> Component:
    span = view.spans[view.tree.nodes[node].span]
    return button(label, {"data-span": span.span_id}, className="word")
