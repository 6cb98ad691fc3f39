"""The orders that a dead process left, as the story of its death has them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.fakes import NOON, SECOND
from tests.unit.pages.orders import Process, order
from tradespan.forward.openorders import (
    MOST_LISTED,
    describe_open_orders,
    find_open_orders,
    leaves_of,
)
from tradespan.spool.folder import RunFolder


def test_orders_are_found_by_writer_also_after_another_process_took_them_over(
    tmp_path: Path,
) -> None:
    dead = Process(tmp_path, "one")
    dead.table.put(order("A"))
    folder, writer = RunFolder(dead.writer.folder), dead.writer.identity.hex()
    assert find_open_orders(folder, os.getpid(), writer) == [], "it lives"
    dead.die()
    assert find_open_orders(folder, 1, writer) == [order("A")]
    assert find_open_orders(folder, os.getpid(), "0" * 32) == []
    Process(tmp_path, "two").table.adopt()
    assert find_open_orders(folder, 1, writer) == [order("A")]


def test_of_one_process_id_the_latest_process_is_meant(tmp_path: Path) -> None:
    first, second = Process(tmp_path, "one"), Process(tmp_path, "one")
    first.table.put(order("A"))
    second.writer.clock.step(1)  # type: ignore[attr-defined]
    second.table.put(order("B"))
    first.die()
    second.die()
    folder = RunFolder(first.writer.folder)
    assert find_open_orders(folder, os.getpid()) == [order("B")]
    assert find_open_orders(folder, os.getpid() + 1) == []


def test_a_note_counts_all_lists_the_first_and_is_json() -> None:
    rows = [order(f"{n}", submitted=NOON, symbol="A\x1bB") for n in range(MOST_LISTED + 3)]
    told = json.loads(json.dumps(describe_open_orders(rows, NOON + 90 * SECOND)))
    assert told["orders_count"] == MOST_LISTED + 3
    assert len(told["orders"]) == MOST_LISTED
    first = told["orders"][0]
    assert (first["client_id"], first["symbol"], first["age"]) == ("0", "A B", 90.0)
    assert first["span_id"] == "fedcba9876543210"
    unknown = order(submitted=0, trace_id=bytes(16), span_id=0)
    (row,) = describe_open_orders([unknown], NOON)["orders"]
    assert (row["age"], row["trace_id"], row["span_id"]) == (None, "", "")


@pytest.mark.parametrize(
    ("quantity", "cumulative", "leaves"),
    [
        ("1.250", "0.5", "0.750"),
        ("1", "", "1"),
        ("1e3", "1", "999"),
        ("0.1", "0.3", "-0.2"),
        ("", "1", ""),
        ("NaN", "1", ""),
        ("sNaN", "1", ""),
        ("inf", "inf", ""),
        ("some", "1", ""),
    ],
)
def test_what_still_stands_is_exact_or_nothing(quantity: str, cumulative: str, leaves: str) -> None:
    assert leaves_of(order(quantity=quantity, cumulative=cumulative)) == leaves
