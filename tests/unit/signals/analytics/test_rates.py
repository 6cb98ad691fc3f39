"""What follows from given rates, and what does not."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

import pytest

from tradespan.signals.analytics import rates as module
from tradespan.signals.analytics.exact import divide
from tradespan.signals.analytics.rates import Rates

D = Decimal


def test_a_rate_is_found_directly_inverse_and_over_the_base() -> None:
    rates = Rates("USD", {("EUR", "USD"): D("1.25"), ("USD", "JPY"): 150})
    assert rates.find("EUR", "USD") == D("1.25")
    assert rates.find("USD", "EUR") == D("0.8")
    assert rates.find("EUR", "JPY") == D("187.5")
    assert rates.find("USD", "USD") == 1
    assert rates.find("GBP", "GBP") == 1


def test_nothing_is_guessed_over_other_currencies() -> None:
    rates = Rates("USD", {("EUR", "CHF"): 1, ("CHF", "USD"): 1})
    assert rates.find("EUR", "USD") is None
    assert rates.find("EUR", "XYZ") is None


def test_the_latest_of_both_directions_is_the_pairs_rate() -> None:
    rates = Rates("USD")
    rates.set("EUR", "USD", D(2), ts=5)
    rates.set("USD", "EUR", D("0.25"), ts=6)
    assert rates.find("EUR", "USD") == 4
    rates.set("EUR", "USD", D(3), ts=5)
    assert rates.find("EUR", "USD") == 4
    assert rates.late == 1
    rates.set("EUR", "USD", D(3), ts=6)
    assert rates.find("EUR", "USD") == 3


def test_a_sum_with_a_missing_rate_is_none_and_nothing_needs_none() -> None:
    rates = Rates("USD", {("EUR", "USD"): 2})
    assert rates.convert({"EUR": D(3), "USD": D(1)}, "USD") == 7
    assert rates.convert({"EUR": D(3), "GBP": D(0)}, "USD") == 6
    assert rates.convert({"EUR": D(3), "GBP": D(1)}, "USD") is None
    assert rates.convert({}, "USD") == 0


@pytest.mark.parametrize(
    ("source", "target", "rate", "error"),
    [
        ("EUR", "USD", 0, "rate is not above 0"),
        ("EUR", "USD", -1, "rate is not above 0"),
        ("EUR", "USD", D("NaN"), "rate is not finite"),
        ("USD", "USD", 1, "a rate from USD to itself"),
        ("", "USD", 1, "source is empty"),
    ],
)
def test_a_rate_that_is_none_is_refused(source: str, target: str, rate: Any, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        Rates("USD").set(source, target, rate, ts=1)


def test_pairs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PAIRS", 1)
    rates = Rates("USD", {("EUR", "USD"): 2})
    with pytest.raises(ValueError, match="there are 1 rates already"):
        rates.set("GBP", "USD", 1, ts=1)
    rates.set("USD", "EUR", 1, ts=1)


def test_a_rate_told_while_another_is_being_taken_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rates = Rates("USD")
    other = threading.Thread(target=lambda: rates.set("EUR", "USD", 4, ts=2))

    def divide_slowly(dividend: Decimal, divisor: Decimal) -> Decimal:
        if divisor == 2:
            other.start()
            other.join(0.1)  # it is not let in
        return divide(dividend, divisor)

    monkeypatch.setattr(module, "divide", divide_slowly)
    rates.set("EUR", "USD", 2, ts=1)
    other.join(30)
    assert rates.find("EUR", "USD") == 4
    assert rates.find("USD", "EUR") == D("0.25")
