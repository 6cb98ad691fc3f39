"""Fair timing on a noisy machine: subjects take turns, and each keeps the best of its rounds."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

Call = Callable[[], object]


@dataclass(slots=True)
class Subject:
    """One thing to time."""

    name: str
    call: Call
    best: float = float("inf")
    """Microseconds per call, the least of all rounds; the empty loop's share is taken off."""


def _loop(call: Call, times: int) -> float:
    steps = range(times)
    began = time.perf_counter_ns()
    for _ in steps:
        call()
    return (time.perf_counter_ns() - began) / times / 1000


def _nothing() -> None:
    """The price of calling at all, and of the loop."""


def time_in_turns(subjects: list[Subject], rounds: int = 40, times: int = 2_000) -> None:
    """Time all subjects `rounds` times in turn, `times` calls each."""
    gc.collect()
    gc.freeze()
    empty = float("inf")
    for _ in range(rounds):
        empty = min(empty, _loop(_nothing, times))
        for subject in subjects:
            subject.best = min(subject.best, _loop(subject.call, times))
    for subject in subjects:
        subject.best = max(subject.best - empty, 0.001)
