"""What a trade and a mark cost a `PerformanceTracker`, beside working the figures out anew.

Anew is what a bot does that calls `empyrical` after each mark, with the returns of its window only.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from importlib import import_module
from typing import Any, Final

from benchmarks.results import Report, Row, compare
from benchmarks.timing import Loop, Rounds, Subject, repeated, time_in_turns
from tradespan.signals.analytics.amounts import Money
from tradespan.signals.analytics.performance import PerformanceTracker

GROUP = "analytics"
BAR: Final = 20.0
"""Microseconds that a trade or a mark may take."""
MANY: Final = 1_000_000
"""Trades before one is timed, to show that none costs more for them."""

_DAY: Final = 86_400_000_000_000
_MINUTE: Final = 60_000_000_000
_WINDOW: Final = 100
_NAIVE: Final = "empyrical anew: Sharpe, Sortino, Calmar of 100 returns"
_TIMED: Final = (
    "trade, window of 100",
    "trade in decimals, window of 100",
    "trade, after 1,000,000 trades",
    "mark each minute",
    "mark each day",
)
_READ: Final = "reading all figures"


def measure_analytics(rounds: Rounds, report: Report) -> None:
    """Add a row for each, against the naive way, and a note on the bar."""
    costs = time_in_turns(subjects(), rounds, section=GROUP)
    rows = [Row(GROUP, name, costs[name]) for name in (*_TIMED, _READ)]
    if _NAIVE in costs:
        rows = [compare(row, costs, _NAIVE) for row in rows]
    else:
        report.notes.append("Analytics: empyrical is not installed, nothing to compare with.")
    report.rows += rows
    dearest = max(_TIMED, key=lambda name: costs[name])
    verdict = "met" if costs[dearest] <= BAR else "**not met**"
    report.notes.append(
        f"Analytics: the bar of {BAR:g} µs an update is {verdict}; the dearest is"
        f" “{dearest}”, {costs[dearest]:.1f} µs."
    )


def subjects() -> list[Subject]:
    """Trackers with a full window, each fed on."""
    source = random.Random(8)
    profits = [source.gauss(5, 1_000) for _ in range(1_000)]
    decimals = [Decimal(f"{each:.2f}") for each in profits]
    trade, exact, after, minutes, days = _TIMED
    made = [
        Subject(trade, trading(PerformanceTracker(periods_per_year=252), profits, 1_000)),
        Subject(exact, trading(PerformanceTracker(periods_per_year=252), decimals, 1_000)),
        Subject(
            after,
            trading(PerformanceTracker(periods_per_year=252), profits, MANY),
        ),
        Subject(minutes, marking(profits, _MINUTE)),
        Subject(days, marking(profits, _DAY)),
        Subject(_READ, reading(profits)),
    ]
    naive = anew(profits)
    return made if naive is None else [*made, Subject(_NAIVE, naive)]


def trading(tracker: PerformanceTracker, profits: list[Any], before: int) -> Loop:
    """A trade a second, after so many."""
    number = 0

    def trade() -> None:
        nonlocal number
        number += 1
        pnl: Money = profits[number % len(profits)]
        tracker.trade(pnl, ts=number * 1_000_000_000)

    for _ in range(before):
        trade()
    return repeated(trade)


def marking(profits: list[float], apart: int) -> Loop:
    """A mark each so many nanoseconds, in a full window."""
    tracker = PerformanceTracker(starting_equity=1e6, periods_per_year=252)
    number = 0

    def mark() -> None:
        nonlocal number
        number += 1
        tracker.mark(1e6 + profits[number % len(profits)], ts=number * apart)

    for _ in range(2 * _WINDOW):
        mark()
    return repeated(mark)


def reading(profits: list[float]) -> Loop:
    """All figures at once, after a mark of the running day."""
    tracker = PerformanceTracker(starting_equity=1e6, periods_per_year=252)
    for number, pnl in enumerate(profits):
        tracker.trade(pnl, ts=number * _DAY)
        tracker.mark(1e6 + pnl, ts=number * _DAY)
    return repeated(tracker.to_dict)


def anew(profits: list[float]) -> Loop | None:
    """The window's returns as an array, and three calls; None: empyrical is not installed."""
    try:
        numpy: Any = import_module("numpy")
        empyrical: Any = import_module("empyrical")
    except ImportError:
        return None
    ratios: tuple[Callable[[Any], Any], ...] = (
        empyrical.sharpe_ratio, empyrical.sortino_ratio, empyrical.calmar_ratio,
    )  # fmt: skip
    kept = deque([each / 1e6 for each in profits[:_WINDOW]], maxlen=_WINDOW)

    def loop(times: int) -> int:
        began = time.perf_counter_ns()
        for number in range(times):
            kept.append(profits[number % len(profits)] / 1e6)
            returns = numpy.array(kept)
            for ratio in ratios:
                ratio(returns)
        return time.perf_counter_ns() - began

    return loop
