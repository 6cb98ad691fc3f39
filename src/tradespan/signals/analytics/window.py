"""A window of returns, and what its figures are by each definition. RiskTracker is around it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import ceil, expm1, fsum, hypot, log, sqrt
from statistics import NormalDist
from typing import Final, Literal, NamedTuple

from tradespan.signals.analytics.given import to_float
from tradespan.signals.analytics.moments import WindowMoments
from tradespan.signals.analytics.ordered import OrderedNumbers
from tradespan.signals.analytics.quantiles import INTERPOLATIONS, Place

Method = Literal["historical", "parametric", "ewma", "age_weighted"]
Shortfall = Literal["lowest", "beyond", "fractional"]

_NORMAL: Final = NormalDist()
_MOST_TAILS: Final = 32
"""Levels whose places in the window are remembered."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What the figures are; RiskTracker says what each means."""

    window: int
    ewma_decay: float
    mean: str
    ddof: int
    minimum: int | None
    interpolation: str
    shortfall: str
    age_decay: float


class Level(NamedTuple):
    """A level of confidence, and what it is by the normal distribution."""

    level: float
    tail: float
    """1 − level, of the decimal number that was written: 0.05, not 0.050000000000000044."""
    quantile: float
    """In deviations from the mean, below it for levels over one half."""
    mean_beyond: float
    """The mean below that quantile, in deviations: −φ(z) / tail."""
    least: int
    """Fewest returns of which one is expected in the tail."""


@lru_cache(maxsize=64)
def level_of(level: float) -> Level:
    """What is known about a level.

    Raises:
        ValueError: It is not above 0 and below 1.
        TypeError: It is no number.
    """
    level = to_share(level, "level")
    exact = 1 - Fraction(Decimal(repr(level)))
    tail = float(exact)
    if tail == 1:
        raise ValueError(f"level is further above 0 than {level}")
    quantile = _NORMAL.inv_cdf(tail)
    return Level(level, tail, quantile, -_NORMAL.pdf(quantile) / tail, ceil(1 / exact))


def to_share(value: object, what: str) -> float:
    """A number above 0 and below 1.

    Raises:
        ValueError: It is none.
        TypeError: It is no number.
    """
    number = to_float(value, what)
    if not 0 < number < 1:
        raise ValueError(f"{what} is above 0 and below 1, not {number}")
    return number


class _Tail(NamedTuple):
    """Where a tail ends in a window of so many returns."""

    returns: int
    place: Place
    worst: int
    """How many are the lowest ones."""


