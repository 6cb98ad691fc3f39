"""The ten rows of the loss matrix, with their times and our waits a tenth of the true ones.

`make crash` plays them in true time, for the peers as well: docs/durability.md.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.matrix import BY_KEY, ROWS, SHORT, Row, run_row

LONGEST_EXIT = 5.0
"""Seconds: far above what a slow machine makes of the one that is promised."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_nothing_that_was_acknowledged_is_lost(tmp_path: Path, row: Row) -> None:
    outcome = run_row(row, "tradespan", SHORT, tmp_path)
    assert outcome.recorded == row.count
    assert outcome.lost == 0, outcome
    assert outcome.exit_seconds < LONGEST_EXIT
    if row.status is not None:
        assert outcome.refused > 0


@pytest.mark.parametrize("key", ["kill", "down", "503-life"])
def test_nothing_is_lost_of_a_program_that_configures_itself(tmp_path: Path, key: str) -> None:
    outcome = run_row(BY_KEY[key], "tradespan-code", SHORT, tmp_path)
    assert (outcome.recorded, outcome.lost) == (1_000, 0), outcome
    assert outcome.exit_seconds < LONGEST_EXIT


def test_matrix_sees_a_loss(tmp_path: Path) -> None:
    """OpenTelemetry's SDK in the same driver: it keeps finished spans in memory."""
    outcome = run_row(BY_KEY["child"], "sdk", SHORT, tmp_path)
    assert (outcome.recorded, outcome.lost) == (1_000, 1_000), outcome
