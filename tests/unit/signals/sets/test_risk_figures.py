"""What a risk tracker and a watch of limits have, as gauges and events."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from tests.unit.signals.sets.conftest import Values
from tradespan.core import guard
from tradespan.signals.analytics.limits import LimitWatch, default_limits
from tradespan.signals.analytics.risk import RiskTracker
from tradespan.signals.events.bus import EventBus
from tradespan.signals.events.declared import declaration_of
from tradespan.signals.events.recording import attributes_of
from tradespan.signals.events.types import Event, EventType
from tradespan.signals.sets.limits import Limits
from tradespan.signals.sets.switch import Sets

NOON = 1_763_294_400_123_456_789
ALL = {"currency": "USD", "account": "U1", "strategy": "momentum"}


def tracker_of(count: int) -> RiskTracker:
    tracker, random = RiskTracker(), Random(1)
    for ts in range(count):
        tracker.record(random.gauss(0, 0.01), ts=ts)
    return tracker


def test_a_trackers_shares_are_told_as_money(sets: Sets, values: Values) -> None:
    tracker = tracker_of(252)
    sets.risk.from_tracker(
        tracker,
        currency="USD", equity=Decimal(50_000), account="U1", strategy="momentum",
        drawdown={"current": 0.03, "daily": None}, concentration=0.4,
    )  # fmt: skip
    value = values.of("trading.risk.value_at_risk")
    shortfall = values.of("trading.risk.expected_shortfall")
    assert len(value) == len(shortfall) == 6
    for loss in tracker.losses():
        labels = "U1", "USD", f"{loss.level:g}", loss.method, "momentum"
        assert value[labels] == loss.value_at_risk * 50_000
        assert shortfall[labels] == loss.expected_shortfall * 50_000
    assert values.of("trading.risk.volatility") == {
        ("U1", "historical", "momentum"): tracker.volatility,
        ("U1", "ewma", "momentum"): tracker.ewma_volatility,
    }
    assert values.of("trading.risk.drawdown") == {("U1", "current", "momentum"): 0.03}
    assert values.of("trading.risk.concentration") == {("U1", "momentum"): 0.4}


def test_what_is_undefined_is_not_told(sets: Sets, values: Values) -> None:
    sets.risk.from_tracker(RiskTracker(), currency="USD", equity=50_000)
    for name in ("value_at_risk", "expected_shortfall", "volatility", "drawdown", "concentration"):
        assert values.of(f"trading.risk.{name}") == {}
    sets.risk.from_tracker(tracker_of(30), currency="USD", equity=50_000)
    told = set(values.of("trading.risk.value_at_risk"))
    assert ("USD", "0.95", "historical") in told
    assert ("USD", "0.99", "historical") not in told
    assert ("USD", "0.99", "ewma") in told


@pytest.mark.parametrize("equity", [0, -5.0])
def test_shares_of_nothing_are_no_money(sets: Sets, values: Values, equity: float) -> None:
    sets.risk.from_tracker(tracker_of(30), currency="USD", equity=equity)
    assert values.of("trading.risk.value_at_risk") == {}
    assert len(values.of("trading.risk.volatility")) == 2


def test_only_the_methods_that_are_asked_for_are_told(sets: Sets, values: Values) -> None:
    sets.risk.from_tracker(tracker_of(30), currency="USD", equity=1, methods=("age_weighted",))
    assert set(values.of("trading.risk.value_at_risk")) == {("USD", "0.95", "age_weighted")}


@pytest.fixture
def lenient() -> Iterator[None]:
    before = guard.raise_errors(strict=False)
    yield
    guard.raise_errors(before)


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("equity", [None, "much", math.nan])
def test_a_mistake_reaches_nobody(sets: Sets, values: Values, equity: Any) -> None:
    sets.risk.from_tracker(tracker_of(30), currency="USD", equity=equity)
    assert values.of("trading.risk.value_at_risk") == {}


# ── limits ──────────────────────────────────────────────────────────────────────────────────────


class Heard:
    """Limits of a test's own, and the events that they made."""

    def __init__(self, sets: Sets) -> None:
        bus = EventBus()
        self.events: list[Event] = []
        for each in (
            EventType.POSITION_LIMIT_WARNING,
            EventType.DAILY_LOSS_WARNING,
            EventType.DRAWDOWN_WARNING,
            EventType.DAILY_TURNOVER_CHECKED,
        ):
            bus.subscribe(each, self.events.append, inline=True)
        watch = LimitWatch(default_limits(position=100, daily_loss=500, turnover=25_000))
        self.limits = Limits(watch, sets=sets, events=bus)

    def use(self, name: str, *used: float, **more: Any) -> list[tuple[str, str]]:
        """What is told of usages: the event's name and severity."""
        before = len(self.events)
        for each in used:
            self.limits.use(name, each, ts=NOON, **more)
        return [(event.name, event.severity) for event in self.events[before:]]


