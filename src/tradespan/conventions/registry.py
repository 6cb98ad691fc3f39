"""What a registry of names declares: attributes, spans, entities, instruments, events.

Source: open-telemetry/weaver, schemas/semconv-syntax.md; of it, what our files use. Below
`annotations` all is ours: `fix` (FIX field → its tag), `bounds` (a histogram's buckets), `aliases`
(names that the same fact has elsewhere), `severity`, `type`, `category`, `audited` and `fields` of
an event, `severity_number` of a severity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

OURS = ("tradespan", "trading")
"""Namespaces that are declared here; a reference to any other is to OpenTelemetry's registry."""
OPENTELEMETRY = ("process", "system", "cpython")
"""Namespaces of instruments that are declared here under OpenTelemetry's names."""
STANDARD = frozenset({
    "android", "app", "artifact", "aws", "azure", "browser", "cassandra", "cicd", "client",
    "cloud", "cloudevents", "code", "container", "cpu", "cpython", "db", "deployment",
    "device", "disk", "dns", "elasticsearch", "enduser", "error", "event", "exception",
    "faas", "feature_flag", "file", "gcp", "gen_ai", "geo", "graphql", "host", "http", "hw",
    "jvm", "k8s", "linux", "log", "mcp", "messaging", "network", "nodejs", "oci",
    "opentracing", "os", "otel", "peer", "pool", "process", "profile", "python", "rpc",
    "server", "service", "session", "source", "system", "telemetry", "test", "thread", "tls",
    "url", "user", "user_agent", "vcs", "webengine",
})  # fmt: skip
"""Namespaces of OpenTelemetry's own: what stands in them is not a user's to declare."""
INSTRUMENTS = ("counter", "updowncounter", "gauge", "histogram")
SEVERITIES = ("debug", "info", "warning", "error", "critical", "emergency")
"""Of an event, rising; the values of `tradespan.severity`."""


class InvalidDeclaration(ValueError):
    """A file of the registry says something that it cannot mean; one line a mistake."""


class Place(NamedTuple):
    """Where something is declared."""

    file: str
    line: int = 0
    """From 1; 0: not known."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Member:
    """One well-known value of an attribute."""

    id: str
    value: str
    brief: str
    severity_number: int = 0
    """Of a severity: OpenTelemetry's SeverityNumber."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute as it is declared."""

    name: str
    type: str
    """`string`, `int`, `double`, `boolean`, `any`, `string[]`; `template[…]`: a name goes on."""
    brief: str
    stability: str
    note: str = ""
    examples: tuple[str | int | float | bool, ...] = ()
    members: tuple[Member, ...] = ()
    """Values that have a meaning; others may occur. Such an attribute is a string."""
    fix: Mapping[str, int] = field(default_factory=dict)
    """FIX fields that say the same, and their tags."""
    place: Place = field(default=Place(""), compare=False)

    @property
    def is_template(self) -> bool:
        """Whether the name goes on: `tradespan.args` with a parameter's name."""
        return self.type.startswith("template[")

    @property
    def value_type(self) -> str:
        """The type without `template[…]`."""
        return self.type.removeprefix("template[")[:-1] if self.is_template else self.type


@dataclass(frozen=True, slots=True)
class Reference:
    """An attribute as a span, an entity, an instrument or an event has it."""

    name: str
    requirement: str = "recommended"
    condition: str = ""
    role: str = ""
    """`identifying` or `descriptive`, in an entity."""
    place: Place = field(default=Place(""), compare=False)


class Field(NamedTuple):
    """A short name in an event's data, and the attribute that it is."""

    short: str
    name: str
    factor: float = 1.0
    """What the number under the short name is multiplied by to be the attribute's."""


@dataclass(frozen=True, slots=True)
class Alias:
    """Another name of an instrument or an event."""

    name: str
    prefix: str = ""
    """What stands before it, unless the user chooses another: `live_trading`."""
    factor: float = 1.0
    """What the instrument's number is multiplied by to be the alias'."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The alias' label → the attribute that it is."""
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Attributes whose value the alias implies: `trading.currency` = `USD`."""
    fields: tuple[Field, ...] = ()
    """Of an event's."""

    @property
    def whole(self) -> str:
        """The name with the prefix that it has by default."""
        return f"{self.prefix}_{self.name}" if self.prefix else self.name


@dataclass(frozen=True, slots=True)
class Group:
    """Attributes that belong together, a kind of span, an entity, an instrument, or an event."""

    id: str
    type: str
    brief: str
    title: str = ""
    name: str = ""
    """An entity's, an instrument's or an event's."""
    attributes: tuple[Attribute, ...] = ()
    references: tuple[Reference, ...] = ()
    instrument: str = ""
    unit: str = ""
    """An instrument's, by UCUM."""
    bounds: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets, in `unit`, rising."""
    aliases: tuple[Alias, ...] = ()
    severity: str = ""
    """An event's, one of `SEVERITIES`."""
    member: str = ""
    """An event's name as a member of `EventType`: `TRADE_FILLED`."""
    category: str = ""
    """An event's, in log lines: `order`, `risk`, `adapter` …"""
    audited: bool = False
    """Whether the event goes into the audit log."""
    fields: tuple[Field, ...] = ()
    """Short names in the event's data."""
    place: Place = field(default=Place(""), compare=False)
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)
    """Of its keys, where they are known."""

    def at(self, key: str) -> Place:
        """Where one of its keys stands; without it, where the group does."""
        return Place(self.place.file, self.lines.get(key, self.place.line))


@dataclass(frozen=True, slots=True)
class Registry:
    """All that is declared, in the files' order."""

    groups: tuple[Group, ...]

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """Every attribute, once."""
        return tuple(each for group in self.groups for each in group.attributes)

    def of_type(self, type_: str) -> tuple[Group, ...]:
        """The groups of one type: `attribute_group`, `span`, `entity`, `metric`, `event`."""
        return tuple(group for group in self.groups if group.type == type_)

    def find(self, name: str) -> Attribute | None:
        """The attribute of a name; None if it is not declared."""
        return next((each for each in self.attributes if each.name == name), None)
