"""One call of an exchange's API through `ccxt`: its span, its HTTP requests, what it was about."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from types import FrameType, TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tradespan.capture.failure import exception_name
from tradespan.capture.redact import MARK, redact_and_cut
from tradespan.core import guard
from tradespan.declare.instruments import (
    TRADING_API_ATTEMPTS,
    TRADING_API_DURATION,
    TRADING_API_LIMIT_REMAINING,
)
from tradespan.declare.names import (
    TRADING_API_ATTEMPT_DURATION,
    TRADING_API_COST,
    TRADING_API_LIMIT_USED,
    TRADING_API_METHOD,
    TRADING_API_SECTION,
    TRADING_API_WAIT,
    TRADING_SYMBOL,
    TRADING_VENUE,
)
from tradespan.declare.names import (
    TRADING_API_LIMIT_REMAINING as LIMIT_REMAINING,
)
from tradespan.instrument.libraries.addresses import path_template, shown_path, without_queries
from tradespan.instrument.libraries.base import Telemetry
from tradespan.instrument.libraries.ccxt_orders import note_call, note_refusal
from tradespan.instrument.libraries.operations import Operation

MOST_METHODS = 512
"""Names of methods that become labels; whatever comes later is `_OTHER`."""
_OTHER = "_OTHER"
_MOST_FRAMES = 24
_LONGEST = 128
_CREDENTIALS = (
    "apiKey", "secret", "password", "uid", "accountId", "login", "privateKey", "walletAddress",
    "token", "twofa",
)  # fmt: skip
_SHORTEST_CREDENTIAL = 4
_USED = (
    "x-mbx-used-weight-1m",
    "x-mbx-used-weight",
    "x-sapi-used-ip-weight-1m",
    "x-sapi-used-uid-weight-1m",
)
_REMAINING = (
    "x-ratelimit-remaining",
    "x-rate-limit-remaining",
    "ratelimit-remaining",
    "gw-ratelimit-remaining",
    "x-bapi-limit-status",
    "bitvavo-ratelimit-remaining",
    "x-gate-ratelimit-requests-remain",
)
_NUMBER = re.compile(r"\s*(\d+(?:\.\d+)?)")

CALL: ContextVar[Call | None] = ContextVar("tradespan_ccxt_call", default=None)
"""The call that the running code is in."""


def current_call(exchange: object) -> Call | None:
    """The exchange's call that runs here; None where there is none, or another exchange's."""
    call = CALL.get()
    return call if call is not None and call.exchange is exchange and not call.over else None


class Calls:
    """All calls of the instrumentor."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.telemetry = telemetry
        self.now = telemetry.clock.monotonic
        self.durations = telemetry.histogram(TRADING_API_DURATION)
        self.attempts = telemetry.counter(TRADING_API_ATTEMPTS)
        self.remaining = telemetry.gauge(TRADING_API_LIMIT_REMAINING)
        self._methods: set[str] = set()
        self._unified: dict[type, frozenset[str]] = {}

    def begin(self, exchange: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
        """For `fetch2(path, api, method, params, config)`."""
        call = Call(self, exchange)
        with guard.guarded("beginning a call"):
            path = str(_argument(args, kwargs, 0, "path", ""))
            api = _argument(args, kwargs, 1, "api", "public")
            verb = str(_argument(args, kwargs, 2, "method", "GET"))
            name, symbol = self._find_caller(exchange, sys._getframe(2))  # noqa: SLF001 - documented; `inspect` wraps it
            call.describe(name or f"{verb} {path_template(path)}", symbol)
            call.attributes["url.template"] = path_template(path)
            call.attributes["http.request.method"] = verb
            section = api if isinstance(api, str) else "/".join(str(part) for part in api)
            call.attributes[TRADING_API_SECTION] = section[:_LONGEST]
        return call

    def begin_if_none(
        self, exchange: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Call | _Within:
        """For `fetch(url, method, …)`, which may be called without `fetch2`."""
        running = current_call(exchange)
        if running is not None:
            return _Within(running)
        call = Call(self, exchange)
        with guard.guarded("beginning a call"):
            verb = str(_argument(args, kwargs, 1, "method", "GET"))
            path = path_template(urlsplit(str(_argument(args, kwargs, 0, "url", ""))).path)
            call.describe(f"{verb} {path}", None)
            call.attributes["url.template"] = path
            call.attributes["http.request.method"] = verb
        return call

    def bounded(self, method: str) -> str:
        """A method's name as a label."""
        method = method[:_LONGEST]
        if method not in self._methods:
            if len(self._methods) >= MOST_METHODS:
                return _OTHER
            self._methods.add(method)
        return method

    def note_wait(
        self, exchange: Any, began: int, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        """`throttle(cost)` is over, however it ended."""
        with guard.guarded("noting a throttle"):
            call = current_call(exchange)
            if call is not None:
                call.wait += self.now() - began
                cost = _argument(args, kwargs, 0, "cost", None)
                call.cost = 1.0 if cost is None else float(cost)

    def _find_caller(self, exchange: Any, frame: FrameType | None) -> tuple[str, str | None]:
        """The unified method that a call came through, innermost, and the symbol it was given."""
        unified = self._unified_of(exchange)
        for _ in range(_MOST_FRAMES):
            if frame is None:
                break
            name = frame.f_code.co_name
            if name.replace("_", "").lower() in unified:
                given = frame.f_locals
                if given.get("self") is exchange:
                    symbol = given.get("symbol")
                    return name, symbol if isinstance(symbol, str) else None
            frame = frame.f_back
        return "", None

    def _unified_of(self, exchange: Any) -> frozenset[str]:
        """Unified methods by `has`, in lower case: `fetch_ohlcv` and `fetchOHLCV` are one."""
        kind = type(exchange)
        known = self._unified.get(kind)
        if known is None:
            known = frozenset(str(name).lower() for name in exchange.has)
            self._unified[kind] = known
        return known


class Call:
    """A call as a span: a context manager. `attempt` is one around each of its HTTP requests."""

    def __init__(self, calls: Calls, exchange: Any) -> None:
        self.exchange = exchange
        self.attributes: dict[str, Any] = {}
        self.status: int | None = None
        """Of the latest answer; None until there is one."""
        self.retry_after: str | None = None
        self.cost: float | None = None
        self.wait = 0
        """Nanoseconds."""
        self.used: float | None = None
        self.remaining: float | None = None
        self.host: str | None = None
        self.count = 0
        """HTTP requests so far."""
        self.over = False
        """Tasks that were started in it may still find it."""
        self.calls = calls
        self._method = ""
        self._began = calls.now()
        self._labels: dict[str, Any] = {}
        self._operation: Operation | None = None
        self._token: Token[Call | None] | None = None

    def describe(self, method: str, symbol: str | None) -> None:
        """What is called."""
        self._method = method
        venue = str(getattr(self.exchange, "id", "") or type(self.exchange).__name__)
        self._labels = {TRADING_VENUE: venue, TRADING_API_METHOD: self.calls.bounded(method)}
        self.attributes.update(self._labels)
        if symbol is not None:
            self.attributes[TRADING_SYMBOL] = redact_and_cut(symbol, _LONGEST)

    def attempt(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Attempt:
        """Around one HTTP request."""
        return Attempt(self, args, kwargs)

    def __enter__(self) -> Self:
        with guard.guarded("beginning a call"):
            self._token = CALL.set(self)
            name = f"{self._labels.get(TRADING_VENUE)} {self._labels.get(TRADING_API_METHOD)}"
            operation = Operation(
                self.calls.telemetry, name, self.attributes, scrub=scrub_for(self.exchange)
            )
            self._operation = operation.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.over = True
        if self._token is not None:
            try:
                CALL.reset(self._token)
            except (ValueError, RuntimeError):  # a coroutine that is closed in another context
                pass
        operation = self._operation
        if operation is None:
            return
        operation.set(self._known())
        if error is not None:
            caller = sys._getframe(1)  # noqa: SLF001 - as `Calls.begin` does
            note_refusal(self.exchange, self._method, self._began, error, caller)
        operation.__exit__(kind, error, trace)
        if error is None:
            note_call(self.exchange, self._method, self._began)
        with guard.guarded("counting a call"):
            ended = operation.error_type or operation.ended_by
            labels = self._labels if ended is None else {**self._labels, "error.type": ended}
            self.calls.durations.record(operation.seconds, labels)
            if self.remaining is not None:
                venue = {TRADING_VENUE: self._labels[TRADING_VENUE]}
                self.calls.remaining.set(self.remaining, venue)

    def _known(self) -> dict[str, Any]:
        """What is known at the end."""
        known: dict[str, Any] = {
            "http.response.status_code": self.status,
            "server.address": self.host,
            "http.request.resend_count": self.count - 1 if self.count > 1 else None,
            TRADING_API_COST: self.cost,
            TRADING_API_WAIT: None if self.cost is None else self.wait / 1e9,
            TRADING_API_LIMIT_USED: self.used,
            LIMIT_REMAINING: self.remaining,
        }
        return {name: value for name, value in known.items() if value is not None}

    def note_attempt(self, attributes: dict[str, Any], error: BaseException | None) -> None:
        """An HTTP request is over."""
        labels = dict(self._labels)
        if self.status is not None:
            attributes["http.response.status_code"] = self.status
            labels["http.response.status_code"] = self.status
        if self.retry_after is not None:
            attributes["http.response.header.retry-after"] = (self.retry_after,)
        if error is not None:
            attributes["error.type"] = labels["error.type"] = exception_name(error)
        if self._operation is not None:
            self._operation.event("http request", attributes)
        self.calls.attempts.add(1, labels)


class _Within:
    """`with` a call that runs already."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def __enter__(self) -> Call:
        return self._call

    def __exit__(self, *_: object) -> None:
        return None


class Attempt:
    """One HTTP request of a call: an event of its span."""

    def __init__(self, call: Call, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self._call = call
        self._args = args
        self._kwargs = kwargs
        self._began = 0

    def __enter__(self) -> None:
        call = self._call
        call.count += 1
        call.status = call.retry_after = None
        self._began = call.calls.now()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        with guard.guarded("noting an HTTP request"):
            call = self._call
            parts = urlsplit(str(_argument(self._args, self._kwargs, 0, "url", "")))
            call.host = parts.hostname
            attributes: dict[str, Any] = {
                "http.request.method": str(_argument(self._args, self._kwargs, 1, "method", "GET")),
                "server.address": parts.hostname or "",
                "url.path": scrub_for(call.exchange)(shown_path(parts.path)),
                TRADING_API_ATTEMPT_DURATION: (call.calls.now() - self._began) / 1e9,
            }
            call.note_attempt(attributes, error)


def read_limits(call: Call, headers: Mapping[str, Any] | None) -> None:
    """What an answer's headers say about the rate limit."""
    given = {str(name).lower(): str(value) for name, value in (headers or {}).items()}
    call.used = _first_number(given, _USED, call.used)
    call.remaining = _first_number(given, _REMAINING, call.remaining)
    call.retry_after = given.get("retry-after")


def scrub_for(exchange: Any) -> Callable[[str], str]:
    """Takes an exchange's credentials, and all queries of URLs, out of a text."""

    def scrub(text: str) -> str:
        text = without_queries(text)
        for name in _CREDENTIALS:
            value = getattr(exchange, name, None)
            if isinstance(value, str) and len(value) >= _SHORTEST_CREDENTIAL:
                text = text.replace(value, MARK)
        return text

    return scrub


def _first_number(
    headers: Mapping[str, str], names: tuple[str, ...], known: float | None
) -> float | None:
    for name in names:
        found = _NUMBER.match(headers.get(name, ""))
        if found is not None:
            return float(found[1])
    return known


def _argument(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], place: int, name: str, default: Any
) -> Any:
    return args[place] if len(args) > place else kwargs.get(name, default)
