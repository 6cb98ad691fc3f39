"""A real WebSocket server on loopback, in a thread of its own, that does what messages say."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

LOGGER = logging.getLogger("tests.feed")
LOGGER.setLevel(logging.CRITICAL)


class FeedServer:
    """`echo` is the rule; see `handle` and `answer` for what else may be asked for."""

    def __init__(self) -> None:
        self.port = 0
        self.paths: list[str] = []

    def url(self, path: str = "/feed") -> str:
        return f"ws://127.0.0.1:{self.port}{path}"

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """By path: a refusal, a redirect, or None to go on."""
        self.paths.append(request.path)
        if request.path.startswith("/refuse"):
            return connection.respond(HTTPStatus.FORBIDDEN, "not you\n")
        if request.path.startswith("/moved"):
            response = connection.respond(HTTPStatus.FOUND, "")
            response.headers["Location"] = "/feed?listenKey=topsecrettopsecret"
            return response
        return None

    async def handle(self, connection: ServerConnection) -> None:
        request = connection.request
        if request is not None and request.path.startswith("/eager"):
            await connection.send("at once")
        async for message in connection:
            if message == "close":
                await connection.close(4001, "maintenance")
                return
            if message == "drop":
                connection.transport.abort()
                return
            if message == "pieces":
                await connection.send(["ab", "c", "def"])
            elif isinstance(message, str) and message.startswith("push "):
                for number in range(int(message[5:])):
                    await connection.send(str(number))
            else:
                await connection.send(message)


@contextmanager
def serve_feed() -> Iterator[FeedServer]:
    """A server that runs for the block."""
    feed = FeedServer()
    begun = threading.Event()
    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        server: Server
        async with serve(
            feed.handle, "127.0.0.1", 0, process_request=feed.answer, logger=LOGGER
        ) as server:
            feed.port = next(iter(server.sockets)).getsockname()[1]
            end = asyncio.Event()
            ends.append((asyncio.get_running_loop(), end))
            begun.set()
            await end.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    assert begun.wait(30)
    try:
        yield feed
    finally:
        loop, end = ends[0]
        loop.call_soon_threadsafe(end.set)
        thread.join(30)
