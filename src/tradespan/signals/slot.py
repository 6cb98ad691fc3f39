"""Where this process's signals go: empty until tradespan is configured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from weakref import WeakMethod

from tradespan.core.guard import guarded
from tradespan.core.orders import OpenOrders
from tradespan.pages.metrics import MetricPage
from tradespan.spool.writer import SpoolWriter


class SignalSlot:
    """What is in force. `spool` and `page` know of forks themselves, so that they stay for good."""

    __slots__ = ("_followers", "open_orders", "page", "spool")

    def __init__(self) -> None:
        self.spool: SpoolWriter | None = None
        """Where log lines and events are written; None: nowhere."""
        self.page: MetricPage | None = None
        """Where instruments have their cells; None: in memory, where nobody sees it."""
        self.open_orders: OpenOrders | None = None
        """The orders that stand, kept over a restart; None: nobody keeps them."""
        self._followers: list[WeakMethod[Callable[[], Any]]] = []

    def follow(self, method: Callable[[], Any]) -> None:
        """Call a bound method after each change, as long as its object lives."""
        self._followers = [each for each in self._followers if each() is not None]
        self._followers.append(WeakMethod(method))

    def fill(
        self,
        spool: SpoolWriter,
        page: MetricPage | None,
        open_orders: OpenOrders | None = None,
    ) -> None:
        """Go there from now on."""
        self.spool, self.page, self.open_orders = spool, page, open_orders
        self._tell()

    def clear(self) -> None:
        """Go nowhere from now on."""
        self.spool = self.page = self.open_orders = None
        self._tell()

    def _tell(self) -> None:
        for reference in self._followers:
            method = reference()
            if method is not None:
                with guarded("signals"):
                    method()


SIGNALS: Final = SignalSlot()
"""The process's own."""
