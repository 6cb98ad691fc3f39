"""Orders through a real exchange of `ccxt` are journeys, by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
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
from tests.unit.signals.metrics.conftest import Run
from tests.unit.signals.sets.conftest import Observing, Values
from tradespan.core import guard
from tradespan.instrument.libraries.ccxt_exchanges import CcxtInstrumentor
from tradespan.instrument.orders_told import LISTENER
from tradespan.signals.events.bus import EventBus
from tradespan.signals.metrics.registry import InstrumentRegistry
from tradespan.signals.sets.switch import Sets
from tradespan.signals.sets.told import ToldOrders
from tradespan.signals.slot import SignalSlot

BOTH = pytest.mark.parametrize("kind", ["plain", "asyncio"])
PART = ORDER | {"status": "PARTIALLY_FILLED", "executedQty": "0.4", "cummulativeQuoteQty": "40.0"}
ALL = ORDER | {"status": "FILLED", "executedQty": "1.0", "cummulativeQuoteQty": "101.2"}
GONE = PART | {"status": "CANCELED"}
SEND = ("create_order", "BTC/USDT", "limit", "buy", 1, 100)
ASK = ("fetch_order", "28", "BTC/USDT")
CANCEL = ("cancel_order", "28", "BTC/USDT")


class Desk:
    """A bot's side: journeys, and calls of an exchange."""

    def __init__(self, folder: Path, venue: ExchangeServer) -> None:
        signals = SignalSlot()
        self.run = Run(folder, signals)
        registry = InstrumentRegistry(signals)
        self.venue = venue
        self.bus = EventBus()
        self.values = Values(folder)
        self.sets = Sets(registry.from_declaration, observer=Observing())
        LISTENER.listener = ToldOrders(self.sets, self.bus, "live")

    def call(self, kind: str, *steps: tuple[Any, Any]) -> None:
        """Each step: what the venue answers, and the call."""
        self.venue.answers.extend(Answer(body=body) for body, _ in steps)
        if kind == "plain":
            exchange = ccxt.binance(settings(self.venue.url))
            take_markets(exchange)
            try:
                for _, (method, *args) in steps:
                    getattr(exchange, method)(*args)
            finally:
                exchange.session.close()
            return

        async def main() -> None:
            exchange = ccxt.async_support.binance(settings(self.venue.url))
            take_markets(exchange)
            try:
                for _, (method, *args) in steps:
                    await getattr(exchange, method)(*args)
            finally:
                await exchange.close()

        asyncio.run(main())

    @property
    def events(self) -> list[str]:
        return [each.name for each in self.bus.get_recent()]


@pytest.fixture
def desk(tmp_path: Path, sdk: Sdk) -> Iterator[Desk]:
    before = guard.raise_errors(strict=True)
    instrumentor = CcxtInstrumentor()
    instrumentor.instrument(**sdk.options)
    with serve_exchange() as venue:
        yield Desk(tmp_path / "page", venue)
    LISTENER.listener = None
    instrumentor.uninstrument()
    guard.raise_errors(before)


@BOTH
def test_an_order_goes_from_the_call_that_sends_it_to_its_last_fill(desk: Desk, kind: str) -> None:
    desk.call(kind, (ORDER, SEND), (PART, ASK), (PART, ASK), (ALL, ASK), (ALL, ASK))
    journey = desk.sets.journeys.get("a-1")
    assert journey is not None
    assert (journey.state, journey.order_id, journey.venue) == ("filled", "28", "binance")
    assert (journey.cumulative, journey.fill_count) == (1.0, 2)
    assert journey.average_price == pytest.approx(101.2)
    assert (journey.side, journey.type, journey.quantity, journey.currency) == (
        "buy", "limit", 1.0, "USDT",
    )  # fmt: skip
    assert {"submit_to_ack", "ack_to_fill", "submit_to_fill"} <= journey.legs().keys()
    assert desk.events == ["TRADE_SUBMITTED", "TRADE_ACKNOWLEDGED", "TRADE_FILLED", "TRADE_FILLED"]
    labels = ("buy", "limit", "BTC/USDT", "binance")
    for name, count in (("submitted", 1), ("acknowledged", 1), ("fills", 2), ("filled", 1)):
        assert desk.values.of(f"trading.orders.{name}") == {labels: count}, name


