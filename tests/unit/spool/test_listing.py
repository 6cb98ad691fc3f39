"""What is in a folder is listed anew when something changed, and only then."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tradespan.spool.folder import ENDED, RunFolder, replace_json
from tradespan.spool.listing import list_folder, mark_of

SEGMENT = f"{1:019d}-{'a' * 32}-o-000001.seg"


def settle(folder: Path) -> None:
    """Let it have changed an hour ago."""
    before = time.time_ns() - 3_600 * 10**9
    os.utime(folder, ns=(before, before))


def test_folder_that_has_not_changed_is_not_listed_again(tmp_path: Path) -> None:
    (tmp_path / "b").touch()
    (tmp_path / "a").touch()
    settle(tmp_path)
    listing = list_folder(str(tmp_path), None)
    assert listing.entries == ["a", "b"]
    assert list_folder(str(tmp_path), listing) is listing


def test_folder_that_changed_just_now_is_listed_each_time(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    listing = list_folder(str(tmp_path), None)
    stands = tmp_path.stat().st_mtime_ns
    (tmp_path / "b").touch()
    # A second change within one step of the file system's clock.
    os.utime(tmp_path, ns=(stands, stands))
    assert list_folder(str(tmp_path), listing).entries == ["a", "b"]


def test_file_that_comes_into_a_settled_folder_is_seen_at_once(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    settle(tmp_path)
    assert folder.segments() == []
    assert folder.ended is None
    (tmp_path / SEGMENT).touch()
    replace_json(tmp_path / ENDED, {"status": 0})
    assert [str(name) for name in folder.segments()] == [SEGMENT]
    assert folder.ended == {"status": 0}


def test_small_file_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    replace_json(tmp_path / ENDED, {"status": 0})
    settle(tmp_path)
    assert folder.ended == {"status": 0}
    replace_json(tmp_path / ENDED, {"status": 1})
    assert folder.ended == {"status": 1}
    (tmp_path / ENDED).unlink()
    assert folder.ended is None


def test_small_file_of_a_settled_folder_is_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path)
    replace_json(tmp_path / ENDED, {"status": 0})
    settle(tmp_path)
    assert folder.ended == {"status": 0}
    looked: list[str] = []
    real = os.stat

    def look(path: str, **how: bool) -> os.stat_result:
        looked.append(path)
        return real(path, **how)

    monkeypatch.setattr(os, "stat", look)
    assert folder.ended == {"status": 0}
    assert looked == [str(tmp_path)]


def test_who_asks_may_change_what_he_got(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    (tmp_path / SEGMENT).touch()
    settle(tmp_path)
    folder.entries().clear()
    folder.segments().clear()
    assert folder.entries() == [SEGMENT]
    assert len(folder.segments()) == 1


def test_folder_that_is_gone_has_no_mark_and_nothing_in_it(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    assert mark_of(gone) is None
    assert list_folder(gone, None).entries == []
