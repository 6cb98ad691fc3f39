"""Real clients of `websockets` against a real server: what is recorded, what stays as it was."""

from __future__ import annotations

import asyncio
import inspect
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
import websockets.asyncio.client
import websockets.sync.client
from opentelemetry.context import get_current
from opentelemetry.trace import StatusCode
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from tests.support.captured import Captured
from tests.unit.instrument.libraries.feed_server import FeedServer, serve_feed
from tests.unit.instrument.libraries.sdk import Sdk, attributes
from tradespan.core import guard
from tradespan.instrument.libraries.websockets_clients import WebsocketsInstrumentor

CLASSES = (
    websockets.asyncio.client.connect,
    websockets.asyncio.client.ClientConnection,
    websockets.asyncio.connection.Connection,
    websockets.sync.client.reconnect,
    websockets.sync.client.ClientConnection,
    websockets.sync.connection.Connection,
    websockets.sync.messages.Assembler,
    websockets.client.ClientProtocol,
    websockets.protocol.Protocol,
)


@pytest.fixture(scope="module")
def server() -> Iterator[FeedServer]:
    with serve_feed() as server:
        yield server


@pytest.fixture
def feed(server: FeedServer, sdk: Sdk) -> Iterator[FeedServer]:
    """The server, with instrumented clients."""
    instrumentor = WebsocketsInstrumentor()
    instrumentor.instrument(**sdk.options)
    assert len(instrumentor.patched) == 15
    yield server
    instrumentor.uninstrument()


def connect(url: str, **options: Any) -> Any:
    return websockets.asyncio.client.connect(url, proxy=None, **options)


def connect_in_thread(url: str, **options: Any) -> Any:
    return websockets.sync.client.connect(url, proxy=None, **options)


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        return await work()

    return asyncio.run(main())


def messages(sdk: Sdk) -> tuple[int, int, int, int]:
    """Received, sent; bytes of either."""
    name, size = "trading.connection.messages", "trading.connection.io"
    return tuple(
        sdk.value(each, network__io__direction=direction)
        for each in (name, size)
        for direction in ("receive", "transmit")
    )


# ── asyncio ─────────────────────────────────────────────────────────────────────────────────────


def test_a_connection_is_two_spans_however_many_messages(feed: FeedServer, sdk: Sdk) -> None:
    async def work() -> list[Any]:
        async with connect(feed.url("/feed?listenKey=topsecrettopsecret")) as connection:
            await connection.send("push 50")
            return [await connection.recv() for _ in range(50)]

    assert run(work) == [str(number) for number in range(50)]
    assert [span.name for span in sdk.spans] == ["websocket connect", "websocket disconnect"]
    connected, ended = sdk.spans
    assert attributes(connected)["server.port"] == feed.port
    assert attributes(connected)["url.path"] == "/feed"
    assert attributes(ended)["trading.connection.received"] == 50
    assert attributes(ended)["trading.connection.closed_by"] == "local"
    assert attributes(ended)["trading.connection.close_code"] == 1000
    assert [link.context for link in ended.links] == [connected.context]
    assert messages(sdk) == (50, 1, 90, 7)
    assert "topsecret" not in sdk.text


async def send_pieces(connection: ClientConnection) -> None:
    async def later() -> AsyncIterator[bytes]:
        for piece in (b"xy", b"z"):
            yield piece

    await connection.send("é")
    await connection.send(bytearray(b"123"))
    await connection.send(memoryview(b"1234"))
    await connection.send(iter(["ab", "cd"]))
    await connection.send(later())


def test_each_way_to_send_and_to_receive_counts_once(feed: FeedServer, sdk: Sdk) -> None:
    async def work() -> list[Any]:
        async with connect(feed.url()) as connection:
            await send_pieces(connection)
            got: list[Any] = [await connection.recv() for _ in range(3)]
            got.append(await connection.recv(decode=False))
            got.append([piece async for piece in connection.recv_streaming()])
            await connection.send("pieces")
            got.append([piece async for piece in connection.recv_streaming()])
            await connection.send("last")
            async for message in connection:
                got.append(message)
                break
            return got

    got = run(work)
    assert got == ["é", b"123", b"1234", b"abcd", [b"xyz"], ["ab", "c", "def", ""], "last"]
    assert messages(sdk) == (7, 7, 26, 26)


