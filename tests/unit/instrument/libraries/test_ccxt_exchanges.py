"""Real exchanges of `ccxt`, plain and asyncio, against a venue on loopback."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import ccxt
import ccxt.async_support
import pytest
from ccxt.async_support.base import exchange as asynchronous
from ccxt.base import exchange as plain
from opentelemetry.trace import StatusCode, get_current_span

from tests.support.captured import Captured
from tests.unit.instrument.libraries.exchange_server import (
    API_KEY,
    SECRET,
    Answer,
    ExchangeServer,
    serve_exchange,
    settings,
    take_markets,
)
from tests.unit.instrument.libraries.sdk import Sdk, attributes
from tradespan.instrument.libraries import ccxt_calls
from tradespan.instrument.libraries.ccxt_exchanges import CcxtInstrumentor

BASES = (plain.Exchange, plain.BaseExchange, asynchronous.Exchange, asynchronous.BaseExchange)
BOTH = pytest.mark.parametrize("kind", ["plain", "asyncio"])


@pytest.fixture
def venue() -> Iterator[ExchangeServer]:
    with serve_exchange() as venue:
        yield venue


@pytest.fixture(autouse=True)
def instrumentor(sdk: Sdk) -> Iterator[CcxtInstrumentor]:
    instrumentor = CcxtInstrumentor()
    instrumentor.instrument(**sdk.options)
    assert len(instrumentor.patched) == 9
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


def call(kind: str, venue: ExchangeServer, method: str, *args: Any, **more: Any) -> Any:
    """One call of an exchange that is made for it."""
    exchange_id = more.pop("exchange", "binance")
    if kind == "plain":
        exchange = getattr(ccxt, exchange_id)(settings(venue.url, **more))
        take_markets(exchange)
        try:
            return getattr(exchange, method)(*args)
        finally:
            exchange.session.close()

    async def main() -> Any:
        exchange = getattr(ccxt.async_support, exchange_id)(settings(venue.url, **more))
        take_markets(exchange)
        try:
            return await getattr(exchange, method)(*args)
        finally:
            await exchange.close()

    return asyncio.run(main())


def expect(
    kind: str, venue: ExchangeServer, error: type[Exception], *args: Any, **more: Any
) -> Any:
    with pytest.raises(error) as raised:
        call(kind, venue, *args, **more)
    return raised.value


ORDER = ("create_order", "BTC/USDT", "limit", "buy", 1, 100)


@BOTH
def test_a_call_is_a_span_by_its_unified_name(kind: str, venue: ExchangeServer, sdk: Sdk) -> None:
    assert call(kind, venue, "fetch_ticker", "BTC/USDT")["last"] == 100.5
    span = sdk.one("binance fetch_ticker")
    told = dict(attributes(span))
    assert told.pop("trading.api.wait") >= 0
    assert told == {
        "trading.venue": "binance",
        "trading.api.method": "fetch_ticker",
        "trading.api.section": "public",
        "trading.api.cost": 0.4,
        "trading.api.limit.used": 42.0,
        "trading.symbol": "BTC/USDT",
        "url.template": "ticker/24hr",
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
    }
    assert span.status.status_code is StatusCode.UNSET
    (event,) = span.events
    assert event.name == "http request"
    told = dict(event.attributes or {})
    assert told.pop("trading.api.attempt.duration") > 0
    assert told == {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "url.path": "/api/v3/ticker/24hr",
        "http.response.status_code": 200,
    }
    labels = {"trading__venue": "binance", "trading__api__method": "fetch_ticker"}
    assert sdk.value("trading.api.duration", **labels) == 1
    assert sdk.value("trading.api.attempts", **labels, http__response__status_code=200) == 1


@BOTH
def test_an_endpoint_that_is_called_directly_goes_by_its_path(
    kind: str, venue: ExchangeServer, sdk: Sdk
) -> None:
    call(kind, venue, "public_get_ticker_24hr", {"symbol": "BTCUSDT"})
    span = sdk.one("binance GET ticker/24hr")
    assert "trading.symbol" not in attributes(span)


@BOTH
def test_a_helper_is_named_for_the_call_that_it_makes(
    kind: str, venue: ExchangeServer, sdk: Sdk
) -> None:
    call(kind, venue, "create_limit_buy_order", "BTC/USDT", 1, 100)
    assert attributes(sdk.one("binance create_order"))["trading.symbol"] == "BTC/USDT"


@BOTH
def test_an_exchange_that_builds_on_another_has_its_own_name(
    kind: str, venue: ExchangeServer, sdk: Sdk
) -> None:
    call(kind, venue, "fetch_ticker", "BTC/USDT", exchange="binanceus")
    assert attributes(sdk.one("binanceus fetch_ticker"))["trading.venue"] == "binanceus"


@BOTH
def test_a_refusal_is_the_callers_error_and_told(
    kind: str, venue: ExchangeServer, sdk: Sdk
) -> None:
    headers = {"retry-after": "3", "x-mbx-used-weight-1m": "6001", "x-ratelimit-remaining": "0"}
    venue.answers.append(Answer(429, {"code": -1003, "msg": "Too many"}, headers))
    error = expect(kind, venue, ccxt.DDoSProtection, *ORDER)
    assert "Too many" in str(error)
    span = sdk.one("binance create_order")
    assert span.status.status_code is StatusCode.ERROR
    told = attributes(span)
    assert told["error.type"] == "ccxt.base.errors.DDoSProtection"
    assert told["http.response.status_code"] == 429
    assert (told["trading.api.limit.used"], told["trading.api.limit.remaining"]) == (6001.0, 0.0)
    request, exception = span.events
    assert (request.attributes or {})["http.response.header.retry-after"] == ("3",)
    assert exception.name == "exception"
    assert sdk.value("trading.api.duration", error__type="ccxt.base.errors.DDoSProtection") == 1
    assert sdk.points("trading.api.limit.remaining").keys() == {
        frozenset({("trading.venue", "binance")})
    }


@BOTH
def test_retries_are_events_of_the_one_call(kind: str, venue: ExchangeServer, sdk: Sdk) -> None:
    venue.answers += [Answer(500), Answer(503)]
    options = {"maxRetriesOnFailure": 3, "maxRetriesOnFailureDelay": 1}
    call(kind, venue, "fetch_ticker", "BTC/USDT", options=options)
    span = sdk.one("binance fetch_ticker")
    assert span.status.status_code is StatusCode.UNSET
    assert attributes(span)["http.request.resend_count"] == 2
    told = [(event.attributes or {}) for event in span.events]
    assert [each["http.response.status_code"] for each in told] == [500, 503, 200]
    assert [each.get("error.type", "") for each in told] == [
        "ccxt.base.errors.ExchangeNotAvailable",
        "ccxt.base.errors.ExchangeNotAvailable",
        "",
    ]
    assert sdk.value("trading.api.duration") == 1
    assert sdk.value("trading.api.attempts") == 3


@BOTH
def test_an_error_that_comes_with_status_200_is_told_by_its_class(
    kind: str, venue: ExchangeServer, sdk: Sdk
) -> None:
    venue.answers.append(Answer(200, {"code": -2010, "msg": "insufficient balance"}))
    expect(kind, venue, ccxt.BaseError, *ORDER)
    told = attributes(sdk.one("binance create_order"))
    assert told["http.response.status_code"] == 200
    assert str(told["error.type"]).startswith("ccxt.base.errors.")


@BOTH
def test_a_venue_that_does_not_answer_is_a_timeout(
    kind: str, venue: ExchangeServer, sdk: Sdk
) -> None:
    venue.answers.append(Answer(hang=True))
    expect(kind, venue, ccxt.RequestTimeout, "cancel_order", "28", "BTC/USDT", timeout=200)
    span = sdk.one("binance cancel_order")
    assert attributes(span)["error.type"] == "ccxt.base.errors.RequestTimeout"
    assert "http.response.status_code" not in attributes(span)


@BOTH
def test_a_venue_that_is_not_there_is_told(kind: str, venue: ExchangeServer, sdk: Sdk) -> None:
    urls = {"api": {"public": "http://127.0.0.1:1/api/v3"}}
    expect(kind, venue, ccxt.NetworkError, "fetch_ticker", "BTC/USDT", urls=urls)
    span = sdk.one("binance fetch_ticker")
    assert span.status.status_code is StatusCode.ERROR
    assert len([event for event in span.events if event.name == "http request"]) == 1


# ── secrets ─────────────────────────────────────────────────────────────────────────────────────


def provoke(kind: str, venue: ExchangeServer) -> None:
    """Signed calls that succeed and that fail, in ways whose messages hold the signed URL."""
    call(kind, venue, *ORDER)
    call(kind, venue, "fetch_order", "28", "BTC/USDT")
    echo = {"code": -1, "msg": f"bad key {API_KEY} of {SECRET}"}
    for answer in (Answer(400, echo), Answer(500, echo), Answer(hang=True)):
        venue.answers.append(answer)
        expect(kind, venue, ccxt.BaseError, "fetch_order", "28", "BTC/USDT", timeout=200)
    urls = {"api": {"private": "http://127.0.0.1:1/api/v3"}}
    expect(kind, venue, ccxt.NetworkError, "fetch_order", "28", "BTC/USDT", urls=urls)


def signatures(venue: ExchangeServer) -> set[str]:
    found = set()
    for _, url, sent in venue.requests:
        for text in (url, sent):
            _, given, rest = text.partition("signature=")
            if given:
                found.add(rest[:64])
    return found


@BOTH
def test_no_key_signature_or_secret_is_recorded(
    kind: str, venue: ExchangeServer, sdk: Sdk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "tradespan")
    provoke(kind, venue)
    signed = signatures(venue)
    assert len(signed) >= 5
    assert API_KEY in repr(venue.requests)
    assert len(sdk.spans) == 6
    told = sdk.text + "".join(
        line.getMessage() for line in caplog.records if "tradespan" in line.name
    )
    assert [secret for secret in (API_KEY, SECRET, *signed) if secret in told] == []
    assert "signature=" not in told


@BOTH
def test_nor_is_one_by_tradespans_own_provider(
    kind: str, venue: ExchangeServer, instrumentor: CcxtInstrumentor, captured: Captured
) -> None:
    instrumentor.uninstrument()
    instrumentor.instrument(tracer_provider=captured.provider)
    provoke(kind, venue)
    spans = captured.spans
    assert len([span for span in spans if span.failed]) == 4
    told = repr([span.record for span in spans])
    assert "RequestTimeout" in told
    assert [text for text in (API_KEY, SECRET, *signatures(venue)) if text in told] == []
    held = b"".join(path.read_bytes() for path in captured.folder.rglob("*") if path.is_file())
    assert [text for text in (API_KEY, SECRET, *signatures(venue)) if text.encode() in held] == []


# ── what stays as it was ────────────────────────────────────────────────────────────────────────


def test_calls_beside_each_other_keep_their_own_answers(venue: ExchangeServer, sdk: Sdk) -> None:
    async def main() -> None:
        exchange = ccxt.async_support.binance(settings(venue.url))
        take_markets(exchange)
        try:
            await asyncio.gather(
                *(exchange.fetch_ticker("BTC/USDT") for _ in range(5)),
                exchange.create_order("BTC/USDT", "limit", "buy", 1, 100),
            )
        finally:
            await exchange.close()

    asyncio.run(main())
    assert len(sdk.named("binance fetch_ticker")) == 5
    assert {len(span.events) for span in sdk.spans} == {1}
    assert len({span.context.trace_id for span in sdk.spans}) == 6


def test_a_call_is_current_for_what_runs_in_it_and_no_longer(
    venue: ExchangeServer, sdk: Sdk
) -> None:
    exchange = ccxt.binance(settings(venue.url))
    take_markets(exchange)
    current = []
    parse = exchange.parse_json

    def parse_and_look(text: str) -> Any:
        current.append(get_current_span())
        return parse(text)

    exchange.parse_json = parse_and_look
    exchange.fetch_ticker("BTC/USDT")
    exchange.session.close()
    assert [span.get_span_context() for span in current] == [
        sdk.one("binance fetch_ticker").context
    ]
    assert not get_current_span().get_span_context().is_valid
    assert ccxt_calls.CALL.get() is None


def test_a_plain_fetch_is_a_call_of_its_own(venue: ExchangeServer, sdk: Sdk) -> None:
    exchange = ccxt.binance(settings(venue.url))
    exchange.fetch(f"{venue.url}/orders/4711/fills?apiKey={API_KEY}")
    exchange.session.close()
    span = sdk.one("binance GET /orders/{id}/fills")
    assert len(span.events) == 1
    assert API_KEY not in sdk.text


def test_a_cancelled_call_is_no_error(venue: ExchangeServer, sdk: Sdk) -> None:
    venue.answers.append(Answer(hang=True))

    async def main() -> None:
        exchange = ccxt.async_support.binance(settings(venue.url))
        take_markets(exchange)
        try:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(exchange.fetch_ticker("BTC/USDT"), 0.2)
        finally:
            await exchange.close()

    asyncio.run(main())
    span = sdk.one("binance fetch_ticker")
    assert span.status.status_code is StatusCode.UNSET
    assert attributes(span)["tradespan.ended_by"] == "CancelledError"
    assert sdk.value("trading.api.duration", error__type="CancelledError") == 1


def test_methods_as_labels_are_bounded(venue: ExchangeServer, sdk: Sdk) -> None:
    calls = ccxt_calls.Calls(sdk.telemetry)
    names = {calls.bounded(f"GET path{number}") for number in range(2 * ccxt_calls.MOST_METHODS)}
    assert len(names) == ccxt_calls.MOST_METHODS + 1


def test_uninstrument_restores_the_library_exactly(
    venue: ExchangeServer, sdk: Sdk, instrumentor: CcxtInstrumentor
) -> None:
    instrumentor.uninstrument()
    before = [dict(vars(kind)) for kind in BASES]
    instrumentor.instrument(**sdk.options)
    assert [dict(vars(kind)) for kind in BASES] != before
    instrumentor.uninstrument()
    assert [dict(vars(kind)) for kind in BASES] == before
    call("plain", venue, "fetch_ticker", "BTC/USDT")
    assert sdk.spans == []


@BOTH
def test_errors_of_ours_stay_ours(
    kind: str, venue: ExchangeServer, kept_in: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("ours")

    for name in ("Call.describe", "Call.note_attempt", "read_limits", "Calls._find_caller"):
        monkeypatch.setattr(f"tradespan.instrument.libraries.ccxt_calls.{name}", broken)
    monkeypatch.setattr("tradespan.instrument.libraries.ccxt_exchanges.read_limits", broken)
    assert call(kind, venue, "fetch_ticker", "BTC/USDT")["last"] == 100.5
    venue.answers.append(Answer(429, {"code": -1003, "msg": "Too many"}))
    expect(kind, venue, ccxt.DDoSProtection, *ORDER)
