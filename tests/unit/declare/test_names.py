"""The names that running code imports, and the declarations that they come from."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import momentum_bot
from tradespan.config.settings import SETTINGS
from tradespan.conventions.reading import load_registry
from tradespan.conventions.registry import Attribute, Registry
from tradespan.declare import instruments, names
from tradespan.generate.attributes_module import name_signal
from tradespan.generate.instruments_module import name_instrument
from tradespan.generate.names_module import name_class, name_constant

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
