"""A library that trades, as if: it stands for the one that you want to see."""

from __future__ import annotations


class Rejected(Exception):
    """The broker does not take an order."""


class Broker:
    """A connection to the broker."""

    def __init__(self, account: str, secret: str) -> None:
        self.account = account
        self._secret = secret
        self._orders = 0

    def order(self, symbol: str, quantity: float, price: float) -> str:
        """Order, and return the order's id."""
        if price <= 0:
            raise Rejected(f"{symbol}: a price of {price}")
        self._orders += 1
        return f"{self.account}-{self._orders}"

    async def quote(self, symbol: str) -> float:
        """The latest price."""
        if not symbol.isupper():
            raise KeyError(symbol)
        return 187.15
