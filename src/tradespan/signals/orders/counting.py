"""What journeys need of who counts: the orders' set, and nothing above this room."""

from __future__ import annotations

from typing import Any, Protocol


class Counting(Protocol):
    """Counts each message once; `order`: venue, symbol, strategy, account, side, type, client_id.

    What a call leaves out is known from `submitted`, by the client id. No method raises.
    """

    def submitted(self, *, expected_price: Any = None, **order: Any) -> None:
        """An order is on its way."""
        ...

    def acknowledged(self, **order: Any) -> None:
        """The venue took it."""
        ...

    def filled(
        self,
        *,
        complete: bool | None = True,
        price: Any = None,
        expected_price: Any = None,
        **order: Any,
    ) -> None:
        """A part, or all, was traded; `complete`: whether that was all, None: nobody said."""
        ...

    def rejected(self, *, reason: str = "", **order: Any) -> None:
        """It was not taken; `reason`: a label."""
        ...

    def cancelled(self, **order: Any) -> None:
        """What was left is gone, at somebody's wish or because its time was over."""
        ...

    def open(self, count: float, *, venue: str = "", strategy: str = "", account: str = "") -> None:
        """So many orders stand."""
        ...

    def edge_captured(
        self,
        amount: float,
        *,
        currency: str,
        venue: str = "",
        symbol: str = "",
        strategy: str = "",
    ) -> None:
        """What a fill brought over the price that was thought fair."""
        ...
