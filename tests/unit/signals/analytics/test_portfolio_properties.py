"""What holds for any sequence of fills, prices, splits and flows, held against naive books."""

from __future__ import annotations

import gc
import json
import math
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradespan.signals.analytics.portfolio import PortfolioTracker

D = Decimal
METHODS = ("fifo", "average")
SYMBOLS = ("A", "B", "C")
CURRENCIES = ("USD", "EUR")

numbers = st.one_of(
    st.decimals("-1000", "1000", places=2),
    st.decimals("-1e20", "1e20", places=18),
    st.sampled_from([D("1e-18"), D("-1e-18"), D("1e30"), D("-0"), D(1) / 3, D(1), D(-1)]),
)
sizes = numbers.filter(bool)
fills = st.tuples(
    st.just("fill"),
    st.sampled_from(SYMBOLS),
    sizes,
    numbers,
    numbers,
    st.sampled_from(CURRENCIES),
    st.sampled_from(("", "a")),
)
marks = st.tuples(st.just("mark"), st.sampled_from(SYMBOLS), numbers, st.sampled_from(CURRENCIES))
flows = st.tuples(st.just("flow"), numbers, st.sampled_from(CURRENCIES))
splits = st.tuples(
    st.just("split"), st.sampled_from(SYMBOLS), st.sampled_from([D(2), D("1.5"), (1, 3), (3, 7)])
)
settlements = st.tuples(
    st.just("settle"), st.sampled_from(SYMBOLS), numbers, st.sampled_from(CURRENCIES)
)
closings = st.tuples(st.just("close"), st.sampled_from(SYMBOLS), numbers)
transfers = st.tuples(
    st.just("transfer"),
    st.sampled_from(SYMBOLS),
    numbers,
    st.sampled_from([("", "a"), ("a", "")]),
    st.sampled_from(CURRENCIES),
)
rates = st.tuples(st.just("rate"), st.decimals("0.01", "100", places=4))
steps = st.lists(
    st.one_of(
        fills, fills, fills, marks, marks, flows, splits, settlements, closings, transfers, rates
    ),
    max_size=40,
)


def exactly(number: Any) -> Fraction:
    assert number is not None
    return Fraction(number)


def do(t: PortfolioTracker, step: tuple[Any, ...], ts: int) -> None:
    what, *facts = step
    if what == "fill":
        symbol, quantity, price, fee, currency, account = facts
        fee_currency = CURRENCIES[ts % 2]
        t.fill(
            symbol, quantity, price, fee=fee, currency=currency, account=account, ts=ts,
            fee_currency=fee_currency, multiplier=7 if symbol == "A" else 1,
        )  # fmt: skip
        t.mark(symbol, price, currency=currency, ts=ts)
    elif what == "mark":
        t.mark(facts[0], facts[1], currency=facts[2], ts=ts)
    elif what == "flow":
        t.flow(facts[0], facts[1], ts)
    elif what == "split":
        t.split(facts[0], facts[1], ts)
    elif what == "transfer":
        move(t, facts, ts)
    elif what == "settle":
        t.settle(facts[0], facts[1], ts, currency=facts[2])
    elif what == "rate":
        t.rate("EUR", "USD", facts[0], ts=ts)
    else:
        for each in t.positions():
            if each.symbol == facts[0]:
                t.fill(
                    each.symbol, each.quantity.copy_negate(), facts[1], ts=ts,  # type: ignore[union-attr]
                    currency=each.currency, account=each.account, multiplier=each.multiplier,
                )  # fmt: skip


def move(t: PortfolioTracker, facts: list[Any], ts: int) -> None:
    """So many, or all there is; what cannot go changes nothing."""
    symbol, quantity, (source, target), currency = facts
    here = t.position(symbol, account=source, currency=currency)
    if here is not None and abs(quantity) >= abs(here.quantity):
        quantity = here.quantity
    before = t.to_dict()
    try:
        t.transfer(
            symbol, quantity.copy_abs(), ts, account=source, to_account=target, currency=currency
        )
    except ValueError:
        assert t.to_dict() == before


def made(method: str, **options: Any) -> PortfolioTracker:
    return PortfolioTracker(
        currency="USD", method=method, cash={"USD": D(1_000), "EUR": D(7)},
        rates={("USD", "EUR"): D("0.7")}, **options,
    )  # fmt: skip


