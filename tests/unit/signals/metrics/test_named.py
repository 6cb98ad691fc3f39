"""`MetricsRegistry`: metrics by name, with the documents' verbs."""

from __future__ import annotations

import copy
import json
import os
import pickle
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import tradespan
from tests.support.fakes import SteppingClock
from tests.unit.signals.metrics.conftest import Run
from tests.unit.signals.metrics.reading import one, read_run
from tradespan.core.errors import InstrumentConflict
from tradespan.declare.instruments import (
    TRADING_CYCLES,
    TRADING_ORDER_LATENCY,
    TRADING_PORTFOLIO_VALUE,
    TRADING_TRADES,
)
from tradespan.signals.metrics import named
from tradespan.signals.metrics.callbacks import Observer
from tradespan.signals.metrics.named import (
    Counter,
    Gauge,
    Histogram,
    HistogramValue,
    MetricsRegistry,
    MetricValue,
)
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
PATIENCE = 30.0


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@pytest.fixture
def observer(registry: InstrumentRegistry) -> Iterator[Observer]:
    made = Observer(registry)
    yield made
    made.end(PATIENCE)


@pytest.fixture
def metrics(
    registry: InstrumentRegistry, observer: Observer, clock: SteppingClock
) -> MetricsRegistry:
    return MetricsRegistry(registry=registry, observer=observer, clock=clock)


@pytest.fixture
def run(tmp_path: Path, signals: SignalSlot) -> Run:
    return Run(tmp_path, signals)


def test_a_counter_counts_by_label_set(run: Run, metrics: MetricsRegistry) -> None:
    counter = metrics.counter("hits", "What hit.")
    counter.inc()
    counter.inc(5)
    counter.inc(2, labels={"symbol": "AAPL"})
    assert (counter.get(), counter.get(labels={"symbol": "AAPL"})) == (6, 2)
    assert counter.get(labels={"symbol": "MSFT"}) == 0
    assert one(run.folder, "live_trading_hits").value == 6
    assert one(run.folder, "live_trading_hits", symbol="AAPL").value == 2
    assert len(read_run(run.folder)) == 2  # reading makes no series


def test_a_gauge_is_set_and_moved(run: Run, metrics: MetricsRegistry) -> None:
    gauge = metrics.gauge("exposure")
    gauge.set(100, labels={"account": "paper"})
    gauge.inc(5, labels={"account": "paper"})
    gauge.dec(2.5, labels={"account": "paper"})
    gauge.dec()
    assert (gauge.get(labels={"account": "paper"}), gauge.get()) == (102.5, -1)
    assert one(run.folder, "live_trading_exposure", account="paper").value == 102.5


def test_a_gauge_that_is_removed_is_told_no_more(run: Run, metrics: MetricsRegistry) -> None:
    gauge = metrics.gauge("exposure")
    for symbol in ("AAPL", "MSFT"):
        gauge.set(7, labels={"symbol": symbol})
    gauge.remove(labels={"symbol": "AAPL"})
    gauge.remove(labels={"symbol": "never set"})
    assert [each.labels for each in gauge.collect()] == [{"symbol": "MSFT"}]
    assert one(run.folder, "live_trading_exposure", symbol="AAPL").set_at == 0
    gauge.set(8, labels={"symbol": "AAPL"})
    assert len(gauge.collect()) == 2


def test_a_histogram_counts_by_bucket(run: Run, metrics: MetricsRegistry) -> None:
    sizes = metrics.histogram("sizes", buckets=[50, 10, 100])
    for value in (10, 45, 1_000):
        sizes.observe(value, labels={"side": "buy"})
    found = sizes.get(labels={"side": "buy"})
    assert (found.value, found.sum) == (3, 1_055)
    assert found.buckets == {10: 1, 50: 2, 100: 2, float("inf"): 3}
    assert sizes.get().value == 0
    assert one(run.folder, "live_trading_sizes", side="buy").buckets == (1, 1, 0, 1)


def test_buckets_are_the_documents_unless_given(metrics: MetricsRegistry) -> None:
    assert metrics.histogram("sizes").buckets == [
        *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    ]


def test_an_exponential_histogram_has_the_powers_of_two(metrics: MetricsRegistry) -> None:
    sizes = metrics.histogram("sizes", exponential=True)
    assert sizes.buckets == [2.0**power for power in range(-20, 21)]
    with pytest.raises(ValueError, match="exponential"):
        metrics.histogram("others", buckets=[1], exponential=True)


def test_the_values_of_labels_survive_whatever_they_hold(metrics: MetricsRegistry) -> None:
    counter = metrics.counter("hits")
    labels = {"expression": "a=1,b=2", "quoted": 'say "no"\n\\'}
    counter.inc(3, labels=labels)
    (value,) = counter.collect()
    assert value.labels == labels
    assert metrics.to_dict() == {
        'live_trading_hits{expression="a=1,b=2",quoted="say \\"no\\"\\n\\\\"}': 3
    }


