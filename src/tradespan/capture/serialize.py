"""A value as one short line, without calling the user's code.

Exact built-in types, dataclasses, models and enums are shown by content, known array types by
shape, all else as `<Type at 0x…>`: a property, `__repr__`, `__class__` or lazy frame of the user's
is never run here. So a type is told by `type(value)`, and content is read from the instance's own
`__dict__` and slots. Nothing is imported to recognise a type: the type's own module name tells.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import enum
import pathlib
import zoneinfo
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from types import MemberDescriptorType
from typing import Any
from uuid import UUID

from tradespan.capture.arrays import find_form, package_of, type_name
from tradespan.capture.names import MARK, Hides, hides_next, is_sensitive, text_hides
from tradespan.capture.redact import plain, redact_and_cut
from tradespan.core import native
from tradespan.core.interruptions import is_hosts

DEFAULT_LENGTH = 1_000
"""Characters kept of one value."""
_INNER_LENGTH = 200
"""Characters kept of a text inside another value."""
_MOST_KEYS = 2
_MOST_ITEMS = 3
_MOST_FIELDS = 12
_DEPTH = 3
_MOST = 1 << 63
_MOST_DECIMAL = 4_096
"""Bytes of a Decimal that is written out."""
_ABSENT = object()
_quote = None if native.module is None else native.module.quote
"""A text's `repr`, if nothing in it can be a secret; else None. In one pass, where C may do it."""


def smart(value: Any, length: int = DEFAULT_LENGTH) -> Any:
    """The value as it is recorded: numbers and booleans as such, everything else as a short text.

    `length`: characters kept of a text. Never raises: a value that cannot be read is `<Type>`. A
    number that JSON does not have (NaN, infinity, over 64 bits) is a text.
    """
    kind = type(value)
    if kind is float:
        return value if value - value == 0.0 else repr(value)
    if kind is bool or (kind is int and -_MOST <= value < _MOST):
        return value
    try:
        if kind is not str:
            return _cut(_show(value, length, _DEPTH, is_sensitive), length)
        if _quote is None:
            quoted = repr(value) if value in plain and len(value) <= length else None
        else:
            quoted = _quote(value, length)
        return _text(value, length, is_sensitive) if quoted is None else quoted
    except BaseException as error:
        if is_hosts(error):
            raise
        return f"<{type_name(kind)}>"


def smart_hiding(hides: Hides) -> Callable[[Any, int], Any]:
    """`smart` with other names hidden than the usual ones."""

    def show(value: Any, length: int = DEFAULT_LENGTH) -> Any:
        kind = type(value)
        if kind is float or kind is bool or kind is int:
            return smart(value, length)
        try:
            if kind is str:
                return _text(value, length, hides)
            return _cut(_show(value, length, _DEPTH, hides), length)
        except BaseException as error:
            if is_hosts(error):
                raise
            return f"<{type_name(kind)}>"

    return smart if hides is is_sensitive else show


def _text(value: str, length: int, hides: Hides) -> str:
    return repr(redact_and_cut(value, length, text_hides(hides)))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length] + "…"


def _show(value: Any, length: int, depth: int, hides: Hides) -> str:
    kind = type(value)
    show = _EXACT.get(kind)
    if show is not None:
        return show(value, length, depth, hides)
    return _object(value, kind, length, depth, hides)


# ── built-in types, exactly ─────────────────────────────────────────────────────────────────────


def _show_text(value: str, length: int, _: int, hides: Hides) -> str:
    return _text(value, min(length, _INNER_LENGTH), hides)


def _show_plain(value: Any, length: int, depth: int, hides: Hides) -> str:
    return repr(value)


def _show_integer(value: int, length: int, depth: int, hides: Hides) -> str:
    bits = value.bit_length()
    # Python refuses to write out integers of more than 4,300 digits: it takes too long.
    return repr(value) if bits < 4_096 else f"<int of {bits:,} bits>"


def _show_decimal(value: Decimal, length: int, depth: int, hides: Hides) -> str:
    size = Decimal.__sizeof__(value)
    return repr(value) if size <= _MOST_DECIMAL else f"<Decimal of {size:,} bytes>"


def _show_time(value: Any, length: int, depth: int, hides: Hides) -> str:
    zone = value.tzinfo
    if zone is None or type(zone) in (datetime.timezone, zoneinfo.ZoneInfo):
        return repr(value)
    # The zone's `__repr__` and `utcoffset` are the user's.
    return f"{value.replace(tzinfo=None)!r} in <{type_name(type(zone))}>"


def _show_bytes(value: Any, length: int, depth: int, hides: Hides) -> str:
    size = value.nbytes if type(value) is memoryview else len(value)
    return f"<{type(value).__name__} of {size:,} bytes>"


def _show_mapping(value: dict[Any, Any], length: int, depth: int, hides: Hides) -> str:
    keys = [_key(key, hides) for key, _ in zip(value, range(_MOST_KEYS), strict=False)]
    shown = [f"{key}: ..." for key in keys]
    if len(value) > len(shown):
        shown.append(f"+{len(value) - len(shown)} more")
    text = "{" + ", ".join(shown) + "}"
    kind = type(value)
    return text if kind is dict else f"{kind.__name__}({text})"


def _key(key: Any, hides: Hides) -> str:
    return _text(key, 40, hides) if type(key) is str else _show(key, 40, 0, hides)


