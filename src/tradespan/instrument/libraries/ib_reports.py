"""What TWS or IB Gateway says by itself: states of orders, fills, commissions, errors, prices.

All of it comes on the socket, in the context in which the connection was opened. That has no
current span: else all that the program's handlers do, for days, would hang from the one that
connected.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tradespan.core import guard
from tradespan.declare.names import (
    TRADESPAN_SIGNAL,
    TRADING_BROKER_REQUEST_ID,
    TRADING_ORDER_DESTINATION,
    TRADING_VENUE,
)
from tradespan.instrument.libraries.base import Telemetry
from tradespan.instrument.libraries.broker_metrics import BrokerMetrics
from tradespan.instrument.libraries.ib_orders import (
    Attributes,
    commission_attributes,
    contract_attributes,
    fill_attributes,
    order_attributes,
    order_ids,
    state_attributes,
    symbol_of,
)
from tradespan.instrument.libraries.ib_requests import (
    CURRENT_REQUEST,
    VENUE,
    Requests,
    address_of,
    order_key,
)
from tradespan.instrument.libraries.order_reports import OrderLinks, Report, back, outside
from tradespan.instrument.orders_told import tell

CHANNEL = "api"
PRICES = "market_data"

_PACING_CODE, _CANCELLED = 100, 202
_WARNINGS = frozenset({105, 110, 165, 321, 329, 399, 404, 434, 492, 10167})
_FARM_IS_FINE = frozenset({2104, 2106, 2107, 2108, 2119, 2158})

Function = Callable[..., Any]


def is_pacing(code: int, message: str) -> bool:
    """Whether an error says that requests come too fast: 100, or a word in what 162 and 420 say."""
    return code == _PACING_CODE or "pacing violation" in message.lower()


def is_failure(code: int) -> bool:
    """Whether it is neither a warning, by the library's list, nor the answer to a cancellation."""
    return code != _CANCELLED and code not in _WARNINGS and not 2100 <= code < 2200


