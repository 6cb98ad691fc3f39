"""Attributes taken out of a call by paths: `trading.symbol` from `args.order.symbol`.

A path goes by attribute, mapping key or index, whichever the value has. A step that is not there
gives no attribute; it never gives an error.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from tradespan.config import FromArguments, FromResult, FromSelf, MapRule
from tradespan.core import guard
from tradespan.instrument.capture.arguments import Signature
from tradespan.instrument.capture.redact import redact_text
from tradespan.instrument.capture.serialize import smart
from tradespan.instrument.options import Field
from tradespan.instrument.span import Span

_ABSENT = object()
Pick = Callable[[tuple[Any, ...], dict[str, Any]], Any]


def follow(value: Any, path: Sequence[str]) -> Any:
    """The value at the end of a path, or `_ABSENT`."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step, _ABSENT)
        elif isinstance(value, (list, tuple)) and step.lstrip("-").isdigit():
            place = int(step)
            value = value[place] if -len(value) <= place < len(value) else _ABSENT
        else:
            value = getattr(value, step, _ABSENT)
        if value is _ABSENT:
            return _ABSENT
    return value


def as_attribute(value: Any) -> Any:
    """A mapped value as an attribute: numbers as numbers, enums by value, the rest as text."""
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, bool | int | float):
        return value
    return str(smart(value))


class FieldCapture:
    """The fields of one function, split by when they can be read."""

    def __init__(self, fields: Sequence[Field], signature: Signature) -> None:
        self.literals = {
            field.attribute: field.literal for field in fields if field.source == "="
        }
        self._before: list[tuple[str, Pick, tuple[str, ...]]] = []
        self._after = [
            (field.attribute, field.path) for field in fields if field.source == "result"
        ]
        self.unknown: list[Field] = []
        """Fields that name a parameter which the function does not have."""
        for field in fields:
            if field.source not in ("args", "self"):
                continue
            name, path = ("self", field.path) if field.source == "self" else _head(field.path)
            try:
                self._before.append((field.attribute, signature.pick(name), path))
            except KeyError:
                self.unknown.append(field)

    @property
    def reads_result(self) -> bool:
        """Whether there is anything to take from the result."""
        return bool(self._after)

    def before(self, span: Span, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Set what comes from literals, arguments and the receiver."""
        held = dict(self.literals)
        with guard.guarded("mapped field"):
            for attribute, pick, path in self._before:
                try:
                    value = follow(pick(args, kwargs), path)
                except (KeyError, IndexError):  # a parameter left to its default
                    continue
                if value is not _ABSENT and value is not None:
                    held[attribute] = as_attribute(value)
        span.held = held

    def after(self, span: Span, result: Any) -> None:
        """Set what comes from the result."""
        with guard.guarded("mapped field"):
            for attribute, path in self._after:
                value = follow(result, path)
                if value is not _ABSENT and value is not None:
                    span.set_attribute(attribute, as_attribute(value))


def _head(path: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    return (path[0], path[1:]) if path else ("", ())


def fields_of(rule: MapRule) -> list[Field]:
    """A `[[map]]` table's fields, as options of the functions that it names."""
    fields = []
    for attribute, source in rule.fields.items():
        if isinstance(source, FromArguments):
            fields.append(Field(attribute, "args", (source.parameter, *source.steps)))
        elif isinstance(source, FromResult):
            fields.append(Field(attribute, "result", source.steps))
        elif isinstance(source, FromSelf):
            fields.append(Field(attribute, "self", source.steps))
        else:
            fields.append(Field(attribute, "=", literal=source.value))
    return fields
