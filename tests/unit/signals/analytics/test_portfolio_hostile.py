"""What nobody should tell a portfolio, and who tells it at the same time."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal, localcontext
from typing import Any

import pytest

from tests.unit.signals.analytics.portfolios import tracker
from tradespan.signals.analytics.portfolio import PortfolioTracker
from tradespan.signals.analytics.rates import Rates

D = Decimal


def busy() -> PortfolioTracker:
    t = tracker(turnover_limit=D(5_000), rates={("EUR", "USD"): D("1.1")})
    t.fill("XYZ", D(10), D("99.5"), fee=D(1), execution_id="1", ts=1)
    t.fill("SAP", D(-3), D(110), currency="EUR", venue="X", fee=D("0.1"), fee_currency="BNB", ts=2)
    t.fill("ABC", D(1), D(5), ts=3)
    t.fill("ABC", D(-1), D(6), ts=2)
    t.mark("XYZ", D(101), ts=4)
    t.mark("SAP", D(111), venue="X", ts=4)
    t.rate("BNB", "USD", D(600), ts=4)
    t.flow(D(-5), "EUR", 5)
    return t


@pytest.mark.parametrize("field", ["quantity", "price", "fee", "multiplier"])
@pytest.mark.parametrize(
    ("value", "error"),
    [
        (D("NaN"), ValueError),
        (D("sNaN"), ValueError),
        (float("inf"), ValueError),
        (D("1e40"), ValueError),
        (D("1e-60"), ValueError),
        (True, TypeError),
        ("1", TypeError),
        (None, TypeError),
        (1.5, TypeError),  # this tracker counts in Decimals
    ],
)
def test_a_fill_that_is_refused_names_its_field_and_changes_nothing(
    field: str, value: Any, error: type[Exception]
) -> None:
    t = busy()
    before = t.to_dict()
    facts: dict[str, Any] = {"quantity": D(1), "price": D(1), "ts": 9, "execution_id": "9"}
    with pytest.raises(error, match=rf"^{field} "):
        t.fill("XYZ", **{**facts, field: value})
    assert t.to_dict() == before


@pytest.mark.parametrize(
    ("facts", "error", "why"),
    [
        ({"quantity": D("-0")}, ValueError, "quantity is 0"),
        ({"multiplier": D(0)}, ValueError, "multiplier is not above 0"),
        ({"multiplier": -1}, ValueError, "multiplier is not above 0"),
        ({"ts": 1.5}, TypeError, "ts is a float"),
        ({"ts": True}, TypeError, "ts is a bool"),
        ({"ts": 1 << 63}, ValueError, "64 bits"),
        ({"symbol": ""}, ValueError, "symbol is empty"),
        ({"symbol": 7}, TypeError, "symbol is a int"),
        ({"venue": None}, TypeError, "venue is a NoneType"),
        ({"currency": 7}, TypeError, "currency is a int"),
        ({"execution_id": ""}, ValueError, "execution_id is empty"),
        ({"execution_id": "x" * 1_000}, ValueError, "1000 characters"),
    ],
)
def test_facts_that_are_none_are_refused(
    facts: dict[str, Any], error: type[Exception], why: str
) -> None:
    t = busy()
    before = t.to_dict()
    with pytest.raises(error, match=why):
        t.fill(**{"symbol": "XYZ", "quantity": D(1), "price": D(1), "ts": 9, **facts})
    assert t.to_dict() == before


def test_every_other_verb_refuses_what_it_cannot_count_with_and_changes_nothing() -> None:
    t = busy()
    before = t.to_dict()
    for call in (
        lambda: t.mark("XYZ", D("NaN"), ts=9),
        lambda: t.mark("XYZ", 1.5, ts=9),
        lambda: t.rate("EUR", "USD", D("-1"), ts=9),
        lambda: t.flow(D("Infinity"), "USD", 9),
        lambda: t.flow(1.5, "USD", 9),
        lambda: t.settle("XYZ", 1.5, 9),
        lambda: t.split("XYZ", D("NaN"), 9),
        lambda: t.split("XYZ", (1, 0), 9),
        lambda: t.transfer("XYZ", 1.5, 9, to_account="a"),
    ):
        with pytest.raises((TypeError, ValueError)):
            call()
    assert t.to_dict() == before


def test_the_first_number_that_is_no_int_decides_what_is_counted_in() -> None:
    t = PortfolioTracker(currency="USD")
    t.fill("XYZ", 3, 10, ts=1)
    t.mark("XYZ", 12, ts=1)
    assert (t.value(), type(t.value()), t.positions()[0].average_price) == (36, int, 10)
    t.fill("XYZ", 1, 11, ts=1)
    assert t.positions()[0].average_price == D("10.25")
    with pytest.raises(TypeError, match="fee is a float, and this tracker counts in Decimals"):
        t.fill("XYZ", 1, D(10), fee=0.5, ts=1)
    assert type(t.value()) is int
    t.fill("XYZ", 1, 10.5, ts=1)
    assert type(t.value()) is float
    with pytest.raises(TypeError, match="price is a Decimal, and this tracker counts in floats"):
        t.mark("XYZ", D(12), ts=2)


def test_a_rate_is_of_any_kind() -> None:
    t = tracker(rates={("EUR", "USD"): 1.1})
    t.fill("SAP", D(1), D(10), currency="EUR", ts=1)
    t.mark("SAP", D(20), ts=1)
    assert t.unrealised == 11
    assert type(t.unrealised) is D


def test_huge_quantities_at_tiny_prices_are_exact() -> None:
    t = tracker(cash={})
    huge, tiny = D("123456789012345678901234567890.123456789"), D("1e-18")
    t.fill("SHIB", huge, tiny, ts=1)
    t.mark("SHIB", 3 * tiny, ts=2)
    assert t.value() == D("370370367037.037036703703703670370370367")
    assert t.cash() == D("-123456789012.345678901234567890123456789")
    t.fill("SHIB", huge.copy_negate(), 3 * tiny, ts=3)
    assert (t.positions(), t.realised) == ([], t.cash())
    assert t.realised == D("246913578024.691357802469135780246913578")


def test_no_zero_is_negative() -> None:
    t = PortfolioTracker(currency="USD")
    t.fill("XYZ", -1.0, -0.0, fee=-0.0, ts=1)
    t.mark("XYZ", -0.0, ts=1)
    (position,) = t.positions()
    zeros = (
        t.cash(), t.value(), t.unrealised, t.fees, t.pnl, position.value, position.market_price,
        position.average_price, position.cost, t.exposure.net,
    )  # fmt: skip
    assert [str(each) for each in zeros] == ["0.0"] * len(zeros)


def test_the_programs_decimal_context_changes_no_figure() -> None:
    figures = []
    for precision in (28, 1):
        with localcontext() as context:
            context.prec = precision
            if precision == 1:
                context.traps = dict.fromkeys(context.traps, True)
            t = busy()
            t.fill("XYZ", D(-3), D("101.123456789"), ts=6)
            figures.append((t.to_dict(), t.equity, t.exposure, t.positions()))
    assert figures[0] == figures[1]


@pytest.mark.parametrize(
    "options",
    [
        {"method": "lifo"},
        {"currency": ""},
        {"remembered": -1},
        {"cash": {"USD": D("NaN")}},
        {"turnover_limit": D("NaN")},
        {"rates": {("EUR", "USD"): 0}},
    ],
)
def test_an_account_that_cannot_be_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        tracker(**options)


def paths(value: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(each, *path, key)


def test_damaged_books_are_one_kind_of_error_or_still_books() -> None:
    """Every part of what was saved, replaced by each of several wrong things."""
    text = json.dumps(busy().to_dict())
    wrongs: tuple[Any, ...] = (None, "x", -1, [], {}, "NaN", "1E+99999", 1e400, True)
    tried, said = 0, set[str]()
    for path in list(paths(json.loads(text)))[1:]:
        for wrong in wrongs:
            saved = json.loads(text)
            at = saved
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = wrong
            tried += 1
            try:
                t = PortfolioTracker.from_dict(saved)
            except ValueError as error:
                said.add(str(error)[:26])
            else:
                t.mark("XYZ", 1, ts=99)
                json.dumps([t.to_dict(), str((t.equity, t.exposure, t.positions()))])
    assert said == {"these are no saved books: "}
    assert tried > 500


def test_books_that_lack_something_are_told_with_its_name() -> None:
    saved = busy().to_dict()
    del saved["positions"]
    with pytest.raises(ValueError, match="these are no saved books: positions is missing"):
        PortfolioTracker.from_dict(saved)
    with pytest.raises(ValueError, match="version 2, not 1"):
        PortfolioTracker.from_dict({**busy().to_dict(), "version": 2})


def test_books_are_read_back_with_shared_rates_and_sessions() -> None:
    rates = Rates("USD", {("EUR", "USD"): 2, ("BNB", "USD"): 1})
    t = PortfolioTracker.from_dict(busy().to_dict(), rates=rates)
    assert t.rates is rates
    assert t.turnover == PortfolioTracker.from_dict(busy().to_dict(), rates=rates).turnover
    t.fill("XYZ", D(10), D("99.5"), execution_id="1", ts=9)
    assert t.counts["duplicates"] == 1


def test_four_threads_lose_no_fill_and_see_whole_books() -> None:
    t = tracker(cash={})
    rounds, gate = 1_500, threading.Barrier(5)
    wrong: list[Any] = []
    done = threading.Event()

    def trade(seed: int) -> None:
        gate.wait(30)
        for n in range(rounds):
            t.fill("XYZ", D((-1) ** (n // 2) * (seed + 1)), D(n % 7 + 1), fee=D(1), ts=n)
            t.mark("XYZ", D(n % 5 + 1), ts=n)

    def look() -> None:
        gate.wait(30)
        while not done.is_set():
            with t.still():
                if t.value() is not None and t.cash() + t.value() != t.pnl:  # type: ignore[operator]
                    wrong.append(t.to_dict())

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=trade, args=(seed,)) for seed in range(4)]
    looking = threading.Thread(target=look)
    try:
        for thread in (*threads, looking):
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        done.set()
        looking.join(60)
        sys.setswitchinterval(interval)
    assert wrong == []
    assert t.counts["fills"] == 4 * rounds
    assert t.fees == 4 * rounds
    assert t.positions() == []
    assert t.realised == t.cash() + t.fees  # type: ignore[operator]


def test_a_forked_child_goes_on_though_another_thread_held_the_lock() -> None:
    t = busy()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with t.still():
            held.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(30)
    pid = os.fork()
    if not pid:
        t.fill("XYZ", D(1), D(1), ts=9)
        os._exit(int(t.position("XYZ").quantity != 11))  # type: ignore[union-attr]
    done.set()
    thread.join(30)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert t.position("XYZ").quantity == 10  # type: ignore[union-attr]


def test_a_signal_handler_may_save_books_that_its_thread_is_changing() -> None:
    t = busy()
    with t.still():  # as a fill does
        saved = t.to_dict()
    assert PortfolioTracker.from_dict(saved).to_dict() == saved
