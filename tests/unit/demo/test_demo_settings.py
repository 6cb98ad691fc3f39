"""The demo's tradespan.toml speaks of functions, parameters and fields that exist."""

import dataclasses
import inspect
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import momentum_bot

SETTINGS = tomllib.loads(Path(momentum_bot.__path__[0], "tradespan.toml").read_text("utf-8"))
FIELDS = [
    pytest.param(rule["function"], path, id=f"{rule['signal']}:{name}")
    for rule in SETTINGS["map"]
    for name, field in rule["fields"].items()
    for path in [field["from"] if isinstance(field, dict) else field]
    if not path.startswith("=")
]


def find_function(pattern: str) -> Callable[..., Any]:
    """The function that a pattern without wildcards names."""
    package, module, *names = pattern.split(r"\.")
    found: Any = import_module(f"{package}.{module}")
    for name in names:
        found = getattr(found, name)
    assert inspect.isfunction(found)
    return found


@pytest.mark.parametrize(("pattern", "path"), FIELDS)
def test_mapped_field_exists(pattern: str, path: str) -> None:
    function = find_function(pattern)
    origin, *steps = path.split(".")
    name = steps.pop(0) if origin == "args" else "return"
    assert origin == "result" or name in inspect.signature(function).parameters

    kind = get_type_hints(function)[name]

    if dataclasses.is_dataclass(kind):
        assert len(steps) == 1
        assert steps[0] in {field.name for field in dataclasses.fields(kind)}


def test_all_signals_of_the_demo_are_mapped() -> None:
    assert {rule["signal"] for rule in SETTINGS["map"]} == {
        "agent.outcome",
        "agent.prediction",
        "connection.opened",
        "cycle",
        "decision",
        "error",
        "exchange.request",
        "feed.update",
        "order.acknowledged",
        "order.cancelled",
        "order.filled",
        "order.rejected",
        "order.submitted",
        "portfolio",
        "risk.check",
    }


def test_process_groups_are_the_bots_modules() -> None:
    for rule in SETTINGS["instrument"]:
        group = rule["process_group"]
        assert rule["pattern"] == rf"momentum_bot\.{group}\..*"
        import_module(f"momentum_bot.{group}")
