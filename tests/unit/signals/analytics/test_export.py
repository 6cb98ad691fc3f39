"""The history as files."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.signals.analytics.trackers import DAY, MONDAY, marked, traded
from tradespan.signals.analytics.export import COLUMNS, write_csv, write_json
from tradespan.signals.analytics.performance import PerformanceTracker


@pytest.fixture
def tracker() -> PerformanceTracker:
    """An account in decimals, with a flow and a day without a mark."""
    tracker = marked(Decimal("1E+3"), Decimal("1100.50"), starting=Decimal(1_000))
    tracker.trade(Decimal("100.500"), ts=MONDAY + DAY)
    tracker.flow(Decimal(-100), ts=MONDAY + DAY)
    tracker.trade(Decimal("-0.000000000000000001"), ts=MONDAY + 2 * DAY)
    return tracker


def test_csv_has_a_row_a_session(tracker: PerformanceTracker, tmp_path: Path) -> None:
    write_csv(tracker, tmp_path / "account.csv")
    with (tmp_path / "account.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        list(COLUMNS),
        ["1970-01-05", "0", "", "", "1000", "0.0"],
        ["1970-01-06", "1", "100.500", "-100", "1000.50", "0.10050000000000003"],
        ["1970-01-07", "1", "-0.000000000000000001", "", "", ""],
    ]


def test_json_has_figures_sessions_and_trades(tracker: PerformanceTracker, tmp_path: Path) -> None:
    write_json(tracker, tmp_path / "account.json")
    found = json.loads((tmp_path / "account.json").read_text(encoding="utf-8"))
    assert list(found) == ["figures", "sessions", "trades"]
    figures = found["figures"]
    assert Decimal(figures["total_pnl"]) == tracker.total_pnl == Decimal("100.499999999999999999")
    assert figures["drawdown"]["current"] == 0.0
    assert figures["peak_ts"] == str(MONDAY + DAY)
    assert figures["whole"]["sharpe"] == tracker.sharpe
    assert "calmar" not in figures["whole"]
    assert found["sessions"][0] == {
        "day": "1970-01-05",
        "trades": 0,
        "equity": "1000",
        "return": 0.0,
    }
    assert found["trades"][1] == {
        "ts": str(MONDAY + 2 * DAY),
        "pnl": "-0.000000000000000001",
    }


def test_amounts_come_back_as_they_were(tmp_path: Path) -> None:
    amounts = (0.1 + 0.2, 1e22, -5e-324)
    write_json(traded(*amounts), tmp_path / "floats.json")
    write_json(traded(2**70, -1), tmp_path / "ticks.json")
    floats, ticks = (
        json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))["trades"]
        for name in ("floats", "ticks")
    )
    assert tuple(float(each["pnl"]) for each in floats) == amounts
    assert [int(each["pnl"]) for each in ticks] == [2**70, -1]


def test_an_empty_tracker_has_empty_files(tmp_path: Path) -> None:
    write_csv(PerformanceTracker(), tmp_path / "none.csv")
    write_json(PerformanceTracker(), tmp_path / "none.json")
    assert (tmp_path / "none.csv").read_text(encoding="utf-8") == ",".join(COLUMNS) + "\n"
    found = json.loads((tmp_path / "none.json").read_text(encoding="utf-8"))
    assert (found["sessions"], found["trades"]) == ([], [])


def test_files_hold_no_more_than_the_history(tmp_path: Path) -> None:
    tracker = marked(*range(100, 150), history=7)
    write_csv(tracker, tmp_path / "account.csv")
    assert len((tmp_path / "account.csv").read_text(encoding="utf-8").splitlines()) == 1 + 7


def test_a_file_is_replaced_whole_or_stays(tracker: PerformanceTracker, tmp_path: Path) -> None:
    path = tmp_path / "account.csv"
    path.write_text("before", encoding="utf-8")
    write_csv(tracker, str(path))
    assert path.read_text(encoding="utf-8").startswith("day,")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_csv(tracker, tmp_path / "folder")
    with pytest.raises(OSError, match="missing"):
        write_json(tracker, tmp_path / "missing" / "account.json")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["account.csv", "folder"]
