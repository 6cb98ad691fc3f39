"""`tradespan.instrument`: watch functions of a module by regex, from code."""

from __future__ import annotations

from typing import Any

from tradespan.instrument.auto.watcher import WATCHER


def instrument(target: Any, include: str | None = None, exclude: str | None = None) -> list[str]:
    """Watch functions of a module by regex, without editing it.

    Args:
        target: A module, or the name of one; a name that is not imported yet is watched when it is.
        include: Pattern that names have to match (`module.Class.method`); all of the module if left
            out.
        exclude: Pattern of names to leave alone.

    Returns:
        Names of the functions that are watched now.

    Raises:
        InvalidPattern: A pattern does not compile.
    """
    return WATCHER.instrument(target, include, exclude)
