"""What may not be done: limits on position, exposure, cash and value at risk."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from math import sqrt
from typing import Final

from momentum_bot.messages import Action, Decision, Verdict
from momentum_bot.portfolio import Portfolio

Z_95: Final = 1.645  # the standard normal distribution's 95th percentile
HORIZON_TICKS: Final = 40


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Limits as parts of the equity, and how many errors a symbol is forgiven."""

    position: Decimal = Decimal("0.45")
    exposure: Decimal = Decimal("1.25")  # a margin account's; the cash account may still say no
    value_at_risk: Decimal = Decimal("0.08")
    least_cash: Decimal = Decimal("0.02")
    errors: int = 3


DEFAULT_LIMITS: Final = RiskLimits()


@dataclass(frozen=True, slots=True)
class LimitUse:
    """A limit and the amount that a decision would bring it to, both in dollars."""

    name: str
    amount: Decimal
    limit: Decimal

    @property
    def utilisation(self) -> float:
        """1 is all of it."""
        return float(self.amount / self.limit)


class RiskManager:
    """Looks at every decision before it becomes an order."""

    def __init__(self, portfolio: Portfolio, limits: RiskLimits = DEFAULT_LIMITS) -> None:
        self.portfolio = portfolio
        self.limits = limits
        self._volatility: dict[str, float] = {}
        self._errors: Counter[str] = Counter()
        self._last_error: dict[str, str] = {}

    def check(self, decision: Decision) -> Verdict:
        """Approve a decision or say which limit it breaks; less risk is always approved."""
        self._volatility[decision.symbol] = decision.volatility
        if decision.action is not Action.BUY:
            return Verdict(approved=decision.quantity > 0, reason="reduces risk", utilisation=0.0)
        if self._errors[decision.symbol] > self.limits.errors:
            self._errors[decision.symbol] -= 1  # each decision that has to wait forgives one
            reason = f"paused after {self._last_error[decision.symbol]}"
            return Verdict(approved=False, reason=reason, utilisation=1.0)
        if decision.quantity < 1:
            return Verdict(approved=False, reason="too small", utilisation=0.0)
        equity = self.portfolio.equity
        if self.portfolio.cash < equity * self.limits.least_cash:
            return Verdict(approved=False, reason="cash", utilisation=1.0)
        added = decision.price * decision.quantity
        held = self.portfolio.value_by_symbol.get(decision.symbol, Decimal(0))
        tightest = max(
            LimitUse("position", held + added, equity * self.limits.position),
            LimitUse("exposure", self.exposure() + added, equity * self.limits.exposure),
            LimitUse(
                "value at risk",
                self.var_95(decision.symbol, added),
                equity * self.limits.value_at_risk,
            ),
            key=lambda use: use.utilisation,
        )
        return Verdict(tightest.amount <= tightest.limit, tightest.name, tightest.utilisation)

    def exposure(self) -> Decimal:
        """Value of all holdings in dollars."""
        return sum(self.portfolio.value_by_symbol.values(), Decimal(0))

    def var_95(self, symbol: str, added: Decimal) -> Decimal:
        """Dollars lost over the horizon in one case of twenty, with `added` more of a symbol.

        Parametric: returns are taken as normal, and all symbols as moving together.
        Source: J.P. Morgan, RiskMetrics Technical Document, 4th edition, section 1.2.
        """
        values = self.portfolio.value_by_symbol
        values[symbol] = values.get(symbol, Decimal(0)) + added
        deviation = sum(
            float(value) * self._volatility.get(held, 0.0) for held, value in values.items()
        )
        return Decimal(Z_95 * sqrt(HORIZON_TICKS) * deviation)

    def record_error(self, symbol: str, kind: str, text: str) -> int:
        """Count an error against a symbol; over the limit, it is not bought for a while."""
        self._last_error[symbol] = f"{kind}: {text}"
        self._errors[symbol] += 1
        return self._errors[symbol]
