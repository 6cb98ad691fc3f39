"""Connections that stay open: their spans and metrics, whichever library holds them.

Spans are made per connection (connect, disconnect), never per message. A message costs a few
additions to a `Connection`; metrics are read from those when they are collected. What an ended
connection had counted is added to the totals of its labels.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from opentelemetry.context import Context
from opentelemetry.metrics import Observation
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode

from tradespan.capture.redact import redact_and_cut
from tradespan.core import guard
from tradespan.core.forks import after_fork_in_child
from tradespan.declare.instruments import (
    TRADING_CONNECTION_ACTIVE,
    TRADING_CONNECTION_CLOSED,
    TRADING_CONNECTION_CONNECT_DURATION,
    TRADING_CONNECTION_IO,
    TRADING_CONNECTION_MESSAGES,
    TRADING_CONNECTION_SILENCE,
    TRADING_CONNECTION_STALENESS,
)
from tradespan.declare.names import (
    TRADING_CONNECTION_ATTEMPT,
    TRADING_CONNECTION_CLOSE_CODE,
    TRADING_CONNECTION_CLOSE_REASON,
    TRADING_CONNECTION_CLOSED_BY,
    TRADING_CONNECTION_DURATION,
    TRADING_CONNECTION_LONGEST_SILENCE,
    TRADING_CONNECTION_OUTAGE,
    TRADING_CONNECTION_RECEIVED,
    TRADING_CONNECTION_RECONNECT,
    TRADING_CONNECTION_SENT,
)
from tradespan.instrument.libraries.addresses import Address, Addresses, Key, labels_of
from tradespan.instrument.libraries.base import Telemetry
from tradespan.instrument.libraries.connection import SILENCE, Connection, Ending
from tradespan.instrument.libraries.operations import Operation, Scrub
from tradespan.instrument.libraries.received import RECEIVED

_MOST_ENDED = 16
"""Ended connections of one address that later ones may replace."""
_MOST_REASON = 200


class Connections:
    """All connections of one instrumentor."""

    def __init__(self, telemetry: Telemetry, prefix: str) -> None:
        """`prefix`: of the spans' names, as in `websocket connect`."""
        self.telemetry = telemetry
        self.prefix = prefix
        self._addresses = Addresses()
        self._begin_anew()
        self._connects = telemetry.histogram(TRADING_CONNECTION_CONNECT_DURATION)
        self._silences = telemetry.histogram(TRADING_CONNECTION_SILENCE)
        self._closed = telemetry.counter(TRADING_CONNECTION_CLOSED)
        telemetry.observe(TRADING_CONNECTION_ACTIVE, self._read_active)
        telemetry.observe(TRADING_CONNECTION_MESSAGES, self._read_messages)
        telemetry.observe(TRADING_CONNECTION_IO, self._read_bytes)
        telemetry.observe(TRADING_CONNECTION_STALENESS, self._read_staleness)
        after_fork_in_child(self._begin_anew)

    def _begin_anew(self) -> None:
        """Forget all: at the start, and in a forked child, whose parent goes on counting."""
        # A signal's handler may close a connection while its own thread is in here.
        self._lock = threading.RLock()
        self._open: dict[Connection, weakref.ref[Any]] = {}
        """Connection → the library's object; one that is gone cannot end any more."""
        self._totals: dict[Key, list[int]] = {}
        self._ended: dict[Key, list[int]] = {}
        """When connections ended that nothing has replaced yet, by the monotonic clock."""
        self._attempts: dict[Key, int] = {}

    def forget(self) -> None:
        """Nothing more is observed."""
        self._begin_anew()

    def new(self) -> Connection:
        """What a library's connection counts in, from before its first message on."""
        return Connection(self.telemetry.clock.monotonic, self._note_silence)

    def connecting(self, url: str, *, scrub: Scrub = str) -> Connecting:
        """An attempt to connect: a context manager."""
        return Connecting(self, self._addresses.read(url), scrub)

    def address(self, url: str) -> Address:
        """As `Addresses.read`."""
        return self._addresses.read(url)

    def begin_attempt(self, key: Key) -> dict[str, Any]:
        """Attributes of the attempt that begins."""
        with self._lock:
            attempt = self._attempts[key] = self._attempts.get(key, 0) + 1
            ended = self._ended.get(key)
            known: dict[str, Any] = {
                TRADING_CONNECTION_ATTEMPT: attempt,
                TRADING_CONNECTION_RECONNECT: bool(ended),
            }
            if ended:
                since = self.telemetry.clock.monotonic() - ended[0]
                known[TRADING_CONNECTION_OUTAGE] = since / 1e9
        return known

    def opened(
        self, connection: Connection, holder: object, address: Address, span_context: SpanContext
    ) -> None:
        """A connection is open. `holder`: the library's object, held weakly."""
        connection.address = address
        connection.span_context = span_context
        connection.began = self.telemetry.clock.monotonic()
        if not connection.received:
            connection.last = connection.began
        connection.longest = 0
        key = address.key
        with self._lock:
            self._attempts.pop(key, None)
            if ended := self._ended.get(key):
                ended.pop(0)
            self._open[connection] = weakref.ref(holder)
        if connection.early is not None:
            self.closed(connection, connection.early)

    def closed(self, connection: Connection, ending: Ending) -> None:
        """A connection has ended: its last span, its counts into the totals; once a connection."""
        if connection.address is None:
            connection.early = connection.early or ending
            return
        now = self.telemetry.clock.monotonic()
        if not self._fold(connection, now):
            return
        silent = now - connection.last
        connection.longest = max(connection.longest, silent)
        if silent >= SILENCE:
            self._note_silence(connection, silent)
        labels = {**connection.address.labels, TRADING_CONNECTION_CLOSED_BY: ending.by}
        if ending.code is not None:
            labels[TRADING_CONNECTION_CLOSE_CODE] = ending.code
        self._closed.add(1, labels)
        self._write_disconnect(connection, ending, now)

    def _write_disconnect(self, connection: Connection, ending: Ending, now: int) -> None:
        assert connection.address is not None
        assert connection.span_context is not None
        attributes: dict[str, Any] = {
            **connection.address.attributes,
            TRADING_CONNECTION_CLOSED_BY: ending.by,
            TRADING_CONNECTION_DURATION: (now - connection.began) / 1e9,
            TRADING_CONNECTION_RECEIVED: connection.received,
            TRADING_CONNECTION_SENT: connection.sent,
            TRADING_CONNECTION_LONGEST_SILENCE: connection.longest / 1e9,
        }
        if ending.code is not None:
            attributes[TRADING_CONNECTION_CLOSE_CODE] = ending.code
        reason = redact_and_cut(ending.reason, _MOST_REASON)
        if reason:
            attributes[TRADING_CONNECTION_CLOSE_REASON] = reason
        if ending.error_type is not None:
            attributes["error.type"] = ending.error_type
        # A trace of its own, no message's: what was current when the connection was made has ended.
        token = RECEIVED.set(None)
        span = self.telemetry.tracer.start_span(
            f"{self.prefix} disconnect",
            context=Context(),
            kind=SpanKind.CLIENT,
            attributes=attributes,
            links=[Link(connection.span_context)],
        )
        RECEIVED.reset(token)
        if ending.error_type is not None:
            said = " ".join(str(part) for part in (ending.code, reason) if part)
            span.set_status(StatusCode.ERROR, said)
        span.end()

    def _fold(self, connection: Connection, now: int) -> bool:
        """Add up what it has counted; False where that was done already."""
        assert connection.address is not None
        key = connection.address.key
        with self._lock:
            if self._open.pop(connection, None) is None:
                return False
            totals = self._totals.setdefault(key, [0, 0, 0, 0])
            for place, count in enumerate(_counts(connection)):
                totals[place] += count
            ended = self._ended.setdefault(key, [])
            ended.append(now)
            del ended[:-_MOST_ENDED]
        return True

    def note_connect(self, address: Address, attempt: Mapping[str, Any], done: Operation) -> None:
        """Count an attempt that ended."""
        labels: dict[str, Any] = {
            **address.labels,
            TRADING_CONNECTION_RECONNECT: attempt[TRADING_CONNECTION_RECONNECT],
        }
        if done.error_type is not None:
            labels["error.type"] = done.error_type
        self._connects.record(done.seconds, labels)

    def _note_silence(self, connection: Connection, silent: int) -> None:
        if connection.address is not None:  # open: a handshake is no silence
            with guard.guarded("recording a silence"):
                self._silences.record(silent / 1e9, connection.address.labels)

    # What is observed

    def _current(self) -> list[Connection]:
        with self._lock:
            open_ = list(self._open.items())
        alive = []
        for connection, holder in open_:
            if holder() is not None:
                alive.append(connection)
            else:  # collected with its event loop, and never told
                self.closed(connection, Ending("network", None))
        return alive

    def _read_active(self) -> Iterator[Observation]:
        counts: dict[Key, int] = dict.fromkeys(self._totals, 0)
        for connection in self._current():
            assert connection.address is not None
            key = connection.address.key
            counts[key] = counts.get(key, 0) + 1
        for key, count in counts.items():
            yield Observation(count, labels_of(key))

    def _read_staleness(self) -> Iterator[Observation]:
        oldest: dict[Key, int] = {}
        for connection in self._current():
            assert connection.address is not None
            key = connection.address.key
            oldest[key] = min(oldest.get(key, connection.last), connection.last)
        now = self.telemetry.clock.monotonic()
        for key, last in oldest.items():
            yield Observation(max(now - last, 0) / 1e9, labels_of(key))

    def _read_messages(self) -> Iterator[Observation]:
        return self._read(0, 1)

    def _read_bytes(self) -> Iterator[Observation]:
        return self._read(2, 3)

    def _read(self, received: int, sent: int) -> Iterator[Observation]:
        current = self._current()
        with self._lock:
            sums = {key: list(totals) for key, totals in self._totals.items()}
            for connection in current:
                if connection in self._open:
                    assert connection.address is not None
                    totals = sums.setdefault(connection.address.key, [0, 0, 0, 0])
                    for place, count in enumerate(_counts(connection)):
                        totals[place] += count
        for key, totals in sums.items():
            labels = labels_of(key)
            yield Observation(totals[received], {**labels, "network.io.direction": "receive"})
            yield Observation(totals[sent], {**labels, "network.io.direction": "transmit"})


