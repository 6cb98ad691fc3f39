"""What a watched call costs beside itself: measured in this process, on this machine.

Counting a call costs every function the same: a private one is counted a few hundred times, in
cells of its own. What a span costs depends on the arguments that are shown: of a hot function some
calls' own beginnings and endings are timed.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from types import FunctionType
from typing import Any

from tradespan.instrument.auto.inplace import Level, Twin
from tradespan.instrument.auto.twins import Binding
from tradespan.instrument.closing import count_too_deep
from tradespan.instrument.options import Watch
from tradespan.instrument.plan import Plan
from tradespan.pages.durations import make_cells
from tradespan.pages.metrics import DURATION_BOUNDS, EXTRA_CELLS

SAMPLES = 16
"""Calls of a function that are timed."""
_CALLS, _ROUNDS = 100, 5
_USUAL_SPAN = 6.0
"""Times the cost of counting: a span with an argument and a result, until it is timed."""
_USUAL_FAILURE = 40.0
"""Times the cost of counting: a span with an exception, until it is timed."""
_KINDS = {
    inspect.CO_COROUTINE: 3.0,
    inspect.CO_GENERATOR: 6.0,
    inspect.CO_ASYNC_GENERATOR: 12.0,
}
"""Times the cost of counting a plain function's call, by a code's flag."""


def _nothing() -> None:
    """What is counted."""


class _Nowhere:
    """Stands for a recorder: counts in memory, and writes nothing."""

    own_clock = False

    def __init__(self) -> None:
        size = len(DURATION_BOUNDS) + EXTRA_CELLS
        self.recorder = self
        """It is its own slot."""
        self.monotonic = time.monotonic_ns
        self._cells = make_cells(memoryview(bytearray(8 * size)).cast("q"), DURATION_BOUNDS)

    def cells_of(self, plan: Plan) -> Any:
        return self._cells

    def look_up(self, plan: Plan) -> tuple[Any, bool]:
        return self._cells, True


def measure_counting() -> float:
    """Nanoseconds that counting a plain function's call costs. Takes a fraction of a millisecond.

    Raises:
        OSError: tradespan was installed without its source.
    """
    slot: Any = _Nowhere()
    counted = FunctionType(_nothing.__code__, globals())
    bare = FunctionType(_nothing.__code__, globals())
    Twin(counted, "tradespan.governor", lambda _: Watch(), slot).put(Level.COUNTED)
    counted()
    rounds = [(_time(counted), _time(bare)) for _ in range(_ROUNDS)]
    return max(min(each[0] for each in rounds) - min(each[1] for each in rounds), 10.0)


def _time(function: Callable[[], object]) -> float:
    steps = range(_CALLS)
    began = time.perf_counter_ns()
    for _ in steps:
        function()
    return (time.perf_counter_ns() - began) / _CALLS


def _middle(values: list[int]) -> int:
    """The median: another thread may have come in between."""
    return sorted(values)[len(values) // 2]


class Costs(dict[Level, float]):
    """Nanoseconds that one call costs beside itself, by how closely it is watched."""

    def __init__(self, counting: float, flags: int, share: float = 1.0) -> None:
        """`counting`: measured; `flags`: of the function's code; `share`: of calls with a span."""
        kind = next((factor for flag, factor in _KINDS.items() if flags & flag), 1.0)
        self._counted = counting * kind
        self._share = share
        super().__init__({Level.RESTORED: 0.0, Level.COUNTED: self._counted})
        self.failure = _USUAL_FAILURE * counting
        """What a call costs more that fails."""
        self.learn((_USUAL_SPAN - 1) * self._counted)

    def learn(self, span: float) -> None:
        """`span`: nanoseconds that a call's span costs."""
        self[Level.FULL] = self._counted + self._share * span


class Sample:
    """Times how the next spans of a function begin and end: in its own calls, for some of them."""

    def __init__(self, binding: Binding, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        """`binding`: of the function's code, plain or a coroutine's."""
        self._binding = binding
        self._clock = clock
        self._begin, self._returned, self._raised = binding.begin, binding.returned, binding.raised
        self._begun: list[int] = []
        self._ended: list[int] = []
        self._failed: list[int] = []
        binding.begin = self._time_begin
        binding.returned = self._time_returned
        binding.raised = self._time_raised

    @property
    def is_done(self) -> bool:
        """Whether there were enough calls."""
        return len(self._begun) >= SAMPLES and len(self._ended) + len(self._failed) >= SAMPLES

    def teach(self, costs: Costs) -> None:
        """Put what was measured in the place of what was assumed: medians, in nanoseconds."""
        if self._ended:
            costs.learn(_middle(self._begun) + _middle(self._ended))
        if self._failed:
            costs.failure = _middle(self._begun) + _middle(self._failed)

    def end(self) -> None:
        """Time no more."""
        self._binding.begin = self._begin
        self._binding.returned = self._returned
        self._binding.raised = self._raised

    # What is timed never raises but for want of depth: then there is none for these frames either.

    def _time_begin(self, *call: Any) -> Any:
        span = None
        try:
            began = self._clock()
            span = self._begin(*call)
            self._begun.append(self._clock() - began)
        except RecursionError:
            count_too_deep()
        return span

    def _time_returned(self, *call: Any) -> None:
        try:
            began = self._clock()
            self._returned(*call)
            self._ended.append(self._clock() - began)
        except RecursionError:
            count_too_deep()
        if self.is_done:
            self.end()

    def _time_raised(self, *call: Any) -> None:
        try:
            began = self._clock()
            self._raised(*call)
            self._failed.append(self._clock() - began)
        except RecursionError:
            count_too_deep()
        if self.is_done:
            self.end()
