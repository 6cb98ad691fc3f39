from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo_exchange.book import (
    CHANCE_OF_THIN_MARKET,
    ExecType,
    ExecutionReport,
    NewOrder,
    OrderBook,
    OrdStatus,
    Side,
    split,
)
from demo_exchange.market import Quote

BUY = NewOrder("C-1", "AAPL", Side.BUY, 100, Decimal("100.50"))


def first_seed(*, thin: bool) -> int:
    """The first seed whose first order meets a thin market, or does not."""
    return next(s for s in range(1000) if (Random(s).random() < CHANCE_OF_THIN_MARKET) is thin)


@pytest.fixture
def quotes(quote: Quote) -> dict[str, Quote]:
    return {"AAPL": quote}


@pytest.fixture
def book(quotes: dict[str, Quote]) -> OrderBook:
    return OrderBook(quotes, Random(first_seed(thin=False)))


def enter(book: OrderBook, order: NewOrder) -> ExecutionReport:
    return book.receive(order) or book.accept(order.cl_ord_id)


def fill_all(book: OrderBook, cl_ord_id: str) -> list[ExecutionReport]:
    fills = []
    while book.is_open(cl_ord_id):
        fill = book.match(cl_ord_id)
        assert fill is not None
        fills.append(fill)
    return fills


@settings(deadline=None)  # a slow machine is no failure
@given(quantity=st.integers(1, 10_000), seed=st.integers(0, 2**32))
def test_parts_of_an_order_are_one_to_three_and_sum_to_its_quantity(
    quantity: int, seed: int
) -> None:
    parts = split(quantity, Random(seed))

    assert sum(parts) == quantity
    assert 1 <= len(parts) <= 3
    assert min(parts) >= 1


def test_fills_add_up_and_end_the_order(book: OrderBook) -> None:
    assert enter(book, BUY).exec_type is ExecType.NEW

    fills = fill_all(book, "C-1")

    assert sum(fill.last_qty for fill in fills) == 100
    assert [fill.cum_qty + fill.leaves_qty for fill in fills] == [100] * len(fills)
    assert fills[-1].ord_status is OrdStatus.FILLED
    assert all(fill.ord_status is OrdStatus.PARTIALLY_FILLED for fill in fills[:-1])


@pytest.mark.parametrize(("side", "limit"), [(Side.BUY, "100.02"), (Side.SELL, "99.98")])
def test_no_fill_is_worse_than_the_limit(book: OrderBook, side: Side, limit: str) -> None:
    enter(book, replace(BUY, side=side, price=Decimal(limit)))

    fill = book.match("C-1")

    assert fill is not None
    assert fill.last_px == Decimal(limit)
    assert fill.commission == (fill.last_px * fill.last_qty * Decimal("0.0002")).quantize(
        Decimal("0.01")
    )


def test_order_beyond_the_market_rests_until_the_price_comes(
    book: OrderBook, quotes: dict[str, Quote]
) -> None:
    enter(book, replace(BUY, price=Decimal("99.50")))
    assert book.match("C-1") is None

    quotes["AAPL"] = replace(quotes["AAPL"], ask_px=Decimal("99.40"))

    assert book.match("C-1") is not None


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (replace(BUY, price=Decimal("101.01")), "price band"),
        (replace(BUY, price=Decimal("98.99")), "price band"),
        (replace(BUY, symbol="XYZ"), "unknown symbol XYZ"),
        (replace(BUY, order_qty=0), "must be positive"),
        (replace(BUY, price=Decimal("NaN")), "must be positive"),
    ],
)
def test_order_that_breaks_a_rule_is_rejected_with_the_reason(
    book: OrderBook, order: NewOrder, reason: str
) -> None:
    report = enter(book, order)

    assert report.exec_type is ExecType.REJECTED
    assert reason in report.text
    assert not book.is_open("C-1")


def test_thin_market_rejects_now_and_then(quotes: dict[str, Quote]) -> None:
    report = enter(OrderBook(quotes, Random(first_seed(thin=True))), BUY)

    assert report.text == "insufficient liquidity for 100"


def test_second_order_of_the_same_id_is_rejected_and_leaves_the_first_alone(
    book: OrderBook,
) -> None:
    enter(book, BUY)

    assert enter(book, BUY).text == "duplicate order"
    assert sum(fill.last_qty for fill in fill_all(book, "C-1")) == 100
    assert enter(book, BUY).text == "duplicate order"


def test_cancel_keeps_what_was_filled_and_ends_the_rest(
    book: OrderBook, quotes: dict[str, Quote]
) -> None:
    enter(book, BUY)
    quotes["AAPL"] = replace(quotes["AAPL"], ask_px=Decimal("100.60"))
    assert book.match("C-1") is None

    report = book.cancel("C-1")

    assert report is not None
    assert (report.ord_status, report.cum_qty, report.leaves_qty) == (OrdStatus.CANCELED, 0, 0)
    assert not book.is_open("C-1")


def test_order_is_cancelled_before_its_acceptance_too(book: OrderBook) -> None:
    book.receive(BUY)

    assert book.cancel("C-1") is not None
    assert not book.is_open("C-1")


def test_complete_order_has_nothing_left_to_cancel(book: OrderBook) -> None:
    enter(book, BUY)
    fill_all(book, "C-1")

    assert book.cancel("C-1") is None