class ReturnWindow:
    """The last returns, in their order of time and of size, with their moments.

    Not safe for threads by itself. The returns in order of time are what counts: the rest can be
    made from them.
    """

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.returns: deque[float] = deque(maxlen=definition.window)
        self.ewma: float | None = None
        self.changing = False
        """Whether a change is in progress: of another thread, or of what a signal interrupted."""
        self._waiting: deque[float] = deque()
        """Returns that came in a signal's handler, in the middle of a change."""
        self._kept, self._new = sqrt(definition.ewma_decay), sqrt(1 - definition.ewma_decay)
        self._place = INTERPOLATIONS[definition.interpolation]
        self._ordered = OrderedNumbers()
        self._moments = WindowMoments()
        self._fitted: tuple[float, float | None] | None = None
        """The normal distribution's mean and deviation; None: not asked since the last return."""
        self._tails: dict[float, _Tail] = {}

    def take(self, value: float) -> None:
        """Add a return, and let the oldest go once the window is full."""
        if self.changing:
            self._waiting.append(value)
            return
        self.changing, ordered = True, self._ordered
        try:
            self._take(value)
            while self._waiting:
                self._take(self._waiting.popleft())
            if self._ordered is not ordered:  # made anew meanwhile: forked by a signal's handler
                self.make_anew()
        except BaseException:  # a signal's: what is made from the returns has to stay so
            self.make_anew()
            raise
        finally:
            self.changing = False

    def settled(self) -> ReturnWindow:
        """What can be read: in a signal's handler, in the middle of a change, a copy."""
        if not self.changing:
            return self
        copy = ReturnWindow(self.definition)
        copy.returns.extend(self.returns)
        copy.ewma = self.ewma
        copy.make_anew()
        return copy

    def make_anew(self) -> None:
        """From the returns in order of time."""
        self._ordered = OrderedNumbers()
        self._moments = WindowMoments()
        self._fitted = None
        for value in self.returns:
            self._ordered.insert(value)
            self._moments.add(value)

    def _take(self, value: float) -> None:
        returns = self.returns
        if len(returns) == self.definition.window:
            oldest = returns[0]
            self._ordered.remove(oldest)
            self._moments.remove(oldest)
        returns.append(value)
        self._ordered.insert(value)
        self._moments.add(value)
        self._fitted = None
        before = self.ewma
        if before is None:
            self.ewma = abs(value)
        else:
            # Not by squares, which underflow for small returns.
            self.ewma = hypot(self._kept * before, self._new * value)

    def has(self, least: int) -> bool:
        """Whether there are enough returns."""
        minimum = self.definition.minimum
        return len(self.returns) >= (least if minimum is None else minimum)

    def lowest(self, method: str, at: Level, periods: float) -> tuple[float, float] | None:
        """The return that is not fallen short of, and the mean of those that are; None: undefined.

        Raises:
            ValueError: There is no such method.
        """
        if method == "historical":
            if not self.has(at.least):
                return None
            quantile, mean = self._historical(at.tail)
        elif method in ("parametric", "ewma"):
            if not self.has(2):
                return None
            center, deviation = (0.0, self.ewma) if method == "ewma" else self._normal()
            if deviation is None:
                return None
            if periods != 1:
                center, deviation = center * periods, deviation * sqrt(periods)
            return center + at.quantile * deviation, center + at.mean_beyond * deviation
        elif method == "age_weighted":
            if not self.has(at.least):
                return None
            quantile, mean = self._age_weighted(at.tail)
        else:
            raise ValueError(f"there is no method {method!r}")
        if periods != 1:
            quantile, mean = quantile * sqrt(periods), mean * sqrt(periods)
        return quantile, mean

    def volatility(self) -> float | None:
        """The standard deviation about the mean."""
        return self._moments.deviation(self.definition.ddof) if self.has(2) else None

    def _normal(self) -> tuple[float, float | None]:
        """The normal distribution's mean and deviation."""
        if self._fitted is None:
            if self.definition.mean == "zero":
                self._fitted = 0.0, self._moments.root_mean_square()
            else:
                self._fitted = self._moments.mean() or 0.0, self.volatility()
        return self._fitted

    def _historical(self, tail: float) -> tuple[float, float]:
        ordered = self._ordered
        count, place, worst = self._tail(tail)
        quantile = ordered.select(place.lower)
        if place.share:
            quantile = place.between(quantile, ordered.select(place.upper))
        shortfall = self.definition.shortfall
        if shortfall == "fractional":
            wanted = count * tail
            whole = int(wanted)
            rest = (wanted - whole) * ordered.select(whole)
            return quantile, (ordered.smallest_sum(whole) + rest) / wanted
        if shortfall == "beyond":
            worst = max(ordered.rank_with(quantile), 1)
        return quantile, ordered.smallest_sum(worst) / worst

    def _tail(self, tail: float) -> _Tail:
        found = self._tails.get(tail)
        count = len(self._ordered)
        if found is None or found.returns != count:
            if len(self._tails) >= _MOST_TAILS:
                self._tails.clear()
            found = _Tail(count, self._place(count, tail), int((count - 1) * tail) + 1)
            self._tails[tail] = found
        return found

    def _age_weighted(self, tail: float) -> tuple[float, float]:
        """The weighted quantile and the mean up to it: the only figures that take O(n log n)."""
        decay, count = self.definition.age_decay, len(self.returns)
        whole = count if decay == 1 else -expm1(count * log(decay)) / (1 - decay)
        weighed = sorted(
            (value, decay**age / whole) for age, value in enumerate(reversed(self.returns))
        )
        so_far, parts, value = 0.0, [], 0.0
        for value, weight in weighed:
            # A little less: sums of weights round, and 0.1 + 0.2 is to reach 0.3.
            if so_far + weight >= tail * (1 - 1e-12):
                break
            so_far += weight
            parts.append(value * weight)
        return value, (fsum(parts) + value * (tail - so_far)) / tail
