"""Which folders a run declares for its source, and how the UI finds them again."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from pathlib import Path
from uuid import UUID

import pytest

from tests.unit.forward.builders import Bot
from tradespan.bootstrap.folders import find_source_roots, source_roots


def test_working_directory_script_and_own_paths_are_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here", "scripts", "library"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    installed = [sysconfig.get_path("purelib"), sysconfig.get_path("stdlib")]
    archive = tmp_path / "archive.zip"
    archive.touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path / "library"), *installed, str(archive), "/"])
    real = Path(os.path.realpath(tmp_path))
    assert source_roots(str(tmp_path / "scripts" / "bot.py")) == [
        str(real / name) for name in ("here", "scripts", "library")
    ]


def test_what_is_installed_is_none_of_the_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = Path(site.getsitepackages()[0])
    monkeypatch.setattr(sys, "path", [str(inside), *(str(each) for each in inside.glob("p*"))])
    assert not any(root.startswith(str(inside)) for root in source_roots(""))


def test_folder_that_is_a_link_is_declared_by_where_it_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "link")])
    assert os.path.realpath(tmp_path / "real") in source_roots("")
    assert str(tmp_path / "link") not in source_roots("")


def test_roots_are_found_by_the_process_that_recorded(tmp_path: Path) -> None:
    bots = [Bot(tmp_path / "runs" / name) for name in ("first", "second")]
    for bot in bots:
        bot.record(1)
        bot.folder.describe(source_roots=[f"/srv/{bot.folder.path.name}"])
    first, second = (str(UUID(bytes=bot.spool.identity)) for bot in bots)
    assert find_source_roots(tmp_path, first) == ["/srv/first"]
    assert find_source_roots(tmp_path, second) == ["/srv/second"]
    for unknown in (str(UUID(int=5)), "", "../../x", "host-1"):
        assert find_source_roots(tmp_path, unknown) is None
    for bot in bots:
        bot.close()


@pytest.mark.parametrize("told", [None, "/", 5])
def test_run_that_declared_nothing_has_no_roots(tmp_path: Path, told: object) -> None:
    bot = Bot(tmp_path / "runs" / "run")
    bot.record(1)
    bot.folder.describe(source_roots=told)
    assert find_source_roots(tmp_path, str(UUID(bytes=bot.spool.identity))) == []
    bot.close()
