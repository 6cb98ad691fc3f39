"""Our figures beside those of empyrical, ffn and quantstats, on real prices and on random walks."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from demo_exchange.prices import load_weekly_closes
from tests.docs.pages import DOCS
from tests.unit.signals.analytics.libraries import (
    empyrical,
    exchange_calendars,
    ffn,
    quantstats,
)
from tradespan.signals.analytics.performance import PerformanceTracker
from tradespan.signals.analytics.sessions import Sessions

pytestmark = pytest.mark.filterwarnings("ignore::Warning:pandas", "ignore::Warning:quantstats",
                                        "ignore::pandas.errors.Pandas4Warning")  # fmt: skip

PAGE = DOCS / "guides" / "performance-figures.md"
WEEKS_PER_YEAR = 52
SYMBOLS = ("AAPL", "AMZN", "FB", "GOOG", "MSFT", "NFLX")
SECOND = 1_000_000_000
MINUTE = 60 * SECOND


@cache
def closes_of(symbol: str) -> pd.Series:
    """Two years of real weekly closes."""
    closes = load_weekly_closes()
    values = [float(each) for each in closes.by_symbol[symbol]]
    return pd.Series(values, index=pd.DatetimeIndex(closes.weeks))


def walk_of(seed: int) -> pd.Series:
    """Daily closes of a random walk."""
    source = random.Random(seed)
    values = [source.uniform(1, 1e6)]
    for _ in range(source.randrange(3, 700)):
        values.append(values[-1] * math.exp(source.gauss(0, source.choice((1e-4, 0.01, 0.1)))))
    return pd.Series(values, index=pd.bdate_range("2020-01-01", periods=len(values)))


def nanoseconds(index: pd.DatetimeIndex) -> list[int]:
    return [each.value for each in index]


def tracked(closes: pd.Series, periods: float, **more: Any) -> PerformanceTracker:
    tracker = PerformanceTracker(periods_per_year=periods, **more)
    for ts, close in zip(nanoseconds(closes.index), closes.to_numpy().tolist(), strict=True):
        tracker.mark(close, ts=ts)
    return tracker


def returns_of(closes: pd.Series) -> pd.Series:
    return closes.pct_change().iloc[1:]


def assert_empyricals(
    tracker: PerformanceTracker, returns: pd.Series, periods: float, rel: float = 1e-9
) -> None:
    expected = {
        "sharpe": empyrical.sharpe_ratio(returns, annualization=periods),
        "sortino": empyrical.sortino_ratio(returns, annualization=periods),
        "calmar": empyrical.calmar_ratio(returns, annualization=periods),
        "annual_return": empyrical.annual_return(returns, annualization=periods),
        "annual_volatility": empyrical.annual_volatility(returns, annualization=periods),
        "session_drawdown": -empyrical.max_drawdown(returns),
    }
    whole = tracker.whole
    assert whole.returns == len(returns)
    for name, value in expected.items():
        assert getattr(whole, name) == pytest.approx(value, rel=rel), name


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_real_prices_give_empyricals_figures(symbol: str) -> None:
    closes = closes_of(symbol)
    tracker = tracked(closes, WEEKS_PER_YEAR)
    assert_empyricals(tracker, returns_of(closes), WEEKS_PER_YEAR)
    assert tracker.drawdown.maximum == pytest.approx(-empyrical.max_drawdown(returns_of(closes)))


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_real_prices_give_the_peers_figures_where_they_agree(symbol: str) -> None:
    closes, returns = closes_of(symbol), returns_of(closes_of(symbol))
    tracker = tracked(closes, WEEKS_PER_YEAR)
    sharpes = (
        ffn.calc_sharpe(returns, nperiods=WEEKS_PER_YEAR),
        quantstats.sharpe(returns, periods=WEEKS_PER_YEAR),
    )
    assert [tracker.sharpe] * 2 == pytest.approx(sharpes)
    sortinos = (
        ffn.calc_sortino_ratio(returns, nperiods=WEEKS_PER_YEAR),
        quantstats.sortino(returns, periods=WEEKS_PER_YEAR),
    )
    assert [tracker.sortino] * 2 == pytest.approx(sortinos)
    drawdowns = -ffn.calc_max_drawdown(closes), -quantstats.max_drawdown(closes)
    assert [tracker.drawdown.maximum] * 2 == pytest.approx(drawdowns)
    assert tracker.calmar == pytest.approx(quantstats.calmar(returns, periods=WEEKS_PER_YEAR))


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_dates_of_the_deepest_drawdown_are_those_of_the_series(symbol: str) -> None:
    closes = closes_of(symbol)
    found = tracked(closes, WEEKS_PER_YEAR).drawdown
    under = closes / closes.cummax() - 1
    trough = under.idxmin()
    before, after = under[:trough], under[trough:]
    assert found.trough_ts == trough.value
    assert found.peak_ts == before[before == 0].index[-1].value
    back = after[after == 0]
    assert found.recovered_ts == (back.index[0].value if len(back) else None)


@pytest.mark.parametrize("seed", range(25))
def test_random_walks_give_empyricals_figures(seed: int) -> None:
    closes = walk_of(seed)
    assert_empyricals(tracked(closes, 252), returns_of(closes), 252, rel=1e-7)


def test_first_losses_count_with_a_starting_equity() -> None:
    returns = pd.Series([-0.1, 0.05, 0.02, -0.01], index=pd.bdate_range("2020-01-06", periods=4))
    closes = 100 * (1 + returns).cumprod()
    tracker = tracked(closes, 252, starting_equity=100.0)
    assert_empyricals(tracker, returns, 252)
    assert tracker.drawdown.maximum == pytest.approx(-empyrical.max_drawdown(returns))


def test_ten_years_of_a_backtest_give_empyricals_daily_figures() -> None:
    """Daily marks at the close, and five trades a day, all with event time."""
    source = random.Random(10)
    calendar = exchange_calendars.get_calendar("XNYS", start="2014-01-01", end="2023-12-31")
    tracker = PerformanceTracker(starting_equity=1_000_000.0, sessions=Sessions("XNYS"))
    tracker.mark(1_000_000.0, ts=int(calendar.opens_nanos[0]))
    equity, nets, equities = 1_000_000.0, [], []
    for opens, closes in zip(calendar.opens_nanos, calendar.closes_nanos, strict=True):
        for number in range(1, 6):
            nets.append(source.gauss(50, 2_000))
            tracker.trade(nets[-1], ts=int(opens) + number * 30 * MINUTE)
            equity += nets[-1]
        equities.append(equity + source.gauss(0, 500))
        tracker.mark(equities[-1], ts=int(closes))
    series = pd.Series([1_000_000.0, *equities]).pct_change().iloc[1:]
    assert len(tracker.returns) == len(calendar.sessions) == 2516
    assert [day for day, _ in tracker.returns] == [each.date() for each in calendar.sessions]
    assert_empyricals(tracker, series, 252)
    assert tracker.drawdown.maximum == pytest.approx(-empyrical.max_drawdown(series))
    assert tracker.total_pnl == math.fsum(nets)
    assert tracker.window.pnl == math.fsum(nets[-100:])
    last = series.iloc[-100:]
    assert tracker.window.sharpe == pytest.approx(empyrical.sharpe_ratio(last))
    assert tracker.window.calmar == pytest.approx(empyrical.calmar_ratio(last))


@pytest.mark.parametrize(
    ("sessions", "fold"),
    [
        (Sessions("24/7"), lambda index: index.floor("D").tz_localize(None)),
        (
            Sessions(timezone="America/New_York", day_starts="17:00", periods_per_year=365),
            lambda index: (
                index.tz_convert("America/New_York").tz_localize(None) + pd.Timedelta(hours=7)
            ).floor("D"),
        ),
    ],
    ids=["utc", "fx"],
)
def test_minute_marks_fold_to_the_returns_that_pandas_gives(
    sessions: Sessions, fold: Callable[[pd.DatetimeIndex], pd.DatetimeIndex]
) -> None:
    """Over a change of the clock in New York, with two days left out."""
    source = random.Random(11)
    index = pd.date_range("2026-03-02 13:07", "2026-03-16 02:00", freq="min", tz="UTC")
    index = index[(index.day != 4) & (index.day != 5)]
    equities = 1e5 * np.exp(np.cumsum([source.gauss(0, 1e-4) for _ in index]))
    tracker = PerformanceTracker(sessions=sessions)
    for ts, equity in zip(nanoseconds(index), equities.tolist(), strict=True):
        tracker.mark(equity, ts=ts)
    daily = pd.Series(equities, index=index).groupby(fold(index)).last()
    expected = daily.pct_change().iloc[1:]
    assert [day for day, _ in tracker.returns] == [each.date() for each in expected.index]
    assert [each for _, each in tracker.returns] == pytest.approx(expected.tolist(), abs=1e-14)
    assert_empyricals(tracker, expected, 365)


def test_minute_marks_of_utc_days_are_those_of_resample() -> None:
    source = random.Random(12)
    index = pd.date_range("2026-03-02 13:07", "2026-03-06 02:00", freq="min", tz="UTC")
    equities = 1e5 * np.exp(np.cumsum([source.gauss(0, 1e-4) for _ in index]))
    tracker = PerformanceTracker(sessions=Sessions("24/7"))
    for ts, equity in zip(nanoseconds(index), equities.tolist(), strict=True):
        tracker.mark(equity, ts=ts)
    expected = pd.Series(equities, index=index).resample("D").last().pct_change().iloc[1:]
    assert [each for _, each in tracker.returns] == pytest.approx(expected.tolist(), abs=1e-14)


def differences() -> str:
    """The guide's table: where empyrical, ffn and quantstats part, and what is followed here."""
    closes = closes_of("NFLX")
    returns, periods = returns_of(closes), WEEKS_PER_YEAR
    lost = pd.Series([-0.1, 0.05, 0.02], index=pd.bdate_range("2020-01-06", periods=3))
    prices = 100 * (1 + lost).cumprod()
    even = pd.Series([0.01] * 5, index=pd.bdate_range("2020-01-06", periods=5))
    steps = [1.0, *np.cumprod(1 + even)]
    weekly = math.expm1(math.log1p(0.02) / periods)
    with np.errstate(all="ignore"):
        rows = [
            ("Sharpe, risk-free 0", tracked(closes, periods).sharpe,
             empyrical.sharpe_ratio(returns, annualization=periods),
             ffn.calc_sharpe(returns, nperiods=periods),
             quantstats.sharpe(returns, periods=periods)),
            ("Sharpe, `0.02` given as risk-free",
             tracked(closes, periods, risk_free=0.02).sharpe,
             empyrical.sharpe_ratio(returns, 0.02, annualization=periods),
             ffn.calc_sharpe(returns, 0.02, nperiods=periods),
             quantstats.sharpe(returns, 0.02, periods=periods)),
            ("Sharpe, 2 % a year given to each as it wants it",
             tracked(closes, periods, risk_free=weekly).sharpe,
             empyrical.sharpe_ratio(returns, weekly, annualization=periods),
             ffn.calc_sharpe(returns, 0.02, nperiods=periods),
             quantstats.sharpe(returns, 0.02, periods=periods)),
            ("Sharpe of five equal returns", tracked(pd.Series(steps, pd.bdate_range(
                "2020-01-03", periods=6)), 252).sharpe,
             empyrical.sharpe_ratio(even), ffn.calc_sharpe(even, nperiods=252),
             quantstats.sharpe(even)),
            ("Sortino, required 0", tracked(closes, periods).sortino,
             empyrical.sortino_ratio(returns, annualization=periods),
             ffn.calc_sortino_ratio(returns, nperiods=periods),
             quantstats.sortino(returns, periods=periods)),
            ("Sortino with no loss", tracked(pd.Series(steps, pd.bdate_range(
                "2020-01-03", periods=6)), 252).sortino,
             empyrical.sortino_ratio(even), ffn.calc_sortino_ratio(even, nperiods=252),
             quantstats.sortino(even)),
            ("Annual return", tracked(closes, periods).annual_return,
             empyrical.annual_return(returns, annualization=periods), ffn.calc_cagr(closes),
             quantstats.cagr(returns, periods=periods)),
            ("Calmar", tracked(closes, periods).calmar,
             empyrical.calmar_ratio(returns, annualization=periods),
             ffn.calc_calmar_ratio(closes), quantstats.calmar(returns, periods=periods)),
            ("Maximum drawdown of -10 %, 5 %, 2 %",
             tracked(prices, 252, starting_equity=100.0).drawdown.maximum,
             -empyrical.max_drawdown(lost), -ffn.calc_max_drawdown(prices),
             -quantstats.max_drawdown(lost)),
            ("Win rate of 1, -1, 0, 0", winning(1, -1, 0, 0).win_rate, None, None,
             quantstats.win_rate(pd.Series([0.01, -0.01, 0, 0], prices_index(4)))),
            ("Profit factor with no loss", winning(1, 2).profit_factor, None, None,
             quantstats.profit_factor(pd.Series([0.01, 0.02], prices_index(2)))),
        ]  # fmt: skip
    lines = ["| | tradespan | empyrical | ffn | quantstats |", "|---|---|---|---|---|"]
    lines += [f"| {name} | {' | '.join(map(shown, values))} |" for name, *values in rows]
    return "\n".join(lines)


def prices_index(count: int) -> pd.DatetimeIndex:
    return pd.bdate_range("2020-01-06", periods=count)


def winning(*profits: int) -> Any:
    tracker = PerformanceTracker()
    for ts, pnl in enumerate(profits):
        tracker.trade(pnl, ts=ts)
    return tracker.whole


def shown(value: float | None) -> str:
    if value is None:
        return "none"
    if math.isnan(value):
        return "NaN"
    return "inf" if math.isinf(value) else f"{value:.4g}" if abs(value) > 1e6 else f"{value:.4f}"


def test_the_guides_table_of_differences_is_what_the_libraries_give() -> None:
    table = differences()
    assert table in PAGE.read_text(encoding="utf-8"), f"the page wants:\n{table}"
    for above, below in pairwise(table.splitlines()):
        assert above.count("|") == below.count("|")
