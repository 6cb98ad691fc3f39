"""Deaths in words: of notes that an agent wrote, and of files that may hold anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tradespan.cli import main
from tradespan.spool.deaths import is_alarming, name_calls, say_death, trace_of
from tradespan.spool.folder import RUN, replace_json

TRACE = "ab" * 16
NOTE: dict[str, Any] = {
    "pid": 7,
    "main": True,
    "run": "one",
    "service": "bot",
    "time": 1_772_366_400.25,
    "how": "died",
    "cause": "SIGSEGV",
    "signal": "SIGSEGV",
    "open": [
        {"name": "bot.work", "trace_id": TRACE},
        {"name": "bot.submit", "trace_id": TRACE},
    ],
    "open_count": 2,
    "log": ["INFO sent"],
    "fault": ["Fatal Python error: Segmentation fault", "", "Current thread 0x1"],
    "exception": {"type": "E", "message": "m", "frames": [["bot.py", "3", "work"]]},
}


def test_a_note_in_a_sentence() -> None:
    assert say_death(NOTE) == "died 12:00:00 UTC, SIGSEGV, 2 calls open"
    assert say_death(NOTE | {"open_count": 1}).endswith(", 1 call open")
    assert say_death(NOTE | {"how": "ended", "open_count": 0}) == "ended 12:00:00 UTC, SIGSEGV"
    assert name_calls(NOTE) == "bot.work, bot.submit"
    assert trace_of(NOTE) == TRACE


@pytest.mark.parametrize(
    "note",
    [
        {},
        {"time": "x", "open": 7, "open_count": [], "cause": None, "how": 0},
        {"time": -1, "open": [1, {"name": "\x1b[2J", "trace_id": "../../etc"}]},
        {"time": 1e300, "open": [{}]},
    ],
)
def test_anything_is_said_without_an_error_or_a_control_character(note: dict[str, Any]) -> None:
    assert say_death(note).isprintable()
    assert name_calls(note).isprintable()
    assert trace_of(note) == ""
    assert not is_alarming(note)


@pytest.mark.parametrize(
    ("changes", "alarming"),
    [
        ({}, True),
        ({"signal": ""}, True),
        ({"main": False}, True),
        ({"main": False, "signal": ""}, False),
        ({"how": "stopped"}, False),
        ({"how": "ended"}, False),
    ],
)
def test_what_is_said_unasked(changes: dict[str, Any], alarming: bool) -> None:
    assert is_alarming(NOTE | changes) == alarming


def write(root: Path, run: str, note: dict[str, Any]) -> None:
    folder = root / "runs" / run
    folder.mkdir(parents=True, exist_ok=True)
    replace_json(folder / RUN, {"service": "bot"})
    replace_json(folder / f"death-{len(list(folder.iterdir()))}.json", note)


def test_the_command_lists_the_latest_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "a", NOTE)
    write(tmp_path, "b", NOTE | {"time": NOTE["time"] + 60, "cause": "SIGKILL", "fault": []})
    write(tmp_path, "b", {"time": "none"})
    assert main(["deaths", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "bot (process 7) died 12:01:00 UTC, SIGKILL, 2 calls open",
        "  in: bot.work, bot.submit",
        f"  tradespan trace {TRACE}",
        "  E: m",
        "    bot.py:3 in work",
        "  INFO sent",
        "bot (process 7) died 12:00:00 UTC, SIGSEGV, 2 calls open",
        "  in: bot.work, bot.submit",
        f"  tradespan trace {TRACE}",
        "  E: m",
        "    bot.py:3 in work",
        "  INFO sent",
        "  Fatal Python error: Segmentation fault",
        "  Current thread 0x1",
    ]
    assert main(["deaths", "--root", str(tmp_path), "--json", "--limit", "1"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["cause"] == "SIGKILL"


def test_nothing_died(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deaths", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().err == f"tradespan: no process of a run below {tmp_path} died\n"
