"""A filter's terms as conditions of a query: SQL from queries.sql, everything else a parameter.

Functions, groups, services and static attributes are few and shared by many spans, so they are
matched here, in Python, and reach SQLite as lists of row numbers.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, assert_never

from tradespan.core.records import AttributeValue
from tradespan.store.encode import from_json, to_json
from tradespan.store.filters import (
    Duration,
    Equals,
    Group,
    Name,
    Running,
    Service,
    Started,
    Status,
    Term,
    Word,
)
from tradespan.store.queries import QUERIES
from tradespan.wire.attributes import ARGUMENT_PREFIX, RESULT

RARE_SPANS = 5_000
"""Up to so many spans of the functions asked for are looked at before their traces."""

Value = int | float | str | bytes | bool | None

_TRACE_ID = re.compile(r"[0-9a-fA-F]{8,32}\Z")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")
_NO_TRACE = (b"\1", b"\0")
"""Bounds between which there is no id."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What stands after WHERE, with its parameters."""

    sql: str
    parameters: dict[str, Value]


class SiteFacts(NamedTuple):
    """A row of `site`."""

    id: int
    name: str
    process: str
    group: str
    attributes: dict[str, AttributeValue]
    parameters: list[str]


class ResourceFacts(NamedTuple):
    """A row of `resource`."""

    id: int
    service: str
    attributes: dict[str, AttributeValue]


class ConditionBuilder:
    """Collects the conditions of one query."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._parts: list[str] = []
        self._parameters: dict[str, Value] = {}
        self._since = 0

    def build(self, terms: Sequence[Term], before: tuple[int, int] | None = None) -> Condition:
        """All terms, and for the next page the row it begins after."""
        for term in terms:
            if isinstance(term, Started):
                self._since = term.since or 0
        for term in terms:
            self._add_term(term)
        if before is not None:
            self._add("where-before", start=before[0], id=before[1])
        return Condition(" AND ".join(self._parts) or "1", self._parameters)

    def _add(self, name: str, **values: Value) -> None:
        prefix = f"p{len(self._parts)}_"
        text = QUERIES[name].replace("{same}", QUERIES["same-value"])
        self._parts.append(text.replace(":this_", f":{prefix}"))
        self._parameters |= {prefix + key: value for key, value in values.items()}

    def _add_term(self, term: Term) -> None:
        match term:
            case Started(since, until):
                self._add_bounds({"since": since, "until": until})
            case Duration(minimum, maximum):
                self._add_bounds({"minimum": minimum, "maximum": maximum})
            case Status(failed):
                self._add("where-failed" if failed else "where-fine")
            case Running():
                self._add("where-running")
            case Name(pattern):
                search = re.compile(pattern).search
                self._add_sites(lambda site: bool(search(site.name) or search(site.process)))
            case Group(name):
                self._add_sites(lambda site: site.group == name)
            case Service(name):
                self._add_resources(name)
            case Word(text):
                self._add_word(text)
            case Equals(key, value):
                self._add_attribute(key, value)
            case _:
                assert_never(term)

    def _add_bounds(self, bounds: Mapping[str, int | None]) -> None:
        for name, bound in bounds.items():
            if bound is not None:
                self._add(f"where-{name}", **{name: bound})

    def _add_sites(self, matches: Callable[[SiteFacts], bool]) -> None:
        sites = to_json([site.id for site in self._sites if matches(site)])
        probe = {"sites": sites, "since": self._since, "limit": RARE_SPANS + 1}
        (spans,) = self._connection.execute(QUERIES["count-site-spans"], probe).fetchone()
        if spans <= RARE_SPANS:
            self._add("where-rare-sites", sites=sites, since=self._since)
        else:
            self._add("where-common-sites", sites=sites)

    def _add_resources(self, service: str) -> None:
        numbers = [resource.id for resource in self._resources if resource.service == service]
        self._add("where-resources", resources=to_json(numbers))

    def _add_word(self, text: str) -> None:
        wanted = text.lower()
        sites = [
            site.id
            for site in self._sites
            if wanted in site.name.lower() or wanted in site.process.lower()
        ]
        first, last = id_range(text) if _TRACE_ID.match(text) else _NO_TRACE
        self._add(
            "where-word",
            first=first,
            last=last,
            sites=to_json(sites),
            json=like(to_json(text)[1:-1]),
            text=like(text),
        )

    def _add_attribute(self, key: str, value: str) -> None:
        number = float(value) if _NUMBER.match(value) else None
        static = [site.id for site in self._sites if has_value(site.attributes, key, value)]
        resources = [r.id for r in self._resources if has_value(r.attributes, key, value)]
        takers = {site.id: named_parameters(site, key) for site in self._sites}
        self._add(
            "where-attribute",
            key=key,
            suffix="%" + like("." + key)[1:-1],
            value=value,
            number=number,
            spellings=to_json(spellings(value)),
            hint=like(to_json(value)[1:-1]) if has_one_spelling(value, number) else "%",
            key_hint=like(to_json(key)[1:-1] + '":'),
            sites=to_json(static),
            resources=to_json(resources),
            takers=to_json([number for number, names in takers.items() if names]),
            parameters=to_json(sorted({name for names in takers.values() for name in names})),
            is_result=ends_with(RESULT, key),
        )

    @cached_property
    def _sites(self) -> list[SiteFacts]:
        return [
            SiteFacts(number, name, process, group, from_json(attributes), from_json(parameters))
            for number, name, process, group, attributes, parameters in self._connection.execute(
                QUERIES["list-sites"]
            )
        ]

    @cached_property
    def _resources(self) -> list[ResourceFacts]:
        return [
            ResourceFacts(number, service, from_json(attributes))
            for number, service, attributes in self._connection.execute(QUERIES["list-resources"])
        ]


def ends_with(name: str, key: str) -> bool:
    """Whether an attribute's name is the key, or ends in it after a dot."""
    return name == key or name.endswith("." + key)


