"""OTLP over HTTP, protobuf.

What an answer means (Source: OTLP specification 1.x, "OTLP/HTTP Response"; where it says to drop,
we keep: a local dead letter is our reading of it, DESIGN 5):

    answer                                        outcome
    2xx                                           accepted
    2xx with partial success, n spans rejected    parked (n), with the receiver's words
    2xx with a web page (text/html)               retry: a portal or a UI, no receiver
    429, 502, 503, 504                            retry, after Retry-After, an hour at most
    408, other 5xx, 1xx                           retry
    refused, reset, time-out, an answer cut off   retry: what it would have said is not known
    401, 403, 407                                 retry: tokens rotate; nothing is lost meanwhile
    413, or a request over 16 MiB                 split
    3xx                                           retry: the address is wrong, not the spans; a
                                                  redirect is not followed, a token stays here
    400, 404 and every other 4xx                  parked
    a record that OTLP cannot say                 split, down to the one, which is parked
    an open record                                accepted without a request

A 2xx whose body is no ExportTraceServiceResponse counts as accepted: the receiver has said so by
its status, and sending again would double the spans.

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
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from tradespan.core.delivery import Accepted, Batch, Outcome, Parked, Retry, Split
from tradespan.core.records import Span
from tradespan.core.version import __version__
from tradespan.sinks.finished import count_refused, keep_finished
from tradespan.sinks.proxies import basic_auth, find_proxy
from tradespan.wire.answers import read_partial_success
from tradespan.wire.otlp import encode_traces

logger = logging.getLogger("tradespan")

MOST_BYTES = 16 * 1024 * 1024
"""Of one request, before compression. The Collector refuses more than 20 MiB, and not with 413 but
with 400, as if the spans were at fault."""
LONGEST_WAIT = 3_600.0
"""Seconds of Retry-After that are believed: a slip of the pen must not stop delivery for a year."""
_MOST_ANSWER = 64 * 1024
"""Bytes of an answer that are read."""
_SHOWN = 200
"""Characters of a receiver's own words that are kept with a refusal."""


