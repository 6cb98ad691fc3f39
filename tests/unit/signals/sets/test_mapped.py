"""What mapped calls feed: facts in, instruments and events out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.signals.sets.conftest import Values, Watches
from tradespan.declare.events import EVENTS
from tradespan.signals.events.bus import EventBus
from tradespan.signals.events.types import Event
from tradespan.signals.metrics.registry import InstrumentRegistry
from tradespan.signals.sets.feeding import FEEDS
from tradespan.signals.sets.mapped import Meanings
from tradespan.signals.sets.switch import Sets

ORDER = {
    "trading.venue": "XNAS",
    "trading.symbol": "AAPL",
    "trading.order.client_id": "MOM-1",
    "trading.order.side": "BUY",
}
LABELS = ("buy", "AAPL", "XNAS")


class Desk:
    """Says what a mapped function's calls would."""

    def __init__(self, sets: Sets, registry: InstrumentRegistry) -> None:
        self.sets = sets
        self.bus = EventBus()
        self.registry = registry
        self.mode = "live"

    def call(
        self,
        signal: str,
        facts: dict[str, Any],
        *,
        late: bool = False,
        events: bool = True,
        error: Exception | None = None,
    ) -> list[Event]:
        """Begin and end a call; the events that came of it."""
        before = len(self.bus.get_recent())
        meaning = Meanings(self.sets, self.bus, self.mode, self.registry)(
            signal, f"desk.{signal}", late=late, events=events
        )
        held = {} if late else dict(facts)
        meaning.begins(held)
        held.update(facts)
        meaning.ended(held, 0.5, error)
        return self.bus.get_recent()[before:]


@pytest.fixture
def desk(sets: Sets, registry: InstrumentRegistry) -> Desk:
    return Desk(sets, registry)


def test_a_submitted_order_counts_is_timed_and_is_an_event(desk: Desk, values: Values) -> None:
    (event,) = desk.call("order.submitted", ORDER | {"trading.order.quantity": 300})
    assert event.name == "TRADE_SUBMITTED"
    assert event.data == {
        "venue": "XNAS", "symbol": "AAPL", "client_order_id": "MOM-1", "side": "BUY", "qty": 300,
    }  # fmt: skip
    assert event.source == "desk.order.submitted"
    assert values.of("trading.orders.submitted") == {LABELS: 1}
    assert values.of("trading.order.latency") == {("XNAS",): (1, 0.5)}
    assert values.of("tradespan.map.calls") == {("desk.order.submitted", "order.submitted"): 1}


def test_an_order_that_raised_was_on_its_way_and_has_no_latency(desk: Desk, values: Values) -> None:
    desk.call("order.submitted", ORDER, error=TimeoutError())
    assert values.of("trading.orders.submitted") == {LABELS: 1}
    assert "trading.order.latency" not in values


def test_an_order_whose_id_comes_from_the_result_counts_when_that_is_there(
    desk: Desk, values: Values
) -> None:
    assert desk.call("order.submitted", ORDER, late=True, error=TimeoutError()) == []
    (event,) = desk.call("order.submitted", ORDER, late=True)
    assert event.data["client_order_id"] == "MOM-1"
    assert values.of("trading.orders.submitted") == {LABELS: 1}


def test_an_orders_way_through_its_messages(desk: Desk, values: Values, watches: Watches) -> None:
    desk.call("order.submitted", ORDER)
    watches.seconds += 0.25
    names = [
        desk.call("order.acknowledged", ORDER)[0].name,
        desk.call("order.filled", ORDER | {"trading.order.leaves_quantity": 5})[0].name,
        desk.call("order.cancelled", ORDER)[0].name,
    ]
    assert names == ["TRADE_ACKNOWLEDGED", "TRADE_FILLED", "TRADE_CANCELLED"]
    assert values.of("trading.order.response_time") == {("XNAS",): (1, 0.25)}
    assert values.of("trading.orders.fill_rate") == {("XNAS",): 0}


@pytest.mark.parametrize(
    ("facts", "filled", "rate"),
    [
        ({"trading.order.status": "filled"}, 1, {(): 1}),
        ({"trading.order.status": "FILLED"}, 1, {(): 1}),
        ({"trading.order.status": "partially_filled"}, 0, {}),
        ({"trading.order.leaves_quantity": 0}, 1, {(): 1}),
        ({"trading.order.leaves_quantity": 2.5}, 0, {}),
        ({"trading.order.quantity": 3, "trading.order.cumulative_quantity": 3}, 1, {(): 1}),
        ({}, 0, {}),
    ],
)
def test_a_fill_ends_its_order_if_its_facts_say_so(
    desk: Desk, values: Values, facts: dict[str, Any], filled: int, rate: dict[Any, Any]
) -> None:
    desk.call("order.filled", facts)
    assert values.of("trading.orders.fills") == {(): 1}
    assert sum(values.of("trading.orders.filled").values()) == filled
    assert sum(values.of("trading.trades").values()) == filled
    assert values.of("trading.orders.fill_rate") == rate


def test_what_a_fill_traded_counts_in_its_currency_only(desk: Desk, values: Values) -> None:
    facts = {"trading.execution.quantity": 10, "trading.execution.price": 2.5}
    desk.call("order.filled", facts)
    assert "trading.trade.value" not in values
    desk.call("order.filled", facts | {"trading.currency": "EUR"})
    assert values.of("trading.trade.value") == {("EUR",): 25}


