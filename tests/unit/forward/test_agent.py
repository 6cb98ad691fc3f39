"""The agent delivers every folder to its destinations, and deletes what all have taken."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.forward.builders import Bot, make_span, taken
from tests.unit.forward.roots import Gate, Root, always_down
from tradespan.core.delivery import Batch, Outcome, Parked
from tradespan.core.records import Span
from tradespan.forward import agent as agents
from tradespan.spool.folder import RunFolder


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


def test_span_of_the_builders_is_what_the_sinks_get(root: Root) -> None:
    bot = root.start("run", "store")
    bot.record(1)
    root.step_until(lambda: taken(root.sink("store")))
    assert root.sink("store").records == [make_span(1)]
