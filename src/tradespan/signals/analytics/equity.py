"""An account's equity over time: returns of its sessions, without what was paid in or out.

The return of a session is what its last mark says beside the last one of the session before:
`last / before - 1`. Money paid in or out splits it (time-weighted return): the equity before the
flow is that of the mark before it, and from the flow on the return is reckoned on what is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from math import isfinite

from tradespan.signals.analytics.amounts import Money, change, plus, scaled


@dataclass(frozen=True)
class Drawdown:
    """Losses since the highest equity, as shares of it, 0 to 1; None: no positive equity yet."""

    current: float | None = None
    """Since the highest equity of the run."""
    maximum: float | None = None
    """The deepest of the run, between any two marks."""
    peak_ts: int | None = None
    """Where the deepest began: the last moment at its peak. None: with the starting equity, or
    there was none.
    """
    trough_ts: int | None = None
    """Where it was deepest, for the first time."""
    recovered_ts: int | None = None
    """When the equity was back at its peak. None: not yet."""
    daily: float | None = None
    """Since the highest equity of this trading day, the one that it began with included."""
    weekly: float | None = None
    """Since the highest equity of this week, the one that it began with included."""


class High:
    """The highest equity since some moment, scaled as the equity is by what is paid in or out."""

    __slots__ = ("ts", "value")

    def __init__(self) -> None:
        self.value: Money | None = None
        self.ts: int | None = None

    def see(self, equity: Money, ts: int | None) -> None:
        """A valuation; nothing that is not positive is a peak."""
        if equity > 0 and (self.value is None or equity >= self.value):
            self.value, self.ts = equity, ts

    def scale(self, after: Money, before: Money) -> None:
        """Money was paid in or out. If nothing is left, the next peak is one by itself."""
        if self.value is None:
            return
        if after <= 0:
            self.value = self.ts = None
            return
        moved = scaled(self.value, after, before)
        self.value = max(moved, after)

    def below(self, equity: Money) -> float | None:
        """The drawdown, 0 to 1: a debt counts as the loss of all."""
        if self.value is None:
            return None
        return min(max(-change(equity, self.value), 0.0), 1.0) if equity > 0 else 1.0


class Drawdowns:
    """Of the run with its dates, of the day and of the week."""

    def __init__(self) -> None:
        self.run, self.day, self.week = High(), High(), High()
        self._deepest: float | None = None
        self._peak_ts: int | None = None
        self._trough_ts: int | None = None
        self._recovered_ts: int | None = None
        self._peak_of_deepest = False
        """Whether the run's peak is still the one that the deepest drawdown began at."""

    def see(self, equity: Money, ts: int | None) -> None:
        """A valuation."""
        run = self.run
        if equity > 0 and (run.value is None or equity >= run.value):
            if self._peak_of_deepest and run.value is not None:
                self._recovered_ts = ts
            self._peak_of_deepest = False
            if self._deepest is None:
                self._deepest = 0.0
        else:
            self._deepen(equity, ts)
        for high in (run, self.day, self.week):
            high.see(equity, ts)

    def _deepen(self, equity: Money, ts: int | None) -> None:
        depth = self.run.below(equity)
        if depth is not None and (self._deepest is None or depth > self._deepest):
            self._deepest = depth
            self._peak_ts, self._trough_ts, self._recovered_ts = self.run.ts, ts, None
            self._peak_of_deepest = True

    def scale(self, after: Money, before: Money) -> None:
        """Money was paid in or out."""
        for high in (self.run, self.day, self.week):
            high.scale(after, before)

    def begin(self, high: High, equity: Money | None) -> None:
        """A day or a week begins, with the equity that there is."""
        high.value = high.ts = None
        if equity is not None:
            high.see(equity, None)

    def figures(self, equity: Money, *, same_day: bool, same_week: bool, lost: bool) -> Drawdown:
        """As of now. In a day without a mark the equity is the one it began with; who has lost all
        has lost all of the day's as well.
        """
        daily = self.day.below(equity) if same_day else self._begun(equity)
        weekly = self.week.below(equity) if same_week else self._begun(equity)
        dates = (self._peak_ts, self._trough_ts, self._recovered_ts)
        if lost:
            return Drawdown(1.0, 1.0, *dates, 1.0, 1.0)
        return Drawdown(self.run.below(equity), self._deepest, *dates, daily, weekly)

    def _begun(self, equity: Money) -> float | None:
        return 0.0 if equity > 0 else None


class Equity:
    """What marks and flows say, session by session. Times are in order: the caller sees to it."""

    def __init__(self, starting: Money | None) -> None:
        self.value: Money | None = starting
        """At the last mark, with what was paid in or out since."""
        self.day: date | None = None
        self.week: date | None = None
        self.lost = False
        """A session ended with nothing, or money was paid into an account without any: there are no
        returns from there on.
        """
        self.drawdowns = Drawdowns()
        self._base: Money | None = starting
        """What the running stretch, since the last flow or session, is reckoned on, if anything."""
        self._growth = 1.0
        """Of the session's stretches that are over."""
        self._marked = False
        """Whether the session has a return."""
        self._final: float | None = None
        """The session's return, if all was lost within it."""
        if starting is not None:
            self.drawdowns.see(starting, None)

    @property
    def running(self) -> float | None:
        """The running session's return so far; None: it has none."""
        if self._final is not None:
            return self._final
        return self._return(self.value) if self._marked else None

    def _return(self, equity: Money | None) -> float:
        """The session's, if that is the equity now."""
        if self._base is None or equity is None:
            return self._growth - 1.0
        stretch = change(equity, self._base)
        if self._growth == 1.0:
            return stretch
        found = self._growth * (1.0 + stretch) - 1.0
        if not isfinite(found):
            raise ValueError(f"the return is beyond what a float holds, with an equity of {equity}")
        return found

    def begin(self, day: date, week: date) -> float | None:
        """A session begins: the return of the one before, or None."""
        closed, value = self.running, self.value
        self.lost = self.lost or (closed is not None and closed <= -1.0)
        self._growth, self._marked, self._final = 1.0, False, None
        self._base = value if value is not None and value > 0 and not self.lost else None
        # A starting equity is of the first day and week already: they have no other beginning.
        if self.day is not None:
            self.drawdowns.begin(self.drawdowns.day, value)
            if week != self.week:
                self.drawdowns.begin(self.drawdowns.week, value)
        self.day, self.week = day, week
        return closed

    def mark(self, equity: Money, ts: int) -> None:
        """A valuation.

        Raises:
            ValueError: The return is beyond what a float holds; nothing has changed.
        """
        if self._base is not None:
            self._return(equity)
            self._marked = True
        self.drawdowns.see(equity, ts)
        self.value = equity

    def flow(self, amount: Money, ts: int) -> None:
        """Money paid in (over 0) or out."""
        before = self.value
        if before is None:
            return
        after = plus(before, amount)
        if self._base is not None:
            self._growth = 1.0 + self._return(before)
            self._base = after if after > 0 else None
            if before <= 0:
                self.lost, self._final, self._base = True, self._growth - 1.0, None
        elif before <= 0 < after and not self.lost:
            self._base = after
        if before > 0:
            self.drawdowns.scale(after, before)
        elif after > 0 and self.drawdowns.run.value is None:
            self.drawdowns.see(after, ts)
        self.value = after
