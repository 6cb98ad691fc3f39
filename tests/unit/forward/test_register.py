"""Which folders there are: looked at when something changed, not each time."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tradespan.forward import register as registers
from tradespan.forward.register import FolderRegister
from tradespan.spool.folder import DRAINED, RunFolder, replace_json, run_folders


@pytest.fixture
def lists(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Each look at the list of folders."""
    looked: list[Path] = []

    def count(root: Path) -> Iterator[RunFolder]:
        looked.append(root)
        return run_folders(root)

    monkeypatch.setattr(registers, "run_folders", count)
    return looked


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registers, "_LOOK_AGAIN", 0.0)


def names(register: FolderRegister) -> list[str]:
    return [folder.path.name for folder in register.open_folders()]


def add(root: Path, name: str, *, complete: bool | None = None) -> RunFolder:
    folder = RunFolder(root / "runs" / name)
    folder.path.mkdir(parents=True)
    folder.describe(service="bot")
    if complete is not None:
        replace_json(folder.path / DRAINED, {"complete": complete, "sinks": {}})
    return folder


def test_folders_that_come_and_go_are_seen_at_once(tmp_path: Path) -> None:
    register = FolderRegister(tmp_path)
    assert names(register) == []
    first = add(tmp_path, "a")
    assert names(register) == ["a"]
    add(tmp_path, "b")
    assert names(register) == ["a", "b"]
    shutil.rmtree(first.path)
    assert names(register) == ["b"]
    RunFolder(tmp_path).describe(service="bot")
    assert names(register) == [tmp_path.name, "b"]


def test_unchanged_root_is_not_listed_again(tmp_path: Path, lists: list[Path]) -> None:
    register = FolderRegister(tmp_path)
    add(tmp_path, "a")
    for _ in range(10):
        assert names(register) == ["a"]
    assert len(lists) == 1


def test_folder_stays_the_same_object_so_that_what_it_has_read_is_known(tmp_path: Path) -> None:
    register = FolderRegister(tmp_path)
    add(tmp_path, "a")
    (before,) = register.open_folders()
    add(tmp_path, "b")
    assert register.open_folders()[0] is before


def test_folder_that_an_earlier_agent_drained_is_closed_from_the_start(tmp_path: Path) -> None:
    add(tmp_path, "drained", complete=True)
    add(tmp_path, "left", complete=False)
    assert names(FolderRegister(tmp_path)) == ["left"]


def open_segment(folder: RunFolder) -> None:
    (folder.path / f"{1:019d}-{'a' * 32}-o-000001.seg").write_bytes(b"")


def begin_again(folder: RunFolder) -> None:
    folder.describe(pid=1)


@pytest.mark.parametrize("change", [open_segment, begin_again])
def test_closed_folder_is_opened_again_when_there_is_something_new(
    tmp_path: Path, at_once: None, change: Callable[[RunFolder], None]
) -> None:
    folder = add(tmp_path, "a", complete=True)
    register = FolderRegister(tmp_path)
    assert names(register) == []
    change(folder)
    assert names(register) == ["a"]


def test_closed_folder_in_which_nothing_matters_changes_stays_closed(
    tmp_path: Path, at_once: None
) -> None:
    folder = add(tmp_path, "a", complete=True)
    register = FolderRegister(tmp_path)
    replace_json(folder.path / "cursor-late.json", {})
    assert names(register) == []


def test_register_of_one_folder_knows_no_other(tmp_path: Path) -> None:
    only = add(tmp_path, "a")
    add(tmp_path, "b")
    assert names(FolderRegister(tmp_path, only)) == ["a"]


def test_delivered_runs_that_are_too_many_go_oldest_first(tmp_path: Path) -> None:
    for name in ("b", "d", "a", "c"):
        add(tmp_path, name, complete=True)
    kept = add(tmp_path, "0", complete=False)
    register = FolderRegister(tmp_path)
    assert names(register) == ["0"]

    assert [each.path.name for each in register.remove_drained(0.0, most=2)] == ["a", "b"]
    assert sorted(path.name for path in kept.path.parent.iterdir()) == ["0", "c", "d"]
