"""`tradespan trace`: one trace as a tree."""

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
    SUBMIT,
    TRACER,
    insert,
    make_exception,
    make_span,
    trace_hex,
)
from tradespan.cli import main
from tradespan.core.records import Event, Failure, Frame
from tradespan.store.store import Store

TICK = 0xABCD12 << 104 | 1
OTHER = 0xABCD34 << 104 | 2
FILL = 0xFF << 120 | 3


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with a tick whose order failed in the venue's answer, and two small traces."""
    monkeypatch.setenv("TRADESPAN_ROOT", str(tmp_path))
    timeout = make_exception(time=30 * MILLISECOND)
    with Store.open(tmp_path / "store.db") as store:
        insert(
            store,
            make_span(TICK, 1, duration=40 * MILLISECOND, failed=True, events=[timeout],
                      arguments=["'AAPL'", 300]),
            make_span(TICK, 2, 1, start=MILLISECOND, duration=10 * MILLISECOND, site=CHECK,
                      arguments=["'AAPL'"], result=True),
            make_span(TICK, 3, 1, start=12 * MILLISECOND, duration=20 * MILLISECOND, site=SUBMIT,
                      arguments=["Order(side=BUY)"], failed=True, events=[timeout]),
            make_span(TICK, 4, 3, start=13 * MILLISECOND, duration=900, site=TRACER, name="POST"),
            make_span(OTHER, 1),
            make_span(FILL, 1, failed=True, status_message="x" * 300),
        )  # fmt: skip
    return tmp_path


def run_trace(
    capsys: pytest.CaptureFixture[str], *options: str, status: int = 0
) -> tuple[str, str]:
    assert main(["trace", *options]) == status
    captured = capsys.readouterr()
    return captured.out, captured.err


TREE = """\
momentum_bot.strategy.decide  abcd1200000000000000000000000001
2026-03-01 12:00:00.000 UTC · 40.0 ms · 4 spans · 2 errors · momentum-bot

decide          ERR   40.0 ms  ██████████████████████████████
│  momentum_bot.errors.ExchangeTimeout: no answer in 2.0 s
├─ check_limits       10.0 ms  ███████▌
└─ submit       ERR   20.0 ms           ███████████████
   │  momentum_bot.errors.ExchangeTimeout: no answer in 2.0 s
   │    /srv/bot/venue.py:7 send
   │    /srv/bot/execution.py:31 submit
   │  order = Order(side=BUY)
   └─ POST             900 ns           ▏
"""


def test_piped_tree_shows_durations_bars_and_the_failure(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown, _ = run_trace(capsys, trace_hex(TICK))
    assert shown == TREE


def test_unique_prefix_is_enough(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_trace(capsys, "abcd12")[0] == TREE
    assert run_trace(capsys, "ABCD12")[0] == TREE


def test_arguments_are_shown_on_request(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown, _ = run_trace(capsys, "abcd12", "--args")
    assert "│  symbol = 'AAPL'\n│  quantity = 300\n├─ check_limits" in shown
    assert "│     symbol = 'AAPL'\n│     result = True\n└─ submit" in shown
    shown, _ = run_trace(capsys, "abcd12", "--no-args")
    assert " = " not in shown


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_terminal_gets_colours_and_lines_that_fit(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    columns: int,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    shown, _ = run_trace(capsys, "abcd12")
    assert "\x1b[1;31msubmit\x1b[0m" in shown
    bare = re.sub(r"\x1b\[[\d;]*m", "", shown)
    assert max(map(len, bare.splitlines())) <= columns
    if columns >= 80:
        assert trace_hex(TICK) in bare
        assert "momentum_bot.errors.ExchangeTimeout: no answer in 2.0 s" in bare


def test_long_message_is_folded_in_a_terminal_and_whole_in_a_pipe(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"   {'x' * 300}\n" in run_trace(capsys, "ff00")[0]
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    shown, _ = run_trace(capsys, "ff00")
    assert shown.count("x") >= 300


def test_json_is_one_span_a_line(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown, _ = run_trace(capsys, "abcd12", "--json")
    spans = [json.loads(line) for line in shown.splitlines()]
    assert [span["name"] for span in spans] == ["decide", "check_limits", "submit", "POST"]
    assert spans[3]["parent_id"] == spans[2]["span_id"]
    assert (spans[0]["start"], spans[0]["status"]) == (NOON, "ERROR")
    assert spans[2]["attributes"]["tradespan.args.order"] == "Order(side=BUY)"
    (event,) = spans[2]["events"]
    assert event["attributes"]["exception.message"] == "no answer in 2.0 s"


@pytest.mark.parametrize(
    ("trace_id", "said"),
    [
        ("abcd", "several traces begin with abcd; near:\n  " + trace_hex(OTHER)),
        ("abc", "abc is too short: give 4 digits or more; near:"),
        ("abcd129", "no trace begins with abcd129; near:\n  " + trace_hex(TICK)),
        (trace_hex(0x12345), "no trace begins with"),
        ("tick", "tick is no trace id"),
        ("\x1b[2J", r"\x1b[2J is no trace id"),
    ],
)
def test_unknown_id_names_what_comes_near(
    root: Path, capsys: pytest.CaptureFixture[str], trace_id: str, said: str
) -> None:
    shown, complaint = run_trace(capsys, trace_id, status=1)
    assert shown == ""
    assert complaint.startswith("tradespan: " + said)


def test_missing_store_says_what_makes_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, complaint = run_trace(capsys, "abcd", "--root", str(tmp_path), status=1)
    assert "run `tradespan run …` first" in complaint


def test_frames_are_of_the_exception_that_came_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cause = Failure("OSError", "reset", [Frame("/srv/net.py", 1, "read")])
    outer = Failure(
        "VenueError", "", [Frame("/srv/a.py", 2, "f"), Frame("/srv/b.py", 3, "g")], cause
    )
    with Store.open(tmp_path / "store.db") as store:
        insert(store, make_span(TICK, 1, failed=True, events=[Event("exception", 1, {}, outer)]))
    shown, _ = run_trace(capsys, "abcd12", "--root", str(tmp_path))
    assert "   VenueError\n     /srv/b.py:3 g\n     /srv/a.py:2 f\n" in shown
    assert "net.py" not in shown


def test_deep_and_wide_traces_are_drawn_without_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deep = [make_span(TICK, n, n - 1, start=n) for n in range(1, 1500)]
    with Store.open(tmp_path / "store.db") as store:
        insert(store, *deep, make_span(TICK, 9000, 77_777, site=CHECK))
    shown, _ = run_trace(capsys, "abcd12", "--root", str(tmp_path))
    lines = shown.splitlines()[3:]
    assert len(lines) == 1500
    assert lines[-1].startswith("(1498) ")
    assert max(map(len, lines)) < 120
    assert sum(line.startswith("check_limits") for line in lines) == 1
