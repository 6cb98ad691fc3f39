"""Attributes taken out of a call by paths: `trading.symbol` from `args.order.symbol`.

A path goes by attribute, mapping key or index, whichever the value has. A step that is not there
gives no attribute; one that fails costs its own field and nothing else. A path through a name that
says secret (`args.password`) gives the marker.
"""

from __future__ import annotations

import datetime
import enum
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final

from tradespan.capture.arguments import Pick, Signature
from tradespan.capture.redact import MARK, is_sensitive, redact_and_cut
from tradespan.capture.serialize import smart
from tradespan.config import (
    Converted,
    FieldSource,
    FromArguments,
    FromResult,
    FromSelf,
    MapRule,
    word_of,
)
from tradespan.core import guard
from tradespan.core.interruptions import is_hosts
from tradespan.declare.attributes import ATTRIBUTES
from tradespan.instrument.options import Field
from tradespan.instrument.span import Span

ABSENT: Final = object()
"""At the end of a path that leads nowhere."""
_MOST = 1 << 63
_LENGTH = 1_000


def follow(value: Any, path: Sequence[str]) -> Any:
    """The value at the end of a path, or `ABSENT`."""
    for step in path:
        value = _step(value, step)
        if value is ABSENT:
            break
    return value


def _step(value: Any, step: str) -> Any:
    number = int(step) if step.lstrip("-").isdecimal() else None
    if isinstance(value, Mapping):
        if step in value:
            return value[step]
        return value[number] if number is not None and number in value else ABSENT
    if number is not None and isinstance(value, Sequence) and not isinstance(value, str):
        return value[number] if -len(value) <= number < len(value) else ABSENT
    return getattr(value, step, ABSENT)


def as_attribute(value: Any) -> Any:
    """A mapped value as an attribute: numbers as numbers, enums by value, the rest as text.

    `None` where there is nothing to record: no value, or a number that is none (NaN, infinity).
    """
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return redact_and_cut(str.__str__(value), _LENGTH)
    if isinstance(value, int):
        whole = int.__int__(value)
        return whole if -_MOST <= whole < _MOST else str(smart(whole))
    if isinstance(value, float | Decimal):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    return str(smart(value))


Convert = Callable[[Any], Any]
"""A value as an attribute; `None` where there is nothing to record."""
_EXACT = Context(prec=60, traps=[])
"""The host's own context may be short, and raise."""


def converter_of(field: Field) -> Convert:
    """What makes an attribute of a field's value."""
    values, factor = field.values, field.factor
    if values is not None:
        return lambda value: _translate(value, values)
    if factor is not None:
        declared = ATTRIBUTES.get(field.attribute)
        whole = declared is not None and declared.type == "int"
        return lambda value: _scale(value, factor, whole=whole)
    return as_attribute


def _translate(value: Any, values: Mapping[str, Any]) -> Any:
    """Looked up as TOML writes it, a whole number without its point; `*` is any other value."""
    if value is None:
        return values.get("none")
    shown = as_attribute(value)
    word = "" if shown is None else word_of(shown)
    return values[word] if word in values else values.get("*", shown)


def _scale(value: Any, factor: Decimal, *, whole: bool) -> Any:
    """A number, also one in a text, times the factor: the double or int nearest to the exact one.

    `whole`: the attribute is declared as an int.
    """
    if isinstance(value, enum.Enum):
        value = value.value
    if not isinstance(value, int | Decimal):  # these two may be longer than an attribute
        value = as_attribute(value)
    if value is None or isinstance(value, bool):
        return None
    exact = value if isinstance(value, Decimal) else _EXACT.create_decimal(str(value))
    scaled = _EXACT.multiply(exact, factor)
    if not scaled.is_finite():
        return None
    rounded = scaled.to_integral_value(ROUND_HALF_EVEN, _EXACT)
    is_whole = whole or (isinstance(value, int) and rounded == scaled)
    # Comparing needs no context, `abs` does.
    return as_attribute(int(rounded) if is_whole and -_MOST <= rounded < _MOST else scaled)


Miss = Callable[[str, str], object]
"""Told of an attribute that a call did not give, and why."""


