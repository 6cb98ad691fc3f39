"""What mapped calls say to the accounts' books, where books are kept."""

from __future__ import annotations

from collections.abc import Mapping
from time import time_ns
from typing import NamedTuple

from tradespan.signals.sets.calls import CURRENCY, STRATEGY, SYMBOL, Call
from tradespan.signals.sets.switch import Sets
from tradespan.signals.sides import WAYS


class Whose(NamedTuple):
    """Whose books."""

    account: str = ""
    strategy: str = ""


class Fill(NamedTuple):
    """An execution."""

    symbol: str
    quantity: float
    """Below 0: sold."""
    price: float
    currency: str
    venue: str
    fee: float
    ts: int


def keep_fill(sets: Sets, call: Call, order: Mapping[str, str]) -> None:
    """A fill that is news.

    `order`: venue, symbol, strategy, account, side, currency; empty where nobody said.
    """
    books = sets.books
    quantity = call.number("trading.execution.quantity")
    price = call.number("trading.execution.price")
    way, ts = WAYS.get(order["side"]), when(call)
    if books is None or way is None or ts is None or price is None or not quantity:
        return
    fill = Fill(
        symbol=order["symbol"],
        quantity=way * abs(quantity),
        price=price,
        currency=order["currency"],
        venue=order["venue"],
        fee=call.number("trading.execution.commission") or 0.0,
        ts=ts,
    )
    books.fill(Whose(order["account"], order["strategy"]), fill)


def keep_price(sets: Sets, call: Call) -> None:
    """The price of the latest trade, else the middle of bid and ask."""
    if sets.books is None:
        return
    price = call.number("trading.quote.last")
    if price is None:
        bid, ask = call.number("trading.quote.bid"), call.number("trading.quote.ask")
        if bid is None or ask is None:
            return
        price = (bid + ask) / 2
    ts = when(call)
    if ts is not None:
        sets.books.price(call.word(SYMBOL), price, ts)


def keep_value(sets: Sets, call: Call, amounts: Mapping[str, float | None]) -> None:
    """What the program says that the account is worth."""
    if sets.books is None:
        return
    ts = when(call)
    if ts is None:  # a backtest's account, valued at no time of its own
        ts = sets.books.latest
    if ts is None:
        return
    known = {name: amount for name, amount in amounts.items() if amount is not None}
    whose = Whose(call.word("trading.account"), call.word(STRATEGY))
    sets.books.value(whose, call.word(CURRENCY), known, ts)


def when(call: Call) -> int | None:
    """The event's time; without one it is now, but in a backtest, whose time is not the clock's."""
    ts = call.time()
    return time_ns() if ts is None and call.mode != "backtest" else ts
