"""The bot's order entry against the real exchange, over real sockets."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from random import Random
from typing import Any, TypeVar

import pytest
from websockets.asyncio.client import ClientConnection, connect

from demo_exchange.book import CHANCE_OF_THIN_MARKET
from demo_exchange.server import Exchange, Faults, Pace, sign
from momentum_bot.app import App, Summary
from momentum_bot.execution import (
    ExchangeTimeout,
    ExchangeUnavailableError,
    Execution,
    Patience,
)
from momentum_bot.messages import Fill, Order, OrderResult, Side, read_report
from momentum_bot.portfolio import Portfolio

Result = TypeVar("Result")

NEVER = (3600.0, 3600.0)
FAULTLESS = Faults(
    chance_of_malformed_tick=0, chance_of_stalled_order=0, time_between_disconnects=NEVER
)
STALLED = Faults(
    chance_of_malformed_tick=0,
    chance_of_stalled_order=1,
    stall=NEVER,
    time_between_disconnects=NEVER,
)
FROZEN = Pace(ticks_per_second=0.001)
LIQUID = next(s for s in range(100) if Random(s).random() >= CHANCE_OF_THIN_MARKET)
THIN = next(s for s in range(1000) if Random(s).random() < CHANCE_OF_THIN_MARKET)


def make_exchange(faults: Faults = FAULTLESS, book_seed: int = LIQUID) -> Exchange:
    exchange = Exchange(seed=7, pace=FROZEN, faults=faults)
    exchange.book.generator = Random(book_seed)
    return exchange


def buy_at(exchange: Exchange, factor: str) -> Order:
    price = exchange.market.quotes["MSFT"].ask_px * Decimal(factor)
    return Order("C-1", "MSFT", Side.BUY, 100, price.quantize(Decimal("0.01")))


def with_exchange(exchange: Exchange, act: Callable[[str], Awaitable[Result]]) -> Result:
    """Run the exchange on loopback for as long as the coroutine needs it."""

    async def run() -> Result:
        address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(exchange.run(0, address.set_result))
        try:
            return await act(await address)
        finally:
            serving.cancel()
            await asyncio.wait([serving])

    return asyncio.run(run())


class Desk:
    """One order entry with its account, that hears what the exchange says of its orders."""

    def __init__(self) -> None:
        self.tally: Counter[str] = Counter()
        self.portfolio = Portfolio(Decimal(1_000_000))

    def submit(self, exchange: Exchange, order: Order) -> OrderResult:
        self.portfolio.reserve(order)

        async def act(url: str) -> OrderResult:
            patience = Patience(acknowledgement=0.5, fills=0.5)
            execution = Execution(url, self.portfolio, Random(1), self.tally, patience)
            listening = asyncio.create_task(self._listen(execution, await execution.connect()))
            try:
                return await execution.submit(order)
            finally:
                listening.cancel()

        return with_exchange(exchange, act)

    async def _listen(self, execution: Execution, connection: ClientConnection) -> None:
        async for text in connection:
            message = json.loads(text)
            if message["msg_type"] == "execution_report":
                assert execution.mailboxes.deliver(read_report(message))


def test_order_is_acknowledged_filled_and_booked() -> None:
    desk, exchange = Desk(), make_exchange()
    order = buy_at(exchange, "1.005")

    result = desk.submit(exchange, order)

    assert (result.ord_status, result.cum_qty) == ("filled", 100)
    assert result.average_px is not None
    assert exchange.market.quotes["MSFT"].ask_px <= result.average_px <= order.price
    assert desk.portfolio.positions["MSFT"].quantity == 100
    assert desk.portfolio.available_cash == desk.portfolio.cash
    assert desk.tally["acknowledged"] == 1
    assert 1 <= desk.tally["fills"] <= 3


def test_rejected_order_moves_no_money() -> None:
    desk, exchange = Desk(), make_exchange(book_seed=THIN)

    result = desk.submit(exchange, buy_at(exchange, "1.005"))

    assert (result.ord_status, result.cum_qty, result.average_px) == ("rejected", 0, None)
    assert desk.portfolio.available_cash == Decimal(1_000_000)


def test_order_that_finds_no_seller_is_cancelled() -> None:
    desk, exchange = Desk(), make_exchange()

    result = desk.submit(exchange, buy_at(exchange, "0.995"))

    assert (result.ord_status, result.cum_qty, result.average_px) == ("canceled", 0, None)
    assert desk.tally["cancelled"] == 1
    assert desk.portfolio.available_cash == Decimal(1_000_000)


def test_order_without_acknowledgement_is_cancelled_and_reported_as_timeout() -> None:
    desk, exchange = Desk(), make_exchange(STALLED)

    with pytest.raises(ExchangeTimeout, match=r"C-1 not acknowledged in 0\.5 s"):
        desk.submit(exchange, buy_at(exchange, "1.005"))

    assert desk.tally["cancelled"] == 1
    assert not exchange.book.is_open("C-1")
    assert desk.portfolio.available_cash == Decimal(1_000_000)


def test_fill_that_comes_late_is_booked_all_the_same(fill: Callable[..., Fill]) -> None:
    portfolio = Portfolio(Decimal(10_000))
    execution = Execution("ws://127.0.0.1:1", portfolio, Random(1), Counter())

    execution.on_late_report(fill("buy", 10, "100.00"))

    assert portfolio.positions["AAPL"].quantity == 10
    assert portfolio.cash == Decimal(9_000)


def test_exchange_that_never_answers_is_given_up() -> None:
    patience = Patience(first_back_off=0.001, connection_attempts=3)
    execution = Execution("ws://127.0.0.1:1", Portfolio(Decimal(1)), Random(1), Counter(), patience)

    with pytest.raises(ExchangeUnavailableError, match="in 3 attempts"):
        asyncio.run(execution.connect())


def test_message_without_the_right_signature_is_refused() -> None:
    exchange = make_exchange()

    async def act(url: str) -> list[dict[str, Any]]:
        async with connect(url, proxy=None) as connection:
            await log_on(connection)
            order = buy_at(exchange, "1.005").to_message()
            await connection.send(json.dumps(order))
            await connection.send(json.dumps(order | {"signature": "no"}))
            return [json.loads(await connection.recv()) for _ in range(2)]

    missing, wrong = with_exchange(exchange, act)

    assert missing["text"] == "KeyError: 'signature'"
    assert wrong["text"] == "ValueError: the signature is wrong"
    assert not exchange.book.is_open("C-1")


def test_reports_that_a_client_missed_wait_for_its_return() -> None:
    exchange = make_exchange()
    order = buy_at(exchange, "1.005").to_message()

    async def act(url: str) -> list[str]:
        async with connect(url, proxy=None) as connection:
            await log_on(connection)
            await connection.send(json.dumps(order | {"signature": sign(order)}))
        async with connect(url, proxy=None) as connection:
            await log_on(connection)
            statuses = [""]
            while statuses[-1] != "filled":
                statuses.append(json.loads(await connection.recv())["ord_status"])
            return statuses

    assert with_exchange(exchange, act)[1] == "new"


async def log_on(connection: ClientConnection) -> None:
    await connection.send(json.dumps({"msg_type": "logon", "sender_comp_id": "test"}))
    for _ in range(6):
        assert json.loads(await connection.recv())["msg_type"] == "market_data_snapshot"


def run_bot(exchange: Exchange, seconds: float) -> Summary:
    async def act(url: str) -> Summary:
        return await App(url, seed=1).run(seconds, asyncio.Event())

    return with_exchange(exchange, act)


def test_bot_comes_back_after_each_disconnect() -> None:
    faults = Faults(
        chance_of_malformed_tick=0,
        time_between_disconnects=(0.2, 0.3),
        time_closed_after_disconnect=(0.01, 0.05),
    )

    summary = run_bot(Exchange(3, Pace(ticks_per_second=200), faults), seconds=1.5)

    assert summary.counts["disconnects"] >= 2
    assert summary.counts["ticks"] > 50


def test_bot_runs_on_through_nothing_but_malformed_ticks() -> None:
    faults = Faults(chance_of_malformed_tick=1, time_between_disconnects=NEVER)

    summary = run_bot(Exchange(3, Pace(ticks_per_second=200), faults), seconds=0.5)

    assert summary.counts["errors"] == summary.counts["ticks"] > 10
