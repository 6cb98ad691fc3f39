"""What the agent removes: folders of runs that are long over."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.unit.forward.builders import Bot
from tests.unit.forward.roots import Root
from tests.unit.pages.builders import DECIDE, calls_in, leave_dead
from tradespan.pages.folding import MOST_DEAD
from tradespan.spool.folder import DRAINED, replace_json

EIGHT_DAYS_AGO = time.time() - 8 * 86_400


def finish(root: Root, name: str) -> Bot:
    bot = root.start(name, "store")
    bot.record(5)
    root.end(bot)
    root.step_until(lambda: (root.drained(bot) or {}).get("complete"))
    return bot


def age(bot: Bot) -> None:
    os.utime(bot.folder.path / DRAINED, (EIGHT_DAYS_AGO, EIGHT_DAYS_AGO))


def test_folder_delivered_over_a_week_ago_is_removed(root: Root) -> None:
    old, new = finish(root, "old"), finish(root, "new")
    age(old)
    root.step_until(lambda: not old.folder.path.exists())
    root.agent.step()
    assert new.folder.path.exists()
    assert (root.path / "runs").exists()


def test_pages_of_workers_that_come_and_go_become_one(root: Root) -> None:
    bot = root.start("prefork")
    for _ in range(MOST_DEAD + 1):
        leave_dead(bot.folder.path, DECIDE, 1)
    root.step_until(lambda: len(bot.folder.metric_pages()) == 1)
    assert calls_in(bot.folder.path) == {DECIDE.name: MOST_DEAD + 1}


def test_another_agent_removes_what_an_earlier_one_delivered(root: Root) -> None:
    old = finish(root, "old")
    age(old)
    root.agent.close()
    later = Root(root.path)
    later.step_until(lambda: not old.folder.path.exists())
    assert later.built == [], "nothing is opened for folders that are over"
    later.agent.close()


@pytest.mark.parametrize("reason", ["dead letters", "unbalanced", "alive", "not complete"])
def test_folder_in_which_something_matters_is_kept_however_old(root: Root, reason: str) -> None:
    bot = finish(root, "old")
    if reason == "dead letters":
        (bot.folder.path / "parked").mkdir()
    elif reason == "alive":
        Bot(bot.folder.path).record(1)
    else:
        books = root.drained(bot)
        assert books is not None
        if reason == "unbalanced":
            books["sinks"]["store"]["unaccounted"] = 1
        else:
            books["complete"] = False
        replace_json(bot.folder.path / DRAINED, books)
    age(bot)
    for _ in range(5):
        root.agent.step()
    assert bot.folder.path.exists()


def test_root_that_is_a_run_folder_itself_is_never_removed(tmp_path: Path) -> None:
    root = Root(tmp_path)
    bot = Bot(tmp_path)
    bot.folder.describe(pid=os.getpid(), destinations=[("store", "store")])
    bot.record(5)
    root.end(bot)
    root.step_until(lambda: (root.drained(bot) or {}).get("complete"))
    age(bot)
    for _ in range(5):
        root.agent.step()
    assert bot.folder.description
    root.agent.close()
