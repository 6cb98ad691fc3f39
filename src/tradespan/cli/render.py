"""What the commands that show something share: times, durations, tables and trees in a terminal.

In a terminal, lines fit its width and have colours. Piped, they have neither: nothing is cut, so
that `grep` and `cut` see everything.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from io import TextIOWrapper
from typing import Generic, TypeVar

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from tradespan.web.format import format_count, format_duration

__all__ = ["format_count", "format_duration"]

T = TypeVar("T")

UNLIMITED = 100_000
"""Columns of a line that is not cut."""
RUNNING_STYLE = "cyan"
"""Of what has begun and has no end yet."""
MOST_GUIDES = 12
"""Levels of a tree that are drawn; above them a number tells the depth."""

_PIECES = " ▏▎▍▌▋▊▉█"


def make_console() -> Console:
    """The console for standard output: as wide as the terminal, and without an edge if piped."""
    if isinstance(sys.stdout, TextIOWrapper) and "utf" not in sys.stdout.encoding.lower():
        sys.stdout.reconfigure(errors="replace")  # a terminal without our characters shows `?`
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = UNLIMITED
    return console


def print_line(console: Console, *parts: Text | str) -> None:
    """Print one line, cut at the edge of the terminal, without trailing blanks."""
    line = Text.assemble(*parts)
    line.rstrip()
    line.truncate(console.width, overflow="ellipsis")
    console.print(line, no_wrap=True, crop=False, overflow="ignore")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a list. A flexible one gives way when the terminal is narrow."""

    title: str
    cells: Sequence[Text]
    right: bool = False
    flexible: bool = False

    @property
    def width(self) -> int:
        """Columns of the terminal that it would like to have."""
        return max([cell_len(self.title), *(cell.cell_len for cell in self.cells)])


def print_columns(console: Console, columns: Sequence[Column]) -> None:
    """Print a list with a heading; only flexible columns are ever cut."""
    widths = fit_widths(columns, console.width)
    if console.width == UNLIMITED and not console.is_terminal:
        _write_columns(console, columns, widths)
        return
    titles = [Text(column.title, style="dim") for column in columns]
    for line in (titles, *zip(*(column.cells for column in columns), strict=True)):
        parts: list[Text] = []
        for column, cell, width in zip(columns, line, widths, strict=True):
            fitted = cell.copy()
            fitted.truncate(width, overflow="ellipsis")
            fitted.align("right" if column.right else "left", width)
            parts += [fitted, Text("  ")]
        print_line(console, *parts)


def _write_columns(console: Console, columns: Sequence[Column], widths: Sequence[int]) -> None:
    """The same without edge and colours: for lists of thousands, in a twentieth of the time."""
    titles = [Text(column.title) for column in columns]
    for line in (titles, *zip(*(column.cells for column in columns), strict=True)):
        padded = []
        for column, cell, width in zip(columns, line, widths, strict=True):
            blanks = " " * (width - cell.cell_len)
            padded.append(blanks + cell.plain if column.right else cell.plain + blanks)
        console.file.write("  ".join(padded).rstrip() + "\n")


def fit_widths(columns: Sequence[Column], width: int) -> list[int]:
    """Widths of columns, two blanks apart: the flexible ones share what the others leave."""
    room = width - 2 * (len(columns) - 1)
    room -= sum(column.width for column in columns if not column.flexible)
    waiting = sorted((c.width for c in columns if c.flexible), reverse=True)
    # Whoever needs less than an equal share leaves the rest to the others.
    share = 0
    while waiting:
        share = max(room // len(waiting), 8)
        if waiting[-1] >= share:
            break
        room -= waiting.pop()
    return [
        min(column.width, share) if column.flexible and waiting else column.width
        for column in columns
    ]


def plain(text: str) -> str:
    """Text on one line that cannot steer a terminal: control characters become escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def shorten_process(process: str, width: int) -> str:
    """A function's name without the outer modules that do not fit: `strategy.decide`."""
    while len(process) > width and "." in process:
        process = process.partition(".")[2]
    return process


def local_zone() -> tzinfo:
    """The machine's time zone."""
    return datetime.now().astimezone().tzinfo or UTC


def format_time(nanoseconds: int, zone: tzinfo, *, date: bool = True) -> str:
    """A moment with milliseconds: `2026-03-01 14:27:03.512`, or without its date.

    The zone is named once, by whoever prints it.
    """
    moment = to_datetime(nanoseconds, zone)
    text = moment.strftime("%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S")
    return f"{text}.{nanoseconds // 1_000_000 % 1000:03d}"


def name_zone(nanoseconds: int, zone: tzinfo) -> str:
    """The zone's name at a moment: `UTC`, `CEST`."""
    return to_datetime(nanoseconds, zone).tzname() or "UTC"


def to_datetime(nanoseconds: int, zone: tzinfo) -> datetime:
    """A moment, to the second (what is finer does not fit a float)."""
    return datetime.fromtimestamp(nanoseconds // 1_000_000_000, zone)


def draw_bar(start: int, duration: int, whole: int, width: int) -> str:
    """A bar of `width` columns in all, indented to its start; never empty.

    Args:
        start: Nanoseconds after the start of the whole.
        duration: Nanoseconds.
        whole: What `width` columns stand for, in nanoseconds.
        width: Columns, 1 or more.
    """
    scale = width / max(whole, 1)
    left = min(int(max(start, 0) * scale), width - 1)
    eighths = round(duration * scale * 8)
    full, rest = divmod(min(max(eighths, 1), (width - left) * 8), 8)
    return " " * left + "█" * full + (_PIECES[rest] if rest else "")


@dataclass(frozen=True, slots=True)
class Branch(Generic[T]):
    """A node of a tree with what is drawn before it."""

    item: T
    depth: int
    guide: str
    """Before its own line: `│  ├─ `."""
    below: str
    """Before lines of text below it, above its children: `│  │  `."""


def walk_tree(roots: Sequence[T], children: dict[int, list[T]]) -> Iterator[Branch[T]]:
    """The nodes of a tree, depth first; `children` is by `id()` of the parent."""
    stack: list[tuple[T, tuple[bool, ...]]] = [(root, ()) for root in reversed(roots)]
    while stack:
        item, path = stack.pop()
        below = children.get(id(item), [])
        guide, blank = _draw_guides(path, has_children=bool(below))
        yield Branch(item, len(path), guide, blank)
        for place, child in reversed(list(enumerate(below))):
            stack.append((child, (*path, place == len(below) - 1)))


def _draw_guides(path: tuple[bool, ...], *, has_children: bool) -> tuple[str, str]:
    """Guides of a node; `path` says of each node from the root on whether it is the last child."""
    hidden = max(len(path) - MOST_GUIDES, 0)
    drawn = path[hidden:]
    start = f"({len(path)}) " if hidden else ""
    above = "".join("   " if last else "│  " for last in drawn[:-1])
    own = ("└─ " if drawn[-1] else "├─ ") if drawn else ""
    after = ("   " if drawn[-1] else "│  ") if drawn else ""
    blank = " " * len(start) + above + after + ("│  " if has_children else "   ")
    return start + above + own, blank
