"""docs/durability.md says what the long runs found, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.matrix import OURS, ROWS
from tests.crash_long.page import PAGE, put_into
from tests.crash_long.results import Found, load, replace

PLAY: Found = {"row": "kill", "subject": "sdk", "recorded": 1_000, "lost": 488,
               "exit_seconds": 0.04, "date": "2026-11-21", "versions": "sdk 1"}  # fmt: skip


def test_tables_of_the_page_are_those_of_the_results() -> None:
    page = PAGE.read_text()
    assert put_into(page, load()) == page


def test_published_losses_of_ours_are_none() -> None:
    found = load()
    ours = [each for each in found["matrix"] if each["subject"] in OURS]
    assert {each["row"] for each in ours} == {row.key for row in ROWS}
    assert not any(each["failed"] for section in found.values() for each in section)


def test_cell_shows_range_and_number_of_runs() -> None:
    page = "".join(
        f"<!-- {section}: written by `make crash` -->\nold\n<!-- end of {section} -->\n"
        for section in ("matrix", "kills", "chaos", "burst")
    )
    written = put_into(page, {"matrix": [PLAY, {**PLAY, "lost": 1_000, "exit_seconds": 1.25}]})
    assert "| 49–100 % (n=2), 1.2 s |" in written
    assert "Measured 2026-11-21: sdk 1." in written
    assert "old" not in written
    assert written.count("Not run yet.") == 3


def test_page_without_a_place_for_a_table_is_not_written() -> None:
    with pytest.raises(ValueError, match="0 places for matrix"):
        put_into("# Words\n", {})


def test_new_run_replaces_its_own_measurements_only(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    keys = ("row", "subject")
    replace("matrix", keys, [PLAY, PLAY, {**PLAY, "subject": "logfire"}], path)
    replace("matrix", keys, [{**PLAY, "lost": 0}], path)
    assert [(each["subject"], each["lost"]) for each in load(path)["matrix"]] == [
        ("logfire", 488),
        ("sdk", 0),
    ]
