"""Pieces of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def render_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table's lines, an empty one after it."""
    yield _render_row(headings)
    yield _render_row(["---"] * len(headings))
    yield from (_render_row([escape_cell(cell) for cell in row]) for row in rows)
    yield ""


def escape_cell(text: str) -> str:
    """Text that stays in its cell: a pipe would end it, also inside backticks."""
    return text.replace("|", "\\|").replace("\n", " ")


def code(text: str) -> str:
    """Text in backticks; nothing stays nothing."""
    return f"`{text}`" if text else ""


def _render_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