def test_reconnecting_by_iteration_is_told(feed: FeedServer, sdk: Sdk) -> None:
    async def work() -> list[int]:
        codes = []
        async for connection in connect(feed.url()):
            await connection.send("close")
            with pytest.raises(ConnectionClosedError) as raised:
                await connection.recv()
            assert raised.value.rcvd is not None
            codes.append(raised.value.rcvd.code)
            if len(codes) == 3:
                break
        return codes

    assert run(work) == [4001, 4001, 4001]
    told = [attributes(span) for span in sdk.named("websocket connect")]
    assert [each["trading.connection.reconnect"] for each in told] == [False, True, True]
    ended = sdk.named("websocket disconnect")
    assert len(ended) == 3
    assert {attributes(span)["trading.connection.close_reason"] for span in ended} == {
        "maintenance"
    }
    assert {span.status.status_code for span in ended} == {StatusCode.ERROR}
    closed = {"trading__connection__close_code": 4001, "trading__connection__closed_by": "remote"}
    assert sdk.value("trading.connection.closed", **closed) == 3


def test_a_connection_that_is_dropped_was_lost_by_the_network(feed: FeedServer, sdk: Sdk) -> None:
    async def work() -> None:
        async with connect(feed.url()) as connection:
            await connection.send("drop")
            await connection.recv()

    with pytest.raises(ConnectionClosedError):
        run(work)
    ended = attributes(sdk.one("websocket disconnect"))
    assert ended["trading.connection.closed_by"] == "network"
    assert ended["trading.connection.close_code"] == 1006
    assert ended["error.type"] == "websockets.exceptions.ConnectionClosedError"


@pytest.mark.parametrize("how", ["asyncio", "thread"])
def test_a_refusal_is_the_callers_error_and_told(feed: FeedServer, sdk: Sdk, how: str) -> None:
    async def work() -> None:
        await connect(feed.url("/refuse?apiKey=topsecrettopsecret"))

    def work_in_thread() -> None:
        connect_in_thread(feed.url("/refuse?apiKey=topsecrettopsecret"))

    with pytest.raises(InvalidStatus) as raised:
        run(work) if how == "asyncio" else work_in_thread()
    assert raised.value.response.status_code == 403
    span = sdk.one("websocket connect")
    assert span.status.status_code is StatusCode.ERROR
    assert attributes(span)["http.response.status_code"] == 403
    assert attributes(span)["error.type"] == "websockets.exceptions.InvalidStatus"
    assert not sdk.named("websocket disconnect")
    assert "topsecret" not in sdk.text


def test_a_port_where_nobody_listens_is_told(feed: FeedServer, sdk: Sdk) -> None:
    async def work() -> None:
        async with connect("ws://127.0.0.1:1/feed"):
            pass

    with pytest.raises(ConnectionRefusedError):
        run(work)
    assert attributes(sdk.one("websocket connect"))["error.type"] == "ConnectionRefusedError"


def test_a_redirect_ends_at_the_other_address(feed: FeedServer, sdk: Sdk) -> None:
    async def work() -> str:
        async with connect(feed.url("/moved")) as connection:
            await connection.send("hello")
            return str(await connection.recv())

    assert run(work) == "hello"
    assert attributes(sdk.one("websocket connect"))["url.path"] == "/feed"
    assert messages(sdk)[:2] == (1, 1)
    assert "topsecret" not in sdk.text


def test_a_message_that_comes_with_the_handshake_is_counted(feed: FeedServer, sdk: Sdk) -> None:
    async def work() -> Any:
        async with connect(feed.url("/eager")) as connection:
            return await connection.recv()

    assert run(work) == "at once"
    assert messages(sdk)[0] == 1


def test_nothing_is_current_for_the_code_that_handles_messages(feed: FeedServer, sdk: Sdk) -> None:
    async def work() -> bool:
        outside = get_current()
        async with connect(feed.url()) as connection:
            await connection.send("push 2")
            async for _ in connection:
                if get_current() != outside:
                    return False
                break
            await asyncio.wait_for(connection.recv(), 30)
        return get_current() == outside

    assert run(work) is True


def test_a_cancelled_connect_is_no_error(feed: FeedServer, sdk: Sdk) -> None:
    async def work() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            await asyncio.wait_for(connect(f"ws://127.0.0.1:{port}/"), 0.05)

    with pytest.raises(TimeoutError):
        run(work)
    span = sdk.one("websocket connect")
    assert span.status.status_code is StatusCode.UNSET
    assert attributes(span)["tradespan.ended_by"] == "CancelledError"


# ── threads ─────────────────────────────────────────────────────────────────────────────────────