@pytest.fixture
def heard(sets: Sets) -> Heard:
    return Heard(sets)


def test_a_crossing_is_one_event_and_every_use_a_gauge(heard: Heard, values: Values) -> None:
    gauge = "trading.limit.utilization"
    assert heard.use("daily_loss", 100, account="U1") == []
    assert values.of(gauge) == {("U1", "daily_loss"): 0.2}
    assert heard.use("daily_loss", 440, 450, account="U1") == [("DAILY_LOSS_WARNING", "warning")]
    assert values.of(gauge) == {("U1", "daily_loss"): 0.9}
    assert heard.use("daily_loss", 500, 510, account="U1") == [("DAILY_LOSS_WARNING", "critical")]
    assert heard.use("daily_loss", 0, 430, account="U1") == [("DAILY_LOSS_WARNING", "warning")]
    assert values.of(gauge) == {("U1", "daily_loss"): 0.86}


def test_each_kind_has_its_event_and_severity(heard: Heard) -> None:
    warned = ("DRAWDOWN_WARNING", "warning")
    assert heard.use("daily_drawdown", 0.044, 0.05) == [warned, warned]
    assert heard.use("weekly_drawdown", 0.1) == [("DRAWDOWN_WARNING", "error")]
    assert heard.use("total_drawdown", 0.21) == [("DRAWDOWN_WARNING", "critical")]
    found = heard.use("position", -100, symbol="AAPL")
    assert found == [("POSITION_LIMIT_WARNING", "critical")]
    assert heard.use("daily_turnover", 22_000, 26_000) == [
        ("DAILY_TURNOVER_CHECKED", "warning"), ("DAILY_TURNOVER_CHECKED", "error"),
    ]  # fmt: skip


def test_the_gauge_of_a_limit_by_symbol_is_the_highest(heard: Heard, values: Values) -> None:
    heard.use("position", 50, symbol="AAPL")
    heard.use("position", -70, symbol="MSFT")
    heard.use("position", 10, symbol="AAPL")
    assert values.of("trading.limit.utilization") == {("position",): 0.7}


def test_an_event_has_its_facts_by_the_conventions_names(heard: Heard) -> None:
    heard.use("position", 90, symbol="AAPL", venue="XNAS", strategy="momentum")
    heard.use("weekly_drawdown", 0.09, account="U1")
    heard.use("daily_loss", 450, currency="USD")
    position, drawdown, loss = heard.events
    assert position.timestamp == datetime(2025, 11, 16, 12, 0, 0, 123456, UTC)
    assert position.data["value"] == 90
    found = [attributes_of(event, declaration_of(event.event_type)) for event in heard.events]
    common = {"tradespan.event.source": "live_trading"}
    assert found[0] == common | {
        "trading.limit.name": "position",
        "trading.limit.used": 90.0,
        "trading.limit.maximum": 100.0,
        "trading.limit.utilization": 0.9,
        "trading.symbol": "AAPL",
        "trading.venue": "XNAS",
        "trading.strategy": "momentum",
    }
    assert found[1] == common | {
        "trading.limit.name": "weekly_drawdown",
        "trading.limit.used": 0.09,
        "trading.limit.maximum": 0.1,
        "trading.limit.utilization": pytest.approx(0.9),
        "trading.risk.drawdown": 0.09,
        "trading.drawdown.span": "weekly",
        "trading.account": "U1",
    }
    assert found[2]["trading.currency"] == "USD"
    declared = declaration_of(EventType.DRAWDOWN_WARNING)
    assert json.dumps(drawdown.to_dict())
    assert declared.severity == loss.severity == "warning"


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize(
    ("name", "used"), [("daily_lost", 1), ("daily_loss", math.nan), ("daily_loss", None)]
)
def test_a_mistake_in_a_limit_reaches_nobody(
    heard: Heard, values: Values, name: str, used: Any
) -> None:
    assert heard.use(name, used) == []
    assert values.of("trading.limit.utilization") == {}