def explain(value: Any, path: Sequence[str]) -> str:
    """Why there is nothing to record at the end of a path."""
    for step in path:
        if value is None:
            return f"it is None before {step!r}"
        found = _step(value, step)
        if found is ABSENT:
            return f"{type(value).__name__} has no {step!r}"
        value = found
    if isinstance(value, str):  # the text itself may be anybody's, and another one each time
        return "the text is no number"
    return "it is None" if value is None else f"{value} is no number to record"


def _say_raised(error: BaseException) -> str:
    return f"{type(error).__name__} was raised on the way"


class FieldCapture:
    """The fields of one function, split by when they can be read."""

    def __init__(self, fields: Sequence[Field], signature: Signature) -> None:
        self.literals = {field.attribute: field.literal for field in fields if field.source == "="}
        self._before: list[tuple[str, Pick, tuple[str, ...], Convert]] = []
        self._after: list[tuple[str, tuple[str, ...], Convert]] = []
        self.unknown: list[Field] = []
        """Fields that name a parameter which the function does not have."""
        for field in fields:
            if field.source == "=":
                continue
            if any(is_sensitive(step) for step in field.path):
                self.literals[field.attribute] = MARK
            elif field.source == "result":
                self._after.append((field.attribute, field.path, converter_of(field)))
            else:
                self._read_before(field, signature)

    def _read_before(self, field: Field, signature: Signature) -> None:
        name, path = ("self", field.path) if field.source == "self" else head(field.path)
        try:
            pick = signature.pick(name)
            self._before.append((field.attribute, pick, path, converter_of(field)))
        except KeyError:
            self.unknown.append(field)

    @property
    def reads_result(self) -> bool:
        """Whether there is anything to take from the result."""
        return bool(self._after)

    def before(self, span: Span, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Set what comes from literals, arguments and the receiver."""
        span.held = self.take(args, kwargs)

    def take(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], miss: Miss | None = None
    ) -> dict[str, Any]:
        """The same by attribute. `miss`: told of each that is not there, and why."""
        held: dict[str, Any] = dict(self.literals)
        for attribute, pick, path, convert in self._before:
            try:
                start = pick(args, kwargs)
                value = follow(start, path)
                if value is not ABSENT and (shown := convert(value)) is not None:
                    held[attribute] = shown
                elif miss is not None:
                    miss(attribute, explain(start, path))
            except (KeyError, IndexError):
                if miss is not None:
                    miss(attribute, "the call does not bring the parameter")
            except BaseException as error:  # noqa: BLE001 - a property of the user's may do anything
                if miss is None or is_hosts(error):
                    guard.report(f"mapped field {attribute}", error)
                else:
                    miss(attribute, _say_raised(error))
        if miss is not None:
            for field in self.unknown:
                miss(field.attribute, f"there is no parameter {field.path[0]!r}")
        return held

    def take_after(self, held: dict[str, Any], result: Any, miss: Miss) -> None:
        """Add what comes from the result."""
        for attribute, path, convert in self._after:
            try:
                value = follow(result, path)
                if value is not ABSENT and (shown := convert(value)) is not None:
                    held[attribute] = shown
                else:
                    miss(attribute, explain(result, path))
            except BaseException as error:
                if is_hosts(error):
                    raise
                miss(attribute, _say_raised(error))

    def after(self, span: Span, result: Any) -> None:
        """Set what comes from the result."""
        for attribute, path, convert in self._after:
            with guard.guarded(f"mapped field {attribute}"):
                value = follow(result, path)
                if value is not ABSENT and (shown := convert(value)) is not None:
                    span.set_attribute(attribute, shown)


def head(path: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """A path through an argument, as the parameter's name and the rest."""
    return (path[0], path[1:]) if path else ("", ())


def fields_of(rule: MapRule) -> list[Field]:
    """A `[[map]]` table's fields, as options of the functions that it names."""
    return [_as_field(attribute, source) for attribute, source in rule.fields.items()]


def _as_field(attribute: str, source: FieldSource) -> Field:
    if isinstance(source, Converted):
        plain = _as_field(attribute, source.source)
        return replace(plain, values=source.values, factor=_exact(source.factor))
    if isinstance(source, FromArguments):
        return Field(attribute, "args", (source.parameter, *source.steps))
    if isinstance(source, FromResult):
        return Field(attribute, "result", source.steps)
    if isinstance(source, FromSelf):
        return Field(attribute, "self", source.steps)
    return Field(attribute, "=", literal=source.value)


def _exact(factor: float | None) -> Decimal | None:
    return None if factor is None else Decimal(repr(factor))