class Reports:
    """Replacements for the methods that the library's decoder calls."""

    def __init__(self, telemetry: Telemetry, metrics: BrokerMetrics, requests: Requests) -> None:
        self._telemetry = telemetry
        self._metrics = metrics
        self._requests = requests
        self.orders = OrderLinks()
        self.watching = True
        """False once all is put back: the library keeps some bound methods."""

    def opens(self, original: Function) -> Function:
        """`Connection.connectAsync`: what asyncio calls later runs in the context of here."""

        @functools.wraps(original)
        async def connectAsync(*args: Any, **kwargs: Any) -> Any:  # noqa: N802 - IB's name
            token = outside()
            try:
                return await original(*args, **kwargs)
            finally:
                back(token)

        return connectAsync

    def registers(self, original: Function) -> Function:
        """`startReq`, `startTicker`, `startSubscription`: a key belongs to the current request."""

        @functools.wraps(original)
        def register(wrapper: Any, key: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(wrapper, key, *args, **kwargs)
            with guard.guarded("registering a request"):
                request = CURRENT_REQUEST.get()
                if request is not None and request.open:
                    self._requests.session(wrapper.ib).expect(key, request)
                    request.span.set_attribute(TRADING_BROKER_REQUEST_ID, str(key))
            return result

        return register

    def order_status(self, original: Function) -> Function:
        """Each change of an order's state is a report."""

        @functools.wraps(original)
        def orderStatus(wrapper: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N802 - IB's name
            trade = None
            with guard.guarded("reading an order's state"):
                trade = _changed_trade(wrapper, *args, **kwargs)
            if trade is None:
                return original(wrapper, *args, **kwargs)
            with self._report(wrapper, "IB.orderStatus", trade) as report:
                result = original(wrapper, *args, **kwargs)
                with guard.guarded("reading an order's state"):
                    state = state_attributes(trade)
                    report.set(state)
                    _tell_order(trade.order, state)
                return result

        return orderStatus

    def executions(self, original: Function) -> Function:
        """Each fill that comes by itself is a report; answers to `reqExecutions` are none."""

        @functools.wraps(original)
        def execDetails(  # noqa: N802 - IB's name
            wrapper: Any, key: Any, contract: Any, execution: Any, *rest: Any, **more: Any
        ) -> Any:
            news = False
            with guard.guarded("reading a fill"):
                news = not _waits(wrapper, key) and execution.execId not in wrapper.fills
            if not news:
                return original(wrapper, key, contract, execution, *rest, **more)
            trade = None
            attributes: Attributes = {}
            with guard.guarded("reading a fill"):
                trade = _trade_of(wrapper, execution)
                ordered = trade.order.totalQuantity if trade is not None else None
                attributes = fill_attributes(execution, ordered)
                if trade is None:  # of another client, or from before this session
                    attributes |= contract_attributes(contract)
                    attributes.pop(TRADING_ORDER_DESTINATION, None)  # it says where it was traded
            with self._report(wrapper, "IB.execDetails", trade, attributes):
                with guard.guarded("telling of a fill"):
                    _tell_order(execution, attributes)
                return original(wrapper, key, contract, execution, *rest, **more)

        return execDetails

    def commissions(self, original: Function) -> Function:
        """What a fill cost is a report."""

        @functools.wraps(original)
        def commissionReport(wrapper: Any, report: Any, *rest: Any) -> Any:  # noqa: N802 - IB's name
            trade = None
            attributes: Attributes = {}
            with guard.guarded("reading a commission"):
                fill = wrapper.fills.get(report.execId)
                trade = _trade_of(wrapper, fill.execution) if fill is not None else None
                attributes = commission_attributes(report)
            if trade is None:  # not of this client
                return original(wrapper, report, *rest)
            with self._report(wrapper, "IB.commissionReport", trade, attributes):
                return original(wrapper, report, *rest)

        return commissionReport

    def errors(self, original: Function) -> Function:
        """An error belongs to a request, to an order, or to the connection."""

        @functools.wraps(original)
        def error(wrapper: Any, key: Any, code: int, message: str, *rest: Any, **more: Any) -> Any:
            told = (key, code, message)
            waited, trade, entries = False, None, 0
            with guard.guarded("reading an error"):
                self._count(code, message)
                waited = _waits(wrapper, key)
                trade = wrapper.trades.get((wrapper.clientId, key)) if key != -1 else None
                entries = len(trade.log) if trade is not None else 0
            if waited:
                result = original(wrapper, *told, *rest, **more)
                with guard.guarded("reading an error"):
                    self._request_failed(wrapper, *told)
                return result
            if trade is None and code in _FARM_IS_FINE:
                return original(wrapper, *told, *rest, **more)
            with self._error_report(wrapper, trade, *told) as report:
                if is_failure(code):
                    report.fail(f"{code}: {message}")
                result = original(wrapper, *told, *rest, **more)
                if trade is not None:
                    with guard.guarded("reading an order's state"):
                        is_news = len(trade.log) > entries
                        state = state_attributes(trade, message, is_news=is_news)
                        report.set(state)
                        _tell_order(trade.order, state)
                return result

        return error

    def lost(self, original: Function) -> Function:
        """`connectionClosed` is called when the gateway is gone, not when the program left."""

        @functools.wraps(original)
        def connectionClosed(wrapper: Any, *rest: Any) -> Any:  # noqa: N802 - IB's name
            self._metrics.lost(CHANNEL)
            with guard.guarded("a lost connection"):
                session = self._requests.session(wrapper.ib)
                session.fail_all(("ConnectionError", "Socket disconnect"))
            with self._report(wrapper, "IB.connectionClosed", None) as report:
                report.set({"error.type": "ConnectionError"})
                report.fail("the gateway closed the connection")
                return original(wrapper, *rest)

        return connectionClosed

    def forgotten(self, original: Function) -> Function:
        """`reset` forgets requests without an answer: their spans end here."""

        @functools.wraps(original)
        def reset(wrapper: Any, *rest: Any) -> Any:
            result = original(wrapper, *rest)
            with guard.guarded("ending a session"):
                self._requests.session(wrapper.ib).close()
            return result

        return reset

    def prices(self, original: Function) -> Function:
        """After each packet: which symbols it was about."""
        came = self._metrics.market_data.came

        @functools.wraps(original)
        def tcpDataProcessed(wrapper: Any) -> Any:  # noqa: N802 - IB's name
            tickers = wrapper.pendingTickers
            if tickers and self.watching:
                try:
                    came(PRICES, [symbol_of(ticker.contract) for ticker in tickers])
                except Exception as error:  # noqa: BLE001 - as `guarded`, whose call is saved
                    guard.report("counting prices", error)
            return original(wrapper)

        return tcpDataProcessed

    def _count(self, code: int, message: str) -> None:
        self._metrics.said(str(code))
        if is_pacing(code, message):
            self._metrics.too_fast()

    def _request_failed(self, wrapper: Any, key: Any, code: int, message: str) -> None:
        request = self._requests.session(wrapper.ib).request(key)
        if request is None or not request.open:
            return
        request.span.add_event("IB.error", {"error.type": str(code), "error.message": message})
        if not _waits(wrapper, key):  # the library gave it up
            request.failure = (str(code), message)

    def _error_report(self, wrapper: Any, trade: Any, key: Any, code: int, message: str) -> Report:
        attributes: Attributes = {"error.type": str(code), "error.message": message}
        if key != -1:
            attributes[TRADING_BROKER_REQUEST_ID] = str(key)
        return self._report(wrapper, "IB.error", trade, attributes, key)

    def _report(
        self,
        wrapper: Any,
        name: str,
        trade: Any,
        attributes: Attributes | None = None,
        key: Any = None,
    ) -> Report:
        known: Attributes = {TRADING_VENUE: VENUE}
        links = []
        with guard.guarded("reading a report"):
            known |= address_of(wrapper.ib)
            if trade is not None:
                order = trade.order
                known |= {**contract_attributes(trade.contract), **order_attributes(order)}
                links = self.orders.of(order_key(wrapper.ib, order))
            elif key is not None:
                links = self._requests.session(wrapper.ib).link(key)
                contract = wrapper._reqId2Contract.get(key)  # noqa: SLF001
                known |= {} if contract is None else contract_attributes(contract)
        return Report(self._telemetry, name, {**known, **(attributes or {})}, links)


def _changed_trade(
    wrapper: Any,
    order_id: int,
    status: str,
    filled: float,
    remaining: float,
    *rest: Any,
    **more: Any,
) -> Any:
    """The trade that a report changes; None for a repetition, and for one that nobody knows."""
    _average_price, perm_id, _parent, _last_price, client = (*rest, *more.values())[:5]
    trade = wrapper.trades.get((client, order_id) if order_id > 0 else perm_id)
    if trade is None:
        return None
    known = trade.orderStatus
    acknowledged = bool(trade.log) and trade.log[-1].message == "Modify"
    same = (known.status, known.filled, known.remaining) == (status, filled, remaining)
    return None if same and not acknowledged else trade


def _tell_order(order: Any, attributes: Attributes) -> None:
    """Tell whoever follows orders of a report that is news. A fill's time is the exchange's."""
    signal = attributes.get(TRADESPAN_SIGNAL)
    if signal is not None:
        tell(str(signal), {**order_ids(order), **attributes})


def _waits(wrapper: Any, key: Any) -> bool:
    """Whether a request with this key waits for its answer."""
    return key in wrapper._futures  # noqa: SLF001 - nothing public says so


def _trade_of(wrapper: Any, execution: Any) -> Any:
    """As the library finds it: by TWS's id, else by the client's."""
    return wrapper.permId2Trade.get(execution.permId) or wrapper.trades.get(
        (execution.clientId, execution.orderId) if execution.orderId > 0 else execution.permId
    )
