"""Exchange rates as they were given, and what follows from them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from tradespan.core.forks import after_fork_in_child
from tradespan.signals.analytics.exact import (
    ONE,
    ZERO,
    Number,
    add,
    divide,
    multiply,
    read,
    read_text,
    read_time,
)

MOST_PAIRS: Final = 10_000
"""Pairs of currencies that are remembered."""


class Rates:
    """What one unit of a currency costs in another.

    A pair has one rate, the latest of either direction. There is no clock here: a rate holds until
    another comes, however old it is. From one currency to another leads the rate itself, its
    inverse (50 digits), or the product of two such over `base`; nothing else, and no guess. One
    object may serve several trackers and threads.
    """

    def __init__(self, base: str, rates: Mapping[tuple[str, str], Number] | None = None) -> None:
        """`rates`: by (from, to); older than any that come later.

        Raises:
            TypeError: See `set`.
            ValueError: See `set`.
        """
        self.base = read_text(base, "base", required=True)
        self.late = 0
        """Rates that were older than the one there was."""
        # Both directions stand here, each put by one step; the last says whether it was given.
        self._rates: dict[tuple[str, str], tuple[Decimal, int | None, bool]] = {}
        self._lock = threading.RLock()
        after_fork_in_child(self._begin_anew)
        for (source, target), rate in (rates or {}).items():
            self._keep(source, target, rate, None)

    def set(self, source: str, target: str, rate: Number, *, ts: int) -> None:
        """One `source` costs `rate` of `target` from `ts` on. Older than what there is: counted in
        `late`, and ignored; as old: it takes its place.

        Raises:
            TypeError: A currency is no str, or the rate no number.
            ValueError: The rate is not above 0, the currencies are the same one, or there are
                10,000 pairs already.
        """
        self._keep(source, target, rate, read_time(ts))

    def find(self, source: str, target: str) -> Decimal | None:
        """What one `source` costs in `target`; None if that does not follow from what is known."""
        if source == target:
            return ONE
        found = self._rates.get((source, target))
        if found is not None:
            return found[0]
        first = self._rates.get((source, self.base))
        second = self._rates.get((self.base, target))
        if first is None or second is None:
            return None
        return multiply(first[0], second[0])

    def convert(self, amounts: Mapping[str, Decimal], target: str) -> Decimal | None:
        """The sum of amounts by currency; None if one that is not 0 has no rate."""
        total = ZERO
        for currency, amount in amounts.items():
            if not amount:
                continue
            rate = self.find(currency, target)
            if rate is None:
                return None
            total = add(total, multiply(amount, rate))
        return total

    def saved(self) -> list[tuple[str, str, Decimal, int | None]]:
        """Each pair once: from, to, rate, time."""
        return [
            (source, target, rate, ts)
            for (source, target), (rate, ts, is_given) in list(self._rates.items())
            if is_given
        ]

    def restore(self, saved: Iterable[tuple[str, str, Number, int | None]]) -> None:
        """Keep what `saved` told of, with their times.

        Raises:
            TypeError: See `set`.
            ValueError: See `set`.
        """
        for source, target, rate, ts in saved:
            self._keep(source, target, rate, None if ts is None else read_time(ts))

    def _keep(self, source: str, target: str, rate: Number, ts: int | None) -> None:
        source = read_text(source, "source", required=True)
        target = read_text(target, "target", required=True)
        exact = read(rate, "rate")
        if source == target:
            raise ValueError(f"a rate from {source} to itself")
        if exact <= ZERO:
            raise ValueError(f"rate is not above 0: {exact}")
        with self._lock:
            self._take(source, target, exact, ts)

    def _take(self, source: str, target: str, exact: Decimal, ts: int | None) -> None:
        known = self._rates.get((source, target))
        if known is None and len(self._rates) >= 2 * MOST_PAIRS:
            raise ValueError(f"there are {MOST_PAIRS} rates already")
        if known is not None and ts is not None and known[1] is not None and ts < known[1]:
            self.late += 1
            return
        self._rates[source, target] = exact, ts, True
        self._rates[target, source] = divide(ONE, exact), ts, False

    def _begin_anew(self) -> None:
        """In a forked child: whoever held the lock is not there."""
        self._lock = threading.RLock()
