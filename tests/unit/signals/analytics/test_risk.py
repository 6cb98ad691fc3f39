"""Value at risk, expected shortfall and volatility, held against the libraries that define them."""

from __future__ import annotations

import importlib
import math
from itertools import pairwise
from random import Random
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo_exchange.prices import load_weekly_closes
from tests.unit.signals.analytics.builders import close_to, tracker_of, walk
from tradespan.signals.analytics.quantiles import INTERPOLATIONS
from tradespan.signals.analytics.risk import RiskTracker

# They ship no types.
empyrical: Any = importlib.import_module("empyrical")
quantstats: Any = importlib.import_module("quantstats.stats")

LEVELS = (0.9, 0.95, 0.975, 0.99)
CLOSES = load_weekly_closes().by_symbol
HOUR = 3_600_000_000_000


def returns_of(symbol: str) -> list[float]:
    closes = [float(close) for close in CLOSES[symbol]]
    return [after / before - 1 for before, after in pairwise(closes)]


SERIES = [pytest.param(returns_of(symbol), id=symbol) for symbol in CLOSES] + [
    pytest.param(walk(seed, count), id=f"walk of {count}")
    for seed, count in enumerate((20, 21, 101, 252, 1000))
]
DISTINCT = st.lists(
    st.floats(-0.5, 0.5).filter(lambda value: value == 0 or abs(value) > 1e-9),
    min_size=2, max_size=120,
)  # fmt: skip


def as_series(returns: list[float]) -> Any:
    return pd.Series(returns, index=pd.date_range("2020-01-01", periods=len(returns)))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("returns", SERIES)
def test_the_historical_figures_are_empyricals(returns: list[float], level: float) -> None:
    tracker = tracker_of(returns, window=1000)
    cutoff = round(1 - level, 10)
    expected = empyrical.value_at_risk(np.array(returns), cutoff)
    assert tracker.value_at_risk(level) == close_to(-expected)
    expected = empyrical.conditional_value_at_risk(np.array(returns), cutoff)
    assert tracker.expected_shortfall(level) == close_to(-expected)


@settings(deadline=None)
@given(DISTINCT, st.sampled_from(LEVELS))
def test_of_any_returns_they_are_too(returns: list[float], level: float) -> None:
    tracker = tracker_of(returns)
    cutoff = round(1 - level, 10)
    expected = empyrical.value_at_risk(np.array(returns), cutoff)
    assert tracker.value_at_risk(level) == close_to(-expected)
    expected = empyrical.conditional_value_at_risk(np.array(returns), cutoff)
    assert tracker.expected_shortfall(level) == close_to(-expected)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("level", LEVELS)
def test_each_interpolation_is_numpys(interpolation: Any, level: float) -> None:
    returns = walk(3, 101)
    found = tracker_of(returns, interpolation=interpolation).value_at_risk(level)
    assert found == -np.quantile(returns, round(1 - level, 10), method=interpolation)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("returns", SERIES)
def test_the_parametric_figures_are_quantstats(returns: list[float], level: float) -> None:
    tracker, series = tracker_of(returns, window=1000), as_series(returns)
    found = tracker.value_at_risk(level, "parametric")
    assert found == close_to(-quantstats.var(series, confidence=level, prepare_returns=False))
    found = tracker.expected_shortfall(level, "parametric")
    assert found == close_to(-quantstats.cvar(series, confidence=level, prepare_returns=False))


@settings(deadline=None)
@given(DISTINCT, st.sampled_from(LEVELS), st.integers(0, 1))
def test_the_parametric_value_at_risk_is_a_normal_quantile(
    returns: list[float], level: float, ddof: int
) -> None:
    found = tracker_of(returns, ddof=ddof).value_at_risk(level, "parametric")
    mean, deviation = np.mean(returns), float(np.std(returns, ddof=ddof))
    expected = -(mean + NormalDist().inv_cdf(round(1 - level, 10)) * deviation)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-13)


