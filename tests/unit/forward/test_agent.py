# long: one subject, whose states are set up by the same helpers; splitting would copy those
"""The agent over real folders, a thread per destination: deletes, ends, gives up, cleans up."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.fakes import ListSink, MemoryCursors
from tests.unit.forward.builders import Bot, make_span, taken
from tests.unit.spool.builders import record_frames, resource_frame, write_segment
from tests.unit.spool.test_reader import raise_version
from tradespan.core import guard
from tradespan.core.delivery import Accepted, Batch, Outcome, Parked, Retry
from tradespan.core.process import process_start
from tradespan.core.records import Kind, Span
from tradespan.forward import agent as agents
from tradespan.forward.agent import NOT_ANSWERING, Agent, Destination, Rhythm
from tradespan.forward.courier import Courier, RetryPolicy
from tradespan.spool.folder import DRAINED, ENDED, PROGRESS, RunFolder, read_json, replace_json
from tradespan.wire.codec import decode_span

QUICK = Rhythm(poll=0.002, status=0.05, purge=0.0)
PATIENCE = 20.0
"""Seconds after which a test says that what it waits for does not come."""


class Root:
    """A root, its bots and its agent; sinks by the address of their destination."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sinks: dict[str, ListSink[Span]] = {}
        self.keepers: dict[str, MemoryCursors] = {}
        self.refused: set[str] = set()
        self.built: list[str] = []
        self.retry = RetryPolicy(first=0.01, longest=0.02)
        self.agent = Agent(path, self.build, [Destination("otlp", "default")], rhythm=QUICK)

    def build(self, destination: Destination) -> Courier[Any] | None:
        self.built.append(destination.address)
        if destination.address in self.refused:
            raise OSError("cannot be opened")
        if destination.kind not in ("otlp", "store"):
            return None
        sink = self.sink(destination.address)
        keeper = self.keepers.setdefault(sink.name, MemoryCursors())
        return Courier(sink, keeper, Kind.SPAN, decode_span, retry=self.retry)

    def sink(self, address: str, rule: Callable[[Batch[Span]], Outcome] | None = None) -> Any:
        sink = self.sinks.get(address)
        if sink is None:
            sink = self.sinks[address] = ListSink(name=address)
        if rule is not None:
            sink.rule = rule
        return sink

    def start(self, name: str, *addresses: str, pid: int | None = None, **facts: Any) -> Bot:
        """A bot that records into a folder of its own; alive as long as this test is."""
        bot = Bot(self.path / "runs" / name)
        bot.folder.path.mkdir(parents=True, exist_ok=True)
        pid = os.getpid() if pid is None else pid
        kinds = {"store": "store", "unknown": "carrier pigeon"}
        destinations = [(kinds.get(each, "otlp"), each) for each in addresses or ("default",)]
        bot.folder.describe(
            pid=pid, pid_start=process_start(pid), destinations=destinations, **facts
        )
        return bot

    def end(self, bot: Bot, drain: float = 10.0) -> None:
        bot.close()
        bot.die()
        replace_json(bot.folder.path / ENDED, {"status": 0, "time": time.time(), "drain": drain})

    def step_until(self, condition: Callable[[], object], patience: float = PATIENCE) -> float:
        """Let the agent work until something is so; returns the seconds that it took."""
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < patience, "it does not come"
            self.agent.step()
            self.agent.wake()
            os.sched_yield()
        return time.monotonic() - began

    def drained(self, bot: Bot) -> dict[str, Any] | None:
        return read_json(bot.folder.path / DRAINED)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    before = guard.raise_errors(False)
    root = Root(tmp_path)
    yield root
    root.agent.close()
    guard.raise_errors(before)


def always_down(batch: Batch[Span]) -> Outcome:
    return Retry("connection refused")


