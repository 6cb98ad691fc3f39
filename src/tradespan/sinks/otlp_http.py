"""OTLP over HTTP: protobuf or JSON, for one signal. What an answer means: answers.py.

By the standard library's client, on purpose: libraries that instrument HTTP clients patch urllib3
and requests, and would make spans of our own requests when the forwarder runs in the bot's process.
"""

from __future__ import annotations

import gzip
import http.client
import logging
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from tradespan.core.delivery import Outcome, Retry
from tradespan.core.version import __version__
from tradespan.sinks.answers import SHOWN, read_answer
from tradespan.sinks.otlp import NO_FILES, OtlpSink, TlsFiles
from tradespan.sinks.proxies import basic_auth, find_proxy
from tradespan.wire.signals import TRACES, Signal

logger = logging.getLogger("tradespan")

MOST_BYTES = 16 * 1024 * 1024
"""Of one request, before compression. The Collector refuses more than 20 MiB, and not with 413 but
with 400, as if the records were at fault."""
_MOST_ANSWER = 64 * 1024
"""Bytes of an answer that are read."""
_MOST_INTERIM = 20
"""1xx answers before the one that counts."""
_CONTENT_TYPES = {"protobuf": "application/x-protobuf", "json": "application/json"}


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    """By lower-case names."""
    body: bytes
    """The beginning of it."""


class _Response(http.client.HTTPResponse):
    """Passes over 1xx: `http.client` takes any but 100 for the answer, and the answer for the next
    request's.
    """

    def begin(self) -> None:
        super().begin()
        for _ in range(_MOST_INTERIM):
            if not 100 <= self.status < 200:
                return
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()
        raise http.client.HTTPException(f"HTTP {self.status} again and again, and no answer")


class OtlpHttpSink(OtlpSink):
    """Sends one signal to one address over one connection. Never raises."""

    def __init__(
        self,
        name: str,
        url: str,
        signal: Signal[Any] = TRACES,
        *,
        encoding: Literal["protobuf", "json"] = "protobuf",
        headers: Mapping[str, str] | None = None,
        timeout: float | None = 10.0,
        compress: bool = False,
        tls: TlsFiles = NO_FILES,
    ) -> None:
        """`url`: complete, its path included; a user and password in it are sent as such.

        `timeout`: seconds of one request; None: no limit.
        """
        super().__init__(name, signal, MOST_BYTES, encoding)
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port or (443 if self._secure else 80)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._timeout = timeout
        self._tls = tls
        asked = {"user-agent": f"tradespan/{__version__}"}
        asked |= basic_auth("authorization", parts.username, parts.password)
        asked |= {key.lower(): value for key, value in (headers or {}).items()}
        asked["content-type"] = _CONTENT_TYPES[encoding]
        asked.pop("content-encoding", None)
        self._headers = {key: value.encode() for key, value in asked.items()}
        self._way = "", self._headers
        """What stands before the target in a request, and its headers: a proxy wants more."""
        self._compress = compress
        self._connection: http.client.HTTPConnection | None = None

    def close(self) -> None:
        """Close the connection; a delivery that waits for an answer ends at once, with Retry."""
        connection, self._connection = self._connection, None
        if connection is not None:
            _cut(connection.sock)
            connection.close()

    def _send(self, body: bytes, *, bisect: bool) -> Outcome:
        try:
            answer = self._post(body)
            if answer.status == 415 and self._compress:
                # Not the records' fault. All that follows goes as this receiver can read it.
                logger.warning("%s takes no gzip: sent without it from now on", self.name)
                self._compress = False
                answer = self._post(body)
        except Exception as error:  # noqa: BLE001 - whatever it is, the batch is not delivered
            return Retry(f"{self._host}:{self._port}: {_say(error)}")
        if 200 <= answer.status < 300:
            self._warn_once(answer.body)
        return read_answer(*answer, bisect=bisect)

    def _post(self, body: bytes) -> _Answer:
        if self._compress:
            # No time stamp in it: a re-send is byte-identical.
            body = gzip.compress(body, compresslevel=6, mtime=0)
        begun = time.monotonic()
        connection = self._usable_connection()
        try:
            if connection.sock is None:
                connection.connect()
            left = None if self._timeout is None else self._timeout - (time.monotonic() - begun)
            with _Deadline(connection.sock, left):
                return self._exchange(connection, body)
        except BaseException:
            connection.close()
            raise

    def _exchange(self, connection: http.client.HTTPConnection, body: bytes) -> _Answer:
        unsent: OSError | None = None
        try:
            before, headers = self._way
            if self._compress:
                headers = headers | {"content-encoding": b"gzip"}
            connection.request("POST", before + self._target, body, headers)
        except (BrokenPipeError, ConnectionResetError) as error:
            # Who refuses a body for its size may answer and hang up before it has read all of it.
            unsent = error
        try:
            response = connection.getresponse()
            said, whole = _read_body(response)
        except (OSError, http.client.HTTPException):
            if unsent is not None:
                raise unsent from None
            raise
        if unsent is not None or not whole:
            connection.close()
        told = {name.lower(): value for name, value in response.headers.items()}
        return _Answer(response.status, told, said)

    def _usable_connection(self) -> http.client.HTTPConnection:
        """The one in use, if the receiver has not hung up; else a new one, not yet connected."""
        connection = self._connection
        if connection is not None:
            if connection.sock is not None and not _has_news(connection.sock):
                return connection
            connection.close()
        self._connection = self._new_connection()
        return self._connection

    def _new_connection(self) -> http.client.HTTPConnection:
        """One to the receiver, or to the proxy that the environment names now."""
        proxy = find_proxy("https" if self._secure else "http", self._host, self._port)
        host, port = (proxy.host, proxy.port) if proxy else (self._host, self._port)
        self._way = "", self._headers
        if self._secure:
            secure = http.client.HTTPSConnection(
                host, port, timeout=self._timeout, context=self._trust()
            )
            secure.response_class = _Response
            if proxy is not None:
                secure.set_tunnel(self._host, self._port, headers=dict(proxy.headers))
            return secure
        if proxy is not None:
            name = f"[{self._host}]" if ":" in self._host else self._host
            asked = {key: value.encode() for key, value in proxy.headers.items()}
            self._way = f"http://{name}:{self._port}", self._headers | asked
        plain = http.client.HTTPConnection(host, port, timeout=self._timeout)
        plain.response_class = _Response
        return plain

    def _trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._tls.certificate)
        if self._tls.client_certificate is not None:
            # Without the empty password OpenSSL would ask the terminal for a protected key's.
            context.load_cert_chain(self._tls.client_certificate, self._tls.client_key, password="")
        return context


