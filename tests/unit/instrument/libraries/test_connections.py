"""What is counted and told of connections, by a clock that is stepped."""

from __future__ import annotations

import gc
import os

import pytest
from opentelemetry.trace import StatusCode

from tests.support.fakes import SteppingClock
from tests.unit.instrument.libraries.sdk import Sdk, attributes, stepping
from tradespan.instrument.libraries.connection import Connection, Ending
from tradespan.instrument.libraries.connections import Connections

URL = "ws://venue:81/feed"
LOST = Ending("network", 1006, "", "websockets.exceptions.ConnectionClosedError")
CLOSED = Ending("local", 1000)


class Holder:
    """Stands for a library's connection."""


class Feed:
    """Connections of one instrumentor under an SDK on memory."""

    def __init__(self) -> None:
        self.sdk, self.clock = stepping()
        self.connections = Connections(self.sdk.telemetry, "websocket")
        self.holders: list[Holder] = []

    def open(self, url: str = URL, took: float = 0.0) -> Connection:
        with self.connections.connecting(url) as attempt:
            connection = self.connections.new()
            self.clock.step(took)
            self.holders.append(Holder())
            attempt.opened(connection, self.holders[-1])
        return connection

    def fail(self, error: Exception, url: str = URL) -> None:
        with pytest.raises(type(error)), self.connections.connecting(url):
            raise error


@pytest.fixture
def feed() -> Feed:
    return Feed()


def test_a_connect_and_a_disconnect_are_a_span_each_and_linked(feed: Feed) -> None:
    connection = feed.open(took=0.25)
    feed.clock.step(2)
    connection.receive(10, True)
    connection.send(4, True)
    feed.clock.step(1)
    feed.connections.closed(connection, CLOSED)
    connect, disconnect = feed.sdk.spans
    assert [connect.name, disconnect.name] == ["websocket connect", "websocket disconnect"]
    assert attributes(connect)["trading.connection.attempt"] == 1
    assert attributes(connect)["trading.connection.reconnect"] is False
    assert [link.context for link in disconnect.links] == [connect.context]
    assert disconnect.parent is None
    told = {key.rpartition(".")[2]: value for key, value in attributes(disconnect).items()}
    assert (told["duration"], told["longest_silence"]) == (3.0, 2.0)
    assert (told["received"], told["sent"], told["close_code"]) == (1, 1, 1000)
    assert disconnect.status.status_code is StatusCode.UNSET


def test_a_lost_connection_is_an_error(feed: Feed) -> None:
    feed.connections.closed(feed.open(), LOST)
    span = feed.sdk.one("websocket disconnect")
    assert span.status.status_code is StatusCode.ERROR
    assert attributes(span)["error.type"] == LOST.error_type
    assert attributes(span)["trading.connection.closed_by"] == "network"
    assert feed.sdk.value("trading.connection.closed", trading__connection__close_code=1006) == 1


def test_what_the_other_side_says_on_closing_is_redacted(feed: Feed) -> None:
    ending = Ending("remote", 4001, "bad token=abcdefgh12345678", "E")
    feed.connections.closed(feed.open(), ending)
    assert "abcdefgh12345678" not in feed.sdk.text
    assert "bad token=***" in feed.sdk.text


def test_the_same_address_again_is_a_reconnect_with_its_outage(feed: Feed) -> None:
    feed.connections.closed(feed.open(), LOST)
    feed.clock.step(1)
    feed.fail(ConnectionRefusedError("no"))
    feed.clock.step(2)
    feed.fail(ConnectionRefusedError("no"))
    feed.clock.step(4)
    feed.open()
    told = [
        tuple(
            attributes(span).get(f"trading.connection.{name}")
            for name in ("attempt", "reconnect", "outage")
        )
        for span in feed.sdk.named("websocket connect")
    ]
    assert told == [(1, False, None), (1, True, 1.0), (2, True, 3.0), (3, True, 7.0)]
    refused = feed.sdk.value(
        "trading.connection.connect.duration", error__type="ConnectionRefusedError"
    )
    assert refused == 2


def test_connections_beside_each_other_replace_none(feed: Feed) -> None:
    first, _ = feed.open(), feed.open()
    spans = feed.sdk.named("websocket connect")
    assert [attributes(span)["trading.connection.reconnect"] for span in spans] == [False, False]
    feed.connections.closed(first, LOST)
    feed.open()
    feed.open()
    spans = feed.sdk.named("websocket connect")
    told = [attributes(span)["trading.connection.reconnect"] for span in spans]
    assert told == [False, False, True, False]


