"""What an account did, session by session: the last so many."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from tradespan.signals.analytics.amounts import ExactSum, Money


@dataclass(frozen=True, slots=True)
class SessionFigures:
    """One session, as the history keeps it. Undefined is None."""

    day: date
    trades: int
    pnl: Money | None
    """The closed trades' net profit; None: there was none."""
    equity: Money | None
    """At its end, with what was paid in or out; None: nobody said."""
    flows: Money | None
    """Paid in less paid out; None: there was none."""
    return_: float | None
    """Simple. None: it had no mark, or nothing to reckon on."""


class Session:
    """A row of the history, while it may still change: a late trade finds its session."""

    __slots__ = ("day", "equity", "flows", "pnl", "return_", "trades")

    def __init__(self, day: date) -> None:
        self.day = day
        self.trades = 0
        self.pnl: ExactSum | None = None
        self.flows: ExactSum | None = None
        self.equity: Money | None = None
        self.return_: float | None = None

    def figures(self) -> SessionFigures:
        return SessionFigures(
            self.day,
            self.trades,
            self.pnl.value if self.pnl else None,
            self.equity,
            self.flows.value if self.flows else None,
            self.return_,
        )


class History:
    """At most `limit` sessions; those that were first told leave first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rows: dict[date, Session] = {}

    def find(self, day: date) -> Session | None:
        """The one of a day, if it is kept."""
        return self._rows.get(day)

    def of(self, day: date) -> Session | None:
        """The one of a day, made if there is none; None: it has left already."""
        rows = self._rows
        found = rows.get(day)
        if found is None and (len(rows) < self._limit or day > next(iter(rows))):
            found = rows[day] = Session(day)
            if len(rows) > self._limit:
                del rows[next(iter(rows))]
        return found

    def figures(self) -> list[SessionFigures]:
        """All that are kept, by day."""
        return [self._rows[day].figures() for day in sorted(self._rows)]
