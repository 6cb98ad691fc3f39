"""The history of a `PerformanceTracker` as CSV and JSON.

Both hold what the tracker does: at most `history` sessions (4,000 unless said otherwise); JSON also
the figures, and the trades of the window. Amounts are text of the digits that were given, so that a
decimal comes back as it was; returns are numbers; times are nanoseconds since 1970 as text, for
readers whose numbers end at 2**53. What is undefined is an empty cell, or no key.

A file is replaced whole, or stays as it was.
"""

from __future__ import annotations

import csv
import io
import json
import os
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from tradespan.signals.analytics.history import SessionFigures
from tradespan.signals.analytics.performance import PerformanceTracker

COLUMNS = ("day", "trades", "pnl", "flows", "equity", "return")
"""Of the CSV, in this order."""

_AMOUNTS = frozenset({
    "total_pnl", "daily_pnl", "weekly_pnl", "equity", "peak", "pnl", "expectancy", "average_win",
    "average_loss", "best", "worst",
})  # fmt: skip
_TIMES = frozenset({"peak_ts", "trough_ts", "recovered_ts"})


def write_csv(tracker: PerformanceTracker, path: str | os.PathLike[str]) -> None:
    """One row a session, by day.

    Raises:
        OSError: It cannot be written.
    """
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for each in tracker.history:
        found = _row(each)
        rows.writerow([found.get(name, "") for name in COLUMNS])
    _replace(Path(path), text.getvalue())


def write_json(tracker: PerformanceTracker, path: str | os.PathLike[str]) -> None:
    """`figures` as `to_dict()` has them, `sessions` as the CSV, and the window's `trades`.

    Raises:
        OSError: It cannot be written.
    """
    found = {
        "figures": dict(_plain(tracker.to_dict())),
        "sessions": [_row(each) for each in tracker.history],
        "trades": [{"ts": str(ts), "pnl": _text(pnl)} for ts, pnl in tracker.trades],
    }
    _replace(Path(path), json.dumps(found, indent=1, allow_nan=False) + "\n")


def _row(each: SessionFigures) -> dict[str, Any]:
    found: dict[str, Any] = {"day": each.day.isoformat(), "trades": each.trades}
    amounts = {"pnl": each.pnl, "flows": each.flows, "equity": each.equity}
    found |= {name: _text(amount) for name, amount in amounts.items() if amount is not None}
    if each.return_ is not None:
        found["return"] = each.return_
    return found


def _plain(figures: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in figures.items():
        if isinstance(value, dict):
            yield name, dict(_plain(value))
        elif name in _AMOUNTS:
            yield name, _text(value)
        else:
            yield name, str(value) if name in _TIMES else value


def _text(amount: object) -> str:
    """`1500.00`, not `1.50000E+3`; a float's shortest digits."""
    return f"{amount:f}" if isinstance(amount, Decimal) else repr(amount)


def _replace(path: Path, text: str) -> None:
    """By way of a file beside it, which is then renamed."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
