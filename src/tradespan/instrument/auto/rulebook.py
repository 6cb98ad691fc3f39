"""The options of a function that a pattern selects: code's count more than the settings'."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tradespan.config import Config, InstrumentRule
from tradespan.declare.names import TRADESPAN_SIGNAL
from tradespan.instrument.auto.names import names_match
from tradespan.instrument.cases import cases_of
from tradespan.instrument.fields import fields_of
from tradespan.instrument.options import Capture, Field, Objective, Watch

_MAIN = "__main__"
_SAME = (
    "sample_rate", "min_duration", "slow", "durable", "max_repr", "serializer",
    "sensitive_fields", "metrics",
)  # fmt: skip
"""Fields of a table that are called as they are in `Watch`."""


def watch_by(
    config: Config | None, names: Sequence[str], asked: Iterable[Mapping[str, Any]]
) -> Watch:
    """How a function is watched.

    Args:
        config: The settings; None: there are none yet.
        names: What the function goes by; the first is the one to record.
        asked: Options given in code, fields of `Watch`; the later ones count more.
    """
    group = group_of(names[0])
    watch = Watch(process_group=group) if config is None else _by_settings(config, names, group)
    for options in asked:
        watch = replace(watch, **options)
    return watch


def rule_for(config: Config, names: Sequence[str]) -> InstrumentRule | None:
    """The first table of the settings that names a function."""
    return next((rule for rule in config.instrument if names_match(rule.pattern, names)), None)


def _by_settings(config: Config, names: Sequence[str], group: str) -> Watch:
    rule = rule_for(config, names)
    maps = [rule for rule in config.map if names_match(rule.function, names)]
    cases = cases_of(maps)
    maps = [rule for rule in maps if not rule.when]
    fields: list[Field] = [field for mapped in maps for field in fields_of(mapped)]
    said = {} if rule is None else {name: getattr(rule, name) for name in _SAME}
    options: dict[str, Any] = {"max_repr": config.capture.max_repr}
    options |= {name: value for name, value in said.items() if value is not None}
    return Watch(
        process_group=(rule.process_group if rule else None) or group,
        attributes={TRADESPAN_SIGNAL: maps[0].signal} if maps and not cases else {},
        capture=_capture(config, rule),
        objective=Objective.parse(rule.objective) if rule else None,
        fields=tuple(fields),
        events=maps[0].events if maps else True,
        cases=cases,
        **options,
    )


def _capture(config: Config, rule: InstrumentRule | None) -> Capture:
    said = rule.capture if rule is not None else {}
    return Capture(**{"args": config.capture.args, "result": config.capture.result, **said})


def group_of(name: str) -> str:
    """Where nobody says: the module's last part, `bot.risk.check` → `risk`."""
    parts = [part for part in name.split(".") if part != _MAIN]
    lower = [part for part in parts[:-1] if part[:1].islower() or part[:1] == "_"]
    return lower[-1] if lower else parts[0]
