"""The engine's set: cycles, decisions, trades, errors."""

from __future__ import annotations

from typing import Final

from tradespan.declare import instruments as declared
from tradespan.declare.names import TradingTradeOutcome
from tradespan.signals.metrics.instruments import Counter, Histogram
from tradespan.signals.sets.base import Maker, harmless, kind_of_error

MOST_STRATEGIES: Final = 1_000


class Engine:
    """Turns of the trading loop, what strategies decided, what was traded and what went wrong.

    No verb raises.
    """

    def __init__(self, make: Maker) -> None:
        self._cycles: Counter = make(declared.TRADING_CYCLES)
        self._duration: Histogram = make(declared.TRADING_CYCLE_DURATION)
        self._decisions: Counter = make(declared.TRADING_DECISIONS)
        self._errors: Counter = make(declared.TRADING_ERRORS)
        self._trades: Counter = make(declared.TRADING_TRADES)
        self._value: Counter = make(declared.TRADING_TRADE_VALUE)
        self._born: set[str] = set()

    def declare(self, *, strategy: str = "", venue: str = "") -> None:
        """Let a strategy's counters be there at 0 before anything happens."""
        if len(self._born) < MOST_STRATEGIES:
            self._born.add(strategy)
        self._cycles.declare(strategy, "")
        self._errors.declare("", strategy, venue)

    @harmless
    def cycle(self, seconds: float, *, strategy: str = "", error: object = None) -> None:
        """A turn of the loop ended.

        Args:
            seconds: How long it took.
            strategy: Whose.
            error: The exception, or a word, if it failed.
        """
        if strategy not in self._born:
            self.declare(strategy=strategy)
        self._cycles.labels(strategy, kind_of_error(error)).add()
        self._duration.labels(strategy).record(seconds)

    @harmless
    def decision(self, outcome: str, *, strategy: str = "", symbol: str = "") -> None:
        """A strategy decided; `outcome` in its own word: `buy`, `hold`."""
        self._decisions.labels(strategy, symbol, outcome).add()

    @harmless
    def error(self, error: object, *, strategy: str = "", venue: str = "") -> None:
        """Something went wrong: an exception, or a word for its kind."""
        self._errors.labels(kind_of_error(error), strategy, venue).add()

    @harmless
    def trade(
        self,
        *,
        venue: str = "",
        symbol: str = "",
        strategy: str = "",
        account: str = "",
        outcome: str = TradingTradeOutcome.COMPLETED,
    ) -> None:
        """A trade was done; `outcome`: won, lost, even, completed or failed."""
        self._trades.labels(venue, symbol, strategy, account, outcome).add()

    @harmless
    def traded(
        self,
        value: float,
        *,
        currency: str,
        venue: str = "",
        symbol: str = "",
        strategy: str = "",
        account: str = "",
    ) -> None:
        """So much was bought or sold, quantity times price, in `currency`: each execution."""
        self._value.labels(currency, venue, symbol, strategy, account).add(value)
