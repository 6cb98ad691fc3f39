"""The text of a captured exception: Python's own form, but for the source lines.

Source: Python 3.11's `traceback.TracebackException.format` and `StackSummary.format`; attribute
names from OpenTelemetry's semantic conventions, "Exceptions on spans" (`exception.escaped` is text,
as OpenTelemetry's SDK writes it).

Source lines are not read from disk: another version of the file may lie there by now.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from textwrap import indent

import msgspec

from tradespan.core.records import AttributeValue, Failure, Frame
from tradespan.declare.names import TRADESPAN_EXCEPTION_LOCALS, TRADESPAN_EXCEPTION_SOURCE

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"
_REPEATS_SHOWN = 3
_MOST_MEMBERS = 15
_MOST_NESTED = 10


def exception_attributes(failure: Failure) -> dict[str, AttributeValue]:
    """`exception.type`, `.message`, `.stacktrace`, `.escaped`; ours for variables and source lines,
    where they were captured.
    """
    rendered: dict[str, AttributeValue] = {
        "exception.type": failure.type,
        "exception.message": failure.message,
        "exception.stacktrace": render_stacktrace(failure),
        "exception.escaped": str(failure.escaped),
    }
    frames = [(link, frame) for link in _linked(failure) for frame in with_files(link.frames)]
    with_variables = [
        {**_place(*place), "variables": place[1].variables}
        for place in frames
        if place[1].variables
    ]
    with_source = [
        {**_place(*place), "source": place[1].source} for place in frames if place[1].source
    ]
    if with_variables:
        rendered[TRADESPAN_EXCEPTION_LOCALS] = _as_json(with_variables)
    if with_source:
        rendered[TRADESPAN_EXCEPTION_SOURCE] = _as_json(with_source)
    return rendered


def with_files(frames: Sequence[Frame]) -> list[Frame]:
    """The frames, each with its file: one that names none is in the file of the frame before."""
    filled: list[Frame] = []
    for frame in frames:
        if not frame.file and filled:
            frame = msgspec.structs.replace(frame, file=filled[-1].file)  # noqa: PLW2901
        filled.append(frame)
    return filled


def _linked(failure: Failure) -> Iterator[Failure]:
    """The failure, its causes, contexts and members, in the order of their discovery."""
    waiting = [failure]
    while waiting:
        link = waiting.pop()
        yield link
        waiting += [*reversed(link.members), *filter(None, (link.context, link.cause))]


def _place(link: Failure, frame: Frame) -> dict[str, object]:
    return {
        "exception": link.type,
        "file": frame.file,
        "line": frame.line,
        "function": frame.name,
    }


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def render_stacktrace(failure: Failure) -> str:
    """The traceback as text: causes and contexts first, members of groups indented below."""
    return "".join(_Printer().lines(failure))


class _Printer:
    """One traceback being printed; `depth` is that of the exception groups around."""

    def __init__(self) -> None:
        self.depth = 0
        self.closes = False
        """Whether the frame below the last member is still to be drawn: the innermost does it."""

    def lines(self, failure: Failure) -> Iterator[str]:
        for introduction, link in reversed(list(_chain(failure))):
            yield from self._emit(introduction)
            if not link.members:
                yield from self._exception(link, "Traceback")
            elif self.depth > _MOST_NESTED:
                yield from self._emit(f"... (max_group_depth is {_MOST_NESTED})\n")
            else:
                yield from self._group(link)

    def _exception(self, failure: Failure, title: str, margin: str = "|") -> Iterator[str]:
        if failure.frames:
            yield from self._emit(f"{title} (most recent call last):\n", margin)
            for line in _stack(with_files(failure.frames)):
                yield from self._emit(line)
        kind = failure.type.removeprefix("__main__.")
        yield from self._emit(f"{kind}: {failure.message}\n" if failure.message else f"{kind}\n")
        for note in failure.notes:
            yield from self._emit(f"{note}\n")

    def _group(self, group: Failure) -> Iterator[str]:
        outermost = self.depth == 0
        if outermost:
            self.depth = 1
        yield from self._exception(group, "Exception Group Traceback", "+" if outermost else "|")
        shown = group.members[:_MOST_MEMBERS]
        left_out = len(group.members) - len(shown)
        self.closes = False
        for number, member in enumerate(shown, start=1):
            last = number == len(shown) and not left_out
            yield from self._member(str(number), number == 1, last, self.lines(member))
        if left_out:
            said = self._emit_below(f"and {left_out} more exception{'s' * (left_out > 1)}\n")
            yield from self._member("...", False, True, said)
        if outermost:
            self.depth = 0

    def _member(self, title: str, first: bool, last: bool, lines: Iterable[str]) -> Iterator[str]:
        if last:
            self.closes = True
        corner = "+-" if first else "  "
        yield f"{self._margin()}{corner}+---------------- {title} ----------------\n"
        self.depth += 1
        yield from lines
        if last and self.closes:
            yield f"{self._margin()}+------------------------------------\n"
            self.closes = False
        self.depth -= 1

    def _emit_below(self, text: str) -> Iterator[str]:
        yield from self._emit(text)

    def _emit(self, text: str, margin: str = "|") -> Iterator[str]:
        if text:
            prefix = f"{self._margin()}{margin} " if self.depth else ""
            yield indent(text, prefix, lambda _: True) if prefix else text

    def _margin(self) -> str:
        return "  " * self.depth


def _chain(failure: Failure) -> Iterator[tuple[str, Failure]]:
    """The exception and what came before it, each with the words that lead over to it."""
    link: Failure | None = failure
    while link is not None:
        if link.cause is not None:
            yield _CAUSE, link
            link = link.cause
        elif link.context is not None:
            yield _CONTEXT, link
            link = link.context
        else:
            yield "", link
            link = None


def _stack(frames: Iterable[Frame]) -> Iterator[str]:
    """A line for each frame; of a recursion's equal frames, three and the number of the others."""
    for frame, same in groupby(frames):
        repeats = len(list(same))
        yield _line(frame) * min(repeats, _REPEATS_SHOWN)
        more = repeats - _REPEATS_SHOWN
        if more > 0:
            yield f"  [Previous line repeated {more} more time{'s' * (more > 1)}]\n"


def _line(frame: Frame) -> str:
    if frame.line:
        return f'  File "{frame.file}", line {frame.line}, in {frame.name}\n'
    return f"  {frame.file} {frame.name}\n"  # what the capture left out: "… 12 more frames"
