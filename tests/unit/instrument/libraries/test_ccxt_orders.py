"""What becomes of orders that are placed through `ccxt`, against a venue on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import ccxt
import ccxt.async_support
import pytest

from tests.unit.instrument.libraries.exchange_server import (
    ORDER,
    Answer,
    ExchangeServer,
    serve_exchange,
    settings,
    take_markets,
)
from tests.unit.instrument.libraries.sdk import Sdk
from tradespan.core import guard
from tradespan.instrument.libraries.ccxt_exchanges import CcxtInstrumentor
from tradespan.instrument.meaning import LISTENER

Told = list[tuple[str, dict[str, Any]]]
BOTH = pytest.mark.parametrize("kind", ["plain", "asyncio"])
PLACE = ("create_order", "BTC/USDT", "limit", "buy", 1, 100)
LOOK = ("fetch_order", "28", "BTC/USDT")


class Keeping:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.told: Told = []

    def __call__(self, signal: str, function: str, *, late: bool, events: bool) -> Any:
        kept = self

        class Meaning:
            def begins(self, facts: dict[str, Any]) -> None:
                kept.told.append((signal, {**facts, "function": function}))

            def ended(self, facts: Any, seconds: float, error: Exception | None) -> None:
                pass

            def missed(self, attribute: str, problem: str) -> None:
                raise AssertionError(attribute)

        return Meaning()

    def signals(self) -> list[str]:
        return [signal for signal, _ in self.told]

    def of(self, signal: str) -> list[dict[str, Any]]:
        return [facts for each, facts in self.told if each == signal]


@pytest.fixture
def venue() -> Iterator[ExchangeServer]:
    with serve_exchange() as venue:
        yield venue


@pytest.fixture(autouse=True)
def instrumentor(sdk: Sdk) -> Iterator[CcxtInstrumentor]:
    instrumentor = CcxtInstrumentor()
    instrumentor.instrument(**sdk.options)
    yield instrumentor
    instrumentor.uninstrument()


@pytest.fixture(autouse=True)
def kept() -> Iterator[Keeping]:
    LISTENER.listener = keeping = Keeping()
    yield keeping
    LISTENER.clear()


def calls(kind: str, venue: ExchangeServer, *wanted: tuple[Any, ...]) -> None:
    """Calls of one exchange, one after the other; the venue's refusals are the program's affair."""
    if kind == "plain":
        exchange = ccxt.binance(settings(venue.url))
        take_markets(exchange)
        for method, *args in wanted:
            try:
                getattr(exchange, method)(*args)
            except ccxt.BaseError:
                pass
        exchange.session.close()
        return

    async def main() -> None:
        exchange = ccxt.async_support.binance(settings(venue.url))
        take_markets(exchange)
        for method, *args in wanted:
            try:
                await getattr(exchange, method)(*args)
            except ccxt.BaseError:
                pass
        await exchange.close()

    asyncio.run(main())


def state(status: str, filled: str = "0.0", cost: str = "0.0") -> Answer:
    return Answer(
        body={
            **ORDER,
            "status": status,
            "executedQty": filled,
            "cummulativeQuoteQty": cost,
            "time": 1735828200000,
        }
    )


@BOTH
def test_an_order_is_submitted_when_the_call_begins_and_acknowledged_by_its_answer(
    kind: str, venue: ExchangeServer, kept: Keeping
) -> None:
    calls(kind, venue, PLACE)
    assert kept.signals() == ["order.submitted", "order.acknowledged"]
    (sent,), (taken,) = kept.of("order.submitted"), kept.of("order.acknowledged")
    began, answered = sent.pop("trading.event_time"), taken.pop("trading.event_time")
    assert began < answered
    assert sent == {
        "function": "binance create_order",
        "trading.venue": "binance",
        "trading.symbol": "BTC/USDT",
        "trading.order.id": "28",
        "trading.order.client_id": "a-1",
        "trading.order.side": "buy",
        "trading.order.type": "limit",
        "trading.order.quantity": 1.0,
        "trading.order.price": 100.0,
    }
    assert taken == {**sent, "trading.order.status": "new"}


@BOTH
def test_fills_are_what_an_order_says_more_of_than_before_at_the_price_of_the_difference(
    kind: str, venue: ExchangeServer, kept: Keeping
) -> None:
    venue.answers += [
        state("NEW"),
        state("PARTIALLY_FILLED", "0.25", "24.0"),
        state("PARTIALLY_FILLED", "0.25", "24.0"),
        state("FILLED", "1.0", "99.0"),
        state("FILLED", "1.0", "99.0"),
    ]
    calls(kind, venue, PLACE, LOOK, LOOK, LOOK, LOOK)
    fills = kept.of("order.filled")
    keys = (
        "trading.execution.quantity",
        "trading.execution.price",
        "trading.order.cumulative_quantity",
        "trading.order.leaves_quantity",
        "trading.order.status",
        "trading.currency",
        "trading.order.client_id",
    )
    assert [tuple(fill[key] for key in keys) for fill in fills] == [
        (0.25, 96.0, 0.25, 0.75, "partially_filled", "USDT", "a-1"),
        (0.75, 100.0, 1.0, 0.0, "filled", "USDT", "a-1"),
    ]


@BOTH
def test_an_order_that_trades_at_once_is_acknowledged_and_filled_by_one_answer(
    kind: str, venue: ExchangeServer, kept: Keeping
) -> None:
    venue.answers.append(state("FILLED", "1.0", "100.0"))
    calls(kind, venue, PLACE)
    assert kept.signals() == ["order.submitted", "order.acknowledged", "order.filled"]


@BOTH
def test_what_is_left_of_a_cancelled_order_is_gone_and_told_once(
    kind: str, venue: ExchangeServer, kept: Keeping
) -> None:
    venue.answers += [
        state("NEW"),
        state("CANCELED", "0.5", "50.0"),
        state("CANCELED", "0.5", "50.0"),
    ]
    calls(kind, venue, PLACE, ("cancel_order", "28", "BTC/USDT"), LOOK)
    assert kept.signals()[2:] == ["order.filled", "order.cancelled"]
    (cancelled,) = kept.of("order.cancelled")
    assert cancelled["trading.order.cumulative_quantity"] == 0.5
    assert cancelled["trading.order.status"] == "canceled"


@BOTH
def test_what_the_venue_refuses_is_rejected_by_the_errors_class(
    kind: str, venue: ExchangeServer, kept: Keeping
) -> None:
    venue.answers.append(
        Answer(
            400, {"code": -2010, "msg": "Account has insufficient balance for requested action."}
        )
    )
    calls(kind, venue, PLACE)
    assert kept.signals() == ["order.submitted", "order.rejected"]
    (rejected,) = kept.of("order.rejected")
    assert rejected["trading.order.reject_code"] == "InsufficientFunds"
    assert rejected["trading.symbol"] == "BTC/USDT"


@BOTH
def test_of_an_order_that_the_network_lost_nobody_says_what_became(
    kind: str, venue: ExchangeServer, kept: Keeping
) -> None:
    venue.answers.append(Answer(503, {}))
    calls(kind, venue, PLACE)
    assert kept.signals() == []


@BOTH
def test_orders_that_the_program_did_not_place_are_no_news(
    kind: str, venue: ExchangeServer, kept: Keeping
) -> None:
    venue.answers.append(state("FILLED", "1.0", "100.0"))
    calls(kind, venue, LOOK)
    assert kept.signals() == []


def test_without_a_listener_nothing_is_told_and_the_call_is_as_it_was(
    venue: ExchangeServer, kept: Keeping
) -> None:
    LISTENER.clear()
    calls("plain", venue, PLACE)
    assert kept.told == []
    assert len(venue.requests) == 1


def test_a_listener_that_fails_harms_no_order(venue: ExchangeServer) -> None:
    def broken(signal: str, function: str, *, late: bool, events: bool) -> Any:
        raise RuntimeError("broken")

    LISTENER.clear()
    LISTENER.listener = broken
    exchange = ccxt.binance(settings(venue.url))
    take_markets(exchange)
    before = guard.raise_errors(False)
    try:
        assert exchange.create_order("BTC/USDT", "limit", "buy", 1, 100)["id"] == "28"
    finally:
        guard.raise_errors(before)
    exchange.session.close()
