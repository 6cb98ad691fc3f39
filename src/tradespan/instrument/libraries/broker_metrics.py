"""What is counted of a broker, by every broker's instrumentor. No id ever becomes a label."""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry.metrics import Observation

from tradespan.core import guard
from tradespan.declare import instruments as declared
from tradespan.declare.names import (
    TRADING_API_METHOD,
    TRADING_BROKER_CHANNEL,
    TRADING_SYMBOL,
    TRADING_VENUE,
)
from tradespan.instrument.libraries.base import Telemetry

MAX_SYMBOLS = 500
"""How many symbols have a series of their own."""

_NOTHING: dict[str, int] = {}


class BrokerMetrics:
    """The instruments of one broker."""

    def __init__(self, telemetry: Telemetry, broker: str) -> None:
        self.broker = broker
        self.market_data = MarketData(telemetry, broker)
        self._duration = telemetry.histogram(declared.TRADING_API_DURATION)
        self._attempts = telemetry.counter(declared.TRADING_API_ATTEMPTS)
        self._remaining = telemetry.gauge(declared.TRADING_API_LIMIT_REMAINING)
        self._messages = telemetry.counter(declared.TRADING_BROKER_MESSAGES)
        self._pacing = telemetry.counter(declared.TRADING_BROKER_PACING_VIOLATIONS)
        self._connects = telemetry.counter(declared.TRADING_BROKER_CONNECTS)
        self._losses = telemetry.counter(declared.TRADING_BROKER_LOSSES)

    def called(self, method: str, seconds: float, error_type: str | None) -> None:
        """A call of the library ended."""
        with guard.guarded("counting a broker's calls"):
            self._duration.record(seconds, self._labels(error_type, (TRADING_API_METHOD, method)))

    def tried(self, method: str, status: int | None, error_type: str | None) -> None:
        """An HTTP request of a call ended."""
        with guard.guarded("counting a broker's calls"):
            labels = self._labels(error_type, (TRADING_API_METHOD, method))
            if status is not None:
                labels["http.response.status_code"] = status
            self._attempts.add(1, labels)

    def said(self, code: str) -> None:
        """The broker sent an error, a warning or a note, with this code."""
        with guard.guarded("counting a broker's messages"):
            self._messages.add(1, self._labels(code))

    def too_fast(self) -> None:
        """The broker said that requests come too fast."""
        with guard.guarded("counting pacing violations"):
            self._pacing.add(1, self._labels(None))

    def connected(self, channel: str, error_type: str | None) -> None:
        """An attempt to connect ended; `error_type` says why it failed."""
        with guard.guarded("counting connects"):
            self._connects.add(1, self._labels(error_type, (TRADING_BROKER_CHANNEL, channel)))

    def lost(self, channel: str) -> None:
        """A connection ended without the program's wish."""
        with guard.guarded("counting lost connections"):
            self._losses.add(1, self._labels(None, (TRADING_BROKER_CHANNEL, channel)))

    def left(self, requests: int) -> None:
        """The broker's answer said how many more requests it takes."""
        with guard.guarded("counting a broker's allowance"):
            self._remaining.set(requests, self._labels(None))

    def _labels(self, error_type: str | None, *others: tuple[str, str]) -> dict[str, str | int]:
        labels: dict[str, str | int] = {TRADING_VENUE: self.broker, **dict(others)}
        if error_type is not None:
            labels["error.type"] = error_type
        return labels


class MarketData:
    """When each subscribed symbol's latest update came; at most `MAX_SYMBOLS` of them.

    Counted here and read when metrics are collected: a counter of the SDK would cost each update
    more than all else here.
    """

    def __init__(self, telemetry: Telemetry, broker: str) -> None:
        self._monotonic = telemetry.clock.monotonic
        self._broker = broker
        self._latest: dict[str, dict[str, int]] = {}
        self._counts: dict[str, int] = {}
        telemetry.observe(declared.TRADING_BROKER_UPDATES, self._updates)
        telemetry.observe(declared.TRADING_BROKER_STALENESS, self._ages)

    def begin(self, channel: str, symbol: str) -> None:
        """A symbol was subscribed to: a feed that never begins is stale, too."""
        if sum(map(len, self._latest.values())) < MAX_SYMBOLS:
            self._latest.setdefault(channel, {}).setdefault(symbol, self._monotonic())

    def came(self, channel: str, symbols: Iterable[str]) -> None:
        """An update of each of these symbols came."""
        now = self._monotonic()
        latest = self._latest.get(channel, _NOTHING)
        count = 0
        for symbol in symbols:
            count += 1
            if symbol in latest:  # else of a snapshot, or late
                latest[symbol] = now
        # A second thread at the same channel may lose one of a million: no lock for that.
        self._counts[channel] = self._counts.get(channel, 0) + count

    def end(self, channel: str, symbol: str) -> None:
        """The subscription ended by the program's wish."""
        self._latest.get(channel, {}).pop(symbol, None)

    def clear(self) -> None:
        """Forget all: whoever collects later is told nothing."""
        self._latest.clear()
        self._counts.clear()

    def _updates(self) -> Iterable[Observation]:
        return [
            Observation(count, {TRADING_VENUE: self._broker, TRADING_BROKER_CHANNEL: channel})
            for channel, count in self._counts.copy().items()
        ]

    def _ages(self) -> Iterable[Observation]:
        now = self._monotonic()
        names = (TRADING_VENUE, TRADING_BROKER_CHANNEL, TRADING_SYMBOL)
        return [
            Observation((now - at) / 1e9, dict(zip(names, (self._broker, *place), strict=True)))
            for *place, at in self._read()
        ]

    def _read(self) -> Iterable[tuple[str, str, int]]:
        for channel, latest in self._latest.copy().items():
            for symbol, at in latest.copy().items():
                yield channel, symbol, at
