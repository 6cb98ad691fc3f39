"""A broker on paper: takes orders, fills them at the next bar, refuses some."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import tradespan
from instrumented_engine.prices import Bar

VENUE: Final = "PAPER"
REFUSES_EVERY: Final = 7
SLIPS: Final = 0.0001
"""Of the price; against whoever trades."""


@dataclass(frozen=True)
class Order:
    """A market order."""

    client_id: str
    symbol: str
    side: str
    quantity: int
    price: float
    """The price that was counted with."""
    pair_id: str


@dataclass(frozen=True)
class Fill:
    """All of an order was traded."""

    order: Order
    price: float

    @property
    def signed(self) -> int:
        """What the position changes by."""
        return self.order.quantity if self.order.side == "buy" else -self.order.quantity


class Refused(Exception):
    """The broker did not take an order."""


class PaperBroker:
    """Knows orders that wait for the next bar."""

    def __init__(self) -> None:
        self._taken: list[Order] = []
        self._asked = 0

    @tradespan.monitor(process_group="broker")
    def send(self, order: Order) -> str:
        """Take an order; returns the broker's id of it.

        Raises:
            Refused: No margin for it today.
        """
        self._asked += 1
        if self._asked % REFUSES_EVERY == 0:
            raise Refused(f"no margin for {order.client_id}")
        self._taken.append(order)
        return f"PB{self._asked:06d}"

    def match(self, bar: Bar) -> Iterator[Fill]:
        """What the bar fills."""
        taken, self._taken = self._taken, []
        for order in taken:
            slip = SLIPS if order.side == "buy" else -SLIPS
            yield Fill(order, round(bar.closes[order.symbol] * (1 + slip), 4))
