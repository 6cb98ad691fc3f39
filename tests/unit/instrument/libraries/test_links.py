"""Spans of the code that handles a message, linked to the message's connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import websockets.asyncio.client
import websockets.sync.client

from tests.support.captured import Captured
from tests.unit.instrument.libraries.feed_server import FeedServer, serve_feed
from tests.unit.instrument.libraries.sdk import Sdk
from tradespan.instrument.libraries.links import ConnectionLinks
from tradespan.instrument.libraries.received import received_from
from tradespan.instrument.libraries.websockets_clients import WebsocketsInstrumentor


@pytest.fixture(scope="module")
def server() -> Iterator[FeedServer]:
    with serve_feed() as server:
        yield server


@pytest.fixture
def feed(server: FeedServer, sdk: Sdk) -> Iterator[FeedServer]:
    instrumentor = WebsocketsInstrumentor()
    instrumentor.instrument(**sdk.options)
    yield server
    instrumentor.uninstrument()


def connect(url: str) -> Any:
    return websockets.asyncio.client.connect(url, proxy=None)


def in_thread(url: str) -> Any:
    return websockets.sync.client.connect(url, proxy=None)


def numbers(span: Any) -> list[Any]:
    return [(link.attributes or {})["trading.connection.message"] for link in span.links]


def test_a_handler_knows_which_message_of_which_connection_it_handles(
    feed: FeedServer, sdk: Sdk
) -> None:
    async def follow(url: str) -> list[tuple[int, Any]]:
        links = []
        assert received_from() is None
        async with connect(url) as connection:
            assert received_from() is None
            await connection.send("push 3")
            async for _ in connection:
                link = received_from()
                assert link is not None
                message = (link.attributes or {})["trading.connection.message"]
                links.append((link.context.span_id, message))
                if len(links) == 3:
                    break
        return links

    async def main() -> tuple[Any, ...]:
        return tuple(await asyncio.gather(follow(feed.url("/a")), follow(feed.url("/b"))))

    first, second = asyncio.run(main())
    spans = {
        str((span.attributes or {})["url.path"]): span.context.span_id
        for span in sdk.named("websocket connect")
    }
    assert first == [(spans["/a"], 1), (spans["/a"], 2), (spans["/a"], 3)]
    assert second == [(spans["/b"], 1), (spans["/b"], 2), (spans["/b"], 3)]
    assert received_from() is None


def test_a_new_connection_begins_with_no_message(feed: FeedServer, sdk: Sdk) -> None:
    with in_thread(feed.url()) as connection:
        connection.send("x")
        connection.recv()
        assert received_from() is not None
    with in_thread(feed.url()):
        assert received_from() is None


def test_spans_without_a_parent_are_linked_and_no_others(feed: FeedServer, sdk: Sdk) -> None:
    sdk.tracer_provider.add_span_processor(ConnectionLinks())
    tracer = sdk.tracer_provider.get_tracer("bot")
    with in_thread(feed.url()) as connection:
        connection.send("push 2")
        for _ in range(2):
            connection.recv()
            with tracer.start_as_current_span("tick"), tracer.start_as_current_span("inner"):
                pass
    connected = sdk.one("websocket connect")
    ticks = sdk.named("tick")
    assert [numbers(tick) for tick in ticks] == [[1], [2]]
    assert {link.context.span_id for tick in ticks for link in tick.links} == {
        connected.context.span_id
    }
    assert [span.links for span in sdk.named("inner")] == [(), ()]
    assert len(sdk.one("websocket disconnect").links) == 1
    assert connected.links == ()


def test_tradespans_spans_are_linked_by_the_same_processor(
    server: FeedServer, captured: Captured
) -> None:
    provider = captured.provider
    provider.add_span_processor(ConnectionLinks())
    instrumentor = WebsocketsInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    with in_thread(server.url()) as connection:
        connection.send("x")
        connection.recv()
        with provider.get_tracer("bot").start_as_current_span("tick"):
            pass
    instrumentor.uninstrument()
    connected, tick = captured.one("websocket connect"), captured.one("tick")
    (link,) = tick.record.links or []
    assert link.span_id == connected.span_id
    assert link.attributes == {"trading.connection.message": 1}
