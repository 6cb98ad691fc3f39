"""Stand-ins with real behaviour: a clock to step, a sink that is a list, cursors in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tradespan.core.delivery import Accepted, Batch, Cursor, Outcome

T = TypeVar("T")

SECOND = 1_000_000_000
NOON = 1_772_366_400 * SECOND
"""2026-03-01 12:00:00 UTC."""


class SteppingClock:
    """Both clocks stand still until they are stepped."""

    def __init__(self, wall: int = NOON, monotonic: int = 1_000 * SECOND) -> None:
        self._wall = wall
        self._monotonic = monotonic

    def wall(self) -> int:
        return self._wall

    def monotonic(self) -> int:
        return self._monotonic

    def seconds(self) -> float:
        """The monotonic clock as the forwarder reads it."""
        return self._monotonic / SECOND

    def step(self, seconds: float) -> None:
        """Time passes."""
        self._wall += int(seconds * SECOND)
        self._monotonic += int(seconds * SECOND)

    def set_wall(self, wall: int) -> None:
        """Somebody sets the wall clock; the monotonic one goes on."""
        self._wall = wall


Answer = Outcome | Exception | Callable[[Batch[T]], Outcome]


@dataclass
class ListSink(Generic[T]):
    """Keeps what it accepts. `answers` are given first, one a call; then it accepts everything."""

    name: str = "list"
    answers: deque[Answer[T]] = field(default_factory=deque)
    rule: Callable[[Batch[T]], Outcome] = lambda batch: Accepted()
    offered: list[Batch[T]] = field(default_factory=list)
    """Every batch it was given, whatever it answered."""
    taken: list[Batch[T]] = field(default_factory=list)
    closed: bool = False

    @property
    def records(self) -> list[T]:
        """The records of all accepted batches, in order."""
        return [record for batch in self.taken for part in batch.slices for record in part.records]

    def deliver(self, batch: Batch[T]) -> Outcome:
        self.offered.append(batch)
        answer = self.answers.popleft() if self.answers else self.rule
        if isinstance(answer, Exception):
            raise answer
        outcome = answer(batch) if callable(answer) else answer
        if isinstance(outcome, Accepted):
            self.taken.append(batch)
        return outcome

    def close(self) -> None:
        self.closed = True


class MemoryCursors:
    """A cursor keeper. While `fault` is set, it keeps nothing."""

    def __init__(self) -> None:
        self.kept: dict[str, Cursor] = {}
        self.fault: OSError | None = None
        self.saves = 0

    def load(self, folder: str) -> Cursor:
        return self.kept.get(folder, Cursor())

    def save(self, folder: str, cursor: Cursor) -> None:
        if self.fault is not None:
            raise self.fault
        self.saves += 1
        self.kept[folder] = cursor
