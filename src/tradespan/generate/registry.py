"""The registry of names, read from `declare/registry/*.yaml` and checked.

Source: open-telemetry/weaver, schemas/semconv-syntax.md; of it, what our files use: attribute
groups, spans, entities and metrics. `annotations.fix` is ours: FIX field → its tag; so is
`annotations.bounds`: the buckets of a histogram.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from itertools import pairwise
from typing import Any, NoReturn

OURS = ("tradespan", "trading")
"""Namespaces that are declared here; a reference to any other is to OpenTelemetry's registry."""

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_STABILITIES = ("stable", "development", "alpha", "beta", "release_candidate")
_INSTRUMENTS = ("counter", "updowncounter", "gauge", "histogram")
_REQUIREMENTS = ("required", "recommended", "conditionally_required", "opt_in")
_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "int": (int,),
    "double": (float, int),
    "boolean": (bool,),
    "any": (str, int, float, bool),
}


class InvalidDeclaration(ValueError):
    """A file of the registry says something that it cannot mean."""


@dataclass(frozen=True, slots=True)
class Member:
    """One well-known value of an attribute."""

    id: str
    value: str
    brief: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute as it is declared."""

    name: str
    type: str
    """`string`, `int`, `double`, `boolean`, `any`; `template[…]`: a name with one part more."""
    brief: str
    stability: str
    note: str = ""
    examples: tuple[str | int | float | bool, ...] = ()
    members: tuple[Member, ...] = ()
    """Values that have a meaning; others may occur. Such an attribute is a string."""
    fix: Mapping[str, int] = field(default_factory=dict)
    """FIX fields that say the same, and their tags."""

    @property
    def is_template(self) -> bool:
        """Whether the name goes on: `tradespan.args` with a parameter's name."""
        return self.type.startswith("template[")

    @property
    def value_type(self) -> str:
        """The type without `template[…]`."""
        return self.type.removeprefix("template[").removesuffix("]")


@dataclass(frozen=True, slots=True)
class Reference:
    """An attribute as a span or an entity has it."""

    name: str
    requirement: str = "recommended"
    condition: str = ""
    role: str = ""
    """`identifying` or `descriptive`, in an entity."""


@dataclass(frozen=True, slots=True)
class Group:
    """Attributes that belong together, a kind of span, an entity, or an instrument."""

    id: str
    type: str
    brief: str
    title: str = ""
    name: str = ""
    """An entity's or an instrument's."""
    attributes: tuple[Attribute, ...] = ()
    references: tuple[Reference, ...] = ()
    instrument: str = ""
    unit: str = ""
    """An instrument's, by UCUM."""
    bounds: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets, in `unit`, rising."""


@dataclass(frozen=True, slots=True)
class Registry:
    """All that is declared, in the files' order."""

    groups: tuple[Group, ...]

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """Every attribute, once."""
        return tuple(each for group in self.groups for each in group.attributes)

    def of_type(self, type_: str) -> tuple[Group, ...]:
        """The groups of one type: `attribute_group`, `span`, `entity`, `metric`."""
        return tuple(group for group in self.groups if group.type == type_)

    def find(self, name: str) -> Attribute | None:
        """The attribute of a name; None if it is not ours."""
        return next((each for each in self.attributes if each.name == name), None)


def load_registry() -> Registry:
    """The registry that this package declares."""
    yaml: Any = importlib.import_module("yaml")  # optional extra
    folder = resources.files("tradespan.declare").joinpath("registry")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name)
    # Attributes stand in the files of their namespaces, what refers to them in another one.
    return read_registry({f.name: yaml.safe_load(f.read_text(encoding="utf-8")) for f in files})


def read_registry(files: Mapping[str, object]) -> Registry:
    """The registry of some files' content.

    Args:
        files: File name → its content, parsed.

    Raises:
        InvalidDeclaration: A key, a type, an example or a reference is wrong; the message names
            the place.
    """
    groups: list[Group] = []
    for name, content in files.items():
        table = _Table(content, name)
        groups += [_read_group(each) for each in table.tables("groups")]
        table.finish()
    registry = Registry(tuple(groups))
    _check_names(registry)
    return registry


class _Table:
    """One mapping of a file: each key is taken once, and what is left over is unknown."""

    def __init__(self, content: object, place: str) -> None:
        self.place = place
        if not isinstance(content, Mapping):
            self.refuse("is no table")
        self._left = dict(content)

    def refuse(self, reason: str) -> NoReturn:
        raise InvalidDeclaration(f"{self.place}: {reason}")

    def take(self, key: str, default: Any = None) -> Any:
        return self._left.pop(key, default)

    def text(self, key: str, default: str | None = None) -> str:
        """A text, required without a default; line breaks of the file are spaces."""
        text = self.take(key, default)
        if not isinstance(text, str) or text.strip() == "" != default:
            self.refuse(f"{key} is missing, or no text")
        return " ".join(text.split())

    def word(self, key: str, words: Sequence[str]) -> str:
        word = self.take(key)
        if word not in words:
            self.refuse(f"{key} is {word!r}, not one of {', '.join(words)}")
        return str(word)

    def tables(self, key: str, *, needed: bool = True) -> Iterator[_Table]:
        items = self.take(key)
        if items is None and not needed:
            return
        if not isinstance(items, list) or not items:
            self.refuse(f"{key} is missing, or no list")
        for number, item in enumerate(items):
            label = item.get("id", item.get("ref")) if isinstance(item, Mapping) else None
            yield _Table(item, f"{self.place}: {label or f'{key}[{number}]'}")

    def finish(self) -> None:
        if self._left:
            self.refuse(f"unknown: {', '.join(self._left)}")


