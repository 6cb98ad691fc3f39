"""`ib_async`: requests, orders, fills, connections and prices of Interactive Brokers."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry.trace import Link

from tradespan.capture.failure import exception_name
from tradespan.core import guard
from tradespan.declare.names import TRADESPAN_SIGNAL, TRADING_VENUE
from tradespan.instrument.libraries.base import LibraryInstrumentor, Patch, Telemetry
from tradespan.instrument.libraries.broker_metrics import BrokerMetrics
from tradespan.instrument.libraries.ib_orders import (
    contract_attributes,
    contract_in,
    order_attributes,
    order_ids,
    symbol_of,
)
from tradespan.instrument.libraries.ib_reports import CHANNEL, PRICES, Reports
from tradespan.instrument.libraries.ib_requests import (
    VENUE,
    Request,
    Requests,
    address_of,
    order_key,
)
from tradespan.instrument.orders_told import tell

_IB, _WRAPPER, _CONNECTION = "ib_async.ib", "ib_async.wrapper", "ib_async.connection"

ANSWERED = (
    "calculateImpliedVolatility", "calculateOptionPrice", "getWshEventData", "getWshMetaData",
    "qualifyContracts", "reqAccountSummary", "reqAccountUpdates", "reqAccountUpdatesMulti",
    "reqAllOpenOrders", "reqCompletedOrders", "reqContractDetails", "reqCurrentTime",
    "reqExecutions", "reqFundamentalData", "reqHeadTimeStamp", "reqHistogramData",
    "reqHistoricalData", "reqHistoricalNews", "reqHistoricalSchedule", "reqHistoricalTicks",
    "reqMarketRule", "reqMatchingSymbols", "reqMktDepthExchanges", "reqNewsArticle",
    "reqNewsProviders", "reqOpenOrders", "reqPositions", "reqScannerData", "reqScannerParameters",
    "reqSecDefOptParams", "reqSmartComponents", "reqTickers", "reqUserInfo", "requestFA",
    "whatIfOrder",
)  # fmt: skip
"""Requests with an answer: the methods of these names with `Async`, which the others call."""

SENT = (
    "cancelHistoricalData", "cancelNewsBulletins", "cancelPnL",
    "cancelPnLSingle", "cancelRealTimeBars", "cancelScannerSubscription",
    "cancelWshEventData", "cancelWshMetaData", "exerciseOptions", "replaceFA", "reqAutoOpenOrders",
    "reqGlobalCancel", "reqMarketDataType", "reqNewsBulletins", "reqPnL",
    "reqPnLSingle", "reqRealTimeBars", "reqScannerSubscription",
    "reqWshEventData", "reqWshMetaData",
)  # fmt: skip
"""Requests that return when they are sent."""

SUBSCRIBES = ("reqMktData", "reqMktDepth", "reqTickByTickData")
UNSUBSCRIBES = ("cancelMktData", "cancelMktDepth", "cancelTickByTickData")
"""Of prices, which come by tickers."""

_SNAPSHOTS = ("snapshot", "regulatorySnapshot")

Function = Callable[..., Any]


class IbAsyncInstrumentor(LibraryInstrumentor):
    """Spans and metrics of `ib_async`'s `IB`, synchronous and asynchronous."""

    requirement = "ib_async >= 2.0"
    scope = "tradespan.ib_async"

    _calls: Calls | None = None

    def patches(self, telemetry: Telemetry) -> Iterable[Patch]:
        """The methods of `IB` that send, and those of `Wrapper` that the decoder calls."""
        calls = self._calls = Calls(telemetry)
        reports = calls.reports
        yield Patch(_IB, "IB.connectAsync", calls.connects)
        yield Patch(_IB, "IB.disconnect", calls.disconnects)
        yield Patch(_IB, "IB.placeOrder", calls.places)
        yield Patch(_IB, "IB.cancelOrder", calls.cancels)
        for name in SUBSCRIBES:
            yield Patch(_IB, f"IB.{name}", functools.partial(calls.subscribes, name))
        for name in UNSUBSCRIBES:
            yield Patch(_IB, f"IB.{name}", functools.partial(calls.unsubscribes, name))
        for name in ANSWERED:
            yield Patch(_IB, f"IB.{name}Async", functools.partial(calls.answered, name))
        for name in SENT:
            yield Patch(_IB, f"IB.{name}", functools.partial(calls.sent, name))
        for name in ("startReq", "startTicker", "startSubscription"):
            yield Patch(_WRAPPER, f"Wrapper.{name}", reports.registers)
        yield Patch(_WRAPPER, "Wrapper.orderStatus", reports.order_status)
        yield Patch(_WRAPPER, "Wrapper.execDetails", reports.executions)
        yield Patch(_WRAPPER, "Wrapper.commissionReport", reports.commissions)
        yield Patch(_WRAPPER, "Wrapper.error", reports.errors)
        yield Patch(_WRAPPER, "Wrapper.connectionClosed", reports.lost)
        yield Patch(_WRAPPER, "Wrapper.reset", reports.forgotten)
        yield Patch(_WRAPPER, "Wrapper.tcpDataProcessed", reports.prices)
        yield Patch(_CONNECTION, "Connection.connectAsync", reports.opens)

    def forget(self) -> None:
        """End what is open; stop telling about prices."""
        if self._calls is not None:
            self._calls.clear()
        self._calls = None