def _read_body(response: http.client.HTTPResponse) -> tuple[bytes, bool]:
    """The beginning of an answer's body, and whether that was all of it.

    Raises:
        OSError, http.client.HTTPException: It broke off, and may have told of rejected spans. Of a
            refusal the status alone says enough.
    """
    try:
        said = response.read(_MOST_ANSWER)
        if response.length and len(said) < _MOST_ANSWER:
            raise http.client.IncompleteRead(said, response.length)
    except (OSError, http.client.HTTPException):
        if response.status < 300:
            raise
        return b"", False
    return said, response.isclosed()


class _Deadline:
    """Cuts a connection when the time is over.

    A socket's own time-out starts anew with each byte: one byte a second would hold us for hours.
    """

    def __init__(self, connection: socket.socket, seconds: float | None) -> None:
        self._connection = connection
        self._seconds = seconds
        self._over = False
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Self:
        if self._seconds is not None:
            self._timer = threading.Timer(max(self._seconds, 0.0), self._end)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._over:
            raise TimeoutError("no complete answer in time")

    def _end(self) -> None:
        self._over = True
        _cut(self._connection)


def _cut(connection: socket.socket | None) -> None:
    """End both directions, which wakes whoever waits for them in another thread."""
    if connection is not None:
        try:
            # Not SSLSocket's own, which would drop the state that the other thread is using.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
        except OSError:
            return  # it is closed already


def _has_news(connection: socket.socket) -> bool:
    """Whether something came over an idle connection, which can only be its end."""
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        return bool(selector.select(0))


def _say(error: Exception) -> str:
    """An error on one line. Of what no network says only the kind: it may quote a secret header."""
    kind = type(error).__name__
    if isinstance(error, OSError | http.client.HTTPException):
        return f"{kind}: {error}"[: SHOWN * 2]
    return kind
