"""OTLP over HTTP, protobuf.

What an answer means (Source: OTLP specification 1.x, "OTLP/HTTP Response"; where it says to drop, we
keep: a local dead letter is our reading of it, DESIGN 5):

    answer                                        outcome
    2xx                                           accepted
    2xx with partial success, n spans rejected    parked (n), with the receiver's words
    429, 502, 503, 504                            retry, after Retry-After
    408, other 5xx, refused, reset, time-out      retry
    401, 403                                      retry: tokens rotate; nothing is lost meanwhile
    413                                           split
    3xx                                           parked: a redirect is not followed, a token must
                                                  not go elsewhere
    400, 404 and every other 4xx                  parked

A 2xx whose body is no ExportTraceServiceResponse counts as accepted: the receiver has said so by its
status, and sending again would double the spans.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path

import urllib3

from tradespan.core.delivery import Accepted, Batch, Outcome, Parked, Retry, Split
from tradespan.core.records import Span
from tradespan.core.version import __version__
from tradespan.wire.otlp import encode_traces

_SHOWN = 200
"""Characters of a receiver's own words that are kept with a refusal."""


class OtlpHttpSink:
    """Sends spans to one address. Never raises for what a network does."""

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
        """`url`: complete, its path included. `timeout`: seconds of one request; None: no limit."""
        self.name = name
        self._url = url
        self._compress = compress
        self._headers = {
            "user-agent": f"tradespan/{__version__}",
            "content-type": "application/x-protobuf",
            **(headers or {}),
        }
        if compress:
            self._headers["content-encoding"] = "gzip"
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=1,
            retries=False,
            timeout=urllib3.Timeout(total=timeout),
            ca_certs=None if certificate is None else str(certificate),
            cert_file=None if client_certificate is None else str(client_certificate),
            key_file=None if client_key is None else str(client_key),
        )

    def deliver(self, batch: Batch[Span]) -> Outcome:
        """Send a batch in one request."""
        body = encode_traces(batch)
        if self._compress:
            # No time stamp in it: a re-send is byte-identical.
            body = gzip.compress(body, compresslevel=6, mtime=0)
        try:
            answer = self._pool.request(
                "POST", self._url, body=body, headers=self._headers, redirect=False
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return Retry(_say(error))
        return read_answer(answer.status, answer.headers, answer.data)

    def close(self) -> None:
        """Close the connection."""
        self._pool.clear()


def read_answer(status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
    """What a receiver's answer means for the batch; the table is on top of this file."""
    if 200 <= status < 300:
        rejected, words = read_partial_success(body)
        if rejected:
            return Parked(f"partial success: {words or 'no reason given'}", rejected)
        return Accepted()
    said = f"HTTP {status}: {body[:_SHOWN].decode('utf-8', 'replace')}".rstrip(": ")
    if status == 413:
        return Split(said)
    if status in (401, 403, 408, 429) or status >= 500:
        return Retry(said, retry_after(headers.get("retry-after")))
    return Parked(said)


def retry_after(value: str | None, now: float | None = None) -> float | None:
    """Seconds of a Retry-After header: a number, or an HTTP date; None if it has neither."""
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value).timestamp()
    except ValueError:
        return None
    return max(moment - (time.time() if now is None else now), 0.0)


def read_partial_success(body: bytes) -> tuple[int, str]:
    """(rejected spans, message) of an ExportTraceServiceResponse; (0, "") if it has none."""
    try:
        inner = _fields(body).get(1)
        if not isinstance(inner, bytes):
            return 0, ""
        fields = _fields(inner)
    except (IndexError, ValueError):
        return 0, ""
    rejected, words = fields.get(1, 0), fields.get(2, b"")
    text = words[:_SHOWN].decode("utf-8", "replace") if isinstance(words, bytes) else ""
    return (rejected if isinstance(rejected, int) else 0), text


def _fields(data: bytes) -> dict[int, int | bytes]:
    """Varint and length-delimited fields of a small message.

    Raises:
        ValueError, IndexError: The bytes are not one.
    """
    found: dict[int, int | bytes] = {}
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        number, wire = tag >> 3, tag & 7
        value, place = _varint(data, place)
        if wire == 0:
            found[number] = value
        elif wire == 2 and place + value <= len(data):
            found[number] = data[place : place + value]
            place += value
        else:
            raise ValueError("not a field that is known here")
    return found


def _varint(data: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
        shift += 7
        if shift > 63:
            raise ValueError("a varint of more than 64 bits")


def _say(error: Exception) -> str:
    """One line of urllib3's nested errors."""
    reason = getattr(error, "reason", None) or error
    return f"{type(reason).__name__}: {reason}"[: _SHOWN * 2]
