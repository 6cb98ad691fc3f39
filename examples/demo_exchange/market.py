"""The market: weekly closes become ticks by a seeded Brownian bridge."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import cycle, pairwise
from math import exp, log, sqrt
from random import Random
from typing import Any, Final

from demo_exchange.prices import CENT, WeeklyCloses

TICKS_PER_WEEK: Final = 40
WEEKLY_NOISE: Final = (
    0.03  # standard deviation of the log price that the bridge adds between two closes
)
HISTORY_LENGTH: Final = 20


@dataclass(frozen=True, slots=True)
class Quote:
    """One tick: the last trade of a symbol and the best prices on both sides, in dollars."""

    symbol: str
    week: date
    bid_px: Decimal
    ask_px: Decimal
    last_px: Decimal
    last_qty: int

    def to_message(self, ts_event: int) -> dict[str, Any]:
        """Say it in the exchange's protocol; `ts_event` is in nanoseconds since 1970, UTC."""
        return {
            "msg_type": "market_data",
            "symbol": self.symbol,
            "trade_date": self.week.isoformat(),
            "bid_px": str(self.bid_px),
            "ask_px": str(self.ask_px),
            "last_px": str(self.last_px),
            "last_qty": self.last_qty,
            "ts_event": ts_event,
        }


class Market:
    """The latest quote and the recent prices of every symbol, moved on by one tick at a time."""

    def __init__(self, closes: WeeklyCloses, generator: Random) -> None:
        self._stream = stream_quotes(closes, generator)
        self.quotes: dict[str, Quote] = {}
        self.history = {
            symbol: deque[Decimal](maxlen=HISTORY_LENGTH) for symbol in closes.by_symbol
        }
        for _ in range(HISTORY_LENGTH * len(closes.by_symbol)):
            self.advance()

    def advance(self) -> Quote:
        """Draw the next tick and remember it."""
        quote = next(self._stream)
        self.quotes[quote.symbol] = quote
        self.history[quote.symbol].append(quote.last_px)
        return quote


def stream_quotes(
    closes: WeeklyCloses, generator: Random, ticks_per_week: int = TICKS_PER_WEEK
) -> Iterator[Quote]:
    """Yield ticks for ever: through the weeks and back again, so that no price ever jumps.

    Every symbol gets `ticks_per_week` ticks a week, and the last of them is that week's real close.
    """
    for here, there in pairwise(weeks_forth_and_back(len(closes.weeks))):
        paths = {
            symbol: brownian_bridge(prices[here], prices[there], ticks_per_week, generator)
            for symbol, prices in closes.by_symbol.items()
        }
        for _ in range(ticks_per_week):
            for symbol in generator.sample(list(paths), len(paths)):
                yield quote_around(next(paths[symbol]), symbol, closes.weeks[there], generator)


def weeks_forth_and_back(count: int) -> Iterator[int]:
    """Count 0, 1 … count - 1, count - 2 … 1, 0, 1 … without end."""
    return cycle([*range(count), *range(count - 2, 0, -1)])


def brownian_bridge(
    start: Decimal, end: Decimal, steps: int, generator: Random
) -> Iterator[Decimal]:
    """Walk at random from `start` to exactly `end` in `steps` prices, `start` itself left out.

    Source: P. Glasserman, Monte Carlo Methods in Financial Engineering, section 3.1.
    """
    log_price, goal = log(start), log(end)
    for remaining in range(steps, 1, -1):
        deviation = WEEKLY_NOISE * sqrt((remaining - 1) / (remaining * steps))
        log_price += (goal - log_price) / remaining + generator.gauss(0.0, deviation)
        yield Decimal(exp(log_price)).quantize(CENT)
    yield end


def quote_around(price: Decimal, symbol: str, week: date, generator: Random) -> Quote:
    """Put a spread of 2 to 6 basis points, and at least two cents, around a price."""
    half_spread = max(CENT, (price * generator.randint(1, 3) / 10_000).quantize(CENT))
    return Quote(
        symbol=symbol,
        week=week,
        bid_px=price - half_spread,
        ask_px=price + half_spread,
        last_px=price,
        last_qty=generator.randint(1, 50) * 10,
    )
