"""Calls of `alpaca-py` against a server on loopback."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from tests.unit.instrument.libraries.alpaca_library import (
    KEY,
    ORDER_ID,
    SECRET,
    APIError,
    BrokerClient,
    CorporateActionsClient,
    CryptoHistoricalDataClient,
    DataStream,
    FakeAlpaca,
    NewsClient,
    OptionHistoricalDataClient,
    ReplaceOrderRequest,
    RESTClient,
    ScreenerClient,
    StockHistoricalDataClient,
    StockLatestQuoteRequest,
    StockTradesRequest,
    TradingClient,
    TradingStream,
    alpaca,
    limit,
    order,
    trading,
)
from tests.unit.instrument.libraries.broker_recording import Recorded, recording
from tradespan.instrument.libraries.alpaca_clients import METHODS, AlpacaInstrumentor
from tradespan.instrument.libraries.alpaca_paths import path_template

__all__ = ["alpaca"]  # a fixture, used by name

CLIENTS = (
    TradingClient,
    StockHistoricalDataClient,
    CryptoHistoricalDataClient,
    OptionHistoricalDataClient,
    NewsClient,
    ScreenerClient,
    CorporateActionsClient,
)
ASSET = "b0b6dd9d-8b9b-48a9-ba46-b9d54906e415"


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    with recording(AlpacaInstrumentor()) as recorded:
        yield recorded


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def requests_of(call: ReadableSpan) -> list[dict[str, Any]]:
    """Of the events that are HTTP requests."""
    return [dict(event.attributes or {}) for event in call.events if event.name == "http request"]


def test_a_call_is_a_span_with_its_http_request_as_an_event(
    alpaca: FakeAlpaca, recorded: Recorded
) -> None:
    allowed = {"X-Ratelimit-Limit": "200", "X-Ratelimit-Remaining": "187", "X-Request-ID": "abc"}
    alpaca.say("GET /v2/clock", (200, allowed, CLOCK))
    with recorded.tracer_provider.get_tracer("bot").start_as_current_span("decide") as outer:
        trading(alpaca).get_clock()
    call = recorded.one("TradingClient.get_clock")
    assert call.parent == outer.get_span_context()
    request = {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.template": "/v2/clock",
        "server.address": "127.0.0.1",
        "server.port": alpaca.port,
        "trading.api.limit.remaining": 187.0,
        "trading.api.limit.used": 13.0,
        "trading.broker.request_id": "abc",
    }
    assert attributes(call) == request | {
        "trading.venue": "alpaca",
        "trading.api.method": "TradingClient.get_clock",
    }
    assert requests_of(call) == [request | {"trading.api.attempt.duration": 0.0}]
    assert recorded.series("trading.api.limit.remaining") == [({"trading.venue": "alpaca"}, 187)]


def test_an_order_says_what_is_ordered_and_which_ids_it_got(
    alpaca: FakeAlpaca, recorded: Recorded
) -> None:
    alpaca.say("POST /v2/orders", (200, {}, order()))
    assert str(trading(alpaca).submit_order(limit()).id) == ORDER_ID  # type: ignore[union-attr]
    expected = {
        "tradespan.signal": "order.submitted",
        "trading.order.client_id": "MOM-000017",
        "trading.order.id": ORDER_ID,
        "trading.order.price": 187.15,
        "trading.order.quantity": 10.0,
        "trading.order.side": "buy",
        "trading.order.status": "new",
        "trading.order.time_in_force": "day",
        "trading.order.type": "limit",
        "trading.symbol": "AAPL",
    }
    got = attributes(recorded.one("TradingClient.submit_order"))
    assert {name: got.get(name) for name in expected} == expected


def test_raw_answers_are_read_as_well(alpaca: FakeAlpaca, recorded: Recorded) -> None:
    alpaca.say("POST /v2/orders", (200, {}, order()))
    answer = trading(alpaca, raw_data=True).submit_order(limit())
    assert isinstance(answer, dict)
    got = attributes(recorded.one("TradingClient.submit_order"))
    assert got["trading.order.id"] == ORDER_ID


def test_a_refused_order_raises_the_library_s_error_and_is_rejected(
    alpaca: FakeAlpaca, recorded: Recorded
) -> None:
    refusal = {"code": 40310000, "message": "insufficient buying power"}
    alpaca.say("POST /v2/orders", (403, {}, refusal))
    with pytest.raises(APIError, match="insufficient buying power") as caught:
        trading(alpaca).submit_order(limit(client_order_id="MOM-000018"))
    assert caught.value.status_code == 403
    call = recorded.one("TradingClient.submit_order")
    assert call.status.status_code is StatusCode.ERROR
    got = attributes(call)
    assert got["trading.order.client_id"] == "MOM-000018"
    assert got["trading.order.status"] == "rejected"
    assert got["trading.order.reject_reason"] == "insufficient buying power"
    assert got["error.type"] == "alpaca.common.exceptions.APIError"
    assert got["http.response.status_code"] == 403


def test_the_library_s_repetitions_are_requests_of_one_call(
    alpaca: FakeAlpaca, recorded: Recorded
) -> None:
    none_left = {"X-Ratelimit-Limit": "200", "X-Ratelimit-Remaining": "0", "Retry-After": "3"}
    alpaca.say("GET /v2/clock", (429, none_left, {}), (504, {}, {}), (200, {}, CLOCK))
    trading(alpaca).get_clock()
    call = recorded.one("TradingClient.get_clock")
    assert call.status.status_code is StatusCode.UNSET
    assert attributes(call)["http.request.resend_count"] == 2
    tries = requests_of(call)
    assert [each["http.response.status_code"] for each in tries] == [429, 504, 200]
    again = "alpaca.common.exceptions.RetryException"
    assert [each.get("error.type") for each in tries] == [again, again, None]
    assert tries[0]["http.response.header.retry-after"] == ("3",)
    assert recorded.series("trading.broker.pacing_violations") == [({"trading.venue": "alpaca"}, 1)]
    (duration,) = recorded.series("trading.api.duration")
    assert duration[1] == 1
    counted = recorded.series("trading.api.attempts")
    assert sum(count for _, count in counted) == 3
    assert {labels["trading.api.method"] for labels, _ in counted} == {"TradingClient.get_clock"}


def test_repetitions_that_run_out_raise_what_the_library_raises(
    alpaca: FakeAlpaca, recorded: Recorded
) -> None:
    alpaca.say("GET /v2/clock", (429, {}, {"code": 42910000, "message": "rate limit exceeded"}))
    with pytest.raises(APIError, match="rate limit exceeded"):
        trading(alpaca).get_clock()
    assert len(requests_of(recorded.one("TradingClient.get_clock"))) == len(alpaca.asked) == 4


def test_pages_are_requests_of_one_call(alpaca: FakeAlpaca, recorded: Recorded) -> None:
    page = {"trades": {"AAPL": []}, "next_page_token": "more"}
    alpaca.say(
        "GET /v2/stocks/trades", (200, {}, page), (200, {}, page | {"next_page_token": None})
    )
    client = StockHistoricalDataClient(KEY, SECRET, url_override=alpaca.url)
    client.get_stock_trades(StockTradesRequest(symbol_or_symbols="AAPL"))
    call = recorded.one("StockHistoricalDataClient.get_stock_trades")
    assert attributes(call)["trading.symbol"] == "AAPL"
    assert [each["url.template"] for each in requests_of(call)] == ["/v2/stocks/trades"] * 2
    assert "http.request.resend_count" not in attributes(call)


def test_several_symbols_are_no_symbol(alpaca: FakeAlpaca, recorded: Recorded) -> None:
    alpaca.say("GET /v2/stocks/quotes/latest", (200, {}, {"quotes": {}}))
    client = StockHistoricalDataClient(KEY, SECRET, url_override=alpaca.url)
    client.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=["AAPL", "MSFT"]))
    call = recorded.one("StockHistoricalDataClient.get_stock_latest_quote")
    assert "trading.symbol" not in attributes(call)


def test_ids_are_in_attributes_and_in_no_name_or_label(
    alpaca: FakeAlpaca, recorded: Recorded
) -> None:
    alpaca.say("POST /v2/orders", (200, {}, order()))
    alpaca.say(f"DELETE /v2/orders/{ORDER_ID}", (204, {}, None))
    alpaca.say(f"PATCH /v2/orders/{ORDER_ID}", (200, {}, order(id=ASSET, status="accepted")))
    client = trading(alpaca)
    client.submit_order(limit())
    client.replace_order_by_id(ORDER_ID, ReplaceOrderRequest(qty=12))
    client.cancel_order_by_id(ORDER_ID)
    placed = recorded.one("TradingClient.submit_order").context
    cancelled = recorded.one("TradingClient.cancel_order_by_id")
    assert attributes(cancelled)["trading.order.id"] == ORDER_ID
    assert [link.context for link in cancelled.links] == [placed]
    assert attributes(cancelled)["url.template"] == "/v2/orders/{order_id}"
    for name in ("trading.api.duration", "trading.api.attempts"):
        for labels, _ in recorded.series(name):
            assert ORDER_ID not in str(labels)


@pytest.mark.parametrize(
    ("url", "template"),
    [
        ("https://paper-api.alpaca.markets/v2/orders", "/v2/orders"),
        (f"https://h/v2/orders/{ORDER_ID}", "/v2/orders/{order_id}"),
        ("https://h/v2/orders:by_client_order_id", "/v2/orders:by_client_order_id"),
        ("https://h/v2/positions/AAPL", "/v2/positions/{symbol}"),
        (f"https://h/v2/watchlists/{ASSET}/TSLA", "/v2/watchlists/{watchlist_id}/{id}"),
        ("https://h/v1beta3/crypto/us/latest/bars", "/v1beta3/crypto/us/latest/bars"),
        ("https://h/proxy/of/mine/v2/account", "/v2/account"),
        (
            f"https://h/v1/trading/accounts/{ASSET}/orders",
            "/v1/trading/accounts/{account_id}/orders",
        ),
        ("https://h/nothing/known", "/"),
    ],
)
def test_a_path_is_named_without_what_differs(url: str, template: str) -> None:
    assert path_template(url) == template


def test_keys_are_nowhere(alpaca: FakeAlpaca, recorded: Recorded) -> None:
    alpaca.say("POST /v2/orders", (200, {}, order()))
    client = trading(alpaca)
    client.submit_order(limit())
    with pytest.raises(APIError):
        client.get_account()
    # A newline from a file: `requests` says so, and the whole value with it.
    broken = TradingClient(KEY, SECRET + "\n", url_override=alpaca.url)
    with pytest.raises(requests.exceptions.InvalidHeader, match="fakesecret"):
        broken.get_account()
    text = recorded.text
    assert "InvalidHeader" in text
    assert KEY not in text
    assert SECRET not in text
    assert "fakesecret" not in text


def test_hooks_of_the_program_s_session_still_run(alpaca: FakeAlpaca, recorded: Recorded) -> None:
    alpaca.say("GET /v2/clock", (200, {}, CLOCK))
    client = trading(alpaca)
    seen: list[int] = []
    client._session.hooks["response"].append(  # noqa: SLF001 - as programs do
        lambda answer, *_, **__: seen.append(answer.status_code)
    )
    client.get_clock()
    assert seen == [200]
    assert attributes(recorded.one("TradingClient.get_clock"))["http.response.status_code"] == 200


def test_a_broker_s_calls_go_by_their_endpoints(alpaca: FakeAlpaca, recorded: Recorded) -> None:
    alpaca.say("GET /v1/clock", (504, {}, {}), (200, {}, CLOCK))
    client = BrokerClient(KEY, SECRET, url_override=alpaca.url)
    client._retry_wait = 0  # noqa: SLF001 - the constructor takes no 0
    client.get_clock()
    assert len(requests_of(recorded.one("BrokerClient.GET /v1/clock"))) == 2


def test_every_method_of_the_clients_is_instrumented() -> None:
    listed = {
        (owner.partition(":")[2], name) for owner in METHODS for name in METHODS[owner].split()
    }
    there = {
        (client.__name__, name)
        for client in CLIENTS
        for name, value in vars(client).items()
        if inspect.isfunction(value) and not name.startswith("_")
    }
    assert listed == there


def test_all_is_restored_exactly() -> None:
    classes = (*CLIENTS, RESTClient, TradingStream, DataStream)
    before = [dict(vars(each)) for each in classes]
    with recording(AlpacaInstrumentor()):
        assert all(dict(vars(each)) != held for each, held in zip(classes, before, strict=True))
    assert [dict(vars(each)) for each in classes] == before


@pytest.mark.parametrize(
    ("module", "instrumentor", "library"),
    [
        ("alpaca_clients", "AlpacaInstrumentor", "alpaca"),
        ("ib_gateway", "IbAsyncInstrumentor", "ib_async"),
    ],
)
def test_the_library_is_not_imported_by_its_instrumentor(
    module: str, instrumentor: str, library: str
) -> None:
    program = f"""
import sys
from tradespan.instrument.libraries.{module} import {instrumentor}
{instrumentor}().instrument()
print({library!r} in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "False\n"


CLOCK = {
    "timestamp": "2025-01-02T09:30:00-05:00",
    "is_open": True,
    "next_open": "2025-01-03T09:30:00-05:00",
    "next_close": "2025-01-02T16:00:00-05:00",
}
