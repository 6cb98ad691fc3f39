"""What a registry keeps to beside its form: names, labels, units, and one name for one fact."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from tradespan.conventions.registry import OPENTELEMETRY, OURS, STANDARD, Group, Place, Registry
from tradespan.conventions.tables import Problem, hint
from tradespan.declare.wording import CURRENCY, UNIT_WORDS, is_id

_PART = r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*"
_NAME = re.compile(rf"{_PART}(?:\.{_PART})+")
_INSTRUMENT = re.compile(rf"{_PART}(?:\.[a-z0-9]+(?:_[a-z0-9]+)*)+")
CURRENCY_LABEL = "trading.currency"

_PREFIX = r"(?:[YZEPTGMkhdcmunpfazy]|da|[KMGT]i)?"
_ATOM = rf"(?:1|%|{_PREFIX}(?:s|By|bit|Hz|m|g|A|V|W|J|K|Cel|N|Pa|L)|min|h|d|wk|mo|a)"
_TERM = rf"(?:\d+|{_ATOM}|\[[^\[\]]+\])?(?:\{{[^{{}}]+\}})?"
_UNIT = re.compile(rf"/?{_TERM}(?:[./]{_TERM})*")

ABBREVIATIONS = {
    "acct": "account", "amt": "amount", "avg": "average", "calc": "calculated",
    "cfg": "configuration", "cnt": "count", "conf": "confidence", "conn": "connection",
    "cum": "cumulative", "cur": "current", "dur": "duration", "err": "error",
    "exec": "execution", "exp": "expected", "lat": "latency", "max": "maximum",
    "min": "minimum", "msg": "message", "num": "number", "ord": "order", "pct": "percent",
    "pos": "position", "prob": "probability", "px": "price", "qty": "quantity",
    "recv": "received", "rej": "rejected", "req": "request", "resp": "response",
    "ret": "return", "secs": "seconds", "strat": "strategy", "sym": "symbol", "tot": "total",
    "txn": "transaction", "util": "utilization", "val": "value", "vol": "volume",
}  # fmt: skip


def check_registry(
    registry: Registry, namespaces: Sequence[str], beside: Registry | None = None
) -> list[Problem]:
    """All that is wrong with a registry.

    Args:
        registry: What to check.
        namespaces: With which a name has to begin; empty: any but `tradespan`.
        beside: What is declared already; its names can be referred to, and are taken.
    """
    known = Registry((*(beside.groups if beside else ()), *registry.groups))
    problems = [
        *_check_names(registry, namespaces),
        *_check_repeated(registry, beside),
        *_check_nested(registry, known),
        *_check_references(registry, known),
    ]
    for group in registry.of_type("metric"):
        problems += _check_metric(group)
    problems += _check_aliases(registry, known)
    return sorted(problems, key=lambda problem: problem.place)


def is_unit(unit: str) -> bool:
    """Whether it is a unit by UCUM, as far as telemetry has them."""
    return bool(unit) and _UNIT.fullmatch(unit) is not None


def _check_names(registry: Registry, namespaces: Sequence[str]) -> Iterator[Problem]:
    for attribute in registry.attributes:
        yield from _check_name(attribute.name, _NAME, attribute.place, namespaces)
    for group in registry.groups:
        if group.type in ("metric", "event"):
            foreign = OPENTELEMETRY if group.type == "metric" and namespaces else ()
            pattern = _INSTRUMENT if group.type == "metric" else _NAME
            place = group.at("metric_name" if group.type == "metric" else "name")
            yield from _check_name(group.name, pattern, place, (*namespaces, *foreign))


def _check_name(
    name: str, pattern: re.Pattern[str], place: Place, namespaces: Sequence[str]
) -> Iterator[Problem]:
    if not pattern.fullmatch(name):
        yield Problem(place, name, "a name is lower case and dotted, such as desk.book.depth")
    first = name.partition(".")[0]
    if namespaces and first not in namespaces:
        ours = " or ".join(namespaces)
        yield Problem(place, name, f"a name begins with a namespace of ours, {ours}")
    if not namespaces and first == OURS[0]:
        yield Problem(place, name, "the namespace tradespan is tradespan's own; take one of yours")
    if not namespaces and first in STANDARD:
        reason = f"the namespace {first} is OpenTelemetry's; take one of yours"
        yield Problem(place, name, reason)
    for word in re.split(r"[._]", name):
        if full := ABBREVIATIONS.get(word):
            yield Problem(place, name, f"names are unabbreviated: {full} for {word}")


def _check_repeated(registry: Registry, beside: Registry | None) -> Iterator[Problem]:
    seen: dict[tuple[str, str], tuple[Place, str]] = {}
    for mine, each in ((False, beside), (True, registry)):
        if each is None:
            continue
        named = [("attribute", a.name, a.place, a.type) for a in each.attributes]
        named += [("group", g.id, g.place, g.instrument or g.type) for g in each.groups]
        named += [("event type", g.member, g.place, "") for g in each.of_type("event")]
        for kind, name, place, type_ in named:
            if mine and (kind, name) in seen:
                yield Problem(place, name, _say_taken(kind, type_, *seen[kind, name], beside))
            seen.setdefault((kind, name), (place, type_))


def _say_taken(
    kind: str, type_: str, first: Place, first_type: str, beside: Registry | None
) -> str:
    taken = f"declared twice, the {kind}: first in {first}"
    if first_type != type_:
        return f"{taken}, as {first_type}; here it is {type_}"
    if beside is not None and kind == "attribute":
        return f"{taken}; refer to it with ref"
    return taken


def _check_nested(registry: Registry, known: Registry) -> Iterator[Problem]:
    # A back end that nests names cannot hold a value where it needs an object.
    mine = {attribute.name: attribute.place for attribute in registry.attributes}
    names = {attribute.name for attribute in known.attributes}
    for name in sorted(names):
        parts = name.split(".")
        for outer in (".".join(parts[:count]) for count in range(1, len(parts))):
            if outer in names and (name in mine or outer in mine):
                place = mine.get(name) or mine[outer]
                yield Problem(place, "", f"{outer} is an attribute and the namespace of {name}")


def _check_references(registry: Registry, known: Registry) -> Iterator[Problem]:
    declared = {attribute.name for attribute in known.attributes}
    roots = {name.partition(".")[0] for name in declared} | set(OURS)
    for group in registry.groups:
        names = [reference.name for reference in group.references]
        for number, reference in enumerate(group.references):
            name = reference.name
            if name.partition(".")[0] in roots and name not in declared:
                near = hint(name, declared)
                yield Problem(reference.place, group.id, f"there is no attribute {name}{near}")
            if name in names[:number]:
                yield Problem(reference.place, group.id, f"{name} stands here twice")
        yield from _check_fields(group, names)


def _check_fields(group: Group, names: Sequence[str]) -> Iterator[Problem]:
    fields = [*group.fields, *(field for alias in group.aliases for field in alias.fields)]
    for field in fields:
        if field.name not in names:
            near = hint(field.name, names)
            reason = f"the field {field.short} is {field.name}, which the event has not{near}"
            yield Problem(group.at("annotations"), group.id, reason)


def _check_metric(group: Group) -> Iterator[Problem]:
    name = group.name
    unit, named = group.at("unit"), group.at("metric_name")
    if not is_unit(group.unit):
        word = UNIT_WORDS.get(group.unit)
        near = f"; did you mean {word}?" if word else ""
        yield Problem(unit, name, f"unit is {group.unit!r}, none by UCUM{near}")
    elif re.fullmatch(r"\{(?:[A-Z]{3,4}|usd|eur)\}", group.unit):
        reason = f"unit is {group.unit!r}: money has the unit {CURRENCY}, its currency is a label"
        yield Problem(unit, name, reason)
    if group.instrument == "counter" and re.search(r"[._]total$", name):
        reason = "a counter's name does not end with total: Prometheus adds that"
        yield Problem(named, name, reason)
    if re.search(r"[._](seconds|milliseconds|ms|usd|cents)$", name):
        yield Problem(named, name, "the unit stands in `unit`, not in the name")
    yield from _check_labels(group)


def _check_labels(group: Group) -> Iterator[Problem]:
    name = group.name
    labels = [reference.name for reference in group.references]
    for reference in group.references:
        if is_id(reference.name):
            reason = f"{reference.name} is an id, and ids never become labels"
            yield Problem(reference.place, name, reason)
    if group.unit == CURRENCY and CURRENCY_LABEL not in labels:
        yield Problem(
            group.at("unit"), name, f"an instrument of money has the label {CURRENCY_LABEL}"
        )
    for alias in group.aliases:
        for label in (*alias.labels.values(), *alias.fixed):
            if label not in labels:
                near = hint(label, labels)
                reason = f"the alias {alias.name} has the label {label}, the instrument not{near}"
                yield Problem(group.at("annotations"), name, reason)


def _check_aliases(registry: Registry, known: Registry) -> Iterator[Problem]:
    taken: dict[tuple[str, str, str], str] = {}
    mine = {id(group) for group in registry.groups}
    for group in known.groups:
        names: Iterable[tuple[str, str]] = ((alias.prefix, alias.name) for alias in group.aliases)
        for prefix, name in names:
            key = (group.type, prefix, name)
            if key in taken and id(group) in mine:
                reason = f"the alias {name} is one of {taken[key]} already"
                yield Problem(group.at("annotations"), group.name, reason)
            taken.setdefault(key, group.name)