def check_equation(t: PortfolioTracker) -> None:
    """Cash + value = paid in + realised + unrealised − fees, and by each of its parts."""
    assert exactly(t.cash()) + exactly(t.value()) == exactly(t.paid_in()) + exactly(
        t.realised
    ) + exactly(t.unrealised) - exactly(t.fees)
    assert exactly(t.equity) == exactly(t.cash()) + exactly(t.value())
    assert exactly(t.pnl) == exactly(t.equity) - exactly(t.paid_in())
    exposure = t.exposure
    assert exactly(exposure.net) == exactly(t.value())
    assert exactly(exposure.gross) == exactly(exposure.long) + exactly(exposure.short)
    for by in ("asset", "venue", "account", "currency", "strategy"):
        assert sum(map(exactly, t.value(by=by).values())) == exactly(t.value())
        parts = t.breakdown(by).values()
        assert sum(exactly(part.realised) for part in parts) == exactly(t.realised)
        assert sum(exactly(part.fees) for part in parts) == exactly(t.fees)


@pytest.mark.parametrize("method", METHODS)
@given(steps=steps)
@settings(max_examples=200, deadline=None)
def test_cash_and_value_are_what_was_paid_in_and_earned_at_any_moment(
    method: str, steps: list[tuple[Any, ...]]
) -> None:
    t = made(method)
    check_equation(t)
    for ts, step in enumerate(steps):
        do(t, step, ts)
        check_equation(t)


@given(steps=steps)
@settings(max_examples=120, deadline=None)
def test_both_methods_have_earned_the_same_once_all_is_closed(
    steps: list[tuple[Any, ...]],
) -> None:
    fifo, average = (made(method) for method in METHODS)
    for ts, step in enumerate(steps):
        if step[0] != "split":  # its rounded lots would differ in the last digits
            do(fifo, step, ts)
            do(average, step, ts)
    for symbol in SYMBOLS:
        for t in (fifo, average):
            do(t, ("close", symbol, D("12.34")), len(steps))
    assert fifo.positions() == average.positions() == []
    for each in ("realised", "fees", "pnl"):
        assert getattr(fifo, each) == getattr(average, each)
    assert fifo.cash() == average.cash()


class NaiveFifo:
    """Each unit lot by itself, in plain fractions."""

    def __init__(self) -> None:
        self.lots: list[list[Fraction]] = []
        self.realised = Fraction(0)

    def fill(self, quantity: Fraction, price: Fraction) -> None:
        while quantity and self.lots and (self.lots[0][0] > 0) != (quantity > 0):
            lot = self.lots[0]
            closed = min(abs(lot[0]), abs(quantity)) * (1 if lot[0] > 0 else -1)
            self.realised += closed * (price - lot[1])
            lot[0] -= closed
            quantity += closed
            if not lot[0]:
                self.lots.pop(0)
        if quantity:
            self.lots.append([quantity, price])

    @property
    def held(self) -> tuple[Fraction, Fraction]:
        return (
            sum((lot[0] for lot in self.lots), Fraction(0)),
            sum((lot[0] * lot[1] for lot in self.lots), Fraction(0)),
        )


class NaiveAverage:
    """The average price itself, as a fraction."""

    def __init__(self) -> None:
        self.quantity = self.average = self.realised = Fraction(0)

    def fill(self, quantity: Fraction, price: Fraction) -> None:
        if self.quantity * quantity >= 0:
            total = self.quantity + quantity
            self.average = (self.quantity * self.average + quantity * price) / total
            self.quantity = total
            return
        closed = min(abs(quantity), abs(self.quantity)) * (1 if self.quantity > 0 else -1)
        self.realised += closed * (price - self.average)
        self.quantity += quantity
        if self.quantity * quantity > 0:
            self.average = price
        elif not self.quantity:
            self.average = Fraction(0)

    @property
    def held(self) -> tuple[Fraction, Fraction]:
        return self.quantity, self.quantity * self.average


@pytest.mark.parametrize(
    ("method", "naive", "tolerance"),
    [("fifo", NaiveFifo, 0), ("average", NaiveAverage, Fraction(1, 10**8))],
)
@given(trades=st.lists(st.tuples(sizes, numbers), max_size=40))
@settings(max_examples=200, deadline=None)
def test_positions_are_those_of_naive_books(
    method: str, naive: Callable[[], Any], tolerance: Fraction, trades: list[tuple[D, D]]
) -> None:
    """FIFO exactly; average to 50 digits of costs that reach 1e50 here: to 1e-8, with room."""
    t, books = made(method), naive()
    for ts, (quantity, price) in enumerate(trades):
        t.fill("A", quantity, price, ts=ts)
        books.fill(Fraction(quantity), Fraction(price))
        position = t.position("A")
        assert position is not None
        held, cost = books.held
        assert exactly(position.quantity) == held
        scale = 1 + abs(cost) / 10**35
        assert abs(exactly(position.cost) - cost) <= tolerance * scale
        assert abs(exactly(position.realised) - books.realised) <= tolerance * max(
            scale, 1 + abs(books.realised) / 10**35
        )


