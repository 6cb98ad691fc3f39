"""What may be lost: value at risk, expected shortfall and volatility of a window of returns.

Formulas, sources and where libraries differ: docs/guides/risk-figures.md.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from math import sqrt
from typing import Any, Final, Literal, NamedTuple, get_args

from tradespan.core.forks import after_fork_in_child
from tradespan.signals.analytics.exposures import Exposure, exposure
from tradespan.signals.analytics.given import to_count, to_float, to_nanoseconds
from tradespan.signals.analytics.periods import LARGEST, PeriodReturns, ReturnsOver
from tradespan.signals.analytics.quantiles import INTERPOLATIONS
from tradespan.signals.analytics.window import (
    Definition,
    Method,
    ReturnWindow,
    Shortfall,
    level_of,
    to_share,
)

__all__ = ["LEVELS", "METHODS", "Exposure", "Loss", "RiskTracker", "exposure"]

Period = Callable[[int], Hashable] | float | None

METHODS: Final[tuple[Method, ...]] = ("historical", "parametric", "ewma")
"""Those that are told without being asked for."""
LEVELS: Final = (0.95, 0.99)
MOST_RETURNS: Final = 1_000_000


class Loss(NamedTuple):
    """What may be lost by one method at one level, as shares of equity, losses positive."""

    method: Method
    level: float
    value_at_risk: float
    expected_shortfall: float


class RiskTracker:
    """Value at risk, expected shortfall and volatility of the last `window` simple returns.

    Losses are positive shares of equity: times equity they are money. Below zero, even the bad
    periods of the window were gains. A figure that is undefined is None. An update takes O(log n)
    and some 50 bytes a return of the window are kept; reading is O(log n) too, but for
    `age_weighted`. Safe for threads and in signal handlers; a forked child goes on from what it
    inherits.
    """

    def __init__(  # noqa: PLR0913 - each names one choice of a definition
        self,
        *,
        window: int = 252,
        ewma_decay: float = 0.94,
        mean: Literal["zero", "sample"] = "sample",
        ddof: int = 1,
        minimum: int | None = None,
        interpolation: str = "linear",
        shortfall: Shortfall = "lowest",
        age_decay: float = 0.98,
        period: Period = None,
        periods_per_year: float | None = None,
    ) -> None:
        """Define the figures.

        Args:
            window: Returns that are looked at, at most a million. `ewma` looks at all.
            ewma_decay: λ of RiskMetrics: 0.94 for days, 0.97 for months.
            mean: Of `parametric`: the window's, or zero, which the deviation is then about too.
            ddof: Of deviations about the window's mean: divisor n − ddof.
            minimum: Fewest returns for any figure. None: as many as one of the worst is expected
                in, ceil(1 / (1 − level)), for `historical` and `age_weighted`; 2 for all else.
            interpolation: One of `numpy.percentile`'s methods, for `historical`.
            shortfall: The mean of which returns `historical` tells: the `lowest`
                ⌊(n − 1)(1 − level)⌋ + 1 (empyrical), those at or `beyond` the value at risk
                (quantstats), or exactly a share 1 − level of them (`fractional`: Acerbi, Tasche).
            age_decay: λ of `age_weighted`.
            period: What makes a return of marks: None, each mark; seconds, counted from 1970; or
                a function of `ts` (`Sessions.day`) to what is one value for each period.
            periods_per_year: Of returns; without it nothing is annualised.

        Raises:
            ValueError: One of them is out of its range.
            TypeError: One is no number.
        """
        self.definition = Definition(
            window=to_count(window, "window", most=MOST_RETURNS),
            ewma_decay=to_share(ewma_decay, "ewma_decay"),
            mean=_chosen(mean, "mean", ("zero", "sample")),
            ddof=to_count(ddof, "ddof", 0),
            minimum=None if minimum is None else to_count(minimum, "minimum"),
            interpolation=_chosen(interpolation, "interpolation", tuple(INTERPOLATIONS)),
            shortfall=_chosen(shortfall, "shortfall", get_args(Shortfall)),
            age_decay=1.0 if age_decay == 1 else to_share(age_decay, "age_decay"),
        )
        self.periods_per_year = None
        if periods_per_year is not None:
            self.periods_per_year = _above_zero(periods_per_year, "periods_per_year")
        self.late = 0
        """Marks and returns that were not counted: earlier than the last one."""
        self.undefined = 0
        """Periods without a return: from equity at or below zero."""
        self._key_of = _key_by(period)
        self._periods = PeriodReturns(by_key=period is not None)
        self._over = ReturnsOver()
        self._level = 1.0
        self._last_ts: int | None = None
        self._window = ReturnWindow(self.definition)
        self._lock = threading.RLock()  # a signal's handler may ask in the middle of an update
        after_fork_in_child(self._begin_anew)

    # ── what comes ──────────────────────────────────────────────────────────────────────────────

    def mark(self, equity: Any, *, ts: int) -> bool:
        """A valuation of the account; False: it is earlier than the last one, and not counted.

        Of equal times the later call is the later mark. A return from equity at or below zero is
        undefined and left out; one to it is −1 or less, and counts.

        Args:
            equity: In one currency throughout.
            ts: Nanoseconds since 1970.

        Raises:
            ValueError: `equity` is NaN or infinite.
            TypeError: It is no number, or `ts` no integer.
        """
        value, ts = to_float(equity, "equity"), to_nanoseconds(ts)
        key = self._key_of(ts)
        with self._lock:
            if self._is_late(ts):
                return False
            marked = self._periods.mark(value, key)
            if marked.level is None:
                self._over.clear()
            else:
                self._over.add(marked.level, ts)
            self.undefined += marked.undefined
            if marked.ended is not None:
                self._window.take(marked.ended)
        return True

    def flow(self, amount: Any, *, ts: int) -> None:
        """A deposit, or below zero a withdrawal: no return.

        It counts when it is told, at the equity of the last mark, whatever its `ts`.

        Raises:
            ValueError: `amount` is NaN or infinite.
            TypeError: It is no number, or `ts` no integer.
        """
        value, _ = to_float(amount, "amount"), to_nanoseconds(ts)
        with self._lock:
            if not self._periods.flow(value):
                self._over.clear()

    def record(self, return_: Any, *, ts: int) -> bool:
        """The return of one period, 0.01 for a percent; for who has returns instead of marks.

        False: it is earlier than the last one, and not counted.

        Raises:
            ValueError: It is NaN, infinite or beyond ±1e150.
            TypeError: It is no number, or `ts` no integer.
        """
        value, ts = to_float(return_, "a return"), to_nanoseconds(ts)
        if abs(value) > LARGEST:
            raise ValueError(f"a return is within ±{LARGEST:g}, not {value}")
        with self._lock:
            if self._is_late(ts):
                return False
            self._window.take(value)
            self._level *= 1 + value
            if 1 / LARGEST < self._level < LARGEST:
                self._over.add(self._level, ts)
            else:
                self._level = 1.0
                self._over.clear()
        return True

    # ── figures ─────────────────────────────────────────────────────────────────────────────────

    def value_at_risk(
        self, level: float = 0.95, method: Method = "historical", *, periods: float = 1
    ) -> float | None:
        """The loss that is not passed in a share `level` of periods, as a share of equity.

        Args:
            level: Of confidence, above 0 and below 1.
            method: `historical`, `parametric`, `ewma` or `age_weighted`.
            periods: How long a position is held, in periods of the returns. Deviations grow with
                its root, the mean with itself; quantiles are scaled by its root, which holds for
                independent returns about zero.

        Raises:
            ValueError: There is no such method, or a number is out of its range.
            TypeError: One is no number.
        """
        lowest = self._lowest(level, method, periods)
        return None if lowest is None else 0.0 - lowest[0]

    def expected_shortfall(
        self, level: float = 0.95, method: Method = "historical", *, periods: float = 1
    ) -> float | None:
        """The mean loss of the worst 1 − `level` of periods; arguments as `value_at_risk`."""
        lowest = self._lowest(level, method, periods)
        return None if lowest is None else 0.0 - lowest[1]

    def losses(
        self, levels: Sequence[float] = LEVELS, methods: Sequence[Method] = METHODS
    ) -> list[Loss]:
        """All that are defined, of one moment."""
        known = [level_of(level) for level in levels]
        with self._lock:
            lowest = self._window.settled().lowest
            return [
                Loss(method, at.level, 0.0 - pair[0], 0.0 - pair[1])
                for method in methods
                for at in known
                if (pair := lowest(method, at, 1)) is not None
            ]

    @property
    def observations(self) -> int:
        """Returns in the window."""
        return len(self._window.returns)

    @property
    def volatility(self) -> float | None:
        """The standard deviation of the window's returns about their mean, of one period."""
        with self._lock:
            return self._window.settled().volatility()

    @property
    def ewma_volatility(self) -> float | None:
        """Of RiskMetrics, of one period: the root of σ² = λσ² + (1 − λ)r², begun with r²."""
        with self._lock:
            return self._window.ewma if self._window.has(2) else None

    @property
    def annual_volatility(self) -> float | None:
        """Volatility times the root of `periods_per_year`; None without that."""
        value, a_year = self.volatility, self.periods_per_year
        return None if value is None or a_year is None else value * sqrt(a_year)

    @property
    def returns_over(self) -> dict[str, float]:
        """Returns over `1h`, `24h` and `7d` as of the last mark; absent until over once."""
        with self._lock:
            return self._over.figures()

    def to_dict(self) -> dict[str, Any]:
        """What is defined: `value_at_risk` and `expected_shortfall` by method and level."""
        found: dict[str, Any] = {"observations": self.observations}
        for name in ("volatility", "ewma_volatility", "annual_volatility"):
            if (value := getattr(self, name)) is not None:
                found[name] = value
        for loss in self.losses():
            level = f"{loss.level:g}"
            for name in ("value_at_risk", "expected_shortfall"):
                found.setdefault(name, {}).setdefault(loss.method, {})[level] = getattr(loss, name)
        if over := self.returns_over:
            found["returns_over"] = over
        return found

    def _lowest(self, level: float, method: str, periods: float) -> tuple[float, float] | None:
        at, held = level_of(level), _above_zero(periods, "periods")
        with self._lock:
            return self._window.settled().lowest(method, at, held)

    def _is_late(self, ts: int) -> bool:
        if self._last_ts is not None and ts < self._last_ts:
            self.late += 1
            return True
        self._last_ts = ts
        return False

    def _begin_anew(self) -> None:
        """In a forked child, where another thread may have been in the middle of an update."""
        if self._window.changing:
            self._window.make_anew()
            self._window.changing = False
        self._lock = threading.RLock()


def _key_by(period: Period) -> Callable[[int], Hashable]:
    if period is None:
        return lambda ts: None
    if callable(period):
        return period
    length = round(_above_zero(period, "period") * 1_000_000_000)
    if length < 1:
        raise ValueError(f"a period is a nanosecond at least, not {period} s")
    return lambda ts: ts // length


def _above_zero(value: Any, what: str) -> float:
    number = to_float(value, what)
    if number <= 0:
        raise ValueError(f"{what} is above 0, not {number}")
    return number


def _chosen(value: str, what: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"there is no {what} {value!r}: {', '.join(known)}")
    return value
