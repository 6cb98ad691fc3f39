"""Spans and metrics of `paperbroker`, by OpenTelemetry's API."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from tradespan.core import guard
from tradespan.declare.instruments import Instrument
from tradespan.declare.names import (
    TRADING_ORDER_ID,
    TRADING_ORDER_PRICE,
    TRADING_ORDER_QUANTITY,
    TRADING_SYMBOL,
)
from tradespan.instrument.libraries.base import LibraryInstrumentor, Patch, Telemetry
from tradespan.instrument.libraries.operations import Operation

DURATION = Instrument(
    "paperbroker.call.duration",
    "histogram",
    "s",
    labels=("paperbroker.method", "error.type"),
    bounds=(0.01, 0.1, 1.0, 10.0),
)

Function = Callable[..., Any]


class PaperbrokerInstrumentor(LibraryInstrumentor):
    """`PaperbrokerInstrumentor().instrument()`, and `.uninstrument()`."""

    requirement = "paperbroker >= 1"  # as pip names it: nothing is replaced in other versions
    scope = __name__

    def patches(self, telemetry: Telemetry) -> Iterable[Patch]:
        """What is replaced in the library, once it is imported."""
        calls = Calls(telemetry)
        yield Patch("paperbroker", "Broker.order", calls.order)
        yield Patch("paperbroker", "Broker.quote", calls.quote)


class Calls:
    """Given an original, each method returns what stands in its place."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._duration = telemetry.histogram(DURATION)

    def order(self, original: Function) -> Function:
        """An ordinary method, with attributes of what is ordered and what came of it."""

        @functools.wraps(original)
        def order(broker: Any, symbol: str, quantity: float, price: float) -> Any:
            operation = Operation(
                self._telemetry,
                "Broker.order",
                {
                    TRADING_SYMBOL: symbol,
                    TRADING_ORDER_QUANTITY: quantity,
                    TRADING_ORDER_PRICE: price,
                },
            )
            try:
                with operation:
                    order_id = original(broker, symbol, quantity, price)
                    operation.set({TRADING_ORDER_ID: order_id})
                    return order_id
            finally:
                self._count("Broker.order", operation)

        return order

    def quote(self, original: Function) -> Function:
        """A coroutine: the same around its one `await`."""

        @functools.wraps(original)
        async def quote(broker: Any, symbol: str) -> Any:
            operation = Operation(self._telemetry, "Broker.quote", {TRADING_SYMBOL: symbol})
            try:
                with operation:
                    return await original(broker, symbol)
            finally:
                self._count("Broker.quote", operation)

        return quote

    def _count(self, method: str, operation: Operation) -> None:
        labels = {"paperbroker.method": method}
        if operation.error_type is not None:
            labels["error.type"] = operation.error_type
        with guard.guarded("counting a call"):
            self._duration.record(operation.seconds, labels)
