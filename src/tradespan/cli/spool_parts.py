"""What the actions of `tradespan spool` share: sizes, ages, states."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from tradespan.cli.render import Column, plain

_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))

STATE_STYLES = {"running": "cyan", "open": "cyan", "dead": "yellow", "gone": "yellow"}


def format_size(count: int) -> str:
    """Bytes: `812 B`, `4.1 kB`, `16.8 MB`."""
    for unit, size in _UNITS:
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} B"


def left(title: str, cells: Sequence[str], *, flexible: bool = False) -> Column:
    """A column of text that may come from anywhere."""
    return Column(title, [Text(plain(cell)) for cell in cells], flexible=flexible)


def right(title: str, cells: Sequence[str], style: str = "") -> Column:
    """A column of numbers; `style` for those that are neither empty nor 0."""
    styled = [Text(cell, style=style if cell not in ("", "0") else "") for cell in cells]
    return Column(title, styled, right=True)


def states(title: str, cells: Sequence[str]) -> Column:
    """A column of states."""
    return Column(title, [Text(cell, style=STATE_STYLES.get(cell, "")) for cell in cells])


def counts(title: str, numbers: Sequence[int | None], style: str = "") -> list[Column]:
    """A column of numbers, some of them left out; no column if all are 0."""
    cells = ["" if each is None else f"{each:,}" for each in numbers]
    return [right(title, cells, style)] if any(numbers) else []
