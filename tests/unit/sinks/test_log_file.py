"""Lines of JSON: each record once, whatever ends the agent when; rotated, compressed, kept."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.sinks.log_files import messages
from tradespan.core.delivery import Accepted, Batch, Cursor, Origin, Retry, Slice
from tradespan.core.records import Kind, Lane, LogRecord, Resource, Site
from tradespan.forward.cursors import FileCursors
from tradespan.sinks.log_file import LogFileSink
from tradespan.sinks.rotation import GrowingFile, Rotation

SCOPE = Site(1, "bot")
BOT = Resource({"service.name": "bot", "process.pid": 41})


def make_batch(folder: Path, first: int, count: int, *, lane: Lane = Lane.ORDINARY) -> Batch[Any]:
    """Records whose messages are numbers; the cursor behind them counts them all."""
    records = [
        LogRecord(1, n + 1, n + 1, 9, "INFO", str(n), {"padding": "x" * (n % 50)})
        for n in range(first, first + count)
    ]
    part = Slice(Origin("ab" * 16, lane, BOT), {1: SCOPE}, records, "segment", first + count)
    ahead = Cursor({"segment": first + count}, first + count, kind=Kind.LOG)
    return Batch(str(folder), Kind.LOG, [part], ahead)


class Desk:
    """A run's folder and a file, and agents that serve them one after the other."""

    def __init__(self, folder: Path) -> None:
        self.run = folder / "run"
        self.run.mkdir()
        self.path = folder / "logs" / "bot.jsonl"
        self.sinks: list[LogFileSink] = []

    def agent(self, rotation: Rotation | None = None) -> LogFileSink:
        sink = LogFileSink("logfile-1", self.path, FileCursors("logfile-1"), rotation)
        self.sinks.append(sink)
        return sink

    def write(self, sink: LogFileSink, first: int, count: int) -> None:
        """As the courier does: deliver, then keep the cursor."""
        batch = make_batch(self.run, first, count)
        assert sink.deliver(batch) == Accepted()
        assert batch.ahead is not None
        sink.save(str(self.run), batch.ahead)

    def close(self) -> None:
        for sink in self.sinks:
            sink.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def test_records_are_lines_in_the_order_of_their_times(desk: Desk) -> None:
    late, early = make_batch(desk.run, 2, 2, lane=Lane.ERROR), make_batch(desk.run, 0, 2)
    batch = Batch(str(desk.run), Kind.LOG, [*late.slices, *early.slices], late.ahead)
    assert desk.agent().deliver(batch) == Accepted()
    assert messages(desk.path) == [0, 1, 2, 3]
    first = json.loads(desk.path.read_bytes().splitlines()[0])
    assert (first["service"], first["logger"], first["pid"]) == ("bot", "bot", 41)


def test_the_file_and_its_folder_are_private(desk: Desk) -> None:
    desk.write(desk.agent(), 0, 1)
    assert desk.path.stat().st_mode & 0o777 == 0o600
    assert desk.path.parent.stat().st_mode & 0o777 == 0o700


class Killed(BaseException):
    """The agent's process ends here."""


