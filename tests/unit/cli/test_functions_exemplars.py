"""From a function's buckets to the traces of kept calls, as `tradespan functions` shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.test_functions import objects, root, run_functions
from tests.unit.pages.builders import CHECK, DECIDE, MILLISECOND
from tradespan.forward.exemplars import place_of
from tradespan.spool.folder import EXEMPLARS, replace_json, run_folders

__all__ = ["root"]


@pytest.fixture
def traced(root: Path) -> Path:
    """The same root; of the check's calls in each run, one was kept as an exemplar."""
    for number, folder in enumerate(run_folders(root), start=1):
        exemplar = {
            "value": 3 * MILLISECOND,
            "trace_id": f"{number:032x}",
            "span_id": f"{number:016x}",
            "time": number,
            "writer": "ab" * 16,
        }
        fast = {**exemplar, "value": 15_000, "trace_id": f"{9:032x}"}
        facts = {"name": CHECK.name, "group": CHECK.process_group, "attributes": []}
        entry = {**facts, "exemplars": [fast, exemplar]}
        replace_json(folder.path / EXEMPLARS, {"functions": [entry]})
    return root


def test_json_has_the_latest_exemplar_of_each_bucket_over_all_runs(
    traced: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed, _ = run_functions(capsys, "--json")
    rows = objects(printed)
    assert rows[CHECK.name]["exemplars"] == [
        {
            "bucket": place_of(value),
            "value_ns": value,
            "trace_id": trace_id,
            "span_id": f"{2:016x}",
            "time_ns": 2,
        }
        for value, trace_id in ((15_000, f"{9:032x}"), (3 * MILLISECOND, f"{2:032x}"))
    ]
    assert rows[DECIDE.name]["exemplars"] == []


def test_slowest_adds_the_trace_of_the_slowest_bucket_that_has_an_exemplar(
    traced: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, _ = run_functions(capsys)
    printed, _ = run_functions(capsys, "--slowest")
    assert "Slowest" not in plain
    header, check, decide, _ = printed.splitlines()
    assert header.endswith("Slowest")
    assert check.endswith(f"{2:032x}")
    assert decide.split()[0] == DECIDE.name
    assert "0" * 20 not in decide
    assert not decide.endswith("0")
