"""Names of a test's cases that are the same in every process: without addresses."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def shown(value: object) -> str:
    """`repr(value)` without addresses."""
    return _ADDRESS.sub("", repr(value))
