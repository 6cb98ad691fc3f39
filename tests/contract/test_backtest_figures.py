"""Ten years of a backtest, in seconds under `tradespan run`: the figures are those of ten years."""

from __future__ import annotations

import math
from random import Random

import pandas as pd
import pytest

from tests.contract.desk import Desk
from tests.support.metrics import ReceivedPoint, read_points
from tests.support.receiver import Receiver
from tests.unit.signals.analytics.libraries import empyrical

BOT = """
    from random import Random

    DAY = 86_400_000_000_000

    def value(equity, ts):
        return {"equity": equity, "at": ts}

    random, equity = Random(11), 100_000.0
    for day in range(3_650):
        equity *= 1 + random.gauss(0.0004, 0.01)
        for hour in (9, 12, 16):  # within the day it is worth something else
            worth = equity * (1.3 - hour / 100) if hour < 16 else equity
            value(worth, day * DAY + hour * DAY // 24)
    """
MAP = r"""
mode = "backtest"

[figures]
currency = "USD"
periods_per_year = 365
risk_window = 1000

[[map]]
function = 'bot\.value'
signal = "portfolio"
[map.fields]
"trading.currency" = "=USD"
"trading.portfolio.equity" = "result.equity"
"trading.event_time" = "result.at"
"""


@pytest.fixture
def points(desk: Desk, receiver: Receiver) -> list[ReceivedPoint]:
    bot = desk.write("bot.py", BOT)
    settings = desk.write("desk.toml", MAP)
    ended = desk.tradespan(
        "run", "--root", desk.root, "--config", settings, "--endpoint", receiver.address,
        "-i", r"bot\.value", bot, environment={"TRADESPAN_MAX_OVERHEAD": "0"},
    )  # fmt: skip
    assert ended.status == 0, ended.err
    return [point for point in read_points(receiver) if point.has_value]


def test_ten_years_in_seconds_have_empyricals_daily_figures(points: list[ReceivedPoint]) -> None:
    random, equity, closes = Random(11), 100_000.0, []
    for _ in range(3_650):
        equity *= 1 + random.gauss(0.0004, 0.01)
        closes.append(equity)
    returns = pd.Series(closes).pct_change().dropna()

    def last(name: str, **labels: str) -> float:
        found = [
            point
            for point in points
            if point.name == name
            and all(point.labels.get(key.replace("_", ".")) == v for key, v in labels.items())
        ]
        return max(found, key=lambda point: point.time).value

    def performance(name: str) -> float:
        return last(f"trading.performance.{name}", trading_performance_span="run")

    def near(value: float) -> object:
        return pytest.approx(value, rel=1e-9)

    yearly = {"annualization": 365}
    assert performance("sharpe_ratio") == near(empyrical.sharpe_ratio(returns, **yearly))
    assert performance("sortino_ratio") == near(empyrical.sortino_ratio(returns, **yearly))
    assert performance("annual_return") == near(empyrical.annual_return(returns, **yearly))
    volatility = empyrical.annual_volatility(returns, **yearly)
    assert performance("annual_volatility") == near(volatility)
    assert performance("calmar_ratio") == near(empyrical.calmar_ratio(returns, **yearly))
    tail = empyrical.value_at_risk(returns[-1_000:], 0.05)
    assert last(
        "trading.risk.value_at_risk", trading_risk_level="0.95", trading_risk_method="historical"
    ) == near(-tail * closes[-1])
    assert last("trading.portfolio.value") == near(closes[-1])
    assert not math.isnan(last("trading.risk.drawdown", trading_drawdown_span="maximum"))
