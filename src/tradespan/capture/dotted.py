"""A function of the program's by its dotted name, imported when it is first called.

The settings name it before the program runs, so that importing it any earlier would run the
program's modules in another order.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from tradespan.core import guard

_AGAIN: Final = 1.0
"""Seconds between two tries: its module may be half imported at the first."""

_BUSY: Final = threading.local()
"""Names whose functions run in this thread."""


def by_name(name: str) -> Callable[[Any], Any]:
    """A function that calls the one of a name: `desk.show.order`, `desk.show.Shown.of`.

    The returned function raises what the named one raises, and `LookupError` where there is none
    (why is logged) or where it is under way in this thread.
    """
    found: Callable[[Any], Any] | None = None
    tried = float("-inf")

    def call(value: Any) -> Any:
        nonlocal found, tried
        if found is None:
            now = time.monotonic()
            if now - tried < _AGAIN:
                raise LookupError(name)
            tried = now
            try:
                found = _import(name)
            except Exception as error:
                guard.report(f"serializer {name}", error)
                raise LookupError(name) from error
        if getattr(_BUSY, name, False):  # it is watched itself, and shows its own argument
            raise LookupError(name)
        setattr(_BUSY, name, True)
        try:
            return found(value)
        finally:
            setattr(_BUSY, name, False)

    return call


def _import(name: str) -> Callable[[Any], Any]:
    """What a name stands for: the longest part of it that is a module, and attributes below."""
    parts = name.split(".")
    for count in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:count])
        if module not in sys.modules:
            try:
                import_module(module)
            except ModuleNotFoundError as error:
                # Of the name itself: what the module lacks of its own is its failure.
                if (
                    count > 1
                    and error.name is not None
                    and f"{module}.".startswith(f"{error.name}.")
                ):
                    continue
                raise
        found: Any = sys.modules[module]
        for part in parts[count:]:
            found = getattr(found, part)
        if not callable(found):
            raise TypeError(f"{name} is no function: {type(found).__name__}")
        checked: Callable[[Any], Any] = found
        return checked
    raise LookupError(f"{name} names no module and function, as module.function")
