"""Streams of `alpaca-py` against a WebSocket server on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec import msgpack
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode
from websockets.asyncio.server import Server, ServerConnection, serve

from tests.unit.instrument.libraries.alpaca_library import (
    KEY,
    SECRET,
    FakeAlpaca,
    StockDataStream,
    TradingStream,
    alpaca,
    limit,
    order,
    trading,
)
from tests.unit.instrument.libraries.broker_recording import Recorded, recording
from tradespan.instrument.libraries.alpaca_clients import AlpacaInstrumentor

__all__ = ["alpaca"]  # a fixture, used by name

EXECUTION_ID = "2f63ea93-423d-4169-b3f6-3fdafc10c418"
Talk = Callable[[ServerConnection], Awaitable[None]]


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    with recording(AlpacaInstrumentor()) as recorded:
        yield recorded


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def update(event: str, **fields: Any) -> str:
    data = {"event": event, "timestamp": "2025-01-02T14:30:00.5Z", **fields}
    return json.dumps({"stream": "trade_updates", "data": data})


def updates(*messages: str) -> Talk:
    """Let the client in, and tell it of its orders."""

    async def talk(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(json.dumps({"stream": "authorization", "data": {"status": "authorized"}}))
        await socket.recv()
        for message in messages:
            await socket.send(message)
        await socket.wait_closed()

    return talk


def prices(*messages: dict[str, Any]) -> Talk:
    """Let the client in, and send it market data."""

    async def talk(socket: ServerConnection) -> None:
        await socket.send(msgpack.encode([{"T": "success", "msg": "connected"}]))
        await socket.recv()
        await socket.send(msgpack.encode([{"T": "success", "msg": "authenticated"}]))
        await socket.recv()
        for message in messages:
            await socket.send(msgpack.encode([message]))
        await socket.wait_closed()

    return talk


@asynccontextmanager
async def running(make: Callable[[str], Any], talk: Talk) -> AsyncIterator[tuple[Any, Server]]:
    """A stream at work; afterwards it is stopped."""
    async with serve(talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        stream = make(f"ws://127.0.0.1:{port}")
        stream._reconnect_min_backoff = 0.0  # noqa: SLF001 - the constructor does not take it
        stream._reconnect_max_backoff = 0.0  # noqa: SLF001
        running = asyncio.ensure_future(stream._run_forever())  # noqa: SLF001 - `run` is for scripts
        try:
            yield stream, server
        finally:
            await stream.stop_ws()
            for connection in list(server.connections):
                await connection.close()  # the stream looks at its mailbox after each message only
            await asyncio.wait_for(running, 20)


def trading_stream(handler: Any) -> Callable[[str], TradingStream]:
    def make(url: str) -> TradingStream:
        stream = TradingStream(KEY, SECRET, url_override=url)
        stream.subscribe_trade_updates(handler)
        return stream

    return make


def data_stream(handler: Any, *symbols: str) -> Callable[[str], StockDataStream]:
    def make(url: str) -> StockDataStream:
        stream = StockDataStream(KEY, SECRET, raw_data=True, url_override=url)
        stream.subscribe_trades(handler, *symbols)
        return stream

    return make


def test_a_handler_runs_in_a_span_linked_to_the_order_that_caused_the_update(
    alpaca: FakeAlpaca, recorded: Recorded
) -> None:
    alpaca.say("POST /v2/orders", (200, {}, order()))
    tracer = recorded.tracer_provider.get_tracer("bot")
    seen: list[int] = []

    async def bot() -> None:
        told = asyncio.Event()

        async def handler(update: Any) -> None:
            seen.append(trace.get_current_span().get_span_context().span_id)
            with tracer.start_as_current_span("react"):
                told.set()

        filled = update(
            "fill",
            order=order(status="filled", filled_qty="10"),
            price="187.12",
            qty="10",
            execution_id=EXECUTION_ID,
        )
        async with running(trading_stream(handler), updates(filled)):
            await asyncio.wait_for(told.wait(), 20)

    with tracer.start_as_current_span("main"):
        trading(alpaca).submit_order(limit())
        asyncio.run(bot())
    report = recorded.one("TradingStream.trade_update")
    assert report.parent is None
    assert [link.context for link in report.links] == [
        recorded.one("TradingClient.submit_order").context
    ]
    assert report.context is not None
    assert seen == [report.context.span_id]
    assert recorded.one("react").parent == report.context
    expected = {
        "tradespan.signal": "order.filled",
        "trading.event_time": 1735828200500000000,
        "trading.execution.id": EXECUTION_ID,
        "trading.execution.price": 187.12,
        "trading.execution.quantity": 10.0,
        "trading.execution.type": "trade",
        "trading.order.client_id": "MOM-000017",
        "trading.order.leaves_quantity": 0.0,
        "trading.order.status": "filled",
        "trading.symbol": "AAPL",
    }
    got = attributes(report)
    assert {name: got.get(name) for name in expected} == expected


def test_updates_of_orders_that_nobody_here_placed_have_no_link(recorded: Recorded) -> None:
    async def bot() -> None:
        events: asyncio.Queue[str] = asyncio.Queue()

        async def handler(update: Any) -> None:
            await events.put(str(update.event))

        told = [update(event, order=order()) for event in ("new", "canceled", "rejected")]
        async with running(trading_stream(handler), updates(*told)):
            for _ in told:
                await asyncio.wait_for(events.get(), 20)

    asyncio.run(bot())
    reports = recorded.named("TradingStream.trade_update")
    assert [attributes(each)["tradespan.signal"] for each in reports] == [
        "order.acknowledged",
        "order.cancelled",
        "order.rejected",
    ]
    assert not any(each.links for each in reports)


def test_a_failing_handler_fails_the_report_and_the_stream_goes_on(recorded: Recorded) -> None:
    async def bot() -> None:
        told = asyncio.Event()

        async def handler(update: Any) -> None:
            if update.event == "new":
                raise ValueError("cannot cope")
            told.set()

        async with running(
            trading_stream(handler),
            updates(*(update(each, order=order()) for each in ("new", "canceled"))),
        ):
            await asyncio.wait_for(told.wait(), 20)
            assert not recorded.named("TradingStream.lost")

    asyncio.run(bot())
    first, second = recorded.named("TradingStream.trade_update")
    assert first.status.status_code is StatusCode.ERROR
    assert attributes(first)["error.type"] == "ValueError"
    assert second.status.status_code is StatusCode.UNSET


def test_a_lost_connection_is_a_failed_span_and_the_next_one_a_connect(recorded: Recorded) -> None:
    async def bot() -> None:
        told = asyncio.Event()
        calls = 0

        async def talk(socket: ServerConnection) -> None:
            nonlocal calls
            calls += 1
            if calls == 1:
                await socket.recv()
                await socket.send(json.dumps({"data": {"status": "authorized"}}))
                await socket.recv()
                await socket.close(1012, "maintenance")
                return
            await updates(update("new", order=order()))(socket)

        async def handler(update: Any) -> None:
            told.set()

        async with running(trading_stream(handler), talk):
            await asyncio.wait_for(told.wait(), 20)
            assert len(recorded.named("TradingStream.lost")) == 1

    with recorded.tracer_provider.get_tracer("bot").start_as_current_span("main"):
        asyncio.run(bot())
    connects = recorded.named("TradingStream.connect")
    assert len(connects) == 2
    assert all(each.parent is None for each in connects)
    lost = recorded.named("TradingStream.lost")[0]
    assert lost.status.status_code is StatusCode.ERROR
    assert "maintenance" in (lost.status.description or "")
    labels = {"trading.venue": "alpaca", "trading.broker.channel": "TradingStream"}
    assert recorded.series("trading.broker.connects") == [(labels, 2)]
    assert recorded.series("trading.broker.losses")[0][0] == labels


def test_a_refused_login_fails_its_span_without_a_key(recorded: Recorded) -> None:
    async def bot() -> None:
        refused = asyncio.Event()

        async def talk(socket: ServerConnection) -> None:
            await socket.recv()
            await socket.send(json.dumps({"data": {"status": "unauthorized"}}))
            refused.set()
            await socket.wait_closed()

        async def handler(update: Any) -> None:
            pass

        async with running(trading_stream(handler), talk):
            await asyncio.wait_for(refused.wait(), 20)

    asyncio.run(bot())
    failed = recorded.named("TradingStream.connect")[0]
    assert failed.status.status_code is StatusCode.ERROR
    assert attributes(failed)["error.type"] == "ValueError"
    assert KEY not in recorded.text
    assert SECRET not in recorded.text


def test_prices_are_counted_and_have_an_age_but_no_spans(recorded: Recorded) -> None:
    labels = {"trading.venue": "alpaca", "trading.broker.channel": "StockDataStream"}
    aapl = labels | {"trading.symbol": "AAPL"}
    under: list[bool] = []

    async def bot() -> None:
        events: asyncio.Queue[str] = asyncio.Queue()

        async def handler(data: Any) -> None:
            under.append(trace.get_current_span().get_span_context().is_valid)
            await events.put(data["S"])

        trades = [{"T": "t", "S": "AAPL", "p": 187.1, "s": 1} for _ in range(3)]
        async with running(data_stream(handler, "AAPL"), prices(*trades)) as (stream, _):
            for _ in trades:
                await asyncio.wait_for(events.get(), 20)
            recorded.time.step(2)
            assert recorded.series("trading.broker.staleness") == [(aapl, 2.0)]
            await asyncio.to_thread(stream.unsubscribe_trades, "AAPL")
            assert recorded.series("trading.broker.staleness") == []

    with recorded.tracer_provider.get_tracer("bot").start_as_current_span("main"):
        asyncio.run(bot())
    assert recorded.series("trading.broker.updates") == [(labels, 3)]
    assert under == [False, False, False]
    assert {span.name for span in recorded.spans} <= {
        "main",
        "StockDataStream.connect",
        "StockDataStream.lost",
    }


def test_an_error_on_a_stream_is_a_failed_span(recorded: Recorded) -> None:
    async def bot() -> None:
        told = asyncio.Event()

        async def handler(data: Any) -> None:
            told.set()

        complaint = {"T": "error", "code": 405, "msg": "symbol limit exceeded"}
        async with running(
            data_stream(handler, "AAPL"), prices(complaint, {"T": "t", "S": "AAPL"})
        ):
            await asyncio.wait_for(told.wait(), 20)

    asyncio.run(bot())
    report = recorded.one("StockDataStream.error")
    assert report.status.status_code is StatusCode.ERROR
    assert attributes(report)["error.type"] == "405"
    assert [labels["error.type"] for labels, _ in recorded.series("trading.broker.messages")] == [
        "405"
    ]
