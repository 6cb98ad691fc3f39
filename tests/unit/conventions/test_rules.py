"""What a registry keeps to: units by UCUM, no id among labels, one name for one fact."""

from __future__ import annotations

import pytest

from tests.unit.conventions.builders import SOUND
from tradespan.conventions.reading import load_registry, read_groups
from tradespan.conventions.registry import SEVERITIES, Registry
from tradespan.conventions.rules import check_registry, is_unit
from tradespan.conventions.tables import Problem, parse_yaml
from tradespan.declare.wording import is_id
from tradespan.wire.prometheus_names import Named, find_collisions


@pytest.fixture(scope="module")
def ours() -> Registry:
    return load_registry()


@pytest.mark.parametrize(
    "unit",
    ["1", "%", "s", "ms", "us", "ns", "min", "h", "d", "By", "KiBy", "MBy", "bit", "Hz", "By/s",
     "{order}", "{currency}", "{order}/s", "m.s"],
)  # fmt: skip
def test_units_of_ucum_are_units(unit: str) -> None:
    assert is_unit(unit)


@pytest.mark.parametrize(
    "unit", ["", "seconds", "sec", "bytes", "B", "percent", "USD", "$", "count", "{order", "s s"]
)
def test_words_and_currencies_are_none(unit: str) -> None:
    assert not is_unit(unit)


def test_ids_are_told_from_names() -> None:
    ids = ["trading.order.id", "trading.order.client_id", "trading.order.original_client_id", "id"]
    others = ["trading.account", "trading.symbol", "desk.bid", "desk.grid", "trading.pair.leg"]

    assert [name for name in (*ids, *others) if is_id(name)] == ids


def test_an_alias_is_a_name_of_one_instrument_alone(ours: Registry) -> None:
    text = """\
groups:
  - id: metric.desk.trades
    type: metric
    metric_name: desk.trades
    instrument: counter
    unit: "{trade}"
    stability: development
    brief: Trades.
    annotations:
      aliases:
        - name: trades_total
          labels: {venue: trading.venue}
"""
    problems: list[Problem] = []
    registry = read_groups({"desk.yaml": parse_yaml(text)}, problems)
    assert problems == []

    told = [problem.reason for problem in check_registry(registry, (), ours)]
    assert told == [
        "the alias trades_total has the label trading.venue, the instrument not",
        "the alias trades_total is one of trading.trades already",
    ]


def test_what_is_sound_beside_ours_is_sound(ours: Registry) -> None:
    registry = read_groups({"desk.yaml": parse_yaml(SOUND)}, [])

    assert check_registry(registry, (), ours) == []


def test_ours_keep_to_the_rules_that_a_user_keeps_to(ours: Registry) -> None:
    told = [str(p) for p in check_registry(ours, ("trading", "tradespan"))]

    assert told == []


def test_prometheus_can_tell_our_instruments_apart(ours: Registry) -> None:
    groups = ours.of_type("metric")

    assert find_collisions(Named(g.name, g.unit, g.instrument) for g in groups) == []


def test_the_severities_rise_with_opentelemetrys_numbers(ours: Registry) -> None:
    declared = ours.find("tradespan.severity")
    assert declared is not None

    assert tuple(member.value for member in declared.members) == SEVERITIES
    assert [member.severity_number for member in declared.members] == [5, 9, 13, 17, 21, 24]