@pytest.mark.parametrize("seed", range(25))
def test_an_agent_killed_at_any_moment_leaves_no_line_twice_and_none_lost(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Between any two steps that change a file, or in the middle of a write."""
    chance = random.Random(seed)
    append, save, rename = GrowingFile.append, FileCursors.save, Path.rename
    rotation = Rotation(2_000, keep_files=None, keep_age=None)

    def maybe_die() -> None:
        if chance.random() < 0.15:
            raise Killed

    def append_some(self: GrowingFile, data: memoryview) -> int:
        maybe_die()
        if chance.random() < 0.2:
            append(self, data[: chance.randrange(len(data))])
            raise Killed
        done = append(self, data)
        maybe_die()
        return done

    def save_or_die(self: FileCursors, folder: str, cursor: Cursor) -> None:
        maybe_die()
        save(self, folder, cursor)
        maybe_die()

    def rename_or_die(self: Path, target: Path) -> Path:
        maybe_die()
        rename(self, target)
        maybe_die()
        return target

    monkeypatch.setattr(GrowingFile, "append", append_some)
    monkeypatch.setattr(GrowingFile, "tidy", lambda self: None)
    monkeypatch.setattr(FileCursors, "save", save_or_die)
    monkeypatch.setattr(Path, "rename", rename_or_die)
    total, deaths = 120, 0
    while True:
        sink = desk.agent(rotation)
        try:
            at = sink.load(str(desk.run)).accepted
            while at < total:
                count = min(chance.randrange(1, 9), total - at)
                desk.write(sink, at, count)
                at += count
            break
        except Killed:
            deaths += 1
        finally:
            sink.close()  # which writes nothing
    assert messages(desk.path) == list(range(total))
    assert deaths > 3


def test_a_second_run_in_the_same_file_is_not_mistaken_for_the_first(
    desk: Desk, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    first = desk.agent()
    assert first.deliver(make_batch(desk.run, 0, 2)) == Accepted()  # killed before it was kept
    first.close()
    second = desk.agent()
    assert second.load(str(other)).accepted == 0
    assert second.deliver(make_batch(other, 2, 2)) == Accepted()
    assert second.load(str(desk.run)).accepted == 2
    assert messages(desk.path) == [0, 1, 2, 3]


def test_what_was_passed_over_since_is_not_forgotten_for_the_journal(desk: Desk) -> None:
    first = desk.agent()
    desk.write(first, 0, 2)
    newer = Cursor({"segment": 2, "spans": 96}, 2, kind=Kind.LOG)
    first.save(str(desk.run), newer)
    first.close()
    assert desk.agent().load(str(desk.run)).positions == newer.positions


def test_a_full_disk_is_tried_again_and_the_line_goes_on_where_it_ended(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, batch = desk.agent(), make_batch(desk.run, 0, 5)
    write = os.write
    room = [10]

    def full(descriptor: int, data: Any) -> int:
        if room[0] <= 0:
            raise OSError(28, "No space left on device")
        done = write(descriptor, data[: room[0]])
        room[0] -= done
        return done

    monkeypatch.setattr("tradespan.sinks.rotation.os.write", full)
    for _ in range(3):
        outcome = sink.deliver(batch)
        assert isinstance(outcome, Retry)
    assert desk.path.stat().st_size == 10
    monkeypatch.undo()
    assert sink.deliver(batch) == Accepted()
    assert messages(desk.path) == [0, 1, 2, 3, 4]


def test_a_folder_that_cannot_be_made_means_later_again(desk: Desk) -> None:
    desk.path.parent.write_text("in the way")
    sink = desk.agent()
    outcome = sink.deliver(make_batch(desk.run, 0, 1))
    assert isinstance(outcome, Retry)
    desk.path.parent.unlink()
    assert sink.deliver(make_batch(desk.run, 0, 1)) == Accepted()


def test_one_agent_writes_a_file_and_another_waits(desk: Desk) -> None:
    first, second = desk.agent(), desk.agent()
    desk.write(first, 0, 1)
    outcome = second.deliver(make_batch(desk.run, 1, 1))
    assert isinstance(outcome, Retry)
    assert "another process" in outcome.reason
    first.close()
    desk.write(second, 1, 1)
    assert messages(desk.path) == [0, 1]


def test_a_forked_child_does_not_hold_the_file(desk: Desk) -> None:
    first = desk.agent()
    desk.write(first, 0, 1)
    reader, writer = os.pipe()
    ready, begun = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.write(begun, b"!")
        os.read(reader, 1)
        os._exit(0)
    os.close(reader)
    assert os.read(ready, 1) == b"!"
    os.close(ready)
    os.close(begun)
    first.close()
    desk.write(desk.agent(), 1, 1)
    os.close(writer)
    os.waitpid(child, 0)
    assert messages(desk.path) == [0, 1]


def test_a_file_that_somebody_moved_or_deleted_is_begun_anew(desk: Desk) -> None:
    sink = desk.agent()
    desk.write(sink, 0, 2)
    moved = desk.path.rename(desk.path.with_name("moved"))
    desk.write(sink, 2, 1)
    desk.path.unlink()
    desk.write(sink, 3, 1)
    assert [json.loads(line)["message"] for line in moved.read_bytes().splitlines()] == ["0", "1"]
    assert messages(desk.path) == [3]
