"""`tradespan spool`, as called from a shell, over real segments and a real receiver."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.faults import AcceptPartly, Refuse
from tests.support.receiver import Receiver
from tests.unit.forward.builders import Bot, work_on
from tests.unit.forward.test_books_losses import overwrite_two_records
from tradespan.bootstrap.couriers import build_courier, read_books
from tradespan.cli import main
from tradespan.config import load_config
from tradespan.core.process import process_start
from tradespan.forward.amends import amending
from tradespan.forward.post import Destination
from tradespan.spool.folder import DRAINED, ENDED, RootLock, RunFolder, replace_json

RUN = "20260301T142703.000000Z-bot-7"


class Root:
    """A root with one run that goes to one receiver."""

    def __init__(self, path: Path, receiver: Receiver) -> None:
        self.path = path
        self.receiver = receiver
        self.destination = Destination("otlp", receiver.url)
        self.bot = Bot(path / "runs" / RUN)
        self.folder.path.mkdir(parents=True)
        self.folder.describe(
            pid=os.getpid(),
            pid_start=process_start(os.getpid()),
            service="bot",
            destinations=[list(self.destination)],
        )

    @property
    def folder(self) -> RunFolder:
        return self.bot.folder

    def end(self) -> None:
        """The bot's process is over."""
        self.bot.close()
        self.bot.die()
        self.folder.describe(pid=2**22 + 1, pid_start=1)
        replace_json(self.folder.path / ENDED, {"status": 0, "time": time.time()})

    def deliver(self) -> None:
        """An agent delivers until the receiver takes no more, and leaves."""
        courier = build_courier(
            load_config({"root": self.path}, config_file="none"), self.destination
        )
        assert courier is not None
        work_on(courier, self.folder)
        for name in courier.finished(self.folder):
            (self.folder.path / name).unlink()
        courier.close()

    def close_books(self) -> None:
        books = read_books(self.folder).to_json()
        complete = not self.folder.segments()
        replace_json(self.folder.path / DRAINED, {"complete": complete, **books})

    @property
    def book(self) -> Any:
        """The books' line of the only sink; the equation holds."""
        books = read_books(self.folder)
        (book,) = books.sinks.values()
        told = book.accepted + book.parked + book.on_disk + book.unaccounted + books.in_memory
        told += sum(book.discarded.values()) + sum(books.discarded.values())
        assert told == books.recorded
        return book


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def root(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Root:
    monkeypatch.setenv("TRADESPAN_ROOT", str(tmp_path / "root"))
    return Root(tmp_path / "root", receiver)


@pytest.fixture
def spool(capsys: pytest.CaptureFixture[str]) -> Any:
    """Calls the command; returns what it printed."""

    def call(*words: object, status: int = 0) -> str:
        assert main(["spool", *map(str, words)]) == status
        captured = capsys.readouterr()
        call.err = captured.err  # type: ignore[attr-defined]
        return captured.out

    return call


def status_of(spool: Any, *words: object, status: int = 0) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(spool("status", *words, "--json", status=status))
    return told


def lines_of(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


# ── status ──────────────────────────────────────────────────────────────────────────────────────


def test_status_tells_what_waits_and_for_how_long(root: Root, spool: Any) -> None:
    root.bot.record(5)
    root.bot.record(2, failed=True)
    (run,) = status_of(spool)["runs"]

    assert (run["run"], run["service"], run["state"]) == (RUN, "bot", "running")
    assert run["books"]["recorded"] == 7
    assert run["books"]["lanes"]["error"]["recorded"] == 2
    ((sink, book),) = run["books"]["sinks"].items()
    assert (book["accepted"], book["on_disk"], book["unaccounted"]) == (0, 7, 0)
    assert [(each["pid"], each["alive"]) for each in run["writers"]] == [(os.getpid(), True)]
    assert run["oldest_seconds"][sink] > 1_000_000, "the fake spans are of 1970"
    assert (run["segments"], run["dead_letters"], run["set_aside"]) == (2, [], [])


def test_status_in_words_has_a_line_for_each_sink(root: Root, spool: Any) -> None:
    root.bot.record(5)
    lines = [line.split() for line in spool("status").splitlines()]
    assert lines[0][1:] == ["·", "no", "agent", "runs"]
    assert lines[1][:4] == ["Run", "State", "Writers", "Recorded"]
    assert lines[2][:3] == [RUN, "running", str(os.getpid())]
    assert len(lines) == 3


@pytest.mark.parametrize("words", [[], ["root"], ["run"]])
def test_root_or_run_can_be_named(root: Root, spool: Any, words: list[str]) -> None:
    root.bot.record(1)
    places = {"root": root.path, "run": root.folder.path}
    told = status_of(spool, *(places[word] for word in words))
    assert told["root"] == str(root.path)
    assert [run["run"] for run in told["runs"]] == [RUN]


def test_loss_is_said_in_words_and_by_the_exit_status(root: Root, spool: Any) -> None:
    root.bot.record(200)
    root.bot.close()
    (lost, *_) = root.folder.segments()
    (root.folder.path / str(lost)).unlink()
    told = status_of(spool, status=1)
    missing = told["unaccounted"]
    assert 0 < missing == told["runs"][0]["unaccounted"] < 200
    printed = spool("status", status=1)
    assert f"run {RUN}: {missing} records unaccounted for at otlp-" in printed
    assert "UNACCOUNTED" in printed


def test_agent_is_named_with_its_process_and_since_when(root: Root, spool: Any) -> None:
    lock = RootLock(root.path)
    assert lock.try_acquire()
    replace_json(root.path / "agent.json", {"pid": os.getpid(), "started": 1_700_000_000.0})
    told = status_of(spool)["agent"]
    assert (told["pid"], told["since"]) == (os.getpid(), 1_700_000_000.0)
    assert f"process {os.getpid()} forwards since 2023-11-1" in spool("status")
    lock.release()
    assert status_of(spool)["agent"] is None


def test_folder_that_is_no_spool_says_what_was_expected(tmp_path: Path, spool: Any) -> None:
    spool("status", tmp_path, status=2)
    assert "it is no root of tradespan, which holds a folder `runs`" in spool.err
    spool("status", tmp_path / "missing", status=2)
    assert "there is no such folder" in spool.err


def test_looking_changes_nothing(root: Root, spool: Any) -> None:
    root.bot.record(5)
    before = {path: path.stat().st_mtime_ns for path in root.path.rglob("*")}
    for words in (["status"], ["list"], ["list", "--records"], ["verify"], ["resend"]):
        spool(*words)
    assert {path: path.stat().st_mtime_ns for path in root.path.rglob("*")} == before


# ── list ────────────────────────────────────────────────────────────────────────────────────────


def test_segments_are_listed_newest_last_with_their_state_and_who_took_them(
    root: Root, spool: Any
) -> None:
    root.bot.record(200)
    listed = lines_of(spool("list", "--json"))
    names = [each["segment"] for each in listed]
    assert names == sorted(names) and len(names) > 1
    assert {each["state"] for each in listed[:-1]} == {"closed"}
    assert listed[-1]["state"] == "open"
    assert sum(each["records"]["span"] for each in listed) == 200
    assert not any(any(each["passed"].values()) for each in listed)
    assert {each["pid"] for each in listed} == {os.getpid()}

    root.bot.die()
    assert lines_of(spool("list", "--json"))[-1]["state"] == "dead"
    assert [each["segment"] for each in lines_of(spool("list", "--limit", 1, "--json"))] == names[
        -1:
    ]
    table = spool("list").splitlines()
    assert len(table) == len(names) + 1


def test_records_are_listed_with_time_kind_name_and_ids(root: Root, spool: Any) -> None:
    root.bot.record(3)
    printed = spool("list", "--records").splitlines()
    assert [line.split()[2:4] for line in printed] == [["span", "tick"]] * 3
    assert [line.split()[-1] for line in printed] == [f"{n:016x}" for n in (1, 2, 3)]
    (last,) = lines_of(spool("list", "--records", "--limit", 1, "--json"))
    assert (last["sequence"], last["span_id"], last["kind"]) == (3, f"{3:016x}", "span")


def test_nothing_to_list_is_said(root: Root, spool: Any) -> None:
    spool("list", status=1)
    assert "no segment lies in" in spool.err


# ── verify ──────────────────────────────────────────────────────────────────────────────────────


def test_whole_segments_verify(root: Root, spool: Any) -> None:
    root.bot.record(200)
    assert spool("verify").endswith(": none damaged\n")
    (verdict,) = lines_of(spool("verify", "--json"))
    assert verdict["good"] and verdict["gaps"] == verdict["missing_segments"] == 0
    assert sum(each["records"]["span"] for each in verdict["segments"]) == 200


def test_damage_is_found_and_stays(root: Root, spool: Any) -> None:
    root.bot.record(20)
    root.bot.close()
    (name,) = root.folder.segments()
    path = root.folder.path / str(name)
    overwrite_two_records(path)
    content = path.read_bytes()
    (verdict,) = lines_of(spool("verify", "--json", status=1))
    (segment,) = verdict["segments"]
    assert (segment["good"], segment["gaps"], verdict["gaps"]) == (False, 2, 2)
    assert segment["damaged_bytes"] > 0
    printed = spool("verify", status=1)
    assert "1 damaged" in printed and "2 numbers of records not found" in printed
    assert path.read_bytes() == content


def test_missing_segment_is_found(root: Root, spool: Any) -> None:
    root.bot.record(400)
    root.bot.close()
    _, second, *_ = root.folder.segments()
    (root.folder.path / str(second)).unlink()
    assert "1 segment missing" in spool("verify", status=1)


def test_file_that_is_no_segment_is_damage(root: Root, spool: Any) -> None:
    root.bot.record(1)
    (name,) = root.folder.segments()
    other = root.folder.path / str(name._replace(ordinal=9))
    other.write_bytes(b"no segment" * 100)
    (verdict,) = lines_of(spool("verify", "--json", status=1))
    problems = [each["problem"] for each in verdict["segments"]]
    assert problems == ["", "the file does not begin like a segment"]


# ── resend ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def refused(root: Root) -> Root:
    """A root whose run is over; ten of its records were refused."""
    root.bot.record(10)
    root.end()
    root.receiver.play(Refuse(400), times=None)
    root.deliver()
    root.receiver.recover()
    assert root.book.parked == 10
    return root


def test_refused_records_are_told_with_the_reason(refused: Root, spool: Any) -> None:
    (run,) = status_of(spool)["runs"]
    assert sum(letter["refused"] for letter in run["dead_letters"]) == 10
    assert all("400" in letter["reason"] for letter in run["dead_letters"])
    assert "tradespan spool resend" in spool("status")


def test_dead_letters_go_again_and_count_as_accepted(refused: Root, spool: Any) -> None:
    results = lines_of(spool("resend", "--json"))
    assert sum(each["accepted"] for each in results) == 10
    assert len({span.span_id for span in refused.receiver.spans}) == 10
    assert len(refused.receiver.spans) == 10
    assert (refused.book.accepted, refused.book.parked) == (10, 0)
    assert not (refused.folder.path / "parked").exists()
    assert spool("resend") == ""
    assert "nothing was refused" in spool.err
    assert len(refused.receiver.spans) == 10


def test_dry_run_sends_nothing(refused: Root, spool: Any) -> None:
    requests = len(refused.receiver.requests)
    printed = spool("resend", "--dry-run")
    assert "would send 10 records; nothing was sent" in printed
    assert len(refused.receiver.requests) == requests
    assert refused.book.parked == 10


def test_what_is_refused_again_stays_with_the_new_reason(refused: Root, spool: Any) -> None:
    refused.receiver.play(Refuse(400), times=None)
    results = lines_of(spool("resend", "--json", status=1))
    assert sum(each["still_refused"] for each in results) == 10
    assert (refused.book.accepted, refused.book.parked) == (0, 10)
    refused.receiver.recover()
    spool("resend")
    assert (refused.book.accepted, refused.book.parked) == (10, 0)


def test_receiver_that_is_down_leaves_dead_letters_alone(refused: Root, spool: Any) -> None:
    refused.receiver.stop()
    printed = spool("resend", status=1)
    assert "0 records accepted, 10 stay" in printed
    assert (refused.book.accepted, refused.book.parked) == (0, 10)


def test_part_of_a_batch_that_was_refused_counts_alone(root: Root, spool: Any) -> None:
    root.bot.record(10)
    root.bot.record(5, failed=True)
    root.end()
    root.receiver.play(AcceptPartly(rejected=3), times=1)
    root.deliver()
    assert (root.book.accepted, root.book.parked) == (12, 3)
    spool("resend")
    assert (root.book.accepted, root.book.parked) == (15, 0)


def test_two_at_once_do_not_send_twice(refused: Root, spool: Any) -> None:
    with amending(refused.folder):
        printed = spool("resend", status=1)
    assert "another process works on these dead letters" in printed
    assert refused.receiver.spans == []


def test_what_a_killed_process_counted_already_is_not_counted_twice(
    refused: Root, spool: Any
) -> None:
    files = sorted((refused.folder.path / "parked").rglob("*.*"))
    contents = {path: path.read_bytes() for path in files}
    spool("resend")
    last = json.loads((refused.folder.path / "amends.json").read_text())["settled"]
    # As after a kill between counting and deleting.
    for name in last:
        path = refused.folder.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[path])
    spool("resend", status=0)
    assert (refused.book.accepted, refused.book.parked) == (10, 0)
    assert len(refused.receiver.spans) == 10


def test_letters_of_one_sink_can_be_chosen(refused: Root, spool: Any) -> None:
    spool("resend", "--sink", "store", status=1)
    assert "no dead letter of store; there are some of otlp-" in spool.err
    sink = status_of(spool)["runs"][0]["dead_letters"][0]["sink"]
    spool("resend", "--sink", sink)
    assert refused.book.parked == 0


# ── purge ───────────────────────────────────────────────────────────────────────────────────────


def test_delivered_run_is_deleted_once_it_is_agreed(root: Root, spool: Any) -> None:
    root.bot.record(10)
    root.end()
    root.deliver()
    root.close_books()
    spool("purge", status=2)
    assert "nothing was deleted: say --yes" in spool.err
    assert root.folder.path.exists()
    assert "no record would be lost" in spool("purge", "--dry-run")
    spool("purge", "--yes", "--older-than", "1h")
    assert root.folder.path.exists()
    spool("purge", "--yes")
    assert not root.folder.path.exists()


def test_run_that_goes_on_or_is_not_delivered_stays(root: Root, spool: Any) -> None:
    root.bot.record(10)
    root.close_books()
    before = sorted(root.path.rglob("*"))
    for words in ([], ["--parked"], ["--damaged"], ["--parked", "--damaged"]):
        spool("purge", "--yes", *words)
        assert "nothing to delete" in spool.err
    assert sorted(root.path.rglob("*")) == before


def test_dead_letters_that_are_deleted_are_counted_with_their_reason(
    refused: Root, spool: Any
) -> None:
    printed = spool("purge", "--parked", "--yes")
    assert "10 records would be lost" in printed
    assert refused.book.discarded == {"purged": 10}
    assert (refused.book.parked, refused.book.unaccounted) == (0, 0)
    assert "10 records discarded before otlp-" in spool("status")


def test_run_that_does_not_balance_goes_only_if_damaged_ones_are_named(
    root: Root, spool: Any
) -> None:
    root.bot.record(200)
    root.end()
    (lost, *_) = root.folder.segments()
    (root.folder.path / str(lost)).rename(root.folder.path / f"{lost}.damaged")
    root.deliver()
    root.close_books()
    spool("purge", "--yes")
    assert root.folder.path.exists()
    printed = spool("purge", "--yes", "--damaged")
    assert "unaccounted for" in printed
    assert not root.folder.path.exists()
