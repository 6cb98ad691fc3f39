r"""`[[instrument]]` and `[[map]]` tables of the settings file, as checked rules.

    [[instrument]]                              [[map]]
    pattern = 'bot\.strategy\..*'             function = 'bot\.execution\.submit'
    sample_rate = 0.1                           signal = "order"
    min_duration = "1ms"                        [map.fields]
    capture = { args = true, result = false }   client_id = "args.order.cl_ord_id"
                                                side = "=buy"

A field's path starts with `args.NAME` (an argument, by its parameter's name), `result` or `self`
and goes on with attributes or keys, each after a dot; after `=` stands a literal text, and a
number or a boolean is a literal too. A program's own words and units are told in a table:

    side = { from = "args.order.side", values = { B = "buy", S = "sell" } }
    price = { from = "args.order.ticks", factor = 0.01 }

and `when = { "args.message.kind" = "fill" }` of a table says which calls it is about.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from tradespan.config.entries import Entry, Layers, find_near
from tradespan.config.kinds import (
    BOOLEAN,
    SERIALIZER,
    TEXT,
    Kind,
    Place,
    duration,
    flatten_table,
    integer,
    number,
    shorten,
)
from tradespan.config.redaction import NAMES
from tradespan.core.errors import InvalidPattern, InvalidSetting, UnknownSetting


class FromArguments(NamedTuple):
    """`args.order.cl_ord_id`: a parameter's name, and the way on from its value."""

    parameter: str
    steps: tuple[str, ...] = ()


class FromResult(NamedTuple):
    """`result.order_id`: the way on from what the function returned."""

    steps: tuple[str, ...] = ()


class FromSelf(NamedTuple):
    """`self.venue`: the way on from the method's object."""

    steps: tuple[str, ...] = ()


class Literal(NamedTuple):
    """`=buy`: the value itself."""

    value: str | bool | int | float


class Converted(NamedTuple):
    """`{ from = "args.order.side", values = { B = "buy" } }`: a value in other words or units."""

    source: FromArguments | FromResult | FromSelf
    values: Mapping[str, str | bool | int | float] | None = None
    """The program's word → the one that is meant; `*` is any other, which else stays as it is."""
    factor: int | float | None = None
    """What its number is multiplied by, as the decimal that it prints as."""


FieldSource = FromArguments | FromResult | FromSelf | Literal | Converted


class Condition(NamedTuple):
    """`"args.message.kind" = ["fill", "partial"]`: what a call has that a table is about."""

    source: FromArguments | FromResult | FromSelf
    words: tuple[str, ...]
    """Values as text; `*` is any, `none` is None."""


class InstrumentRule(NamedTuple):
    """Options for the functions that one pattern selects; None: as the settings say."""

    pattern: re.Pattern[str]
    process_group: str | None
    sample_rate: float | None
    """Share of calls that are recorded, 0 to 1."""
    capture: Mapping[str, bool]
    """What is said of `args`, `result`, `locals` and `source`."""
    min_duration: float | None
    """Seconds; shorter calls are not recorded, unless they fail."""
    slow: float | None
    """Seconds from which a call is recorded though sampling passed it over."""
    durable: bool | None
    max_repr: int | None
    """Characters of one recorded value."""
    serializer: str | None
    """`smart`, `repr`, `json`, or the dotted name of a function of the value."""
    sensitive_fields: tuple[str, ...] | None
    objective: Mapping[str, float] | None
    """What the function promises: `success`, a share, and `latency`, in seconds."""
    metrics: bool | None
    origin: str


class MapRule(NamedTuple):
    """What a call of the functions that one pattern selects means."""

    function: re.Pattern[str]
    signal: str
    """Dotted lower-case name, such as `order` or `order.fill`."""
    fields: Mapping[str, FieldSource]
    """Attribute → where its value is found."""
    events: bool
    """Whether its calls are events, beside what they count."""
    when: tuple[Condition, ...]
    """All that a call has to meet; without any, all calls do."""
    origin: str


Rule = TypeVar("Rule")


def read_rules(name: str, read: Callable[[Entry, Layers], Rule], layers: Layers) -> Iterator[Rule]:
    """The rules of all `[[name]]` tables, in the file's order.

    Raises:
        ConfigurationError: As `read` does.
    """
    heading = re.compile(rf"{name}\[\d+\]")
    for key in layers.entries:
        if heading.fullmatch(key):
            yield read(layers.find(key)[0], layers)


