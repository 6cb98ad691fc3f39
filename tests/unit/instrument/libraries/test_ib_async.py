"""`ib_async` against a gateway on loopback: connections, requests, errors, prices."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import ib_async
import pytest
from ib_async.connection import Connection
from ib_async.wrapper import RequestError, Wrapper
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from tests.unit.instrument.libraries.broker_recording import Recorded, recording
from tests.unit.instrument.libraries.ib_fake_gateway import (
    CONTRACT_DETAILS,
    HISTORICAL,
    MARKET_DATA,
    FakeGateway,
    Fields,
)
from tests.unit.instrument.libraries.ib_fixtures import (
    AAPL,
    disconnect,
    gateway,
    ib,
    loop,
    recorded,
    until,
)
from tradespan.instrument.libraries.broker_metrics import BrokerMetrics
from tradespan.instrument.libraries.ib_gateway import (
    ANSWERED,
    SENT,
    SUBSCRIBES,
    UNSUBSCRIBES,
    IbAsyncInstrumentor,
)
from tradespan.instrument.libraries.ib_requests import MAX_REQUESTS, Request, Session

__all__ = ["gateway", "ib", "loop", "recorded"]  # fixtures, used by name


def bars(gateway: FakeGateway, fields: Fields) -> None:
    gateway.say(17, fields[1], "a", "b", 1, "20250102", 1.0, 2.0, 0.5, 1.5, 100, 1.2, 10)


def test_connecting_is_a_span_with_what_the_library_asks_for_below_it(
    ib: ib_async.IB, recorded: Recorded, gateway: FakeGateway
) -> None:
    span = recorded.one("IB.connect")
    assert span.attributes is not None
    assert span.attributes["server.address"] == "127.0.0.1"
    assert span.attributes["server.port"] == gateway.port
    assert span.attributes["trading.broker.client_id"] == 1
    assert span.status.status_code is StatusCode.UNSET
    below = {each.name for each in recorded.spans if each.parent == span.context}
    assert {"IB.reqPositions", "IB.reqOpenOrders", "IB.reqExecutions"} <= below
    assert recorded.series("trading.broker.connects") == [
        ({"trading.venue": "interactive_brokers", "trading.broker.channel": "api"}, 1)
    ]


def test_a_refused_connection_fails_its_span_and_raises_what_the_library_raises(
    loop: asyncio.AbstractEventLoop, recorded: Recorded
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            ib_async.IB().connect("127.0.0.1", nobody.getsockname()[1], clientId=7)
    span = recorded.one("IB.connect")
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes["error.type"] == "ConnectionRefusedError"
    (point,) = recorded.series("trading.broker.connects")
    assert point[0]["error.type"] == "ConnectionRefusedError"


def test_a_request_is_a_span_of_its_caller_until_the_answer(
    ib: ib_async.IB, recorded: Recorded, gateway: FakeGateway
) -> None:
    gateway.on[HISTORICAL] = bars
    with recorded.tracer_provider.get_tracer("bot").start_as_current_span("decide") as outer:
        answer = ib.reqHistoricalData(AAPL, "", "1 D", "1 day", "TRADES", True)
        assert trace.get_current_span() is outer
    assert len(answer) == 1
    span = recorded.one("IB.reqHistoricalData")
    assert span.parent == outer.get_span_context()
    assert span.attributes is not None
    assert span.attributes["trading.symbol"] == "AAPL"
    assert span.attributes["trading.venue"] == "interactive_brokers"
    assert span.attributes["trading.broker.request_id"] == gateway.received[-1][1]


def test_a_request_by_future_ends_with_its_answer(
    ib: ib_async.IB, recorded: Recorded, gateway: FakeGateway
) -> None:
    future = ib.reqContractDetailsAsync(AAPL)
    assert not recorded.named("IB.reqContractDetails")
    gateway.on[HISTORICAL] = bars
    assert ib.reqHistoricalData(AAPL, "", "1 D", "1 day", "TRADES", True)  # meanwhile
    assert not recorded.named("IB.reqContractDetails")
    asked = [fields for fields in gateway.received if fields[0] == str(CONTRACT_DETAILS)]
    gateway.say(52, 1, asked[0][2])
    assert ib.run(future) == []
    recorded.one("IB.reqContractDetails")


def test_calls_are_measured_by_method_and_no_id_is_a_label(
    ib: ib_async.IB, recorded: Recorded, gateway: FakeGateway
) -> None:
    gateway.on[HISTORICAL] = bars
    for _ in range(3):
        ib.reqHistoricalData(AAPL, "", "1 D", "1 day", "TRADES", True)
    labels = [
        (labels, count)
        for labels, count in recorded.series("trading.api.duration")
        if labels["trading.api.method"] == "IB.reqHistoricalData"
    ]
    assert labels == [
        (
            {
                "trading.venue": "interactive_brokers",
                "trading.api.method": "IB.reqHistoricalData",
            },
            3,
        )
    ]


def test_an_error_fails_the_request_that_it_names_though_the_library_returns_nothing(
    ib: ib_async.IB, recorded: Recorded, gateway: FakeGateway
) -> None:
    text = "Historical Market Data Service error message:API historical data query pacing violation"
    gateway.on[HISTORICAL] = lambda gateway, fields: gateway.error(int(fields[1]), 162, text)
    assert list(ib.reqHistoricalData(AAPL, "", "1 D", "1 day", "TRADES", True)) == []
    span = recorded.one("IB.reqHistoricalData")
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes["error.type"] == "162"
    assert [event.name for event in span.events] == ["IB.error"]
    assert recorded.series("trading.broker.pacing_violations") == [
        ({"trading.venue": "interactive_brokers"}, 1)
    ]
    assert recorded.series("trading.broker.messages") == [
        ({"trading.venue": "interactive_brokers", "error.type": "162"}, 1)
    ]


def test_the_library_s_error_passes_unchanged_where_it_raises(
    ib: ib_async.IB, recorded: Recorded, gateway: FakeGateway
) -> None:
    ib.RaiseRequestErrors = True
    gateway.on[CONTRACT_DETAILS] = lambda gateway, fields: gateway.error(
        int(fields[2]), 200, "No security definition has been found for the request"
    )
    with pytest.raises(RequestError) as caught:
        ib.reqContractDetails(AAPL)
    assert caught.value.code == 200
    span = recorded.one("IB.reqContractDetails")
    assert span.attributes is not None
    assert span.attributes["error.type"] == "200"


def test_an_error_about_the_connection_is_a_span_and_a_fine_farm_is_none(
    ib: ib_async.IB, recorded: Recorded, gateway: FakeGateway
) -> None:
    errors: list[int] = []
    ib.errorEvent += lambda *told: errors.append(told[1])
    gateway.error(-1, 2104, "Market data farm connection is OK:usfarm")
    gateway.error(-1, 2103, "Market data farm connection is broken:usfarm")
    gateway.error(-1, 1100, "Connectivity between IB and Trader Workstation has been lost.")
    until(ib, lambda: len(errors) == 3)
    broken, lost = recorded.named("IB.error")
    assert broken.attributes is not None
    assert lost.attributes is not None
    assert (broken.attributes["error.type"], broken.status.status_code) == (
        "2103",
        StatusCode.UNSET,
    )
    assert (lost.attributes["error.type"], lost.status.status_code) == ("1100", StatusCode.ERROR)
    assert lost.parent is None
    assert len(recorded.series("trading.broker.messages")) == 3


def test_a_subscription_s_error_is_linked_to_what_subscribed(
    ib: ib_async.IB, recorded: Recorded, gateway: FakeGateway
) -> None:
    gateway.on[MARKET_DATA] = lambda gateway, fields: gateway.error(
        int(fields[2]), 354, "Requested market data is not subscribed."
    )
    ib.reqMktData(AAPL)
    until(ib, lambda: recorded.named("IB.error"))
    span = recorded.one("IB.error")
    assert span.attributes is not None
    assert span.attributes["trading.symbol"] == "AAPL"
    assert [link.context for link in span.links] == [recorded.one("IB.reqMktData").context]


def test_prices_have_an_age_while_they_are_subscribed(
    ib: ib_async.IB, recorded: Recorded, gateway: FakeGateway
) -> None:
    gateway.on[MARKET_DATA] = lambda gateway, fields: gateway.say(1, 1, fields[2], 1, 187.1, 3, 0)
    labels = {
        "trading.venue": "interactive_brokers",
        "trading.broker.channel": "market_data",
        "trading.symbol": "AAPL",
    }
    ticker = ib.reqMktData(AAPL)
    recorded.time.step(3)
    assert recorded.series("trading.broker.staleness") == [(labels, 3.0)]
    until(ib, lambda: ticker.bid == 187.1)
    assert recorded.series("trading.broker.staleness") == [(labels, 0.0)]
    assert [count for _, count in recorded.series("trading.broker.updates")] == [1]
    ib.reqTickByTickData(AAPL, "Last")
    ib.cancelMktData(AAPL)
    assert recorded.series("trading.broker.staleness") == [(labels, 0.0)]
    ib.cancelTickByTickData(AAPL, "Last")
    assert recorded.series("trading.broker.staleness") == []
    recorded.one("IB.cancelMktData")


def test_snapshots_have_no_age_and_nothing_has_after_leaving(
    ib: ib_async.IB, recorded: Recorded, gateway: FakeGateway
) -> None:
    gateway.on[MARKET_DATA] = lambda gateway, fields: gateway.say(1, 1, fields[2], 1, 187.1, 3, 0)
    ticker = ib.reqMktData(AAPL, "", True)
    until(ib, lambda: ticker.bid == 187.1)
    assert recorded.series("trading.broker.staleness") == []
    ib.reqMktData(ib_async.Stock("MSFT", "SMART", "USD", conId=272093))
    assert len(recorded.series("trading.broker.staleness")) == 1
    disconnect(ib)
    assert recorded.series("trading.broker.staleness") == []


def test_handlers_of_prices_do_not_run_under_the_span_that_connected(
    loop: asyncio.AbstractEventLoop, recorded: Recorded, gateway: FakeGateway
) -> None:
    gateway.on[MARKET_DATA] = lambda gateway, fields: gateway.say(1, 1, fields[2], 1, 187.1, 3, 0)
    ib = ib_async.IB()
    seen: list[Any] = []
    ib.pendingTickersEvent += lambda _: seen.append(trace.get_current_span())
    with recorded.tracer_provider.get_tracer("bot").start_as_current_span("main"):
        ib.connect("127.0.0.1", gateway.port, clientId=1)
        ib.reqMktData(AAPL)
        until(ib, lambda: seen)
        disconnect(ib)
    assert not seen[0].get_span_context().is_valid


def test_a_lost_connection_is_a_failed_span_and_fails_what_waits(
    ib: ib_async.IB, recorded: Recorded, gateway: FakeGateway
) -> None:
    gateway.on[HISTORICAL] = lambda gateway, _: gateway.hang_up()
    with pytest.raises(ConnectionError):
        ib.reqHistoricalData(AAPL, "", "1 D", "1 day", "TRADES", True)
    lost = recorded.one("IB.connectionClosed")
    assert lost.status.status_code is StatusCode.ERROR
    assert recorded.one("IB.reqHistoricalData").status.status_code is StatusCode.ERROR
    assert [count for _, count in recorded.series("trading.broker.losses")] == [1]


def test_requests_that_wait_end_when_the_program_leaves(
    ib: ib_async.IB, recorded: Recorded
) -> None:
    future = ib.reqContractDetailsAsync(AAPL)
    disconnect(ib)
    assert isinstance(future, asyncio.Future)
    assert not future.done()
    span = recorded.one("IB.reqContractDetails")
    assert span.attributes is not None
    assert span.attributes["tradespan.ended_by"] == "disconnect"
    recorded.one("IB.disconnect")
    assert recorded.series("trading.broker.losses") == []


def test_nothing_is_kept_of_requests_that_were_answered(recorded: Recorded) -> None:
    telemetry = recorded.telemetry
    metrics = BrokerMetrics(telemetry, "b")
    session = Session()
    request = Request(telemetry, metrics, "IB.reqTickers")
    for key in range(3):  # one key for each symbol
        session.expect(key, request)
    assert len(session) == 3
    request.end()
    assert len(session) == 0
    for key in range(MAX_REQUESTS + 10):  # nobody answers
        session.expect(key, Request(telemetry, metrics, "IB.reqTickers"))
    assert len(session) == MAX_REQUESTS


def test_a_request_that_another_one_supersedes_ends(
    ib: ib_async.IB, recorded: Recorded, gateway: FakeGateway
) -> None:
    del gateway.on[61]
    first = ib.reqPositionsAsync()
    ib.reqPositionsAsync()
    assert isinstance(first, asyncio.Future)
    assert not first.done()
    spans = recorded.named("IB.reqPositions")
    ended = [dict(span.attributes or {}).get("tradespan.ended_by") for span in spans]
    assert ended == [None, "the same request"]  # the one of `connect`, and the first here


def test_a_cancelled_request_is_no_error(ib: ib_async.IB, recorded: Recorded) -> None:
    async def give_up() -> None:
        task = asyncio.ensure_future(
            ib.reqHistoricalDataAsync(AAPL, "", "1 D", "1 day", "TRADES", True)
        )
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    ib.run(give_up())
    span = recorded.one("IB.reqHistoricalData")
    assert span.status.status_code is StatusCode.UNSET
    assert span.attributes is not None
    assert span.attributes["tradespan.ended_by"] == "CancelledError"


def test_the_asynchronous_interface_is_the_same(
    loop: asyncio.AbstractEventLoop, recorded: Recorded, gateway: FakeGateway
) -> None:
    gateway.on[HISTORICAL] = bars

    async def trade() -> ib_async.IB:
        ib = ib_async.IB()
        await ib.connectAsync("127.0.0.1", gateway.port, clientId=1)
        assert await ib.reqHistoricalDataAsync(AAPL, "", "1 D", "1 day", "TRADES", True)
        ib.disconnect()
        return ib

    disconnect(loop.run_until_complete(trade()))
    recorded.one("IB.connect")
    recorded.one("IB.reqHistoricalData")
    recorded.one("IB.disconnect")


def test_all_is_restored_exactly() -> None:
    classes = (ib_async.IB, Wrapper, Connection)
    before = [dict(vars(each)) for each in classes]
    with recording(IbAsyncInstrumentor()):
        assert [dict(vars(each)) for each in classes] != before
    assert [dict(vars(each)) for each in classes] == before


def test_every_request_of_the_library_is_instrumented() -> None:
    with recording(IbAsyncInstrumentor()):
        bare = {
            name
            for name, value in vars(ib_async.IB).items()
            if name.startswith(("req", "cancel", "place", "whatIf", "calculate", "connectAsync"))
            and not hasattr(value, "__wrapped__")
        }
    # What is left calls one of those that are.
    assert {f"{name}Async" for name in bare} <= set(vars(ib_async.IB))
    assert not {
        name for name in (*ANSWERED, *SENT, *SUBSCRIBES, *UNSUBSCRIBES) if f"{name}Async" in bare
    }
