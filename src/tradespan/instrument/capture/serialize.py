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

from tradespan.instrument.capture.redact import MARK, is_sensitive, redact_and_cut

DEFAULT_LENGTH = 1_000
"""Characters kept of one value."""
_INNER_LENGTH = 200
"""Characters kept of a text inside another value."""
_MOST_KEYS = 2
_MOST_ITEMS = 3
_MOST_FIELDS = 12
_DEPTH = 3
_MOST = 1 << 63
_ABSENT = object()


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
        if kind is str:
            return _text(value, length)
        return _cut(_show(value, length, _DEPTH), length)
    except Exception:  # noqa: BLE001 - a value of the user's may do anything
        return f"<{_name(kind)}>"


def _name(kind: type) -> str:
    # Past a metaclass that has something else under `__name__`.
    return str(type.__dict__["__name__"].__get__(kind))


def _text(value: str, length: int) -> str:
    return repr(redact_and_cut(value, length))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length] + "…"


def _show(value: Any, length: int, depth: int) -> str:
    kind = type(value)
    show = _EXACT.get(kind)
    if show is not None:
        return show(value, length, depth)
    return _object(value, kind, length, depth)


# ── built-in types, exactly ─────────────────────────────────────────────────────────────────────


def _show_text(value: str, length: int, _: int) -> str:
    return _text(value, min(length, _INNER_LENGTH))


def _show_plain(value: Any, length: int, depth: int) -> str:
    return repr(value)


def _show_integer(value: int, length: int, depth: int) -> str:
    bits = value.bit_length()
    # Python refuses to write out integers of more than 4,300 digits: it takes too long.
    return repr(value) if bits < 4_096 else f"<int of {bits:,} bits>"


def _show_time(value: Any, length: int, depth: int) -> str:
    zone = value.tzinfo
    if zone is None or type(zone) in (datetime.timezone, zoneinfo.ZoneInfo):
        return repr(value)
    # The zone's `__repr__` and `utcoffset` are the user's.
    return f"{value.replace(tzinfo=None)!r} in <{_name(type(zone))}>"


def _show_bytes(value: Any, length: int, depth: int) -> str:
    size = value.nbytes if type(value) is memoryview else len(value)
    return f"<{type(value).__name__} of {size:,} bytes>"


def _show_mapping(value: dict[Any, Any], length: int, depth: int) -> str:
    keys = [_key(key) for key, _ in zip(value, range(_MOST_KEYS), strict=False)]
    shown = [f"{key}: ..." for key in keys]
    if len(value) > len(shown):
        shown.append(f"+{len(value) - len(shown)} more")
    text = "{" + ", ".join(shown) + "}"
    kind = type(value)
    return text if kind is dict else f"{kind.__name__}({text})"


def _key(key: Any) -> str:
    return _text(key, 40) if type(key) is str else _show(key, 40, 0)


def _show_members(value: Iterable[Any], length: int, depth: int) -> str:
    kind = type(value)
    opening, closing = _BRACKETS[kind]
    count = len(value)  # type: ignore[arg-type]
    if count == 0 and kind in (set, frozenset):
        return f"{kind.__name__}()"
    if depth <= 0 and count:
        return f"{opening}+{count} more{closing}"
    taken = [item for item, _ in zip(value, range(_MOST_ITEMS), strict=False)]
    shown = [_show(item, length, depth - 1) for item in taken]
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

_Show = Callable[[Any, int, int], str]
_EXACT: dict[type, _Show] = {
    **dict.fromkeys(
        (float, bool, type(None), type(...), complex, range, Decimal, Fraction, UUID), _show_plain
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
        lambda value, length, depth: _show_text(str(value), length, depth),
    ),
    str: _show_text,
    int: _show_integer,
}

# ── other types ─────────────────────────────────────────────────────────────────────────────────


def _object(value: Any, kind: type, length: int, depth: int) -> str:
    # By `issubclass` of the real type: `isinstance` asks the value's own `__class__`.
    if issubclass(kind, enum.Enum):
        return f"{_name(kind)}.{object.__getattribute__(value, '_name_')}"
    if issubclass(kind, str | int | float):
        return _show_by_base(value, kind, length, depth)
    fields = _fields_of(value, kind)
    if fields is not None:
        return _show_fields(kind, fields, length, depth)
    describe = _FOREIGN.get(f"{_package(kind)}.{_name(kind)}")
    if describe is not None:
        return describe(value)
    if _package(kind) == "pyarrow" and _name(kind).endswith("Array"):
        return f"[{_name(kind)} {len(value)} {value.type}]"
    return f"<{_name(kind)} at {id(value):#x}>"


def _package(kind: type) -> str:
    module = type.__dict__["__module__"].__get__(kind)
    return module.partition(".")[0] if type(module) is str else ""


def _show_by_base(value: Any, kind: type, length: int, depth: int) -> str:
    """A text or number of a type derived from Python's, as Python's own would be shown."""
    if issubclass(kind, str):
        return _show_text(str.__str__(value), length, depth)
    if issubclass(kind, int):
        return _show_integer(int.__int__(value), length, depth)
    return float.__repr__(value)


def _fields_of(value: Any, kind: type) -> Iterable[tuple[str, Any]] | None:
    """Names and stored values, where the type declares its fields; None if it does not."""
    if issubclass(kind, tuple):
        names = _of_class(kind, "_fields")
        if type(names) is tuple:
            return zip(names, tuple.__iter__(value), strict=False)
        return None
    declared = _of_class(kind, "__dataclass_fields__")
    if type(declared) is dict:
        regular = (field for field in dataclasses.fields(kind) if field.repr)  # type: ignore[arg-type]
        return _stored(value, kind, (field.name for field in regular))
    models = _of_class(kind, "__pydantic_fields__")
    if type(models) is dict:
        return _stored(value, kind, models)
    if _package(type(kind)) == "msgspec":
        return _stored(value, kind, kind.__struct_fields__)  # type: ignore[attr-defined]
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


def _show_fields(kind: type, pairs: Iterable[tuple[str, Any]], length: int, depth: int) -> str:
    if depth <= 0:
        return f"{_name(kind)}(...)"
    shown: list[str] = []
    for name, item in pairs:
        if len(shown) == _MOST_FIELDS:
            shown.append("...")
            break
        text = MARK if is_sensitive(name) else _show(item, length, depth - 1)
        shown.append(f"{name}={text}")
    return f"{_name(kind)}({', '.join(shown)})"


def _frame(value: Any) -> str:
    rows, columns = value.shape
    return f"[{_name(type(value))} {rows}×{columns}]"


def _series(value: Any) -> str:
    return f"[Series {value.shape[0]} {value.dtype}]"


def _array(value: Any) -> str:
    return f"[ndarray {value.dtype} ({','.join(map(str, value.shape))})]"


def _table(value: Any) -> str:
    return f"[{_name(type(value))} {value.num_rows}×{value.num_columns}]"


def _scalar(value: Any) -> str:
    return repr(value.item())


_NUMPY_SCALARS = (
    "bool", "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32",
)  # fmt: skip
_FOREIGN: dict[str, Callable[[Any], str]] = {
    "pandas.DataFrame": _frame,
    "polars.DataFrame": _frame,
    "pandas.Series": _series,
    "polars.Series": _series,
    "pandas.Timestamp": repr,
    "pandas.Timedelta": repr,
    "numpy.ndarray": _array,
    "pyarrow.Table": _table,
    "pyarrow.RecordBatch": _table,
    **{f"numpy.{name}": _scalar for name in _NUMPY_SCALARS},
}
"""Package and name of types whose short form is their library's, not the user's, and cheap."""
