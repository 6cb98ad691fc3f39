"""A run is over when nobody of it lives, whether anybody said so or not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.forward.builders import Bot
from tradespan.core.process import process_start
from tradespan.forward.orphans import is_orphan
from tradespan.spool.folder import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def make_old(folder: RunFolder) -> None:
    os.utime(folder.path, (1_700_000_000, 1_700_000_000))


def test_run_whose_bot_lives_goes_on_though_it_has_recorded_nothing(folder: RunFolder) -> None:
    folder.describe(pid=os.getpid(), pid_start=process_start(os.getpid()))
    make_old(folder)
    assert not is_orphan(folder)


def test_run_whose_bot_and_supervisor_are_gone_is_over(folder: RunFolder) -> None:
    gone = subprocess.Popen(["true"])
    folder.describe(pid=gone.pid, pid_start=1, supervisor=gone.pid, supervisor_start=1)
    gone.wait()
    assert is_orphan(folder)


def test_process_that_records_keeps_a_run_whoever_began_it(folder: RunFolder) -> None:
    bot = Bot(folder.path)
    bot.record(1)
    make_old(folder)
    assert not is_orphan(folder)
    bot.close()
    bot.die()
    assert is_orphan(folder)


def test_run_that_never_said_who_it_is_has_a_minute_to(folder: RunFolder) -> None:
    assert not is_orphan(folder)
    make_old(folder)
    assert is_orphan(folder)
