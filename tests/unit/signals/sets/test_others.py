"""The sets of exchange, feed, portfolio, risk and agents."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from tests.unit.signals.sets.conftest import Observing, Values, Watches
from tradespan.signals.sets.feed import Feed
from tradespan.signals.sets.switch import Sets

SECOND = 1_000_000_000


def test_requests_are_timed_and_their_errors_counted(sets: Sets, values: Values) -> None:
    sets.exchange.request("XNAS", 0.25)
    assert values.of("trading.exchange.errors") == {("XNAS",): 0}
    sets.exchange.request("XNAS", 0.5, error=TimeoutError())
    assert values.of("trading.exchange.latency") == {("XNAS",): (2, 0.75)}
    assert values.of("trading.exchange.errors") == {("XNAS",): 0, ("TimeoutError", "XNAS"): 1}


def test_a_connection_after_a_lost_one_is_a_reconnect(sets: Sets, values: Values) -> None:
    sets.exchange.connected("XNAS", channel="orders")
    assert values.of("trading.exchange.reconnects") == {("orders", "XNAS"): 0}
    sets.exchange.disconnected("XNAS", channel="orders")
    assert values.of("trading.exchange.connected") == {("orders", "XNAS"): 0}
    sets.exchange.connected("XNAS", channel="orders")
    sets.exchange.connected("XNAS", channel="orders")
    assert values.of("trading.exchange.connected") == {("orders", "XNAS"): 1}
    assert values.of("trading.exchange.reconnects") == {("orders", "XNAS"): 1}


def test_the_rate_limit_is_what_the_venue_said_last(sets: Sets, values: Values) -> None:
    sets.exchange.rate_limit("XNAS", 12)
    sets.exchange.rate_limit("XNAS", 3)
    assert values.of("trading.exchange.rate_limit.remaining") == {("XNAS",): 3}


def test_a_feeds_latency_goes_from_the_event_to_its_arrival(sets: Sets, values: Values) -> None:
    sets.feed.update("XNAS", "AAPL", 5 * SECOND, 5 * SECOND + SECOND // 4)
    sets.feed.update("XNAS", "AAPL")
    assert values.of("trading.feed.latency") == {("AAPL", "XNAS"): (1, 0.25)}
    assert values.of("trading.feed.updates") == {("AAPL", "XNAS"): 2}


def test_a_clock_that_is_behind_makes_no_negative_latency(sets: Sets, values: Values) -> None:
    sets.feed.update("XNAS", "AAPL", 2 * SECOND, SECOND)
    assert values.of("trading.feed.latency") == {("AAPL", "XNAS"): (1, 0)}


def test_data_of_another_day_has_no_latency(sets: Sets, values: Values) -> None:
    sets.feed.update("XNAS", "AAPL", SECOND, 100_000 * SECOND)
    assert "trading.feed.latency" not in values or values.of("trading.feed.latency") == {}
    assert values.of("trading.feed.updates") == {("AAPL", "XNAS"): 1}


def test_staleness_grows_while_nothing_comes(sets: Sets, values: Values, watches: Watches) -> None:
    sets.feed.update("XNAS", "AAPL")
    watches.seconds += 3
    sets.collect()
    assert values.of("trading.feed.staleness") == {("AAPL", "XNAS"): 3}
    watches.seconds += 4
    sets.collect()
    assert values.of("trading.feed.staleness") == {("AAPL", "XNAS"): 7}
    sets.feed.update("XNAS", "AAPL")
    sets.collect()
    assert values.of("trading.feed.staleness") == {("AAPL", "XNAS"): 0}
    sets.feed.ended("XNAS", "AAPL")
    sets.collect()
    assert values.of("trading.feed.staleness") == {}


def test_a_jump_of_sequence_numbers_is_a_gap_and_a_late_one_is_none(
    sets: Sets, values: Values
) -> None:
    for number in (7, 8, 11, 9, 12):
        sets.feed.update("XNAS", "AAPL", sequence=number)
    assert values.of("trading.feed.gaps") == {("AAPL", "XNAS"): 1}
    sets.feed.restarted("XNAS", "AAPL")
    sets.feed.update("XNAS", "AAPL", sequence=1)
    sets.feed.update("XNAS", "AAPL", sequence=2)
    assert values.of("trading.feed.gaps") == {("AAPL", "XNAS"): 1}


def test_schema_validation_errors_are_born_at_0_with_the_feed(sets: Sets, values: Values) -> None:
    sets.feed.update("XNAS", "AAPL")
    name = "trading.feed.schema_validation_errors"
    assert values.of(name) == {("AAPL", "XNAS"): 0}
    sets.feed.invalid(KeyError("price"), venue="XNAS", symbol="AAPL")
    assert values.of(name)["KeyError", "AAPL", "XNAS"] == 1


def test_only_feed_and_system_are_observed_and_once(sets: Sets, observing: Observing) -> None:
    sets("engine", "orders", "exchange", "portfolio", "risk", "agents")
    assert observing.tasks == []
    assert isinstance(sets.feed, Feed)
    sets("feed", "system")
    assert observing.tasks == [sets]
    assert sets.label == "tradespan.sets"
    sets.end()


def test_a_portfolio_tells_what_it_is_told_and_nothing_else(sets: Sets, values: Values) -> None:
    sets.portfolio.update(currency="USD", value=Decimal("100.5"), cash=20, positions=2)
    sets.portfolio.update(currency="USD", cash=None, account="main")
    assert values.of("trading.portfolio.value") == {("USD",): 100.5}
    assert values.of("trading.portfolio.cash") == {("USD",): 20}
    assert values.of("trading.portfolio.positions") == {(): 2}
    assert "trading.portfolio.pnl" not in values


def test_a_portfolio_in_two_currencies_has_two_values(sets: Sets, values: Values) -> None:
    sets.portfolio.update(currency="USD", value=100)
    sets.portfolio.update(currency="EUR", value=50)
    assert values.of("trading.portfolio.value") == {("USD",): 100, ("EUR",): 50}


def test_what_is_no_number_is_absent(sets: Sets, values: Values) -> None:
    sets.portfolio.update(currency="USD", value=math.nan, leverage=math.inf)
    sets.portfolio.returns({"1h": None, "24h": 0.01})
    assert "trading.portfolio.value" not in values
    assert "trading.portfolio.leverage" not in values
    assert values.of("trading.portfolio.return") == {("24h",): 0.01}
    assert sum(values.of("tradespan.metrics.refused").values()) == 2


def test_a_closed_position_is_told_no_more(sets: Sets, values: Values) -> None:
    sets.portfolio.position("AAPL", -300.0, currency="USD")
    assert values.of("trading.position.value") == {("USD", "AAPL"): -300}
    sets.portfolio.position("AAPL", None, currency="USD")
    assert values.of("trading.position.value") == {}


def test_an_amount_that_no_portfolio_has_is_refused(sets: Sets) -> None:
    with pytest.raises(TypeError, match="a portfolio has no worth"):
        sets.portfolio.update(currency="USD", worth=1)


def test_risk_is_told_by_level_and_span(sets: Sets, values: Values) -> None:
    sets.risk.value_at_risk(0.95, 120, currency="USD")
    sets.risk.expected_shortfall(0.99, 240, currency="USD")
    sets.risk.drawdown(0.03, span="daily")
    sets.risk.concentration(0.4)
    sets.portfolio.limit("daily_loss", 0.85)
    assert values.of("trading.risk.value_at_risk") == {("USD", "0.95", "historical"): 120}
    assert values.of("trading.risk.expected_shortfall") == {("USD", "0.99", "historical"): 240}
    assert values.of("trading.risk.drawdown") == {("daily",): 0.03}
    assert values.of("trading.risk.concentration") == {(): 0.4}
    assert values.of("trading.limit.utilization") == {("daily_loss",): 0.85}


def test_agents_predict_and_fail(sets: Sets, values: Values) -> None:
    sets.agents.prediction("sentiment", "up", symbol="AAPL", confidence=0.75)
    sets.agents.failure("sentiment", TimeoutError)
    sets.agents.accuracy("sentiment", 0.6)
    sets.agents.consensus(0.8, symbol="AAPL")
    assert values.of("trading.agent.predictions") == {("sentiment", "up", "AAPL"): 1}
    assert values.of("trading.agent.confidence") == {("sentiment",): (1, 0.75)}
    assert values.of("trading.agent.failures") == {("TimeoutError", "sentiment"): 1}
    assert values.of("trading.agent.accuracy") == {("sentiment",): 0.6}
    assert values.of("trading.agent.consensus") == {("AAPL",): 0.8}