def _show_members(value: Iterable[Any], length: int, depth: int, hides: Hides) -> str:
    kind = type(value)
    opening, closing = _BRACKETS[kind]
    count = len(value)  # type: ignore[arg-type]
    if count == 0 and kind in (set, frozenset):
        return f"{kind.__name__}()"
    if depth <= 0 and count:
        return f"{opening}+{count} more{closing}"
    taken = [item for item, _ in zip(value, range(_MOST_ITEMS), strict=False)]
    ordered = kind is not set and kind is not frozenset
    shown = [
        MARK
        if place and ordered and hides_next(taken[place - 1], item, count, hides)
        else _show(item, length, depth - 1, hides)
        for place, item in enumerate(taken)
    ]
    if count > len(shown):
        shown.append(f"+{count - len(shown)} more")
    comma = "," if kind is tuple and count == 1 else ""
    return f"{opening}{', '.join(shown)}{comma}{closing}"


_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
    collections.deque: ("deque([", "])"),
}

_Show = Callable[[Any, int, int, Hides], str]
_EXACT: dict[type, _Show] = {
    **dict.fromkeys(
        (float, bool, type(None), type(...), complex, range, Fraction, UUID), _show_plain
    ),
    **dict.fromkeys((datetime.date, datetime.timedelta, datetime.timezone), _show_plain),
    **dict.fromkeys((datetime.datetime, datetime.time), _show_time),
    **dict.fromkeys((bytes, bytearray, memoryview), _show_bytes),
    **dict.fromkeys(
        (dict, collections.defaultdict, collections.OrderedDict, collections.Counter),
        _show_mapping,
    ),
    **dict.fromkeys(_BRACKETS, _show_members),
    **dict.fromkeys(
        (pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePosixPath, pathlib.PureWindowsPath),
        lambda value, length, depth, hides: _show_text(str(value), length, depth, hides),
    ),
    str: _show_text,
    int: _show_integer,
    Decimal: _show_decimal,
}

# ── other types ─────────────────────────────────────────────────────────────────────────────────


def _object(value: Any, kind: type, length: int, depth: int, hides: Hides) -> str:
    # By `issubclass` of the real type: `isinstance` asks the value's own `__class__`.
    if issubclass(kind, enum.Enum):
        return _show_member(value, kind)
    if issubclass(kind, str | int | float):
        return _show_by_base(value, kind, length, depth, hides)
    fields = fields_of(value, kind)
    if fields is not None:
        return _show_fields(kind, fields, length, depth, hides)
    describe = find_form(package_of(kind), type_name(kind))
    if describe is not None:
        return describe(value)
    return f"<{type_name(kind)} at {id(value):#x}>"


def _show_member(value: Any, kind: type) -> str:
    name = object.__getattribute__(value, "_name_")
    # A flag of which nothing is set has no name.
    return f"{type_name(kind)}.{name}" if name is not None else f"{type_name(kind)}(0)"


def _show_by_base(value: Any, kind: type, length: int, depth: int, hides: Hides) -> str:
    """A text or number of a type derived from Python's, as Python's own would be shown."""
    if issubclass(kind, str):
        return _show_text(str.__str__(value), length, depth, hides)
    if issubclass(kind, int):
        return _show_integer(int.__int__(value), length, depth, hides)
    return float.__repr__(value)


def fields_of(value: Any, kind: type) -> Iterable[tuple[str, Any]] | None:
    """Names and stored values, where the type declares its fields; None if it does not."""
    if issubclass(kind, tuple):
        names = _of_class(kind, "_fields")
        if type(names) is tuple:
            return zip(names, tuple.__iter__(value), strict=False)
        return None
    declared = _declared_names(kind)
    return None if declared is None else _stored(value, kind, declared)


def _declared_names(kind: type) -> Iterable[str] | None:
    """The fields of a dataclass, a model or struct; without those kept out of its `repr`."""
    if type(_of_class(kind, "__dataclass_fields__")) is dict:
        return [field.name for field in dataclasses.fields(kind) if field.repr]
    if package_of(type(kind)) == "msgspec":
        return kind.__struct_fields__  # type: ignore[attr-defined, no-any-return]
    for models in ("__pydantic_fields__", "__fields__"):  # the latter: version 1
        fields = _of_class(kind, models)
        if type(fields) is dict:
            return fields
    classes = _of_class(kind, "__attrs_attrs__")
    if isinstance(classes, tuple):
        return [field.name for field in classes if field.repr]
    return None


def _of_class(kind: type, name: str) -> Any:
    for base in kind.__mro__:
        found = base.__dict__.get(name, _ABSENT)
        if found is not _ABSENT:
            return found
    return None


def _stored(value: Any, kind: type, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """What an instance itself holds; what a property or class attribute gives is left out."""
    try:
        namespace = object.__getattribute__(value, "__dict__")
    except AttributeError:
        namespace = {}
    for name in names:
        if name in namespace:
            yield name, namespace[name]
            continue
        slot = _of_class(kind, name)
        if type(slot) is MemberDescriptorType:
            try:
                yield name, slot.__get__(value)
            except AttributeError:  # declared, and not set yet
                continue


def _show_fields(
    kind: type, pairs: Iterable[tuple[str, Any]], length: int, depth: int, hides: Hides
) -> str:
    if depth <= 0:
        return f"{type_name(kind)}(...)"
    shown: list[str] = []
    for name, item in pairs:
        if len(shown) == _MOST_FIELDS:
            shown.append("...")
            break
        text = MARK if hides(name) else _show(item, length, depth - 1, hides)
        shown.append(f"{name}={text}")
    return f"{type_name(kind)}({', '.join(shown)})"
