"""All that is declared, ours and a user's, as whoever looks at telemetry asks for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from tradespan.conventions.registry import OURS, Registry
from tradespan.declare.attributes import ATTRIBUTES, SIGNALS, Attribute, Signal
from tradespan.declare.events import EVENTS
from tradespan.declare.instruments import ALIASES, INSTRUMENTS, Instrument
from tradespan.declare.names import TRADESPAN_EVENT_SOURCE, TRADING_EVENT_TIME

ON_ANY_EVENT = (TRADESPAN_EVENT_SOURCE, TRADING_EVENT_TIME)
"""Attributes that each event may have."""
_TEMPLATE = "template["


@dataclass(slots=True)
class Known:
    """What is declared, by name."""

    attributes: dict[str, Attribute] = field(default_factory=dict)
    instruments: dict[str, Instrument] = field(default_factory=dict)
    events: dict[str, Signal] = field(default_factory=dict)
    signals: dict[str, Signal] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    """Another name of an event → its own."""
    named: set[str] = field(default_factory=set)
    """Other names of instruments, with the prefix that they have by default."""
    namespaces: set[str] = field(default_factory=set)
    """First parts of names in which all has to be declared."""

    @classmethod
    def ours(cls) -> Self:
        """What this package declares. Reads no file."""
        known = cls(
            attributes=dict(ATTRIBUTES),
            instruments=dict(INSTRUMENTS),
            signals=dict(SIGNALS),
            namespaces=set(OURS),
        )
        for event in EVENTS.values():
            known.events[event.name] = Signal(event.attributes, event.required)
            known.aliases[event.member] = event.name
            known.aliases.update((alias.name, event.name) for alias in event.aliases)
        known.named = {"_".join(filter(None, (each.prefix, each.name))) for each in ALIASES}
        return known

    def add(self, registry: Registry) -> None:
        """What a user declares as well."""
        for attribute in registry.attributes:
            members = tuple(member.value for member in attribute.members)
            self.attributes[attribute.name] = Attribute(attribute.type, members)
        for group in registry.groups:
            names = tuple(each.name for each in group.references)
            required = tuple(r.name for r in group.references if r.requirement == "required")
            if group.type == "metric":
                self.instruments[group.name] = Instrument(
                    group.name, group.instrument, group.unit, names, group.bounds, group.brief
                )
                self.named.update(alias.whole for alias in group.aliases)
            elif group.type == "event":
                self.events[group.name] = Signal(names, required)
                self.aliases.update((each.name, group.name) for each in group.aliases)
            elif group.type == "span":
                self.signals[group.id.removeprefix("span.")] = Signal(names, required)
        own = [*(a.name for a in registry.attributes), *(g.name for g in registry.groups if g.name)]
        self.namespaces.update(name.partition(".")[0] for name in own if "." in name)

    def attribute(self, name: str) -> Attribute | None:
        """An attribute's declaration; of `tradespan.args.order` that of `tradespan.args`."""
        found = self.attributes.get(name)
        if found is not None:
            return found
        outer = name
        while "." in outer:
            outer = outer.rpartition(".")[0]
            template = self.attributes.get(outer)
            if template is not None and template.type.startswith(_TEMPLATE):
                return Attribute(template.type.removeprefix(_TEMPLATE)[:-1], template.members)
        return None

    def covers(self, name: str) -> bool:
        """Whether a name ought to be declared."""
        first, dot, _ = name.partition(".")
        return bool(dot) and first in self.namespaces

    def names(self) -> Iterable[str]:
        """All attributes, to look for a near one."""
        return self.attributes
