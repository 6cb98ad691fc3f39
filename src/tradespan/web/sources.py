"""The source of a span: its function, and the lines around each place that an exception passed.

Lines that were captured with the exception are shown as they are. All others are read from their
file, and only while it is the very one that ran (`core.sourcefiles`).
"""

from __future__ import annotations

import inspect
import json
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tradespan.core.records import SourceFile
from tradespan.core.sourcefiles import SourceHidden, read_source
from tradespan.declare.names import TRADESPAN_EXCEPTION_SOURCE
from tradespan.store.rows import SpanDetail
from tradespan.web.details import EXCEPTION_EVENT, parse_frames

FindRoots = Callable[[str], Sequence[str] | None]
"""`service.instance.id` of a process → the folders that its run declared; None: no run is known."""

LONGEST_BODY = 80
"""Lines of a function that are shown."""
LINES_AROUND = 5
MOST_FRAMES = 20
_LONGEST_LINE = 400
INSTANCE = "service.instance.id"
PATH, LINE = "code.file.path", "code.line.number"
NO_RUN = "the run's folder is gone, which named the folders of its source"
_DEFINITION = re.compile(r"\s*(async\s+def|def|class)\b")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Some lines of a file, or why there are none."""

    path: str
    name: str
    line: int
    """The one to highlight: of the definition, or of the place that an exception passed."""
    first: int = 1
    """Number of the first line shown."""
    lines: list[str] = field(default_factory=list)
    why: str = ""
    """A sentence's end: `changed since`; empty where lines are shown."""
    captured: bool = False
    """The lines were recorded with the exception."""


def show_source(
    span: SpanDetail, trace: Iterable[SpanDetail], find_roots: FindRoots
) -> dict[str, Any]:
    """The function of a span and the frames of its exceptions, the innermost first, as JSON."""
    instance = span.resource.get(INSTANCE)
    files = _Files(find_roots(str(instance)) if instance else None)
    function = None
    if span.source is not None:
        line = span.attributes.get(LINE)
        function = _show_function(span, line if isinstance(line, int) else 1, span.source, files)
    known = {
        str(other.attributes.get(PATH)): other.source
        for other in (*trace, span)
        if other.source is not None and other.resource.get(INSTANCE) == instance
    }
    frames = [asdict(frame) for frame in _show_frames(span, known, files)]
    return {"function": function and asdict(function), "frames": frames}


class _Files:
    """Reads each file once a question."""

    def __init__(self, roots: Sequence[str] | None) -> None:
        self._roots = roots
        self._read: dict[SourceFile, list[str] | str] = {}

    def lines(self, source: SourceFile) -> list[str]:
        """The file's lines.

        Raises:
            SourceHidden: They are not shown.
        """
        if self._roots is None:
            raise SourceHidden(NO_RUN)
        known = self._read.get(source)
        if known is None:
            try:
                known = read_source(source, self._roots).removesuffix("\n").split("\n")
            except SourceHidden as hidden:
                known = str(hidden)
            self._read[source] = known
        if isinstance(known, str):
            raise SourceHidden(known)
        return known


def _show_function(span: SpanDetail, first: int, source: SourceFile, files: _Files) -> Excerpt:
    try:
        lines = files.lines(source)
    except SourceHidden as hidden:
        return Excerpt(source.path, span.process, first, why=str(hidden))
    body = _cut_block(lines[first - 1 : first + LONGEST_BODY])
    definition = next((at for at, text in enumerate(body) if _DEFINITION.match(text)), 0)
    return Excerpt(source.path, span.process, first + definition, first, _shorten(body))


def _cut_block(lines: list[str]) -> list[str]:
    """The block that the first line begins, decorators included; at most as long as is shown."""
    try:
        block = inspect.getblock([f"{line}\n" for line in lines])
    except (SyntaxError, tokenize.TokenError):  # it goes on below what is shown
        block = lines
    return lines[: min(len(block), LONGEST_BODY)]


def _show_frames(
    span: SpanDetail, known: Mapping[str, SourceFile | None], files: _Files
) -> Iterator[Excerpt]:
    """Frames whose lines were captured, or whose file is known; others are none of the run's."""
    shown: set[tuple[str, int]] = set()
    for event in span.events:
        if event.name != EXCEPTION_EVENT:
            continue
        captured = _read_captured(event.attributes.get(TRADESPAN_EXCEPTION_SOURCE))
        for frame in parse_frames(str(event.attributes.get("exception.stacktrace", ""))):
            place = frame["path"], frame["line"]
            source = known.get(frame["path"])
            if place in shown or len(shown) >= MOST_FRAMES:
                continue
            if place in captured:
                numbers = captured[place]
                first = min(numbers)
                lines = [numbers.get(number, "") for number in range(first, max(numbers) + 1)]
                yield Excerpt(
                    frame["path"], frame["name"], frame["line"], first, lines, captured=True
                )
            elif source is not None:
                yield _show_around(source, frame["name"], place[1], files)
            else:
                continue
            shown.add(place)


def _show_around(source: SourceFile, name: str, line: int, files: _Files) -> Excerpt:
    try:
        lines = files.lines(source)
    except SourceHidden as hidden:
        return Excerpt(source.path, name, line, why=str(hidden))
    first = max(line - LINES_AROUND, 1)
    return Excerpt(source.path, name, line, first, _shorten(lines[first - 1 : line + LINES_AROUND]))


def _read_captured(text: object) -> dict[tuple[str, int], dict[int, str]]:
    """`tradespan.exception.source`: (file, line) → its lines by number; what is strange is left."""
    found: dict[tuple[str, int], dict[int, str]] = {}
    try:
        for frame in json.loads(str(text or "[]")):
            lines = {int(number): str(line) for number, line in frame["source"].items()}
            if lines and max(lines) - min(lines) <= LONGEST_BODY:
                path = str(frame["file"]).replace("\\", "/")
                found[path, int(frame["line"])] = lines
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        pass
    return found


def _shorten(lines: list[str]) -> list[str]:
    return [
        line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…"
        for line in (line.rstrip("\r") for line in lines)
    ]