def test_collected_values_have_time_and_labels(
    metrics: MetricsRegistry, clock: SteppingClock
) -> None:
    metrics.counter("hits").inc(2, labels={"b": 1, "a": True})
    metrics.histogram("sizes", buckets=[1]).observe(0.5)
    moment = datetime.fromtimestamp(clock.wall() / 1e9, UTC)
    assert metrics.collect_all() == {
        "live_trading_hits": [MetricValue(2, moment, {"a": "true", "b": "1"})],
        "live_trading_sizes": [
            HistogramValue(1, moment, {}, 0.5, {1.0: 1, float("inf"): 1}),
        ],
    }


def test_to_dict_goes_into_json(metrics: MetricsRegistry) -> None:
    metrics.counter("none_yet")
    metrics.gauge("value").set(2.5)
    metrics.counter("hits").inc(labels={"symbol": "AAPL"})
    metrics.histogram("sizes", buckets=[1]).observe(3, labels={"side": "buy"})
    assert json.loads(json.dumps(metrics.to_dict())) == {
        "live_trading_none_yet": 0,
        "live_trading_value": 2.5,
        'live_trading_hits{symbol="AAPL"}': 1,
        'live_trading_sizes{side="buy"}': {
            "count": 1,
            "sum": 3,
            "buckets": {"1.0": 0, "+Inf": 1},
        },
    }


def test_the_same_name_is_the_same_metric(
    registry: InstrumentRegistry, observer: Observer, metrics: MetricsRegistry
) -> None:
    assert metrics.counter("hits") is metrics.counter("hits")
    metrics.histogram("sizes", buckets=[1], unit="s").observe(2)
    assert metrics.histogram("sizes") is metrics.histogram("sizes", buckets=[1])
    other = MetricsRegistry(registry=registry, observer=observer)
    assert other.histogram("sizes").get().value == 1
    assert (metrics.get("hits"), metrics.get("nothing")) == (metrics.counter("hits"), None)
    assert metrics.get("live_trading_hits") is metrics.counter("hits")


def test_something_else_of_the_same_name_is_an_error_at_once(
    registry: InstrumentRegistry, metrics: MetricsRegistry
) -> None:
    metrics.counter("hits")
    metrics.summary("waits")
    metrics.histogram("sizes", buckets=[1])
    registry.counter("live_trading_mine", labels=("side",))
    for make in (
        lambda: metrics.gauge("hits"),
        lambda: metrics.gauge("waits"),
        lambda: metrics.histogram("sizes", buckets=[2]),
        lambda: metrics.counter("mine"),
    ):
        with pytest.raises(InstrumentConflict, match=__file__):
            make()


def test_nothing_that_counts_raises(metrics: MetricsRegistry, registry: InstrumentRegistry) -> None:
    wrong: Any
    counter, gauge = metrics.counter("c"), metrics.gauge("g")
    sizes, waits = metrics.histogram("h"), metrics.summary("s")
    for wrong in (float("nan"), float("inf"), "1", None, object()):
        counter.inc(wrong)
        gauge.set(wrong)
        gauge.inc(wrong)
        gauge.dec(wrong)
        sizes.observe(wrong)
        waits.observe(wrong)
    counter.inc(-1)
    assert (counter.get(), gauge.get(), sizes.get().value, waits.get()) == (0, 0, 0, None)
    refused = registry.counter(
        "tradespan.metrics.refused",
        unit="{value}",
        labels=("tradespan.instrument",),
    )
    counts = [refused.labels(f"live_trading_{name}").value for name in "cghs"]
    assert counts == [6, 15, 5, 5]


