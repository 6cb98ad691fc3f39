"""Cells of counters, gauges and histograms; whoever counts holds them, and adding is a store.

They lie in memory that somebody else gives, a mapped page as a rule, and can be moved with their
counts. FORMAT.md has the layout. Two of each: `NumberCell` and `HistogramCells` of `_native.c`, and
those here. No lock: the interpreter switches threads at calls only, and between load and store of a
count there is none.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise
from time import monotonic, time_ns
from typing import Any, Final, Protocol, SupportsFloat, SupportsIndex

from tradespan.core import native
from tradespan.pages.metrics import EXEMPLAR_CELLS, HISTOGRAM_EXTRA_CELLS, NUMBER_CELLS, Labels

Number = SupportsFloat | SupportsIndex
"""`float`, `int`, `Decimal`, `Fraction`, a scalar of NumPy."""

COUNTER: Final = 0
"""Only rises."""
UP_DOWN: Final = 1
GAUGE: Final = 2
"""Is set, and has the time of that."""

OVERFLOW_LABEL: Final = "otel.metric.overflow"
"""Of the one series in which the label sets beyond an instrument's cap count."""
OVERFLOW_LABELS: Final[Labels] = ((OVERFLOW_LABEL, "true"),)

EXEMPLAR_EVERY: Final = 0.1
"""Seconds at least between two exemplars of a series."""
LOOK_EVERY: Final = 0.01
"""Seconds until the current span is asked for again, where the last one was none to keep."""


class CellOwner(Protocol):
    """What cells ask for now and then. Nothing of ours is raised by it, but what is the host's."""

    def to_number(self, value: object, /) -> float | None:
        """A value that is no `float`, as one; None: it is none, and was counted as refused."""
        ...

    def refuse(self, value: object, /) -> None:
        """Count a value that means nothing here."""
        ...

    def find_span(self) -> tuple[bytes, int] | None:
        """Trace id (16 bytes) and span id of the current span, if it is kept."""
        ...

    def reduce(self, cells: object, /) -> tuple[Any, ...]:
        """What a copy of them is made by, as `__reduce__` returns it."""
        ...

    def place(self, cells: object, /) -> None:
        """Give the cells their place; they have `waited` for the first count since a fork."""
        ...


class NumberCell(Protocol):
    """The value of one label set."""

    @property
    def value(self) -> float: ...

    def add(self, value: Number = 1, /) -> None:
        """Add. What is no finite number, and in a counter what is negative, is refused."""
        ...

    def set(self, value: Number, /) -> None:
        """Of a gauge: it is this now."""
        ...

    def forget(self) -> None:
        """Of a gauge: as if it had never been set."""
        ...

    def move(self, memory: memoryview, /) -> None:
        """Go on there, with what was counted added to what is there."""
        ...

    def restart(self, memory: memoryview, waits: bool = False, /) -> None:
        """Go on there. `waits`: for the first count, at which the owner is told to `place`."""
        ...


class HistogramCells(Protocol):
    """The counts of one label set."""

    @property
    def count(self) -> int: ...
    @property
    def sum(self) -> float: ...
    @property
    def bucket_counts(self) -> tuple[int, ...]: ...
    @property
    def least(self) -> float | None: ...
    @property
    def greatest(self) -> float | None: ...

    def record(self, value: Number, /) -> None:
        """Count a value in the first bucket whose bound is not under it; refused if not finite."""
        ...

    def move(self, memory: memoryview, /) -> None:
        """See `NumberCell`."""
        ...

    def restart(self, memory: memoryview, waits: bool = False, /) -> None:
        """See `NumberCell`."""
        ...


class _Exemplars:
    """What both kinds of cells have: an exemplar at their end, and a wait for a place."""

    __slots__ = ("_due", "_exemplar", "_floats", "_memory", "_owner", "_waits", "_words")

    _floats: memoryview[float]
    _words: memoryview
    _memory: memoryview
    """What was given: moving there again, after an interruption, must not count twice."""

    def __init__(self, owner: CellOwner, cells: int) -> None:
        self._owner = owner
        self._exemplar = cells - EXEMPLAR_CELLS
        self._due = -math.inf
        self._waits = False

    def __reduce__(self) -> tuple[Any, ...]:
        return self._owner.reduce(self)

    def _tend(self, number: float) -> None:
        """After a count, when it is time to: get a place, or an exemplar."""
        if self._waits:
            self._waits = False
            self._owner.place(self)
        self._due = monotonic() + LOOK_EVERY
        found = self._owner.find_span()
        if found is None:
            return
        trace_id, span_id = found
        first = int.from_bytes(trace_id[:8], "little")
        second = int.from_bytes(trace_id[8:], "little")
        now = time_ns()
        self._due = monotonic() + EXEMPLAR_EVERY
        # From here on no call: no other thread writes between.
        words, place = self._words, self._exemplar
        words[place] += 1
        self._floats[place + 1] = number
        words[place + 2] = now
        words[place + 3] = span_id
        words[place + 4] = first
        words[place + 5] = second
        words[place] += 1

    def _views(self, memory: memoryview) -> tuple[memoryview[float], memoryview]:
        size = 8 * (self._exemplar + EXEMPLAR_CELLS)
        if memory.nbytes != size or memory.readonly:
            raise ValueError(f"these cells take {size} bytes that can be written")
        plain = memory.cast("B")
        return plain.cast("d"), plain.cast("Q")