def has_value(attributes: Mapping[str, AttributeValue], key: str, value: str) -> bool:
    """Whether one of the attributes that the key stands for has the value."""
    return any(ends_with(name, key) and is_same(found, value) for name, found in attributes.items())


def is_same(found: AttributeValue, value: str) -> bool:
    """`same-value` of queries.sql, in Python."""
    if isinstance(found, bool):
        return value == ("true" if found else "false")
    if isinstance(found, int | float):
        return _NUMBER.match(value) is not None and found == float(value)
    return isinstance(found, str) and found in spellings(value)


def spellings(value: str) -> list[str]:
    """The texts that stand for a value: captured arguments are kept in the form of `repr`."""
    return [value, repr(value), f"Decimal({value!r})"]


def has_one_spelling(value: str, number: float | None) -> bool:
    """Whether the value's text stands in the JSON of everything that is equal to it.

    300 is in `300`, `300.0` and `Decimal('300')`, but 3e2 and 300.0 are not; very large and small
    numbers are written with exponents. A text is in its `repr` unless that escapes something.
    """
    if number is None:
        return repr(value)[1:-1] == value
    plain = str(int(number)) if number.is_integer() else repr(number)
    return value == plain and 1e-4 <= abs(number) < 1e15


def named_parameters(site: SiteFacts, key: str) -> list[str]:
    """The parameters that the key stands for: `symbol`, `args.symbol`, `tradespan.args.symbol`."""
    return [name for name in site.parameters if ends_with(ARGUMENT_PREFIX + name, key)]


def like(text: str) -> str:
    r"""A LIKE pattern (with ESCAPE '\') for texts that contain this one."""
    return "%" + re.sub(r"([\\%_])", r"\\\1", text) + "%"


def id_range(prefix: str) -> tuple[bytes, bytes]:
    """The first and the last trace id that begin with these hex digits."""
    return bytes.fromhex(prefix.ljust(32, "0")), bytes.fromhex(prefix.ljust(32, "f"))
