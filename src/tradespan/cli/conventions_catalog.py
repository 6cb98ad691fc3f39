"""What is declared, one entry a name, as the actions of `tradespan conventions` show it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tradespan.config import load_config
from tradespan.conventions.additions import find_files, read_additions
from tradespan.conventions.reading import load_registry
from tradespan.conventions.registry import Attribute, Group, Registry
from tradespan.wire.prometheus_names import prometheus_name

KINDS = ("attribute", "instrument", "event", "signal")


@dataclass(frozen=True, slots=True)
class Entry:
    """One name."""

    kind: str
    name: str
    type: str
    brief: str
    prometheus: str = ""
    aliases: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    fix: Mapping[str, int] = field(default_factory=dict)
    """FIX's fields that it stands for → their tags."""

    @property
    def names(self) -> tuple[str, ...]:
        """All that it is called, its own name first."""
        return (self.name, *filter(None, [self.prometheus]), *self.aliases, *self.fix)


def load_entries(config_file: str | None) -> list[Entry]:
    """All, ours and a user's; what is wrong in a user's files is left out.

    Raises:
        ConfigurationError: A setting cannot be used.
        NoYaml: PyYAML is not installed.
    """
    config = load_config({}, config_file=config_file, command_line=True)
    files = find_files(config.conventions, config.file)
    registries = [load_registry(), *([read_additions(files)[0]] if files else ())]
    return [entry for registry in registries for entry in _entries(registry)]


def _entries(registry: Registry) -> Iterator[Entry]:
    for attribute in sorted(registry.attributes, key=lambda each: each.name):
        yield _attribute(attribute)
    for group in sorted(registry.of_type("metric"), key=lambda each: each.name):
        yield _instrument(group)
    for group in sorted(registry.of_type("event"), key=lambda each: each.name):
        yield _event(group)
    for group in sorted(registry.of_type("span"), key=lambda each: each.id):
        name = group.id.removeprefix("span.").removeprefix("trading.")
        facts = {"attributes": _references(group)}
        yield Entry("signal", name, "span", group.brief, facts=facts)


def _attribute(attribute: Attribute) -> Entry:
    facts = {
        "values": ", ".join(member.value for member in attribute.members),
        "FIX": ", ".join(f"{name} ({tag})" for name, tag in attribute.fix.items()),
        "examples": ", ".join(map(str, attribute.examples)),
        "note": attribute.note,
    }
    return Entry(
        "attribute", attribute.name, attribute.type, attribute.brief, "", (), facts, attribute.fix
    )


def _instrument(group: Group) -> Entry:
    facts = {
        "labels": _references(group),
        "buckets": ", ".join(f"{bound:g}" for bound in group.bounds),
    }
    prometheus = prometheus_name(group.name, group.unit, group.instrument)
    type_ = f"{group.instrument} in {group.unit}"
    aliases = tuple(alias.whole for alias in group.aliases)
    return Entry("instrument", group.name, type_, group.brief, prometheus, aliases, facts)


def _event(group: Group) -> Entry:
    facts = {
        "attributes": _references(group),
        "category": group.category,
        "audited": "yes" if group.audited else "",
        "data": ", ".join(f"{each.short} = {each.name}" for each in group.fields),
    }
    aliases = (group.member, *(alias.name for alias in group.aliases))
    return Entry("event", group.name, group.severity, group.brief, "", aliases, facts)


def _references(group: Group) -> str:
    return ", ".join(
        each.name + (" (required)" if each.requirement == "required" else "")
        for each in group.references
    )


def to_json(entry: Entry) -> dict[str, Any]:
    """As plain values."""
    return {
        "kind": entry.kind,
        "name": entry.name,
        "type": entry.type,
        "brief": entry.brief,
        "prometheus": entry.prometheus or None,
        "aliases": entry.aliases,
        **{name: text for name, text in entry.facts.items() if text},
    }
