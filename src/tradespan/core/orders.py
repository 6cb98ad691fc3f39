"""An order that stands, and the table of those that outlives the process. Standard library only."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class OpenOrder(NamedTuple):
    """What is kept of an order that is not over. Quantities and prices are text: exact decimals."""

    client_id: str
    """Its id, by the one who sent it; 64 bytes at most."""
    order_id: str = ""
    """Its id, by the venue; empty until it is known."""
    symbol: str = ""
    venue: str = ""
    strategy: str = ""
    account: str = ""
    side: str = ""
    type: str = ""
    state: str = ""
    """FIX's word: `New`, `PartiallyFilled` …"""
    quantity: str = ""
    cumulative: str = ""
    """What has been traded of it."""
    price: str = ""
    submitted: int = 0
    """Nanoseconds, UTC."""
    changed: int = 0
    """When its state changed last, likewise."""
    trace_id: bytes = bytes(16)
    """Of the call that sent it, 16 bytes; zeros: none."""
    span_id: int = 0
    pair_id: str = ""


class OpenOrders(Protocol):
    """The open orders of one process. No method raises, none blocks on another thread's code."""

    def put(self, row: OpenOrder, /) -> None:
        """Keep an order, or its new state: from the return on, a kill does not take it."""
        ...

    def drop(self, client_id: str, /) -> None:
        """Forget an order that is over; one that is not known is nothing."""
        ...

    def find(self, client_id: str, /) -> OpenOrder | None:
        """An order that stands in the table of another living process of the same run."""
        ...

    def adopt(self) -> list[OpenOrder]:
        """Take over the orders that processes of the same service left open when they died.

        They are in this table from then on. Each is given to one process, once.
        """
        ...
