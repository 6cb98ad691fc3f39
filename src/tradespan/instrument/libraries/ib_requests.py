"""Requests to TWS or IB Gateway: one span from the call until the gateway has answered.

The library answers most requests through a future that it finds by a key, the request id. A
request's span remembers its keys, so that an error that names the id lands on the right span, also
where the library then returns an empty list, as it does by default.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self
from weakref import WeakKeyDictionary

from opentelemetry.context import attach, get_current
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    SpanKind,
    StatusCode,
    set_span_in_context,
)
from opentelemetry.trace import Span as ApiSpan

from tradespan.capture.failure import exception_name
from tradespan.core import guard
from tradespan.declare.names import (
    TRADESPAN_ENDED_BY,
    TRADING_API_METHOD,
    TRADING_BROKER_CLIENT_ID,
    TRADING_VENUE,
)
from tradespan.instrument.context import leave
from tradespan.instrument.libraries.base import Telemetry
from tradespan.instrument.libraries.broker_metrics import BrokerMetrics
from tradespan.instrument.libraries.ib_orders import (
    Attributes,
    contract_attributes,
    contract_in,
)
from tradespan.instrument.libraries.operations import fail
from tradespan.instrument.libraries.order_reports import OrderLinks

VENUE = "interactive_brokers"
MAX_REQUESTS = 10_000
"""How many requests and subscriptions of a connection are remembered."""

CURRENT_REQUEST: ContextVar[Request | None] = ContextVar("tradespan_ib_request", default=None)
"""The request whose code runs: what the library registers belongs to it."""


class Request:
    """One call of an `IB` method; current inside `with`, open until `end`."""

    __slots__ = (
        "_attached",
        "_metrics",
        "_telemetry",
        "_token",
        "began",
        "failure",
        "method",
        "open",
        "span",
        "waits",
    )

    def __init__(self, telemetry: Telemetry, metrics: BrokerMetrics, method: str) -> None:
        self._telemetry = telemetry
        self._metrics = metrics
        self._attached: Any = None
        self._token: Any = None
        self.method = method
        self.span: ApiSpan = INVALID_SPAN
        self.began = 0
        self.failure: tuple[str, str] | None = None
        """IB's code and message, where one did away with the request."""
        self.open = True
        self.waits: list[tuple[Session, Any]] = []
        """For which keys the library waits."""

    def start(self, attributes: Mapping[str, Any], links: list[Link]) -> None:
        """Begin the span."""
        with guard.guarded("beginning a request's span"):
            self.began = self._telemetry.clock.monotonic()
            self.span = self._telemetry.tracer.start_span(
                self.method, kind=SpanKind.CLIENT, attributes=attributes, links=links
            )

    @property
    def seconds(self) -> float:
        """How long ago it was called."""
        return (self._telemetry.clock.monotonic() - self.began) / 1e9

    def __enter__(self) -> Self:
        with guard.guarded("entering a request's span"):
            self._attached = attach(set_span_in_context(self.span, get_current()))
            self._token = CURRENT_REQUEST.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        with guard.guarded("leaving a request's span"):
            if self._token is not None:
                _forget(self._token)
            if self._attached is not None:
                leave(self._attached)
        if error is not None:
            self.end(error)

    def set(self, read: Callable[..., Mapping[str, Any]], *about: Any) -> None:
        """Set what `read` finds; the caller's objects may fail it."""
        with guard.guarded("reading a request"):
            self.span.set_attributes(read(*about))

    def end(self, error: BaseException | None = None, ended_by: str | None = None) -> None:
        """End the span, once: as failed, ended by something, or well."""
        if not self.open:
            return
        self.open = False
        for session, key in self.waits:
            session.answered(key, self)
        with guard.guarded("ending a request's span"):
            error_type = self._conclude(error, ended_by)
            seconds = (self._telemetry.clock.monotonic() - self.began) / 1e9
            self._metrics.called(self.method, seconds, error_type)
        with guard.guarded("ending a request's span"):
            self.span.end()

    def _conclude(self, error: BaseException | None, ended_by: str | None) -> str | None:
        if self.failure is not None:
            code, message = self.failure
            self.span.set_attribute("error.type", code)
            self.span.set_status(StatusCode.ERROR, f"{code}: {message}")
            return code
        if isinstance(error, Exception):
            fail(self.span, error)
            return exception_name(error)
        if error is not None:
            ended_by = type(error).__name__
        if ended_by is not None:
            self.span.set_attribute(TRADESPAN_ENDED_BY, ended_by)
        return None


