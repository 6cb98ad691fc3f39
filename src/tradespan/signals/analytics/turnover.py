"""What was traded in the running session, against a limit."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Protocol

from tradespan.signals.analytics.exact import ZERO, Number, add

_DAY: Final = 86_400_000_000_000


class Days(Protocol):
    """Says which session a time belongs to: `Sessions` does."""

    def day(self, ts: int, /) -> Hashable:
        """The same for all times of one session."""
        ...


class UtcDays:
    """Days of UTC, from midnight."""

    def day(self, ts: int, /) -> int:
        """Days since 1970."""
        return ts // _DAY


@dataclass(frozen=True, slots=True)
class Turnover:
    """In the tracker's currency."""

    used: Number | None
    """Sum of |quantity × price × multiplier| of the session's fills; None where a rate is missing.
    Settlements, splits and transfers are no trade."""
    limit: Number | None
    """None: there is none."""
    utilization: float | None
    """used / limit; over 1: it is broken. None unless both are known and the limit is above 0."""


class SessionTurnover:
    """Counts by currency; a new session begins with the first time in it that is told."""

    __slots__ = ("amounts", "day", "ts")

    def __init__(self) -> None:
        self.amounts: dict[str, Decimal] = {}
        self.day: Hashable = None
        self.ts: int | None = None
        """The latest time that was told."""

    def reach(self, ts: int, day: Hashable) -> bool:
        """A time was told; whether it is in the running session, and not in an earlier one."""
        if self.ts is not None and ts < self.ts:
            return bool(day == self.day)
        if self.ts is None or day != self.day:
            self.day = day
            self.amounts.clear()
        self.ts = ts
        return True

    def count(self, amount: Decimal, currency: str) -> None:
        """Traded, in the running session."""
        self.amounts[currency] = add(self.amounts.get(currency, ZERO), amount.copy_abs())
