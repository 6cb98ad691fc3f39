"""Counts of one function's calls: a histogram of durations, errors, and calls within an objective.

The cells are 8-byte integers in memory that somebody else gives, a mapped page as a rule. Two of
the same: `DurationCells` of `_native.c`, and the one here. Adding takes no lock: the interpreter
switches threads at calls only, and there is none between load and store.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from time import monotonic_ns
from typing import Protocol

from tradespan.core import native


class DurationCells(Protocol):
    """`len(bounds) + 1` bucket counts, the sum of durations in ns, errors, good calls."""

    def record(self, duration: int, /) -> None:
        """Count a call of so many nanoseconds, in the first bucket whose bound is not under it.

        A negative duration counts as 0.
        """
        ...

    def finish(self, began: int, /) -> int:
        """Count a call that ends now, and began at this reading of `time.monotonic_ns`.

        Returns:
            Its duration in nanoseconds, never negative.
        """
        ...

    def fail(self) -> None:
        """Count an error."""
        ...

    def good(self) -> None:
        """Count a call that succeeded within its objective."""
        ...


class PureDurationCells:
    """The way in Python."""

    __slots__ = ("_bounds", "_cells", "_errors", "_good", "_sum")

    def __init__(self, buffer: memoryview, bounds: tuple[int, ...]) -> None:
        """`buffer`: `len(bounds) + 4` cells of format `q`; `bounds` in nanoseconds, rising.

        Raises:
            ValueError: They don't fit together.
        """
        if any(bound <= before for before, bound in pairwise(bounds)):
            raise ValueError("bounds have to rise")
        if len(buffer) != len(bounds) + 4 or buffer.itemsize != 8:
            raise ValueError(f"{len(bounds)} bounds take {len(bounds) + 4} cells of 8 bytes")
        self._cells = buffer
        self._bounds = bounds
        self._sum = len(bounds) + 1
        self._errors = self._sum + 1
        self._good = self._sum + 2

    def record(self, duration: int, /) -> None:
        duration = max(duration, 0)
        place = bisect_left(self._bounds, duration)
        self._cells[place] += 1
        self._cells[self._sum] += duration

    def finish(self, began: int, /) -> int:
        duration = max(monotonic_ns() - began, 0)
        self.record(duration)
        return duration

    def fail(self) -> None:
        self._cells[self._errors] += 1

    def good(self) -> None:
        self._cells[self._good] += 1


def make_cells(buffer: memoryview, bounds: tuple[int, ...]) -> DurationCells:
    """The native ones, where there are such; see `PureDurationCells` for the arguments."""
    if native.module is None:
        return PureDurationCells(buffer, bounds)
    made: DurationCells = native.module.DurationCells(buffer, bounds)
    return made
