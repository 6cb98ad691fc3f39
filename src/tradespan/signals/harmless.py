"""Verbs that trading code calls never raise."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from tradespan.core import guard

P = ParamSpec("P")


def harmless(verb: Callable[P, None]) -> Callable[P, None]:
    """A verb from which nothing of ours reaches the trading code; mistakes are logged sparingly."""

    @wraps(verb)
    def called(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            verb(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the host comes first
            guard.report(f"sets: {verb.__qualname__}", error)

    return called
