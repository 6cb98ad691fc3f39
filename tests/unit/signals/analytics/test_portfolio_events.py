"""What befalls positions beside fills and prices: settlements, splits, transfers, flows."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.unit.signals.analytics.portfolios import tracker

D = Decimal
METHODS = ("fifo", "average")


def test_settling_closes_every_position_in_a_symbol_and_forgets_its_price() -> None:
    """Yes-shares of a decided market pay 1, wherever they are held; those who are short pay."""
    t = tracker()
    t.fill("YES", D(100), D("0.40"), venue="A", ts=1)
    t.fill("YES", D(-50), D("0.45"), venue="B", ts=1)
    t.fill("NO", D(10), D("0.55"), venue="A", ts=1)
    t.mark("YES", D("0.97"), ts=2)
    settled = t.settle("YES", D(1), 3)
    assert [each.pnl for each in settled] == [60, D("-27.5")]
    assert [each.symbol for each in t.positions()] == ["NO"]
    assert t.cash() == 10_000 - 40 + D("22.5") - D("5.5") + 100 - 50
    assert t.settle("YES", D(1), 3) == []
    t.fill("YES", D(1), D("0.5"), venue="A", ts=4)
    assert t.position("YES", venue="A").market_price is None  # type: ignore[union-attr]
    assert t.turnover.used == 40 + D("22.5") + D("5.5") + D("0.5")


def test_an_option_expires_worthless() -> None:
    t = tracker()
    t.fill("CALL", D(2), D("3.5"), multiplier=100, ts=1)
    (settled,) = t.settle("CALL", 0, ts=2)
    assert (settled.pnl, t.equity, t.positions()) == (-700, 9_300, [])


@pytest.mark.parametrize("method", METHODS)
def test_a_split_changes_quantities_and_prices_and_no_money(method: str) -> None:
    t = tracker(method=method)
    t.fill("XYZ", D(10), D(100), ts=1)
    t.fill("XYZ", D(10), D(130), ts=2)
    t.mark("XYZ", D(120), ts=3)
    before = (t.cash(), t.value(), t.realised, t.unrealised, t.positions()[0].cost)
    t.split("XYZ", 4, 4)
    assert (t.cash(), t.value(), t.realised, t.unrealised, t.positions()[0].cost) == before
    (position,) = t.positions()
    assert (position.quantity, position.average_price, position.market_price) == (
        80,
        D("28.75"),
        30,
    )
    t.mark("XYZ", D(120), ts=3)  # a price from before
    assert (t.positions()[0].market_price, t.counts["late_marks"]) == (30, 1)
    closed = t.fill("XYZ", D(-40), D(30), ts=5)
    assert closed is not None
    assert closed.pnl == {"fifo": 200, "average": 50}[method]


def test_three_become_one_also_where_that_leaves_fractions() -> None:
    t = tracker()
    t.fill("XYZ", D(10), D(1), ts=1)
    t.split("XYZ", (1, 3), 2)
    (position,) = t.positions()
    assert position.quantity == D("3.333333333333333333333333333")  # 28 digits: Python's own
    assert position.cost == 10
    t.fill("XYZ", -position.quantity, D(3), ts=3)
    assert t.positions() == []


def test_a_split_that_would_leave_nothing_changes_nothing() -> None:
    t = tracker()
    t.fill("XYZ", D("1e-40"), D(1), ts=1)
    before = t.to_dict()
    with pytest.raises(ValueError, match="leaves no quantity"):
        t.split("XYZ", D("1e-30"), 2)
    assert t.to_dict() == before
    with pytest.raises(ValueError, match="ratio is not above 0"):
        t.split("XYZ", 0, 2)


def test_a_transfer_takes_the_oldest_lots_along_at_their_cost() -> None:
    t = tracker()
    t.fill("XYZ", D(10), D(100), account="a", ts=1)
    t.fill("XYZ", D(10), D(110), account="a", ts=2)
    t.mark("XYZ", D(120), ts=3)
    money = (t.cash(), t.value(), t.realised, t.unrealised)
    t.transfer("XYZ", D(15), 4, account="a", to_account="b")
    assert (t.cash(), t.value(), t.realised, t.unrealised) == money
    here, there = t.positions()
    assert (here.account, here.quantity, here.cost) == ("a", 5, 550)
    assert (there.account, there.quantity, there.cost, there.opened_ts) == ("b", 15, 1_550, 1)
    assert t.value(by="account") == {"a": 600, "b": 1_800}
    t.transfer("XYZ", D(5), 5, account="a", to_account="b")
    assert [each.quantity for each in t.positions()] == [20]


def test_a_transfer_that_cannot_be_is_refused() -> None:
    t = tracker()
    t.fill("XYZ", D(10), D(100), ts=1)
    t.fill("XYZ", D(-10), D(100), account="b", ts=1)
    before = t.to_dict()
    for quantity, account, why in (
        (11, "a", "quantity is 11, and 10 of XYZ is held there"),
        (1, "b", "the other side of XYZ is held there"),
        (1, "", "source and target are the same"),
        (-1, "a", "quantity is not above 0"),
    ):
        with pytest.raises(ValueError, match=why):
            t.transfer("XYZ", quantity, 2, to_account=account)
    assert t.to_dict() == before


def test_money_that_comes_and_goes_is_no_profit() -> None:
    t = tracker()
    t.flow(D(500), "USD", 1)
    t.flow(D(-200), ts=2)
    assert (t.cash(), t.paid_in(), t.pnl, t.equity) == (10_300, 10_300, 0, 10_300)
    with pytest.raises(TypeError, match="ts is a NoneType"):
        t.flow(D(1))


def test_settling_in_one_currency_leaves_the_other_and_its_price() -> None:
    t = tracker(rates={("EUR", "USD"): 2})
    for currency in ("USD", "EUR"):
        t.fill("YES", D(1), D("0.5"), currency=currency, ts=1)
        t.mark("YES", D("0.6"), currency=currency, ts=1)
    (settled,) = t.settle("YES", D(1), 2, currency="USD")
    assert (settled.currency, t.value()) == ("USD", D("1.2"))
    assert [each[2] for each in t.to_dict()["prices"]] == ["EUR"]
    t.fill("YES", D(1), D(1), ts=3)
    with pytest.raises(ValueError, match="YES is held in EUR and USD"):
        t.settle("YES", D(1), 3)
