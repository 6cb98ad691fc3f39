from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from momentum_bot.messages import Fill, Order, Side
from momentum_bot.portfolio import InsufficientCash, Portfolio, Position

MakeFill = Callable[..., Fill]


@pytest.fixture
def portfolio() -> Portfolio:
    return Portfolio(Decimal(10_000))


def test_average_cost_weighs_by_quantity(portfolio: Portfolio, fill: MakeFill) -> None:
    portfolio.apply_fill(fill("buy", 10, "100.00"))
    position = portfolio.apply_fill(fill("buy", 30, "104.00"))

    assert position.average_cost == Decimal(103)
    assert portfolio.cash == Decimal(5_880)


def test_sale_realises_profit_at_average_cost_and_leaves_the_average(
    portfolio: Portfolio, fill: MakeFill
) -> None:
    portfolio.apply_fill(fill("buy", 10, "100.00"))
    portfolio.apply_fill(fill("buy", 10, "110.00"))
    position = portfolio.apply_fill(fill("sell", 5, "120.10"))

    assert position.realised_pnl == Decimal("75.50")
    assert position.average_cost == Decimal(105)
    assert position.quantity == 15


def test_sale_of_all_leaves_no_cost_even_where_the_average_has_no_end(
    portfolio: Portfolio, fill: MakeFill
) -> None:
    portfolio.apply_fill(fill("buy", 2, "100.00"))
    portfolio.apply_fill(fill("buy", 1, "101.00"))
    position = portfolio.apply_fill(fill("sell", 3, "99.00"))

    assert position == Position(quantity=0, cost=Decimal(0), realised_pnl=Decimal(-4))
    assert position.average_cost == 0


def test_sale_of_more_than_is_held_goes_short_at_the_sales_price() -> None:
    position = Position()
    position.trade(10, Decimal(100))
    position.trade(-15, Decimal(110))
    assert position == Position(quantity=-5, cost=Decimal(-550), realised_pnl=Decimal(100))
    assert position.average_cost == 110

    position.trade(5, Decimal(108))

    assert position == Position(quantity=0, cost=Decimal(0), realised_pnl=Decimal(110))


def test_valuation_tells_realised_from_unrealised_and_commission(
    portfolio: Portfolio, fill: MakeFill
) -> None:
    portfolio.apply_fill(fill("buy", 10, "100.00", commission="0.20"))
    portfolio.apply_fill(fill("sell", 4, "101.00", commission="0.08"))

    valuation = portfolio.mark_to_market("AAPL", Decimal("102.50"))

    assert valuation.realised_pnl == Decimal(4)
    assert valuation.unrealised_pnl == Decimal(15)
    assert valuation.commission == Decimal("0.28")
    assert valuation.equity == Decimal("10018.72")


def test_holding_without_a_price_counts_at_cost(portfolio: Portfolio, fill: MakeFill) -> None:
    portfolio.apply_fill(fill("buy", 10, "100.00"))

    assert portfolio.equity == Decimal(10_000)


trades = st.lists(
    st.tuples(
        st.integers(-50, 50).filter(bool),
        st.decimals(1, 2_000, places=2, allow_nan=False, allow_infinity=False),
    ),
    min_size=1,
)


@settings(deadline=None)  # a slow machine is no failure
@given(trades)
def test_money_neither_appears_nor_vanishes(history: list[tuple[int, Decimal]]) -> None:
    position, cash = Position(), Decimal(0)
    for change, price in history:
        position.trade(change, price)
        cash -= change * price

    assert position.quantity == sum(change for change, _ in history)
    difference = position.realised_pnl - position.cost - cash
    assert abs(difference) < Decimal("1e-15")


def test_reservation_holds_price_and_commission(portfolio: Portfolio, order: Order) -> None:
    assert portfolio.reserve(order) == Decimal("1000.20")
    assert portfolio.available_cash == Decimal("8999.80")


def test_order_over_the_available_cash_is_refused_and_reserves_nothing(
    portfolio: Portfolio,
) -> None:
    portfolio.reserve(Order("C-1", "AAPL", Side.BUY, 60, Decimal(100)))

    with pytest.raises(InsufficientCash, match=r"need 5,001\.00, have 3,998\.80"):
        portfolio.reserve(Order("C-2", "MSFT", Side.BUY, 50, Decimal(100)))
    assert portfolio.available_cash == Decimal("3998.80")


def test_second_attempt_takes_as_many_shares_as_the_cash_pays(portfolio: Portfolio) -> None:
    smaller = portfolio.retry_reserve(Order("C-1", "AAPL", Side.BUY, 500, Decimal(100)))

    assert smaller.quantity == 99
    assert portfolio.available_cash == Decimal("98.02")


def test_second_attempt_fails_when_not_one_share_can_be_paid() -> None:
    with pytest.raises(InsufficientCash):
        Portfolio(Decimal(99)).retry_reserve(Order("C-1", "AAPL", Side.BUY, 5, Decimal(100)))


def test_sale_needs_no_reservation(portfolio: Portfolio) -> None:
    assert portfolio.reserve(Order("C-1", "AAPL", Side.SELL, 10, Decimal(100))) == 0
    assert portfolio.available_cash == portfolio.cash


def test_fill_gives_back_its_part_of_the_reservation_and_release_the_rest(
    portfolio: Portfolio, order: Order, fill: MakeFill
) -> None:
    portfolio.reserve(order)
    portfolio.apply_fill(fill("buy", 4, "100.00", leaves=6))
    assert portfolio.available_cash == Decimal(10000) - 400 - Decimal("600.12")

    portfolio.release(order.cl_ord_id)

    assert portfolio.available_cash == portfolio.cash == Decimal(9_600)
