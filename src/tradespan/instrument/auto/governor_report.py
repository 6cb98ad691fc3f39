"""What the governor says: a line in the log, and a file in the run's folder."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any

from tradespan.core import guard
from tradespan.instrument.auto.governor_choice import Choice, Governed
from tradespan.instrument.auto.inplace import Level
from tradespan.instrument.recorder import Recorder
from tradespan.spool.governed import MOST_FUNCTIONS, percent, write_governed

SAID_EVERY = 60.0
"""Seconds between two lines."""
WRITTEN_EVERY = 10.0
"""Seconds between two files, where nothing but numbers has changed."""


class Reporter:
    """Tells of the decisions of one process generation."""

    def __init__(self) -> None:
        self._said = self._written = float("-inf")
        self._overhead = -1.0

    def tell(
        self,
        recorder: Recorder,
        choice: Choice,
        functions: Collection[Governed],
        changed: Collection[Governed],
        now: float,
    ) -> None:
        """After each look; `changed`: the functions that have another level, `now`: seconds."""
        if not functions:
            return
        lowered = any(each.promoted is None for each in changed)
        if lowered and now - self._said >= SAID_EVERY:
            self._said = now
            guard.logger.info("%s", sentence(choice, functions))
        overhead = sum(each.load() for each in functions)
        moved = abs(overhead - self._overhead) > choice.budget / 10
        if changed or (moved and now - self._written >= WRITTEN_EVERY):
            self._written, self._overhead = now, overhead
            told = describe(recorder, choice, functions, now)
            try:
                write_governed(recorder.spool.folder, recorder.spool.identity, told)
            except OSError:  # told by who records there; the next time it may be possible
                self._overhead = -1.0


def sentence(choice: Choice, functions: Collection[Governed]) -> str:
    """Said when functions are watched less."""
    counted = sum(each.level is Level.COUNTED for each in functions)
    restored = sum(each.level is Level.RESTORED for each in functions)
    return (
        f"{len(functions):,} watched functions cost about {percent(choice.load)} of a core (budget"
        f" {percent(choice.budget)}): {counted:,} are only counted now, {restored:,} not observed;"
        " tradespan doctor says which"
    )


def describe(
    recorder: Recorder, choice: Choice, functions: Collection[Governed], now: float
) -> dict[str, Any]:
    """The file's content. Times in seconds, UTC; shares of one core; costs in nanoseconds."""
    wall = recorder.clock.wall() / 1e9
    lowered = [each for each in functions if each.level is not Level.FULL]
    lowered.sort(key=lambda each: -each.saved)
    return {
        "pid": os.getpid(),
        "start": recorder.spool.process_start,
        "time": wall,
        "budget": choice.budget,
        # As they are watched from now on, called as often as before.
        "overhead": sum(each.load() for each in functions),
        "essential": sum(each.load() for each in functions if each.lowest is Level.FULL),
        "peak": choice.peak,
        "levels": {
            level.name.lower(): sum(each.level is level for each in functions) for level in Level
        },
        "functions": [
            {
                "name": each.name,
                "level": each.level.name.lower(),
                "since": wall - (now - each.since),
                "rate": each.rate,
                "mean": each.mean,
                "cost": each.costs[Level.FULL],
                "share": each.saved,
            }
            for each in lowered[:MOST_FUNCTIONS]
        ],
    }
