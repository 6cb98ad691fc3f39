"""The exchange process: sessions, the market's clock, matching with latency, and faults."""

import asyncio
import hmac
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from typing import Any, Final

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from demo_exchange.book import ExecutionReport, NewOrder, OrderBook
from demo_exchange.market import Market, Quote
from demo_exchange.prices import load_weekly_closes

HOST: Final = "127.0.0.1"
API_KEY: Final = "demo-key"  # no secret: on loopback, what clients sign their messages with
SERVICE_RESTART: Final = 1012

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Faults:
    """How often things go wrong; chances from 0 to 1, times in seconds from least to most."""

    chance_of_malformed_tick: float = 0.01
    chance_of_stalled_order: float = 0.08
    stall: tuple[float, float] = (1.5, 2.5)
    time_between_disconnects: tuple[float, float] = (7.0, 14.0)
    time_closed_after_disconnect: tuple[float, float] = (0.05, 0.3)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast things go; latencies in seconds from least to most."""

    ticks_per_second: float = 30.0
    acknowledgement_latency: tuple[float, float] = (0.003, 0.012)
    fill_latency: tuple[float, float] = (0.004, 0.025)


ORDINARY_PACE: Final = Pace()
ORDINARY_FAULTS: Final = Faults()


@dataclass(slots=True)
class Client:
    """A trading firm: it keeps its orders while away, and gets the missed reports afterwards."""

    connection: ServerConnection | None = None
    undelivered: deque[str] = field(default_factory=deque)
    delivery: asyncio.Lock = field(default_factory=asyncio.Lock)


class Exchange:
    """One market and one order book for any number of clients."""

    def __init__(
        self, seed: int, pace: Pace = ORDINARY_PACE, faults: Faults = ORDINARY_FAULTS
    ) -> None:
        source = Random(seed)
        self.pace = pace
        self.faults = faults
        self.market = Market(load_weekly_closes(), Random(source.getrandbits(64)))
        self.book = OrderBook(self.market.quotes, Random(source.getrandbits(64)))
        self._generator = Random(source.getrandbits(64))
        self._clients: dict[str, Client] = {}
        self._closed_until = 0.0
        self._tasks = asyncio.TaskGroup()

    async def run(self, port: int, on_ready: Callable[[str], None]) -> None:
        """Serve until cancelled; `on_ready` is told the address.

        Raises:
            OSError: the port is taken.
        """
        async with serve(
            self._hold_session, HOST, port, process_request=self._admit, compression=None
        ) as server:
            on_ready(f"ws://{HOST}:{server.sockets[0].getsockname()[1]}")
            async with self._tasks:
                self._tasks.create_task(self._publish_ticks())
                self._tasks.create_task(self._disconnect_now_and_then())

    async def _publish_ticks(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += self._generator.uniform(0.5, 1.5) / self.pace.ticks_per_second
            await asyncio.sleep(due - loop.time())
            tick = self._describe_tick(self.market.advance())
            broadcast(
                [client.connection for client in self._clients.values() if client.connection],
                json.dumps(tick),
            )

    def _describe_tick(self, quote: Quote) -> JsonObject:
        tick = quote.to_message(time.time_ns())
        if self._generator.random() < self.faults.chance_of_malformed_tick:
            del tick["last_px"]
        return tick

    async def _disconnect_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self._generator.uniform(*self.faults.time_between_disconnects))
            closed_for = self._generator.uniform(*self.faults.time_closed_after_disconnect)
            self._closed_until = asyncio.get_running_loop().time() + closed_for
            for client in list(self._clients.values()):
                if client.connection:
                    await client.connection.close(SERVICE_RESTART, "service restart")

    def _admit(self, connection: ServerConnection, _request: Request) -> Response | None:
        if asyncio.get_running_loop().time() < self._closed_until:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "the exchange restarts\n")
        return None

    async def _hold_session(self, connection: ServerConnection) -> None:
        client: Client | None = None
        try:
            client = await self._log_on(connection)
            async for text in connection:
                await self._handle(client, text)
        except ConnectionClosed:
            pass  # an ordinary end: the client left, or a fault of ours
        except (KeyError, TypeError, ValueError):
            await connection.close(reason="the first message must be a logon")
        finally:
            if client and client.connection is connection:
                client.connection = None

    async def _log_on(self, connection: ServerConnection) -> Client:
        logon = json.loads(await connection.recv())
        client = self._clients.setdefault(logon["sender_comp_id"], Client())
        for symbol, prices in self.market.history.items():
            snapshot = {
                "msg_type": "market_data_snapshot",
                "symbol": symbol,
                "prices": [str(price) for price in prices],
            }
            await connection.send(json.dumps(snapshot))
        client.connection = connection
        await self._deliver(client)
        return client

    async def _handle(self, client: Client, text: str | bytes) -> None:
        try:
            message: JsonObject = json.loads(text)
            verify(message)
            if message["msg_type"] == "order_cancel_request":
                await self._send_report(client, self.book.cancel(message["cl_ord_id"]))
            else:
                await self._receive_order(client, NewOrder.from_message(message))
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            await self._send(
                client, {"msg_type": "session_reject", "text": f"{type(error).__name__}: {error}"}
            )

    async def _receive_order(self, client: Client, order: NewOrder) -> None:
        rejection = self.book.receive(order)
        if rejection:
            await self._send_report(client, rejection)
        else:
            self._tasks.create_task(self._work(client, order.cl_ord_id))

    async def _work(self, client: Client, cl_ord_id: str) -> None:
        """Bring one order from its receipt to its end."""
        await self._wait(self.pace.acknowledgement_latency)
        if self._generator.random() < self.faults.chance_of_stalled_order:
            await self._wait(self.faults.stall)
        if self.book.is_open(cl_ord_id):
            await self._send_report(client, self.book.accept(cl_ord_id))
        while self.book.is_open(cl_ord_id):
            await self._wait(self.pace.fill_latency)
            if self.book.is_open(cl_ord_id):
                await self._send_report(client, self.book.match(cl_ord_id))

    async def _wait(self, seconds: tuple[float, float]) -> None:
        await asyncio.sleep(self._generator.uniform(*seconds))

    async def _send_report(self, client: Client, report: ExecutionReport | None) -> None:
        if report:
            await self._send(client, report.to_message(time.time_ns()))

    async def _send(self, client: Client, message: JsonObject) -> None:
        client.undelivered.append(json.dumps(message))
        await self._deliver(client)

    async def _deliver(self, client: Client) -> None:
        async with client.delivery:  # one at a time, so that nothing is sent twice or out of order
            try:
                while client.undelivered and client.connection:
                    await client.connection.send(client.undelivered[0])
                    client.undelivered.popleft()
            except ConnectionClosed:
                pass  # it stays in the queue until the client is back


def verify(message: Mapping[str, Any]) -> None:
    """Check a message's signature.

    Raises:
        KeyError, ValueError: it has none, or a wrong one.
    """
    if not hmac.compare_digest(str(message["signature"]), sign(message)):
        raise ValueError("the signature is wrong")


def sign(message: Mapping[str, Any]) -> str:
    """HMAC-SHA256 over the message's fields, sorted by name, without the signature itself."""
    fields = {name: value for name, value in message.items() if name != "signature"}
    body = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return hmac.new(API_KEY.encode(), body.encode(), "sha256").hexdigest()
