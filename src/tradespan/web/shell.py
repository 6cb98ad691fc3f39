"""The frame around every page: Dash's application, the sidebar, the bar above, and the routing.

Dash renders the frame and what a page says first. What moves (rows, chart, waterfall) is drawn by
the ES modules in `assets/`, which `assets/boot.js` starts from Dash's clientside callbacks.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, dcc, html
from fastapi import FastAPI

from tradespan.core.errors import StoreError
from tradespan.web.api import Backstage
from tradespan.web.pages import trace as trace_page
from tradespan.web.pages import traces as traces_page
from tradespan.web.parts import Component, button, element, empty_state, page_link

ASSETS = Path(__file__).parent / "assets"
FIRST_PAGE = "/traces"

STYLES = ("tokens.css", "shell.css", "traces.css", "trace.css", "drawer.css")
SCRIPTS = ("theme.js", "boot.js")
PRELOADED = ("shell.js", "dom.js", "format.js", "http.js")

UNWANTED = frozenset({"websocket", "dash_version_url"})
"""Dash opens a shared worker with a WebSocket even where no callback uses one, and its developer
tools ask an address outside."""

_PAGE = re.compile(r"/traces/?|/trace/(?P<trace_id>[^/]{1,64})/?")

INDEX = f"""<!DOCTYPE html>
<html lang="en">
<head>
{{%metas%}}
<meta name="color-scheme" content="light dark">
<title>{{%title%}}</title>
<link rel="icon" href="/assets/mark.svg" type="image/svg+xml">
{"".join(f'<link rel="stylesheet" href="/assets/{name}">' for name in STYLES)}
{"".join(f'<script src="/assets/{name}"></script>' for name in SCRIPTS)}
{"".join(f'<link rel="modulepreload" href="/assets/{name}">' for name in PRELOADED)}
{{%css%}}
</head>
<body>
{{%app_entry%}}
{{%config%}}
{{%scripts%}}
{{%renderer%}}
</body>
</html>"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A page in the sidebar."""

    label: str
    path: str
    prefixes: tuple[str, ...]
    """Addresses that belong to it."""


@dataclass(frozen=True, slots=True)
class Section:
    """Entries under one heading; pages that don't exist yet have no entry."""

    title: str
    entries: tuple[Entry, ...]


class LocalDash(Dash):
    """Dash without what it starts in the browser beyond our needs."""

    def interpolate_index(self, *args: Any, **parts: Any) -> Any:
        """The document, with `UNWANTED` taken out of the browser's configuration."""
        parts["config"] = trim_config(parts["config"])
        return super().interpolate_index(*args, **parts)  # type: ignore[no-untyped-call]


def trim_config(element: str) -> str:
    """Dash's configuration element without `UNWANTED`."""
    head, opened, rest = element.partition(">")
    text, closed, tail = rest.rpartition("</script>")
    wanted = {key: value for key, value in json.loads(text).items() if key not in UNWANTED}
    text = json.dumps(wanted).replace("<", "\\u003c")
    return f"{head}{opened}{text}{closed}{tail}"


SECTIONS = (Section("", (Entry("Traces", FIRST_PAGE, ("/traces", "/trace/")),)),)


def is_page(path: str) -> bool:
    """Whether an address is one of the application's pages."""
    return _PAGE.fullmatch(path) is not None


def build_dash(server: FastAPI, backstage: Backstage) -> Any:
    """Dash on the FastAPI application, with all callbacks."""
    make: Any = LocalDash  # its annotations know neither FastAPI nor `update_title=None`
    app = make(
        __name__,
        server=server,
        assets_folder=str(ASSETS),
        include_assets_files=False,
        serve_locally=True,
        suppress_callback_exceptions=True,
        title="tradespan",
        update_title=None,
        index_string=INDEX,
        add_log_handler=False,
    )
    app.layout = build_frame()
    add_routing(app, backstage)
    for name in ("traces", "trace"):
        app.clientside_callback(
            ClientsideFunction("tradespan", f"mount_{name}"),
            Output(f"{name}-mounted", "data"),
            Input(f"{name}-data", "data"),
        )
    app.clientside_callback(
        ClientsideFunction("tradespan", "mount_shell"),
        Output("shell-mounted", "data"),
        Input("shell-mounted", "id"),
    )
    return app


def add_routing(app: Any, backstage: Backstage) -> None:
    """Page, its tools in the bar, and the marked entry, by address."""

    async def show_page(path: str | None) -> tuple[Component, Component, Component]:
        page, tools = await render(path or FIRST_PAGE, backstage)
        return page, tools, list_sections(path or FIRST_PAGE)

    app.callback(
        Output("page", "children"),
        Output("page-tools", "children"),
        Output("sections", "children"),
        Input("location", "pathname"),
        running=[(Output("page", "className"), "page is-loading", "page")],
    )(show_page)


async def render(path: str, backstage: Backstage) -> tuple[Component, Component]:
    """A page's content and its tools."""
    match = _PAGE.fullmatch(path)
    if match is None:
        return empty_state("Nothing here", f"{path[:200]} is no page of tradespan."), []
    try:
        if trace_id := match["trace_id"]:
            return await trace_page.show(backstage.door, trace_id, backstage.clock.wall())
        return traces_page.show()
    except StoreError as error:
        return empty_state("The store cannot be read", str(error)), []


def build_frame() -> Component:
    """What stays while pages change."""
    return html.Div(
        className="shell",
        children=[
            dcc.Location(id="location", refresh=False),
            dcc.Store(id="shell-mounted"),
            html.A("Skip to content", href="#page", className="skip"),
            html.Div(className="sidebar", children=[brand(), navigation(), sidebar_foot()]),
            html.Div(
                className="body",
                children=[
                    html.Header(
                        className="topbar",
                        children=[
                            html.Div(id="page-tools", className="tools"),
                            html.Div(id="pills", className="pills", role="status"),
                        ],
                    ),
                    html.Main(id="page", className="page", tabIndex="-1"),
                ],
            ),
        ],
    )


def brand() -> Component:
    mark = html.Img(src="/assets/mark.svg", alt="", width=18, height=18)
    return page_link([mark, "tradespan"], FIRST_PAGE, className="brand")


def navigation() -> Component:
    return element(
        html.Nav, id="sections", className="sections", attributes={"aria-label": "Pages"}
    )


def list_sections(path: str) -> list[Component]:
    """The sidebar's entries, the current one marked."""
    parts: list[Component] = []
    for section in SECTIONS:
        if section.title:
            parts.append(html.H2(section.title))
        parts += [link_entry(entry, path) for entry in section.entries]
    return parts


def link_entry(entry: Entry, path: str) -> Component:
    current = path.startswith(entry.prefixes)
    link = page_link(entry.label, entry.path, className="entry")
    return html.Div(link, className="entry-row is-current" if current else "entry-row")


def sidebar_foot() -> Component:
    themes = [
        button(
            label,
            {"data-theme-choice": choice, "aria-label": f"{hint} theme"},
            className="theme",
        )
        for choice, label, hint in (
            ("system", "Auto", "System's"),
            ("light", "Light", "Light"),
            ("dark", "Dark", "Dark"),
        )
    ]
    return html.Div(
        className="sidebar-foot",
        children=[
            element(
                html.Div,
                themes,
                className="themes",
                role="group",
                attributes={"aria-label": "Theme"},
            ),
            html.Div(
                className="sidebar-line",
                children=[
                    button("? Keys", {"data-help": "open"}, className="quiet"),
                    html.Span(metadata.version("tradespan"), className="version"),
                ],
            ),
        ],
    )
