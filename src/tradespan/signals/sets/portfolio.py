"""The portfolio's set: the account as it stands, in its own currencies.

Amounts in several currencies are several series: nothing is converted, and nothing added up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradespan.declare import instruments as declared
from tradespan.signals.metrics.instruments import Gauge
from tradespan.signals.sets.base import Maker, harmless, tell


class Portfolio:
    """Value, cash, positions, exposure, returns and limits. What is None is left as it was."""

    def __init__(self, make: Maker) -> None:
        self._positions: Gauge = make(declared.TRADING_PORTFOLIO_POSITIONS)
        self._leverage: Gauge = make(declared.TRADING_PORTFOLIO_LEVERAGE)
        self._return: Gauge = make(declared.TRADING_PORTFOLIO_RETURN)
        self._position: Gauge = make(declared.TRADING_POSITION_VALUE)
        self._limit: Gauge = make(declared.TRADING_LIMIT_UTILIZATION)
        self._amounts: tuple[tuple[str, Gauge], ...] = (
            ("value", make(declared.TRADING_PORTFOLIO_VALUE)),
            ("cash", make(declared.TRADING_PORTFOLIO_CASH)),
            ("pnl", make(declared.TRADING_PORTFOLIO_PNL)),
            ("daily_pnl", make(declared.TRADING_PORTFOLIO_DAILY_PNL)),
            ("realised_pnl", make(declared.TRADING_PORTFOLIO_REALISED_PNL)),
            ("unrealised_pnl", make(declared.TRADING_PORTFOLIO_UNREALISED_PNL)),
            ("commission", make(declared.TRADING_PORTFOLIO_COMMISSION)),
            ("exposure_gross", make(declared.TRADING_PORTFOLIO_EXPOSURE_GROSS)),
            ("exposure_net", make(declared.TRADING_PORTFOLIO_EXPOSURE_NET)),
        )

    @harmless
    def update(
        self,
        *,
        currency: str,
        account: str = "",
        venue: str = "",
        strategy: str = "",
        positions: float | None = None,
        leverage: float | None = None,
        **amounts: Any,
    ) -> None:
        """The account was valued.

        Args:
            currency: Of all amounts.
            account: Whose; labels, as the next two.
            venue: Where.
            strategy: For which strategy.
            positions: How many are open.
            leverage: Gross exposure by worth.
            amounts: `value`, `cash`, `pnl`, `daily_pnl`, `realised_pnl`, `unrealised_pnl`,
                `commission`, `exposure_gross`, `exposure_net`.
        """
        for name, gauge in self._amounts:
            if (amount := amounts.pop(name, None)) is not None:
                gauge.labels(currency, account, venue, strategy).set(amount)
        if positions is not None:
            self._positions.labels(account, venue, strategy).set(positions)
        if leverage is not None:
            self._leverage.labels(account, strategy).set(leverage)
        if amounts:
            raise TypeError(f"a portfolio has no {', '.join(sorted(amounts))}")

    @harmless
    def position(
        self,
        symbol: str,
        value: float | None,
        *,
        currency: str,
        venue: str = "",
        account: str = "",
        strategy: str = "",
    ) -> None:
        """What one position is worth; negative: short. None: it is closed, and told no more."""
        labels = currency, symbol, venue, account, strategy
        if value is None:
            self._position.remove(*labels)
        else:
            self._position.labels(*labels).set(value)

    @harmless
    def returns(
        self, by_period: Mapping[str, float | None], *, account: str = "", strategy: str = ""
    ) -> None:
        """Returns as shares, 0.01 for a percent, by period: `1h`, `24h`, `7d`."""
        for period, value in by_period.items():
            tell(self._return.labels(period, account, strategy), value)

    @harmless
    def limit(
        self,
        name: str,
        utilization: float,
        *,
        account: str = "",
        strategy: str = "",
        venue: str = "",
    ) -> None:
        """The share of a limit that is used up; over 1: it is broken."""
        self._limit.labels(name, account, strategy, venue).set(utilization)