def test_about_a_mean_of_zero_the_deviation_is_the_root_mean_square() -> None:
    returns = walk(5, 300)
    tracker = tracker_of(returns, window=300, mean="zero", ddof=1)
    expected = NormalDist(0, math.sqrt(np.mean(np.square(returns))))
    assert tracker.value_at_risk(0.99, "parametric") == close_to(-expected.inv_cdf(0.01))


def test_beyond_the_value_at_risk_the_normal_mean_is_an_integral() -> None:
    tracker = tracker_of(walk(6, 252))
    shortfall = tracker.expected_shortfall(0.95, "ewma")
    sigma = tracker.ewma_volatility
    assert sigma is not None
    steps = 200_000
    quantiles = (NormalDist().inv_cdf((at + 0.5) / steps * 0.05) for at in range(steps))
    assert shortfall == pytest.approx(-sigma * sum(quantiles) / steps, rel=1e-5)


@pytest.mark.parametrize("decay", [0.94, 0.97])
@pytest.mark.parametrize("returns", SERIES)
def test_the_ewma_is_that_of_riskmetrics(returns: list[float], decay: float) -> None:
    tracker = tracker_of(returns, ewma_decay=decay, window=10)
    squares = pd.Series(returns) ** 2
    variance = squares.ewm(alpha=1 - decay, adjust=False).mean().iloc[-1]
    assert tracker.ewma_volatility == close_to(math.sqrt(variance))
    expected = -NormalDist().inv_cdf(0.05) * math.sqrt(variance)
    assert tracker.value_at_risk(0.95, "ewma") == close_to(expected)


# ── which mean a shortfall is ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("level", LEVELS[1:])
@pytest.mark.parametrize("returns", SERIES)
def test_the_mean_beyond_is_quantstats(returns: list[float], level: float) -> None:
    found = tracker_of(returns, window=1000, shortfall="beyond").expected_shortfall(level)
    series = as_series(returns)
    expected = quantstats.cvar(series, confidence=level, prepare_returns=False, method="historical")
    assert found == close_to(-expected)


def test_a_level_is_the_decimal_number_that_was_written() -> None:
    # 1 - 0.9 is 0.09999999999999998, of which 20 times over is less than 2: quantstats leaves the
    # third of 21 out.
    returns = walk(1, 21)
    worst = sorted(returns)
    tracker = tracker_of(returns, shortfall="beyond")
    assert tracker.value_at_risk(0.9) == -worst[2]
    assert tracker.expected_shortfall(0.9) == close_to(-math.fsum(worst[:3]) / 3)
    theirs = quantstats.cvar(
        as_series(returns), confidence=0.9, prepare_returns=False, method="historical"
    )
    assert theirs == close_to(math.fsum(worst[:2]) / 2)


@settings(deadline=None)
@given(DISTINCT, st.sampled_from(LEVELS))
def test_the_fractional_mean_is_the_integral_of_the_quantiles(
    returns: list[float], level: float
) -> None:
    found = tracker_of(returns, shortfall="fractional").expected_shortfall(level)
    tail = round(1 - level, 10)
    weights = [min(max(tail * len(returns) - at, 0), 1) for at in range(len(returns))]
    expected = math.fsum(w * r for w, r in zip(weights, sorted(returns), strict=True))
    assert found == pytest.approx(-expected / (tail * len(returns)), rel=1e-9, abs=1e-13)


def test_the_three_means_differ_as_the_guide_says() -> None:
    returns = [-0.04, -0.03, -0.03, *(0.01,) * 27]
    found = {
        shortfall: tracker_of(returns, shortfall=shortfall).expected_shortfall(0.95)
        for shortfall in ("lowest", "beyond", "fractional")
    }
    assert found["lowest"] == close_to((0.04 + 0.03) / 2)
    assert found["beyond"] == close_to((0.04 + 0.03 + 0.03) / 3)
    assert found["fractional"] == close_to((0.04 + 0.03 / 2) / 1.5)


# ── age weights ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("decay", [0.9, 0.98, 1])
def test_age_weighted_is_numpys_weighted_quantile(level: float, decay: float) -> None:
    returns = walk(8, 211)
    tracker = tracker_of(returns, age_decay=decay)
    weights = decay ** np.arange(len(returns))[::-1]
    expected = np.quantile(returns, 1 - level, weights=weights, method="inverted_cdf")
    assert tracker.value_at_risk(level, "age_weighted") == -expected


