"""Nothing of the brokers' instrumentors reaches the program, whatever fails in them."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ib_async
import pytest
from opentelemetry.metrics import Counter, Histogram, NoOpMeter, NoOpMeterProvider
from opentelemetry.trace import NoOpTracer, NoOpTracerProvider, Span

from tests.support.captured import capture, read_spans
from tests.unit.instrument.libraries.alpaca_library import (
    APIError,
    FakeAlpaca,
    alpaca,
    limit,
    order,
    trading,
)
from tests.unit.instrument.libraries.broker_recording import recording
from tests.unit.instrument.libraries.ib_fake_gateway import (
    CONTRACT_DETAILS,
    HISTORICAL,
    MARKET_DATA,
    PLACE_ORDER,
    FakeGateway,
    order_id,
)
from tests.unit.instrument.libraries.ib_fixtures import AAPL, disconnect, gateway, loop, until
from tradespan.core import guard
from tradespan.instrument.libraries.alpaca_clients import AlpacaInstrumentor
from tradespan.instrument.libraries.ib_gateway import IbAsyncInstrumentor

__all__ = ["alpaca", "gateway", "loop"]  # fixtures, used by name

pytestmark = pytest.mark.usefixtures("kept_in")


class Broken(Exception):
    """Nothing works today."""


class BrokenTracers(NoOpTracerProvider):
    def get_tracer(self, *args: Any, **kwargs: Any) -> Any:
        class Tracer(NoOpTracer):
            def start_span(self, *args: Any, **kwargs: Any) -> Span:
                raise Broken

        return Tracer()


class BrokenMeters(NoOpMeterProvider):
    def get_meter(self, *args: Any, **kwargs: Any) -> Any:
        class Instrument(Counter, Histogram):
            def __init__(self, *_: Any, **__: Any) -> None:
                pass

            def add(self, *args: Any, **kwargs: Any) -> None:
                raise Broken

            record = set = add

        class Meter(NoOpMeter):
            def create_counter(self, *args: Any, **kwargs: Any) -> Any:
                return Instrument()

            create_histogram = create_gauge = create_counter

        return Meter("broken")


@pytest.fixture(params=["tracers", "meters"])
def broken(request: pytest.FixtureRequest) -> Iterator[dict[tuple[str, str], int]]:
    """Both instrumentors at work, one kind of their telemetry broken; the errors so far."""
    given: dict[str, Any] = (
        {"tracer_provider": BrokenTracers()}
        if request.param == "tracers"
        else {"meter_provider": BrokenMeters()}
    )
    instrumentors = [AlpacaInstrumentor(), IbAsyncInstrumentor()]
    for instrumentor in instrumentors:
        instrumentor.instrument(**given)
    yield dict(guard.counts)
    for instrumentor in instrumentors:
        instrumentor.uninstrument()


def test_alpaca_works_where_telemetry_does_not(
    alpaca: FakeAlpaca, broken: dict[tuple[str, str], int]
) -> None:
    alpaca.say("POST /v2/orders", (200, {}, order()))
    client = trading(alpaca)
    assert client.submit_order(limit())
    with pytest.raises(APIError):
        client.get_account()
    assert guard.counts != broken


def test_ib_async_works_where_telemetry_does_not(
    loop: asyncio.AbstractEventLoop, gateway: FakeGateway, broken: dict[tuple[str, str], int]
) -> None:
    gateway.on[PLACE_ORDER] = lambda gateway, fields: gateway.order_status(
        order_id(fields), "Submitted", 0, 100
    )
    gateway.on[MARKET_DATA] = lambda gateway, fields: gateway.say(1, 1, fields[2], 1, 187.1, 3, 0)
    gateway.on[HISTORICAL] = lambda gateway, fields: gateway.error(int(fields[1]), 162, "pacing")
    ib = ib_async.IB()
    ib.connect("127.0.0.1", gateway.port, clientId=1)
    trade = ib.placeOrder(AAPL, ib_async.MarketOrder("BUY", 100))
    ticker = ib.reqMktData(AAPL)
    assert list(ib.reqHistoricalData(AAPL, "", "1 D", "1 day", "TRADES", True)) == []
    until(ib, lambda: trade.orderStatus.status == "Submitted" and ticker.bid == 187.1)
    disconnect(ib)
    assert guard.counts != broken


def test_objects_that_cannot_be_read_are_passed_on(alpaca: FakeAlpaca) -> None:
    class Odd:
        def __getattr__(self, name: str) -> Any:
            if name == "to_request_fields":
                return lambda: {"symbol": "AAPL"}
            raise Broken(name)

    alpaca.say("POST /v2/orders", (200, {}, order()))
    before = dict(guard.counts)
    instrumentor = AlpacaInstrumentor()
    instrumentor.instrument()
    try:
        assert trading(alpaca).submit_order(Odd())  # type: ignore[arg-type]
    finally:
        instrumentor.uninstrument()
    assert guard.counts != before


def test_a_connection_goes_on_when_the_instrumentor_is_switched_off(
    loop: asyncio.AbstractEventLoop, gateway: FakeGateway
) -> None:
    gateway.on[MARKET_DATA] = lambda gateway, fields: gateway.say(1, 1, fields[2], 1, 187.1, 3, 0)
    gateway.on[PLACE_ORDER] = lambda gateway, fields: gateway.order_status(
        order_id(fields), "Submitted", 0, 100
    )
    with recording(IbAsyncInstrumentor()) as recorded:
        ib = ib_async.IB()
        ib.connect("127.0.0.1", gateway.port, clientId=1)
        waiting = ib.reqContractDetailsAsync(AAPL)
    before = dict(guard.counts)
    told = len(recorded.spans)
    ticker, trade = ib.reqMktData(AAPL), ib.placeOrder(AAPL, ib_async.MarketOrder("BUY", 100))
    until(ib, lambda: ticker.bid == 187.1 and trade.orderStatus.status == "Submitted")
    asked = [fields for fields in gateway.received if fields[0] == str(CONTRACT_DETAILS)]
    gateway.say(52, 1, asked[0][2])
    assert ib.run(waiting) == []
    disconnect(ib)
    assert len(recorded.spans) == told
    assert guard.counts == before


def test_a_dropped_ib_is_not_kept_alive(
    loop: asyncio.AbstractEventLoop, gateway: FakeGateway
) -> None:
    with recording(IbAsyncInstrumentor()):
        ib = ib_async.IB()
        ib.connect("127.0.0.1", gateway.port, clientId=1)
        ib.placeOrder(AAPL, ib_async.MarketOrder("BUY", 100))
        disconnect(ib)
        gone = weakref.ref(ib)
        del ib
        gc.collect()
        assert gone() is None


def test_tradespan_s_own_provider_takes_the_spans(
    loop: asyncio.AbstractEventLoop, gateway: FakeGateway, alpaca: FakeAlpaca, tmp_path: Path
) -> None:
    alpaca.say("POST /v2/orders", (200, {}, order()))
    gateway.on[PLACE_ORDER] = lambda gateway, fields: gateway.order_status(
        order_id(fields), "Submitted", 0, 100
    )
    instrumentors = [AlpacaInstrumentor(), IbAsyncInstrumentor()]
    with capture(tmp_path / "spool", strict=False) as captured:
        before = dict(guard.counts)
        for instrumentor in instrumentors:
            instrumentor.instrument(tracer_provider=captured.provider)
        ib = ib_async.IB()
        with captured.tracer.start_as_current_span("decide"):
            ib.connect("127.0.0.1", gateway.port, clientId=1)
            trade = ib.placeOrder(AAPL, ib_async.MarketOrder("BUY", 100))
            trading(alpaca).submit_order(limit())
            until(ib, lambda: trade.orderStatus.status == "Submitted")
            disconnect(ib)
        for instrumentor in instrumentors:
            instrumentor.uninstrument()
        placed, report = captured.one("IB.placeOrder"), captured.one("IB.orderStatus")
        assert placed.parent_id == captured.one("decide").span_id
        assert report.parent_id == 0
        assert [link.span_id for link in report.record.links or []] == [placed.span_id]
        assert [event.name for event in captured.one("submit_order").events] == ["http request"]
        assert guard.counts == before


def test_they_are_switched_on_when_the_program_imports_the_library(
    gateway: FakeGateway, tmp_path: Path
) -> None:
    program = tmp_path / "bot.py"
    program.write_text(
        textwrap.dedent(f"""
            import tradespan

            tradespan.configure(root="root", store=None, forwarder="external")
            import ib_async

            ib = ib_async.IB()
            ib.connect("127.0.0.1", {gateway.port}, clientId=1)
            ib.placeOrder(ib_async.Stock("AAPL", "SMART", "USD"), ib_async.MarketOrder("BUY", 1))
            ib.disconnect()
        """)
    )
    done = subprocess.run(
        [sys.executable, str(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    names = {span.name for span in read_spans(tmp_path / "root")}
    assert {"IB.connect", "IB.placeOrder", "IB.disconnect"} <= names
