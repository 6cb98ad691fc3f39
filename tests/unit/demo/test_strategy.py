from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from math import log
from random import Random

import pytest

from momentum_bot.execution import Execution
from momentum_bot.messages import Action, Decision, Fill, Order, Side, Tick
from momentum_bot.portfolio import InsufficientCash, Portfolio
from momentum_bot.risk import RiskManager
from momentum_bot.strategy import MomentumStrategy, momentum, predict, volatility

RISING = [100 + step + (step % 3) / 10 for step in range(20)]
FALLING = RISING[::-1]
NOISE = [100 + (step % 2) for step in range(20)]


@pytest.fixture
def portfolio() -> Portfolio:
    return Portfolio(Decimal(100_000))


@pytest.fixture
def strategy(portfolio: Portfolio) -> MomentumStrategy:
    execution = Execution("ws://127.0.0.1:1", portfolio, Random(1), Counter())
    return MomentumStrategy(portfolio, RiskManager(portfolio), execution, order_prefix="C")


def feed(strategy: MomentumStrategy, prices: Iterable[float]) -> list[Decision]:
    return [strategy.decide(tick_at(price)) for price in prices]


def tick_at(price: float) -> Tick:
    last = Decimal(str(price))
    spread = Decimal("0.01")
    return Tick("AAPL", last - spread, last + spread, last, 10, 0)


def test_waits_for_a_full_window(strategy: MomentumStrategy) -> None:
    decisions = feed(strategy, RISING[:16])

    assert [decision.action for decision in decisions[:15]] == [Action.HOLD] * 15
    assert decisions[15].action is Action.BUY


def test_warm_up_fills_the_window_at_once(strategy: MomentumStrategy) -> None:
    strategy.warm_up("AAPL", [str(price) for price in RISING[:-1]])

    assert strategy.decide(tick_at(RISING[-1])).action is Action.BUY


def test_buys_what_rises_for_a_part_of_the_equity(strategy: MomentumStrategy) -> None:
    decision = feed(strategy, RISING)[-1]

    assert decision.action is Action.BUY
    assert decision.confidence > 0.9
    budget = Decimal(25_000) * Decimal(decision.confidence)
    assert decision.quantity == int(budget / tick_at(RISING[-1]).ask_px)
    assert decision.price > tick_at(RISING[-1]).ask_px


def test_holds_what_goes_nowhere(strategy: MomentumStrategy) -> None:
    assert {decision.action for decision in feed(strategy, NOISE)} == {Action.HOLD}


def test_holds_what_does_not_move_at_all(strategy: MomentumStrategy) -> None:
    decisions = feed(strategy, [100.0] * 20)

    assert {(decision.action, decision.confidence) for decision in decisions} == {(Action.HOLD, 0)}


def test_sells_all_of_what_falls_but_only_if_it_has_any(
    strategy: MomentumStrategy, portfolio: Portfolio, fill: Callable[..., Fill]
) -> None:
    assert feed(strategy, FALLING)[-1].action is Action.HOLD

    portfolio.apply_fill(fill("buy", 70, "110.00"))
    decision = strategy.decide(tick_at(FALLING[-1] - 1))

    assert (decision.action, decision.quantity) == (Action.SELL, 70)
    assert decision.price < tick_at(FALLING[-1] - 1).bid_px


def test_symbol_rests_after_an_order(strategy: MomentumStrategy) -> None:
    decision = feed(strategy, RISING)[-1]
    strategy.build_order(decision)

    actions = [decision.action for decision in feed(strategy, range(121, 130))]

    assert actions == [Action.HOLD] * 8 + [Action.BUY]


def test_orders_are_numbered(strategy: MomentumStrategy) -> None:
    decision = feed(strategy, RISING)[-1]

    orders = [strategy.build_order(decision) for _ in range(2)]

    assert [order.cl_ord_id for order in orders] == ["C-0001", "C-0002"]
    assert orders[0].side is Side.BUY


def test_order_over_the_cash_becomes_smaller(strategy: MomentumStrategy) -> None:
    funded = strategy.fund(Order("C-1", "AAPL", Side.BUY, 2_000, Decimal(100)))

    assert funded.quantity == 999


def test_order_without_any_cash_is_not_funded(
    strategy: MomentumStrategy, portfolio: Portfolio
) -> None:
    portfolio.cash = Decimal(5)

    with pytest.raises(InsufficientCash):
        strategy.fund(Order("C-1", "AAPL", Side.BUY, 1, Decimal(100)))


def test_malformed_message_names_the_missing_field(strategy: MomentumStrategy) -> None:
    message = {"symbol": "AAPL", "bid_px": "1.00", "ask_px": "1.02", "last_qty": 1, "ts_event": 1}

    with pytest.raises(KeyError, match="last_px"):
        strategy.normalise(message)


def test_indicators_follow_their_definitions() -> None:
    assert momentum([100.0, 90.0, 105.0]) == log(1.05)
    assert volatility([100.0, 110.0, 121.0]) == pytest.approx(0, abs=1e-12)
    assert volatility([100.0, 110.0, 100.0]) == pytest.approx(2**0.5 * log(1.1))
    assert predict(0.0, 0.01, 15) == 0.0
    assert predict(0.5, 0.01, 15) == -predict(-0.5, 0.01, 15) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("prices", [[], [100.0], [100.0, 101.0]])
def test_indicators_of_too_few_prices_are_zero(prices: list[float]) -> None:
    assert volatility(prices) == 0.0
    assert momentum(prices[:1]) == 0.0