def test_equal_age_weights_have_the_fractional_mean() -> None:
    returns = walk(8, 211)
    aged = tracker_of(returns, age_decay=1)
    exact = tracker_of(returns, shortfall="fractional")
    found = aged.expected_shortfall(0.95, "age_weighted")
    assert found == close_to(exact.expected_shortfall(0.95) or 0)


def test_a_recent_loss_weighs_more_than_an_old_one() -> None:
    calm = [0.001 * (at % 5 - 2) for at in range(99)]
    old = tracker_of([-0.2, *calm]).value_at_risk(0.99, "age_weighted")
    recent = tracker_of([*calm, -0.2]).value_at_risk(0.99, "age_weighted")
    assert (old, recent) == (0.002, 0.2)


# ── what is undefined ───────────────────────────────────────────────────────────────────────────


def test_a_level_needs_as_many_returns_as_one_of_the_worst_is_expected_in() -> None:
    tracker = RiskTracker()
    for count, each in enumerate(walk(1, 120), start=1):
        tracker.record(each, ts=count)
        assert (tracker.value_at_risk(0.95) is not None) == (count >= 20)
        assert (tracker.expected_shortfall(0.99) is not None) == (count >= 100)
        assert (tracker.value_at_risk(0.95, "age_weighted") is not None) == (count >= 20)
        assert (tracker.value_at_risk(0.99, "parametric") is not None) == (count >= 2)
        assert (tracker.value_at_risk(0.99, "ewma") is not None) == (count >= 2)
        assert (tracker.volatility is not None) == (count >= 2)


def test_a_minimum_holds_for_all_figures() -> None:
    tracker = tracker_of(walk(1, 29), minimum=30)
    assert tracker.to_dict() == {"observations": 29}
    tracker.record(0.01, ts=30)
    assert set(tracker.to_dict()) == {
        "observations", "volatility", "ewma_volatility", "value_at_risk", "expected_shortfall",
    }  # fmt: skip


def test_nothing_is_known_of_nothing() -> None:
    tracker = RiskTracker(minimum=1)
    assert tracker.to_dict() == {"observations": 0}
    assert tracker.losses() == []
    for method in ("historical", "parametric", "ewma", "age_weighted"):
        assert tracker.value_at_risk(0.95, method) is None


def test_a_window_of_one_has_a_quantile_and_no_deviation() -> None:
    tracker = tracker_of([0.01, -0.02], window=1, minimum=1)
    assert tracker.value_at_risk(0.95) == 0.02
    assert tracker.expected_shortfall(0.95) == 0.02
    assert tracker.value_at_risk(0.95, "age_weighted") == 0.02
    assert tracker.value_at_risk(0.95, "parametric") is None
    assert tracker.volatility is None
    assert tracker.observations == 1


def test_more_degrees_of_freedom_than_returns_have_no_deviation() -> None:
    tracker = tracker_of([0.01, 0.02], ddof=2)
    assert tracker.volatility is None
    assert tracker.value_at_risk(0.95, "parametric") is None


def test_nothing_is_annualised_without_being_told_how() -> None:
    returns = walk(2, 60)
    assert tracker_of(returns).annual_volatility is None
    assert "annual_volatility" not in tracker_of(returns).to_dict()
    found = tracker_of(returns, periods_per_year=252).annual_volatility
    assert found == close_to(empyrical.annual_volatility(np.array(returns), period="daily"))


# ── what the figures look like ──────────────────────────────────────────────────────────────────


def test_where_even_the_worst_is_a_gain_the_value_at_risk_is_below_zero() -> None:
    tracker = tracker_of([0.01 + 0.0001 * at for at in range(100)])
    for loss in tracker.losses(methods=("historical", "parametric")):
        assert loss.value_at_risk < 0
        assert loss.expected_shortfall < 0
    assert tracker.value_at_risk(0.95, "ewma") == pytest.approx(0.0313, rel=0.1)


