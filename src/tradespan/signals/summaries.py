"""What is kept of data that the program gives: small, plain values as they are, others in short."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from tradespan.capture.names import MARK, is_sensitive
from tradespan.capture.serialize import DEFAULT_LENGTH, smart
from tradespan.core.interruptions import is_hosts

LONGEST: Final = 4_096
"""Characters of a text that is kept whole."""
MOST_ITEMS: Final = 64
_DEPTH: Final = 3
_MOST: Final = 1 << 63
_SCALARS: Final = frozenset({int, float, bool, type(None)})
_SMALL: Final = frozenset({datetime, date, time, timedelta, UUID})
_CONTAINERS: Final = frozenset({dict, list, tuple})
_REST: Final = "tradespan.more"
"""Key that says how many entries were left out."""


def holds_little(data: Any) -> bool:
    """Whether it is a dict of a few kilobytes that keeps no object of the program's alive."""
    if type(data) is not dict or len(data) > MOST_ITEMS:
        return False
    for value in data.values():
        kind = type(value)
        if kind is float or (kind is str and len(value) <= LONGEST):
            continue
        if not _is_small(value, kind, _DEPTH):
            return False
    return True


def keep_small(data: Any) -> dict[str, Any]:
    """A copy in which what is small stays as it is, and all else is a summary."""
    return _summarise_entries(data, _keep_small)


def summarise_data(data: Any) -> dict[str, Any]:
    """At most 64 entries, each as `summarise` has it; keys are texts."""
    return _summarise_entries(data, summarise)


def _summarise_entries(data: Any, show: Callable[[Any], Any]) -> dict[str, Any]:
    if not isinstance(data, dict):
        return {"data": show(data)}
    kept: dict[str, Any] = {}
    for key, value in data.items():
        if len(kept) == MOST_ITEMS:
            kept[_REST] = len(data) - MOST_ITEMS
            break
        kept[key if type(key) is str else str(smart(key, 200))] = show(value)
    return kept


def summarise(value: Any, depth: int = _DEPTH) -> Any:
    """The value as it is recorded: plain ones as such, small lists and maps of them too, all else
    as one short text. No code of the user's runs, but for an exception's `str()`.
    """
    kind = type(value)
    if kind is str:
        return value if len(value) <= LONGEST else value[:LONGEST] + "…"
    if kind in _SCALARS and (kind is not int or -_MOST <= value < _MOST):
        return value
    if depth and kind in _CONTAINERS and len(value) <= MOST_ITEMS:
        return _summarise_members(value, kind, depth - 1)
    return _say_other(value, kind)


def _summarise_members(value: Any, kind: type, depth: int) -> Any:
    if kind is not dict:
        return [summarise(item, depth) for item in value]
    return {
        str(key): MARK if is_sensitive(str(key)) else summarise(item, depth)
        for key, item in value.items()
        if type(key) is str or type(key) is int
    }


def _say_other(value: Any, kind: type) -> Any:
    if kind in _SMALL:
        return value.isoformat() if kind is datetime else str(value)
    if kind is Decimal and Decimal.__sizeof__(value) <= LONGEST:
        return str(value)
    if issubclass(kind, Enum):
        return object.__getattribute__(value, "_name_") or smart(value)
    return say_error(value) if issubclass(kind, BaseException) else smart(value)


def say_error(error: BaseException) -> str:
    """`ValueError: not a number`; only the type if it cannot be said."""
    name = type(error).__name__
    try:
        text = str(error)[:DEFAULT_LENGTH]
    except BaseException as broken:
        if is_hosts(broken):
            raise
        return name
    return f"{name}: {text}" if text else name


def _keep_small(value: Any) -> Any:
    return value if _is_small(value, type(value), _DEPTH) else summarise(value)


def _is_small(value: Any, kind: type, depth: int) -> bool:
    """Whether it holds a few kilobytes at most, and no object of the program's."""
    if kind is str or kind is bytes:
        return len(value) <= LONGEST
    if kind in _CONTAINERS:
        return depth > 0 and len(value) <= MOST_ITEMS and _holds_small(value, kind, depth - 1)
    if kind is int or kind is Decimal:
        return int(kind.__sizeof__(value)) <= LONGEST
    return kind in _SCALARS or kind in _SMALL or issubclass(kind, Enum)


def _holds_small(value: Any, kind: type, depth: int) -> bool:
    if kind is dict and not all(_is_small(key, type(key), 0) for key in value):
        return False
    members = value.values() if kind is dict else value
    return all(_is_small(item, type(item), depth) for item in members)
