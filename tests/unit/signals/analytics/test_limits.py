"""Limits: how much is used, and when that is told."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradespan.signals.analytics import limits
from tradespan.signals.analytics.limits import Limit, LimitWatch, default_limits


def watch_of(**options: Any) -> LimitWatch:
    return LimitWatch([Limit("loss", 100)], **options)


def told(watch: LimitWatch, *used: float) -> list[bool | None]:
    """For each usage whether the limit was reached, or close; None: nothing was told."""
    crossings = [watch.use("loss", each, ts=at).crossing for at, each in enumerate(used)]
    return [None if crossing is None else crossing.reached for crossing in crossings]


def test_utilization_is_the_share_that_is_used() -> None:
    watch = watch_of()
    assert watch.use("loss", 25, ts=1) == (0.25, 0.25, None)
    assert watch.use("loss", Decimal(150), ts=1).utilization == 1.5
    assert watch.use("loss", -50, ts=1).utilization == 0


def test_coming_close_and_reaching_are_told_once_each() -> None:
    assert told(watch_of(), 84.9, 85, 90, 99.9, 100, 120, 100) == [
        None, False, None, None, True, None, None,
    ]  # fmt: skip


def test_a_jump_over_both_is_told_as_reaching() -> None:
    assert told(watch_of(), 10, 130, 90, 130) == [None, True, None, None]


def test_a_value_that_trembles_is_told_once_until_it_has_come_down() -> None:
    assert told(watch_of(), 85, 84, 85, 81, 86, 80, 85) == [
        False, None, None, None, None, None, False,
    ]  # fmt: skip
    assert told(watch_of(), 100, 99, 101, 81, 100, 80, 100) == [
        True, None, None, None, None, None, True,
    ]  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.floats(0, 200), max_size=60))
def test_between_two_of_a_kind_lies_a_fall(used: list[float]) -> None:
    fallen = {False: True, True: True}
    for each, reached in zip(used, told(watch_of(), *used), strict=True):
        if reached is not None:
            assert fallen[reached]
            assert each >= (100 if reached else 85)
            fallen[reached] = False
            if reached:
                fallen[False] = False
        elif each >= 100:
            assert not fallen[True]
        elif each <= 80:
            fallen = {False: True, True: True}


def test_a_crossing_says_what_when_and_how_bad() -> None:
    limit = Limit("weekly", 0.1, "drawdown", span="weekly", severity="error")
    watch = LimitWatch([limit])
    close = watch.use("weekly", 0.09, ts=7, scope=("paper", "momentum")).crossing
    assert close is not None
    assert (close.limit, close.reached, close.used) == (limit, False, 0.09)
    assert (close.utilization, close.ts) == (0.09 / 0.1, 7)
    assert (close.scope, close.symbol) == (("paper", "momentum"), "")
    assert close.severity == "warning"
    reached = watch.use("weekly", 0.1, ts=8, scope=("paper", "momentum")).crossing
    assert reached is not None
    assert reached.severity == "error"


def test_scopes_and_symbols_have_the_limit_for_themselves() -> None:
    watch = LimitWatch(default_limits(position=100))
    assert watch.use("position", 90, ts=1, scope="a", symbol="AAPL").crossing
    assert watch.use("position", -95, ts=1, scope="a", symbol="MSFT").crossing
    assert watch.use("position", 86, ts=1, scope="b", symbol="AAPL").crossing
    assert watch.use("position", 99, ts=1, scope="a", symbol="AAPL") == (0.99, 0.99, None)


def test_the_highest_of_all_symbols_is_known() -> None:
    watch = LimitWatch(default_limits(position=100))
    assert watch.use("position", 50, ts=1, symbol="AAPL").highest == 0.5
    assert watch.use("position", -70, ts=1, symbol="MSFT").highest == 0.7
    assert watch.use("position", 0, ts=1, symbol="AAPL").highest == 0.7
    assert watch.use("position", 20, ts=1, symbol="MSFT").highest == 0.2
    assert watch.use("position", 0, ts=1, symbol="MSFT").highest == 0


def test_the_usual_limits_are_those_of_the_documents() -> None:
    usual = {limit.name: (limit.maximum, limit.severity, limit.span) for limit in default_limits()}
    assert usual == {
        "daily_drawdown": (0.05, "warning", "daily"),
        "weekly_drawdown": (0.10, "error", "weekly"),
        "total_drawdown": (0.20, "critical", "current"),
    }
    given = default_limits(
        position=10, daily_loss=500, turnover=25_000,
        daily_drawdown=None, weekly_drawdown=None, total_drawdown=None,
    )  # fmt: skip
    assert [(limit.name, limit.severity) for limit in given] == [
        ("position", "critical"), ("daily_loss", "critical"), ("daily_turnover", "error"),
    ]  # fmt: skip


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_PLACES", 10)
    watch = LimitWatch(default_limits(position=1))
    for number in range(200):
        watch.use("position", 1, ts=number, scope=number % 20, symbol=str(number))
        watch.use("position", 1, ts=number, symbol=str(number))
    assert len(watch._told) == 10  # noqa: SLF001 - what is held is the promise
    assert len(watch._used) == 10  # noqa: SLF001
    assert all(len(each) <= 10 for each in watch._used.values())  # noqa: SLF001


def test_what_uses_nothing_takes_no_memory() -> None:
    watch = LimitWatch(default_limits(position=1))
    for number in range(50):
        watch.use("position", 1, ts=number, scope=number, symbol="AAPL")
        watch.use("position", 0, ts=number, scope=number, symbol="AAPL")
    assert not watch._told  # noqa: SLF001 - as above
    assert not watch._used  # noqa: SLF001


@pytest.mark.parametrize("maximum", [0, -1, math.nan, math.inf])
def test_a_limit_is_above_zero(maximum: float) -> None:
    with pytest.raises(ValueError, match="limit"):
        Limit("loss", maximum)


def test_what_makes_no_sense_is_refused_and_changes_nothing() -> None:
    watch = watch_of()
    for used in (math.nan, math.inf, Decimal("NaN")):
        with pytest.raises(ValueError, match="used"):
            watch.use("loss", used, ts=1)
    with pytest.raises(TypeError):
        watch.use("loss", None, ts=1)
    with pytest.raises(TypeError):
        watch.use("loss", 90, ts=1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no limit 'lost': loss"):
        watch.use("lost", 1, ts=1)
    with pytest.raises(ValueError, match="two limits 'a'"):
        LimitWatch([Limit("a", 1), Limit("a", 2)])
    for shares in ((0.9, 0.95), (1.0, 0.8), (0.85, 0), (0.85, 0.85)):
        with pytest.raises(ValueError, match="warn_at"):
            watch_of(warn_at=shares[0], rearm_at=shares[1])
    assert told(watch, 90) == [False]