@pytest.mark.parametrize("labels", [5, "a", [1], {1: 2}.keys()])
def test_labels_that_are_none_raise_nothing(
    metrics: MetricsRegistry, labels: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics.counter("c").inc(labels=labels)
    metrics.gauge("g").remove(labels=labels)
    assert metrics.counter("c").get(labels=labels) == 0


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


def test_a_callback_is_called_before_what_is_collected(metrics: MetricsRegistry) -> None:
    depth = metrics.gauge("depth")
    asked = []

    def read_depth() -> None:
        asked.append(1)
        depth.set(len(asked))
        metrics.collect_all()  # does not call it again

    metrics.register_callback(lambda: 1 / 0)
    assert metrics.register_callback(read_depth) is read_depth
    assert metrics.to_dict()["live_trading_depth"] == 1
    assert metrics.collect_all()["live_trading_depth"][0].value == 2


def test_a_callback_is_called_at_each_interval(
    run: Run, metrics: MetricsRegistry, observer: Observer
) -> None:
    depth = metrics.gauge("depth")
    metrics.register_callback(depth.inc)
    metrics.register_callback(lambda: 1 / 0)
    observer.begin(3_600.0)
    for _ in range(2):
        assert observer.observe(PATIENCE)
    assert one(run.folder, "live_trading_depth").value == 2
    failures = "tradespan.metrics.callback.failures"
    assert one(run.folder, failures, tradespan_instrument=FAILED).value == 2


FAILED = "callbacks of live_trading"


def test_an_info_says_one_thing_at_a_time(run: Run, metrics: MetricsRegistry) -> None:
    bot = metrics.info("bot", {"strategy": "momentum", "version": "2.0"})
    assert metrics.info("bot", {"strategy": "momentum", "version": "2.1"}) is bot
    assert bot.get() == {"strategy": "momentum", "version": "2.1"}
    told = {each.labels["version"]: each for each in read_run(run.folder)}
    assert {each.name for each in told.values()} == {"live_trading_bot_info"}
    assert (told["2.0"].set_at, told["2.1"].value) == (0, 1)
    assert list(metrics.to_dict().values()) == [1]


def test_a_summary_tells_quantiles_of_its_window(
    run: Run, metrics: MetricsRegistry, observer: Observer, clock: SteppingClock
) -> None:
    waits = metrics.summary("waits", quantiles=(0.5, 1), window=60, most=5)
    for number in range(1, 8):  # the first two are too many
        waits.observe(number, labels={"venue": "X"})
    assert waits.get(labels={"venue": "X"}) == 5
    assert waits.get(labels={"venue": "X"}, quantile=0.25) == 4
    assert waits.get() is None
    observer.begin(3_600.0)
    assert observer.observe(PATIENCE)
    assert one(run.folder, "live_trading_waits", venue="X", quantile="1.0").value == 7
    assert {each.labels["quantile"]: each.value for each in waits.collect()} == {"0.5": 5, "1.0": 7}

    clock.step(61)
    assert (waits.collect(), waits.get(labels={"venue": "X"})) == ([], None)
    assert observer.observe(PATIENCE)
    assert one(run.folder, "live_trading_waits", venue="X", quantile="0.5").set_at == 0


@pytest.mark.parametrize(
    "given", [{"quantiles": ()}, {"quantiles": (2,)}, {"window": 0}, {"most": 0}]
)
def test_a_summary_that_cannot_be_is_an_error_at_once(
    metrics: MetricsRegistry, given: dict[str, Any]
) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each says another thing
        metrics.summary("waits", **given)


def test_label_sets_beyond_the_cap_count_together(run: Run, metrics: MetricsRegistry) -> None:
    counter, waits = metrics.counter("hits"), metrics.summary("waits", quantiles=(0.5, 1))
    for number in range(2_010):
        counter.inc(labels={"order": number})
        waits.observe(number, labels={"order": number})
    assert one(run.folder, "live_trading_hits", otel_metric_overflow="true").value == 10
    assert len({each.labels.get("order") for each in waits.collect()}) == 1_001


def test_it_counts_before_there_is_a_page(
    tmp_path: Path, signals: SignalSlot, metrics: MetricsRegistry
) -> None:
    metrics.trades_total.inc(2, labels={"symbol": "AAPL"})
    assert metrics.trades_total.get(labels={"symbol": "AAPL"}) == 2
    run = Run(tmp_path, signals)
    metrics.trades_total.inc(labels={"symbol": "AAPL"})
    assert one(run.folder, "live_trading_trades_total", symbol="AAPL").value == 3


def test_threads_that_count_together_lose_nothing(metrics: MetricsRegistry) -> None:
    def count() -> None:
        for number in range(5_000):
            metrics.counter(f"hits{number % 3}").inc(labels={"part": number % 5})
            metrics.trades_total.inc()
            metrics.cycle_duration.observe(1.0)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    collected = metrics.collect_all()
    hits = [value.value for name in range(3) for value in collected[f"live_trading_hits{name}"]]
    assert (sum(hits), len(hits)) == (20_000, 15)
    assert metrics.trades_total.get() == 20_000
    assert metrics.cycle_duration.get().value == 20_000


def test_a_forked_child_counts_from_zero(run: Run, metrics: MetricsRegistry) -> None:
    waits = metrics.summary("waits")
    waits.observe(5)
    metrics.trades_total.inc(10)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            empty = metrics.trades_total.get() == 0 and waits.get() is None
            metrics.trades_total.inc(2)
            status = 0 if empty and metrics.trades_total.get() == 2 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert metrics.trades_total.get() == 10
    assert sorted(e.value for e in read_run(run.folder) if "trades" in e.name) == [2, 10]


def test_what_holds_them_is_copied_and_pickled(registry: InstrumentRegistry) -> None:
    held: dict[str, Any] = {"metrics": named.metrics, "counter": named.metrics.counter("copied")}
    for copied in (copy.deepcopy(held), pickle.loads(pickle.dumps(held))):
        before = held["counter"].get()
        copied["counter"].inc()
        copied["metrics"].counter("copied").inc()
        assert held["counter"].get() == before + 2


def test_the_front_door_has_them() -> None:
    assert tradespan.metrics is named.metrics
    assert tradespan.MetricsRegistry is MetricsRegistry
    assert tradespan.metrics.prefix == "live_trading"
