"""Which attribute values OpenTelemetry allows, how others are made to fit, and what is hidden.

Source: OpenTelemetry specification, common/attributes; API 1.45 `AnyValue`. Values are copied when
they are set, so that changing a list later does not change the span. Nothing here raises: setting
an attribute never breaks the code that sets it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from tradespan.capture.names import MARK, hides_key, hides_next, is_sensitive, verdicts
from tradespan.capture.redact import (
    plain,
    redact_and_truncate,
    redact_bytes,
    redact_text,
)
from tradespan.core import guard

logger = logging.getLogger("tradespan")

_MOST = 1 << 63
_DEPTH = 16
"""Levels of lists and maps that are kept; one inside itself ends here."""
_MOST_NAMED = 100
_named: set[type] = set()
"""Types whose values were recorded as text: each is said once."""


def clean_attribute(key: str, value: Any, length: int | None) -> Any:
    """What is recorded of the attribute `key`: the marker where its name says secret, else the
    value as `clean_value` has it.
    """
    hidden = verdicts.get(key)
    if is_sensitive(key) if hidden is None else hidden:
        return MARK
    kind = type(value)
    if kind is str:
        if value in plain and (length is None or len(value) <= length):
            return value
        return redact_and_truncate(value, length)
    if kind is float or kind is bool or (kind is int and -_MOST <= value < _MOST):
        return value
    return clean_value(value, length)


def clean_value(value: Any, length: int | None) -> Any:
    """The value as it is recorded: redacted, of plain types, sequences and mappings copied.

    `length`: texts are cut to so many characters; None: not cut. Integers that need more than 64
    bits become text, other types `str(value)`, with a warning for each type.
    """
    kind = type(value)
    if kind is str:
        return redact_and_truncate(value, length)
    if kind is int and -_MOST <= value < _MOST:
        return value
    if kind is float or kind is bool or value is None:
        return value
    try:
        return _clean_other(value, length, _DEPTH)
    except BaseException as error:  # noqa: BLE001 - a value of the user's may do anything
        guard.report("attribute value", error)
        return f"<{kind.__name__}>"


def _clean_other(value: Any, length: int | None, depth: int) -> Any:
    if value is None or isinstance(value, bool | str | int | float):
        return _clean_scalar(value, length)
    if isinstance(value, bytes | bytearray | memoryview):
        return redact_bytes(bytes(value))
    if depth <= 0:
        return "…"
    if isinstance(value, Mapping):
        return {
            str(key): MARK
            if is_sensitive(str(key)) or (type(key) is bytes and hides_key(key, item, is_sensitive))
            else _clean_other(item, length, depth - 1)
            for key, item in value.items()
            if key
        }
    if isinstance(value, Sequence):
        items = list(value)
        return [
            MARK
            if place and hides_next(items[place - 1], item, len(items), is_sensitive)
            else _clean_other(item, length, depth - 1)
            for place, item in enumerate(items)
        ]
    if type(value) not in _named and len(_named) < _MOST_NAMED:
        _named.add(type(value))
        logger.warning("attribute values of type %s are recorded as text", type(value).__name__)
    return _clean_scalar(str(value), length)


def _clean_scalar(value: Any, length: int | None) -> Any:
    """Exactly a plain type, of a value that may be of a type derived from it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return redact_and_truncate(str.__str__(value), length)
    if isinstance(value, float):
        return float.__float__(value)
    whole = int.__int__(value)
    if -_MOST <= whole < _MOST:
        return whole
    return str(whole) if whole.bit_length() < 4_096 else f"<int of {whole.bit_length():,} bits>"


def clean_attributes(
    attributes: Mapping[str, Any] | None, most: int | None, length: int | None
) -> tuple[dict[str, Any], int]:
    """A mapping of at most `most` clean attributes, and how many were dropped."""
    kept: dict[str, Any] = {}
    dropped = 0
    try:
        for key, value in (attributes or {}).items():
            if not is_key(key) or (most is not None and len(kept) >= most):
                dropped += 1
            else:
                kept[str(key)] = clean_attribute(key, value, length)
    except BaseException as error:  # noqa: BLE001 - no mapping, or one of the user's that fails
        guard.report("attributes", error)
    return kept, dropped


def is_key(key: Any) -> bool:
    """Whether an attribute can have this key: a text with something in it."""
    return isinstance(key, str) and bool(key)


def as_text(value: Any) -> str:
    """A name or description that somebody gave, whatever it is, as a text."""
    if type(value) is str:
        return value
    try:
        return str.__str__(value) if isinstance(value, str) else str(value)
    except BaseException as error:  # noqa: BLE001 - a value of the user's may do anything
        guard.report("span text", error)
        return f"<{type(value).__name__}>"


def clean_description(value: Any) -> str:
    """A status description, as a text without secrets."""
    return redact_text(as_text(value))


def as_nanoseconds(given: Any) -> int | None:
    """A time stamp as an integer, also of `time.time() * 1e9`; None if none was given."""
    if given is None:
        return None
    try:
        stamp = int(given)
        if not 0 <= stamp < _MOST:
            raise ValueError("no time in nanoseconds since 1970")
    except (TypeError, ValueError, OverflowError) as error:
        guard.report("time stamp", error)
        return None
    return stamp