class Connecting:
    """One attempt to connect, as a span; not the current one for what it leaves running."""

    __slots__ = ("_address", "_attempt", "_connections", "_operation", "_scrub")

    def __init__(self, connections: Connections, address: Address, scrub: Scrub) -> None:
        self._connections = connections
        self._address = address
        self._scrub = scrub
        self._attempt: dict[str, Any] = {}
        self._operation: Operation | None = None

    def __enter__(self) -> Self:
        with guard.guarded("beginning to connect"):
            connections = self._connections
            RECEIVED.set(None)  # no message is being handled here any more
            self._attempt = connections.begin_attempt(self._address.key)
            self._operation = Operation(
                connections.telemetry,
                f"{connections.prefix} connect",
                {**self._address.attributes, **self._attempt},
                current=False,
                scrub=self._scrub,
            ).__enter__()
        return self

    def opened(self, connection: Connection, holder: object, url: str | None = None) -> None:
        """It succeeded. `url`: where it led to in the end, after redirects."""
        with guard.guarded("noting a connection"):
            if url is not None:
                address = self._connections.address(url)
                if address != self._address and self._operation is not None:
                    self._address = address
                    self._operation.set(address.attributes)
            assert self._operation is not None
            span_context = self._operation.span.get_span_context()
            self._connections.opened(connection, holder, self._address, span_context)

    def set(self, attributes: Mapping[str, Any]) -> None:
        """Set attributes of the span."""
        if self._operation is not None:
            self._operation.set(attributes)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._operation is not None:
            self._operation.__exit__(kind, error, trace)
            with guard.guarded("counting a connection"):
                self._connections.note_connect(self._address, self._attempt, self._operation)


def _counts(connection: Connection) -> tuple[int, int, int, int]:
    return (
        connection.received,
        connection.sent,
        connection.received_bytes,
        connection.sent_bytes,
    )
