"""Pieces of Python modules, formatted as ruff would."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import NamedTuple

WIDTH = 100


class Call(NamedTuple):
    """`name(arguments)`."""

    name: str
    arguments: tuple[object, ...]


class Word(NamedTuple):
    """A name that stands there as it is."""

    text: str


def name_of(name: str) -> str:
    """`tradespan.function.calls` → `TRADESPAN_FUNCTION_CALLS`."""
    return name.replace(".", "_").upper()


def literal(value: object, indent: str = "", lead: str = "", end: str = ",") -> Iterator[str]:
    """The lines of a value: in one if it fits, else one item a line. `lead`: what stands before."""
    line = f"{indent}{lead}{spell(value)}{end}"
    if len(line) <= WIDTH or not isinstance(value, tuple | str):
        yield line
    elif isinstance(value, str):
        yield from _long_text(value, indent, lead, end)
    else:
        yield f"{indent}{lead}{value.name if isinstance(value, Call) else ''}("
        for each in value.arguments if isinstance(value, Call) else value:
            yield from literal(each, indent + "    ")
        yield f"{indent}){end}"


def _long_text(text: str, indent: str, lead: str, end: str) -> Iterator[str]:
    yield f"{indent}{lead}("
    room = WIDTH - len(indent) - 6
    words = textwrap.wrap(text, room, break_long_words=False, drop_whitespace=False)
    yield from (f"{indent}    {spell(each)}" for each in words)
    yield f"{indent}){end}"


def spell(value: object) -> str:
    """A value in one line, with double quotes."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, Word):
        return value.text
    if isinstance(value, Call):
        return f"{value.name}({', '.join(map(spell, value.arguments))})"
    if isinstance(value, tuple):
        inner = ", ".join(map(spell, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return repr(value)


def assign(head: str, arguments: tuple[object, ...], named: Mapping[str, object]) -> Iterator[str]:
    """`head(` with one argument a line, the named ones last."""
    yield f"{head}("
    for value in arguments:
        yield from literal(value, "    ")
    for name, value in named.items():
        yield from literal(value, "    ", f"{name}=")
    yield ")"


def docstring(text: str, indent: str = "") -> Iterator[str]:
    """One line if it fits, else wrapped, the quotes on the last line."""
    lines = textwrap.wrap(f'"""{text}"""', WIDTH - len(indent), break_long_words=False)
    yield from (indent + line for line in lines)
