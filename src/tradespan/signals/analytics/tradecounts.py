"""Figures of closed trades: of all of them, or of the last so many.

A trade wins if its net profit is over zero, and loses if it is under; an even one does neither,
and ends a row of either. With n trades:

    win rate       wins / n
    profit factor  sum of what winners won / sum of what losers lost
    expectancy     sum of net profits / n
    average loss   mean of the losers' net profits, a negative amount; so is the worst
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from tradespan.signals.analytics.amounts import ExactSum, Money


@dataclass(frozen=True, kw_only=True)
class TradeFigures:
    """Amounts are of the kind that went in; undefined is None."""

    trades: int
    wins: int
    losses: int
    consecutive_wins: int
    """In a row, up to the last trade."""
    consecutive_losses: int
    longest_wins: int
    """The longest row there was."""
    longest_losses: int
    pnl: Money | None
    """The sum of net profits. None, as all below: there was no trade."""
    win_rate: float | None
    profit_factor: float | None
    """None: no trade lost."""
    expectancy: Money | None
    average_win: Money | None
    """None: no trade won."""
    average_loss: Money | None
    """None: no trade lost."""
    best: Money | None
    worst: Money | None


class _Rows:
    """Trades in a row that won, or lost: `[sign, length]` each, of which the first may shrink."""

    def __init__(self) -> None:
        self._rows: deque[list[int]] = deque()
        self._falling: dict[int, deque[list[int]]] = {1: deque(), -1: deque()}
        """By sign: rows of which none is shorter than a later one; the longest is the first."""

    def push(self, sign: int) -> None:
        rows = self._rows
        if not rows or rows[-1][0] != sign:
            rows.append([sign, 0])
        last = rows[-1]
        last[1] += 1
        if sign:
            falling = self._falling[sign]
            while falling and (falling[-1] is last or falling[-1][1] <= last[1]):
                falling.pop()
            falling.append(last)

    def drop(self) -> None:
        """The first trade leaves."""
        first = self._rows[0]
        falling = self._falling.get(first[0])
        # What shrinks is looked at by itself; no other row is among the falling before it.
        if falling and falling[0] is first and first is not self._rows[-1]:
            falling.popleft()
        first[1] -= 1
        if not first[1]:
            self._rows.popleft()
            if falling and falling[0] is first:
                falling.popleft()

    def current(self, sign: int) -> int:
        return self._rows[-1][1] if self._rows and self._rows[-1][0] == sign else 0

    def longest(self, sign: int) -> int:
        first = self._rows[0] if self._rows else [0, 0]
        falling = self._falling[sign]
        return max(first[1] if first[0] == sign else 0, falling[0][1] if falling else 0)


class _Extremes:
    """The largest of what is in a window, each value looked at twice."""

    def __init__(self) -> None:
        self._falling: deque[tuple[int, Money]] = deque()

    def push(self, number: int, value: Money, *, least: bool) -> None:
        falling = self._falling
        while falling and (value <= falling[-1][1] if least else value >= falling[-1][1]):
            falling.pop()
        falling.append((number, value))

    def drop(self, number: int) -> None:
        """The trade of that number leaves."""
        if self._falling and self._falling[0][0] == number:
            self._falling.popleft()

    @property
    def value(self) -> Money | None:
        return self._falling[0][1] if self._falling else None


class Trades:
    """Of the last `limit` trades; O(1) a trade, on average. Memory: about 250 B a trade."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: deque[tuple[int, Money]] = deque()
        self._pushed = 0
        self._counts = {1: 0, 0: 0, -1: 0}
        self._sums = {1: ExactSum(), 0: ExactSum(), -1: ExactSum()}
        self._all = ExactSum()
        self._rows = _Rows()
        self._best = _Extremes()
        self._worst = _Extremes()

    def push(self, net: Money, ts: int) -> None:
        """A trade closed."""
        if len(self._kept) == self._limit:
            self._drop()
        sign = (net > 0) - (net < 0)
        self._kept.append((ts, net))
        self._counts[sign] += 1
        self._sums[sign].add(net)
        self._all.add(net)
        self._rows.push(sign)
        self._best.push(self._pushed, net, least=False)
        self._worst.push(self._pushed, net, least=True)
        self._pushed += 1

    def _drop(self) -> None:
        number = self._pushed - len(self._kept)
        _, net = self._kept.popleft()
        sign = (net > 0) - (net < 0)
        self._counts[sign] -= 1
        self._sums[sign].take(net)
        self._all.take(net)
        self._rows.drop()
        self._best.drop(number)
        self._worst.drop(number)

    @property
    def kept(self) -> list[tuple[int, Money]]:
        """Time and net profit, in the order they came."""
        return list(self._kept)

    def figures(self) -> TradeFigures:
        """As of now."""
        rows = self._rows
        return _told(
            self._counts,
            self._sums,
            self._all,
            (rows.current(1), rows.current(-1), rows.longest(1), rows.longest(-1)),
            self._best.value,
            self._worst.value,
        )


class AllTrades:
    """Of all trades since the beginning, of which none is kept."""

    def __init__(self) -> None:
        self._counts = {1: 0, 0: 0, -1: 0}
        self._sums = {1: ExactSum(), 0: ExactSum(), -1: ExactSum()}
        self._all = ExactSum()
        self._row = [0, 0]
        self._longest = {1: 0, 0: 0, -1: 0}
        self._best: Money | None = None
        self._worst: Money | None = None

    def push(self, net: Money) -> None:
        """A trade closed."""
        sign = (net > 0) - (net < 0)
        self._counts[sign] += 1
        self._sums[sign].add(net)
        self._all.add(net)
        self._row = [sign, self._row[1] + 1 if self._row[0] == sign else 1]
        self._longest[sign] = max(self._longest[sign], self._row[1])
        self._best = net if self._best is None or net > self._best else self._best
        self._worst = net if self._worst is None or net < self._worst else self._worst

    @property
    def pnl(self) -> Money | None:
        """The sum of net profits; None before the first trade."""
        return self._all.value if self._row[1] else None

    def figures(self) -> TradeFigures:
        """As of now."""
        sign, length = self._row
        current = (length if sign == 1 else 0, length if sign == -1 else 0)
        longest = (self._longest[1], self._longest[-1])
        return _told(
            self._counts, self._sums, self._all, (*current, *longest), self._best, self._worst
        )


def _told(
    counts: dict[int, int],
    sums: dict[int, ExactSum],
    everything: ExactSum,
    rows: tuple[int, int, int, int],
    best: Money | None,
    worst: Money | None,
) -> TradeFigures:
    count, wins, losses = sum(counts.values()), counts[1], counts[-1]
    factor = sums[1].over(sums[-1]) if losses else None
    return TradeFigures(
        trades=count,
        wins=wins,
        losses=losses,
        consecutive_wins=rows[0],
        consecutive_losses=rows[1],
        longest_wins=rows[2],
        longest_losses=rows[3],
        pnl=everything.value if count else None,
        win_rate=wins / count if count else None,
        profit_factor=abs(factor) if factor is not None else None,
        expectancy=everything.mean(count) if count else None,
        average_win=sums[1].mean(wins) if wins else None,
        average_loss=sums[-1].mean(losses) if losses else None,
        best=best,
        worst=worst,
    )
