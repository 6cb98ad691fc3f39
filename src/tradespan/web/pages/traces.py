"""The trace list: what happened around 14:27? Drawn by `assets/traces.js`."""

from __future__ import annotations

from dash import dcc, html

from tradespan.web.parts import Component
from tradespan.web.query import DEFAULT_RANGE, PAGE, RANGES

RANGE_NAMES = {"5m": "Last 5 min", "30m": "Last 30 min", "6h": "Last 6 h", "all": "All times"}
DURATIONS = ("1ms", "10ms", "100ms", "1s", "10s")
FILL_COMMANDS = (
    "tradespan demo",
    r"tradespan run -i 'my_bot\..*' -m my_bot",
)
"""What fills an empty store."""


def show() -> tuple[Component, Component]:
    """The page, and its tools in the bar."""
    choices = {
        "ranges": [[key, RANGE_NAMES[key]] for key in RANGES],
        "default_range": DEFAULT_RANGE,
        "durations": DURATIONS,
        "page": PAGE,
        "commands": FILL_COMMANDS,
    }
    page = [
        dcc.Store(id="traces-data", data=choices),
        dcc.Store(id="traces-mounted"),
        html.H1("Traces"),
        html.Div(id="traces"),
    ]
    return page, html.Div(id="traces-tools", className="tools")