def _read_group(table: _Table) -> Group:
    type_ = table.word("type", ("attribute_group", "span", "entity", "metric"))
    if type_ == "metric":
        return _read_metric(table)
    if type_ != "attribute_group":
        table.word("stability", _STABILITIES)
    if type_ == "span":
        table.word("span_kind", ("client", "server", "producer", "consumer", "internal"))
    members = list(table.tables("attributes"))
    registers = type_ == "attribute_group"
    group = Group(
        id=table.text("id"),
        type=type_,
        brief=table.text("brief"),
        title=table.text("display_name") if registers else "",
        name=table.text("name") if type_ == "entity" else "",
        attributes=tuple(map(_read_attribute, members)) if registers else (),
        references=() if registers else tuple(map(_read_reference, members)),
    )
    table.finish()
    return group


def _read_metric(table: _Table) -> Group:
    table.word("stability", _STABILITIES)
    group = Group(
        id=table.text("id"),
        type="metric",
        brief=table.text("brief"),
        name=table.text("metric_name"),
        references=tuple(map(_read_reference, table.tables("attributes", needed=False))),
        instrument=table.word("instrument", _INSTRUMENTS),
        unit=table.text("unit"),
        bounds=_read_bounds(table),
    )
    table.finish()
    if group.id != f"metric.{group.name}" or group.name.partition(".")[0] not in OURS:
        table.refuse("the id is `metric.` and the name, which begins with a namespace of ours")
    if bool(group.bounds) != (group.instrument == "histogram"):
        table.refuse("annotations.bounds belong to a histogram, and to nothing else")
    return group


def _read_bounds(table: _Table) -> tuple[float, ...]:
    annotations = _Table(table.take("annotations", {}), table.place)
    bounds = annotations.take("bounds", [])
    annotations.finish()
    if not isinstance(bounds, list) or not all(isinstance(bound, float) for bound in bounds):
        table.refuse("annotations.bounds is no list of doubles")
    if any(bound <= before for before, bound in pairwise(bounds)):
        table.refuse("annotations.bounds do not rise")
    return tuple(bounds)


def _read_attribute(table: _Table) -> Attribute:
    raw = table.take("type")
    members = _read_members(_Table(raw, table.place)) if isinstance(raw, Mapping) else ()
    attribute = Attribute(
        name=table.text("id"),
        type="string" if members else str(raw),
        brief=table.text("brief"),
        stability=table.word("stability", _STABILITIES),
        note=table.text("note", ""),
        examples=tuple(table.take("examples", ())),
        members=members,
        fix=_read_fix(table),
    )
    table.finish()
    _check_attribute(attribute, table)
    return attribute


def _read_members(table: _Table) -> tuple[Member, ...]:
    members = []
    for each in table.tables("members"):
        each.word("stability", _STABILITIES)
        members.append(Member(each.text("id"), each.text("value"), each.text("brief")))
        each.finish()
    table.finish()
    for column in ([member.id for member in members], [member.value for member in members]):
        if len(set(column)) < len(column):
            table.refuse("two members with one id or value")
    return tuple(members)


def _read_fix(table: _Table) -> Mapping[str, int]:
    annotations = _Table(table.take("annotations", {}), table.place)
    fix = annotations.take("fix", {})
    annotations.finish()
    if not isinstance(fix, Mapping) or not all(isinstance(tag, int) for tag in fix.values()):
        table.refuse("annotations.fix is no table of FIX fields and their tags")
    return dict(fix)


def _read_reference(table: _Table) -> Reference:
    level = table.take("requirement_level", "recommended")
    condition = ""
    if isinstance(level, Mapping) and len(level) == 1:
        ((level, condition),) = level.items()
    if level not in _REQUIREMENTS or (level == "conditionally_required") > bool(condition):
        table.refuse(f"requirement_level is {level!r}")
    reference = Reference(table.text("ref"), str(level), str(condition), table.text("role", ""))
    table.finish()
    return reference


def _check_attribute(attribute: Attribute, table: _Table) -> None:
    if not _NAME.fullmatch(attribute.name) or attribute.name.partition(".")[0] not in OURS:
        table.refuse("a name is lower case and dotted, and begins with a namespace of ours")
    types = _PYTHON_TYPES.get(attribute.value_type)
    if types is None:
        table.refuse(f"type is {attribute.type!r}, not one of {', '.join(_PYTHON_TYPES)}")
    if not attribute.examples and not attribute.members and attribute.value_type != "boolean":
        table.refuse("examples are missing")
    for example in attribute.examples:
        if not isinstance(example, types) or (isinstance(example, bool) and bool not in types):
            table.refuse(f"the example {example!r} is no {attribute.value_type}")


def _check_names(registry: Registry) -> None:
    declared = [attribute.name for attribute in registry.attributes]
    for kind, names in (("attribute", declared), ("group", [g.id for g in registry.groups])):
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InvalidDeclaration(f"declared twice, the {kind} {', '.join(twice)}")
    for name in declared:
        # A backend that nests names cannot hold a value where it needs an object.
        if inside := [other for other in declared if other.startswith(f"{name}.")]:
            raise InvalidDeclaration(f"{name} is an attribute and the namespace of {inside[0]}")
    for group in registry.groups:
        for reference in group.references:
            if reference.name.partition(".")[0] in OURS and reference.name not in declared:
                raise InvalidDeclaration(f"{group.id}: there is no attribute {reference.name}")
