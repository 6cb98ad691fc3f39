"""Exchanges of `ccxt`, plain and asyncio: a span per call of a venue's API.

All exchanges share `fetch2` (a call, with its repetitions) and `fetch` (one HTTP request) of their
base classes; none of them overrides these. What `fetch` is given is signed: of its URL only method,
host and path are looked at, and texts of errors are shown without queries and credentials.

Source: ccxt 4.5, `base/exchange.py` and `async_support/base/exchange.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from tradespan.core import guard
from tradespan.instrument.libraries.base import LibraryInstrumentor, Patch, Telemetry
from tradespan.instrument.libraries.ccxt_calls import CALL, Calls, current_call, read_limits
from tradespan.instrument.libraries.ccxt_orders import note_order

_PLAIN = "ccxt.base.exchange"
_ASYNC = "ccxt.async_support.base.exchange"

Method = Callable[..., Any]


class CcxtInstrumentor(LibraryInstrumentor):
    """Spans such as `binance fetch_ticker`; metrics `trading.api.*`."""

    requirement = "ccxt >= 4.4"
    scope = "tradespan.ccxt"

    def patches(self, telemetry: Telemetry) -> Iterable[Patch]:
        """Methods of the two base classes."""
        hooks = _Hooks(Calls(telemetry))
        return [
            Patch(_PLAIN, "Exchange.fetch2", hooks.call),
            Patch(_PLAIN, "Exchange.fetch", hooks.attempt),
            Patch(_PLAIN, "Exchange.throttle", hooks.wait),
            Patch(_PLAIN, "Exchange.on_rest_response", note_response),
            Patch(_PLAIN, "BaseExchange.safe_order", note_order),
            Patch(_ASYNC, "Exchange.fetch2", hooks.call_async),
            Patch(_ASYNC, "Exchange.fetch", hooks.attempt_async),
            Patch(_ASYNC, "Exchange.throttle", hooks.wait_async),
            Patch(_ASYNC, "Exchange.on_rest_response", note_response),
        ]


class _Hooks:
    """Replacements that make spans."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def call(self, original: Method) -> Method:
        @wraps(original)
        def fetch2(exchange: Any, *args: Any, **kwargs: Any) -> Any:
            with calls.begin(exchange, args, kwargs):
                return original(exchange, *args, **kwargs)

        calls = self._calls
        return fetch2

    def call_async(self, original: Method) -> Method:
        @wraps(original)
        async def fetch2(exchange: Any, *args: Any, **kwargs: Any) -> Any:
            with calls.begin(exchange, args, kwargs):
                return await original(exchange, *args, **kwargs)

        calls = self._calls
        return fetch2

    def attempt(self, original: Method) -> Method:
        @wraps(original)
        def fetch(exchange: Any, *args: Any, **kwargs: Any) -> Any:
            with calls.begin_if_none(exchange, args, kwargs) as call, call.attempt(args, kwargs):
                return original(exchange, *args, **kwargs)

        calls = self._calls
        return fetch

    def attempt_async(self, original: Method) -> Method:
        @wraps(original)
        async def fetch(exchange: Any, *args: Any, **kwargs: Any) -> Any:
            with calls.begin_if_none(exchange, args, kwargs) as call, call.attempt(args, kwargs):
                return await original(exchange, *args, **kwargs)

        calls = self._calls
        return fetch

    def wait(self, original: Method) -> Method:
        @wraps(original)
        def throttle(exchange: Any, *args: Any, **kwargs: Any) -> Any:
            began = calls.now()
            try:
                return original(exchange, *args, **kwargs)
            finally:
                calls.note_wait(exchange, began, args, kwargs)

        calls = self._calls
        return throttle

    def wait_async(self, original: Method) -> Method:
        @wraps(original)
        async def throttle(exchange: Any, *args: Any, **kwargs: Any) -> Any:
            began = calls.now()
            try:
                return await original(exchange, *args, **kwargs)
            finally:
                calls.note_wait(exchange, began, args, kwargs)

        calls = self._calls
        return throttle


def note_response(original: Method) -> Method:
    """For `on_rest_response`, which is given each answer's status and headers, also of errors."""

    @wraps(original)
    def on_rest_response(exchange: Any, *args: Any, **kwargs: Any) -> Any:
        with guard.guarded("reading an answer"):
            call = current_call(exchange)
            if call is not None and len(args) > 4:
                call.status = int(args[0])
                read_limits(call, args[4])
        return original(exchange, *args, **kwargs)

    return on_rest_response


__all__ = ["CALL", "CcxtInstrumentor"]