class PureNumberCell(_Exemplars):
    """The way in Python."""

    __slots__ = ("_kind",)

    def __init__(self, owner: CellOwner, memory: memoryview, kind: int) -> None:
        """`memory`: 64 bytes; `kind`: `COUNTER`, `UP_DOWN` or `GAUGE`.

        Raises:
            ValueError: They don't fit.
        """
        if kind not in {COUNTER, UP_DOWN, GAUGE}:
            raise ValueError(f"there is no kind {kind} of a number")
        super().__init__(owner, NUMBER_CELLS)
        self._kind = kind
        self.restart(memory)

    @property
    def value(self) -> float:
        return self._floats[0]

    def add(self, value: Number = 1, /) -> None:
        number = value if type(value) is float else self._owner.to_number(value)
        if number is None:
            return
        now = time_ns() if self._kind == GAUGE else 0
        # From here on no call, up to the last store.
        floats = self._floats
        total = floats[0] + number
        if total - total != 0.0 or (number < 0.0 and self._kind == COUNTER):  # NaN, infinite
            self._owner.refuse(value)
            return
        floats[0] = total
        if now:
            self._words[1] = now
        if monotonic() >= self._due:
            self._tend(number)

    def set(self, value: Number, /) -> None:
        number = value if type(value) is float else self._owner.to_number(value)
        if number is None:
            return
        if self._kind != GAUGE or number - number != 0.0:
            self._owner.refuse(value)
            return
        now = time_ns()
        self._floats[0] = number
        self._words[1] = now
        if monotonic() >= self._due:
            self._tend(number)

    def forget(self) -> None:
        self._words[1] = 0
        self._floats[0] = 0.0

    def move(self, memory: memoryview, /) -> None:
        floats, words = self._views(memory)
        self._waits = False
        if memory is self._memory:
            return
        before, times = self._floats, self._words
        # From here on no call.
        self._floats, self._words, self._memory = floats, words, memory
        if self._kind != GAUGE:
            floats[0] += before[0]
        elif times[1]:
            floats[0] = before[0]
            words[1] = times[1]

    def restart(self, memory: memoryview, waits: bool = False, /) -> None:
        self._floats, self._words = self._views(memory)
        self._memory = memory
        self._waits = waits
        self._due = -math.inf


class PureHistogramCells(_Exemplars):
    """The way in Python."""

    __slots__ = ("_bounds", "_buckets")

    def __init__(self, owner: CellOwner, memory: memoryview, bounds: tuple[float, ...]) -> None:
        """`memory`: `len(bounds) + 10` cells of 8 bytes; `bounds`: rising.

        Raises:
            ValueError: They don't fit.
        """
        bounds = tuple(map(float, bounds))
        if not all(before < bound for before, bound in pairwise((-math.inf, *bounds, math.inf))):
            raise ValueError("bounds have to rise, and to be finite")
        super().__init__(owner, len(bounds) + HISTOGRAM_EXTRA_CELLS)
        self._bounds = bounds
        self._buckets = len(bounds) + 1
        self.restart(memory)

    @property
    def count(self) -> int:
        return sum(self.bucket_counts)

    @property
    def sum(self) -> float:
        return self._floats[self._buckets]

    @property
    def bucket_counts(self) -> tuple[int, ...]:
        return tuple(self._words[: self._buckets])

    @property
    def least(self) -> float | None:
        return self._floats[self._buckets + 1] if self.count else None

    @property
    def greatest(self) -> float | None:
        return self._floats[self._buckets + 2] if self.count else None

    def record(self, value: Number, /) -> None:
        number = value if type(value) is float else self._owner.to_number(value)
        if number is None:
            return
        bucket = bisect_left(self._bounds, number)
        place = self._buckets
        # From here on no call, up to the last store.
        floats = self._floats
        total = floats[place] + number
        if total - total != 0.0:
            self._owner.refuse(value)
            return
        if number < floats[place + 1]:  # noqa: PLR1730 - `min` is a call
            floats[place + 1] = number
        if number > floats[place + 2]:  # noqa: PLR1730
            floats[place + 2] = number
        floats[place] = total
        self._words[bucket] += 1
        if monotonic() >= self._due:
            self._tend(number)

    def move(self, memory: memoryview, /) -> None:
        if memory is self._memory:
            self._waits = False
            return
        before, counts = self._floats, self._words
        self.restart(memory)
        # Others count there already; each line is one step for them.
        floats, words = self._floats, self._words
        place = self._buckets
        least, greatest = before[place + 1], before[place + 2]
        if least < floats[place + 1]:  # noqa: PLR1730
            floats[place + 1] = least
        if greatest > floats[place + 2]:  # noqa: PLR1730
            floats[place + 2] = greatest
        floats[place] += before[place]
        for bucket in range(self._buckets):
            words[bucket] += counts[bucket]

    def restart(self, memory: memoryview, waits: bool = False, /) -> None:
        floats, words = self._views(memory)
        if not any(words[: self._buckets]):
            floats[self._buckets + 1] = math.inf
            floats[self._buckets + 2] = -math.inf
        self._floats, self._words, self._memory = floats, words, memory
        self._waits = waits
        self._due = -math.inf


def make_number_cell(owner: CellOwner, memory: memoryview, kind: int) -> NumberCell:
    """The native one, where there is one; see `PureNumberCell` for the arguments."""
    if native.module is None:
        return PureNumberCell(owner, memory, kind)
    made: NumberCell = native.module.NumberCell(owner, memory, kind)
    return made


def make_histogram_cells(
    owner: CellOwner, memory: memoryview, bounds: tuple[float, ...]
) -> HistogramCells:
    """The native ones, where there are such; see `PureHistogramCells` for the arguments."""
    if native.module is None:
        return PureHistogramCells(owner, memory, bounds)
    made: HistogramCells = native.module.HistogramCells(owner, memory, bounds)
    return made
