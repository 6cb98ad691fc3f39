"""Positions, cash and profit, case by case; each figure is worked out by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.unit.signals.analytics.portfolios import tracker
from tradespan.signals.analytics import books
from tradespan.signals.analytics.lots import MOST_LOTS
from tradespan.signals.analytics.sums import OTHER

D = Decimal
METHODS = ("fifo", "average")
DAY = 86_400_000_000_000


def test_a_month_of_a_book_worked_by_hand() -> None:
    """Cash 10,000 USD; one symbol, fees 1 USD a fill.

    | fill | FIFO: lots left | realised | average: held at | realised |
    |---|---|---|---|---|
    | +100 @ 10 | 100@10 | | 100 @ 10 (1,000) | |
    | +50 @ 13 | 100@10 50@13 | | 150 @ 11 (1,650) | |
    | −120 @ 12 | 30@13 | 100 × 2 − 20 × 1 = 180 | 30 @ 11 (330) | 120 × 1 = 120 |
    | −50 @ 15 | −20@15 | 30 × 2 = 60 | −20 @ 15 (−300) | 30 × 4 = 120 |
    | +5 @ 18 | −15@15 | −5 × 3 = −15 | −15 @ 15 (−225) | −15 |

    Realised 225 both ways: the long was closed whole. At a price of 14 the short of 15 has won 15.
    Cash: 10,000 − 1,000 − 650 + 1,440 + 750 − 90 − 5 fees = 10,445; value −15 × 14 = −210.
    10,445 − 210 = 10,235 = 10,000 + 225 + 15 − 5.
    """
    expected = {"fifo": (180, 60, -15), "average": (120, 120, -15)}
    for method in METHODS:
        t = tracker(method=method)
        fills = ((100, 10), (50, 13), (-120, 12), (-50, 15), (5, 18))
        closed = [
            t.fill("XYZ", D(quantity), D(price), fee=D(1), ts=ts)
            for ts, (quantity, price) in enumerate(fills)
        ]
        t.mark("XYZ", D(14), ts=9)
        assert tuple(each.pnl for each in closed if each) == expected[method]
        assert (t.realised, t.unrealised, t.fees) == (225, 15, 5)
        assert (t.cash(), t.value(), t.equity, t.pnl) == (10_445, -210, 10_235, 235)
        (position,) = t.positions()
        assert (position.quantity, position.average_price, position.opened_ts) == (-15, 15, 3)


@pytest.mark.parametrize("method", METHODS)
def test_a_fill_through_zero_closes_all_and_opens_the_other_side(method: str) -> None:
    t = tracker(method=method)
    t.fill("XYZ", D(10), D(100), ts=1)
    closed = t.fill("XYZ", D(-25), D(110), ts=2)
    assert closed is not None
    assert (closed.quantity, closed.entry_price, closed.exit_price) == (10, 100, 110)
    assert (closed.pnl, closed.opened_ts, closed.ts) == (100, 1, 2)
    (position,) = t.positions()
    assert (position.quantity, position.cost, position.opened_ts) == (-15, -1650, 2)


def test_fifo_closes_the_oldest_lot_first_and_average_a_part_of_all() -> None:
    left = {}
    for method in METHODS:
        t = tracker(method=method)
        t.fill("XYZ", D(1), D(10), ts=1)
        t.fill("XYZ", D(1), D(20), ts=2)
        t.fill("XYZ", D(-1), D(30), ts=3)
        left[method] = (t.realised, t.positions()[0].cost)
    assert left == {"fifo": (20, 20), "average": (15, 15)}


def test_a_fill_that_only_opens_or_adds_closes_nothing() -> None:
    t = tracker()
    assert t.fill("XYZ", D(1), D(10), ts=1) is None
    assert t.fill("XYZ", D(1), D(11), ts=2) is None


def test_a_contracts_multiplier_counts_in_cash_cost_value_and_profit() -> None:
    t = tracker()
    t.fill("ESZ6", D(-2), D(5_000), multiplier=50, ts=1)
    t.mark("ESZ6", D(4_990), ts=2)
    assert (t.cash(), t.value(), t.unrealised) == (510_000, -499_000, 1_000)
    closed = t.fill("ESZ6", D(2), D(4_980), multiplier=50, ts=3)
    assert closed is not None
    assert (closed.pnl, closed.entry_price) == (2_000, 5_000)


def test_another_multiplier_is_refused_while_the_position_is_open() -> None:
    t = tracker()
    t.fill("ESZ6", 1, D(5_000), multiplier=50, ts=1)
    before = t.to_dict()
    with pytest.raises(ValueError, match="multiplier is 5; ESZ6 is held at 50"):
        t.fill("ESZ6", 1, D(5_000), multiplier=5, ts=2)
    assert t.to_dict() == before
    t.fill("ESZ6", -1, D(5_000), multiplier=50, ts=3)
    t.fill("ESZ6", 1, D(5_000), multiplier=5, ts=4)
    assert t.positions()[0].multiplier == 5


def test_prices_may_be_zero_and_below() -> None:
    """Oil of April 2020: bought at −37.63, worthless now; an option that was a gift."""
    t = tracker()
    t.fill("CLK0", D(1), D("-37.63"), multiplier=1_000, ts=1)
    t.mark("CLK0", D(0), ts=2)
    t.fill("CALL", D(10), D(0), ts=1)
    t.mark("CALL", D("0.5"), ts=2)
    assert (t.cash(), t.value(), t.unrealised) == (47_630, 5, 37_635)
    assert [each.average_price for each in t.positions()] == [D("-37.63"), 0]


def test_what_is_held_without_a_price_makes_every_sum_with_it_absent() -> None:
    t = tracker()
    t.fill("XYZ", D(1), D(10), ts=1)
    t.fill("ABC", D(1), D(10), ts=1, strategy="s")
    t.mark("ABC", D(11), ts=2)
    assert (t.value(), t.unrealised, t.equity, t.pnl) == (None, None, None, None)
    assert t.value(by="asset") == {"XYZ": None, "ABC": 11}
    assert t.value(by="strategy") == {"": None, "s": 11}
    assert t.exposure.gross is None
    assert (t.realised, t.cash()) == (0, 9_980)
    t.fill("XYZ", D(-1), D(10), ts=3)
    assert (t.value(), t.equity) == (11, 10_001)


def test_the_latest_price_that_fits_a_position_counts() -> None:
    t = tracker()
    t.fill("XYZ", D(1), D(10), venue="A", ts=1)
    t.fill("XYZ", D(1), D(10), venue="B", ts=1)
    t.mark("XYZ", D(20), ts=5)
    t.mark("XYZ", D(30), venue="A", ts=6)
    assert t.value(by="venue") == {"A": 30, "B": 20}
    t.mark("XYZ", D(25), ts=5)  # as old as B's, older than A's
    assert t.value(by="venue") == {"A": 30, "B": 25}
    t.mark("XYZ", D(99), ts=4)
    assert t.value(by="venue") == {"A": 30, "B": 25}
    assert t.counts["late_marks"] == 1


def test_a_price_that_came_before_the_position_counts_for_it() -> None:
    t = tracker()
    t.mark("XYZ", D(12), ts=1)
    t.fill("XYZ", D(1), D(10), ts=2)
    assert t.unrealised == 2


def test_a_position_that_opens_again_does_not_wear_a_price_of_its_last_life() -> None:
    t = tracker()
    t.mark("XYZ", D(12), ts=1)
    t.fill("XYZ", D(1), D(10), ts=2)
    t.fill("XYZ", D(-1), D(10), ts=3)
    t.split("XYZ", 2, 4)
    t.fill("XYZ", D(1), D(5), ts=5)
    assert t.positions()[0].market_price == 6


def test_a_symbol_in_two_currencies_is_two_positions_and_wants_prices_with_their_currency() -> None:
    t = tracker(rates={("EUR", "USD"): D("1.1")})
    t.fill("BTC", D(1), D(100), ts=1)
    t.fill("BTC", D(1), D(90), currency="EUR", ts=1)
    with pytest.raises(ValueError, match="BTC is held in EUR and USD: currency is missing"):
        t.mark("BTC", D(100), ts=2)
    t.mark("BTC", D(110), currency="USD", ts=2)
    t.mark("BTC", D(100), currency="EUR", ts=2)
    assert t.value(by="currency") == {"USD": 110, "EUR": 110}


def test_sums_over_currencies_use_the_latest_rates_and_are_absent_without_one() -> None:
    t = tracker(cash={"USD": D(1_000), "EUR": D(500)})
    assert t.cash() is None
    assert t.cash("EUR") == 500
    t.rate("EUR", "USD", D("1.1"), ts=1)
    assert t.cash() == 1_550
    t.fill("SAP", D(2), D(100), currency="EUR", fee=D(1), ts=2)
    t.mark("SAP", D(110), ts=3)
    assert (t.cash("EUR"), t.value(), t.unrealised, t.fees) == (299, 242, 22, D("1.1"))
    t.rate("EUR", "USD", D("1.2"), ts=4)
    assert (t.equity, t.unrealised) == (D(1_000) + D("1.2") * 519, 24)
    assert t.positions()[0].value == 220  # in its own currency
    t.rate("EUR", "USD", D(9), ts=3)
    assert (t.unrealised, t.counts["late_rates"]) == (24, 1)


def test_a_currency_without_an_amount_needs_no_rate() -> None:
    t = tracker()
    t.fill("SAP", D(1), D(10), currency="EUR", ts=1)
    t.mark("SAP", D(10), ts=1)
    assert (t.realised, t.unrealised, t.fees, t.value()) == (0, 0, 0, None)
    t.fill("SAP", D(-1), D(10), currency="EUR", ts=2)
    assert (t.value(), t.cash(), t.equity) == (0, 10_000, 10_000)


def test_fees_stand_beside_profit_unless_asked_for_in_it() -> None:
    beside, within = tracker(), tracker(fees_in_pnl=True)
    for t in (beside, within):
        t.fill("XYZ", D(1), D(10), fee=D(2), ts=1)
        t.mark("XYZ", D(10), ts=1)
    assert (beside.realised, beside.fees, beside.pnl) == (0, 2, -2)
    assert (within.realised, within.fees, within.pnl) == (-2, 2, -2)
    closed = within.fill("XYZ", D(-1), D(15), fee=D(2), ts=2)
    assert closed is not None
    assert (closed.pnl, within.realised, within.positions(closed=True)[0].realised) == (3, 1, 1)
    assert within.breakdown("asset")["XYZ"].realised == 1


def test_a_fee_in_another_currency_leaves_that_cash_and_is_converted_over_the_base() -> None:
    """0.01 BNB at 600 USD is 6 USD; over USD to EUR at 1.2 it is 5 EUR."""
    t = tracker(cash={}, fees_in_pnl=True)
    t.fill("SAP", D(1), D(10), currency="EUR", ts=1)
    closed = t.fill("SAP", D(-1), D(16), currency="EUR", fee=D("0.01"), fee_currency="BNB", ts=2)
    assert closed is not None
    assert (closed.pnl, closed.fee, closed.fee_currency) == (None, D("0.01"), "BNB")
    assert t.realised is None
    t.rate("BNB", "USD", D(600), ts=3)
    t.rate("EUR", "USD", D("1.2"), ts=3)
    assert (t.cash("BNB"), t.fees) == (D("-0.01"), 6)
    (position,) = t.positions(closed=True)
    assert position.fees == pytest.approx(D(5))  # 1.2 has an inverse of 50 digits
    assert position.realised == pytest.approx(D(1))
    assert t.realised == D("1.2")


def test_a_rebate_is_a_fee_below_zero() -> None:
    t = tracker()
    t.fill("XYZ", D(1), D(10), fee=D("-0.25"), ts=1)
    assert (t.fees, t.cash()) == (D("-0.25"), D("9990.25"))


def test_an_execution_that_comes_twice_counts_once() -> None:
    t = tracker()
    for _ in range(3):
        t.fill("XYZ", D(1), D(10), venue="A", execution_id="7", ts=1)
    for symbol, venue in (("ABC", "A"), ("XYZ", "B")):  # ids are a symbol's, venue's and account's
        t.fill(symbol, D(1), D(10), venue=venue, execution_id="7", ts=1)
    assert [each.quantity for each in t.positions()] == [1, 1, 1]
    assert (t.counts["duplicates"], t.counts["fills"]) == (2, 3)


def test_a_refused_fill_does_not_use_up_its_execution_id() -> None:
    t = tracker()
    with pytest.raises(ValueError, match="quantity is 0"):
        t.fill("XYZ", D(0), D(10), execution_id="7", ts=1)
    t.fill("XYZ", D(1), D(10), execution_id="7", ts=1)
    assert t.counts["fills"] == 1


def test_the_last_execution_ids_are_remembered_and_no_more() -> None:
    t = tracker(remembered=2)
    for execution in "1231":
        t.fill("XYZ", D(1), D(10), execution_id=execution, ts=1)
    assert (t.counts["duplicates"], t.counts["fills"]) == (0, 4)
    t.fill("XYZ", D(1), D(10), execution_id="3", ts=1)
    assert t.counts["duplicates"] == 1


def test_a_late_fill_counts_in_the_order_of_its_arrival() -> None:
    t = tracker()
    t.fill("XYZ", D(1), D(10), ts=5)
    t.fill("XYZ", D(1), D(20), ts=3)
    t.fill("XYZ", D(-1), D(30), ts=5)
    assert (t.realised, t.counts["late"]) == (20, 1)


def test_exposure_adds_longs_and_shorts() -> None:
    t = tracker(cash={"USD": D(1_000)})
    t.fill("LONG", D(10), D(100), ts=1)
    t.fill("SHORT", D(-5), D(100), ts=1)
    t.mark("LONG", D(110), ts=2)
    t.mark("SHORT", D(100), ts=2)
    exposure = t.exposure
    assert (exposure.gross, exposure.net, exposure.long, exposure.short) == (1_600, 600, 1_100, 500)
    assert exposure.leverage == 1_600 / 1_100
    assert exposure.concentration == 1_100 / 1_600
    t.mark("LONG", D(-110), ts=3)
    assert (t.exposure.long, t.exposure.short, t.exposure.leverage) == (0, 1_600, None)
    t.fill("LONG", D(-10), D(0), ts=4)
    t.fill("SHORT", D(5), D(0), ts=4)
    assert (t.exposure.gross, t.exposure.leverage, t.exposure.concentration) == (0, 0.0, None)


def test_leverage_is_absent_for_an_account_that_is_worth_nothing() -> None:
    t = tracker(cash={})
    t.fill("XYZ", D(1), D(10), ts=1)
    t.mark("XYZ", D(10), ts=1)
    assert (t.exposure.gross, t.exposure.leverage) == (10, None)


def test_turnover_is_of_the_running_session_and_held_against_its_limit() -> None:
    t = tracker(turnover_limit=D(25_000))
    t.fill("XYZ", D(100), D(100), ts=DAY - 2)
    t.fill("XYZ", D(-50), D(170), ts=DAY - 1)
    assert t.turnover.used == 18_500
    assert t.turnover.utilization == 0.74
    t.mark("XYZ", D(100), ts=DAY)
    assert (t.turnover.used, t.turnover.limit, t.turnover.utilization) == (0, 25_000, 0.0)
    t.fill("XYZ", D(1), D(100), ts=DAY - 1)  # late, and of the session before
    t.fill("XYZ", D(1), D(100), ts=DAY + 5)
    t.fill("XYZ", D(1), D(100), ts=DAY + 4)  # late, and of this one
    assert t.turnover.used == 200


def test_sessions_may_be_somebody_elses() -> None:
    class Weeks:
        def day(self, ts: int) -> str:
            return f"week {ts // (7 * DAY)}"

    t = tracker(sessions=Weeks())
    t.fill("XYZ", D(1), D(100), ts=0)
    t.fill("XYZ", D(1), D(100), ts=6 * DAY)
    assert t.turnover.used == 200
    t.fill("XYZ", D(1), D(100), ts=7 * DAY)
    assert t.turnover.used == 100


def test_parts_by_each_dimension_add_up_to_the_whole() -> None:
    t = tracker()
    for n, (symbol, venue, strategy) in enumerate(
        [("A", "X", "s"), ("B", "X", "r"), ("A", "Y", "r"), ("C", "", "")]
    ):
        t.fill(symbol, D(3), D(10 + n), venue=venue, strategy=strategy, fee=D(1), ts=n)
        t.fill(symbol, D(-1), D(20), venue=venue, strategy=strategy, ts=n)
        t.mark(symbol, D(15), ts=n)
    t.fill("C", D(-2), D(20), ts=9)
    for by in ("asset", "venue", "account", "currency", "strategy"):
        parts = t.breakdown(by).values()
        for name in ("value", "realised", "unrealised", "fees"):
            assert (
                sum(getattr(part, name) for part in parts) == getattr(t, name)()
                if name == "value"
                else getattr(t, name)
            )
    assert t.value(by="asset") == {"A": 60, "B": 30}
    assert t.breakdown("asset")["C"].realised == 21
    with pytest.raises(ValueError, match="nothing is counted by 'side': asset, venue"):
        t.value(by="side")


def test_closed_positions_are_remembered_up_to_a_bound_and_their_profit_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(books, "MOST_CLOSED", 2)
    t = tracker()
    for n in range(5):
        t.fill(f"S{n}", D(1), D(10), fee=D(1), ts=n)
        t.fill(f"S{n}", D(-1), D(11), ts=n)
    assert [each.symbol for each in t.positions(closed=True)] == ["S3", "S4"]
    assert (t.realised, t.positions()) == (5, [])
    assert {name: part.realised for name, part in t.breakdown("asset").items()} == {
        "S3": 1, "S4": 1, OTHER: 3,
    }  # fmt: skip
    assert t.breakdown("asset")[OTHER].fees == 3


def test_prices_and_positions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "MOST_PRICES", 3)
    monkeypatch.setattr(books, "MOST_OPEN", 2)
    t = tracker()
    t.fill("S0", D(1), D(1), ts=0)
    for n in range(9):
        t.mark(f"S{n}", D(1), ts=n)
    assert [each[0] for each in t.to_dict()["prices"]] == ["S6", "S7", "S8"]
    assert t.positions()[0].market_price == 1
    t.fill("S8", D(1), D(1), ts=0)
    with pytest.raises(ValueError, match="2 open positions already"):
        t.fill("S9", D(1), D(1), ts=0)


def test_neighbouring_lots_of_one_price_are_one() -> None:
    t = tracker()
    for price in (10, 10, 11, 10):
        t.fill("XYZ", D(1), D(price), ts=1)
    assert t.positions()[0].lots == 3


def test_more_lots_than_there_is_room_for_cost_no_money() -> None:
    """The two oldest become one, at 1.5 on average: what is realised later is what it was."""
    t = tracker()
    for n in range(MOST_LOTS + 1):
        t.fill("XYZ", D(1), D(n + 1), ts=n)
    assert (t.positions()[0].lots, t.counts["merged_lots"]) == (MOST_LOTS, 1)
    closed = [t.fill("XYZ", D(-1), D(5), ts=n) for n in range(3)]
    assert [each.entry_price for each in closed if each] == [D("1.5"), D("1.5"), 3]
    assert t.realised == 9
