"""A value as one short line, without calling the user's code.

Exact built-in types, dataclasses and enums are shown by content, known array types by shape, all else
as `<Type at 0x…>`: a property, `__repr__` or lazy frame of the user's is never run here. Nothing is
imported to recognise a type: the type's own module name tells.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from typing import Any
from uuid import UUID

from tradespan.instrument.capture.redact import MARK, is_sensitive, redact_text

DEFAULT_LENGTH = 1_000
"""Characters kept of one value."""
_MOST_KEYS = 2
_MOST_FIELDS = 12
_DEPTH = 3

_SAFE_REPR = (
    Decimal, Fraction, UUID, datetime.datetime, datetime.date, datetime.time, datetime.timedelta,
    complex, range, slice, type(None), type(...),
)  # fmt: skip


def smart(value: Any, length: int = DEFAULT_LENGTH) -> Any:
    """The value as it is recorded: numbers and booleans as such, everything else as a short text.

    `length`: characters kept of a text. Never raises: a value that cannot be read is `<Type>`.
    """
    kind = type(value)
    if kind is int:
        return value if -(1 << 63) <= value < 1 << 63 else _cut(repr(value), length)
    if kind is float or kind is bool:
        return value
    try:
        if kind is str:
            return _text(value, length)
        return _cut(_show(value, length, _DEPTH), length)
    except Exception:  # noqa: BLE001 - a value of the user's may do anything
        return f"<{kind.__name__}>"


def _text(value: str, length: int) -> str:
    if len(value) > length:
        value = value[:length] + "…"
    return repr(redact_text(value))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length] + "…"


def _show(value: Any, length: int, depth: int) -> str:
    kind = type(value)
    if kind is str:
        return _text(value, length)
    if kind in (int, float, bool) or kind in _SAFE_REPR:
        return repr(value)
    if kind in (bytes, bytearray, memoryview):
        return f"<{kind.__name__} of {len(value):,} bytes>"
    if kind is dict:
        return _mapping(value)
    if kind in (list, tuple, set, frozenset):
        return _members(value, kind, length, depth)
    return _object(value, kind, length, depth)


def _mapping(value: dict[Any, Any]) -> str:
    keys = [_key(key) for key, _ in zip(value, range(_MOST_KEYS), strict=False)]
    shown = [f"{key}: ..." for key in keys]
    if len(value) > len(shown):
        shown.append(f"+{len(value) - len(shown)} more")
    return "{" + ", ".join(shown) + "}"


def _key(key: Any) -> str:
    return repr(key[:40]) if type(key) is str else _show(key, 40, 0)


def _members(value: Iterable[Any], kind: type, length: int, depth: int) -> str:
    opening, closing = {list: "[]", tuple: "()"}.get(kind, "{}")
    count = len(value)  # type: ignore[arg-type]
    if depth <= 0 and count:
        return f"{opening}+{count} more{closing}"
    taken = [item for item, _ in zip(value, range(_MOST_KEYS + 1), strict=False)]
    shown = [_show(item, length, depth - 1) for item in taken]
    if count > len(shown):
        shown.append(f"+{count - len(shown)} more")
    return f"{opening}{', '.join(shown)}{closing}"


def _object(value: Any, kind: type, length: int, depth: int) -> str:
    if isinstance(value, enum.Enum):
        return f"{kind.__name__}.{value.name}"
    if isinstance(value, PurePath):
        return repr(str(value))
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return _fields(kind, zip(kind._fields, value, strict=False), length, depth)
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(value) if field.repr]
        pairs = ((name, object.__getattribute__(value, name)) for name in names)
        return _fields(kind, pairs, length, depth)
    describe = _ARRAYS.get(f"{kind.__module__.partition('.')[0]}.{kind.__name__}")
    if describe is not None:
        return describe(value)
    return f"<{kind.__name__} at {id(value):#x}>"


def _fields(kind: type, pairs: Iterable[tuple[str, Any]], length: int, depth: int) -> str:
    if depth <= 0:
        return f"{kind.__name__}(...)"
    shown = []
    for name, item in pairs:
        if len(shown) == _MOST_FIELDS:
            shown.append("...")
            break
        text = MARK if is_sensitive(name) else _show(item, length, depth - 1)
        shown.append(f"{name}={text}")
    return f"{kind.__name__}({', '.join(shown)})"


def _frame(value: Any) -> str:
    rows, columns = value.shape
    return f"[{type(value).__name__} {rows}×{columns}]"


def _series(value: Any) -> str:
    return f"[Series {value.shape[0]} {value.dtype}]"


def _array(value: Any) -> str:
    return f"[ndarray {value.dtype} ({','.join(map(str, value.shape))})]"


_ARRAYS: dict[str, Callable[[Any], str]] = {
    "pandas.DataFrame": _frame,
    "polars.DataFrame": _frame,
    "pandas.Series": _series,
    "polars.Series": _series,
    "numpy.ndarray": _array,
    "pyarrow.Table": lambda value: f"[Table {value.num_rows}×{value.num_columns}]",
}
