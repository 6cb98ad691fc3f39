"""The audit log's files: what is in them, in which order, and what shows when they were touched."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.captured import capture, read_lines
from tradespan.core import guard
from tradespan.core.records import Lane
from tradespan.signals.audit.log import AUDIT, FOLDER, AuditLog, audit
from tradespan.signals.audit.reading import AuditReader
from tradespan.signals.events.bus import EventBus
from tradespan.signals.slot import SIGNALS
from tradespan.spool.writer import SpoolWriter

DAY = 86_400.0


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[AuditLog]:
    """The process's log, open below `tmp_path`."""
    with capture(tmp_path / "run", strict=False):
        begin(tmp_path)
        yield AUDIT
        AUDIT.end()


def begin(root: Path, **more: Any) -> None:
    assert SIGNALS.spool is not None
    given: dict[str, Any] = {"service": "bot", "age": 0, "without_orders": False, **more}
    AUDIT.begin(root, SIGNALS.spool, **given)


def spool() -> SpoolWriter:
    assert SIGNALS.spool is not None
    return SIGNALS.spool


def read(root: Path) -> list[dict[str, Any]]:
    reader = AuditReader(root)
    found = list(reader.entries())
    assert reader.damages == []
    return found


def day_file(root: Path) -> Path:
    (path,) = (root / FOLDER).iterdir()
    return path


def test_an_entry_says_who_did_what_why_and_what_it_changed(
    tmp_path: Path, opened: AuditLog
) -> None:
    assert audit(
        "raise_position_limit",
        actor="ada",
        reason="new venue",
        before={"limit": 5},
        after={"limit": 10},
        symbol="AAPL",
    )
    (entry,) = read(tmp_path)
    assert (entry["category"], entry["action"]) == ("safety", "raise_position_limit")
    assert (entry["actor"], entry["reason"]) == ("ada", "new venue")
    assert (entry["before"], entry["after"]) == ({"limit": 5}, {"limit": 10})
    assert (entry["details"], entry["service"]) == ({"symbol": "AAPL"}, "bot")
    assert (entry["pid"], entry["sequence"]) == (os.getpid(), 1)
    assert entry["writer"] == spool().identity.hex()


def test_an_entry_is_an_event_in_the_lane_of_errors_too(tmp_path: Path, opened: AuditLog) -> None:
    audit("halt", reason="news", after=[1, 2], severity="critical")
    (line,) = read_lines(tmp_path / "run")
    assert (line.lane, line.record.event_name) == (Lane.ERROR, "tradespan.audit.entry")
    assert (line.record.body, line.record.severity_number) == ("halt", 21)
    attributes = line.record.attributes or {}
    assert attributes["tradespan.audit.action"] == "halt"
    assert attributes["tradespan.audit.after"] == "[1,2]"


def test_secrets_are_hidden_by_name_and_by_look(tmp_path: Path, opened: AuditLog) -> None:
    audit("login", after={"password": "hunter2"}, api_key="abc-def", reason="token=xyzzy-4711")
    text = day_file(tmp_path).read_text()
    assert read(tmp_path)
    for secret in ("hunter2", "abc-def", "xyzzy-4711"):
        assert secret not in text


def test_safety_and_order_events_of_a_bus_go_there_by_themselves(
    tmp_path: Path, opened: AuditLog
) -> None:
    bus = EventBus()
    bus.emit_trade("AAPL", "buy", 5, 187.2)
    bus.emit_kill_switch("daily loss", -1_200, -1_000)
    bus.emit_configuration_change("max_position", 5, 10)
    bus.emit_cycle_start()
    found = [(e["category"], e["action"], e["actor"]) for e in read(tmp_path)]
    assert found == [
        ("order", "TRADE_FILLED", "live_trading"),
        ("safety", "KILL_SWITCH_TRIGGERED", "live_trading"),
        ("configuration", "CONFIGURATION_CHANGED", "live_trading"),
    ]
    assert read(tmp_path)[1]["reason"] == "daily loss"
    assert (read(tmp_path)[2]["before"], read(tmp_path)[2]["after"]) == (5, 10)


def test_a_backtests_orders_are_not_in_it(tmp_path: Path, opened: AuditLog) -> None:
    begin(tmp_path, without_orders=True)
    bus = EventBus()
    bus.emit_trade("AAPL", "buy", 5, 187.2)
    bus.emit_kill_switch("daily loss", -1_200, -1_000)
    assert [entry["category"] for entry in read(tmp_path)] == ["safety"]


