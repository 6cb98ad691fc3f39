"""Two prices that belong together, replayed: the same for the same seed."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

RICH, POOR = "GOLD", "SILV"
MINUTE: Final = 60 * 10**9
FIRST_BAR: Final = 1_736_173_800 * 10**9
"""2025-01-06 14:30 UTC, nanoseconds since 1970."""
BAD_EVERY: Final = 97
"""Bars from one that the feed garbled to the next."""


class BadTick(ValueError):
    """A price that is none."""


@dataclass(frozen=True)
class Bar:
    """A minute's last prices."""

    number: int
    ts: int
    """When it closed, nanoseconds since 1970."""
    closes: dict[str, float]

    def checked(self) -> dict[str, float]:
        """The prices.

        Raises:
            BadTick: One of them is no price.
        """
        for symbol, price in self.closes.items():
            if not (math.isfinite(price) and price > 0):
                raise BadTick(f"{symbol} at {price}")
        return self.closes


def replay(bars: int, seed: int) -> Iterator[Bar]:
    """A walk that both follow, and a spread that comes back to its mean."""
    random = Random(seed)
    walk = spread = 0.0
    for number in range(1, bars + 1):
        walk += random.gauss(0.0, 0.0008)
        spread += random.gauss(0.0, 0.0025) - 0.08 * spread
        closes = {
            RICH: round(250 * math.exp(walk + spread), 2),
            POOR: round(30 * math.exp(walk), 3),
        }
        if number % BAD_EVERY == 0:
            closes[POOR] = math.nan
        yield Bar(number, FIRST_BAR + number * MINUTE, closes)
