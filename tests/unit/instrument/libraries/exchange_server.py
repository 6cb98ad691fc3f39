"""A venue on loopback: a few endpoints in the manner of Binance's, with answers to order."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

TICKER = {
    "symbol": "BTCUSDT",
    "lastPrice": "100.5",
    "bidPrice": "100.4",
    "askPrice": "100.6",
    "openPrice": "99.0",
    "highPrice": "101.0",
    "lowPrice": "98.0",
    "volume": "12.0",
    "quoteVolume": "1200.0",
    "closeTime": 1735828200000,
}
ORDER = {
    "symbol": "BTCUSDT",
    "orderId": 28,
    "clientOrderId": "a-1",
    "transactTime": 1735828200000,
    "price": "100.00",
    "origQty": "1.0",
    "executedQty": "0.0",
    "status": "NEW",
    "type": "LIMIT",
    "side": "BUY",
    "timeInForce": "GTC",
}


@dataclass
class Answer:
    """What is answered next."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    """Not at all, before the test is over."""


class ExchangeServer:
    """Answers in order, then by path; requests are kept."""

    def __init__(self) -> None:
        self.answers: deque[Answer] = deque()
        self.requests: list[tuple[str, str, str]] = []
        """Method, URL, and what was sent: query, body and headers."""
        self.over = threading.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer_to(self, url: str) -> Answer:
        if self.answers:
            return self.answers.popleft()
        path = urlsplit(url).path
        body = ORDER if path.endswith("/order") else TICKER
        return Answer(body=body, headers={"x-mbx-used-weight-1m": "42"})


@contextmanager
def serve_exchange() -> Iterator[ExchangeServer]:
    """A server that runs for the block."""
    venue = ExchangeServer()

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            sent = self.rfile.read(length).decode()
            venue.requests.append((self.command, self.path, f"{sent}\n{self.headers}"))
            answer = venue.answer_to(self.path)
            if answer.hang:
                venue.over.wait(60)
                return
            body = json.dumps(answer.body if answer.body is not None else {}).encode()
            self.send_response(answer.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = respond  # noqa: N815 - the base class's names

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        venue.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield venue
        finally:
            venue.over.set()
            server.shutdown()
            thread.join()


def settings(url: str, **more: Any) -> dict[str, Any]:
    """Of `ccxt.binance`, so that it speaks to the server."""
    return {
        "apiKey": API_KEY,
        "secret": SECRET,
        "urls": {"api": dict.fromkeys(("public", "private", "sapi", "v1"), f"{url}/api/v3")},
        "rateLimit": 1,
        "timeout": 10_000,
        **more,
    }


API_KEY = "kEy0f4kedkEy0f4kedkEy0f4kedkEy0f4ked"
SECRET = "s3cr3tf4keds3cr3tf4keds3cr3tf4ked"


def take_markets(exchange: Any) -> None:
    """Let an exchange know one symbol, without asking the venue."""
    market = exchange.safe_market_structure(
        {
            "id": "BTCUSDT",
            "symbol": "BTC/USDT",
            "base": "BTC",
            "quote": "USDT",
            "baseId": "BTC",
            "quoteId": "USDT",
            "type": "spot",
            "spot": True,
            "active": True,
            "precision": {"amount": 0.001, "price": 0.01},
            "info": {"orderTypes": ["LIMIT", "MARKET"]},
        }
    )
    exchange.set_markets([market])