class _Fields:
    """The fields of one table, each read once, with errors that name its place."""

    def __init__(self, table: Entry, layers: Layers) -> None:
        self._key = table.key
        self._raw = dict(table.raw) if isinstance(table.raw, Mapping) else {}
        self._origin = table.origin
        self._layers = layers

    def origin(self, name: str) -> str:
        """Where it stands; of a table, where the first of its fields does."""
        full = f"{self._key}.{name}"
        if entries := self._layers.find(full):
            return entries[0].origin
        for key, inside in self._layers.entries.items():
            if key.startswith(f"{full}."):
                return inside[0].origin.removesuffix(key.removeprefix(full))
        return f"{self._origin}.{name}"

    def refuse_unknown(self, known: tuple[str, ...]) -> None:
        for name in self._raw:
            if name not in known:
                near = find_near(name, known)
                raise UnknownSetting(f"{self._key}.{name}", self.origin(name), near)

    def refuse_unknown_in(
        self, table: str, raw: Mapping[str, object], known: tuple[str, ...]
    ) -> None:
        for name in raw:
            if name not in known:
                near = find_near(name, known)
                raise UnknownSetting(f"{table}.{name}", self.origin(f"{table}.{name}"), near)

    @property
    def place(self) -> Place:
        return self._layers.place

    def raw(self, name: str) -> object:
        return self._raw.get(name)

    def read(self, name: str, kind: Kind) -> Any:
        """The value of a field, None if it is not there."""
        if name not in self._raw:
            return None
        try:
            return kind.parse(self._raw[name], self._layers.place)
        except ValueError:
            raise self.invalid(name, self._raw[name], kind.accepts) from None

    def invalid(self, name: str, value: object, accepts: str) -> InvalidSetting:
        given = "(none)" if value is None else shorten(value)
        return InvalidSetting(f"{self._key}.{name}", self.origin(name), given, accepts)

    def pattern(self, name: str) -> re.Pattern[str]:
        raw = self._raw.get(name)
        if not isinstance(raw, str) or not raw:
            raise self.invalid(name, raw, "a regular expression")
        try:
            return re.compile(raw)
        except re.error as error:
            key, origin = f"{self._key}.{name}", self.origin(name)
            raise InvalidPattern(raw, error.msg, error.pos, key, origin) from None

    def table(self, name: str) -> Mapping[str, object]:
        raw = self._raw.get(name, {})
        if not isinstance(raw, Mapping):
            raise self.invalid(name, raw, "a table")
        return raw


def read_instrument_rule(table: Entry, layers: Layers) -> InstrumentRule:
    """One `[[instrument]]` table.

    Args:
        table: The table's entry, `instrument[0]`.
        layers: All entries; those of the table's fields know their lines.

    Raises:
        ConfigurationError: A field is unknown, missing or not accepted.
    """
    fields = _Fields(table, layers)
    fields.refuse_unknown(("pattern", *_OPTIONS, "capture", "objective"))
    return InstrumentRule(
        pattern=fields.pattern("pattern"),
        **{name: fields.read(name, kind) for name, kind in _OPTIONS.items()},
        capture=_read_capture(fields),
        objective=_read_objective(fields),
        origin=table.origin,
    )


_OPTIONS: Mapping[str, Kind] = {
    "process_group": TEXT,
    "sample_rate": number(0, 1),
    "min_duration": duration(0),
    "slow": duration(0),
    "durable": BOOLEAN,
    "max_repr": integer(1, 1_000_000),
    "serializer": SERIALIZER,
    "sensitive_fields": NAMES,
    "metrics": BOOLEAN,
}
"""Those of a table that are one value each, as `@monitor` has them."""
_CAPTURED = ("args", "result", "locals", "source")
_PROMISED: Mapping[str, Kind] = {"success": number(0, 1), "latency": duration(0)}


def _read_capture(fields: _Fields) -> Mapping[str, bool]:
    """`capture = { args = true, result = false }`, or one boolean for both."""
    raw = fields.raw("capture")
    if raw is None:
        return {}
    if isinstance(raw, bool):
        return {"args": raw, "result": raw}
    accepts = f"true, false, or a table of booleans with {', '.join(_CAPTURED)}"
    if not isinstance(raw, Mapping) or not all(isinstance(raw[name], bool) for name in raw):
        raise fields.invalid("capture", raw, accepts)
    fields.refuse_unknown_in("capture", raw, _CAPTURED)
    return dict(raw)


def _read_objective(fields: _Fields) -> Mapping[str, float] | None:
    """`objective = { success = 0.999, latency = "50ms" }`."""
    raw = fields.raw("objective")
    if raw is None:
        return None
    if not isinstance(raw, Mapping) or not raw:
        raise fields.invalid("objective", raw, "a table of success and latency")
    fields.refuse_unknown_in("objective", raw, tuple(_PROMISED))
    read = {}
    for name, value in raw.items():
        accepts = _PROMISED[name].accepts
        try:
            read[name] = _PROMISED[name].parse(value, fields.place)
        except ValueError:
            raise fields.invalid(f"objective.{name}", value, accepts) from None
        if not read[name]:
            raise fields.invalid(f"objective.{name}", value, f"{accepts}, above 0")
    return read


_SIGNAL = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_PATH = re.compile(r"(args\.[^\W\d]\w*|result|self)((?:\.\w+)*)")


