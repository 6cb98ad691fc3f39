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
    """When each subscribed symbol's latest update came; at most `MAX_SYMBOLS` of them."""

    def __init__(self, telemetry: Telemetry, broker: str) -> None:
        self._clock = telemetry.clock
        self._broker = broker
        self._latest: dict[tuple[str, str], int] = {}
        self._updates = telemetry.counter(declared.TRADING_BROKER_UPDATES)
        telemetry.observe(declared.TRADING_BROKER_STALENESS, self._ages)

    def begin(self, channel: str, symbol: str) -> None:
        """A symbol was subscribed to: a feed that never begins is stale, too."""
        if len(self._latest) < MAX_SYMBOLS:
            self._latest.setdefault((channel, symbol), self._clock.monotonic())

    def came(self, channel: str, symbols: Iterable[str]) -> None:
        """An update of each of these symbols came."""
        now, latest = self._clock.monotonic(), self._latest
        count = 0
        for symbol in symbols:
            count += 1
            key = (channel, symbol)
            if key in latest:  # else of a snapshot, or late
                latest[key] = now
        if count:
            labels = {TRADING_VENUE: self._broker, TRADING_BROKER_CHANNEL: channel}
            self._updates.add(count, labels)

    def end(self, channel: str, symbol: str) -> None:
        """The subscription ended by the program's wish."""
        self._latest.pop((channel, symbol), None)

    def clear(self) -> None:
        """Forget all."""
        self._latest.clear()

    def _ages(self) -> Iterable[Observation]:
        now = self._clock.monotonic()
        names = (TRADING_VENUE, TRADING_BROKER_CHANNEL, TRADING_SYMBOL)
        return [
            Observation((now - at) / 1e9, dict(zip(names, (self._broker, *key), strict=True)))
            for key, at in self._latest.copy().items()
        ]
