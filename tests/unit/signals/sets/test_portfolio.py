"""The portfolio's set, told by hand and by a tracker."""

from __future__ import annotations

import os
import threading
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.signals.sets.conftest import Values
from tradespan.core import guard
from tradespan.signals.analytics.portfolio import PortfolioTracker
from tradespan.signals.sets.switch import Sets

D = Decimal


def tracker(**options: Any) -> PortfolioTracker:
    return PortfolioTracker(**{"currency": "USD", "cash": {"USD": D(10_000)}, **options})


def test_a_limit_is_told_with_what_is_used_of_it(sets: Sets, values: Values) -> None:
    sets.portfolio.limit("daily_turnover", used=D(18_500), maximum=25_000, currency="USD")
    sets.portfolio.limit("position", 0.85)
    sets.portfolio.limit("broken", used=1, maximum=0)
    assert values.of("trading.limit.utilization") == {
        ("daily_turnover",): 0.74,
        ("position",): 0.85,
    }
    assert values.of("trading.limit.used") == {
        ("USD", "daily_turnover"): 18_500, ("broken",): 1,
    }  # fmt: skip
    assert values.of("trading.limit.maximum") == {
        ("USD", "daily_turnover"): 25_000, ("broken",): 0,
    }  # fmt: skip


def test_a_tracker_tells_all_that_it_knows(sets: Sets, values: Values) -> None:
    t = tracker(turnover_limit=D(4_000))
    t.fill("XYZ", D(10), D(100), venue="XNAS", strategy="s", fee=D(1), ts=1)
    t.fill("XYZ", D(-4), D(110), venue="XNAS", strategy="s", fee=D(1), ts=2)
    t.fill("ABC", D(-5), D(20), venue="XNYS", account="own", strategy="r", ts=2)
    t.mark("XYZ", D(120), ts=3)
    t.mark("ABC", D(21), ts=3)
    sets.portfolio.from_tracker(t, account="main")
    whole = {
        "value": 10_153, "cash": 9_538, "pnl": 153, "realised_pnl": 40, "unrealised_pnl": 115,
        "commission": 2, "exposure.gross": 825, "exposure.net": 615,
    }  # fmt: skip
    for name, amount in whole.items():
        assert values.of(f"trading.portfolio.{name}") == {("main", "USD"): amount}
    assert values.of("trading.portfolio.positions") == {("main",): 2}
    assert values.of("trading.portfolio.leverage") == {("main",): 825 / 10_153}
    xyz, abc = ("s", "XYZ", "XNAS"), ("r", "ABC", "XNYS")
    assert values.of("trading.position.quantity") == {("main", *xyz): 6, ("own", *abc): -5}
    for name, amounts in {
        "value": (720, -105), "average_price": (100, 20), "unrealised_pnl": (120, -5),
    }.items():  # fmt: skip
        assert values.of(f"trading.position.{name}") == {
            ("main", "USD", *xyz): amounts[0], ("own", "USD", *abc): amounts[1],
        }  # fmt: skip
    assert values.of("trading.strategy.realised_pnl") == {
        ("main", "USD", "s"): 40, ("main", "USD", "r"): 0,
    }  # fmt: skip
    assert values.of("trading.limit.used") == {("main", "USD", "daily_turnover"): 1_540}
    assert values.of("trading.limit.utilization") == {("main", "daily_turnover"): 0.385}


def test_amounts_are_in_the_trackers_currency_and_prices_in_their_own(
    sets: Sets, values: Values
) -> None:
    t = tracker(rates={("EUR", "USD"): 2})
    t.fill("SAP", D(1), D(100), currency="EUR", ts=1)
    t.mark("SAP", D(110), ts=1)
    sets.portfolio.from_tracker(t)
    assert values.of("trading.position.value") == {("USD", "SAP"): 220}
    assert values.of("trading.position.unrealised_pnl") == {("USD", "SAP"): 20}
    assert values.of("trading.position.average_price") == {("EUR", "SAP"): 100}