def test_a_cycle_begins_and_ends_also_one_that_raised(desk: Desk, values: Values) -> None:
    facts = {"trading.strategy": "momentum"}
    began, ended = desk.call("cycle", facts, error=KeyError("AAPL"))
    assert (began.name, ended.name) == ("CYCLE_START", "CYCLE_END")
    assert began.data == {"trading.strategy": "momentum"}
    assert ended.data["duration"] == 0.5
    assert ended.data["error.type"] == "KeyError"
    assert values.of("trading.cycles") == {("momentum",): 0, ("KeyError", "momentum"): 1}


def test_a_decision_counts_when_it_was_made(desk: Desk, values: Values) -> None:
    facts = {"trading.decision.outcome": "hold", "trading.symbol": "AAPL"}
    assert desk.call("decision", facts, error=ValueError()) == []
    (event,) = desk.call("decision", facts)
    assert (event.name, event.data) == ("DECISION_MADE", {"action": "hold", "symbol": "AAPL"})
    assert values.of("trading.decisions") == {("hold", "AAPL"): 1}


def test_without_what_it_needs_nothing_is_told_and_the_lack_is_counted(
    desk: Desk, values: Values
) -> None:
    assert desk.call("portfolio", {"trading.portfolio.equity": 100}) == []
    assert "trading.portfolio.value" not in values
    assert values.of("tradespan.map.missing") == {
        ("desk.portfolio", "trading.currency", "no field of the table gives it", "portfolio"): 1
    }


def test_the_account_is_told_in_its_currency(desk: Desk, values: Values) -> None:
    desk.call("portfolio", {"trading.portfolio.equity": "100.5", "trading.currency": "USD"})
    assert values.of("trading.portfolio.value") == {("USD",): 100.5}


def test_updates_of_a_backtest_have_no_latency(desk: Desk, values: Values) -> None:
    facts = {"trading.venue": "XNAS", "trading.event_time": 5}
    desk.mode = "backtest"
    assert desk.call("feed.update", facts) == []
    assert values.of("trading.feed.updates") == {("XNAS",): 1}
    assert "trading.feed.latency" not in values or values.of("trading.feed.latency") == {}


def test_connections_are_opened_lost_and_restored(desk: Desk, values: Values) -> None:
    facts = {"trading.venue": "XNAS"}
    assert desk.call("connection.opened", facts, error=OSError()) == []
    names = [
        desk.call(signal, facts)[0].name
        for signal in ("connection.opened", "connection.lost", "connection.opened")
    ]
    assert names == ["CONNECTION_OPENED", "CONNECTION_LOST", "CONNECTION_RESTORED"]
    assert values.of("trading.exchange.reconnects") == {("XNAS",): 1}
    assert values.of("trading.exchange.errors") == {("XNAS",): 0, ("OSError", "XNAS"): 1}


def test_requests_tell_time_errors_and_what_is_left(desk: Desk, values: Values) -> None:
    facts = {"trading.venue": "XNAS", "trading.api.limit.remaining": 7}
    desk.call("exchange.request", facts, error=TimeoutError())
    assert values.of("trading.exchange.latency") == {("XNAS",): (1, 0.5)}
    assert values.of("trading.exchange.errors")["TimeoutError", "XNAS"] == 1
    assert values.of("trading.exchange.rate_limit.remaining") == {("XNAS",): 7}


def test_predictions_and_failures_of_agents(desk: Desk, values: Values) -> None:
    facts = {"trading.agent.name": "sentiment", "trading.agent.prediction.outcome": "UP"}
    desk.call("agent.prediction", facts)
    desk.call("agent.prediction", facts, error=ValueError())
    assert values.of("trading.agent.predictions") == {("sentiment", "up"): 1}
    assert values.of("trading.agent.failures") == {("ValueError", "sentiment"): 1}


def test_any_declared_event_can_be_mapped(desk: Desk) -> None:
    (event,) = desk.call("kill_switch.triggered", {"trading.reason": "loss"})
    assert (event.name, event.severity) == ("KILL_SWITCH_TRIGGERED", "critical")
    assert event.data == {"reason": "loss"}


def test_a_signal_of_the_users_own_is_counted_as_a_call(desk: Desk, values: Values) -> None:
    assert desk.call("rebalance", {}) == []
    assert values.of("tradespan.map.calls") == {("desk.rebalance", "rebalance"): 1}


def test_an_events_data_are_its_own_facts_and_those_of_the_user(desk: Desk) -> None:
    facts = ORDER | {"trading.portfolio.cash": 5, "desk.leg": "L-1"}
    (event,) = desk.call("order.submitted", facts)
    assert event.data["desk.leg"] == "L-1"
    assert "trading.portfolio.cash" not in event.data


@pytest.mark.parametrize("signal", FEEDS)
def test_each_signal_publishes_declared_events_and_feeds_declared_instruments(signal: str) -> None:
    feeds = FEEDS[signal]
    for each in (feeds.event, feeds.started):
        assert each is None or each.value in EVENTS
    assert feeds.instruments


def test_calls_that_are_no_events_count_all_the_same(desk: Desk, values: Values) -> None:
    for signal in ("cycle", "order.submitted", "connection.lost", "connection.opened"):
        assert desk.call(signal, ORDER, events=False) == []
    assert sum(values.of("trading.cycles").values()) == 1
    assert values.of("trading.orders.submitted") == {LABELS: 1}
    assert values.of("trading.exchange.reconnects") == {("XNAS",): 1}
