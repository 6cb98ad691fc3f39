"""An `IB` that is instrumented, and connected to the fake gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import ib_async
import pytest

from tests.unit.instrument.libraries.broker_recording import Recorded, recording
from tests.unit.instrument.libraries.ib_fake_gateway import FakeGateway
from tradespan.instrument.libraries.ib_gateway import IbAsyncInstrumentor

AAPL = ib_async.Stock("AAPL", "SMART", "USD", conId=265598)


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    with recording(IbAsyncInstrumentor()) as recorded:
        yield recorded


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    gateway = FakeGateway()
    yield gateway
    gateway.close()


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield loop
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture
def ib(
    loop: asyncio.AbstractEventLoop, recorded: Recorded, gateway: FakeGateway
) -> Iterator[ib_async.IB]:
    ib = ib_async.IB()
    ib.connect("127.0.0.1", gateway.port, clientId=1)
    yield ib
    disconnect(ib)


def disconnect(ib: ib_async.IB) -> None:
    """Leave, and let the transport close before the loop does."""
    ib.disconnect()
    while ib.client.conn.transport is not None:
        ib.run(asyncio.sleep(0))
    ib.run(asyncio.sleep(0))


def until(ib: ib_async.IB, condition: Callable[[], object]) -> None:
    """Let the library work until something holds."""
    for _ in range(400):
        if condition():
            return
        ib.waitOnUpdate(timeout=0.025)  # an update may have come before this waits for one
    raise AssertionError("never")
