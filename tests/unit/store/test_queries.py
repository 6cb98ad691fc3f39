from __future__ import annotations

import re
from pathlib import Path

import pytest

from tradespan.store.queries import QUERIES, parse_queries

SOURCES = Path(__file__).parents[3] / "src" / "tradespan" / "store"


def test_every_query_is_used_and_every_used_one_exists() -> None:
    text = "\n".join(path.read_text() for path in SOURCES.glob("*.py"))
    used = set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', text))
    built = {
        f"{verb}-{table}" for verb in ("insert", "find") for table in ("resource", "scope", "site")
    }
    built |= {f"where-{bound}" for bound in ("since", "until", "minimum", "maximum")}
    assert set(QUERIES) - used - built == set()
    assert all(name in QUERIES for name in built)


def test_two_queries_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="one name: a"):
        parse_queries("-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;\n")


def test_queries_keep_their_comments_and_lose_their_semicolon() -> None:
    script = "-- head\n\n-- name: a\n-- why\nSELECT 1;\n\n-- name: b\nSELECT 2;\n"
    assert parse_queries(script) == {"a": "-- why\nSELECT 1", "b": "SELECT 2"}