def test_equal_returns_deviate_by_nothing_and_lose_what_each_does() -> None:
    tracker = tracker_of([-0.01] * 300)
    assert tracker.volatility == 0
    assert tracker.value_at_risk(0.99, "parametric") == 0.01
    assert tracker.value_at_risk(0.99) == 0.01
    assert tracker.expected_shortfall(0.99) == 0.01
    assert tracker.ewma_volatility == close_to(0.01)


def test_no_change_is_no_loss_and_no_negative_zero() -> None:
    tracker = tracker_of([0.0] * 100)
    for loss in tracker.losses():
        assert str(loss.value_at_risk) == "0.0"
        assert str(loss.expected_shortfall) == "0.0"


def test_total_losses_and_more_are_returns() -> None:
    tracker = tracker_of([-1.0, 0.0, -1.5])
    assert tracker.value_at_risk(0.99) == close_to(1.49)
    assert tracker.returns_over == {}


def test_the_smallest_returns_do_not_vanish() -> None:
    tracker = tracker_of([1e-300, -1e-300] * 50)
    assert tracker.value_at_risk(0.95) == 1e-300
    assert tracker.volatility == pytest.approx(1.005e-300, rel=1e-3)
    assert tracker.ewma_volatility == pytest.approx(1e-300)


def test_the_largest_returns_do_not_overflow() -> None:
    tracker = tracker_of([1e150, -1e150] * 50)
    figures = [figure for loss in tracker.losses() for figure in loss[2:]]
    assert len(figures) == 12
    assert all(map(math.isfinite, figures))
    assert tracker.volatility == pytest.approx(1.005e150, rel=1e-3)


def test_longer_periods_are_scaled_only_where_it_is_asked() -> None:
    tracker = tracker_of(walk(4, 252))
    mean, deviation = float(np.mean(walk(4, 252))), tracker.volatility or 0
    root = math.sqrt(10)
    for method in ("historical", "ewma", "age_weighted"):
        one = tracker.value_at_risk(0.99, method)
        assert one is not None
        assert tracker.value_at_risk(0.99, method, periods=10) == close_to(one * root)
    expected = -NormalDist(10 * mean, root * deviation).inv_cdf(0.01)
    assert tracker.value_at_risk(0.99, "parametric", periods=10) == close_to(expected)


# ── a window that moves ─────────────────────────────────────────────────────────────────────────


def test_after_a_hundred_thousand_updates_the_figures_are_those_of_the_window() -> None:
    random = Random(11)
    tracker = RiskTracker(window=252)
    window: list[float] = []
    for ts in range(100_000):
        value = 1e9 + random.uniform(-1e-3, 1e-3)
        tracker.record(value, ts=ts)
        window.append(value)
        del window[:-252]
    fresh = tracker_of(window)
    for method in ("historical", "parametric"):
        for figure in ("value_at_risk", "expected_shortfall"):
            assert getattr(tracker, figure)(0.95, method) == getattr(fresh, figure)(0.95, method)
    assert tracker.volatility == fresh.volatility
    assert tracker.value_at_risk(0.95) == -np.percentile(window, 5)


@settings(deadline=None)
@given(st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=60), st.integers(1, 12))
def test_only_the_last_returns_count(returns: list[float], window: int) -> None:
    moved, fresh = tracker_of(returns, window=window), tracker_of(returns[-window:], window=99)
    for method in ("historical", "parametric", "age_weighted"):
        for level in LEVELS:
            assert moved.value_at_risk(level, method) == fresh.value_at_risk(level, method)
            found = moved.expected_shortfall(level, method)
            assert found == fresh.expected_shortfall(level, method)


def test_all_is_told_of_one_moment() -> None:
    tracker = tracker_of(walk(3, 252))
    told = tracker.to_dict()
    assert told["observations"] == 252
    for loss in tracker.losses():
        assert loss.value_at_risk == tracker.value_at_risk(loss.level, loss.method)
        assert loss.expected_shortfall == tracker.expected_shortfall(loss.level, loss.method)
        assert told["value_at_risk"][loss.method][f"{loss.level:g}"] == loss.value_at_risk
        assert told["expected_shortfall"][loss.method][f"{loss.level:g}"] == loss[3]