def read_map_rule(table: Entry, layers: Layers) -> MapRule:
    """One `[[map]]` table; arguments and errors as of `read_instrument_rule`."""
    fields = _Fields(table, layers)
    fields.refuse_unknown(("function", "signal", "fields", "events", "when"))
    signal = fields.raw("signal")
    if not isinstance(signal, str) or not _SIGNAL.fullmatch(signal):
        raise fields.invalid("signal", signal, "a lower-case name such as order or order.fill")
    sources = {
        name: _read_field(fields, f"fields.{name}", raw)
        for name, raw in _flatten_fields(fields.table("fields")).items()
    }
    events = fields.read("events", BOOLEAN) is not False
    function, when = fields.pattern("function"), _read_conditions(fields)
    return MapRule(function, signal, sources, events, when, table.origin)


def _read_conditions(fields: _Fields) -> tuple[Condition, ...]:
    """`when = { "args.message.kind" = "fill" }`."""
    if fields.raw("when") == {}:
        raise fields.invalid("when", {}, "a path and the value that it has to lead to")
    conditions = []
    for path, raw in flatten_table(fields.table("when")).items():
        source = parse_field_source(path)
        if source is None or isinstance(source, Literal | Converted):
            raise fields.invalid(f"when.{path}", path, _SOURCE_FORM)
        values = raw if isinstance(raw, list) else [raw]
        if not values or not all(isinstance(value, str | bool | int | float) for value in values):
            accepts = "a text, a number or a truth value, or a list of them"
            raise fields.invalid(f"when.{path}", raw, accepts)
        conditions.append(Condition(source, tuple(map(word_of, values))))
    return tuple(conditions)


def word_of(value: str | bool | float) -> str:
    """A value as text, as TOML writes it; a whole number without its point."""
    if isinstance(value, bool):
        return "true" if value else "false"
    is_whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if is_whole else value)


_CONVERTED = ("from", "values", "factor")
"""Keys that make a table a field with its source, and no further names of attributes."""
_SOURCE_FORM = "args.NAME, result or self, each with .attribute parts"


def _flatten_fields(table: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """As `flatten_table` does, but for the tables that are sources."""
    flat: dict[str, object] = {}
    for key, value in table.items():
        if isinstance(value, Mapping) and not any(each in _CONVERTED for each in value):
            flat |= _flatten_fields(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _read_field(fields: _Fields, name: str, raw: object) -> FieldSource:
    if isinstance(raw, Mapping):
        return _read_converted(fields, name, raw)
    source = parse_field_source(raw)
    if source is None:
        raise fields.invalid(name, raw, f"{_SOURCE_FORM}, or =text")
    return source


def _read_converted(fields: _Fields, name: str, raw: Mapping[str, object]) -> Converted:
    """`{ from = "args.order.side", values = { B = "buy", S = "sell" } }`."""
    fields.refuse_unknown_in(name, raw, _CONVERTED)
    values, factor = raw.get("values"), raw.get("factor")
    if "from" not in raw or (values in (None, {})) == (factor is None):
        raise fields.invalid(name, raw, "a path in from, with either values or factor")
    source = parse_field_source(raw["from"])
    if source is None or isinstance(source, Literal | Converted):
        raise fields.invalid(f"{name}.from", raw["from"], _SOURCE_FORM)
    if values is not None:
        return Converted(source, values=_read_values(fields, f"{name}.values", values))
    if isinstance(factor, bool) or not isinstance(factor, int | float):
        factor = 0
    if not factor or not math.isfinite(factor):
        raise fields.invalid(f"{name}.factor", raw["factor"], "a number other than 0")
    return Converted(source, factor=factor)


def _read_values(fields: _Fields, name: str, raw: object) -> Mapping[str, str | bool | int | float]:
    if not isinstance(raw, Mapping) or not all(isinstance(key, str) for key in raw):
        raise fields.invalid(name, raw, 'a table such as { B = "buy", S = "sell" }')
    for key, value in raw.items():
        if not isinstance(value, str | bool | int | float) or value != value:  # noqa: PLR0124 - NaN
            raise fields.invalid(f"{name}.{key}", value, "a text, a number or a truth value")
    return dict(raw)


def parse_field_source(raw: object) -> FieldSource | None:
    """Where a field's value is found; None if `raw` does not say so in the form above."""
    if isinstance(raw, bool | int | float):
        return Literal(raw)
    text = raw if isinstance(raw, str) else ""
    if text.startswith("="):
        return Literal(text[1:])
    match = _PATH.fullmatch(text)
    if match is None:
        return None
    root, steps = match[1], tuple(match[2].split(".")[1:])
    if parameter := root.removeprefix("args.") if root.startswith("args.") else "":
        return FromArguments(parameter, steps)
    return FromResult(steps) if root == "result" else FromSelf(steps)
