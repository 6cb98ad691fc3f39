"""When the status bar says of a death, and for how long."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tradespan.bootstrap.ui import DEATH_BESIDE_LIFE, DEATH_SHOWN, AgentStatus
from tradespan.forward.agent import Agent
from tradespan.forward.death import LATEST
from tradespan.spool.folder import RUN, replace_json

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