def test_the_client_of_threads_is_recorded_alike(feed: FeedServer, sdk: Sdk) -> None:
    with connect_in_thread(feed.url()) as connection:
        connection.send("é")
        connection.send(b"123")
        connection.send(iter(["ab", "cd"]))
        got = [connection.recv(), connection.recv(timeout=30), connection.recv(decode=False)]
        connection.send("pieces")
        got.append(list(connection.recv_streaming()))
    assert got == ["é", b"123", b"abcd", ["ab", "c", "def", ""]]
    assert messages(sdk) == (4, 4, 15, 15)
    ended = attributes(sdk.one("websocket disconnect"))
    assert (ended["trading.connection.closed_by"], ended["trading.connection.received"]) == (
        "local",
        4,
    )


def test_a_close_by_the_server_ends_a_client_of_threads(feed: FeedServer, sdk: Sdk) -> None:
    with connect_in_thread(feed.url()) as connection:
        connection.send("close")
        with pytest.raises(ConnectionClosedError):
            connection.recv()
    ended = attributes(sdk.one("websocket disconnect"))
    assert ended["trading.connection.closed_by"] == "remote"
    assert ended["trading.connection.close_reason"] == "maintenance"


def test_the_reconnecting_client_of_threads_is_told(feed: FeedServer, sdk: Sdk) -> None:
    for count, connection in enumerate(websockets.sync.client.reconnect(feed.url(), proxy=None)):
        connection.send("x")
        connection.recv()
        if count == 1:
            break
    told = [attributes(span) for span in sdk.named("websocket connect")]
    assert [each["trading.connection.reconnect"] for each in told] == [False, True]


def test_the_librarys_deprecation_warning_blames_the_callers_line(feed: FeedServer) -> None:
    connection = connect_in_thread(feed.url("/eager"))
    with pytest.warns(DeprecationWarning, match="context manager") as warned:
        assert connection.recv() == "at once"
    assert warned[0].filename == __file__
    connection.close()


# ── both ────────────────────────────────────────────────────────────────────────────────────────


def test_uninstrument_restores_the_library_exactly(server: FeedServer, sdk: Sdk) -> None:
    finders, before = list(sys.meta_path), [dict(vars(kind)) for kind in CLASSES]
    instrumentor = WebsocketsInstrumentor()
    for _ in range(2):
        instrumentor.instrument(**sdk.options)
        assert [dict(vars(kind)) for kind in CLASSES] != before
        instrumentor.uninstrument()
        assert [dict(vars(kind)) for kind in CLASSES] == before
    assert sys.meta_path == finders
    with connect_in_thread(server.url()) as connection:
        connection.send("x")
        assert connection.recv() == "x"
    assert sdk.spans == []


def test_a_connection_outlives_its_instrumentor(server: FeedServer, sdk: Sdk) -> None:
    instrumentor = WebsocketsInstrumentor()
    instrumentor.instrument(**sdk.options)
    with connect_in_thread(server.url()) as connection:
        instrumentor.uninstrument()
        connection.send("x")
        assert connection.recv() == "x"
    assert [span.name for span in sdk.spans] == ["websocket connect"]


def test_what_is_replaced_looks_as_it_did(feed: FeedServer) -> None:
    assert inspect.iscoroutinefunction(ClientConnection.recv)
    assert inspect.signature(ClientConnection.recv).parameters.keys() == {"self", "decode"}
    assert ClientConnection.recv.__doc__ == websockets.asyncio.connection.Connection.recv.__doc__


def test_errors_of_ours_stay_ours(
    feed: FeedServer, kept_in: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Frame:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    for name in ("receive", "send"):
        monkeypatch.setattr(
            f"tradespan.instrument.libraries.connection.Connection.{name}", Frame(), raising=True
        )
    before = sum(guard.counts.values())
    with connect_in_thread(feed.url()) as connection:
        connection.send("x")
        assert connection.recv() == "x"
    assert sum(guard.counts.values()) > before


def test_tradespans_own_provider_gets_the_spans(server: FeedServer, captured: Captured) -> None:
    instrumentor = WebsocketsInstrumentor()
    instrumentor.instrument(tracer_provider=captured.provider)
    with connect_in_thread(server.url()) as connection:
        connection.send("close")
        with pytest.raises(ConnectionClosedError):
            connection.recv()
    instrumentor.uninstrument()
    connected, ended = captured.spans
    assert [connected.name, ended.name] == ["websocket connect", "websocket disconnect"]
    assert not connected.failed
    assert ended.failed
    assert ended.parent_id == 0
    links = ended.record.links or []
    assert [link.span_id for link in links] == [connected.span_id]
