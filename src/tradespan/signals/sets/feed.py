"""The feed's set: market data as it arrives.

Staleness grows while nothing comes, so that it cannot be set by the update that does not come: the
process's one thread for such things sets it (`Sets.collect`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from tradespan.core.forks import after_fork_in_child
from tradespan.declare import instruments as declared
from tradespan.signals.metrics.instruments import BoundGauge, Counter, Gauge, Histogram
from tradespan.signals.sets.base import Maker, harmless, kind_of_error

MOST_FEEDS: Final = 10_000
LONGEST: Final = 86_400.0
"""Seconds. What is older when it comes is no late update but one of another day: a replay's."""


class _Stream:
    """One venue's updates of one symbol."""

    __slots__ = ("at", "expected", "staleness")

    def __init__(self, staleness: BoundGauge) -> None:
        self.at = 0.0
        """When the latest update came, by the monotonic clock."""
        self.expected: int | None = None
        """The sequence number that comes next; None if there are none."""
        self.staleness = staleness


class Feed:
    """Latency, updates, staleness and gaps, by venue and symbol. No verb raises."""

    def __init__(
        self,
        make: Maker,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        """`clock`: seconds; `wall`: nanoseconds since 1970."""
        self._clock = clock
        self._wall = wall
        self._latency: Histogram = make(declared.TRADING_FEED_LATENCY)
        self._updates: Counter = make(declared.TRADING_FEED_UPDATES)
        self._staleness: Gauge = make(declared.TRADING_FEED_STALENESS)
        self._gaps: Counter = make(declared.TRADING_FEED_GAPS)
        self._invalid: Counter = make(declared.TRADING_FEED_SCHEMA_VALIDATION_ERRORS)
        self._streams: dict[tuple[str, str], _Stream] = {}
        after_fork_in_child(self._begin_anew)

    def declare(self, venue: str, symbol: str = "") -> None:
        """Let the counters be there at 0 before anything comes."""
        self._updates.declare(venue, symbol)
        self._gaps.declare(venue, symbol)
        self._invalid.declare(venue, symbol, "")

    @harmless
    def update(
        self,
        venue: str,
        symbol: str = "",
        ts_event: int | None = None,
        ts_init: int | None = None,
        *,
        sequence: int | None = None,
    ) -> None:
        """An update came.

        Args:
            venue: From where.
            symbol: Of what.
            ts_event: When it happened by the venue's clock, nanoseconds since 1970; None: not told.
            ts_init: When it came here; None: now.
            sequence: Its number, where the venue counts by venue and symbol: a jump is a gap.
        """
        stream = self._streams.get((venue, symbol)) or self._meet(venue, symbol)
        stream.at = self._clock()
        self._updates.labels(venue, symbol).add()
        if ts_event is not None:
            arrived = self._wall() if ts_init is None else ts_init
            seconds = (arrived - ts_event) / 1e9
            if seconds < LONGEST:
                # Below 0 by clocks that disagree: a sum that falls would look like a restart.
                self._latency.labels(venue, symbol).record(max(seconds, 0.0))
        if sequence is not None:
            if stream.expected is not None and sequence > stream.expected:
                self._gaps.labels(venue, symbol).add()
            if stream.expected is None or sequence >= stream.expected:
                stream.expected = sequence + 1

    @harmless
    def gap(self, venue: str, symbol: str = "") -> None:
        """Some updates are missing in one place of the sequence."""
        self._gaps.labels(venue, symbol).add()

    @harmless
    def restarted(self, venue: str, symbol: str = "") -> None:
        """The venue's numbers begin anew, as after a new subscription."""
        stream = self._streams.get((venue, symbol))
        if stream is not None:
            stream.expected = None

    @harmless
    def ended(self, venue: str, symbol: str = "") -> None:
        """Nothing more is awaited: its staleness is told no more."""
        if self._streams.pop((venue, symbol), None) is not None:
            self._staleness.remove(venue, symbol)

    @harmless
    def invalid(self, error: object, *, venue: str = "", symbol: str = "") -> None:
        """A message is not of the form that the venue documents."""
        self._invalid.labels(venue, symbol, kind_of_error(error)).add()

    def collect(self) -> None:
        """Tell how stale each stream is by now."""
        now = self._clock()
        for stream in list(self._streams.values()):
            stream.staleness.set(max(now - stream.at, 0.0))

    def _meet(self, venue: str, symbol: str) -> _Stream:
        stream = _Stream(self._staleness.labels(venue, symbol))
        stream.at = self._clock()
        self.declare(venue, symbol)
        if len(self._streams) < MOST_FEEDS:
            return self._streams.setdefault((venue, symbol), stream)
        return stream

    def _begin_anew(self) -> None:
        """In a forked child: what the parent receives is not its own."""
        self._streams = {}