def test_positions_that_differ_in_no_label_are_told_as_their_sum(
    sets: Sets, values: Values
) -> None:
    t = tracker(rates={("EUR", "USD"): 2})
    t.fill("BTC", D(1), D(100), ts=1)
    t.fill("BTC", D(2), D(90), currency="EUR", ts=1)
    t.fill("BTC", D(3), D(80), account="main", ts=1)
    t.mark("BTC", D(100), currency="USD", ts=1)
    sets.portfolio.from_tracker(t, account="main")
    assert values.of("trading.position.quantity") == {("main", "BTC"): 6}
    assert values.of("trading.position.value") == {}  # the price in EUR is missing
    assert values.of("trading.position.average_price") == {("main", "EUR", "BTC"): 90}
    t.mark("BTC", D(95), currency="EUR", ts=1)
    sets.portfolio.from_tracker(t, account="main")
    assert values.of("trading.position.value") == {("main", "USD", "BTC"): 100 + 300 + 380}


def test_no_ghost_of_a_closed_position_stays(sets: Sets, values: Values) -> None:
    t = tracker()
    for symbol in ("XYZ", "ABC"):
        t.fill(symbol, D(1), D(100), ts=1)
        t.mark(symbol, D(100), ts=1)
    sets.portfolio.from_tracker(t)
    t.fill("XYZ", D(-1), D(100), ts=2)
    # A tracker that was read back tells for the same account.
    sets.portfolio.from_tracker(PortfolioTracker.from_dict(t.to_dict()))
    for name in ("value", "quantity", "average_price", "unrealised_pnl"):
        assert [labels[-1] for labels in values.of(f"trading.position.{name}")] == ["ABC"]
    assert values.of("trading.portfolio.positions") == {(): 1}
    t.fill("XYZ", D(3), D(100), ts=3)
    sets.portfolio.from_tracker(t)
    assert values.of("trading.position.quantity") == {("XYZ",): 3, ("ABC",): 1}


def test_what_is_not_known_is_absent_also_if_it_was_known_before(
    sets: Sets, values: Values
) -> None:
    t = tracker()
    t.fill("XYZ", D(1), D(100), ts=1)
    sets.portfolio.from_tracker(t)
    absent = (
        "portfolio.value", "portfolio.pnl", "portfolio.unrealised_pnl", "portfolio.leverage",
        "portfolio.exposure.gross", "position.value", "position.unrealised_pnl",
    )  # fmt: skip
    for name in absent:
        assert values.of(f"trading.{name}") == {}
    assert values.of("trading.portfolio.cash") == {("USD",): 9_900}
    t.mark("XYZ", D(100), ts=1)
    sets.portfolio.from_tracker(t)
    for name in absent:
        assert len(values.of(f"trading.{name}")) == 1
    t.fill("ABC", D(1), D(100), ts=1)
    sets.portfolio.from_tracker(t)
    assert values.of("trading.portfolio.value") == {}
    assert values.of("trading.position.value") == {("USD", "XYZ"): 100}


def test_trackers_of_two_accounts_leave_each_other_alone(sets: Sets, values: Values) -> None:
    for account in ("a", "b"):
        t = tracker()
        t.fill("XYZ", D(1), D(100), ts=1)
        sets.portfolio.from_tracker(t, account=account)
    assert values.of("trading.position.quantity") == {("a", "XYZ"): 1, ("b", "XYZ"): 1}


def test_what_is_no_tracker_does_not_reach_the_program(sets: Sets, values: Values) -> None:
    strict = guard.raise_errors(strict=False)
    try:
        sets.portfolio.from_tracker(None)  # type: ignore[arg-type]
    finally:
        guard.raise_errors(strict)
    assert "trading.portfolio.cash" not in values


def test_a_forked_child_tells_though_a_thread_was_telling(sets: Sets) -> None:
    t = tracker()
    t.fill("XYZ", D(1), D(100), ts=1)
    portfolio = sets.portfolio
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with portfolio._lock:  # noqa: SLF001 - as `from_tracker` holds it
            held.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(30)
    pid = os.fork()
    if not pid:
        portfolio.from_tracker(t)
        os._exit(0)
    done.set()
    thread.join(30)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize("threads", [4])
def test_threads_that_tell_at_once_leave_no_ghost(sets: Sets, values: Values, threads: int) -> None:
    t = tracker()

    def trade(seed: int) -> None:
        for n in range(50):
            t.fill(f"S{seed}", D(1), D(1), ts=n)
            sets.portfolio.from_tracker(t)
            t.fill(f"S{seed}", D(-1), D(1), ts=n)
            sets.portfolio.from_tracker(t)

    running = [threading.Thread(target=trade, args=(seed,)) for seed in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(60)
    sets.portfolio.from_tracker(t)
    assert values.of("trading.position.quantity") == {}
    assert values.of("trading.portfolio.cash") == {("USD",): 10_000}
