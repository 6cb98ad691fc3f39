"""From files in the schema of OpenTelemetry's semantic conventions to a `Registry`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from itertools import pairwise

from tradespan.conventions.registry import (
    INSTRUMENTS,
    OURS,
    SEVERITIES,
    Alias,
    Attribute,
    Field,
    Group,
    InvalidDeclaration,
    Member,
    Reference,
    Registry,
)
from tradespan.conventions.rules import check_registry
from tradespan.conventions.tables import Problem, Table, hint, parse_yaml

TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "int": (int,),
    "double": (float, int),
    "boolean": (bool,),
    "any": (str, int, float, bool),
    "string[]": (str,),
}
_GROUPS = ("attribute_group", "span", "entity", "metric", "event")
_STABILITIES = ("stable", "development", "alpha", "beta", "release_candidate")
_REQUIREMENTS = ("required", "recommended", "conditionally_required", "opt_in")
_KINDS = ("client", "server", "producer", "consumer", "internal")


def load_registry() -> Registry:
    """The registry that this package declares.

    Raises:
        InvalidDeclaration: One of its files is wrong.
        NoYaml: PyYAML is not installed.
    """
    folder = resources.files("tradespan.declare").joinpath("registry")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name)
    # Attributes stand in the files of their namespaces, what refers to them in another one.
    return read_registry({f.name: parse_yaml(f.read_text(encoding="utf-8")) for f in files})


def read_registry(files: Mapping[str, object]) -> Registry:
    """The registry of the content of some files of ours.

    Args:
        files: File name → its content, parsed.

    Raises:
        InvalidDeclaration: A key, a type, an example or a reference is wrong; the message names
            each place.
    """
    problems: list[Problem] = []
    registry = read_groups(files, problems)
    if not problems:
        problems += check_registry(registry, OURS)
    if problems:
        raise InvalidDeclaration("\n".join(map(str, problems)))
    return registry


def read_groups(files: Mapping[str, object], problems: list[Problem]) -> Registry:
    """What some files declare, as far as it can be read; the rest becomes problems."""
    groups: list[Group] = []
    for name, content in files.items():
        table = Table.of(content, name, "", problems)
        if isinstance(content, Mapping):
            groups += [_read_group(each) for each in table.tables("groups")]
            table.finish()
    return Registry(tuple(groups))


def _read_group(table: Table) -> Group:
    type_ = table.word("type", _GROUPS)
    group = {"metric": _read_metric, "event": _read_event}.get(type_, _read_plain)(table, type_)
    if type_ in _GROUPS:
        table.finish()
    return group


def _read_plain(table: Table, type_: str) -> Group:
    registers = type_ == "attribute_group"
    if not registers:
        table.word("stability", _STABILITIES)
    if type_ == "span":
        table.word("span_kind", _KINDS)
    members = list(table.tables("attributes"))
    return Group(
        id=table.text("id"),
        type=type_,
        brief=table.text("brief"),
        title=table.text("display_name") if registers else "",
        name=table.text("name") if type_ == "entity" else "",
        attributes=tuple(map(_read_attribute, members)) if registers else (),
        references=() if registers else tuple(map(_read_reference, members)),
        place=table.place(),
    )


def _read_metric(table: Table, type_: str) -> Group:
    table.word("stability", _STABILITIES)
    annotations = table.table("annotations")
    group = Group(
        id=table.text("id"),
        type=type_,
        brief=table.text("brief"),
        name=table.text("metric_name"),
        references=tuple(map(_read_reference, table.tables("attributes", needed=False))),
        instrument=table.word("instrument", INSTRUMENTS),
        unit=table.text("unit"),
        bounds=_read_bounds(annotations),
        aliases=tuple(map(_read_metric_alias, annotations.tables("aliases", needed=False))),
        place=table.place(),
        lines=table.lines,
    )
    annotations.finish()
    if group.name and group.id != f"metric.{group.name}":
        table.refuse(f"the id is `metric.` and the name: metric.{group.name}", "id")
    if bool(group.bounds) != (group.instrument == "histogram"):
        table.refuse("annotations.bounds belong to a histogram, and to nothing else", "annotations")
    return group


def _read_event(table: Table, type_: str) -> Group:
    table.word("stability", _STABILITIES)
    annotations = table.table("annotations")
    name = table.text("name")
    group = Group(
        id=table.text("id"),
        type=type_,
        brief=table.text("brief"),
        name=name,
        references=tuple(map(_read_reference, table.tables("attributes", needed=False))),
        severity=annotations.word("severity", SEVERITIES),
        member=annotations.text("type", name.replace(".", "_").upper()),
        category=annotations.text("category", ""),
        audited=annotations.take("audited", False) is True,
        fields=_read_fields(annotations),
        aliases=tuple(map(_read_event_alias, annotations.tables("aliases", needed=False))),
        place=table.place(),
        lines=table.lines,
    )
    annotations.finish()
    if name and group.id != f"event.{name}":
        table.refuse(f"the id is `event.` and the name: event.{name}", "id")
    if not group.member.isidentifier() or not group.member.isupper():
        annotations.refuse(f"type is {group.member!r}, no name in capitals", "type")
    return group


def _read_metric_alias(table: Table) -> Alias:
    alias = Alias(
        name=table.text("name"),
        prefix=table.text("prefix", ""),
        factor=table.number("factor", 1.0),
        labels=table.texts("labels"),
        fixed=table.texts("fixed"),
    )
    table.finish()
    return alias


def _read_event_alias(table: Table) -> Alias:
    alias = Alias(name=table.text("name"), fields=_read_fields(table))
    table.finish()
    return alias


def _read_fields(table: Table) -> tuple[Field, ...]:
    fields = table.table("fields")
    read = []
    for short, content in fields.content.items():
        if isinstance(content, str):
            read.append(Field(str(short), content))
            continue
        inner = Table.of(
            content, table.file, f"{table.path}: {short}", table.problems, fields.place(short).line
        )
        read.append(Field(str(short), inner.text("ref"), inner.number("factor", 1.0)))
        inner.finish()
    return tuple(read)


def _read_bounds(annotations: Table) -> tuple[float, ...]:
    bounds = annotations.take("bounds", [])
    if not isinstance(bounds, list) or not all(isinstance(bound, float) for bound in bounds):
        annotations.refuse("annotations.bounds is no list of doubles, such as 1.0", "bounds")
        return ()
    for before, bound in pairwise(bounds):
        if not bound > before:
            annotations.refuse(
                f"annotations.bounds do not rise: {bound!r} after {before!r}", "bounds"
            )
            break
    return tuple(bounds)


def _read_attribute(table: Table) -> Attribute:
    raw = table.take("type")
    members = _read_members(table.table("type")) if isinstance(raw, Mapping) else ()
    examples = table.take("examples", ())
    if not isinstance(examples, list | tuple):
        table.refuse("examples is no list", "examples")
        examples = ()
    attribute = Attribute(
        name=table.text("id"),
        type="string" if isinstance(raw, Mapping) else str(raw),
        brief=table.text("brief"),
        stability=table.word("stability", _STABILITIES),
        note=table.text("note", ""),
        examples=tuple(examples),
        members=members,
        fix=_read_fix(table.table("annotations")),
        place=table.place(),
    )
    table.finish()
    _check_type(attribute, table)
    return attribute


def _read_members(table: Table) -> tuple[Member, ...]:
    members = []
    for each in table.tables("members"):
        each.word("stability", _STABILITIES)
        annotations = each.table("annotations")
        number = annotations.take("severity_number", 0)
        annotations.finish()
        members.append(Member(each.text("id"), each.text("value"), each.text("brief"), int(number)))
        each.finish()
    table.finish()
    for column in ([member.id for member in members], [member.value for member in members]):
        if len(set(column)) < len(column):
            table.refuse("two members with one id or value")
    return tuple(members)


def _read_fix(annotations: Table) -> Mapping[str, int]:
    fix = annotations.take("fix", {})
    annotations.finish()
    if not isinstance(fix, Mapping) or not all(isinstance(tag, int) for tag in fix.values()):
        annotations.refuse("annotations.fix is no table of FIX fields and their tags", "fix")
        return {}
    return dict(fix)


def _read_reference(table: Table) -> Reference:
    level = table.take("requirement_level", "recommended")
    condition = ""
    if isinstance(level, Mapping) and len(level) == 1:
        ((level, condition),) = level.items()
    if level not in _REQUIREMENTS or (level == "conditionally_required") > bool(condition):
        near = hint(level, _REQUIREMENTS)
        table.refuse(f"requirement_level is {level!r}{near}", "requirement_level")
    reference = Reference(
        table.text("ref"), str(level), str(condition), table.text("role", ""), table.place()
    )
    table.finish()
    return reference


def _check_type(attribute: Attribute, table: Table) -> None:
    types = TYPES.get(attribute.value_type)
    if types is None:
        near = hint(attribute.value_type, TYPES)
        table.refuse(f"type is {attribute.type!r}, not one of {', '.join(TYPES)}{near}", "type")
        return
    if not attribute.examples and not attribute.members and attribute.value_type != "boolean":
        table.refuse("examples are missing")
    for example in attribute.examples:
        if not isinstance(example, types) or (isinstance(example, bool) and bool not in types):
            table.refuse(f"the example {example!r} is no {attribute.value_type}", "examples")
