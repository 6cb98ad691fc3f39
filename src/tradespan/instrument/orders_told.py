"""What instrumentors tell of the program's orders, to whoever listens.

This room knows no journeys. `bootstrap/` puts a listener here; facts have the conventions' names,
as those of mapped calls have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from tradespan.core import guard


class Listener(Protocol):
    """Who wants to know of orders."""

    def __call__(self, signal: str, facts: Mapping[str, Any], ago: float) -> None:
        """A message of an order: `order.submitted`, `order.filled` …, so many seconds ago."""
        ...


class ListenerSlot:
    """Where it stands."""

    __slots__ = ("listener",)

    def __init__(self) -> None:
        self.listener: Listener | None = None


LISTENER: Final = ListenerSlot()
"""The process's own."""


def tell(signal: str, facts: Mapping[str, Any], ago: float = 0.0) -> None:
    """Tell of a message. Nothing of it reaches the program."""
    listener = LISTENER.listener
    if listener is not None:
        with guard.guarded("telling of an order"):
            listener(signal, facts, ago)
