"""The exchange's set: each venue as the program reaches it."""

from __future__ import annotations

from typing import Final

from tradespan.core.forks import after_fork_in_child
from tradespan.declare import instruments as declared
from tradespan.signals.metrics.instruments import Counter, Gauge, Histogram
from tradespan.signals.sets.base import Maker, harmless, kind_of_error

MOST_CONNECTIONS: Final = 10_000


class Exchange:
    """Latency, errors, what is left of the rate limit, and connections, per venue."""

    def __init__(self, make: Maker) -> None:
        self._latency: Histogram = make(declared.TRADING_EXCHANGE_LATENCY)
        self._errors: Counter = make(declared.TRADING_EXCHANGE_ERRORS)
        self._remaining: Gauge = make(declared.TRADING_EXCHANGE_RATE_LIMIT_REMAINING)
        self._connected: Gauge = make(declared.TRADING_EXCHANGE_CONNECTED)
        self._reconnects: Counter = make(declared.TRADING_EXCHANGE_RECONNECTS)
        self._lost: set[tuple[str, str]] = set()
        self._known: set[str] = set()
        after_fork_in_child(self._begin_anew)

    def declare(self, venue: str, channel: str = "") -> None:
        """Let a venue's counters be there at 0 before anything happens."""
        if len(self._known) < MOST_CONNECTIONS:
            self._known.add(venue)
        self._errors.declare(venue, "")
        self._reconnects.declare(venue, channel)

    @harmless
    def request(self, venue: str, seconds: float | None = None, *, error: object = None) -> None:
        """A round trip ended.

        Args:
            venue: Where to.
            seconds: How long it took; None if that is not known.
            error: The exception, or a word, if it failed.
        """
        if venue not in self._known:
            self.declare(venue)
        if seconds is not None:
            self._latency.labels(venue).record(seconds)
        if error is not None:
            self._errors.labels(venue, kind_of_error(error)).add()

    @harmless
    def error(self, venue: str, error: object) -> None:
        """A request or a connection failed: an exception, or a word for its kind."""
        if venue not in self._known:
            self.declare(venue)
        self._errors.labels(venue, kind_of_error(error)).add()

    @harmless
    def rate_limit(self, venue: str, remaining: float, *, section: str = "") -> None:
        """So many requests the venue still takes in the running window; `section`: of its API."""
        self._remaining.labels(venue, section).set(remaining)

    @harmless
    def connected(self, venue: str, *, channel: str = "") -> None:
        """A connection stands; after a lost one it is a reconnect."""
        if venue not in self._known:
            self.declare(venue, channel)
        self._connected.labels(venue, channel).set(1)
        if (venue, channel) in self._lost:
            self._lost.discard((venue, channel))
            self._reconnects.labels(venue, channel).add()

    @harmless
    def disconnected(self, venue: str, *, channel: str = "", error: object = None) -> None:
        """A connection ended; `error`: why, if it was not meant to."""
        if venue not in self._known:
            self.declare(venue, channel)
        self._connected.labels(venue, channel).set(0)
        if len(self._lost) < MOST_CONNECTIONS:
            self._lost.add((venue, channel))
        if error is not None:
            self._errors.labels(venue, kind_of_error(error)).add()

    def is_lost(self, venue: str, *, channel: str = "") -> bool:
        """Whether a connection ended and none stands again."""
        return (venue, channel) in self._lost

    def _begin_anew(self) -> None:
        """In a forked child: the parent's connections are not its own."""
        self._lost.clear()
