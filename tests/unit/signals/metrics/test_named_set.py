"""The set of a `MetricsRegistry`, and the conventional instruments behind it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.signals.metrics.conftest import Run
from tests.unit.signals.metrics.reading import read_run
from tradespan.declare.instruments import (
    TRADING_CYCLES,
    TRADING_ORDER_LATENCY,
    TRADING_PORTFOLIO_VALUE,
    TRADING_TRADES,
)
from tradespan.signals.metrics.callbacks import Observer
from tradespan.signals.metrics.named import Counter, Gauge, Histogram, MetricsRegistry
from tradespan.signals.metrics.registry import InstrumentRegistry
from tradespan.signals.slot import SignalSlot
from tradespan.wire.prometheus_names import prometheus_name

SET = {
    "trades_total": Counter,
    "trades_value_usd": Counter,
    "decisions_total": Counter,
    "cycles_total": Counter,
    "errors_total": Counter,
    "portfolio_value_usd": Gauge,
    "cash_balance_usd": Gauge,
    "positions_count": Gauge,
    "daily_pnl_usd": Gauge,
    "cycle_duration_seconds": Histogram,
    "order_latency_seconds": Histogram,
}


@pytest.mark.parametrize("name", SET)
def test_the_set_has_the_documents_names_and_kinds(metrics: MetricsRegistry, name: str) -> None:
    metric: Any = getattr(metrics, name)
    assert type(metric) is SET[name]
    assert getattr(metrics, name) is metric
    assert metrics.get(name) == metric
    shown = prometheus_name(metric.name, metric.unit, SET[name].__name__.lower())
    suffix = "_total" if name == "trades_value_usd" else ""  # Prometheus wants it of a counter
    assert shown == f"live_trading_{name}{suffix}"


def test_the_set_has_the_documents_buckets(metrics: MetricsRegistry) -> None:
    assert metrics.cycle_duration_seconds.buckets == [0.1, 0.5, 1, 2, 5, 10]
    assert metrics.order_latency.buckets == [0.01, 0.05, 0.1, 0.5, 1]
    assert metrics.portfolio_value is metrics.portfolio_value_usd


def test_an_unknown_metric_is_an_error_that_names_a_near_one(metrics: MetricsRegistry) -> None:
    with pytest.raises(AttributeError, match="did you mean trades_total"):
        _ = metrics.trade_total


def test_a_prefix_is_the_users_choice(
    run: Run, registry: InstrumentRegistry, observer: Observer
) -> None:
    MetricsRegistry("desk", registry=registry, observer=observer).cycles_total.inc()
    MetricsRegistry("", registry=registry, observer=observer).counter("hits").inc()
    assert {each.name for each in read_run(run.folder)} == {"desk_cycles_total", "hits"}


def test_one_fact_is_exported_once_under_the_chosen_name(
    run: Run, registry: InstrumentRegistry, metrics: MetricsRegistry
) -> None:
    metrics.trades_total.inc(3, labels={"symbol": "AAPL", "venue": "X"})
    conventional = registry.from_declaration(TRADING_TRADES)
    conventional.labels(trading_symbol="AAPL", trading_venue="X").add(2)
    (read,) = read_run(run.folder)
    assert (read.name, read.value) == ("live_trading_trades_total", 5)
    assert read.labels == {"symbol": "AAPL", "venue": "X"}
    assert metrics.trades_total.get(labels={"symbol": "AAPL", "venue": "X"}) == 5


def test_a_currency_that_the_name_implies_is_left_out_and_others_keep_theirs(
    run: Run, registry: InstrumentRegistry, metrics: MetricsRegistry
) -> None:
    metrics.portfolio_value.set(100)
    conventional = registry.from_declaration(TRADING_PORTFOLIO_VALUE)
    conventional.labels(trading_currency="USD").set(120)
    conventional.labels(trading_currency="EUR").set(80)
    assert metrics.portfolio_value.get() == 120
    told = {each.name: each.value for each in read_run(run.folder)}
    assert told == {"live_trading_portfolio_value_usd": 120, "trading.portfolio.value": 80}


def test_a_fact_that_was_exported_before_goes_on_under_the_chosen_name(
    run: Run, registry: InstrumentRegistry, metrics: MetricsRegistry
) -> None:
    bound = registry.from_declaration(TRADING_CYCLES).labels(trading_strategy="m")
    value = registry.from_declaration(TRADING_PORTFOLIO_VALUE).labels(trading_currency="USD")
    bound.add(10)
    value.set(5)
    metrics.cycles_total.inc(labels={"strategy": "m"})
    metrics.portfolio_value.set(6)
    bound.add(1)
    value.set(7)
    told = {each.name: each.value for each in read_run(run.folder)}
    assert told == {
        "trading.cycles": 10,
        "live_trading_cycles_total": 2,
        "trading.portfolio.value": 0,
        "live_trading_portfolio_value_usd": 7,
    }
    gone = next(each for each in read_run(run.folder) if each.name == "trading.portfolio.value")
    assert gone.set_at == 0


def test_other_buckets_are_another_fact(
    run: Run, registry: InstrumentRegistry, metrics: MetricsRegistry
) -> None:
    metrics.histogram("order_latency_seconds", buckets=[1, 2]).observe(1.5)
    registry.from_declaration(TRADING_ORDER_LATENCY).labels().record(0.2)
    assert {each.name for each in read_run(run.folder)} == {
        "live_trading_order_latency_seconds",
        "trading.order.latency",
    }


def test_what_both_counted_before_there_was_a_page_adds_up_in_it(
    tmp_path: Path, signals: SignalSlot, registry: InstrumentRegistry, metrics: MetricsRegistry
) -> None:
    bound = registry.from_declaration(TRADING_CYCLES).labels(trading_strategy="m")
    latency = registry.from_declaration(TRADING_ORDER_LATENCY).labels(trading_venue="X")
    bound.add(10)
    latency.record(0.2)
    metrics.cycles_total.inc(labels={"strategy": "m"})
    metrics.order_latency.observe(0.3, labels={"venue": "X"})
    run = Run(tmp_path, signals)
    bound.add(100)
    (cycles,) = [each for each in read_run(run.folder) if "cycles" in each.name]
    (sent,) = [each for each in read_run(run.folder) if "latency" in each.name]
    assert (cycles.name, cycles.value) == ("live_trading_cycles_total", 111)
    assert (sent.name, sum(sent.buckets)) == ("live_trading_order_latency_seconds", 2)


def test_in_a_forked_child_both_count_in_one_series(
    run: Run, registry: InstrumentRegistry, metrics: MetricsRegistry
) -> None:
    bound = registry.from_declaration(TRADING_CYCLES).labels(trading_strategy="m")
    metrics.cycles_total.inc(7, labels={"strategy": "m"})
    child = os.fork()
    if child == 0:
        try:
            bound.add(1)
            metrics.cycles_total.inc(2, labels={"strategy": "m"})
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    told = [each for each in read_run(run.folder) if each.value]
    assert sorted((each.name, each.value) for each in told) == [
        ("live_trading_cycles_total", 3),
        ("live_trading_cycles_total", 7),
    ]
