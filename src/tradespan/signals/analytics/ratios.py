"""Figures of a series of returns, as `empyrical` defines them, kept up to date one by one.

With r₁…rₙ the returns, one a session, A = `periods_per_year`:

    annual return      (∏(1 + rᵢ)) ^ (A / n) - 1
    annual volatility  std(r, ddof) · √A
    Sharpe ratio       mean(r - risk_free) / std(r - risk_free, ddof) · √A
    Sortino ratio      mean(r - required) · A / (√mean(min(r - required, 0)²) · √A)
    maximum drawdown   max(1 - Vᵢ / max(V₀…Vᵢ)), V₀ = 1, Vᵢ = ∏(1 + r₁…ᵢ)
    Calmar ratio       annual return / maximum drawdown

`risk_free` and `required_return` are returns of one period, not of a year. The mean of Sortino's
squares is over all n, not over those below. Source: empyrical-reloaded 0.7.1, `empyrical/stats.py`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf, isfinite, log1p, sqrt
from typing import Final

from tradespan.signals.analytics.amounts import Moments

ROUNDING: Final = 2.0**-50
"""What rounding makes of equal returns, where equities are floats. A deviation that is not larger
divides nothing: the ratio would be a made-up 1e15. (empyrical and ffn look for equal returns too.)
"""


@dataclass(frozen=True, slots=True)
class Definitions:
    """What may be chosen about the ratios; the defaults are empyrical's."""

    periods_per_year: float | None = None
    """Returns a year. None: what is annualised is absent."""
    risk_free: float = 0.0
    """Subtracted from each return, for the Sharpe ratio."""
    required_return: float = 0.0
    """Subtracted from each return, for the Sortino ratio."""
    ddof: int = 1
    """Of the standard deviation: its divisor is `n - ddof`."""
    log_returns: bool = False
    """Sharpe, Sortino and volatility of log(1 + r) instead of r. Annual return, drawdown and Calmar
    are of what the money did, and stay.
    """

    def __post_init__(self) -> None:
        periods = self.periods_per_year
        if periods is not None and not (isfinite(periods) and periods > 0):
            raise ValueError(f"periods_per_year is positive, not {periods}")
        for name in ("risk_free", "required_return"):
            if not isfinite(getattr(self, name)):
                raise ValueError(f"{name} is a finite return of one period")
        if type(self.ddof) is not int or self.ddof < 0:
            raise ValueError(f"ddof is 0, 1, …, not {self.ddof}")


@dataclass(frozen=True, kw_only=True)
class ReturnFigures:
    """Undefined is None: see each."""

    returns: int = 0
    """How many sessions have one, the running one included."""
    sharpe: float | None = None
    """None: fewer than two returns, all of them equal (`ROUNDING`), or no `periods_per_year`."""
    sortino: float | None = None
    """None: fewer than two returns, none below the required one, or no `periods_per_year`."""
    calmar: float | None = None
    """None: no drawdown, no return, or no `periods_per_year`."""
    annual_return: float | None = None
    """None: no return, beyond what a float holds, or no `periods_per_year`."""
    annual_volatility: float | None = None
    """None: fewer than two returns, or no `periods_per_year`."""
    session_drawdown: float | None = None
    """The deepest one between ends of sessions, 0 to 1. None: no return."""


class Curve:
    """Growth of one unit of money, its highest value and its deepest drawdown."""

    __slots__ = ("deepest", "high", "value")

    def __init__(self) -> None:
        self.value = 1.0
        self.high = 1.0
        self.deepest = 0.0

    def grow(self, by: float) -> None:
        """One more return."""
        self.value *= 1.0 + by
        self.high = max(self.high, self.value)
        if self.high < inf:
            self.deepest = max(self.deepest, 1.0 - self.value / self.high)

    def grown(self, by: float) -> Curve:
        """A copy with one more return."""
        made = Curve()
        made.value, made.high, made.deepest = self.value, self.high, self.deepest
        made.grow(by)
        return made


class Returns:
    """Of all sessions, or of the last `limit`. Exact sums: nothing drifts.

    A return costs O(1). So does reading, but for a window's drawdown: O(limit) once a session.
    """

    def __init__(self, definitions: Definitions, limit: int | None = None) -> None:
        self._definitions = definitions
        self._limit = limit
        self._kept: deque[float] = deque()
        """The window's returns; of the whole run none are kept."""
        self._all = Moments()
        self._below = Moments()
        self._curve = Curve()
        self._curve_begins = 0
        """How many kept ones the window's curve leaves out; -1: it has to be drawn anew."""

    def add(self, each: float) -> None:
        """One more, simple; over -1 where `log_returns` are asked for."""
        self._enter(self._all, self._below, each)
        if self._limit is None:
            self._curve.grow(each)
            return
        self._kept.append(each)
        self._curve_begins = -1
        if len(self._kept) > self._limit:
            self._enter(self._all, self._below, self._kept.popleft(), -1)

    def _enter(self, everything: Moments, below: Moments, each: float, times: int = 1) -> None:
        if self._definitions.log_returns:
            each = log1p(each)
        everything.add(each, times)
        below.add(min(each - self._definitions.required_return, 0.0), times)

    def figures(self, running: float | None = None) -> ReturnFigures:
        """As of now; `running`: the return so far of the session that is not over."""
        everything, below = self._all, self._below
        drop = 0
        if running is not None:
            everything, below = everything.copy(), below.copy()
            if self._limit is not None and len(self._kept) == self._limit:
                self._enter(everything, below, self._kept[0], -1)
                drop = 1
            self._enter(everything, below, running)
        if not everything.count:
            return ReturnFigures()
        curve = self._drawn(drop)
        return self._told(everything, below, curve if running is None else curve.grown(running))

    def _drawn(self, drop: int) -> Curve:
        """The curve of what is kept, without the first `drop`."""
        if self._limit is not None and self._curve_begins != drop:
            curve = Curve()
            returns = iter(self._kept)
            for _ in range(drop):
                next(returns)
            for each in returns:
                curve.grow(each)
            self._curve, self._curve_begins = curve, drop
        return self._curve

    def _told(self, everything: Moments, below: Moments, curve: Curve) -> ReturnFigures:
        chosen = self._definitions
        count, periods = everything.count, chosen.periods_per_year
        deepest = curve.deepest
        if periods is None:
            return ReturnFigures(returns=count, session_drawdown=deepest)
        annual = _annual(curve.value, count, periods)
        variance = everything.variance(chosen.ddof) if count > 1 else None
        deviation = None if variance is None else sqrt(variance)
        downside = sqrt(below.mean_square or 0.0) if count > 1 else 0.0
        mean = everything.mean
        assert mean is not None
        root = sqrt(periods)
        return ReturnFigures(
            returns=count,
            sharpe=_quotient(mean - chosen.risk_free, deviation, root),
            sortino=_quotient(mean - chosen.required_return, downside, root),
            calmar=None if annual is None else _quotient(annual, deepest, 1.0, sqrt(count)),
            annual_return=annual,
            annual_volatility=None if deviation is None else deviation * root,
            session_drawdown=deepest,
        )


def _annual(growth: float, count: int, periods: float) -> float | None:
    if not 0.0 < growth < inf:
        return None
    try:
        return float(growth ** (periods / count)) - 1.0
    except OverflowError:
        return None


def _quotient(
    above: float, below: float | None, times: float, roundings: float = 1.0
) -> float | None:
    if below is None or below <= ROUNDING * roundings:
        return None
    found = above / below * times
    return found if isfinite(found) else None
