"""Alpaca's streams: connections, trade updates linked to their orders, and how old prices are.

Only methods of the library's own are replaced, not those of the `websockets` below, which differs
with its release.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from opentelemetry.trace import Link, SpanKind

from tradespan.core import guard
from tradespan.declare.names import TRADING_BROKER_CHANNEL, TRADING_VENUE
from tradespan.instrument.libraries.alpaca_orders import (
    Attributes,
    order_keys,
    update_attributes,
)
from tradespan.instrument.libraries.alpaca_rest import VENUE, hiding
from tradespan.instrument.libraries.base import Telemetry
from tradespan.instrument.libraries.broker_metrics import BrokerMetrics
from tradespan.instrument.libraries.operations import fail
from tradespan.instrument.libraries.order_reports import OrderLinks, Report, back, outside

Function = Callable[..., Any]


def _ends_connection(error: Exception) -> bool:
    """Whether it came from `websockets`; after what a handler raised, the library goes on."""
    return any(each.__module__.startswith("websockets.") for each in type(error).__mro__)


class Streams:
    """Replacements for methods of `TradingStream` and `DataStream`."""

    def __init__(self, telemetry: Telemetry, metrics: BrokerMetrics, orders: OrderLinks) -> None:
        self._telemetry = telemetry
        self._metrics = metrics
        self._orders = orders

    def connects(self, original: Function) -> Function:
        """`_start_ws`: connect and log in, the first time and after each loss."""

        @functools.wraps(original)
        async def start(stream: Any, *args: Any, **kwargs: Any) -> Any:
            connect = self._report(stream, "connect", {}, kind=SpanKind.CLIENT)
            try:
                with connect:
                    return await original(stream, *args, **kwargs)
            finally:
                self._metrics.connected(type(stream).__name__, connect.error_type)

        return start

    def consumes(self, original: Function) -> Function:
        """`_consume` runs as long as the connection, with no span current; only its end is told."""

        @functools.wraps(original)
        async def consume(stream: Any, *args: Any, **kwargs: Any) -> Any:
            token = outside()
            try:
                stale = await original(stream, *args, **kwargs)
            except Exception as error:
                if _ends_connection(error):
                    self._lost(stream, error)
                raise
            finally:
                back(token)
            if stale:
                self._lost(stream, TimeoutError("no data came for too long"))
            return stale

        return consume

    def updates(self, original: Function) -> Function:
        """`TradingStream._dispatch`: the handler runs in a span linked to the order's."""

        @functools.wraps(original)
        async def dispatch(stream: Any, msg: Any, *args: Any) -> Any:
            attributes: Attributes = {}
            links: list[Link] = []
            with guard.guarded("reading a trade update"):
                update = msg.get("data") if msg.get("stream") == "trade_updates" else None
                if update is not None:
                    links = self._orders.of(*order_keys(update.get("order") or {}))
                    attributes = update_attributes(update)
            if not attributes:
                return await original(stream, msg, *args)
            with self._report(stream, "trade_update", attributes, links):
                return await original(stream, msg, *args)

        return dispatch

    def prices(self, original: Function) -> Function:
        """`DataStream._dispatch`: no span for a price."""
        came = self._metrics.market_data.came

        @functools.wraps(original)
        async def dispatch(stream: Any, msg: Any, *args: Any) -> Any:
            try:
                if "S" in msg:
                    came(type(stream).__name__, (msg["S"],))
                elif msg.get("T") == "error":
                    self._complaint(stream, msg)
            except Exception as error:  # noqa: BLE001 - as `guarded`, whose call is saved
                guard.report("reading a message of a stream", error)
            return await original(stream, msg, *args)

        return dispatch

    def subscribes(self, original: Function) -> Function:
        """`_subscribe`: from now on the symbols' prices have an age."""

        @functools.wraps(original)
        def subscribe(stream: Any, handler: Any, symbols: Any, *args: Any) -> Any:
            result = original(stream, handler, symbols, *args)
            with guard.guarded("a subscription"):
                for symbol in symbols:
                    if symbol != "*":
                        self._metrics.market_data.begin(type(stream).__name__, symbol)
            return result

        return subscribe

    def unsubscribes(self, original: Function) -> Function:
        """`_unsubscribe`: the symbols' prices have no age where nobody else listens."""

        @functools.wraps(original)
        def unsubscribe(stream: Any, channel: str, symbols: Any) -> Any:
            result = original(stream, channel, symbols)
            with guard.guarded("a subscription"):
                left = {symbol for each in stream._handlers.values() for symbol in each}  # noqa: SLF001
                for symbol in symbols:
                    if symbol not in left:
                        self._metrics.market_data.end(type(stream).__name__, symbol)
            return result

        return unsubscribe

    def stops(self, original: Function) -> Function:
        """`stop_ws`: by the program's wish nothing comes any more."""

        @functools.wraps(original)
        async def stop(stream: Any, *args: Any, **kwargs: Any) -> Any:
            with guard.guarded("stopping a stream"):
                for symbols in stream._handlers.values():  # noqa: SLF001
                    for symbol in symbols:
                        self._metrics.market_data.end(type(stream).__name__, symbol)
            return await original(stream, *args, **kwargs)

        return stop

    def _lost(self, stream: Any, error: Exception) -> None:
        self._metrics.lost(type(stream).__name__)
        with guard.guarded("a lost connection"), self._report(stream, "lost", {}) as report:
            fail(report.span, error, hiding(stream))

    def _complaint(self, stream: Any, msg: Any) -> None:
        code = str(msg.get("code"))
        self._metrics.said(code)
        attributes: Attributes = {"error.type": code, "error.message": str(msg.get("msg"))}
        with self._report(stream, "error", attributes) as report:
            report.fail(f"{code}: {msg.get('msg')}")

    def _report(
        self,
        stream: Any,
        name: str,
        attributes: Attributes,
        links: list[Link] | None = None,
        kind: SpanKind = SpanKind.CONSUMER,
    ) -> Report:
        channel = type(stream).__name__
        known: Attributes = {TRADING_VENUE: VENUE, TRADING_BROKER_CHANNEL: channel, **attributes}
        return Report(
            self._telemetry,
            f"{channel}.{name}",
            known,
            links or [],
            kind=kind,
            scrub=hiding(stream),
        )
