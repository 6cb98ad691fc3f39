"""Subjects take turns, and each keeps the least of its rounds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from benchmarks import timing
from benchmarks.timing import Loop, Rounds, Subject, awaited, driven, repeated, time_in_turns

ROUNDS = Rounds(count=3, calls=100)


class Script:
    """Loops that take told times, and what was run, in order."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def loop(self, key: str, microseconds: list[int]) -> Loop:
        costs: Iterator[int] = iter([0, *microseconds])  # the first is the warming up

        def run(times: int) -> int:
            self.ran.append(key)
            return next(costs) * 1000 * times

        return run


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """The bare loop takes a microsecond per turn."""
    monkeypatch.setattr(timing, "_bare_loop", lambda times: 1000 * times)
    return Script()


def test_the_least_round_counts_without_the_bare_loops_share(script: Script) -> None:
    subjects = [
        Subject("a", script.loop("a", [9, 5, 7])),
        Subject("b", script.loop("b", [30, 31, 32])),
    ]

    assert time_in_turns(subjects, ROUNDS, section="test") == {"a": 4.0, "b": 29.0}


def test_subjects_take_turns_and_settle_after_each(script: Script) -> None:
    subjects = [
        Subject("a", script.loop("a", [9, 9, 9]), settle=lambda: script.ran.append("settled")),
        Subject("b", script.loop("b", [9, 9, 9])),
    ]

    time_in_turns(subjects, ROUNDS, section="test", between=lambda: script.ran.append("|"))

    assert script.ran == ["a", "b", *["a", "settled", "b", "|"] * ROUNDS.count]


def test_a_cost_below_the_bare_loops_stays_above_zero(script: Script) -> None:
    costs = time_in_turns([Subject("a", script.loop("a", [1, 1, 1]))], ROUNDS, section="test")

    assert costs["a"] > 0


def test_each_loop_runs_what_it_is_given_so_many_times() -> None:
    ran: list[str] = []

    async def coroutine() -> None:
        ran.append("coroutine")

    with asyncio.Runner() as runner:
        loops = [
            repeated(lambda: ran.append("plain")),
            driven(coroutine),
            awaited(coroutine, runner),
        ]
        took = [loop(5) for loop in loops]

    assert ran == ["plain"] * 5 + ["coroutine"] * 10
    assert min(took) >= 0
