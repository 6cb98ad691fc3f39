"""A run's folder, its small files, and the root's lock."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from tests.unit.pages.orders import Process, order
from tests.unit.spool.builders import make_writer, python, resource_frame, write_segment
from tradespan.core.errors import SpoolUnavailable
from tradespan.spool import folder as folders
from tradespan.spool.folder import (
    DRAINED,
    ENDED,
    PROGRESS,
    RUN,
    RootLock,
    RunFolder,
    private_folder,
    read_json,
    replace_json,
    run_folders,
)

CHILDREN = "tests.unit.spool.children"


# ── small files ─────────────────────────────────────────────────────────────────────────────────


def test_replaced_file_is_private_and_leaves_nothing_beside(tmp_path: Path) -> None:
    replace_json(tmp_path / "x.json", {"a": 1})
    replace_json(tmp_path / "x.json", {"a": 2})
    assert read_json(tmp_path / "x.json") == {"a": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
    assert stat.S_IMODE((tmp_path / "x.json").stat().st_mode) == 0o600


def test_file_that_could_not_be_replaced_keeps_its_content(tmp_path: Path) -> None:
    replace_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(TypeError):
        replace_json(tmp_path / "x.json", {"a": object()})
    assert read_json(tmp_path / "x.json") == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_threads_that_replace_a_file_at_once_leave_one_of_the_contents(tmp_path: Path) -> None:
    def replace_often(who: int) -> None:
        for number in range(200):
            replace_json(tmp_path / "x.json", {"who": who, "number": number, "pad": "." * 500})

    threads = [threading.Thread(target=replace_often, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(500):
        content = read_json(tmp_path / "x.json")
        assert content is None or len(content["pad"]) == 500
    for thread in threads:
        thread.join()
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000, b"null"])
def test_file_with_anything_else_in_it_is_no_content(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    assert read_json(tmp_path / "x.json") is None


def test_link_and_pipe_are_no_content(tmp_path: Path) -> None:
    replace_json(tmp_path / "target.json", {"a": 1})
    (tmp_path / "link.json").symlink_to(tmp_path / "target.json")
    os.mkfifo(tmp_path / "pipe.json")
    assert read_json(tmp_path / "link.json") is None
    assert read_json(tmp_path / "pipe.json") is None


def test_description_is_read_anew_only_when_it_was_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []

    def count(path: Path) -> dict[str, object] | None:
        reads.append(path)
        return read_json(path)

    monkeypatch.setattr(folders, "read_json", count)
    folder = RunFolder(tmp_path)
    assert folder.description == {}
    folder.describe(service="bot")
    assert [folder.description["service"] for _ in range(5)] == ["bot"] * 5
    RunFolder(tmp_path).describe(service="other")
    assert folder.description["service"] == "other"
    assert folder.ended is None
    assert len(reads) == 3
    (tmp_path / RUN).unlink()
    assert folder.description == {}


# ── the folder ──────────────────────────────────────────────────────────────────────────────────


def test_new_folder_is_private_and_named_by_time_and_service(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "root", "my bot/..")
    assert folder.path.parent == tmp_path / "root" / "runs"
    assert folder.path.name.endswith(f"-my_bot_..-{os.getpid()}")
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    later = RunFolder.create(tmp_path / "root", "bot")
    assert [f.path for f in run_folders(tmp_path / "root")] == [folder.path, later.path]


def test_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uid = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    with pytest.raises(SpoolUnavailable, match="belongs to user"):
        private_folder(tmp_path)


def test_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(SpoolUnavailable, match="it is a file, not a folder"):
        private_folder(file)
    with pytest.raises(SpoolUnavailable, match=f"used: {file} is a file, not a folder"):
        private_folder(file / "below" / "that")


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EACCES, r"user \d+ may not write there \(Permission denied\)"),
        (errno.ENOSPC, r"its disk is full \(No space left on device\)"),
        (errno.EDQUOT, r"its disk is full \(Disk quota exceeded\)"),
        (errno.EROFS, r"Read-only file system"),
    ],
)
def test_folder_that_cannot_be_made_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, says: str
) -> None:
    def refuse(self: Path, **_: object) -> None:
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(SpoolUnavailable, match=f"cannot be used: {says}\\.$"):
        private_folder(tmp_path / "new")


def test_root_that_is_a_run_folder_itself_is_found_with_those_below(tmp_path: Path) -> None:
    RunFolder(tmp_path).describe(service="bot")
    below = RunFolder.create(tmp_path, "bot")
    (tmp_path / "runs" / "link").symlink_to(below.path)
    (tmp_path / "runs" / "file").write_text("")
    (tmp_path / "runs" / ".hidden").mkdir()
    assert [f.path for f in run_folders(tmp_path)] == [tmp_path, below.path]
    assert list(run_folders(tmp_path / "missing")) == []


def test_run_that_begins_in_a_used_folder_takes_away_what_ended_the_last_one(
    tmp_path: Path,
) -> None:
    folder = RunFolder(tmp_path)
    folder.describe(pid=1, service="bot")
    for name in (ENDED, DRAINED, PROGRESS):
        replace_json(tmp_path / name, {"complete": True})
    folder.describe(mode="live")
    assert folder.ended is not None
    folder.describe(pid=2)
    assert not any((tmp_path / name).exists() for name in (ENDED, DRAINED, PROGRESS))
    assert folder.description == {"pid": 2, "service": "bot", "mode": "live"}


def test_segments_are_listed_by_age_and_nothing_else_is(tmp_path: Path) -> None:
    made = write_segment(tmp_path, [resource_frame()])
    for name in (f".{made.name}", f"{made.name}.damaged", "x.seg", "run.json"):
        (tmp_path / name).write_text("")
    assert [str(name) for name in RunFolder(tmp_path).segments()] == [made.name]
    assert RunFolder(tmp_path / "missing").segments() == []


def test_removing_leaves_nothing_of_a_run_that_was_delivered(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "bot")
    folder.describe(service="bot")
    writer = make_writer(folder.path)
    writer.ordinary.append(16, 1, b"x")
    writer.close()
    for segment in folder.segments():
        (folder.path / str(segment)).unlink()
    passing = ("cursor-otlp-1.json", ".cursor-x.json.12.34", ".a.page", "exemplars.json")
    for name in (ENDED, DRAINED, PROGRESS, *passing):
        (folder.path / name).write_text("{}")
    assert folder.remove()
    assert not folder.path.exists()


def test_removing_keeps_a_folder_with_orders_that_somebody_may_take_over(tmp_path: Path) -> None:
    process = Process(tmp_path, "one", within=3_600)
    process.table.put(order())
    process.die()
    folder = RunFolder(process.writer.folder)
    assert folder.keeps_orders()
    assert not folder.remove()
    heir = Process(tmp_path, "two")
    assert heir.table.adopt() == [order()]
    (folder.path / f".{process.table.path.name}.2").touch()
    assert folder.remove()
    assert not folder.path.exists()
    assert not RunFolder(heir.writer.folder).remove(), "its process lives"


def test_removing_takes_orders_whose_time_is_over(tmp_path: Path) -> None:
    process = Process(tmp_path, "one", within=0)
    process.table.put(order())
    process.die()
    assert RunFolder(process.writer.folder).remove()


@pytest.mark.parametrize("kept", ["x.seg", "x.seg.damaged", "notes.txt", "parked"])
def test_removing_keeps_a_folder_in_which_something_else_is(tmp_path: Path, kept: str) -> None:
    folder = RunFolder.create(tmp_path, "bot")
    folder.describe(service="bot")
    (folder.path / kept).mkdir()
    assert not folder.remove()
    assert folder.description == {"service": "bot"}


# ── the root's lock ─────────────────────────────────────────────────────────────────────────────


def hold(root: Path) -> subprocess.Popen[bytes]:
    child = python("-m", CHILDREN, "hold_root", str(root))
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    return child


def test_lock_is_held_by_one_and_free_when_released(tmp_path: Path) -> None:
    first, second = RootLock(tmp_path), RootLock(tmp_path)
    assert first.is_free()
    assert first.holder() is None
    assert first.try_acquire()
    assert first.try_acquire()
    assert not second.try_acquire()
    assert not second.is_free()
    assert second.holder() == os.getpid()
    assert (first.held, second.held) == (True, False)
    first.release()
    first.release()
    assert second.try_acquire()
    second.release()


def test_lock_of_another_process_is_refused_and_free_when_that_is_killed(tmp_path: Path) -> None:
    lock = RootLock(tmp_path)
    with hold(tmp_path) as child:
        assert not lock.try_acquire()
        assert lock.holder() == child.pid
        child.kill()
        child.wait()
    assert lock.is_free()
    assert lock.holder() is None
    assert lock.try_acquire()
    assert lock.holder() == os.getpid()
    lock.release()


def test_looking_at_the_lock_never_keeps_it_from_who_wants_it(tmp_path: Path) -> None:
    # A supervisor looks twice a second; an agent that starts just then must not think it is late.
    lock, others = RootLock(tmp_path), RootLock(tmp_path)
    assert lock.try_acquire()
    lock.release()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            others.is_free()

    looking = threading.Thread(target=look)
    looking.start()
    got = []
    for _ in range(300):
        got.append(lock.try_acquire())
        lock.release()
    stop.set()
    looking.join()
    assert all(got)


def test_lock_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    with pytest.raises(SpoolUnavailable):
        RootLock(tmp_path / "missing").try_acquire()
    (tmp_path / "agent.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SpoolUnavailable):
        RootLock(tmp_path).try_acquire()


def test_holder_of_a_lock_with_anything_in_its_file_is_unknown(tmp_path: Path) -> None:
    lock = RootLock(tmp_path)
    assert lock.try_acquire()
    (tmp_path / "agent.lock").write_text(json.dumps({}))
    assert RootLock(tmp_path).holder() is None
    lock.release()
