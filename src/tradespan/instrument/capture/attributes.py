"""Which attribute values OpenTelemetry allows, and how others are made to fit.

Source: OpenTelemetry specification, common/attributes; API 1.45 `AnyValue`. Values are copied when
they are set, so that changing a list later does not change the span.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

logger = logging.getLogger("tradespan")

_PLAIN = frozenset({str, bool, int, float, bytes, type(None)})
_MOST = 1 << 63


def clean_value(value: Any, length: int | None) -> Any:
    """The value as it is recorded: plain types as they are, sequences and mappings copied.

    `length`: texts are cut to so many characters; None: not cut. Integers that need more than 64
    bits become text, other types `str(value)`, with a warning.
    """
    kind = type(value)
    if kind is str:
        return value if length is None or len(value) <= length else value[:length]
    if kind is int:
        return value if -_MOST <= value < _MOST else str(value)
    if kind in _PLAIN:
        return value
    return _clean_other(value, length)


def _clean_other(value: Any, length: int | None) -> Any:
    if isinstance(value, str):
        return clean_value(str.__str__(value), length)
    if isinstance(value, bool | int | float):
        base = next(kind for kind in (bool, int, float) if isinstance(value, kind))
        return clean_value(base(value), length)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, Mapping):
        return {
            str(key): clean_value(item, length) for key, item in value.items() if key
        }
    if isinstance(value, Sequence):
        return [clean_value(item, length) for item in value]
    logger.warning("attribute value of type %s is recorded as text", type(value).__name__)
    return clean_value(str(value), length)


def clean_attributes(
    attributes: Mapping[str, Any] | None, most: int | None, length: int | None
) -> tuple[dict[str, Any], int]:
    """A mapping of at most `most` clean attributes, and how many were dropped."""
    kept: dict[str, Any] = {}
    dropped = 0
    for key, value in (attributes or {}).items():
        if not key or not isinstance(key, str) or (most is not None and len(kept) >= most):
            dropped += 1
            continue
        kept[key] = clean_value(value, length)
    return kept, dropped
