"""A file that grows is rotated by size and by day, compressed, and kept for a while."""

from __future__ import annotations

import gzip
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.sinks.log_files import messages
from tradespan.sinks.rotation import GrowingFile, Rotation, compress, delete_old, find_backups

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Hours:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


def test_a_file_is_rotated_before_it_would_be_too_large_and_compressed(tmp_path: Path) -> None:
    file = GrowingFile(tmp_path / "bot.jsonl", Rotation(1_000, keep_files=None), Hours())
    for number in range(30):
        file.ready()
        line = f'{{"message":"{number}"{" " * 80}}}\n'.encode()
        if file.is_due(len(line)):
            file.rotate()
        assert file.append(memoryview(line)) == len(line)
        assert file.size <= 1_000
    file.wait()
    file.tidy()
    file.end()
    backups = find_backups(file.path)
    assert len(backups) == 2
    assert {backup.path.suffix for backup in backups} == {".gz"}
    assert messages(file.path) == list(range(30))


def test_a_file_is_rotated_at_midnight_utc(tmp_path: Path) -> None:
    clock = Hours()
    file = GrowingFile(tmp_path / "bot.jsonl", Rotation(), clock)
    file.ready()
    assert not file.is_due(5)
    file.append(memoryview(b"first"))
    clock.time += timedelta(hours=11, minutes=59)
    assert not file.is_due(5)
    clock.time += timedelta(minutes=1)
    assert file.is_due(5)
    file.rotate()
    assert not file.is_due(5)
    file.end()
    (backup,) = find_backups(file.path)
    assert backup.path.name.startswith("bot-20261122T000000.000000Z.jsonl")


def test_a_file_of_yesterday_is_rotated_by_the_next_agent(tmp_path: Path) -> None:
    path = tmp_path / "bot.jsonl"
    path.write_bytes(b"old\n")
    yesterday = (NOON - timedelta(days=1)).timestamp()
    os.utime(path, (yesterday, yesterday))
    file = GrowingFile(path, Rotation(), Hours())
    file.ready()
    assert file.is_due(1)
    file.end()


def test_rotated_files_keep_their_mode_and_sort_by_time_whatever_the_clock_does(
    tmp_path: Path,
) -> None:
    clock = Hours()
    file = GrowingFile(tmp_path / "bot.jsonl", Rotation(1, keep_files=None), clock)
    file.ready()
    file.path.chmod(0o640)
    for number in range(4):
        file.append(memoryview(f'{{"message":"{number}"}}\n'.encode()))
        clock.time -= timedelta(minutes=1)
        file.rotate()
    file.wait()
    file.tidy()
    file.end()
    assert messages(file.path) == [0, 1, 2, 3]
    assert {each.path.stat().st_mode & 0o777 for each in find_backups(file.path)} == {0o640}
    assert file.path.stat().st_mode & 0o777 == 0o640


def test_who_follows_the_name_sees_each_line_once(tmp_path: Path) -> None:
    """As `tail -F`: the open file to its end, then the one that has the name."""
    file = GrowingFile(tmp_path / "bot.jsonl", Rotation(100, keep_files=None), Hours())
    file.ready()
    seen = b""
    reader = file.path.open("rb")
    for number in range(40):
        line = f"{number}\n".encode() * 5
        file.ready()
        if file.is_due(len(line)):
            file.rotate()
        file.append(memoryview(line))
        if number % 3:
            seen += reader.read()
            if not os.path.samestat(os.fstat(reader.fileno()), file.path.stat()):
                reader.close()
                reader = file.path.open("rb")
                seen += reader.read()
    reader.close()
    file.end()
    assert seen.split() == [b"%d" % number for number in range(39) for _ in range(5)]


def make_backups(folder: Path, days: int) -> Path:
    for number in range(1, days + 1):
        time = NOON - timedelta(days=number)
        (folder / f"bot-{time:%Y%m%dT%H%M%S.%fZ}.jsonl.gz").write_bytes(b"x" * 100)
    (folder / "bot-notes.jsonl").write_text("not ours")
    return folder / "bot.jsonl"


@pytest.mark.parametrize(
    ("rotation", "kept"),
    [
        (Rotation(keep_files=5, keep_age=None), 5),
        (Rotation(keep_files=None, keep_age=30 * 86_400.0), 30),
        (Rotation(keep_bytes=1_050, keep_files=None, keep_age=None), 10),
        (Rotation(keep_bytes=1_050, keep_files=None, keep_age=3 * 86_400.0), 3),
        (Rotation(keep_files=None, keep_age=None), 40),
    ],
)
def test_the_newest_rotated_files_are_kept(tmp_path: Path, rotation: Rotation, kept: int) -> None:
    path = make_backups(tmp_path, 40)
    before = [backup.path for backup in find_backups(path)]
    delete_old(path, rotation, NOON)
    assert [backup.path for backup in find_backups(path)] == before[-kept:]
    assert (tmp_path / "bot-notes.jsonl").exists()


def test_a_compression_that_was_cut_short_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "bot.jsonl"
    backup = tmp_path / f"bot-{NOON:%Y%m%dT%H%M%S.%fZ}.jsonl"
    backup.write_bytes(b"line\n" * 100)
    part = tmp_path / f".{backup.name}.gz.part"
    part.write_bytes(b"half")
    stopped = threading.Event()
    stopped.set()
    assert not compress(backup, stopped)
    assert backup.exists()
    file = GrowingFile(path, Rotation(), Hours())
    file.ready()
    file.wait()
    file.end()
    (found,) = find_backups(path)
    assert gzip.decompress(found.path.read_bytes()) == b"line\n" * 100
    assert not part.exists()


def test_a_crash_between_compressing_and_deleting_leaves_each_line_once(tmp_path: Path) -> None:
    backup = tmp_path / f"bot-{NOON:%Y%m%dT%H%M%S.%fZ}.jsonl"
    backup.write_bytes(b"line\n")
    backup.with_name(f"{backup.name}.gz").write_bytes(gzip.compress(b"line\n"))
    file = GrowingFile(tmp_path / "bot.jsonl", Rotation(), Hours())
    file.ready()
    file.wait()
    file.end()
    assert [each.path.suffix for each in find_backups(file.path)] == [".gz"]