class Calls:
    """Replacements for the methods of `IB`."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._metrics = BrokerMetrics(telemetry, VENUE)
        self._requests = Requests(telemetry, self._metrics)
        self.reports = Reports(telemetry, self._metrics, self._requests)

    def clear(self) -> None:
        """End what is open, and forget all."""
        self.reports.watching = False
        self._requests.clear()
        self.reports.orders.clear()
        self._metrics.market_data.clear()

    def answered(self, method: str, original: Function) -> Function:
        """A request's span ends with its answer: a coroutine's end, or a future's."""
        if inspect.iscoroutinefunction(original):

            @functools.wraps(original)
            async def awaited(ib: Any, *args: Any, **kwargs: Any) -> Any:
                with self._begin(ib, method, args, kwargs) as request:
                    result = await original(ib, *args, **kwargs)
                request.end()
                return result

            return awaited

        @functools.wraps(original)
        def promised(ib: Any, *args: Any, **kwargs: Any) -> Any:
            with self._begin(ib, method, args, kwargs) as request:
                future = original(ib, *args, **kwargs)
            with guard.guarded("waiting for an answer"):
                if asyncio.isfuture(future):
                    future.add_done_callback(functools.partial(_done, request))
                else:
                    request.end()
            return future

        return promised

    def sent(self, method: str, original: Function) -> Function:
        """A request's span ends when it is sent."""

        @functools.wraps(original)
        def send(ib: Any, *args: Any, **kwargs: Any) -> Any:
            with self._begin(ib, method, args, kwargs) as request:
                result = original(ib, *args, **kwargs)
            request.end()
            return result

        return send

    def connects(self, original: Function) -> Function:
        """`connect`, with what it asks the gateway for below it."""

        @functools.wraps(original)
        async def connectAsync(ib: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N802 - IB's name
            failure: str | None = None
            with self._begin(ib, "connect", (), {}) as request:
                try:
                    result = await original(ib, *args, **kwargs)
                except BaseException as error:
                    failure = exception_name(error)
                    raise
                finally:
                    request.set(address_of, ib)
                    self._metrics.connected(CHANNEL, failure)
            request.end()
            return result

        return connectAsync

    def disconnects(self, original: Function) -> Function:
        """`disconnect` where there is a connection; the library calls it to clean up, too."""

        @functools.wraps(original)
        def disconnect(ib: Any, *args: Any, **kwargs: Any) -> Any:
            connected = False
            symbols: list[str] = []
            with guard.guarded("reading a connection"):
                connected = ib.client.isConnected()
                symbols = [symbol_of(ticker.contract) for ticker in ib.wrapper.tickers.values()]
            if not connected:
                return original(ib, *args, **kwargs)
            with self._begin(ib, "disconnect", (), {}) as request:
                result = original(ib, *args, **kwargs)
                for symbol in symbols:
                    self._metrics.market_data.end(PRICES, symbol)
            request.end()
            return result

        return disconnect

    def places(self, original: Function) -> Function:
        """`placeOrder`: what later reports on the order are linked to."""

        @functools.wraps(original)
        def placeOrder(  # noqa: N802 - IB's name
            ib: Any, contract: Any, order: Any, *args: Any, **kwargs: Any
        ) -> Any:
            is_new = True
            links: list[Link] = []
            with guard.guarded("reading an order"):
                key = ib.wrapper.orderKey(ib.wrapper.clientId, order.orderId, order.permId)
                is_new = not order.orderId or key not in ib.wrapper.trades
                if not is_new:
                    links = self.reports.orders.of(order_key(ib, order))
            with self._requests.begin(ib, "placeOrder", (contract,), links) as request:
                request.set(order_attributes, order)
                if is_new:
                    request.set(dict, {TRADESPAN_SIGNAL: "order.submitted"})
                trade = original(ib, contract, order, *args, **kwargs)
                # Now it has its ids.
                request.set(order_ids, order)
                if is_new:
                    with guard.guarded("remembering an order"):
                        self.reports.orders.remember(
                            order_key(ib, order), request.span.get_span_context()
                        )
                        self._tell_sent(request, contract, order)
            request.end()
            return trade

        return placeOrder

    def cancels(self, original: Function) -> Function:
        """`cancelOrder`, linked to what placed the order."""

        @functools.wraps(original)
        def cancelOrder(ib: Any, order: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N802
            links: list[Link] = []
            with guard.guarded("reading an order"):
                links = self.reports.orders.of(order_key(ib, order))
            with self._requests.begin(ib, "cancelOrder", (), links) as request:
                request.set(order_attributes, order)
                trade = original(ib, order, *args, **kwargs)
                if trade is not None:
                    request.set(contract_attributes, trade.contract)
                tell("order.cancel_requested", order_ids(order))
            request.end()
            return trade

        return cancelOrder

    def _tell_sent(self, request: Request, contract: Any, order: Any) -> None:
        facts = {
            TRADING_VENUE: VENUE,
            **contract_attributes(contract),
            **order_attributes(order),
        }
        tell("order.submitted", facts, request.seconds)

    def subscribes(self, method: str, original: Function) -> Function:
        """From now on the symbol's prices have an age; those of a snapshot have none."""

        @functools.wraps(original)
        def subscribe(ib: Any, *args: Any, **kwargs: Any) -> Any:
            with self._begin(ib, method, args, kwargs) as request:
                ticker = original(ib, *args, **kwargs)
                with guard.guarded("a subscription"):
                    # `reqMktData(contract, ticks, snapshot, regulatory snapshot)`
                    snapshot = any(kwargs.get(name) for name in _SNAPSHOTS)
                    if method != "reqMktData" or not (snapshot or any(args[2:4])):
                        self._metrics.market_data.begin(PRICES, symbol_of(ticker.contract))
            request.end()
            return ticker

        return subscribe

    def unsubscribes(self, method: str, original: Function) -> Function:
        """The symbol's prices have no age any more, unless something else is subscribed to."""

        @functools.wraps(original)
        def unsubscribe(ib: Any, *args: Any, **kwargs: Any) -> Any:
            with self._begin(ib, method, args, kwargs) as request:
                result = original(ib, *args, **kwargs)
                with guard.guarded("a subscription"):
                    ticker = ib.ticker(contract_in((*args, *kwargs.values())))
                    left = ib.wrapper.ticker2ReqId.values()
                    if ticker is not None and not any(ticker in each for each in left):
                        self._metrics.market_data.end(PRICES, symbol_of(ticker.contract))
            request.end()
            return result

        return unsubscribe

    def _begin(self, ib: Any, method: str, args: tuple[Any, ...], kwargs: Any) -> Request:
        return self._requests.begin(ib, method, (*args, *kwargs.values()))


def _done(request: Request, future: Any) -> None:
    # Not asked for its exception: that would take away asyncio's warning that nobody did.
    request.end(ended_by="CancelledError" if future.cancelled() else None)
