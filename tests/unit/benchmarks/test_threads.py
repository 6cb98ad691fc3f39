"""Threads share the calls, and begin together."""

from __future__ import annotations

import threading

import pytest

from benchmarks.results import Report
from benchmarks.threads import COUNTS, GROUP, measure_threads, thread_rows, threaded
from benchmarks.timing import Rounds


def test_threads_share_the_calls_and_are_all_there_before_the_first() -> None:
    threads: list[int] = []
    alive: list[int] = []

    def call() -> None:
        alive.append(threading.active_count())
        threads.append(threading.get_ident())

    before = threading.active_count()
    assert threaded(call, 4)(400) > 0
    assert len(threads) == 400
    assert len(set(threads)) == 4
    assert alive[0] == before + 4


def test_rows_say_what_a_thread_pays_and_what_all_pay_together() -> None:
    costs = {
        f"{key} {count}": cost
        for count in COUNTS
        for key, cost in (("bare", 0.1), ("watched", 1.0))
    }
    costs["watched 4"] = 1.5
    rows = {row.name.split(", ", 1)[1]: row for row in thread_rows(costs)}
    assert rows["4 threads: a record, to its thread"].cost == pytest.approx(6.0)
    assert rows["4 threads: a record, to its thread"].ratio == pytest.approx(15.0)
    assert rows["4 threads: a record, all together"].ratio == pytest.approx(1.5)
    assert rows["1 thread: a record, all together"].ratio == 1.0


def test_group_measures_what_was_recorded() -> None:
    report = Report()
    measure_threads(Rounds(1, 2), report)
    assert len(report.rows) == 2 * len(COUNTS)
    assert {row.group for row in report.rows} == {GROUP}
    assert all(row.cost > 0 for row in report.rows)
