"""Names in Prometheus: a table of what its own translator gives, and what holds for any name."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradespan.declare import instruments
from tradespan.declare.instruments import Instrument
from tradespan.wire.prometheus_names import (
    Named,
    find_collisions,
    prometheus_label,
    prometheus_name,
)

TABLE = [
    # OpenTelemetry's name, unit, kind; Prometheus' name
    ("http.server.request.duration", "s", "histogram", "http_server_request_duration_seconds"),
    ("system.filesystem.usage", "By", "updowncounter", "system_filesystem_usage_bytes"),
    ("system.network.io", "By", "counter", "system_network_io_bytes_total"),
    ("fsw.read", "By/s", "gauge", "fsw_read_bytes_per_second"),
    ("feed.updates", "{update}/s", "gauge", "feed_updates_per_second"),
    ("speed", "m/s", "gauge", "speed_meters_per_second"),
    ("nginx.requests", "1", "counter", "nginx_requests_total"),
    ("nginx.requests.total", "1", "counter", "nginx_requests_total"),
    ("total.requests", "{request}", "counter", "requests_total"),
    ("hw.gpu.memory.utilization", "1", "gauge", "hw_gpu_memory_utilization_ratio"),
    ("cache.hit.ratio", "1", "gauge", "cache_hit_ratio"),
    ("queue.length", "1", "updowncounter", "queue_length"),
    ("active.users", "{user}", "gauge", "active_users"),
    ("trading.pnl", "{currency}", "gauge", "trading_pnl"),
    ("cpu.load", "%", "gauge", "cpu_load_percent"),
    ("storage.used", "GiBy", "gauge", "storage_used_gibibytes"),
    ("odd..name__here", "", "gauge", "odd_name_here"),
    ("2nd.order", "", "gauge", "_2nd_order"),
    ("rule:name", "", "gauge", "rule:name"),
    ("trading.order.latency", "s", "histogram", "trading_order_latency_seconds"),
    ("tradespan.function.calls", "{call}", "counter", "tradespan_function_calls_total"),
    ("Ümsatz", "", "gauge", "msatz"),
]
UNCHANGED = [
    ("live_trading_trades_total", "{trade}", "counter"),
    ("live_trading_trades_total", "", "counter"),
    ("live_trading_trades_total", "1", "counter"),
    ("live_trading_decisions_total", "{decision}", "counter"),
    ("live_trading_cycles_total", "{cycle}", "counter"),
    ("live_trading_errors_total", "{error}", "counter"),
    ("live_trading_portfolio_value_usd", "", "gauge"),
    ("live_trading_cash_balance_usd", "{USD}", "gauge"),
    ("live_trading_positions_count", "{position}", "gauge"),
    ("live_trading_daily_pnl_usd", "", "gauge"),
    ("live_trading_cycle_duration_seconds", "s", "histogram"),
    ("live_trading_order_latency_seconds", "s", "histogram"),
]


@pytest.mark.parametrize(("name", "unit", "kind", "expected"), TABLE)
def test_name_is_the_one_that_prometheus_gives(
    name: str, unit: str, kind: str, expected: str
) -> None:
    assert prometheus_name(name, unit, kind) == expected


@pytest.mark.parametrize(("name", "unit", "kind"), UNCHANGED)
def test_names_in_prometheus_own_style_come_out_unchanged(name: str, unit: str, kind: str) -> None:
    assert prometheus_name(name, unit, kind) == name


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(
    lambda name: re.search(r"[A-Za-z0-9]", name) is not None
)
NICE = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_.]{0,30}[a-zA-Z0-9]", fullmatch=True)
UNITS = st.sampled_from(["", "s", "ms", "By", "1", "{order}", "{order}/s", "By/s", "weird//unit%"])
KINDS = st.sampled_from(["counter", "gauge", "histogram", "updowncounter"])


@given(NAMES, UNITS | st.text(max_size=10), KINDS)
def test_any_name_becomes_one_that_prometheus_takes(name: str, unit: str, kind: str) -> None:
    given_name = prometheus_name(name, unit, kind)
    assert re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", given_name)
    assert "__" not in given_name
    assert (kind == "counter") <= given_name.endswith("_total")


@given(NICE, UNITS, KINDS)
def test_a_name_in_prometheus_stays_what_it_is_when_it_is_named_again(
    name: str, unit: str, kind: str
) -> None:
    once = prometheus_name(name, unit, kind)
    assert prometheus_name(once, "", kind) == once


@given(NAMES)
def test_any_attribute_becomes_a_label_that_prometheus_takes(name: str) -> None:
    assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", prometheus_label(name))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("trading.venue", "trading_venue"),
        ("http..method", "http_method"),
        ("123abc", "key_123abc"),
        ("__name__", "__name__"),
        ("venue", "venue"),
    ],
)
def test_label_is_the_one_that_prometheus_gives(name: str, expected: str) -> None:
    assert prometheus_label(name) == expected


@pytest.mark.parametrize("name", ["", "...", "__", "ßüé"])
def test_name_of_which_nothing_is_left_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="Prometheus cannot name it"):
        prometheus_name(name, "", "gauge")
    with pytest.raises(ValueError, match="Prometheus cannot name it"):
        prometheus_label(name)


def test_two_instruments_of_one_name_in_prometheus_are_told() -> None:
    (told,) = find_collisions(
        [
            Named("trading.orders", "{order}", "counter"),
            Named("trading.orders", "{order}", "counter"),
            Named("trading_orders_total", "", "counter"),
            Named("trading.orders", "{order}", "gauge"),
        ]
    )
    assert told == (
        "the counter trading_orders_total (no unit) and the counter trading.orders ({order}) are"
        " both trading_orders_total in Prometheus"
    )


def test_count_of_a_histogram_collides_with_a_gauge_of_that_name() -> None:
    assert find_collisions([Named("a.count", "", "gauge"), Named("a", "", "histogram")])


def test_no_declared_instruments_collide() -> None:
    declared = [each for each in vars(instruments).values() if isinstance(each, Instrument)]
    assert len(declared) > 20
    assert find_collisions([Named(each.name, each.unit, each.kind) for each in declared]) == []
