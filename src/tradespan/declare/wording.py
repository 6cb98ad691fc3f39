"""Words in names and units that a program's own instruments keep to, as the registry does."""

from __future__ import annotations

import re
from typing import Final

CURRENCY: Final = "{currency}"

UNIT_WORDS: Final = {
    "sec": "s", "secs": "s", "second": "s", "seconds": "s", "millis": "ms", "milliseconds": "ms",
    "microseconds": "us", "µs": "us", "nanoseconds": "ns", "minutes": "min", "hours": "h",
    "days": "d", "b": "By", "B": "By", "byte": "By", "bytes": "By", "kb": "kBy", "KB": "kBy",
    "mb": "MBy", "MB": "MBy", "MiB": "MiBy", "percent": "%", "pct": "%", "ratio": "1",
    "count": "{…}, such as {order}", "none": "1", "dollars": CURRENCY, "USD": CURRENCY,
    "usd": CURRENCY, "EUR": CURRENCY, "$": CURRENCY, "cents": CURRENCY, "{USD}": CURRENCY,
}  # fmt: skip
"""What is written where UCUM has another word."""

_ID = re.compile(r"(?:^|[._])(?:id|uuid|guid|key)$")


def is_id(name: str) -> bool:
    """Whether an attribute's values are ids: as many as there are orders or requests."""
    return _ID.search(name) is not None