class Session:
    """The requests and subscriptions of one `IB` object, by the library's keys."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Any, Request] = OrderedDict()
        self._asked = OrderLinks(MAX_REQUESTS)

    def __len__(self) -> int:
        """How many keys are waited for."""
        return len(self._waiting)

    def expect(self, key: Any, request: Request) -> None:
        """What comes for this key answers the request, or is about what it subscribed to."""
        before = self._waiting.pop(key, None)
        self._waiting[key] = request
        request.waits.append((self, key))
        self._asked.remember(key, request.span.get_span_context())
        if before is not None and before is not request:
            before.end(ended_by="the same request")  # the library forgets the first one
        if len(self._waiting) > MAX_REQUESTS:
            self._waiting.popitem(last=False)[1].end(ended_by="too many requests")

    def answered(self, key: Any, request: Request) -> None:
        """The request waits no more."""
        if self._waiting.get(key) is request:
            del self._waiting[key]

    def request(self, key: Any) -> Request | None:
        """The request that waits for this key."""
        return self._waiting.get(key)

    def link(self, key: Any) -> list[Link]:
        """A link to the span that asked for what the key names."""
        return self._asked.of(key)

    def fail_all(self, failure: tuple[str, str]) -> None:
        """Whatever still waits will not be answered: it ends with this failure."""
        for request in self._waiting.values():
            request.failure = failure

    def close(self) -> None:
        """The library forgets all requests."""
        for request in list(self._waiting.values()):
            request.end(ended_by="disconnect")
        self._waiting.clear()
        self._asked.clear()


class Requests:
    """Makes requests, and knows each `IB` object's session."""

    def __init__(self, telemetry: Telemetry, metrics: BrokerMetrics) -> None:
        self._telemetry = telemetry
        self._metrics = metrics
        self._sessions: WeakKeyDictionary[Any, Session] = WeakKeyDictionary()

    def session(self, ib: Any) -> Session:
        """The session of an `IB` object."""
        session = self._sessions.get(ib)
        if session is None:
            session = self._sessions[ib] = Session()
        return session

    def begin(
        self, ib: Any, method: str, arguments: tuple[Any, ...], links: list[Link] | None = None
    ) -> Request:
        """A request whose span has begun."""
        request = Request(self._telemetry, self._metrics, f"IB.{method}")
        attributes: Attributes = {TRADING_VENUE: VENUE, TRADING_API_METHOD: request.method}
        with guard.guarded("reading a request"):
            attributes |= address_of(ib)
            contract = contract_in(arguments)
            if contract is not None:
                attributes |= contract_attributes(contract)
        request.start(attributes, links or [])
        return request

    def clear(self) -> None:
        """End what is open, and forget all."""
        for session in list(self._sessions.values()):
            session.close()
        self._sessions.clear()


def address_of(ib: Any) -> Attributes:
    """Where the gateway is, and under which number the program is known there."""
    client = ib.client
    if not client.host:
        return {}
    return {
        "server.address": str(client.host),
        "server.port": int(client.port),
        TRADING_BROKER_CLIENT_ID: int(client.clientId),
    }


def order_key(ib: Any, order: Any) -> tuple[Any, ...]:
    """What names an order among all that the process has: ids count for each gateway and client."""
    client = ib.client
    return (client.host, client.port, order.clientId, order.orderId)


def _forget(token: Any) -> None:
    try:
        CURRENT_REQUEST.reset(token)
    except (ValueError, RuntimeError):
        pass  # closed from another context, where there is nothing to restore
