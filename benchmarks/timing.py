"""Fair timing on a noisy machine: subjects take turns, and each keeps the best of its rounds."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

Call = Callable[[], object]
Loop = Callable[[int], int]
"""Runs something so many times; nanoseconds that it took."""
CoroutineFunction = Callable[[], Coroutine[Any, Any, object]]

_TELL_AFTER = 2.0


@dataclass(frozen=True, slots=True)
class Rounds:
    """How long to look for the least."""

    count: int
    calls: int
    """Calls of each subject in a round."""


FULL = Rounds(40, 1_000)
QUICK = Rounds(8, 250)


def _settled() -> None:
    """Nothing is left to do after a round."""


@dataclass(slots=True)
class Subject:
    """One thing to time."""

    key: str
    loop: Loop
    settle: Call = _settled
    """Called after each round, untimed: empties queues, so that no subject pays for another."""
    best: float = float("inf")
    """Microseconds per call, the least of all rounds; the bare loop's share is taken off."""


def repeated(call: Call) -> Loop:
    """A plain function's loop."""

    def loop(times: int) -> int:
        steps = range(times)
        began = time.perf_counter_ns()
        for _ in steps:
            call()
        return time.perf_counter_ns() - began

    return loop


def driven(function: CoroutineFunction) -> Loop:
    """A coroutine function's: run to its end by hand, without an event loop."""

    def loop(times: int) -> int:
        steps = range(times)
        began = time.perf_counter_ns()
        for _ in steps:
            try:
                function().send(None)
            except StopIteration:
                pass
        return time.perf_counter_ns() - began

    return loop


def awaited(function: CoroutineFunction, runner: asyncio.Runner) -> Loop:
    """A coroutine function's: awaited in a task of an event loop."""

    async def measure(times: int) -> int:
        steps = range(times)
        began = time.perf_counter_ns()
        for _ in steps:
            await function()
        return time.perf_counter_ns() - began

    def loop(times: int) -> int:
        return runner.run(measure(times))

    return loop


def _bare_loop(times: int) -> int:
    steps = range(times)
    began = time.perf_counter_ns()
    for _ in steps:
        pass
    return time.perf_counter_ns() - began


class Progress:
    """Says on stderr where a section is, once it takes longer than two seconds."""

    def __init__(self, section: str) -> None:
        self._section = section
        self._told = time.monotonic()

    def tell(self, where: str) -> None:
        """Say it, unless that was done a moment ago."""
        now = time.monotonic()
        if now - self._told >= _TELL_AFTER:
            self._told = now
            print(f"bench: {self._section}: {where}", file=sys.stderr, flush=True)


def time_in_turns(
    subjects: Iterable[Subject], rounds: Rounds, *, section: str, between: Call = _settled
) -> dict[str, float]:
    """The cost of each subject by its key, in µs per call; `between` is called after each round."""
    subjects = list(subjects)
    progress = Progress(section)
    loop_cost = float("inf")
    for subject in subjects:  # what is made at a first call is made
        subject.loop(10)
    gc.collect()
    gc.freeze()
    try:
        for count in range(1, rounds.count + 1):
            loop_cost = min(loop_cost, _bare_loop(rounds.calls) / rounds.calls / 1000)
            for subject in subjects:
                subject.best = min(subject.best, subject.loop(rounds.calls) / rounds.calls / 1000)
                subject.settle()
            between()
            progress.tell(f"round {count} of {rounds.count}")
    finally:
        gc.unfreeze()
    return {subject.key: max(subject.best - loop_cost, 0.001) for subject in subjects}
