"""Libraries' instrumentors in processes of their own, switched on by tradespan and by others."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.desk import Desk
from tests.unit.instrument.libraries.exchange_server import ExchangeServer, serve_exchange
from tests.unit.instrument.libraries.feed_server import FeedServer, serve_feed

INSTRUMENT = Path(sys.executable).with_name("opentelemetry-instrument")
FOLLOW = """
import sys

from websockets.sync.client import connect


def follow(url):
    with connect(url, proxy=None) as connection:
        connection.send("push 2")
        return [connection.recv(), connection.recv()]


print(follow(sys.argv[1]))
"""
CONFIGURED = f"""
import tradespan

tradespan.configure(service="desk", root="root")
{FOLLOW}
tradespan.shutdown()
print([method.__qualname__ for method in (connect.__globals__["ClientConnection"].close_socket,)])
"""
BARE = """
import sys

LIBRARIES = {"alpaca", "ccxt", "ib_async", "websockets"}
ours = [name for name in sys.modules if name.startswith("tradespan.instrument.libraries")]
print(sorted(LIBRARIES & sys.modules.keys()), ours)
"""
TRADE = """
import sys

import ccxt

from tests.unit.instrument.libraries.exchange_server import settings, take_markets

exchange = ccxt.binance(settings(sys.argv[1]))
take_markets(exchange)
print(exchange.fetch_ticker("BTC/USDT")["last"])
"""
BOTH = ["websocket connect", "websocket disconnect"]


@pytest.fixture(scope="module")
def feed() -> Iterator[FeedServer]:
    with serve_feed() as feed:
        yield feed


@pytest.fixture
def venue() -> Iterator[ExchangeServer]:
    with serve_exchange() as venue:
        yield venue


def test_a_run_records_the_connections_of_its_program(desk: Desk, feed: FeedServer) -> None:
    ended = desk.run(desk.write("bot.py", FOLLOW), feed.url())
    assert (ended.status, ended.out.split("\n")[0]) == (0, "['0', '1']")
    spans = {span.name: span for span in desk.stored()}
    assert sorted(spans) == BOTH
    assert spans[BOTH[0]].scope.startswith("tradespan.websockets ")
    assert spans[BOTH[0]].kind == "CLIENT"


def test_a_run_records_the_calls_of_an_exchange(desk: Desk, venue: ExchangeServer) -> None:
    bot = desk.write("bot.py", TRADE)
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    ended = desk.run(bot, venue.url, environment=environment)
    assert (ended.status, ended.out.split("\n")[0]) == (0, "100.5")
    assert desk.stored_names() == ["binance fetch_ticker"]


def test_the_setting_leaves_libraries_alone(desk: Desk, feed: FeedServer) -> None:
    bot = desk.write("bot.py", FOLLOW)
    for value in ("none", "ccxt"):
        environment = {"TRADESPAN_LIBRARIES": value}
        ended = desk.run(bot, feed.url(), environment=environment)
        assert ended.status == 0
    assert desk.stored() == []


def test_a_program_pays_for_no_library_that_it_does_not_use(desk: Desk) -> None:
    ended = desk.run(desk.write("bot.py", BARE))
    assert (ended.status, ended.out.split("\n")[0]) == (0, "[] []")


def test_configure_switches_them_on_and_shutdown_off(desk: Desk, feed: FeedServer) -> None:
    ended = desk.python(desk.write("bot.py", CONFIGURED), feed.url())
    assert ended.status == 0
    assert ended.out.split("\n")[1] == "['Connection.close_socket']"
    assert desk.stored_names() == BOTH


def test_under_opentelemetry_instrument_each_span_comes_once(desk: Desk, feed: FeedServer) -> None:
    environment = {
        "OTEL_PYTHON_DISTRO": "tradespan",
        "OTEL_PYTHON_CONFIGURATOR": "tradespan",
        "TRADESPAN_ROOT": str(desk.root),
    }
    bot = desk.write("bot.py", FOLLOW)
    ended = desk.start(INSTRUMENT, sys.executable, bot, feed.url(), environment=environment).end()
    assert ended.status == 0
    assert "already instrumented" not in ended.err
    assert desk.stored_names() == BOTH


def test_without_tradespans_runtime_the_sdk_prints_them(desk: Desk, feed: FeedServer) -> None:
    environment = {
        "OTEL_PYTHON_DISTRO": "distro",
        "OTEL_PYTHON_CONFIGURATOR": "configurator",
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_METRICS_EXPORTER": "console",
        "OTEL_LOGS_EXPORTER": "none",
    }
    bot = desk.write("bot.py", FOLLOW)
    ended = desk.start(INSTRUMENT, sys.executable, bot, feed.url(), environment=environment).end()
    assert ended.status == 0
    for told in (*BOTH, "trading.connection.messages", "trading.connection.connect.duration"):
        assert f'"{told}"' in ended.out
    assert not desk.root.exists()
