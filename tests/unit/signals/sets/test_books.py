"""Books that are kept of mapped calls: what they make of fills, prices and valuations."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.unit.signals.sets.conftest import Observing, Values
from tests.unit.signals.sets.test_mapped import Desk
from tradespan.config import load_config
from tradespan.signals.metrics.registry import InstrumentRegistry
from tradespan.signals.sets.keeping import Whose
from tradespan.signals.sets.switch import Sets

DAY = 86_400_000_000_000
MONDAY = 4 * DAY
WHO = {"trading.account": "main", "trading.strategy": "momentum"}


class Trader:
    """A desk that keeps books."""

    def __init__(self, desk: Desk, **figures: Any) -> None:
        self.desk = desk
        self.sets = desk.sets
        self.orders = 0
        self.sets.keep_books(
            load_config({f"figures.{name}": value for name, value in figures.items()}).figures
        )

    def submit(self, side: str, **facts: Any) -> str:
        self.orders += 1
        client_id = f"C-{self.orders}"
        order = {
            "trading.order.client_id": client_id,
            "trading.order.side": side,
            "trading.symbol": "AAPL",
            "trading.venue": "XNAS",
            "trading.currency": "USD",
            "trading.event_time": MONDAY,
        }
        self.desk.call("order.submitted", order | WHO | facts)
        return client_id

    def fill(self, client_id: str, quantity: float, price: float, **facts: Any) -> None:
        """As a venue tells it: neither account nor side, which the order had."""
        fill = {
            "trading.order.client_id": client_id,
            "trading.execution.quantity": quantity,
            "trading.execution.price": price,
            "trading.execution.commission": 1.0,
            "trading.execution.id": f"{client_id}-{quantity}-{price}",
            "trading.order.status": "filled",
            "trading.event_time": MONDAY,
        }
        self.desk.call("order.filled", fill | facts)

    def price(self, price: float, ts: int = MONDAY, **facts: Any) -> None:
        tick = {
            "trading.venue": "XNAS",
            "trading.symbol": "AAPL",
            "trading.quote.last": price,
            "trading.event_time": ts,
        }
        self.desk.call("feed.update", tick | facts)

    def value(self, equity: float, ts: int = MONDAY, **facts: Any) -> None:
        said = {
            "trading.currency": "USD",
            "trading.portfolio.equity": equity,
            "trading.event_time": ts,
        }
        self.desk.call("portfolio", said | WHO | facts, late=True)


@pytest.fixture
def desk(sets: Sets, registry: InstrumentRegistry) -> Desk:
    return Desk(sets, registry)


def test_an_account_is_worth_its_cash_and_positions_net_of_fees(desk: Desk, values: Values) -> None:
    trader = Trader(desk, cash=10_000)
    trader.fill(trader.submit("buy"), 10, 100.0)
    trader.price(110.0)
    trader.sets.collect()
    account = ("main", "USD", "momentum")
    assert values.of("trading.portfolio.value") == {account: 10_099}
    assert values.of("trading.portfolio.cash") == {account: 8_999}
    assert values.of("trading.portfolio.unrealised_pnl") == {account: 100}
    assert values.of("trading.portfolio.commission") == {account: 1}
    assert values.of("trading.portfolio.exposure.gross") == {account: 1_100}
    assert values.of("trading.portfolio.leverage") == {("main", "momentum"): 1_100 / 10_099}
    assert values.of("trading.position.value") == {
        ("main", "USD", "momentum", "AAPL", "XNAS"): 1_100
    }
    assert values.of("trading.risk.concentration") == {("main", "momentum"): 1}


def test_what_a_fill_closes_is_a_trade_net_of_what_it_cost_both_ways(
    desk: Desk, values: Values
) -> None:
    trader = Trader(desk, cash=10_000)
    trader.fill(trader.submit("buy"), 10, 100.0, **{"trading.execution.commission": 2.0})
    trader.fill(trader.submit("sell"), 4, 105.0)
    trader.fill(trader.submit("sell"), 6, 90.0)
    trader.sets.collect()
    who = ("main", "run", "momentum")
    # 4 × 5 − 2 × 4/10 − 1, and 6 × −10 − 2 × 6/10 − 1.
    assert values.of("trading.performance.trades")[who] == 2
    assert values.of("trading.performance.win_rate")[who] == 0.5
    profits = values.of("trading.performance.pnl")["main", "USD", "run", "momentum"]
    assert profits == pytest.approx(18.2 - 62.2)
    assert values.of("trading.portfolio.realised_pnl") == {("main", "USD", "momentum"): -40}
    assert "trading.position.value" not in values


def test_a_fill_that_turns_a_position_around_splits_what_it_cost(
    desk: Desk, values: Values
) -> None:
    trader = Trader(desk, cash=10_000)
    trader.fill(trader.submit("buy"), 10, 100.0)
    trader.fill(trader.submit("sell"), 20, 100.0)
    trader.fill(trader.submit("buy"), 10, 100.0)
    trader.sets.collect()
    profits = values.of("trading.performance.pnl")["main", "USD", "run", "momentum"]
    assert profits == pytest.approx(-3.0)  # all fees, and nothing else
    assert values.of("trading.performance.trades")["main", "run", "momentum"] == 2


def test_a_fill_that_comes_twice_counts_once(desk: Desk, values: Values) -> None:
    trader = Trader(desk, cash=10_000)
    order = trader.submit("buy")
    trader.fill(order, 10, 100.0, **{"trading.order.leaves_quantity": 0})
    trader.fill(order, 10, 100.0, **{"trading.order.leaves_quantity": 0})
    trader.sets.collect()
    quantities = values.of("trading.position.quantity")
    assert quantities == {("main", "momentum", "AAPL", "XNAS"): 10}


def test_what_the_program_says_of_its_account_counts_and_is_not_said_again(
    desk: Desk, values: Values
) -> None:
    trader = Trader(desk)
    trader.value(50_000.0)
    trader.fill(trader.submit("buy"), 10, 100.0)
    trader.price(200.0)
    trader.value(50_500.0)
    trader.sets.collect()
    account = ("main", "USD", "momentum")
    assert values.of("trading.portfolio.value") == {account: 50_500}
    assert values.of("trading.portfolio.daily_pnl") == {account: 500}
    assert values.of("trading.portfolio.exposure.gross") == {account: 2_000}
    # By the fills it is worth 50,000 + 10 × 100 − 1.
    assert values.of("trading.portfolio.leverage") == {("main", "momentum"): 2_000 / 50_999}


def test_without_a_beginning_fills_tell_what_was_earned_and_not_what_there_is(
    desk: Desk, values: Values
) -> None:
    trader = Trader(desk)
    trader.fill(trader.submit("buy"), 10, 100.0)
    trader.price(110.0)
    trader.sets.collect()
    for name in ("portfolio.value", "portfolio.cash", "portfolio.leverage", "risk.value_at_risk"):
        assert f"trading.{name}" not in values
    assert values.of("trading.portfolio.unrealised_pnl") == {("main", "USD", "momentum"): 100}


def test_a_days_profit_begins_anew_with_each_day_of_the_time_zone(
    desk: Desk, values: Values
) -> None:
    trader = Trader(desk, time_zone="America/New_York", day_starts="17:00")
    trader.value(100.0, MONDAY)
    trader.value(110.0, MONDAY + DAY // 2)
    trader.value(105.0, MONDAY + DAY - 2 * 3_600 * 10**9 + 1)  # 17:00 in New York, in January
    trader.sets.collect()
    assert values.of("trading.portfolio.daily_pnl") == {("main", "USD", "momentum"): -5}


def test_value_at_risk_is_of_the_period_that_is_set(desk: Desk, values: Values) -> None:
    trader = Trader(desk, risk_period="1m", risk_window=100)
    equity = 1_000.0
    for minute in range(40):
        for second in (0, 20, 40):  # what happens within a minute is no return of its own
            trader.value(equity * 1.5, MONDAY + (minute * 60 + second) * 10**9)
        equity *= 0.99 if minute % 2 else 1.02
        trader.value(equity, MONDAY + (minute * 60 + 59) * 10**9)
    trader.sets.collect()
    account = trader.sets.books
    assert account is not None
    found = values.of("trading.risk.value_at_risk")
    assert found["main", "USD", "0.95", "historical", "momentum"] == pytest.approx(equity * 0.01)


def test_in_a_backtest_what_has_no_event_time_is_in_no_books(desk: Desk, values: Values) -> None:
    desk.mode = "backtest"
    trader = Trader(desk, cash=10_000)
    trader.fill(trader.submit("buy"), 10, 100.0, **{"trading.event_time": None})
    trader.sets.collect()
    assert "trading.position.quantity" not in values
    trader.fill(trader.submit("buy"), 7, 100.0)
    trader.sets.collect()
    assert values.of("trading.position.quantity") == {("main", "momentum", "AAPL", "XNAS"): 7}


def test_the_middle_of_bid_and_ask_is_a_price_where_no_trade_is_told(
    desk: Desk, values: Values
) -> None:
    trader = Trader(desk, cash=10_000)
    trader.fill(trader.submit("buy"), 1, 100.0)
    quote: dict[str, Any] = {
        "trading.quote.last": None,
        "trading.quote.bid": 101.0,
        "trading.quote.ask": 103.0,
    }
    trader.price(0.0, **quote)
    trader.sets.collect()
    assert values.of("trading.position.value") == {("main", "USD", "momentum", "AAPL", "XNAS"): 102}


def test_the_last_word_is_at_the_end(desk: Desk, values: Values, observing: Observing) -> None:
    trader = Trader(desk, cash=10_000)
    assert trader.sets in observing.tasks
    trader.fill(trader.submit("buy"), 1, 100.0)
    trader.sets.end()
    assert values.of("trading.portfolio.cash") == {("main", "USD", "momentum"): 9_899}
    trader.fill(trader.submit("buy"), 1, 100.0)
    trader.sets.collect()
    assert values.of("trading.portfolio.cash") == {("main", "USD", "momentum"): 9_899}


def test_no_books_are_kept_unless_somebody_wants_them(desk: Desk, values: Values) -> None:
    desk.call("portfolio", {"trading.currency": "USD", "trading.portfolio.equity": 1.0}, late=True)
    desk.sets.collect()
    assert values.of("trading.portfolio.value") == {("USD",): 1}
    assert "trading.performance.trades" not in values


def test_a_fill_that_a_signal_handler_tells_in_the_middle_of_another_holds_up_nobody(
    desk: Desk, values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    trader = Trader(desk, cash=10_000)
    first, second = trader.submit("buy"), trader.submit("buy")
    books = trader.sets.books
    assert books is not None
    trader.fill(first, 1, 100.0)
    account = books._accounts[Whose("main", "momentum")]  # noqa: SLF001 - to be interrupted there
    whole = account.portfolio.fill

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(account.portfolio, "fill", whole)
        trader.fill(second, 5, 100.0)
        return whole(*args, **kwargs)

    monkeypatch.setattr(account.portfolio, "fill", interrupted)
    telling = threading.Thread(
        target=trader.fill, args=(trader.submit("buy"), 3, 100.0), daemon=True
    )
    telling.start()
    telling.join(10)
    assert not telling.is_alive()
    trader.sets.collect()
    assert values.of("trading.position.quantity") == {("main", "momentum", "AAPL", "XNAS"): 9}