class OtlpHttpSink:
    """Sends spans to one address over one connection. Never raises, whatever the network does."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = 10.0,
        compress: bool = False,
        certificate: Path | None = None,
        client_certificate: Path | None = None,
        client_key: Path | None = None,
    ) -> None:
        """`url`: complete, its path included; a user and password in it are sent as such.

        `timeout`: seconds of one request; None: no limit. Files of certificates are read anew for
        each connection, so that they may be renewed.
        """
        parts = urlsplit(url)
        self.name = name
        self.last_error: str | None = None
        """Why the last batch was not accepted; None if it was."""
        self.failing_since: float | None = None
        """Monotonic seconds; None while the receiver takes or refuses for good what it is sent."""
        self.waiting_since: float | None = None
        """Monotonic seconds since which a delivery is under way. A receiver that hangs is failing
        only after the time-out; who wants to end sees here how long it has been silent."""
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port or (443 if self._secure else 80)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._timeout = timeout
        self._compress = compress
        self._certificate = certificate
        self._client_certificate = client_certificate
        self._client_key = client_key
        asked = {"user-agent": f"tradespan/{__version__}"}
        asked |= basic_auth("authorization", parts.username, parts.password)
        asked |= {key.lower(): value for key, value in (headers or {}).items()}
        asked["content-type"] = "application/x-protobuf"
        if compress:
            asked["content-encoding"] = "gzip"
        self._headers = {key: value.encode() for key, value in asked.items()}
        self._way = "", self._headers
        """What stands before the target in a request, and its headers: a proxy wants more."""
        self._connection: http.client.HTTPConnection | None = None
        self._warned = ""

    def deliver(self, batch: Batch[Span]) -> Outcome:
        """Send a batch in one request, but for its open records, which count as accepted."""
        finished = keep_finished(batch)
        if finished is not batch and not finished.count:
            # Nobody was asked, so nothing is known of the receiver.
            return Accepted()
        self.waiting_since = time.monotonic()
        outcome = self._deliver(finished)
        self.waiting_since = None
        self.last_error = None if isinstance(outcome, Accepted) else outcome.reason
        if not isinstance(outcome, Retry):
            self.failing_since = None
        elif self.failing_since is None:
            self.failing_since = time.monotonic()
        return outcome if finished is batch else count_refused(outcome, finished.count)

    def close(self) -> None:
        """Close the connection; a delivery that waits for an answer ends at once, with Retry."""
        connection, self._connection = self._connection, None
        if connection is not None:
            _cut(connection.sock)
            connection.close()

    def _deliver(self, batch: Batch[Span]) -> Outcome:
        try:
            body = encode_traces(batch)
        except Exception as error:  # noqa: BLE001 - one bad record must not stop all others for ever
            reason = f"cannot be encoded: {type(error).__name__}: {error}"[: _SHOWN * 2]
            return Split(reason) if batch.count > 1 else Parked(reason)
        if len(body) > MOST_BYTES and batch.count > 1:
            return Split(f"{len(body):,} bytes in one request")
        if self._compress:
            # No time stamp in it: a re-send is byte-identical.
            body = gzip.compress(body, compresslevel=6, mtime=0)
        try:
            status, headers, said = self._post(body)
        except Exception as error:  # noqa: BLE001 - whatever it is, the batch is not delivered
            return Retry(f"{self._host}:{self._port}: {_say(error)}")
        self._warn_once(status, said)
        return read_answer(status, headers, said)

    def _post(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and (the beginning of) the body of the receiver's answer."""
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

    def _exchange(
        self, connection: http.client.HTTPConnection, body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        unsent: OSError | None = None
        try:
            before, headers = self._way
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
        return response.status, told, said

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
            if proxy is not None:
                secure.set_tunnel(self._host, self._port, headers=dict(proxy.headers))
            return secure
        if proxy is not None:
            name = f"[{self._host}]" if ":" in self._host else self._host
            asked = {key: value.encode() for key, value in proxy.headers.items()}
            self._way = f"http://{name}:{self._port}", self._headers | asked
        return http.client.HTTPConnection(host, port, timeout=self._timeout)

    def _trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._certificate)
        if self._client_certificate is not None:
            # Without the empty password OpenSSL would ask the terminal for a protected key's.
            context.load_cert_chain(self._client_certificate, self._client_key, password="")
        return context

    def _warn_once(self, status: int, body: bytes) -> None:
        """Pass on what a receiver remarks about spans that it takes, once for the same words."""
        rejected, words = read_partial_success(body) if 200 <= status < 300 else (0, "")
        if words and not rejected and words != self._warned:
            self._warned = words
            logger.warning("%s remarks: %s", self.name, words[:_SHOWN])


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


def read_answer(status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
    """What a receiver's answer means for the batch; the table is on top of this file.

    `headers`: by lower-case names.
    """
    said = f"HTTP {status}: {body[:_SHOWN].decode('utf-8', 'replace')}".rstrip(": ")
    if 200 <= status < 300:
        if headers.get("content-type", "").lower().startswith("text/html"):
            return Retry(f"a web page answers, no OTLP receiver: {said}")
        rejected, words = read_partial_success(body)
        if rejected:
            return Parked(f"partial success: {words[:_SHOWN] or 'no reason given'}", rejected)
        return Accepted()
    if status == 413:
        return Split(said)
    if status in (401, 403, 407, 408, 429) or status >= 500 or status < 400:
        return Retry(said, retry_after(headers.get("retry-after")))
    return Parked(said)


def retry_after(value: str | None, now: float | None = None) -> float | None:
    """Seconds of a Retry-After header: a number, or an HTTP date; None if it has neither."""
    value = (value or "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:  # "-0000", or no zone: HTTP dates are in UTC
        moment = moment.replace(tzinfo=UTC)
    wait = moment.timestamp() - (time.time() if now is None else now)
    return min(max(wait, 0.0), LONGEST_WAIT)


def _say(error: Exception) -> str:
    """An error on one line. Of what no network says only the kind: it may quote a secret header."""
    kind = type(error).__name__
    if isinstance(error, OSError | http.client.HTTPException):
        return f"{kind}: {error}"[: _SHOWN * 2]
    return kind
