"""The names that running code imports, and the declarations that they come from."""

from __future__ import annotations

import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from opentelemetry.semconv._incubating.metrics import (
    cpython_metrics,
    process_metrics,
    system_metrics,
)

import momentum_bot
from tradespan.config.settings import SETTINGS
from tradespan.conventions.reading import load_registry
from tradespan.conventions.registry import OPENTELEMETRY, Attribute, Registry
from tradespan.declare import events, instruments, names
from tradespan.generate.attributes_module import name_signal
from tradespan.generate.instruments_module import name_instrument
from tradespan.generate.names_module import name_class, name_constant
from tradespan.generate.python_text import name_of

DEMO = tomllib.loads(Path(momentum_bot.__path__[0], "tradespan.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def declared(registry: Registry, name: str) -> Attribute:
    attribute = registry.find(name)
    assert attribute is not None, f"{name} is not declared"
    return attribute


def test_each_declared_attribute_has_a_constant(registry: Registry) -> None:
    for attribute in registry.attributes:
        assert getattr(names, name_constant(attribute)) == attribute.name


def test_each_value_that_has_a_meaning_has_a_constant(registry: Registry) -> None:
    for attribute in registry.attributes:
        for member in attribute.members:
            values = getattr(names, name_class(attribute))

            assert getattr(values, member.id.upper()) == member.value


def test_each_declared_instrument_has_a_constant(registry: Registry) -> None:
    for group in registry.of_type("metric"):
        made = getattr(instruments, name_instrument(group))
        labels = tuple(each.name for each in group.references)

        told = (group.name, group.instrument, group.unit, labels, group.bounds, group.brief)
        assert tuple(made) == told


def test_each_declared_event_has_a_constant(registry: Registry) -> None:
    numbers = list(events.SEVERITIES)
    for group in registry.of_type("event"):
        made = events.EVENTS[group.name]

        assert getattr(events, name_of(group.name)) is made
        assert (made.member, made.severity, made.audited) == (
            group.member, group.severity, group.audited,
        )  # fmt: skip
        assert made.severity in numbers
        assert made.attributes == tuple(each.name for each in group.references)
        assert set(made.required) <= set(made.attributes)
        assert [tuple(each) for each in made.fields] == [tuple(each) for each in group.fields]
        assert [each.name for each in made.aliases] == [each.name for each in group.aliases]
        assert made.description == group.brief


def test_the_severities_are_opentelemetrys_numbers() -> None:
    assert events.SEVERITIES == {
        "debug": 5, "info": 9, "warning": 13, "error": 17, "critical": 21, "emergency": 24,
    }  # fmt: skip


def test_the_documents_events_and_log_lines_are_declared() -> None:
    """Issue 05 and document 003 name these."""
    members = {
        "CYCLE_START", "CYCLE_END", "DECISION_MADE", "TRADE_SUBMITTED", "TRADE_FILLED",
        "TRADE_REJECTED", "KILL_SWITCH_TRIGGERED", "DAILY_LOSS_WARNING", "DRAWDOWN_WARNING",
        "POSITION_LIMIT_WARNING", "ENGINE_START", "ENGINE_STOP", "ERROR", "CONNECTION_LOST",
        "CONNECTION_RESTORED", "QUOTE_STALE", "DATA_ERROR",
    }  # fmt: skip
    lines = {
        "websocket_connected": "latency_ms", "websocket_disconnected": "reason",
        "book_update": "levels", "book_normalized": "outcome_id", "latency_update": "p50_ms p95_ms",
        "feed_stale": "staleness_seconds", "order_submitted": "order_id",
        "order_filled": "fill_qty", "order_cancelled": "reason", "pair_plan_created": "strategy",
        "pair_execution_started": "timeout_ms", "pair_execution_completed": "success",
        "position_limit_check": "utilization", "daily_turnover_check": "used limit",
        "circuit_breaker_triggered": "reason", "trading_halted": "trigger",
    }  # fmt: skip
    declared = {alias.name: alias for each in events.EVENTS.values() for alias in each.aliases}

    assert members <= {each.member for each in events.EVENTS.values()}
    for name, fields in lines.items():
        assert set(fields.split()) <= {field.short for field in declared[name].fields}, name


def test_the_documents_instruments_are_declared() -> None:
    plain = {
        "pnl_cents_total", "edge_captured_cents", "feed_latency_seconds", "order_response_seconds",
        "active_positions", "trades_total", "schema_validation_errors",
    }  # fmt: skip
    live_trading = {
        "trades_total", "trades_value_usd", "decisions_total", "cycles_total", "errors_total",
        "portfolio_value_usd", "cash_balance_usd", "positions_count", "daily_pnl_usd",
        "cycle_duration_seconds", "order_latency_seconds",
    }  # fmt: skip
    declared = {(each.prefix, each.name): each for each in instruments.ALIASES}

    assert {name for prefix, name in declared if not prefix} == plain
    assert {name for prefix, name in declared if prefix == "live_trading"} == live_trading
    assert declared["", "pnl_cents_total"].instrument.kind == "gauge"
    assert declared["", "pnl_cents_total"].factor == 100
    assert declared["live_trading", "cycle_duration_seconds"].instrument.bounds == (
        0.1, 0.5, 1, 2, 5, 10,
    )  # fmt: skip
    assert declared["live_trading", "order_latency_seconds"].instrument.bounds == (
        0.01, 0.05, 0.1, 0.5, 1,
    )  # fmt: skip


def test_the_systems_instruments_are_those_of_opentelemetry() -> None:
    """Name, kind and unit are what the installed package of semantic conventions says."""
    told = "\n".join(
        inspect.getsource(module) for module in (process_metrics, system_metrics, cpython_metrics)
    )
    ours = [
        each
        for name, each in instruments.INSTRUMENTS.items()
        if name.partition(".")[0] in OPENTELEMETRY and "load_average" not in name
    ]
    assert len(ours) > 20
    for each in ours:
        text = told.split(f'Final = "{each.name}"\n', 1)[1].split("Final = ", 1)[0]

        assert f"Instrument: {each.kind}\n" in text, each.name
        assert f"Unit: {each.unit}\n" in text, each.name


def test_importing_the_names_reads_no_file_and_loads_no_yaml() -> None:
    code = (
        "import sys\n"
        "import tradespan.declare.names\n"
        "print(*sorted(name for name in sys.modules if 'yaml' in name or 'tradespan' in name))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert set(run.stdout.split()) == {"tradespan", "tradespan.declare", "tradespan.declare.names"}


def test_a_signal_says_what_its_spans_carry(registry: Registry) -> None:
    signals = {member.value for member in declared(registry, names.TRADESPAN_SIGNAL).members}
    spans = [name_signal(group) for group in registry.of_type("span")]

    assert len(spans) == len(set(spans))
    assert set(spans) == signals


def test_the_setting_of_the_mode_accepts_what_is_declared(registry: Registry) -> None:
    mode = next(setting for setting in SETTINGS if setting.key == "mode")

    assert mode.attribute == names.TRADING_MODE
    accepted = [member.value for member in declared(registry, names.TRADING_MODE).members]
    assert mode.kind.accepts == " or ".join(accepted)


@pytest.mark.parametrize("table", DEMO["map"], ids=lambda table: table["signal"])
def test_the_demo_speaks_in_declared_names(table: dict[str, object], registry: Registry) -> None:
    groups = {name_signal(group): group for group in registry.of_type("span")}
    references = {each.name: each for each in groups[str(table["signal"])].references}
    fields = table["fields"]
    assert isinstance(fields, dict)

    assert set(fields) <= set(references)
    needed = {name for name, each in references.items() if each.requirement == "required"}
    assert needed <= set(fields)


def test_a_fix_tag_stands_for_one_field(registry: Registry) -> None:
    tags = [(tag, field) for each in registry.attributes for field, tag in each.fix.items()]
    fields = dict(tags)

    assert len(fields) == len(set(tags))
    assert (fields[11], fields[39], fields[150]) == ("ClOrdID", "OrdStatus", "ExecType")
