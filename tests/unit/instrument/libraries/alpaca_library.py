"""`alpaca-py`, which imports what `websockets` warns about, and its servers on loopback."""

from __future__ import annotations

import json
import threading
import warnings
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from alpaca.broker.client import BrokerClient
    from alpaca.common.exceptions import APIError
    from alpaca.common.rest import RESTClient
    from alpaca.data.historical import (
        CryptoHistoricalDataClient,
        NewsClient,
        OptionHistoricalDataClient,
        StockHistoricalDataClient,
    )
    from alpaca.data.historical.corporate_actions import CorporateActionsClient
    from alpaca.data.historical.screener import ScreenerClient
    from alpaca.data.live import StockDataStream
    from alpaca.data.live.websocket import DataStream
    from alpaca.data.requests import StockLatestQuoteRequest, StockTradesRequest
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import OrderSide, TimeInForce
    from alpaca.trading.requests import (
        LimitOrderRequest,
        MarketOrderRequest,
        ReplaceOrderRequest,
    )
    from alpaca.trading.stream import TradingStream

__all__ = [
    "APIError",
    "BrokerClient",
    "CorporateActionsClient",
    "CryptoHistoricalDataClient",
    "DataStream",
    "LimitOrderRequest",
    "MarketOrderRequest",
    "NewsClient",
    "OptionHistoricalDataClient",
    "OrderSide",
    "RESTClient",
    "ReplaceOrderRequest",
    "ScreenerClient",
    "StockDataStream",
    "StockHistoricalDataClient",
    "StockLatestQuoteRequest",
    "StockTradesRequest",
    "TimeInForce",
    "TradingClient",
    "TradingStream",
]

KEY, SECRET = "PKFAKEKEY0123456789", "fakesecret/of+nobody9876543210"
ORDER_ID = "61e69015-8549-4bfd-b9c3-01e75843f47d"

Answer = tuple[int, dict[str, str], Any]


def order(**fields: Any) -> dict[str, Any]:
    """An order as Alpaca shows it."""
    return {
        "id": ORDER_ID,
        "client_order_id": "MOM-000017",
        "created_at": "2025-01-02T14:30:00Z",
        "updated_at": "2025-01-02T14:30:00Z",
        "submitted_at": "2025-01-02T14:30:00Z",
        "asset_class": "us_equity",
        "symbol": "AAPL",
        "qty": "10",
        "filled_qty": "0",
        "order_class": "simple",
        "type": "limit",
        "side": "buy",
        "time_in_force": "day",
        "limit_price": "187.15",
        "status": "new",
        "extended_hours": False,
        **fields,
    }


class FakeAlpaca:
    """Answers by method and path; the last answer of a list again and again."""

    def __init__(self) -> None:
        self.answers: defaultdict[str, list[Answer]] = defaultdict(list)
        self.asked: list[str] = []
        answers, asked = self.answers, self.asked

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                what = f"{self.command} {self.path.partition('?')[0]}"
                asked.append(what)
                waiting = answers[what] or [(404, {}, {"code": 40410000, "message": "no such"})]
                status, headers, body = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                text = b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(text))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_DELETE = do_PATCH = answer  # noqa: N815 - the base's names

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def say(self, what: str, *answers: Answer) -> None:
        """What to answer to a method and path, in turn."""
        self.answers[what] = list(answers)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


@contextmanager
def _serving() -> Iterator[FakeAlpaca]:
    alpaca = FakeAlpaca()
    try:
        yield alpaca
    finally:
        alpaca.close()


@pytest.fixture
def alpaca() -> Iterator[FakeAlpaca]:
    with _serving() as alpaca:
        yield alpaca


def trading(alpaca: FakeAlpaca, **more: Any) -> TradingClient:
    """A client that does not wait before it repeats."""
    client = TradingClient(KEY, SECRET, url_override=alpaca.url, **more)
    client._retry_wait = 0  # noqa: SLF001 - the constructor does not take it
    return client


def limit(**fields: Any) -> LimitOrderRequest:
    return LimitOrderRequest(
        symbol="AAPL",
        qty=10,
        side=OrderSide.BUY,
        time_in_force=TimeInForce.DAY,
        limit_price=187.15,
        **fields,
    )
