"""What an update of risk figures costs by the window's length: `python -m benchmarks.risk`.

Three ways take turns: a return taken in; the same with all twelve figures read (value at risk and
expected shortfall at two levels by three methods); numpy computing the same figures anew from an
array of the window. The table is in docs/guides/risk-figures.md.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from random import Random
from statistics import NormalDist

import numpy as np

from tradespan.signals.analytics.risk import RiskTracker

WINDOWS = (252, 10_000, 1_000_000)
ROUNDS = 12
TAILS = (0.05, 0.01)


def fill(window: int) -> RiskTracker:
    """A tracker whose window is full."""
    tracker, random = RiskTracker(window=window), Random(1)
    for ts in range(window):
        tracker.record(random.gauss(0, 0.01), ts=ts)
    return tracker


def compute_anew(returns: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[float]:
    """The historical and parametric figures by numpy; the EWMA's are the parametric formula."""
    figures = []
    mean, deviation = returns.mean(), returns.std(ddof=1)
    for tail in TAILS:
        figures.append(np.percentile(returns, 100 * tail))
        worst = int((len(returns) - 1) * tail) + 1
        figures.append(np.partition(returns, worst - 1)[:worst].mean())
        z = NormalDist().inv_cdf(tail)
        figures += [mean + z * deviation, mean - NormalDist().pdf(z) / tail * deviation]
    return [float(figure) for figure in figures]


def best_of(call: Callable[[float], object], values: list[float]) -> float:
    """Microseconds of processor time a call, in the best round: others use the machine as well."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.thread_time_ns()
        for value in values:
            call(value)
        best = min(best, (time.thread_time_ns() - began) / len(values) / 1_000)
    return best


def measure(window: int) -> str:
    """A row of the table."""
    tracker, random = fill(window), Random(2)
    values = [random.gauss(0, 0.01) for _ in range(2_000)]
    array = np.array([random.gauss(0, 0.01) for _ in range(window)])

    def update(value: float) -> None:
        tracker.record(value, ts=window)

    def update_and_read(value: float) -> None:
        tracker.record(value, ts=window)
        tracker.losses()

    updated = best_of(update, values)
    read = best_of(update_and_read, values)
    anew = best_of(lambda _: compute_anew(array), values[:2])
    tracemalloc.start()
    kept = fill(window)
    size = tracemalloc.get_traced_memory()[0] / kept.observations
    tracemalloc.stop()
    return f"| {window:,} | {updated:.1f} | {read:.1f} | {anew:,.0f} | {size:.0f} |"


def main() -> None:
    """Print the table."""
    print(
        "| returns in the window | update, µs | update and all read, µs | numpy anew, µs | B each |"
    )
    print("|---|---|---|---|---|")
    for window in WINDOWS:
        print(measure(window), flush=True)


if __name__ == "__main__":
    main()
