"""What journeys need of who counts: the orders' set, and nothing above this room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Counting(Protocol):
    """Verbs of `signals/sets/orders.py`; none of them raises.

    All but two take an order: venue, symbol, strategy, account, side, type, client_id. What a call
    leaves out is known from `submitted`, by the client id.
    """

    @property
    def submitted(self) -> Callable[..., None]:
        """An order is on its way; `expected_price`: that was counted with."""
        ...

    @property
    def acknowledged(self) -> Callable[..., None]:
        """The venue took it."""
        ...

    @property
    def filled(self) -> Callable[..., None]:
        """A part, or all, was traded: `complete` (None: nobody said), `price`, `expected_price`."""
        ...

    @property
    def rejected(self) -> Callable[..., None]:
        """It was not taken; `reason`: a label."""
        ...

    @property
    def cancelled(self) -> Callable[..., None]:
        """What was left is gone, at somebody's wish or because its time was over."""
        ...

    @property
    def open(self) -> Callable[..., None]:
        """So many orders stand, by `venue`, `strategy`, `account`."""
        ...

    @property
    def edge_captured(self) -> Callable[..., None]:
        """What a fill brought over the price that was thought fair, in `currency`."""
        ...