class Gate:
    """A sink's rule that answers only when it is opened."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.open = threading.Event()

    def __call__(self, batch: Batch[Span]) -> Outcome:
        self.asked.set()
        self.open.wait(PATIENCE)
        return Accepted()


# ── delivery and deletion ───────────────────────────────────────────────────────────────────────


def test_segment_is_deleted_when_all_destinations_have_taken_it_and_not_before(root: Root) -> None:
    gate = Gate()
    root.sink("slow", gate)
    bot = root.start("run", "fast", "slow")
    bot.record(200)
    names = bot.folder.segments()
    bot.close()
    root.step_until(lambda: len(taken(root.sink("fast"))) == 200 and gate.asked.is_set())
    for _ in range(5):
        root.agent.step()
    assert bot.folder.segments() == names
    gate.open.set()
    root.step_until(lambda: not bot.folder.segments())
    assert taken(root.sink("slow")) == list(range(1, 201))


@pytest.mark.parametrize("fault", ["down", "hanging", "refusing"])
def test_dead_destination_holds_up_no_other(root: Root, fault: str) -> None:
    gate = Gate()
    rules: dict[str, Callable[[Batch[Span]], Outcome]] = {
        "down": always_down,
        "hanging": gate,
        "refusing": lambda batch: Parked("HTTP 400"),
    }
    root.sink("dead", rules[fault])
    bots = [root.start(f"run-{number}", "dead", "alive") for number in range(3)]
    for bot in bots:
        bot.record(20)
    root.step_until(lambda: len(taken(root.sink("alive"))) == 60)
    bots[0].record(5, failed=True)
    root.step_until(lambda: len(taken(root.sink("alive"))) == 65)
    gate.open.set()


def test_unknown_kind_of_destination_keeps_the_data(root: Root) -> None:
    bot = root.start("run", "known", "unknown")
    bot.record(20)
    root.end(bot)
    root.step_until(lambda: root.drained(bot) is not None)
    assert taken(root.sink("known")) == list(range(1, 21))
    assert len(bot.folder.segments()) == 1
    assert root.drained(bot)["complete"] is False  # type: ignore[index]


def test_destination_that_cannot_be_opened_holds_up_no_other_and_is_tried_again(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "_REBUILD", 0.05)
    root.refused.add("store")
    bot = root.start("run", "store", "otlp")
    bot.record(20)
    bot.close()
    root.step_until(lambda: len(taken(root.sink("otlp"))) == 20 and root.built.count("store") > 1)
    assert len(bot.folder.segments()) == 1
    root.refused.clear()
    root.step_until(lambda: not bot.folder.segments())
    assert taken(root.sink("store")) == list(range(1, 21))


def test_destination_named_twice_gets_everything_once(root: Root) -> None:
    bot = root.start("run", "same", "same")
    bot.record(20)
    bot.close()
    root.step_until(lambda: not bot.folder.segments())
    assert taken(root.sink("same")) == list(range(1, 21))


def test_folder_that_does_not_say_goes_to_the_default(root: Root) -> None:
    bot = Bot(root.path / "runs" / "run")
    bot.record(3)
    root.step_until(lambda: taken(root.sink("default")) == [1, 2, 3])


@pytest.mark.parametrize(
    "facts",
    [
        {"destinations": [["otlp"]], "pid": "x"},
        {"destinations": "otlp", "pid": None},
        {"destinations": [3, None, {"a": 1}], "pid": -1, "pid_start": [1]},
        {"destinations": [["otlp", "sound"]], "pid": 1e400, "supervisor": 2**70},
    ],
)
def test_folder_with_anything_in_its_description_holds_up_no_other(
    root: Root, facts: dict[str, Any]
) -> None:
    strange = RunFolder(root.path / "runs" / "a-strange-one")
    strange.path.mkdir(parents=True)
    strange.describe(**facts)
    bot = root.start("run", "sound")
    bot.record(3)
    root.end(bot)
    root.step_until(lambda: root.drained(bot) is not None)
    assert taken(root.sink("sound")) == [1, 2, 3]


def test_two_that_step_at_once_build_each_destination_once(root: Root) -> None:
    # Whoever ends an agent steps once more, beside the agent's own thread.
    bots = [root.start(f"run-{number}", f"sink-{number}") for number in range(20)]
    threads = [threading.Thread(target=root.agent.step) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(root.built) == sorted(f"sink-{number}" for number in range(len(bots)))


# ── the end of a run ────────────────────────────────────────────────────────────────────────────


def test_books_are_closed_when_a_run_ended_and_all_is_delivered(root: Root) -> None:
    bot = root.start("run", "one", "other")
    bot.record(50)
    root.step_until(lambda: len(taken(root.sink("other"))) == 50)
    assert root.drained(bot) is None
    bot.record(5, failed=True)
    root.end(bot)
    root.step_until(lambda: root.drained(bot) is not None)
    line = {"accepted": 55, "parked": 0, "on_disk": 0, "unaccounted": 0}
    assert root.drained(bot) == {
        "complete": True,
        "recorded": 55,
        "in_memory": 0,
        "interrupted": 0,
        "discarded": {},
        "sinks": {"one": line, "other": line},
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


@pytest.mark.parametrize("fault", ["down", "hanging"])
def test_receiver_that_does_not_answer_holds_up_the_end_for_about_a_second(
    root: Root, fault: str
) -> None:
    gate = Gate()
    root.sink("otlp", always_down if fault == "down" else gate)
    bot = root.start("run", "store", "otlp")
    bot.record(20)
    root.end(bot)
    took = root.step_until(lambda: root.drained(bot) is not None)
    assert 0.5 * NOT_ANSWERING < took < 2.5 * NOT_ANSWERING
    books = root.drained(bot)
    assert books is not None
    assert books["complete"] is False
    assert books["sinks"]["store"] == {
        "accepted": 20, "parked": 0, "on_disk": 0, "unaccounted": 0,
    }  # fmt: skip
    assert books["sinks"]["otlp"]["on_disk"] == 20
    # Forwarding goes on all the same, and the books are closed again.
    gate.open.set()
    root.sink("otlp", lambda batch: Accepted())
    root.step_until(lambda: (root.drained(bot) or {}).get("complete"))
    assert root.drained(bot)["sinks"]["otlp"]["accepted"] == 20  # type: ignore[index]


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
    until = time.monotonic() + 2 * NOT_ANSWERING
    root.sink("store", lambda b: Accepted() if time.monotonic() > until else Retry("locked"))
    bot = root.start("run", "store")
    bot.record(20)
    root.end(bot)
    took = root.step_until(lambda: root.drained(bot) is not None)
    assert took > 1.5 * NOT_ANSWERING
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
    assert status["sinks"]["alive"] == {"address": "alive", "failing": False, "last_error": ""}


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


# ── what is long over ───────────────────────────────────────────────────────────────────────────

EIGHT_DAYS_AGO = time.time() - 8 * 86_400


def finish(root: Root, name: str) -> Bot:
    bot = root.start(name, "store")
    bot.record(5)
    root.end(bot)
    root.step_until(lambda: (root.drained(bot) or {}).get("complete"))
    return bot


def age(bot: Bot) -> None:
    os.utime(bot.folder.path / DRAINED, (EIGHT_DAYS_AGO, EIGHT_DAYS_AGO))


def test_folder_delivered_over_a_week_ago_is_removed(root: Root) -> None:
    old, new = finish(root, "old"), finish(root, "new")
    age(old)
    root.step_until(lambda: not old.folder.path.exists())
    root.agent.step()
    assert new.folder.path.exists()
    assert (root.path / "runs").exists()


def test_another_agent_removes_what_an_earlier_one_delivered(root: Root) -> None:
    old = finish(root, "old")
    age(old)
    root.agent.close()
    later = Root(root.path)
    later.step_until(lambda: not old.folder.path.exists())
    assert later.built == [], "nothing is opened for folders that are over"
    later.agent.close()


@pytest.mark.parametrize("reason", ["dead letters", "unbalanced", "alive", "not complete"])
def test_folder_in_which_something_matters_is_kept_however_old(root: Root, reason: str) -> None:
    bot = finish(root, "old")
    if reason == "dead letters":
        (bot.folder.path / "parked").mkdir()
    elif reason == "alive":
        Bot(bot.folder.path).record(1)
    else:
        books = root.drained(bot)
        assert books is not None
        if reason == "unbalanced":
            books["sinks"]["store"]["unaccounted"] = 1
        else:
            books["complete"] = False
        replace_json(bot.folder.path / DRAINED, books)
    age(bot)
    for _ in range(5):
        root.agent.step()
    assert bot.folder.path.exists()


def test_root_that_is_a_run_folder_itself_is_never_removed(tmp_path: Path) -> None:
    root = Root(tmp_path)
    bot = Bot(tmp_path)
    bot.folder.describe(pid=os.getpid(), destinations=[("store", "store")])
    bot.record(5)
    root.end(bot)
    root.step_until(lambda: (root.drained(bot) or {}).get("complete"))
    age(bot)
    for _ in range(5):
        root.agent.step()
    assert bot.folder.description
    root.agent.close()


def test_span_of_the_builders_is_what_the_sinks_get(root: Root) -> None:
    bot = root.start("run", "store")
    bot.record(1)
    root.step_until(lambda: taken(root.sink("store")))
    assert root.sink("store").records == [make_span(1)]
