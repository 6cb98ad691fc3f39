"""The portfolio's set: the account as it stands, in its own currencies.

Amounts in several currencies are several series: nothing is converted, and nothing added up, but by
a `PortfolioTracker`, which has rates.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from tradespan.core.forks import after_fork_in_child
from tradespan.declare import instruments as declared
from tradespan.signals.metrics.instruments import Gauge
from tradespan.signals.sets.base import Maker, harmless, tell

if TYPE_CHECKING:  # who tells amounts by hand does not load what computes them
    from tradespan.signals.analytics.portfolio import PortfolioTracker
    from tradespan.signals.analytics.positions import Position
    from tradespan.signals.analytics.turnover import Turnover

Amount = float | Decimal
_Place = tuple[Gauge, tuple[str, ...]]
_Series = dict[_Place, Any]


class _Owner(NamedTuple):
    """Labels of a portfolio's sums."""

    account: str
    venue: str
    strategy: str


class Portfolio:
    """Value, cash, positions, exposure, returns and limits. What is None is left as it was."""

    def __init__(self, make: Maker) -> None:
        self._positions: Gauge = make(declared.TRADING_PORTFOLIO_POSITIONS)
        self._leverage: Gauge = make(declared.TRADING_PORTFOLIO_LEVERAGE)
        self._return: Gauge = make(declared.TRADING_PORTFOLIO_RETURN)
        self._position: Gauge = make(declared.TRADING_POSITION_VALUE)
        self._quantity: Gauge = make(declared.TRADING_POSITION_QUANTITY)
        self._average: Gauge = make(declared.TRADING_POSITION_AVERAGE_PRICE)
        self._unrealised: Gauge = make(declared.TRADING_POSITION_UNREALISED_PNL)
        self._strategy: Gauge = make(declared.TRADING_STRATEGY_REALISED_PNL)
        self._limit: Gauge = make(declared.TRADING_LIMIT_UTILIZATION)
        self._limit_used: Gauge = make(declared.TRADING_LIMIT_USED)
        self._limit_maximum: Gauge = make(declared.TRADING_LIMIT_MAXIMUM)
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
        self._lock = threading.RLock()
        self._told: dict[_Owner, set[_Place]] = {}
        """Series of positions and strategies that `from_tracker` has set, and for whom."""
        after_fork_in_child(self._begin_anew)

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
        utilization: float | None = None,
        *,
        used: Amount | None = None,
        maximum: Amount | None = None,
        currency: str = "",
        account: str = "",
        strategy: str = "",
        venue: str = "",
    ) -> None:
        """The share of a limit that is used up; over 1: it is broken.

        Args:
            name: Of the limit, as `daily_turnover`.
            utilization: The share; follows from the next two unless given.
            used: How much of it, in its unit.
            maximum: The limit.
            currency: Of both, where they are money.
            account: Whose.
            strategy: Which strategy's.
            venue: Where.
        """
        if utilization is None and used is not None and maximum is not None and maximum > 0:
            utilization = float(used) / float(maximum)
        labels = account, strategy, venue
        if utilization is not None:
            self._limit.labels(name, *labels).set(utilization)
        if used is not None:
            self._limit_used.labels(name, currency, *labels).set(float(used))
        if maximum is not None:
            self._limit_maximum.labels(name, currency, *labels).set(float(maximum))

    @harmless
    def from_tracker(
        self,
        tracker: PortfolioTracker,
        *,
        account: str = "",
        venue: str = "",
        strategy: str = "",
        leave: Collection[str] = (),
    ) -> None:
        """All that a `PortfolioTracker` knows, as of now.

        Amounts are in its currency, average prices in their own. What it does not know is told no
        more, nor is a position that it does not hold any longer. Trackers are told apart by these
        labels: two need two accounts, venues or strategies.

        Args:
            tracker: Counts one account.
            account: Whose sums they are, and whose its positions are that name no account.
            venue: Of the sums.
            strategy: Of the sums.
            leave: Sums that somebody else tells, by the names of `update`.
        """
        owner = _Owner(account, venue, strategy)
        with tracker.still():
            amounts = _amounts(tracker)
            exposure, turnover = tracker.exposure, tracker.turnover
            positions = tracker.positions()
            strategies = tracker.breakdown("strategy")
        currency = tracker.currency
        for name, gauge in self._amounts:
            if name in amounts and name not in leave:
                _put(gauge, (currency, *owner), amounts[name])
        self._positions.labels(*owner).set(len(positions))
        if "leverage" not in leave:
            _put(self._leverage, (account, strategy), exposure.leverage)
        if turnover.limit is not None:
            self._tell_turnover(turnover, currency, owner)
        series: _Series = {
            (self._strategy, (currency, name, account)): part.realised
            for name, part in strategies.items()
        }
        for position in positions:
            rate = tracker.rates.find(position.currency, currency)
            self._add_position(series, position, rate, currency, account)
        with self._lock:
            for gauge, labels in self._told.get(owner, set()) - series.keys():
                gauge.remove(*labels)
            for (gauge, labels), value in series.items():
                _put(gauge, labels, value)
            self._told[owner] = set(series)

    def _add_position(
        self, series: _Series, position: Position, rate: Any, currency: str, account: str
    ) -> None:
        """What is told of a position; `rate`: into `currency`.

        Two that differ in nothing that is a label are told as their sum, without an average price.
        """
        labels = (
            position.symbol, position.venue, position.account or account, position.strategy,
        )  # fmt: skip
        average = self._average, (position.currency, *labels)
        series[average] = None if average in series else position.average_price
        for key, amount in (
            ((self._quantity, labels), position.quantity),
            ((self._position, (currency, *labels)), _convert(position.value, rate)),
            ((self._unrealised, (currency, *labels)), _convert(position.unrealised, rate)),
        ):
            series[key] = _sum(series[key], amount) if key in series else amount

    def _tell_turnover(self, turnover: Turnover, currency: str, owner: _Owner) -> None:
        labels = owner.account, owner.strategy, owner.venue
        name = "daily_turnover"
        _put(self._limit_used, (name, currency, *labels), turnover.used)
        _put(self._limit_maximum, (name, currency, *labels), turnover.limit)
        _put(self._limit, (name, *labels), turnover.utilization)

    def _begin_anew(self) -> None:
        """In a forked child: whoever held the lock is not there."""
        self._lock = threading.RLock()


def _amounts(tracker: PortfolioTracker) -> dict[str, Any]:
    """By the names of `update`."""
    exposure = tracker.exposure
    return {
        "value": tracker.equity,
        "cash": tracker.cash(),
        "pnl": tracker.pnl,
        "realised_pnl": tracker.realised,
        "unrealised_pnl": tracker.unrealised,
        "commission": tracker.fees,
        "exposure_gross": exposure.gross,
        "exposure_net": exposure.net,
    }


def _convert(amount: Any, rate: Any) -> float | None:
    return None if amount is None or rate is None else float(amount) * float(rate)


def _sum(first: Any, second: Any) -> float | None:
    return None if first is None or second is None else float(first) + float(second)


def _put(gauge: Gauge, labels: tuple[str, ...], value: Any) -> None:
    """Set, or tell no more what is not known."""
    if value is None:
        gauge.remove(*labels)
    else:
        gauge.labels(*labels).set(float(value))
