"""What an instrumentor's span says of an order, gathered and told to whoever listens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.util.types import AttributeValue

from tradespan.declare.names import TRADESPAN_SIGNAL
from tradespan.instrument.meaning import tell

Attributes = Mapping[str, AttributeValue]


class Told:
    """The attributes of one span as they come; with a signal among them they are told, once."""

    __slots__ = ("_known", "_over")

    def __init__(self, attributes: Attributes | None = None) -> None:
        self._known: list[Attributes] = [] if attributes is None else [attributes]
        self._over = False

    def add(self, attributes: Attributes) -> None:
        """More is known."""
        self._known.append(attributes)

    def tell(self, function: str, seconds: float, error: BaseException | None) -> None:
        """The call is over, and its span still the current one."""
        if self._over or not any(TRADESPAN_SIGNAL in known for known in self._known):
            return
        self._over = True
        facts: dict[str, Any] = {}
        for known in self._known:
            facts.update(known)
        signal = str(facts.pop(TRADESPAN_SIGNAL))
        failed = error if isinstance(error, Exception) else None
        tell(signal, function, facts, seconds=seconds, error=failed)
