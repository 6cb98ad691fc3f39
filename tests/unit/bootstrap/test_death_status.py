"""When the status bar says of a death, and for how long."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from tradespan.bootstrap.rootstatus import DEATH_BESIDE_LIFE, DEATH_SHOWN, RootStatus
from tradespan.bootstrap.ui import AgentStatus
from tradespan.forward.agent import STATUS, Agent
from tradespan.forward.death import LATEST
from tradespan.spool.folder import ENDED, RUN, RootLock, replace_json

NOTE: dict[str, Any] = {
    "how": "died",
    "main": True,
    "cause": "SIGSEGV",
    "open": [{"name": "bot.work", "trace_id": "ab" * 16}],
    "open_count": 1,
}


def death_shown(root: Path, age: float) -> tuple[str, str, str]:
    replace_json(root / LATEST, NOTE | {"time": time.time() - age})
    status = AgentStatus(Agent(root, lambda _: None, []))()
    return status.death, status.death_trace, status.death_title


def test_for_a_day_after_the_bot_is_gone(tmp_path: Path) -> None:
    said, trace, title = death_shown(tmp_path, 60.0)
    assert said.endswith("SIGSEGV, 1 call open")
    assert (trace, title) == ("ab" * 16, "bot.work")
    assert death_shown(tmp_path, DEATH_SHOWN + 60) == ("", "", "")


def test_for_minutes_beside_a_bot_that_runs(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "one"
    run.mkdir(parents=True)
    replace_json(run / RUN, {"service": "bot"})
    assert death_shown(tmp_path, 60.0)[0]
    assert death_shown(tmp_path, DEATH_BESIDE_LIFE + 60) == ("", "", "")


@pytest.mark.parametrize("content", ["{}", "[]", "", '{"how": "died", "main": 1, "time": "now"}'])
def test_a_file_that_says_nothing_is_no_death(tmp_path: Path, content: str) -> None:
    (tmp_path / LATEST).write_text(content)
    assert AgentStatus(Agent(tmp_path, lambda _: None, []))().death == ""


def test_a_ui_without_an_agent_says_of_it_too(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    replace_json(tmp_path / LATEST, NOTE | {"time": time.time() - 60})
    status = RootStatus(tmp_path)()
    assert status.death.endswith("SIGSEGV, 1 call open")
    assert (status.death_trace, status.bots) == ("ab" * 16, 0)


def test_a_ui_without_an_agent_knows_which_bots_run(tmp_path: Path) -> None:
    for name, ended in (("one", False), ("two", True)):
        run = tmp_path / "runs" / name
        run.mkdir(parents=True)
        replace_json(run / RUN, {"service": "bot", "began": 17.0})
        if ended:
            replace_json(run / ENDED, {"status": 0})
    status = RootStatus(tmp_path)()
    assert (status.bots, status.since) == (1, 17_000_000_000)


def test_a_ui_without_an_agent_repeats_what_the_roots_agent_says(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    backlog = {"run": "one", "folder": "", "sink": "otlp", "address": "", "waiting": 9_000}
    backlog |= {"threshold": 8_000, "oldest": 1.0, "cause": "timeout", "number": 1}
    told = {
        "pid": os.getpid(),
        "sinks": {"store": {"undelivered": 3, "queue_warnings": 0}},
        "backlogs": [backlog | {"sentence": "9,000 records wait"}],
    }
    replace_json(tmp_path / STATUS, told)
    assert RootStatus(tmp_path)().waiting is None, "no agent serves: what one left is outdated"

    lock = RootLock(tmp_path)
    assert lock.try_acquire()
    try:
        status = RootStatus(tmp_path)()
    finally:
        lock.release()
    assert status.waiting == 3
    assert [(each.sink, each.waiting) for each in status.backlogs] == [("otlp", 9_000)]


def test_a_store_that_lies_in_no_root_says_nothing_of_bots(tmp_path: Path) -> None:
    assert RootStatus(tmp_path)().bots is None
