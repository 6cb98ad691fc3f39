"""What docs/guides/risk-figures.md says: its figures of real prices, and what others do."""

from __future__ import annotations

import importlib
import math
import re
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from demo_exchange.prices import load_weekly_closes
from tests.docs.pages import DOCS
from tradespan.signals.analytics.limits import default_limits
from tradespan.signals.analytics.risk import RiskTracker

PAGE = (DOCS / "guides" / "risk-figures.md").read_text(encoding="utf-8")
CLOSES = [float(close) for close in load_weekly_closes().by_symbol["AAPL"]]
RETURNS = [after / before - 1 for before, after in pairwise(CLOSES)]
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "`historical`": ("historical", {}),
    'shortfall="beyond"': ("historical", {"shortfall": "beyond"}),
    'shortfall="fractional"': ("historical", {"shortfall": "fractional"}),
    'interpolation="higher"': ("historical", {"interpolation": "higher"}),
    'interpolation="inverted_cdf"': ("historical", {"interpolation": "inverted_cdf"}),
    'interpolation="weibull"': ("historical", {"interpolation": "weibull"}),
    "`parametric`": ("parametric", {}),
    'mean="zero"': ("parametric", {"mean": "zero"}),
    "`ewma`": ("ewma", {}),
    "`age_weighted`": ("age_weighted", {}),
}
# They ship no types.
empyrical: Any = importlib.import_module("empyrical")
quantstats: Any = importlib.import_module("quantstats.stats")


@pytest.mark.parametrize("name", ROWS)
def test_the_table_of_real_prices_has_our_figures(name: str) -> None:
    method, definition = ROWS[name]
    tracker: Any = RiskTracker(**definition)
    for ts, each in enumerate(RETURNS):
        tracker.record(each, ts=ts)
    assert f"{tracker.observations} weekly returns" in PAGE
    row = re.search(
        rf"^\| (?:… )?`?{re.escape(name.strip('`'))}.*$", PAGE.split("## Where")[1], re.MULTILINE
    )
    assert row is not None
    told = [cell.strip() for cell in row[0].split("|")[2:4]]
    found = [tracker.value_at_risk(0.95, method), tracker.expected_shortfall(0.95, method)]
    for cell, figure in zip(told, found, strict=True):
        assert cell in ("", f"{figure * 100:.3f} %")
    assert any(told)


def test_libraries_do_what_the_table_of_differences_says() -> None:
    with_nan = np.array([*RETURNS, math.nan])
    assert math.isnan(empyrical.value_at_risk(with_nan))
    assert empyrical.conditional_value_at_risk(with_nan) < 0
    index = pd.date_range("2020-01-01", periods=len(with_nan))
    assert quantstats.var(pd.Series(with_nan, index=index), prepare_returns=False) < 0
    assert empyrical.value_at_risk(np.array([-0.01])) == -0.01
    assert math.isnan(empyrical.annual_volatility(np.array([-0.01])))
    series = pd.Series(RETURNS)
    at_95 = quantstats.var(series, confidence=95, prepare_returns=False)
    assert at_95 == pytest.approx(quantstats.var(series, confidence=0.95, prepare_returns=False))


def test_the_table_of_limits_has_the_usual_ones() -> None:
    rows = dict(
        re.findall(r"^\| `(\w+)`[^|]*\| ([^|]+) \|", PAGE.split("## Limits")[1], re.MULTILINE)
    )
    severities = dict(re.findall(r"^\| `(\w+)`.*warning, (\w+) \|$", PAGE, re.MULTILINE))
    for limit in default_limits(position=1, daily_loss=1, turnover=1):
        share = f"{limit.maximum:.0%}".replace("%", " %") if limit.kind == "drawdown" else "given"
        assert rows[limit.name] == share
        assert severities[limit.name] == limit.severity
