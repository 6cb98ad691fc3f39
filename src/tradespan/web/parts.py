"""Small pieces that several pages are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dash import html

Component = Any
"""A Dash component, a text, or a list of them."""


def element(
    kind: Callable[..., Any],
    content: Component = None,
    *,
    attributes: Mapping[str, str] | None = None,
    **properties: Any,
) -> Component:
    """A component with attributes whose names are no Python names: `data-…`, `aria-…`."""
    return kind(content, **properties, **(attributes or {}))


def button(label: str, attributes: Mapping[str, str], **properties: Any) -> Component:
    """A button that the browser's modules listen to, by its data attributes."""
    return element(html.Button, label, type="button", attributes=attributes, **properties)


def page_link(content: Component, href: str, **properties: Any) -> Component:
    """A link to another page: opens in place, and in a new tab where that is asked for.

    Not Dash's own link: that one tells nobody but Dash that the address changed.
    """
    return element(html.A, content, href=href, attributes={"data-page-link": ""}, **properties)


def copy_button(label: str, text: str, **properties: Any) -> Component:
    """A button that copies a text."""
    return button(label, {"data-copy": text}, **properties)


def moment(nanoseconds: int) -> Component:
    """A time; the browser writes it in the reader's time zone, which it names."""
    milliseconds = str(nanoseconds // 1000 / 1000)
    return element(html.Time, className="moment", attributes={"data-ms": milliseconds})


def empty_state(title: str, text: str, commands: tuple[str, ...] = ()) -> Component:
    """Why there is nothing, and what to do about it."""
    return html.Div(
        className="empty",
        children=[
            html.H2(title),
            html.P(text),
            *(
                html.Div(
                    [html.Code(command), copy_button("Copy", command, className="quiet")],
                    className="command",
                )
                for command in commands
            ),
        ],
    )
