"""How the agent closes the books of a run, and itself."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.unit.forward.builders import Bot, taken
from tests.unit.forward.roots import Gate, Root, SlowClock, always_down
from tests.unit.spool.builders import record_frames, resource_frame, write_segment
from tests.unit.spool.test_reader import raise_version
from tradespan.core.delivery import Accepted, Batch, Outcome, Retry
from tradespan.core.records import Span
from tradespan.forward.books import LaneSink, SinkBook
from tradespan.forward.courier import RetryPolicy
from tradespan.forward.ending import NOT_ANSWERING
from tradespan.spool.folder import ENDED, PROGRESS, read_json, replace_json


def test_books_are_closed_when_a_run_ended_and_all_is_delivered(root: Root) -> None:
    bot = root.start("run", "one", "other")
    bot.record(50)
    root.step_until(lambda: len(taken(root.sink("other"))) == 50)
    assert root.drained(bot) is None
    bot.record(5, failed=True)
    root.end(bot)
    root.step_until(lambda: root.drained(bot) is not None)
    line = asdict(SinkBook(55, 0, 0, 0))
    drained = root.drained(bot)
    assert drained is not None
    lanes = drained.pop("lanes")
    assert [lanes[lane]["recorded"] for lane in ("ordinary", "error")] == [50, 5]
    assert lanes["error"]["sinks"]["one"] == asdict(LaneSink(5, 0, 0))
    assert drained == {
        "complete": True,
        "recorded": 55,
        "in_memory": 0,
        "interrupted": 0,
        "discarded": {},
        "sinks": {"one": line, "other": line},
        "signals": {"span": 55},
    }
    assert bot.folder.segments() == []
    assert root.agent.open_folders() == []


def test_run_without_a_destination_ends_at_once_and_keeps_its_records(root: Root) -> None:
    bot = root.start("run")
    bot.folder.describe(destinations=[])
    bot.record(20)
    root.end(bot)
    root.step_until(lambda: root.drained(bot) is not None)
    assert root.drained(bot)["recorded"] == 20  # type: ignore[index]
    assert len(bot.folder.segments()) == 1


@pytest.fixture
def clock() -> SlowClock:
    return SlowClock()


@pytest.fixture
def slow(tmp_path: Path, clock: SlowClock) -> Iterator[Root]:
    """A root whose agent goes by `clock`."""
    root = Root(tmp_path, now=clock)
    yield root
    root.agent.close()


@pytest.mark.parametrize("fault", ["down", "hanging"])
def test_receiver_that_does_not_answer_holds_up_the_end_for_half_a_second(
    slow: Root, clock: SlowClock, fault: str
) -> None:
    root, gate = slow, Gate()
    root.sink("otlp", always_down if fault == "down" else gate)
    bot = root.start("run", "store", "otlp")
    bot.record(20)
    root.end(bot)
    root.step_until(lambda: taken(root.sink("store")) and root.sink("otlp").offered)
    clock.step(NOT_ANSWERING - 0.1)
    for _ in range(20):
        root.agent.step()
    assert root.drained(bot) is None
    clock.step(0.2)
    root.step_until(lambda: root.drained(bot) is not None)
    books = root.drained(bot)
    assert books is not None
    assert books["complete"] is False
    assert books["sinks"]["store"] == asdict(SinkBook(20, 0, 0, 0))
    assert books["sinks"]["otlp"]["on_disk"] == 20
    assert list(books["causes"]) == ["otlp"]
    assert (books["causes"]["otlp"] == "no answer yet") is (fault == "hanging")
    # Forwarding goes on all the same, and the books are closed again.
    gate.open.set()
    root.sink("otlp", lambda batch: Accepted())
    root.step_until(lambda: (root.drained(bot) or {}).get("complete"))
    assert root.drained(bot)["sinks"]["otlp"]["accepted"] == 20  # type: ignore[index]


def test_receiver_that_is_slow_to_answer_is_given_the_time_that_it_took_before(
    slow: Root, clock: SlowClock
) -> None:
    root, gate = slow, Gate()

    def take(batch: Batch[Span]) -> Outcome:
        if len(sink.offered) == 1:
            clock.step(0.4)
            return Accepted()
        return gate(batch)

    sink = root.sink("otlp", take)
    bot = root.start("run", "otlp")
    bot.record(20)
    root.step_until(lambda: taken(sink))
    bot.record(20)
    root.end(bot)
    root.step_until(gate.asked.is_set)
    clock.step(1.1)
    for _ in range(20):
        root.agent.step()
    assert root.drained(bot) is None
    clock.step(0.2)
    root.step_until(lambda: root.drained(bot) is not None)
    assert root.drained(bot)["causes"] == {"otlp": "no answer yet"}  # type: ignore[index]
    gate.open.set()


def test_receiver_that_takes_is_waited_for_until_the_drain_is_over(root: Root) -> None:
    bot = root.start("run", "otlp")

    def take(batch: Batch[Span]) -> Outcome:
        bot.record(10)  # a child of the bot that goes on for ever
        return Accepted()

    root.sink("otlp", take)
    bot.record(20)
    replace_json(bot.folder.path / ENDED, {"status": 0, "drain": 1.5})
    took = root.step_until(lambda: root.drained(bot) is not None)
    assert 1.4 < took < 3.0
    assert len(taken(root.sink("otlp"))) > 100
    root.sink("otlp", lambda batch: Accepted())


def test_store_is_waited_for_although_it_is_locked_for_a_while(root: Root) -> None:
    until = time.monotonic() + 2.0
    root.sink("store", lambda b: Accepted() if time.monotonic() > until else Retry("locked"))
    bot = root.start("run", "store")
    bot.record(20)
    root.end(bot)
    took = root.step_until(lambda: root.drained(bot) is not None)
    assert took > 1.5
    assert root.drained(bot)["complete"] is True  # type: ignore[index]
    assert read_json(bot.folder.path / PROGRESS)["waiting"] == 20  # type: ignore[index]


def test_store_that_stays_locked_is_given_up_when_the_drain_is_over(root: Root) -> None:
    root.sink("store", always_down)
    bot = root.start("run", "store")
    bot.record(20)
    root.end(bot, drain=0.3)
    took = root.step_until(lambda: root.drained(bot) is not None)
    assert 0.3 < took < 2
    assert root.drained(bot)["sinks"]["store"]["on_disk"] == 20  # type: ignore[index]


def test_end_of_a_run_is_a_reason_to_try_at_once(root: Root) -> None:
    # The receiver was down for long, so that the next try is far away; it is back now.
    root.retry = RetryPolicy(first=1_000.0, longest=1_000.0)
    root.sink("otlp").answers.append(Retry("down"))
    bot = root.start("run", "otlp")
    bot.record(20)
    root.step_until(lambda: root.sink("otlp").offered)
    root.end(bot)
    root.step_until(lambda: root.drained(bot) is not None)
    assert root.drained(bot)["complete"] is True  # type: ignore[index]


def test_segment_that_cannot_be_read_does_not_hold_up_the_end(root: Root) -> None:
    bot = root.start("run", "store")
    bot.record(5)
    later = write_segment(bot.folder.path, [resource_frame(), *record_frames(3)])
    raise_version(later)
    root.end(bot)
    took = root.step_until(lambda: root.drained(bot) is not None)
    assert took < 1.0
    assert root.drained(bot)["complete"] is False  # type: ignore[index]
    assert later.exists()


def test_child_that_outlives_the_run_holds_up_nothing_and_is_forwarded(root: Root) -> None:
    bot = root.start("run", "store")
    bot.record(5)
    child = Bot(bot.folder.path)
    child.record(5)
    root.end(bot)
    root.step_until(lambda: root.drained(bot) is not None)
    assert root.drained(bot)["sinks"]["store"]["on_disk"] == 0  # type: ignore[index]
    child.record(7)
    root.step_until(lambda: len(taken(root.sink("store"))) == 17)
    child.close()
    root.step_until(lambda: (root.drained(bot) or {}).get("complete"))
    assert root.drained(bot)["recorded"] == 17  # type: ignore[index]


def test_records_that_come_after_the_books_were_closed_are_delivered(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tradespan.forward.register._LOOK_AGAIN", 0.01)
    bot = root.start("run", "store")
    bot.record(5)
    root.end(bot)
    root.step_until(lambda: (root.drained(bot) or {}).get("complete"))
    late = Bot(bot.folder.path)
    late.record(3)
    late.close()
    root.step_until(lambda: len(taken(root.sink("store"))) == 8)


def test_second_run_in_a_folder_is_forwarded_and_has_books_of_its_own(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tradespan.forward.register._LOOK_AGAIN", 0.01)
    first = root.start("run", "store")
    first.record(5)
    root.end(first)
    root.step_until(lambda: (root.drained(first) or {}).get("complete"))
    second = root.start("run", "store")
    assert root.drained(second) is None
    second.record(4)
    root.step_until(lambda: len(taken(root.sink("store"))) == 9)
    assert root.drained(second) is None
    root.end(second)
    root.step_until(lambda: (root.drained(second) or {}).get("complete"))
    assert root.drained(second)["recorded"] == 9  # type: ignore[index]


def test_run_whose_bot_and_supervisor_are_gone_is_ended_by_the_agent(root: Root) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bot_process:
        bot = root.start("run", "store", pid=bot_process.pid)
        bot.record(5)
        bot.close()
        bot.die()
        root.step_until(lambda: len(taken(root.sink("store"))) == 5)
        root.agent.step()
        assert root.drained(bot) is None
        assert root.agent.has_live_run()
        assert bot_process.stdin is not None
        bot_process.stdin.close()
        bot_process.wait()
    root.step_until(lambda: (root.drained(bot) or {}).get("complete"))
    assert not root.agent.has_live_run()


def test_run_of_which_only_a_lock_tells_is_alive_as_long_as_that_is_held(root: Root) -> None:
    # In another container its process ids mean nothing here.
    bot = root.start("run", "store", pid=2**22 - 1)
    bot.record(5)
    root.step_until(lambda: len(taken(root.sink("store"))) == 5)
    assert root.agent.is_live(bot.folder)
    bot.close()
    bot.die()
    assert not root.agent.is_live(bot.folder)


def test_agent_that_closes_waits_a_second_at_most_and_cuts_who_hangs(root: Root) -> None:
    gates = [Gate() for _ in range(3)]
    for number, gate in enumerate(gates):
        root.sink(f"sink-{number}", gate)
    bot = root.start("run", *(f"sink-{number}" for number in range(3)))
    bot.record(5)
    root.step_until(lambda: all(gate.asked.is_set() for gate in gates))
    began = time.monotonic()
    root.agent.close()
    assert time.monotonic() - began < 1.5
    assert all(sink.closed for sink in root.sinks.values())
    assert len(bot.folder.segments()) == 1
    for gate in gates:
        gate.open.set()


def test_agent_with_nothing_in_its_hands_closes_at_once(root: Root) -> None:
    bot = root.start("run", "one", "other")
    bot.record(5)
    root.step_until(lambda: len(taken(root.sink("other"))) == 5)
    began = time.monotonic()
    root.agent.close()
    assert time.monotonic() - began < 0.4
    assert not (root.path / "agent.json").exists()


def test_status_tells_which_destination_fails_and_why(root: Root) -> None:
    root.sink("dead", always_down)
    bot = root.start("run", "dead", "alive")
    bot.record(5)
    root.step_until(lambda: root.sink("dead").offered)

    def told() -> Any:
        status = read_json(root.path / "agent.json")
        return status and status["sinks"].get("dead", {}).get("failing") and status

    root.step_until(told)
    status = told()
    assert status["pid"] == os.getpid()
    assert status["sinks"]["dead"]["last_error"] == "connection refused"
    alive = status["sinks"]["alive"]
    assert (alive["address"], alive["failing"], alive["last_error"]) == ("alive", False, "")


def test_books_can_be_asked_for_by_another_thread_at_any_time(root: Root) -> None:
    bot = root.start("run", "store", "otlp")
    stop = threading.Event()
    unbalanced: list[object] = []

    def ask() -> None:
        while not stop.is_set():
            for folder in root.agent.open_folders():
                books = root.agent.books(folder)
                if not books.balanced:
                    unbalanced.append(books)

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(40):
        bot.record(60)
        root.agent.step()
        root.agent.wake()
    root.step_until(lambda: len(taken(root.sink("otlp"))) == 2_400)
    stop.set()
    asking.join()
    assert unbalanced == []
