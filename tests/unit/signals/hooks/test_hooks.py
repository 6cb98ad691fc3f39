"""What each hook counts and publishes."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import Enum, auto
from typing import Any

import pytest

from tests.unit.signals.hooks.conftest import Desk
from tradespan.core import guard
from tradespan.declare.attributes import ATTRIBUTES
from tradespan.declare.events import EVENTS
from tradespan.signals.events.declared import declaration_of
from tradespan.signals.events.types import EventType
from tradespan.signals.hooks.hooks import EngineHooks

NOW = 1_700_000_000_123_456_789


class Status(Enum):
    FILLED = 1
    DONE = "filled"


class Choice(Enum):
    TRADE = auto()
    HOLD = auto()


def test_decisions_count_by_outcome_and_only_trades_count_as_trades(desk: Desk) -> None:
    for outcome in ("TRADE", "HOLD", "BLOCKED", Choice.TRADE, Choice.HOLD, "trade", "BUY"):
        desk.hooks.decision(outcome, symbol="AAPL", strategy="pairs")
    desk.hooks.decision("TRADE", symbol="MSFT", strategy="pairs")
    assert desk.values.of("trading.decisions") == {
        ("TRADE", "pairs", "AAPL"): 2, ("HOLD", "pairs", "AAPL"): 2,
        ("BLOCKED", "pairs", "AAPL"): 1, ("trade", "pairs", "AAPL"): 1,
        ("BUY", "pairs", "AAPL"): 1, ("TRADE", "pairs", "MSFT"): 1,
    }  # fmt: skip
    assert desk.values.of("trading.trades") == {
        ("pairs", "AAPL"): 3, ("pairs", "MSFT"): 1,
    }  # fmt: skip


def test_a_decision_is_an_event_with_its_facts(desk: Desk) -> None:
    desk.hooks.decision(
        "TRADE", symbol="AAPL", strategy="p", confidence=0.7, decision_id="d-1", ts=NOW, legs=2
    )
    (event,) = desk.events
    assert (event.event_type, event.severity) == (EventType.DECISION_MADE, "info")
    assert event.data == {
        "legs": 2, "action": "TRADE", "symbol": "AAPL", "strategy": "p", "confidence": 0.7,
        "decision_id": "d-1", "event_time": NOW,
    }  # fmt: skip
    assert event.timestamp.isoformat() == "2023-11-14T22:13:20.123456+00:00"


ORDER: dict[str, Any] = {
    "symbol": "AAPL", "side": "BUY", "venue": "XNAS", "strategy": "p", "client_id": "C-1",
}  # fmt: skip
LABELS = ("buy", "p", "AAPL", "XNAS")


def test_an_orders_way_counts_by_status(desk: Desk) -> None:
    on_trade = desk.hooks.on_trade
    on_trade("submitted", **ORDER, quantity=300, price=10, expected_price=10)
    on_trade("acknowledged", client_id="C-1", order_id="77")
    on_trade("partially_filled", client_id="C-1", quantity=100, price=11, currency="USD")
    on_trade("filled", client_id="C-1", quantity=200, price=Decimal("10.5"), currency="USD")
    on_trade("submitted", **ORDER | {"client_id": "C-2"})
    on_trade("rejected", client_id="C-2", reason="too late", reason_code="too_late")
    on_trade("submitted", **ORDER | {"client_id": "C-3"})
    on_trade("Canceled", client_id="C-3", reason="timeout")
    on_trade("submitted", **ORDER | {"client_id": "C-4"})
    on_trade("expired", client_id="C-4")

    counted = {
        name: desk.values.of(f"trading.orders.{name}")
        for name in ("submitted", "acknowledged", "fills", "filled", "rejected", "cancelled")
    }
    assert counted == {
        "submitted": {LABELS: 4}, "acknowledged": {LABELS: 1}, "fills": {LABELS: 2},
        "filled": {LABELS: 1}, "cancelled": {LABELS: 2},
        "rejected": {LABELS: 0, ("too_late", *LABELS): 1},
    }  # fmt: skip
    assert desk.values.of("trading.order.slippage")[LABELS][0] == 2
    assert desk.values.of("trading.trade.value") == {("USD",): 3_200}
    # Trades are counted by decisions.
    assert desk.values.of("trading.trades") == {}
    assert [name for name, _ in desk.told] == [
        "TRADE_SUBMITTED", "TRADE_ACKNOWLEDGED", "TRADE_FILLED", "TRADE_FILLED",
        "TRADE_SUBMITTED", "TRADE_REJECTED", "TRADE_SUBMITTED", "TRADE_CANCELLED",
        "TRADE_SUBMITTED", "TRADE_EXPIRED",
    ]  # fmt: skip
    assert desk.told[-1][1]["client_order_id"] == "C-4"


@pytest.mark.parametrize(
    ("status", "verb"),
    [
        ("PARTIALLY-FILLED", "TRADE_FILLED"), ("Partial Fill", "TRADE_FILLED"),
        ("PendingNew", "TRADE_SUBMITTED"), ("New", "TRADE_ACKNOWLEDGED"),
        (Status.FILLED, "TRADE_FILLED"), (Status.DONE, "TRADE_FILLED"),
    ],
)  # fmt: skip
def test_statuses_are_understood_in_common_spellings(desk: Desk, status: Any, verb: str) -> None:
    desk.hooks.on_trade(status, symbol="AAPL", side="buy")
    assert [name for name, _ in desk.told] == [verb]


def test_what_leaves_says_decides_whether_an_order_is_done(desk: Desk) -> None:
    desk.hooks.on_trade("filled", symbol="A", quantity=1, leaves=2)
    assert desk.values.of("trading.orders.filled") == {}
    desk.hooks.on_trade("partially_filled", symbol="A", quantity=2, leaves=0)
    assert desk.values.of("trading.orders.filled") == {("A",): 1}
    assert desk.told[0][1] == {"symbol": "A", "qty": 1, "trading.order.leaves_quantity": 2}


def test_facts_of_an_order_are_declared_for_its_events(desk: Desk) -> None:
    facts = ORDER | {
        "quantity": 1, "price": 2, "order_id": "7", "type": "limit", "account": "a",
        "pair_id": "P", "leg": "1", "currency": "USD",
    }  # fmt: skip
    desk.hooks.on_trade("submitted", **facts, ts=NOW)
    desk.hooks.on_trade("filled", **facts, execution_id="E", cumulative=1, leaves=0, fee=1, ts=NOW)
    desk.hooks.decision("HOLD", symbol="A", confidence=0.5, ts=NOW)
    desk.hooks.on_kill_switch("daily loss", -5.0, -4.0, strategy="p", account="a", ts=NOW)
    with desk.hooks.cycle(strategy="p", ts=NOW):
        desk.hooks.on_error(ValueError("x"), context={"order": 7}, symbol="A", venue="V")
    for event in desk.events:
        declared = declaration_of(event.event_type)
        known = {declared.fields.get(key, (key, 1.0))[0] for key in event.data}
        ours = {name for name in known if name in ATTRIBUTES}
        assert ours <= {*EVENTS[declared.name].attributes}, event.name


def test_inside_a_cycle_its_strategy_stands(desk: Desk) -> None:
    with desk.hooks.cycle(strategy="pairs"):
        desk.hooks.decision("HOLD", symbol="A")
        desk.hooks.decision("HOLD", symbol="A", strategy="other")
        desk.hooks.on_error(ValueError("x"))
        desk.hooks.on_trade("submitted", symbol="A", side="sell")
    assert desk.values.of("trading.decisions") == {
        ("HOLD", "pairs", "A"): 1, ("HOLD", "other", "A"): 1,
    }  # fmt: skip
    assert desk.values.of("trading.errors")[("ValueError", "pairs")] == 1
    assert desk.values.of("trading.orders.submitted") == {("sell", "pairs", "A"): 1}


def test_an_error_counts_by_its_type(desk: Desk) -> None:
    error = ConnectionError("venue closed")
    desk.hooks.on_error(error, context={"order": "C-1"}, venue="XNAS")
    desk.hooks.on_error("stale_price")
    assert desk.values.of("trading.errors") == {("ConnectionError", "XNAS"): 1, ("stale_price",): 1}
    said = "ConnectionError: venue closed"  # the ring keeps nothing of the program's alive
    assert desk.told == [
        ("ERROR", {"error": said, "context": {"order": "C-1"}, "venue": "XNAS"}),
        ("ERROR", {"error": "stale_price", "context": {}}),
    ]
    assert {event.severity for event in desk.events} == {"error"}


def test_the_engines_life_and_the_kill_switch_are_events(desk: Desk) -> None:
    desk.hooks.on_engine_start(strategy="pairs")
    desk.hooks.on_kill_switch("daily loss", -1_200.0, -1_000.0)
    desk.hooks.on_engine_stop("end of day")
    assert desk.told == [
        ("ENGINE_START", {"strategy": "pairs"}),
        ("KILL_SWITCH_TRIGGERED", {"reason": "daily loss", "value": -1_200.0, "limit": -1_000.0}),
        ("ENGINE_STOP", {"reason": "end of day"}),
    ]
    assert [event.severity for event in desk.events] == ["info", "critical", "info"]


def test_quotes_and_the_account_fill_their_sets(desk: Desk) -> None:
    desk.hooks.on_quote("AAPL", venue="XNAS", ts=NOW, received=NOW + 2_000_000, sequence=1)
    desk.hooks.on_quote("AAPL", venue="XNAS", sequence=3)
    desk.hooks.on_portfolio(currency="USD", value=100.5, cash=None, positions=2)
    assert desk.values.of("trading.feed.updates") == {("AAPL", "XNAS"): 2}
    assert desk.values.of("trading.feed.gaps") == {("AAPL", "XNAS"): 1}
    assert desk.values.of("trading.feed.latency") == {("AAPL", "XNAS"): (1, 0.002)}
    assert desk.values.of("trading.portfolio.value") == {("USD",): 100.5}
    assert desk.values.of("trading.portfolio.cash") == {}
    assert desk.told == []


WRONG: dict[str, Callable[[EngineHooks], Any]] = {
    "decision without an outcome": lambda hooks: hooks.decision(),  # type: ignore[call-arg]
    "a status that is none": lambda hooks: hooks.on_trade("flled", symbol="A"),
    "amounts that are none": lambda hooks: hooks.on_portfolio(currency="USD", vlue=1),
    "a price that is none": lambda hooks: hooks.on_trade(
        "filled", price="x", quantity="y", currency="USD"
    ),
    "a context that is none": lambda hooks: hooks.on_error("x", context=5),  # type: ignore[arg-type]
    "a moment that is none": lambda hooks: hooks.decision("HOLD", ts="noon"),  # type: ignore[arg-type]
    "an outcome that cannot be shown": lambda hooks: hooks.decision(Unspeakable()),
}


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize("call", WRONG.values(), ids=list(WRONG))
def test_a_wrong_call_reaches_nobody_and_is_reported(
    desk: Desk, call: Callable[[EngineHooks], Any]
) -> None:
    before = guard.raise_errors(strict=False)
    counted = sum(guard.counts.values())
    try:
        call(desk.hooks)
    finally:
        guard.raise_errors(before)
    assert sum(guard.counts.values()) == counted + 1


@pytest.mark.parametrize("call", WRONG.values(), ids=list(WRONG))
def test_a_call_does_nothing_while_nobody_listens(
    asleep: Desk, call: Callable[[EngineHooks], Any]
) -> None:
    call(asleep.hooks)
    asleep.hooks.decision("TRADE", symbol="A")
    asleep.hooks.on_trade("filled", symbol="A", quantity=1, price=2, currency="USD")
    asleep.hooks.on_error(ValueError("x"))
    asleep.hooks.on_engine_start()
    asleep.hooks.on_engine_stop()
    asleep.hooks.on_kill_switch("x", 1, 2)
    asleep.hooks.on_quote("A")
    asleep.hooks.on_portfolio(currency="USD", value=1)
    assert asleep.told == []
    assert asleep.outlets.sets.on == ()


def test_a_fill_that_is_told_again_counts_once(desk: Desk) -> None:
    desk.hooks.on_trade("submitted", **ORDER, quantity=5)
    for _ in range(2):
        desk.hooks.on_trade(
            "filled", client_id="C-1", quantity=5, price=2, execution_id="E-1", currency="USD"
        )
    assert desk.values.of("trading.trade.value") == {("USD",): 10}
    assert [name for name, _ in desk.told] == ["TRADE_SUBMITTED", "TRADE_FILLED"]
    journey = desk.outlets.sets.journeys.get("C-1")
    assert journey is not None
    assert journey.symbol == "AAPL"
