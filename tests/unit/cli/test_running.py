"""`tradespan traces` and `tradespan trace` while a call has no end yet."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.store.builders import (
    CHECK,
    MILLISECOND,
    NOON,
    SECOND,
    SUBMIT,
    insert,
    make_exception,
    make_open,
    make_span,
    trace_hex,
)
from tradespan.cli import main
from tradespan.store.store import Store

PENDING = 0xABCD12 << 104 | 1
BROKEN = 0xABCD34 << 104 | 2
OVER = 0xFF << 120 | 3
NOW = NOON + 5 * SECOND


@pytest.fixture(autouse=True)
def five_seconds_past_noon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr(time, "time_ns", lambda: NOW)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with an order that is under way, one in a trace that failed, and one that is over."""
    monkeypatch.setenv("TRADESPAN_ROOT", str(tmp_path))
    timeout = make_exception(time=30 * MILLISECOND)
    with Store.open(tmp_path / "store.db") as store:
        insert(
            store,
            make_open(PENDING, 1, start=SECOND, arguments=["'AAPL'", 300]),
            make_span(PENDING, 2, 1, start=SECOND, duration=10 * MILLISECOND, site=CHECK),
            make_open(PENDING, 3, 1, start=SECOND + 15 * MILLISECOND, site=SUBMIT),
            make_span(BROKEN, 1, failed=True, events=[timeout]),
            make_open(BROKEN, 2, 1, start=MILLISECOND, site=SUBMIT),
            make_span(OVER, 1, start=-SECOND),
        )
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


def test_list_says_what_runs_and_for_how_long(capsys: pytest.CaptureFixture[str]) -> None:
    cells = [re.split(r"  +", line) for line in run(capsys, "traces").splitlines()[1:]]
    assert [cell[3:6] for cell in cells] == [
        ["running", "4.00 s", "3"],
        ["ERR, running", "5.00 s", "2"],
        ["OK", "1.0 ms", "1"],
    ]


def test_what_runs_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    shown = run(capsys, "traces", "--search", "status:running", "--json")
    rows = [json.loads(line) for line in shown.splitlines()]
    assert [(row["trace_id"], row["status"], row["running"], row["duration"]) for row in rows] == [
        (trace_hex(PENDING), "RUNNING", 2, 4 * SECOND),
        (trace_hex(BROKEN), "ERR", 1, 5 * SECOND),
    ]


TREE = """\
momentum_bot.strategy.decide  abcd1200000000000000000000000001
2026-03-01 12:00:01.000 UTC · running for 4.00 s · 3 spans, 2 running · no errors · momentum-bot

decide          running    4.00 s  ██████████████████████████████
├─ check_limits           10.0 ms  ██████████
└─ submit       running    3.98 s                 ███████████████
"""


def test_tree_marks_what_runs_and_draws_it_to_the_edge(capsys: pytest.CaptureFixture[str]) -> None:
    # What is known, 15 ms of 4 s, fills half of the bars' width.
    assert run(capsys, "trace", trace_hex(PENDING)) == TREE


def test_spans_in_json_say_that_they_run(capsys: pytest.CaptureFixture[str]) -> None:
    shown = run(capsys, "trace", trace_hex(PENDING), "--json")
    spans = [json.loads(line) for line in shown.splitlines()]
    assert [(span["running"], span["duration"]) for span in spans] == [
        (True, 4 * SECOND),
        (False, 10 * MILLISECOND),
        (True, 4 * SECOND - 15 * MILLISECOND),
    ]


@pytest.mark.parametrize("columns", [64, 80, 120, 200])
@pytest.mark.parametrize("arguments", [["traces"], ["trace", trace_hex(PENDING)]])
def test_lines_fit_a_terminal(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    columns: int,
    arguments: list[str],
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = run(capsys, *arguments)
    assert "\x1b[36mrunning" in shown or "\x1b[36m running" in shown
    bare = re.sub(r"\x1b\[[\d;]*m", "", shown)
    assert max(map(len, bare.splitlines())) <= columns
