"""Which options a function has: the settings' tables, and what code says beside them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.instrument.auto.conftest import Configure
from tradespan.instrument.auto.rulebook import group_of, watch_by
from tradespan.instrument.options import Capture, Case, Check, Field, Objective, Watch

TABLES = """
    [capture]
    max_repr = 300
    result = false

    [[instrument]]
    pattern = 'bot\\.risk'
    process_group = "limits"
    sample_rate = 0.1
    min_duration = "2ms"
    slow = "250ms"
    durable = true
    max_repr = 80
    serializer = "bot.show.order"
    sensitive_fields = ["account"]
    objective = { latency = "50ms" }
    metrics = false
    capture = { result = true, locals = true }

    [[instrument]]
    pattern = 'bot\\..*'
    process_group = "never, for what the first table names"
    durable = false

    [[map]]
    function = 'bot\\.desk\\.place'
    signal = "order"
"""


def test_the_first_table_that_names_a_function_gives_its_options(config: Configure) -> None:
    watch = watch_by(config(TABLES), ["bot.risk.check"], [])
    assert watch == Watch(
        process_group="limits",
        sample_rate=0.1,
        min_duration=0.002,
        slow=0.25,
        durable=True,
        max_repr=80,
        serializer="bot.show.order",
        sensitive_fields=("account",),
        objective=Objective(latency=0.05),
        metrics=False,
        capture=Capture(args=True, result=True, locals=True),
    )


def test_what_no_table_says_is_as_the_settings_say(config: Configure) -> None:
    watch = watch_by(config(TABLES), ["desk.place"], [])
    assert watch == Watch(process_group="desk", max_repr=300, capture=Capture(result=False))


def test_what_a_call_means_is_among_its_attributes(config: Configure) -> None:
    watch = watch_by(config(TABLES), ["bot.desk.place"], [])
    assert watch.attributes == {"tradespan.signal": "order"}


def test_code_counts_more_and_the_latest_most(config: Configure) -> None:
    asked: list[dict[str, Any]] = [{"slow": 3.0, "durable": False}, {"slow": 4.0}]
    watch = watch_by(config(TABLES), ["bot.risk.check"], asked)
    assert (watch.slow, watch.durable, watch.sample_rate) == (4.0, False, 0.1)


def test_without_settings_there_is_what_code_says() -> None:
    watch = watch_by(None, ["bot.risk.check"], [{"sample_rate": 0.5}])
    assert watch == Watch(process_group="risk", sample_rate=0.5)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("bot.risk.check", "risk"),
        ("bot.risk.Limits.check", "risk"),
        ("bot.__main__.main", "bot"),
        ("bot._private.f", "_private"),
        ("Bot.f", "Bot"),
        ("f", "f"),
    ],
)
def test_a_function_that_nobody_groups_goes_by_its_module(name: str, group: str) -> None:
    assert group_of(name) == group


def test_the_first_map_table_says_whether_calls_are_events(config: Configure) -> None:
    tables = """
        [[map]]
        function = 'bot\\.tick'
        signal = "cycle"
        events = false
        [[map]]
        function = 'bot\\..*'
        signal = "order"
        """
    settings = config(tables)
    assert not watch_by(settings, ["bot.tick"], []).events
    assert watch_by(settings, ["bot.place"], []).events


def test_tables_with_conditions_are_cases_and_the_others_are_for_all_calls(
    config: Configure,
) -> None:
    tables = """
        [[map]]
        function = 'bot\\.on_message'
        signal = "message"
        [map.fields]
        a = "=1"
        [[map]]
        function = 'bot\\.on_message'
        signal = "order.filled"
        when = { "args.m.kind" = "fill" }
        events = false
        [map.fields]
        b = "result.x"
        """
    watch = watch_by(config(tables), ["bot.on_message"], [])
    assert watch.fields == (Field("a", "=", literal="1"),)
    assert watch.attributes == {}
    assert watch.cases == (
        Case(
            "order.filled",
            events=False,
            when=(Check("args", ("m", "kind"), frozenset({"fill"})),),
            fields=(Field("b", "result", ("x",)),),
        ),
        Case("message"),
    )
