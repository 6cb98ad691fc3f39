r"""`[[instrument]]` and `[[map]]` tables of the settings file, as checked rules.

    [[instrument]]                              [[map]]
    pattern = 'bot\.strategy\..*'             function = 'bot\.execution\.submit'
    sample_rate = 0.1                           signal = "order"
    min_duration = "1ms"                        [map.fields]
    capture = { args = true, result = false }   client_id = "args.order.cl_ord_id"
                                                side = "=buy"

A field's path starts with `args.NAME` (an argument, by its parameter's name), `result` or `self`
and goes on with attributes or keys, each after a dot; after `=` stands a literal text, and a
number or a boolean is a literal too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from tradespan.config.entries import Entry, Layers, find_near
from tradespan.config.kinds import BOOLEAN, TEXT, Kind, duration, flatten_table, number, shorten
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


FieldSource = FromArguments | FromResult | FromSelf | Literal


class InstrumentRule(NamedTuple):
    """Options for the functions that one pattern selects; None: as the settings say."""

    pattern: re.Pattern[str]
    process_group: str | None
    sample_rate: float | None
    """Share of calls that are recorded, 0 to 1."""
    capture_args: bool | None
    capture_result: bool | None
    min_duration: float | None
    """Seconds; shorter calls are not recorded, unless they fail."""
    durable: bool
    origin: str


class MapRule(NamedTuple):
    """What a call of the functions that one pattern selects means."""

    function: re.Pattern[str]
    signal: str
    """Dotted lower-case name, such as `order` or `order.fill`."""
    fields: Mapping[str, FieldSource]
    """Attribute → where its value is found."""
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
        entries = self._layers.find(f"{self._key}.{name}")
        return entries[0].origin if entries else f"{self._origin}.{name}"

    def refuse_unknown(self, known: tuple[str, ...]) -> None:
        for name in self._raw:
            if name not in known:
                near = find_near(name, known)
                raise UnknownSetting(f"{self._key}.{name}", self.origin(name), near)

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

    def table(self, name: str) -> dict[str, object]:
        raw = self._raw.get(name, {})
        if not isinstance(raw, Mapping):
            raise self.invalid(name, raw, "a table")
        return flatten_table(raw)


def read_instrument_rule(table: Entry, layers: Layers) -> InstrumentRule:
    """One `[[instrument]]` table.

    Args:
        table: The table's entry, `instrument[0]`.
        layers: All entries; those of the table's fields know their lines.

    Raises:
        ConfigurationError: A field is unknown, missing or not accepted.
    """
    fields = _Fields(table, layers)
    fields.refuse_unknown(
        ("pattern", "process_group", "sample_rate", "capture", "min_duration", "durable")
    )
    args, result = _read_capture(fields)
    return InstrumentRule(
        pattern=fields.pattern("pattern"),
        process_group=fields.read("process_group", TEXT),
        sample_rate=fields.read("sample_rate", number(0, 1)),
        capture_args=args,
        capture_result=result,
        min_duration=fields.read("min_duration", duration(0)),
        durable=bool(fields.read("durable", BOOLEAN)),
        origin=table.origin,
    )


def _read_capture(fields: _Fields) -> tuple[bool | None, bool | None]:
    """`capture = { args = true, result = false }`, or one boolean for both."""
    raw = fields.raw("capture")
    if raw is None or isinstance(raw, bool):
        return raw, raw
    accepts = "true, false, or a table of booleans with args and result"
    if not isinstance(raw, Mapping) or not all(isinstance(raw[name], bool) for name in raw):
        raise fields.invalid("capture", raw, accepts)
    for name in raw:
        if name not in ("args", "result"):
            near = find_near(name, ("args", "result"))
            raise UnknownSetting(f"capture.{name}", fields.origin(f"capture.{name}"), near)
    return raw.get("args"), raw.get("result")


_SIGNAL = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_PATH = re.compile(r"(args\.[^\W\d]\w*|result|self)((?:\.\w+)*)")


def read_map_rule(table: Entry, layers: Layers) -> MapRule:
    """One `[[map]]` table; arguments and errors as of `read_instrument_rule`."""
    fields = _Fields(table, layers)
    fields.refuse_unknown(("function", "signal", "fields"))
    signal = fields.raw("signal")
    if not isinstance(signal, str) or not _SIGNAL.fullmatch(signal):
        raise fields.invalid("signal", signal, "a lower-case name such as order or order.fill")
    sources = {}
    for name, raw in fields.table("fields").items():
        source = parse_field_source(raw)
        if source is None:
            accepts = "args.NAME, result or self, each with .attribute parts, or =text"
            raise fields.invalid(f"fields.{name}", raw, accepts)
        sources[name] = source
    return MapRule(fields.pattern("function"), signal, sources, table.origin)


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
