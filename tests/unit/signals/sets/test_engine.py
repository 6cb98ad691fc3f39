"""The engine's set."""

from __future__ import annotations

import os
import threading

import pytest

from tests.unit.signals.sets.conftest import Values
from tradespan.core import guard
from tradespan.signals.sets.switch import Sets


def test_cycles_count_by_strategy_and_error_and_are_timed(sets: Sets, values: Values) -> None:
    sets.engine.cycle(0.25, strategy="momentum")
    sets.engine.cycle(0.5, strategy="momentum", error=KeyError("AAPL"))
    assert values.of("trading.cycles") == {("momentum",): 1, ("KeyError", "momentum"): 1}
    assert values.of("trading.cycle.duration") == {("momentum",): (2, 0.75)}


def test_errors_of_a_strategy_are_there_at_0_before_the_first(sets: Sets, values: Values) -> None:
    sets.engine.cycle(0.25, strategy="momentum")
    assert values.of("trading.errors") == {("momentum",): 0}


def test_decisions_errors_and_trades_count(sets: Sets, values: Values) -> None:
    sets.engine.decision("hold", strategy="momentum", symbol="AAPL")
    sets.engine.error(ValueError, venue="XNAS")
    sets.engine.trade(symbol="AAPL")
    assert values.of("trading.decisions") == {("hold", "momentum", "AAPL"): 1}
    assert values.of("trading.errors") == {("ValueError", "XNAS"): 1}
    assert values.of("trading.trades") == {("AAPL", "completed"): 1}


def test_what_is_traded_in_two_currencies_is_never_added_up(sets: Sets, values: Values) -> None:
    sets.engine.traded(100.0, currency="USD")
    sets.engine.traded(50.0, currency="EUR")
    sets.engine.traded(25.0, currency="USD")
    assert values.of("trading.trade.value") == {("USD",): 125, ("EUR",): 50}


def test_a_mistake_in_a_call_does_not_reach_the_program(sets: Sets, values: Values) -> None:
    strict = guard.raise_errors(strict=False)
    try:
        sets.engine.cycle(0.25, strategie="momentum")  # type: ignore[call-arg]
    finally:
        guard.raise_errors(strict)
    assert "trading.cycles" not in values


def test_a_set_that_does_not_exist_is_named_with_those_that_do(sets: Sets) -> None:
    with pytest.raises(ValueError, match="there is no set 'order': engine, orders, "):
        sets("order")


def test_sets_are_on_from_their_first_use_or_when_asked_for(sets: Sets) -> None:
    assert sets.on == ()
    sets.engine.cycle(1)
    assert sets("risk").on == ("engine", "risk")
    assert sets("all").on == (
        "engine", "orders", "exchange", "feed", "portfolio", "performance", "risk", "agents",
        "system",
    )  # fmt: skip
    sets.end()


def test_a_set_is_made_once_however_many_threads_ask_for_it_at_once(sets: Sets) -> None:
    gate = threading.Barrier(8)
    found: list[object] = []

    def ask() -> None:
        gate.wait(10)
        found.append(sets.orders)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 8
    assert len(set(map(id, found))) == 1


def test_a_forked_child_makes_sets_though_a_thread_was_making_one(sets: Sets) -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with sets.lock:
            held.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    pid = os.fork()
    if not pid:
        os._exit(int(sets.orders is None))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    done.set()
    thread.join(10)