def test_a_changed_removed_or_added_line_shows(tmp_path: Path, opened: AuditLog) -> None:
    for number in range(4):
        audit(f"step_{number}")
    path = day_file(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    for touched, what in [
        ([lines[0], lines[1].replace(b"step_1", b"step_9"), *lines[2:]], "changed"),
        ([lines[0], *lines[2:]], "missing between number 1 and 3"),
        ([*lines[:2], lines[1], *lines[2:]], "missing"),
        ([lines[0][:-20], *lines[1:]], "no entry"),
        ([*lines[:3], b"\xff\xfe\n", lines[3]], "no entry"),
        ([*lines[:3], b'{"action":"forged"}\n', lines[3]], "no entry"),
    ]:
        path.write_bytes(b"".join(touched))
        reader = AuditReader(tmp_path)
        list(reader.entries())
        assert any(what in each.what for each in reader.damages), what


def test_many_threads_append_one_chain(tmp_path: Path, opened: AuditLog) -> None:
    def work(name: str) -> None:
        for number in range(100):
            audit(f"{name}_{number}")

    threads = [threading.Thread(target=work, args=(f"thread{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry["sequence"] for entry in read(tmp_path)] == list(range(1, 401))


def test_forked_children_append_to_the_same_file_with_chains_of_their_own(
    tmp_path: Path, opened: AuditLog
) -> None:
    audit("parent")
    children = []
    for number in range(3):
        child = os.fork()
        if child == 0:
            for step in range(50):
                audit(f"child_{number}_{step}")
            os._exit(0)
        children.append(child)
    for child in children:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    audit("parent_again")
    found = read(tmp_path)
    assert len(found) == 152
    assert len({entry["writer"] for entry in found}) == 4


def test_what_a_full_disk_does_not_take_is_written_when_there_is_room(
    tmp_path: Path, opened: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit("before")

    def refuse(file: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("tradespan.signals.audit.log.os.write", refuse)
        assert audit("waits")
    audit("after")
    assert [entry["action"] for entry in read(tmp_path)] == ["before", "waits", "after"]


def test_a_line_that_was_written_in_part_is_written_again(
    tmp_path: Path, opened: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.write
    with monkeypatch.context() as patch:
        patch.setattr(
            "tradespan.signals.audit.log.os.write", lambda file, data: whole(file, data[:20])
        )
        audit("torn")
    audit("after")
    reader = AuditReader(tmp_path)
    assert [entry["action"] for entry in reader.entries()] == ["torn", "after"]
    assert [each.what for each in reader.damages] == ["it is no entry, or a part of one"]


def test_entries_lost_to_a_disk_that_stays_full_leave_a_gap_in_the_numbers(
    tmp_path: Path, opened: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tradespan.signals.audit.log.MOST_WAITING", 2)
    audit("before")

    def refuse(file: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("tradespan.signals.audit.log.os.write", refuse)
        kept = [audit(f"waits_{number}") for number in range(5)]
    assert kept == [True, True, False, False, False]
    audit("after")
    reader = AuditReader(tmp_path)
    found = [(each["action"], each["sequence"]) for each in reader.entries()]
    assert found == [("before", 1), ("waits_0", 2), ("waits_1", 3), ("after", 7)]
    assert [each.line for each in reader.damages] == [4]


def test_files_over_age_go_when_a_day_begins_and_nothing_else_does(
    tmp_path: Path, opened: AuditLog
) -> None:
    folder = tmp_path / FOLDER
    kept = ["notes.txt", "9999-01-01.jsonl", "2020-01-01.jsonl.gz"]
    for name in ["2020-01-01.jsonl", "2024-12-31.jsonl", *kept]:
        (folder / name).write_text("")
    begin(tmp_path, age=30 * DAY)
    audit("today")
    names = {path.name for path in folder.iterdir()}
    assert names >= set(kept)
    assert not names & {"2020-01-01.jsonl", "2024-12-31.jsonl"}


@pytest.mark.parametrize("age", [0, 1e15])
def test_without_an_age_or_with_an_endless_one_nothing_goes(
    tmp_path: Path, opened: AuditLog, age: float
) -> None:
    begin(tmp_path, age=age)
    (tmp_path / FOLDER / "2020-01-01.jsonl").write_text("")
    audit("today")
    assert (tmp_path / FOLDER / "2020-01-01.jsonl").exists()


def test_the_first_entry_of_the_first_file_may_follow_others_that_are_gone(
    tmp_path: Path, opened: AuditLog
) -> None:
    audit("one")
    audit("two")
    path = day_file(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[1])
    assert [entry["action"] for entry in read(tmp_path)] == ["two"]
    (path.parent / "2020-01-01.jsonl").write_bytes(b"")
    reader = AuditReader(tmp_path)
    list(reader.entries())
    assert len(reader.damages) == 1


def test_a_signal_handler_that_audits_while_an_entry_is_written_waits_for_nobody(
    tmp_path: Path, opened: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, inner = os.write, ["inner"]

    def write(file: int, data: bytes) -> int:
        if inner:
            audit(inner.pop())  # as a handler between two instructions would
        return whole(file, data)

    monkeypatch.setattr("tradespan.signals.audit.log.os.write", write)
    audit("outer")
    assert [entry["action"] for entry in read(tmp_path)] == ["outer", "inner"]


def test_before_configure_nothing_is_written_and_nothing_raised(tmp_path: Path) -> None:
    assert not audit("nobody")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_used_costs_the_log_only(tmp_path: Path, opened: AuditLog) -> None:
    (tmp_path / "file").write_text("")
    before = sum(guard.counts.values())
    begin(tmp_path / "file")
    assert sum(guard.counts.values()) == before + 1
    assert not audit("nowhere")


def test_the_files_are_private_and_every_line_is_json(tmp_path: Path, opened: AuditLog) -> None:
    audit("line\nbreak \u2028 \x1b[31m")
    path = day_file(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [json.loads(line)["action"] for line in path.read_bytes().split(b"\n") if line]
