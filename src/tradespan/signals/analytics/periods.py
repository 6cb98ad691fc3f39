"""Returns by period: which marks make one return, and returns over the last hour, day and week.

Equity is followed as a level: equity times a factor that each flow changes, so that a deposit or a
withdrawal moves no return. A flow is taken to come at the last mark's equity: mark just before one
to have it exact.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping
from math import inf
from typing import Final, NamedTuple

HORIZONS: Final[Mapping[str, int]] = {
    "1h": 3_600_000_000_000,
    "24h": 86_400_000_000_000,
    "7d": 604_800_000_000_000,
}
"""Nanoseconds by the name of the label `trading.period`."""

STEPS: Final = 240
"""Points that are kept of a horizon: 15 s of an hour, 6 min of a day, 42 min of a week."""

LARGEST: Final = 1e150
"""A return beyond it is undefined: neither its square nor a sum of a million such overflows."""

_RANGE: Final = (1e-150, 1e150)
"""Of the factor for flows; beyond it levels begin anew."""


class _Open(NamedTuple):
    """Replaced as a whole, so that a child forked in between finds one state or the other."""

    key: Hashable
    """Of the period that is open."""
    base: float | None
    """Level at its beginning; None: unknown. A return on one at or below zero is undefined."""
    equity: float
    """Of the last mark, flows since then included."""
    factor: float
    """Level divided by equity."""


class Marked(NamedTuple):
    """What a mark gave."""

    ended: float | None
    """The return of the period that it ended."""
    undefined: bool
    """Whether a period ended that has no return: from equity at or below zero."""
    level: float | None
    """Equity without the effect of flows; None at or below zero."""


class PeriodReturns:
    """Turns marks of equity into one simple return per period.

    With `by_key` a period is what has one key: its return is that of its last mark against the last
    mark of the one before, known at the first mark after it. The first period has none, since
    nobody knows where it began. Periods without a mark have no return: the next one spans them.
    Without `by_key` each mark ends a period.
    """

    def __init__(self, *, by_key: bool) -> None:
        self._by_key = by_key
        self._open: _Open | None = None

    def mark(self, equity: float, key: Hashable = None) -> Marked:
        """A valuation, in the period `key`."""
        before = self._open
        if before is None:
            self._open = _Open(key, None if self._by_key else equity, equity, 1.0)
            return Marked(None, False, _above_zero(equity))
        level = equity * before.factor
        if self._by_key and key == before.key:
            self._open = before._replace(equity=equity)
            return Marked(None, False, _above_zero(level))
        end = before.equity * before.factor if self._by_key else level
        self._open = _Open(key, end, equity, before.factor)
        base = before.base
        if base is None:
            return Marked(None, False, _above_zero(level))
        ended = (end - base) / base if base > 0 else None
        if ended is not None and not abs(ended) <= LARGEST:
            ended = None
        return Marked(ended, ended is None, _above_zero(level))

    def flow(self, amount: float) -> bool:
        """A deposit, or below zero a withdrawal. False: levels begin anew, since it came to, or
        left, nothing.
        """
        before = self._open
        if before is None:
            return True
        equity = before.equity + amount
        if before.equity > 0 and equity > 0:
            factor = before.factor * (before.equity / equity)
            if _RANGE[0] < factor < _RANGE[1]:
                self._open = before._replace(equity=equity, factor=factor)
                return True
        # The open period's return is undefined; without keys the next one begins here.
        self._open = _Open(before.key, 0.0 if self._by_key else equity, equity, 1.0)
        return False


def _above_zero(level: float) -> float | None:
    return level if 0 < level < inf else None


class ReturnsOver:
    """Returns over the last hour, day and week, as of the last point, in bounded memory.

    A return over a horizon is that of the last point against the latest one that is at least as old
    as the horizon; of points closer together than a step of it only the last is kept, so that the
    time it spans is longer than the horizon by at most a step, and the pause between two points.
    """

    def __init__(self, horizons: Mapping[str, int] = HORIZONS, steps: int = STEPS) -> None:
        """`horizons`: nanoseconds by name. `steps`: points that are kept of each."""
        self._trails = [
            (name, horizon, max(horizon // steps, 1), deque[tuple[int, float]]())
            for name, horizon in horizons.items()
        ]

    def add(self, level: float, ts: int) -> None:
        """A point; none is earlier than the last."""
        point = ts, level
        for _, horizon, step, trail in self._trails:
            if len(trail) > 1 and trail[-1][0] // step == ts // step:
                trail[-1] = point
            else:
                trail.append(point)
            old = ts - horizon
            while len(trail) > 1 and trail[1][0] <= old:
                trail.popleft()

    def clear(self) -> None:
        """Levels begin anew: what was before says nothing about later ones."""
        for *_, trail in self._trails:
            trail.clear()

    def figures(self) -> dict[str, float]:
        """By the horizon's name; one that is not over yet is absent."""
        found = {}
        for name, horizon, _, trail in self._trails:
            if trail:
                (began, base), (ended, level) = trail[0], trail[-1]
                if began <= ended - horizon:
                    value = (level - base) / base
                    if abs(value) <= LARGEST:
                        found[name] = value
        return found