def test_counts_are_sums_over_open_and_ended_connections(feed: Feed) -> None:
    first, second = feed.open(), feed.open()
    for connection, length in ((first, 10), (second, 1)):
        connection.receive(length, False)
        connection.receive(length, True)
        connection.send(3, True)
    feed.connections.closed(first, CLOSED)
    feed.connections.closed(first, CLOSED)
    messages, size = "trading.connection.messages", "trading.connection.io"
    for _ in range(2):
        assert feed.sdk.value(messages, network__io__direction="receive") == 2
        assert feed.sdk.value(messages, network__io__direction="transmit") == 2
        assert feed.sdk.value(size, network__io__direction="receive") == 22
        assert feed.sdk.value(size, network__io__direction="transmit") == 6
        assert feed.sdk.value("trading.connection.active") == 1
    assert len(feed.sdk.named("websocket disconnect")) == 1


def test_staleness_is_that_of_the_stalest_open_connection(feed: Feed) -> None:
    stale, fresh, ended = feed.open(), feed.open(), feed.open()
    feed.connections.closed(ended, CLOSED)
    feed.clock.step(5)
    fresh.receive(1, True)
    feed.clock.step(2)
    assert feed.sdk.value("trading.connection.staleness") == 7.0
    stale.receive(1, True)
    assert feed.sdk.value("trading.connection.staleness") == 2.0
    for connection in (stale, fresh):
        feed.connections.closed(connection, CLOSED)
    assert feed.sdk.points("trading.connection.staleness") == {}


def test_silences_of_a_tenth_of_a_second_are_recorded_shorter_ones_are_not(feed: Feed) -> None:
    connection = feed.open()
    for silent in (0.05, 0.0999, 0.1, 3.0):
        feed.clock.step(silent)
        connection.receive(1, True)
    (point,) = feed.sdk.points("trading.connection.silence").values()
    assert (point.count, point.sum) == (2, pytest.approx(3.1))
    feed.clock.step(9)
    feed.connections.closed(connection, LOST)
    (point,) = feed.sdk.points("trading.connection.silence").values()
    assert (point.count, point.max) == (3, 9.0)


def test_messages_that_come_with_the_handshake_are_counted(feed: Feed) -> None:
    with feed.connections.connecting(URL) as attempt:
        connection = feed.connections.new()
        connection.receive(7, True)
        holder = Holder()
        attempt.opened(connection, holder)
    assert feed.sdk.value("trading.connection.messages") == 1


def test_one_that_ends_before_it_is_taken_for_open_ends_all_the_same(feed: Feed) -> None:
    with feed.connections.connecting(URL) as attempt:
        connection = feed.connections.new()
        feed.connections.closed(connection, LOST)
        holder = Holder()
        attempt.opened(connection, holder)
    assert len(feed.sdk.named("websocket disconnect")) == 1
    assert feed.sdk.value("trading.connection.active") == 0


def test_one_that_never_opened_leaves_nothing_but_its_attempt(feed: Feed) -> None:
    connection = feed.connections.new()
    feed.fail(TimeoutError("no answer"))
    feed.connections.closed(connection, LOST)
    assert [span.name for span in feed.sdk.spans] == ["websocket connect"]
    assert feed.sdk.points("trading.connection.active") == {}


def test_one_that_is_collected_with_its_loop_is_not_open_for_ever(feed: Feed) -> None:
    feed.open()
    feed.holders.clear()
    gc.collect()
    assert feed.sdk.value("trading.connection.active") == 0
    span = feed.sdk.one("websocket disconnect")
    assert attributes(span)["trading.connection.closed_by"] == "network"


def test_an_attempt_that_redirects_ends_at_the_last_address(feed: Feed) -> None:
    holder = Holder()
    with feed.connections.connecting(URL) as attempt:
        attempt.opened(feed.connections.new(), holder, "wss://other/feed?key=abcdefgh12345678")
    assert attributes(feed.sdk.one("websocket connect"))["server.address"] == "other"
    assert feed.sdk.value("trading.connection.active", server__address="other") == 1


def test_a_forked_child_counts_from_nothing(feed: Feed) -> None:
    feed.open().receive(1, True)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        told = b"1" if feed.connections._totals or feed.connections._open else b"0"  # noqa: SLF001
        os.write(write, told)
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 1) == b"0"
    assert feed.sdk.value("trading.connection.active") == 1
    os.close(read)
    os.close(write)


def test_what_is_forgotten_is_not_observed(feed: Feed) -> None:
    connection = feed.open()
    feed.connections.forget()
    assert feed.sdk.points("trading.connection.active") == {}
    feed.connections.closed(connection, CLOSED)
    assert not feed.sdk.named("websocket disconnect")


def test_a_clock_is_all_that_time_comes_from() -> None:
    clock = SteppingClock()
    sdk = Sdk(clock)
    with Connections(sdk.telemetry, "websocket").connecting(URL):
        clock.step(0.5)
    (point,) = sdk.points("trading.connection.connect.duration").values()
    assert point.sum == 0.5
