"""All SQL but the schema stands in `queries.sql`; here it gets its names."""

from __future__ import annotations

import re
from importlib import resources

_HEADER = re.compile(r"^-- name: (\S+)[ \t]*$", re.MULTILINE)


def read_script(name: str) -> str:
    """The text of one SQL file of this room."""
    return resources.files("tradespan.store").joinpath(name).read_text(encoding="utf-8")


def parse_queries(script: str) -> dict[str, str]:
    """The queries of a script by name; text before the first name is dropped.

    Raises:
        ValueError: Two queries have one name.
    """
    parts = _HEADER.split(script)[1:]
    names, bodies = parts[::2], [body.strip().rstrip(";") for body in parts[1::2]]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"queries with one name: {', '.join(sorted(twice))}")
    return dict(zip(names, bodies, strict=True))


QUERIES = parse_queries(read_script("queries.sql"))
"""Name → SQL, without the semicolon."""
