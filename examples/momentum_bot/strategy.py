"""The strategy: buys what rises more than it usually moves, sells it when that is over."""

from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from math import log, sqrt, tanh
from statistics import stdev
from typing import Any, Final

from momentum_bot.execution import Execution
from momentum_bot.messages import Action, Decision, Order, OrderResult, Side, Tick
from momentum_bot.models import Panel
from momentum_bot.portfolio import InsufficientCash, Portfolio
from momentum_bot.risk import RiskManager
from momentum_bot.sizing import choose_action, choose_limit, choose_quantity


@dataclass(frozen=True, slots=True)
class StrategySettings:
    """The strategy's parameters; lengths in ticks of one symbol."""

    window: int = 16
    cool_down: int = 8
    threshold: float = 0.55
    order_size: Decimal = Decimal("0.25")  # of the equity, at full confidence


DEFAULT_SETTINGS: Final = StrategySettings()


class MomentumStrategy:
    """Follows each symbol in a rolling window of prices, from tick to last fill."""

    def __init__(
        self,
        portfolio: Portfolio,
        risk: RiskManager,
        execution: Execution,
        order_prefix: str,
        settings: StrategySettings = DEFAULT_SETTINGS,
    ) -> None:
        self.portfolio = portfolio
        self.risk = risk
        self.execution = execution
        self.settings = settings
        self.panel = Panel()
        self._windows: defaultdict[str, deque[float]] = defaultdict(
            lambda: deque(maxlen=settings.window)
        )
        self._cooling: Counter[str] = Counter()
        self._order_prefix = order_prefix
        self._order_count = 0

    async def on_tick(self, message: Mapping[str, Any]) -> OrderResult | None:
        """Take one tick to the end of the order that it leads to, if it leads to one.

        Raises:
            KeyError: the message lacks a field.
            InsufficientCash, ExchangeTimeout, ConnectionClosed: the order failed.
        """
        try:
            tick = self.normalise(message)
            self.portfolio.mark_to_market(tick.symbol, tick.last_px)
            decision = self.decide(tick)
            self.panel.hear(tick.symbol, list(self._windows[tick.symbol]))
            if decision.action is Action.HOLD or not self.risk.check(decision).approved:
                return None
            order = self.fund(self.build_order(decision))
            return await self.execution.submit(order)
        except Exception as error:
            self.risk.record_error(message["symbol"], type(error).__name__, str(error))
            raise

    def normalise(self, message: Mapping[str, Any]) -> Tick:
        """Read a market data message.

        Raises:
            KeyError: a field is missing.
        """
        return Tick(
            symbol=message["symbol"],
            bid_px=Decimal(message["bid_px"]),
            ask_px=Decimal(message["ask_px"]),
            last_px=Decimal(message["last_px"]),
            last_qty=message["last_qty"],
            ts_event=message["ts_event"],
        )

    def warm_up(self, symbol: str, prices: Sequence[str]) -> None:
        """Start a symbol's window anew with the exchange's recent prices."""
        window = self._windows[symbol]
        window.clear()
        window.extend(float(price) for price in prices)

    def decide(self, tick: Tick) -> Decision:
        """Put the tick into its window and say what to do."""
        window = self._windows[tick.symbol]
        window.append(float(tick.last_px))
        prices = list(window)
        trend, noise = momentum(prices), volatility(prices)
        forecast = predict(trend, noise, len(prices) - 1)
        held = self.portfolio.positions[tick.symbol].quantity
        action = Action.HOLD
        if self._cooling[tick.symbol]:
            self._cooling[tick.symbol] -= 1
        elif len(prices) == self.settings.window:
            action = choose_action(forecast, self.settings.threshold, held)
        budget = self.portfolio.equity * self.settings.order_size * Decimal(abs(forecast))
        return Decision(
            symbol=tick.symbol,
            action=action,
            confidence=abs(forecast),
            momentum=trend,
            volatility=noise,
            quantity=choose_quantity(action, budget, tick.ask_px, held),
            price=choose_limit(action, tick, noise),
        )

    def build_order(self, decision: Decision) -> Order:
        """Make an order of a decision, and let the symbol rest for a while."""
        self._order_count += 1
        self._cooling[decision.symbol] = self.settings.cool_down
        return Order(
            cl_ord_id=f"{self._order_prefix}-{self._order_count:04d}",
            symbol=decision.symbol,
            side=Side(decision.action.value),
            quantity=decision.quantity,
            price=decision.price,
        )

    def fund(self, order: Order) -> Order:
        """Set the cash aside, for a smaller order if there is not enough.

        Raises:
            InsufficientCash: not enough for even one share.
        """
        try:
            self.portfolio.reserve(order)
        except InsufficientCash:
            return self.portfolio.retry_reserve(order)
        return order


def momentum(prices: Sequence[float]) -> float:
    """Log return over the window; 0 for fewer than two prices."""
    return log(prices[-1] / prices[0]) if len(prices) > 1 else 0.0


def volatility(prices: Sequence[float]) -> float:
    """Sample standard deviation of the log returns per tick; 0 for fewer than three prices."""
    returns = [log(later / earlier) for earlier, later in pairwise(prices)]
    return stdev(returns) if len(returns) > 1 else 0.0


def predict(trend: float, noise: float, steps: int) -> float:
    """Forecast from -1, falls for sure, to 1: the trend in units of what chance alone does."""
    if noise == 0.0:
        return 0.0
    return tanh(trend / (noise * sqrt(steps)) / 2)
