"""A gateway of Interactive Brokers that says what a test tells it to, on a loopback socket.

Speaks the socket protocol of TWS as version 176: messages are a length of four bytes and fields
that end with a NUL. Source: what `ib_async`'s decoder reads.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

VERSION = 176
PLACE_ORDER, CANCEL_ORDER, HISTORICAL, CONTRACT_DETAILS, MARKET_DATA = 3, 4, 20, 9, 1
PERM_ID = 1_874_503_219

Fields = list[str]
Handler = Callable[["FakeGateway", Fields], None]


class FakeGateway:
    """Serves one connection after the other; `on[message id]` answers."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.received: list[Fields] = []
        self.on: dict[int, Handler] = {
            71: _welcome,
            61: lambda gateway, _: gateway.say(62, 1),
            5: lambda gateway, _: gateway.say(53, 1),
            99: lambda gateway, _: gateway.say(102),
            6: lambda gateway, _: gateway.say(54, 1, "DU1"),
            76: lambda gateway, fields: gateway.say(74, 1, fields[2]),
            7: lambda gateway, fields: gateway.say(55, 1, fields[2]),
        }
        self._connection: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def say(self, *fields: Any) -> None:
        """Send a message."""
        connection = self._connection
        assert connection is not None
        text = "".join(f"{field}\0" for field in fields).encode()
        connection.sendall(struct.pack(">I", len(text)) + text)

    def hang_up(self) -> None:
        """Close the connection without a word."""
        connection = self._connection
        assert connection is not None
        connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Stop serving."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._connection is not None:
            with suppress(OSError):
                self.hang_up()
        self._thread.join(10)

    def order_status(
        self, order_id: int, status: str, filled: float = 0, remaining: float = 0, **more: Any
    ) -> None:
        """Say where an order stands."""
        price, client = more.get("price", 0), more.get("client", 1)
        self.say(*(3, order_id, status, filled, remaining, price, PERM_ID, 0, price, client, "", 0))

    def execution(self, order_id: int, execution: str, shares: float, total: float) -> None:
        """Say that a part of an order to buy AAPL was traded, at 187.12."""
        self.say(
            *(11, -1, order_id, 265598, "AAPL", "STK", "", 0, "", "", "ISLAND", "USD", "AAPL"),
            *("NMS", execution, "20250102 14:30:00 UTC", "DU1", "ISLAND", "BOT", shares, 187.12),
            *(PERM_ID, 1, 0, total, 187.12, "momentum", "", "", "", 1),
        )

    def error(self, key: int, code: int, text: str) -> None:
        """Say that something is wrong, or worth knowing."""
        self.say(4, 2, key, code, text, "")

    def what_if(self, order_id: int) -> None:
        """Answer `whatIfOrder`."""
        self.say(
            *(5, order_id, 265598, "AAPL", "STK", "", 0, "", "", "SMART", "USD", "AAPL", "NMS"),
            *("BUY", 10, "LMT", 187.15, "", "DAY", "", "DU1", "O", 0, "", 1, PERM_ID, 0, 0, "", ""),
            *([""] * 5 + [""] * 29 + [""] * 7 + ["0"] * 3 + [""] * 3 + [""]),
            *("", "", "", "", 0, ""),
            *("", 1, "PreSubmitted", *["100.0"] * 9, 1.0, 1.0, 1.0, "USD", "", "", "", 0),
            *([""] * (16 + 3 + 5)),
        )

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                self._connection, _ = self._listener.accept()
                with self._connection, suppress(OSError):
                    self._talk(self._connection)

    def _talk(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        with stream:
            assert stream.read(4) == b"API\0"
            _message(stream)
            self.say(VERSION, "20250102 14:30:00 UTC")
            while (message := _message(stream)) is not None:
                fields = message.decode().split("\0")[:-1]
                self.received.append(fields)
                handler = self.on.get(int(fields[0]))
                if handler is not None:
                    handler(self, fields)


def _message(stream: Any) -> bytes | None:
    head = stream.read(4)
    if len(head) < 4:
        return None
    body: bytes = stream.read(struct.unpack(">I", head)[0])
    return body


def _welcome(gateway: FakeGateway, _: Fields) -> None:
    gateway.say(9, 1, 1)
    gateway.say(15, 1, "DU1")


def order_id(fields: Fields) -> int:
    """Of a message that places an order."""
    return int(fields[1])
