"""How much of each limit is used up, and when one is nearly or entirely.

A crossing is told once: it is told again only after usage has come down to `rearm_at`, so that a
value that trembles at a limit makes one warning, not hundreds.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypeVar

from tradespan.core.forks import after_fork_in_child
from tradespan.signals.analytics.given import to_float, to_nanoseconds

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Kind = Literal["position", "daily_loss", "drawdown", "turnover", "other"]

MOST_PLACES: Final = 10_000
"""Scopes and symbols whose usage is remembered; of more the oldest is forgotten."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of the program's own."""

    name: str
    """Of the label `trading.limit.name`."""
    maximum: Any
    """What may be used, above 0, in the limit's own unit."""
    kind: Kind = "other"
    """What is limited: which event a crossing is."""
    span: str = ""
    """Of a drawdown: `current`, `daily` or `weekly`."""
    severity: str = "critical"
    """Of reaching it; coming close is a warning."""
    two_sided: bool = False
    """Whether below zero (a short position) as much is used as above; else nothing is."""

    def __post_init__(self) -> None:
        if to_float(self.maximum, "a limit") <= 0:
            raise ValueError(f"a limit is above 0, not {self.maximum}")

    def utilization(self, used: Any) -> float:
        """The share that is used up; over 1: it is broken."""
        amount = to_float(used, "what is used")
        amount = abs(amount) if self.two_sided else max(amount, 0.0)
        return amount / float(self.maximum)


class Crossing(NamedTuple):
    """A limit that came close, or was reached."""

    limit: Limit
    reached: bool
    """Whether all of it is used up; else most."""
    used: Any
    utilization: float
    ts: int
    """Nanoseconds since 1970."""
    scope: Hashable
    symbol: str

    @property
    def severity(self) -> str:
        """`warning` for most of it; the limit's own for all."""
        return self.limit.severity if self.reached else "warning"


class Usage(NamedTuple):
    """How much of a limit is used up."""

    utilization: float
    highest: float
    """Of all symbols of the scope."""
    crossing: Crossing | None


class LimitWatch:
    """Follows limits by name. Memory: a number for each scope and symbol that uses something.

    Calls count in the order they come, whatever their `ts`. Safe for threads, and in
    signal handlers.
    """

    def __init__(
        self, limits: Iterable[Limit], *, warn_at: float = 0.85, rearm_at: float = 0.80
    ) -> None:
        """Shares of a limit: at or over `warn_at` it is close, at or below `rearm_at` it is far.

        Raises:
            ValueError: Two limits have one name, or the shares are not 0 < rearm_at < warn_at < 1.
        """
        if not 0 < rearm_at < warn_at < 1:
            raise ValueError(f"0 < rearm_at < warn_at < 1, not {rearm_at} and {warn_at}")
        self.limits: dict[str, Limit] = {}
        for limit in limits:
            if limit.name in self.limits:
                raise ValueError(f"there are two limits {limit.name!r}")
            self.limits[limit.name] = limit
        self.warn_at = warn_at
        self.rearm_at = rearm_at
        self._used: dict[tuple[str, Hashable], dict[str, float]] = {}
        self._told: dict[tuple[str, Hashable, str], int] = {}
        """1: that it is close; 2: that it is reached."""
        self._lock = threading.RLock()
        after_fork_in_child(self._begin_anew)

    def use(
        self, name: str, used: Any, *, ts: int, scope: Hashable = "", symbol: str = ""
    ) -> Usage:
        """What of a limit is used now.

        Args:
            name: The limit's.
            used: In the limit's unit: a position's size, a loss above zero, a drawdown's share.
            ts: Nanoseconds since 1970.
            scope: Whose, such as an account and a strategy: each has the limit for itself.
            symbol: Of a limit that each symbol has for itself.

        Raises:
            ValueError: There is no such limit, or `used` is NaN or infinite.
            TypeError: `used` is no number, or `ts` no integer.
        """
        limit = self.limits.get(name)
        if limit is None:
            raise ValueError(f"there is no limit {name!r}: {', '.join(self.limits)}")
        share, ts = limit.utilization(used), to_nanoseconds(ts)
        with self._lock:
            highest = self._note(name, scope, symbol, share)
            crossed = self._crossed((name, scope, symbol), share)
        if not crossed:
            return Usage(share, highest, None)
        crossing = Crossing(limit, crossed == 2, used, share, ts, scope, symbol)
        return Usage(share, highest, crossing)

    def _note(self, name: str, scope: Hashable, symbol: str, share: float) -> float:
        place = name, scope
        by_symbol = self._used.get(place)
        if by_symbol is None:
            by_symbol = _put(self._used, place, {})
        if share:
            _put(by_symbol, symbol, share)
        else:
            by_symbol.pop(symbol, None)
            if not by_symbol:
                self._used.pop(place, None)
        return max(by_symbol.values(), default=0.0)

    def _crossed(self, place: tuple[str, Hashable, str], share: float) -> int:
        """What is to be told: 0 nothing, 1 close, 2 reached."""
        before = self._told.get(place, 0)
        now = 2 if share >= 1 else 1 if share >= self.warn_at else 0
        if now > before:
            _put(self._told, place, now)
            return now
        if before and share <= self.rearm_at:
            self._told.pop(place, None)
        return 0

    def _begin_anew(self) -> None:
        self._lock = threading.RLock()


def default_limits(
    *,
    position: Any = None,
    daily_loss: Any = None,
    turnover: Any = None,
    daily_drawdown: float | None = 0.05,
    weekly_drawdown: float | None = 0.10,
    total_drawdown: float | None = 0.20,
) -> tuple[Limit, ...]:
    """The usual limits; those of money and size have to be given, None leaves one out.

    Args:
        position: Largest size of a position, long or short, of each symbol.
        daily_loss: Largest loss of a day, above zero.
        turnover: Most that is traded in a day.
        daily_drawdown: Share of the day's highest equity: a warning when it is reached.
        weekly_drawdown: Of the week's: an error.
        total_drawdown: Of the highest ever: critical, as are position and loss.
    """
    usual = (
        Limit("position", position, "position", two_sided=True) if position is not None else None,
        Limit("daily_loss", daily_loss, "daily_loss") if daily_loss is not None else None,
        Limit("daily_turnover", turnover, "turnover", severity="error")
        if turnover is not None
        else None,
        _drawdown("daily", daily_drawdown, "daily", "warning"),
        _drawdown("weekly", weekly_drawdown, "weekly", "error"),
        _drawdown("total", total_drawdown, "current", "critical"),
    )
    return tuple(limit for limit in usual if limit is not None)


def _drawdown(name: str, maximum: float | None, span: str, severity: str) -> Limit | None:
    if maximum is None:
        return None
    return Limit(f"{name}_drawdown", maximum, "drawdown", span=span, severity=severity)


def _put(held: dict[K, V], key: K, value: V) -> V:
    """Hold a value; of too many the oldest goes."""
    if key not in held and len(held) >= MOST_PLACES:
        del held[next(iter(held))]
    held[key] = value
    return value
