"""Calls of Alpaca's REST clients: a span for a method, an event of it for each HTTP request.

The library repeats a request after 429 and 504, with a wait in between, inside of one call.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

from opentelemetry.trace import Link

from tradespan.capture.failure import exception_name
from tradespan.capture.redact import MARK
from tradespan.core import guard
from tradespan.declare.names import (
    TRADESPAN_SIGNAL,
    TRADING_API_ATTEMPT_DURATION,
    TRADING_API_LIMIT_REMAINING,
    TRADING_API_LIMIT_USED,
    TRADING_API_METHOD,
    TRADING_BROKER_REQUEST_ID,
    TRADING_ORDER_ID,
    TRADING_ORDER_REJECT_REASON,
    TRADING_ORDER_STATUS,
    TRADING_SYMBOL,
    TRADING_VENUE,
)
from tradespan.instrument.libraries.addresses import Addresses
from tradespan.instrument.libraries.alpaca_orders import (
    Attributes,
    legs_of,
    order_attributes,
    order_keys,
    symbol_in,
)
from tradespan.instrument.libraries.alpaca_paths import path_template
from tradespan.instrument.libraries.base import Telemetry
from tradespan.instrument.libraries.broker_metrics import BrokerMetrics
from tradespan.instrument.libraries.operations import Operation
from tradespan.instrument.libraries.order_reports import OrderLinks

VENUE = "alpaca"
_TOO_FAST = 429
_SUBMITS = frozenset({"submit_order", "close_position"})
_ON_ORDERS = frozenset({"cancel_order_by_id", "get_order_by_id", "replace_order_by_id"})
_ORDERS = _SUBMITS | {"get_order_by_client_id", "get_order_by_id", "replace_order_by_id"}

Function = Callable[..., Any]
CURRENT_CALL: ContextVar[Call | None] = ContextVar("tradespan_alpaca_call", default=None)


class Call(Operation):
    """The span of one method, with the HTTP requests that it took."""

    __slots__ = ("_metrics", "method", "resent", "token")

    def __init__(
        self,
        telemetry: Telemetry,
        metrics: BrokerMetrics,
        method: str,
        attributes: Attributes,
        links: list[Link],
        scrub: Callable[[str], str],
    ) -> None:
        super().__init__(telemetry, method, attributes, links=links, scrub=scrub)
        self._metrics = metrics
        self.method = method
        self.resent = 0
        """HTTP requests that repeated one."""

    def __enter__(self) -> Self:
        self.token = CURRENT_CALL.set(self)
        return super().__enter__()

    def asked(
        self,
        request: Attributes,
        answer: Attributes,
        seconds: float,
        failed: str | None,
        *,
        is_again: bool,
    ) -> None:
        """An HTTP request is over; the span has what is known of the last one."""
        self.resent += is_again
        self.set({**request, **answer})
        event = {**request, **answer, TRADING_API_ATTEMPT_DURATION: seconds}
        if failed is not None:
            event["error.type"] = failed
        self.event("http request", event)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with guard.guarded("ending a call"):
            CURRENT_CALL.reset(self.token)
        if self.resent:
            self.set({"http.request.resend_count": self.resent})
        super().__exit__(kind, error, trace)
        self._metrics.called(self.method, self.seconds, self.error_type)


class Rest:
    """Replacements for methods of `RESTClient` and its subclasses."""

    def __init__(self, telemetry: Telemetry, metrics: BrokerMetrics, orders: OrderLinks) -> None:
        self._telemetry = telemetry
        self._metrics = metrics
        self._orders = orders
        self._addresses = Addresses()

    def method(self, name: str, original: Function) -> Function:
        """A method that asks Alpaca for something."""

        @functools.wraps(original)
        def call(client: Any, *args: Any, **kwargs: Any) -> Any:
            given = (*args, *kwargs.values())
            with self._call(client, name, given) as call:
                if name == "submit_order" and given:
                    # An update may come before the answer to the request.
                    self._remember(call, given[0])
                try:
                    result = original(client, *args, **kwargs)
                except Exception as error:
                    if name in _SUBMITS:
                        self._refused(call, error)
                    raise
                if name in _ORDERS:
                    self._learn(call, name, result)
                return result

        return call

    def request(self, original: Function) -> Function:
        """`_request`: a call of its own where no method that is known made it."""

        @functools.wraps(original)
        def request(client: Any, method: str, path: str, *args: Any, **kwargs: Any) -> Any:
            if CURRENT_CALL.get() is not None:
                return original(client, method, path, *args, **kwargs)
            name = method
            with guard.guarded("reading a request"):
                version = client._api_version  # noqa: SLF001 - nothing public has it
                name = f"{method} {path_template(f'/{version}{path}')}"
            with self._call(client, name, ()):
                return original(client, method, path, *args, **kwargs)

        return request

    def attempt(self, original: Function) -> Function:
        """`_one_request`: one HTTP request of a call."""

        @functools.wraps(original)
        def one_request(
            client: Any, method: str, url: str, opts: Any, retry: int, *rest: Any
        ) -> Any:
            answer: Attributes = {}
            began = self._telemetry.clock.monotonic()
            failed: str | None = None
            with guard.guarded("reading an HTTP request"):
                opts = _with_hook(client, opts, functools.partial(_read, answer))
            try:
                return original(client, method, url, opts, retry, *rest)
            except BaseException as error:
                failed = exception_name(error)
                raise
            finally:
                call = CURRENT_CALL.get()
                with guard.guarded("reading an HTTP request"):
                    took = (self._telemetry.clock.monotonic() - began) / 1e9
                    asked = self._request_attributes(method, url)
                    if call is not None:
                        resent = max(client._retry - retry, 0)  # noqa: SLF001
                        call.asked(asked, answer, took, failed, is_again=resent > 0)
                    self._count(call.method if call is not None else method, answer, failed)

        return one_request

    def _call(self, client: Any, name: str, given: tuple[Any, ...]) -> Call:
        method = f"{type(client).__name__}.{name}"
        attributes: Attributes = {TRADING_VENUE: VENUE, TRADING_API_METHOD: method}
        links: list[Link] = []
        with guard.guarded("reading a call"):
            symbol = symbol_in(given)
            if symbol is not None:
                attributes[TRADING_SYMBOL] = symbol
            if name == "submit_order" and given:
                attributes |= {**order_attributes(given[0]), TRADESPAN_SIGNAL: "order.submitted"}
            elif name in _ON_ORDERS and given:
                attributes[TRADING_ORDER_ID] = str(given[0])
                links = self._orders.of(str(given[0]))
        return Call(self._telemetry, self._metrics, method, attributes, links, hiding(client))

    def _learn(self, call: Call, name: str, order: Any) -> None:
        """What Alpaca says of the order; later updates on one that this call made are linked."""
        with guard.guarded("reading an order"):
            call.set(order_attributes(order))
            if name in _SUBMITS:
                call.set({TRADESPAN_SIGNAL: "order.submitted"})
            if name in _SUBMITS or name == "replace_order_by_id":
                self._remember(call, order)

    def _remember(self, call: Call, order: Any) -> None:
        with guard.guarded("remembering an order"):
            span = call.span.get_span_context()
            for each in legs_of(order):
                for key in order_keys(each):
                    self._orders.remember(key, span)

    def _refused(self, call: Call, error: Exception) -> None:
        with guard.guarded("reading a refusal"):
            status = getattr(error, "status_code", None)
            if status is not None and 400 <= status < 500 and status != _TOO_FAST:
                call.set({TRADING_ORDER_STATUS: "rejected"})
                call.set({TRADING_ORDER_REJECT_REASON: _words_of(error)})

    def _request_attributes(self, method: str, url: str) -> Attributes:
        address = self._addresses.read(url)
        return {
            "http.request.method": method,
            "url.template": path_template(url),
            "server.address": address.host,
            "server.port": address.port,
        }

    def _count(self, method: str, answer: Mapping[str, Any], error_type: str | None) -> None:
        status = answer.get("http.response.status_code")
        self._metrics.tried(method, status, error_type)
        if status == _TOO_FAST:
            self._metrics.too_fast()
        left = answer.get(TRADING_API_LIMIT_REMAINING)
        if left is not None:
            self._metrics.left(left)


def hiding(client: Any) -> Callable[[str], str]:
    """Takes the client's keys out of a text: `requests` names a header's bad value, for one."""

    def hide(text: str) -> str:
        for name in ("_secret_key", "_api_key", "_oauth_token"):
            key = getattr(client, name, None)
            if isinstance(key, str) and key.strip():
                text = text.replace(key, MARK).replace(key.strip(), MARK)
        return text

    return hide


def _words_of(error: Any) -> str:
    try:
        return str(error.message)
    except (ValueError, LookupError):  # the answer's body is no JSON, or has no message
        return str(error)


def _with_hook(client: Any, opts: dict[str, Any], hook: Function) -> dict[str, Any]:
    """The request's options, so that `requests` shows its response; only to its own `Session`.

    A request's hooks hide the session's, so that these come along.
    """
    session = client._session  # noqa: SLF001 - nothing public has it
    if type(session).__module__ != "requests.sessions" or "hooks" in opts:
        return opts
    return {**opts, "hooks": {"response": [hook, *session.hooks.get("response", ())]}}


def _read(into: Attributes, response: Any, *_: Any, **__: Any) -> None:
    with guard.guarded("reading an HTTP response"):
        into["http.response.status_code"] = int(response.status_code)
        headers = response.headers
        if "Retry-After" in headers:
            into["http.response.header.retry-after"] = (headers["Retry-After"],)
        if "X-Request-ID" in headers:
            into[TRADING_BROKER_REQUEST_ID] = headers["X-Request-ID"]
        remaining = headers.get("X-Ratelimit-Remaining", "")
        if remaining.isdigit():
            into[TRADING_API_LIMIT_REMAINING] = float(remaining)
            limit = headers.get("X-Ratelimit-Limit", "")
            if limit.isdigit():
                into[TRADING_API_LIMIT_USED] = float(limit) - float(remaining)
