"""`tradespan spool status`, `list` and `verify`, as called from a shell, over real segments."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.spools import RUN, Root, lines_of, status_of
from tests.unit.forward.test_books_losses import overwrite_two_records
from tradespan.spool.folder import RootLock, replace_json

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
    assert lines[1][4] == "Destination"
    assert lines[2][5:7] == [root.receiver.address, "(spans)"]
    assert len(lines) == 3


def test_status_as_json_says_the_place_of_each_sink(root: Root, spool: Any) -> None:
    root.bot.record(1)
    (run,) = status_of(spool)["runs"]
    assert run["places"] == dict.fromkeys(run["books"]["sinks"], f"{root.receiver.address} (spans)")


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
    place = f"{root.receiver.address} (spans)"
    assert f"run {RUN}: {missing} records unaccounted for at {place}: recorded" in printed
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
    assert names == sorted(names)
    assert len(names) > 1
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
    spool("list", status=0)
    assert "no segment lies in" in spool.err


# ── verify ──────────────────────────────────────────────────────────────────────────────────────


def test_whole_segments_verify(root: Root, spool: Any) -> None:
    root.bot.record(200)
    assert spool("verify").endswith(": none damaged\n")
    (verdict,) = lines_of(spool("verify", "--json"))
    assert verdict["good"]
    assert verdict["gaps"] == verdict["missing_segments"] == 0
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
    assert "1 damaged" in printed
    assert "2 numbers of records not found" in printed
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