@pytest.mark.parametrize("method", METHODS)
@given(steps=steps, cut=st.integers(0, 40))
@settings(max_examples=120, deadline=None)
def test_a_tracker_that_is_saved_and_read_back_goes_on_as_if_nothing_had_happened(
    method: str, steps: list[tuple[Any, ...]], cut: int
) -> None:
    t = made(method)
    for ts, step in enumerate(steps[:cut]):
        do(t, step, ts)
    restored = PortfolioTracker.from_dict(json.loads(json.dumps(t.to_dict())))
    for ts, step in enumerate(steps[cut:], start=cut):
        do(t, step, ts)
        do(restored, step, ts)
    assert restored.to_dict() == t.to_dict()
    assert restored.positions(closed=True) == t.positions(closed=True)
    assert restored.exposure == t.exposure
    assert restored.breakdown("asset") == t.breakdown("asset")
    check_equation(restored)


floats = st.floats(-1e6, 1e6).filter(lambda each: not 0 < abs(each) < 1e-9)


@pytest.mark.parametrize("method", METHODS)
@given(trades=st.lists(st.tuples(floats.filter(bool), floats, floats), max_size=40))
@settings(max_examples=120, deadline=None)
def test_floats_are_counted_as_the_decimals_they_print(
    method: str, trades: list[tuple[float, float, float]]
) -> None:
    t, exact = (PortfolioTracker(currency="USD", method=method) for _ in range(2))
    for ts, (quantity, price, fee) in enumerate(trades):
        t.fill("A", quantity, price, fee=fee, ts=ts)
        t.mark("A", price, ts=ts)
        size, cost, paid = (D(repr(each)) for each in (quantity, price, fee))
        exact.fill("A", size, cost, fee=paid, ts=ts)
        exact.mark("A", cost, ts=ts)
        for each in ("equity", "realised", "unrealised", "fees", "pnl"):
            assert getattr(t, each) == float(getattr(exact, each))
            assert type(getattr(t, each)) is float


def test_no_float_of_a_position_stays_when_it_was_sold() -> None:
    t = PortfolioTracker(currency="USD")
    for quantity in (0.1, 0.2, -0.3):
        t.fill("BTC", quantity, 50_000.1, ts=1)
    assert t.positions() == []
    assert (t.realised, t.cash()) == (0.0, 0.0)


def test_sums_do_not_drift_however_many_prices_come() -> None:
    """A hundred thousand prices of 1e9 ± 1e-3: what is there is what a recomputation finds."""
    t = PortfolioTracker(currency="USD")
    symbols = [f"S{n}" for n in range(20)]
    for n, symbol in enumerate(symbols):
        t.fill(symbol, 0.1 * (n + 1) * (-1) ** n, 1e9, ts=0)
    for n in range(100_000):
        t.mark(symbols[n % 20], 1e9 + (n * 7919 % 2_001 - 1_000) / 1e6, ts=n)
    recomputed = sum(
        Fraction(repr(each.quantity)) * Fraction(repr(each.market_price)) for each in t.positions()
    )
    assert t.value() == float(recomputed)
    for n, symbol in enumerate(symbols):
        t.fill(symbol, -0.1 * (n + 1) * (-1) ** n, 1e9, ts=200_000)
    assert (t.value(), t.unrealised, t.cash()) == (0.0, 0.0, 0.0)
    assert math.copysign(1, t.value()) == 1  # type: ignore[arg-type]


def calls_of(work: Callable[[], object]) -> int:
    count = 0

    def seen(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    gc.disable()  # its callbacks would count
    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(before)
        gc.enable()
    return count


@pytest.mark.parametrize("method", METHODS)
def test_a_fill_and_a_price_cost_the_same_however_many_positions_there_are(method: str) -> None:
    costs = []
    for positions in (1, 1_000):
        t = made(method)
        for n in range(positions):
            t.fill(f"S{n}", D(10), D(100), ts=n)
            t.mark(f"S{n}", D(100), ts=n)
        costs.append(
            (
                calls_of(lambda t=t: t.fill("S0", D(1), D(101), ts=2_000)),  # type: ignore[misc]
                calls_of(lambda t=t: t.fill("S0", D(-2), D(101), ts=2_000)),  # type: ignore[misc]
                calls_of(lambda t=t: t.mark("S0", D(101), ts=2_000)),  # type: ignore[misc]
                calls_of(lambda t=t: t.equity),  # type: ignore[misc]
            )
        )
    assert costs[0] == costs[1]
