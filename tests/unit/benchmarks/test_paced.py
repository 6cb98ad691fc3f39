"""The paced loop and what is made of its events."""

from __future__ import annotations

from array import array

import pytest

from benchmarks.paced import build_handler, quantiles, run_paced
from benchmarks.tail import summarize, tail_rows


class Clock:
    """Nanoseconds that pass only when somebody looks, or works."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        self.now += 1
        return self.now


def test_an_event_that_waits_for_a_late_one_is_late_though_it_is_handled_fast() -> None:
    clock = Clock()
    work = {0: 10, 1: 250, 2: 10, 3: 10, 4: 10}

    def handle(event: int) -> float:
        clock.now += work[event]
        return 0.0

    took, late = run_paced(handle, 5, 100, clock)

    assert [round(each, -1) for each in took] == [10, 250, 10, 10, 10]
    assert [round(each, -1) for each in late] == [10, 250, 160, 80, 10]


def test_an_event_is_three_functions() -> None:
    called: list[str] = []

    def instrument(function):  # type: ignore[no-untyped-def]
        def call(tick: int) -> float:
            called.append(function.__name__)
            return float(function(tick))

        return call

    build_handler(instrument)(3)

    assert called == ["handle", "decide", "check"]


def test_quantiles_are_in_microseconds() -> None:
    found = quantiles(array("q", range(1_000_000, 0, -1_000)))

    assert found == {"p50": 500.0, "p99": 990.0, "p99.9": 999.0, "max": 1000.0}


def run_of(p999: float) -> dict[str, dict[str, float]]:
    quantiles = {"p50": 1.0, "p99": 2.0, "p99.9": p999, "max": 2 * p999}
    return {"handling": quantiles, "after due": quantiles}


def test_the_tails_ratio_is_the_median_of_the_pairs_and_not_of_the_runs() -> None:
    runs = {
        "bare": [run_of(10), run_of(100), run_of(20)],
        "tradespan": [run_of(30), run_of(110), run_of(24)],
    }

    handling, due = tail_rows(runs)

    assert handling.ratio == pytest.approx(1.2)  # of 3.0, 1.1, 1.2; the medians' would be 1.5
    assert (handling.cost, handling.reference) == (30, 20)
    assert handling.against == "bare, 10 to 100 µs"
    assert handling.met
    assert due.at_most == handling.at_most == 1.5


def test_runs_are_summed_up_by_median_and_range() -> None:
    summed = summarize("bare", "handling", [run_of(value)["handling"] for value in (3, 9, 5)])

    assert (summed.runs, summed.median["p99.9"]) == (3, 5)
    assert (summed.least["p99.9"], summed.most["p99.9"]) == (3, 9)
