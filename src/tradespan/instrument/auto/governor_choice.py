"""Which function is watched how closely, so that all together stay below a budget.

Nothing here knows of threads, code or clocks: a function is what it costs and how often it runs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from tradespan.instrument.auto.inplace import Level

AIM = 0.8
"""Of the budget: what a demotion aims for, so that not every breath above it is a decision."""
ROOM = 0.6
"""Of the budget: what it may cost after a promotion."""
CALM = 3
"""Looks in a row below the budget before something is promoted."""
FIRST_WAIT, LONGEST_WAIT = 5.0, 600.0
"""Seconds before a demoted function is tried again; twice as many each time that it was in vain."""
_PROVEN = 4.0
"""A function that stays promoted for so many of its waits starts again with the first."""
_PROBES = 0.1
"""Of the budget: what looking at functions that are not observed may cost."""
_FASTEST = 50.0
"""How many times faster a program may run without us: a load is a share of a core, and measured."""


@dataclass(slots=True)
class Governed:
    """One function, as far as the governor knows it."""

    name: str
    costs: Mapping[Level, float]
    """Nanoseconds that a call costs beside itself."""
    failure: float = 0.0
    """Nanoseconds that one costs more that fails: it is a span at each level but the last."""
    lowest: Level = Level.RESTORED
    """It is watched as closely as this in any case."""
    level: Level = Level.FULL
    rate: float = 0.0
    """Calls a second, as seen last; of one that is not observed: when it was seen last."""
    failures: float = 0.0
    """Calls a second that failed, likewise."""
    mean: float = 0.0
    """Nanoseconds that a call takes."""
    wait: float = 0.0
    """Seconds; 0: it has never been demoted."""
    not_before: float = 0.0
    """When it may be promoted, or probed."""
    promoted: float | None = None
    """When it was promoted last."""
    since: float = 0.0
    """When it got its level."""
    saved: float = 0.0
    """The share of a core that it cost before it was demoted first."""

    def load(self, level: Level | None = None) -> float:
        """The share of a core that watching it so closely costs; by default as it is watched."""
        level = self.level if level is None else level
        failing = 0.0 if level is Level.RESTORED else self.failures * self.failure
        return (self.rate * self.costs[level] + failing) / 1e9

    @property
    def score(self) -> float:
        """What is gained by watching it less: most for what is hot, and short beside our cost."""
        load = self.load()
        cost = load * 1e9 / self.rate if self.rate else 0.0
        return load * cost / (cost + self.mean) if cost else 0.0


@dataclass(slots=True)
class Choice:
    """Decides, by what was measured since the last look."""

    budget: float
    """Share of one core."""
    load: float = 0.0
    """What watching costs now, by the same measure."""
    peak: float = 0.0
    """The most that it was."""
    _calm: int = 0
    _probe_after: float = field(default=float("-inf"))

    def decide(self, functions: Collection[Governed], now: float) -> list[Governed]:
        """Set new levels; returns the functions that have another one. `now`: seconds."""
        observed = [each for each in functions if each.level is not Level.RESTORED]
        self.load = sum(each.load() for each in observed)
        self.peak = max(self.peak, self.load)
        if self.load > self.budget:
            self._calm = 0
            return self._demote(observed, now)
        self._calm += 1
        if self._calm < CALM:
            return []
        return self._promote(observed, now)

    def to_probe(self, functions: Collection[Governed], now: float) -> Governed | None:
        """A function that is not observed, to be counted for a moment; None if it is no time."""
        if self._calm < CALM or now < self._probe_after:
            return None
        due = [f for f in functions if f.level is Level.RESTORED and f.not_before <= now]
        return min(due, key=lambda each: each.not_before, default=None)

    def probed(self, function: Governed, calls: int, seconds: float, now: float) -> bool:
        """What a probe has found. Returns whether the function is counted from now on."""
        function.rate = calls / max(seconds, 1e-6)
        cost = function.load(Level.COUNTED) * seconds
        self._probe_after = now + cost / (_PROBES * self.budget)
        if self.load + function.load(Level.COUNTED) > ROOM * self.budget:
            self._wait_longer(function, now)
            return False
        self._raise(function, Level.COUNTED, now)
        return True

    def _demote(self, observed: Collection[Governed], now: float) -> list[Governed]:
        """The hottest and shortest first, until what is left is below the aim."""
        # What a program calls as often as it can, it calls more often when it is watched less.
        faster = min(1 / max(1 - self.load, 1e-9), _FASTEST)
        aim, left = AIM * self.budget, self.load * faster
        changed: dict[int, Governed] = {}
        for levels in ((Level.COUNTED, Level.RESTORED), (Level.RESTORED,)):
            for each in sorted(observed, key=lambda each: each.score, reverse=True):
                if left <= aim:
                    return list(changed.values())
                level = levels[0]
                if each.load(level) * faster > aim / 2:  # alone too much
                    level = levels[-1]
                level = max(level, each.lowest)
                if level >= each.level:
                    continue
                left -= (each.load() - each.load(level)) * faster
                self._lower(each, level, now)
                changed[id(each)] = each
        return list(changed.values())

    def _promote(self, observed: Collection[Governed], now: float) -> list[Governed]:
        """One at a time: the one that costs least."""
        waiting = [f for f in observed if f.level is Level.COUNTED and f.not_before <= now]
        if not waiting:
            return []
        cheapest = min(waiting, key=lambda each: each.load(Level.FULL))
        more = cheapest.load(Level.FULL) - cheapest.load()
        if self.load + more > ROOM * self.budget:
            return []
        self._raise(cheapest, Level.FULL, now)
        return [cheapest]

    def _lower(self, function: Governed, level: Level, now: float) -> None:
        function.saved = max(function.saved, function.load())
        again = function.promoted is not None and now - function.promoted < _PROVEN * function.wait
        if again:
            self._wait_longer(function, now)
        else:
            function.wait = FIRST_WAIT
            function.not_before = now + FIRST_WAIT
        function.level, function.since, function.promoted = level, now, None

    def _raise(self, function: Governed, level: Level, now: float) -> None:
        function.level, function.since, function.promoted = level, now, now
        # It has to prove itself before it rises further.
        function.not_before = now + function.wait

    def _wait_longer(self, function: Governed, now: float) -> None:
        function.wait = min(function.wait * 2, LONGEST_WAIT)
        function.not_before = now + function.wait
