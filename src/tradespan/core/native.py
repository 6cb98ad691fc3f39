"""Which way the hot path goes: through C (`tradespan._native`), or the same in Python.

Decided once a process, at import. `docs/adr/0005-native.md` has the reasons.
"""

from __future__ import annotations

import os
from types import ModuleType

INTERFACE = 11
"""Of `_native.c`: a module that was compiled from other sources is not used."""


def _load() -> tuple[ModuleType | None, str]:
    """The module, or None and why."""
    if os.environ.get("TRADESPAN_PURE", "").strip() not in {"", "0"}:
        return None, "TRADESPAN_PURE is set"
    try:
        from tradespan import _native  # optional extra: there only where it could be compiled
    except ImportError as error:
        missing = "cannot import name" in str(error)
        return None, "the C module was not compiled" if missing else str(error)
    if _native.INTERFACE != INTERFACE:
        return None, "the C module was compiled from another version"
    return _native, ""


module, why_pure = _load()
"""None, and the reason, where the way in Python is taken."""


def describe() -> str:
    """For people: `native`, or `pure Python, because …`."""
    return "native" if module is not None else f"pure Python, because {why_pure}"
