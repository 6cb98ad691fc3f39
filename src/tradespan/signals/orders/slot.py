"""What is in force for order journeys: filled by `configure()`, without loading them."""

from __future__ import annotations

from typing import Final

ACKNOWLEDGE_WITHIN: Final = 10.0


class OrdersSlot:
    """One process's."""

    __slots__ = ("acknowledge_within", "mode")

    def __init__(self) -> None:
        self.acknowledge_within = ACKNOWLEDGE_WITHIN
        """Seconds after which an order without an answer is told; 0: never."""
        self.mode = "live"
        """`live`, `paper` or `backtest`."""

    def fill(self, *, acknowledge_within: float, mode: str) -> None:
        """Go by the settings from now on."""
        self.acknowledge_within, self.mode = acknowledge_within, mode


ORDERS: Final = OrdersSlot()
"""The process's own."""
