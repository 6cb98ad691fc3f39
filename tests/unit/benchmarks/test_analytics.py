"""The benchmark of analytics: it times what its rows say."""

from __future__ import annotations

import pytest

from benchmarks import analytics
from benchmarks.results import Report
from benchmarks.timing import Rounds
from tradespan.signals.analytics.performance import PerformanceTracker


def test_each_way_has_a_row_beside_working_it_out_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analytics, "MANY", 1_000)
    report = Report()
    analytics.measure_analytics(Rounds(1, 5), report)
    assert {row.group for row in report.rows} == {"analytics"}
    assert len(report.rows) == 6
    assert all(row.cost > 0 and row.reference for row in report.rows)
    (note,) = report.notes
    assert "the bar of 20 µs an update is" in note


def test_what_is_timed_are_trades_after_as_many_as_it_says() -> None:
    tracker = PerformanceTracker()
    analytics.trading(tracker, [1.0, -1.0], 10)(5)
    assert tracker.whole.trades == 15