@BOTH
def test_a_cancelled_order_keeps_what_was_traded_of_it(desk: Desk, kind: str) -> None:
    desk.call(kind, (ORDER, SEND), (GONE, CANCEL))
    journey = desk.sets.journeys.get("a-1")
    assert journey is not None
    assert (journey.state, journey.cumulative, journey.leaves) == ("canceled", 0.4, 0.0)
    assert desk.values.of("trading.orders.open") == {("binance",): 0}


def test_an_order_that_is_filled_at_once_is_sent_taken_and_filled(desk: Desk) -> None:
    desk.call("plain", (ALL, SEND))
    assert desk.events == ["TRADE_SUBMITTED", "TRADE_ACKNOWLEDGED", "TRADE_FILLED"]


def test_orders_that_an_account_had_before_are_nobodys_here(desk: Desk) -> None:
    desk.call("plain", (PART, ASK))
    assert desk.events == []
    assert desk.sets.journeys.get("a-1") is None
    assert "trading.orders.unknown" not in desk.values


def test_an_order_that_the_program_tells_of_itself_is_one(desk: Desk) -> None:
    desk.sets.journeys.submitted("a-1", venue="binance", symbol="BTC/USDT", side="buy", quantity=1)
    desk.call("plain", (ALL, SEND))
    assert sum(desk.values.of("trading.orders.submitted").values()) == 1
    assert sum(desk.values.of("trading.orders.filled").values()) == 1


@BOTH
def test_an_order_that_the_venue_refuses_is_rejected_by_the_errors_class(
    desk: Desk, kind: str
) -> None:
    words = "Account has insufficient balance for requested action."
    with pytest.raises(ccxt.InsufficientFunds):
        desk.call(kind, ({"code": -2010, "msg": words}, SEND))
    assert desk.events == ["TRADE_SUBMITTED", "TRADE_REJECTED"]
    labels = ("buy", "limit", "BTC/USDT", "binance")
    assert desk.values.of("trading.orders.submitted") == {labels: 1}
    rejected = desk.values.of("trading.orders.rejected")
    assert {key: count for key, count in rejected.items() if count} == {
        ("InsufficientFunds", *labels): 1
    }


@BOTH
def test_an_order_that_is_refused_under_its_own_id_is_a_journey_that_ended(
    desk: Desk, kind: str
) -> None:
    words = "Account has insufficient balance for requested action."
    with pytest.raises(ccxt.InsufficientFunds):
        desk.call(kind, ({"code": -2010, "msg": words}, (*SEND, {"clientOrderId": "mine-1"})))
    journey = desk.sets.journeys.get("mine-1")
    assert journey is not None
    assert (journey.state, journey.symbol) == ("rejected", "BTC/USDT")


@BOTH
def test_of_an_order_that_the_network_lost_nobody_says_what_became(desk: Desk, kind: str) -> None:
    desk.venue.answers.append(Answer(503, {}))
    with pytest.raises(ccxt.NetworkError):
        desk.call(kind, ({}, SEND))
    assert desk.events == []


@BOTH
def test_an_answer_with_an_id_alone_is_an_acknowledgement_of_what_was_asked(
    desk: Desk, kind: str
) -> None:
    desk.call(kind, ({"orderId": 28}, SEND))
    journey = desk.sets.journeys.get("28")
    assert journey is not None
    assert (journey.state, journey.side, journey.quantity) == ("new", "buy", 1)
    assert desk.events == ["TRADE_SUBMITTED", "TRADE_ACKNOWLEDGED"]
