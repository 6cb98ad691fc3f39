"""The risk's set: what may be lost, and what was. Computed elsewhere, recorded here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from tradespan.declare import instruments as declared
from tradespan.signals.metrics.instruments import Gauge
from tradespan.signals.sets.base import Maker, harmless, tell

if TYPE_CHECKING:  # a bot that tracks no risk does not load the arithmetic
    from tradespan.signals.analytics.risk import RiskTracker
    from tradespan.signals.analytics.window import Method

HISTORICAL: Final = "historical"


class Risk:
    """Value at risk, expected shortfall, volatility, drawdown, concentration. No verb raises.

    A `method` is `historical`, `parametric`, `ewma` or `age_weighted`.
    """

    def __init__(self, make: Maker) -> None:
        self._value: Gauge = make(declared.TRADING_RISK_VALUE_AT_RISK)
        self._shortfall: Gauge = make(declared.TRADING_RISK_EXPECTED_SHORTFALL)
        self._volatility: Gauge = make(declared.TRADING_RISK_VOLATILITY)
        self._drawdown: Gauge = make(declared.TRADING_RISK_DRAWDOWN)
        self._concentration: Gauge = make(declared.TRADING_RISK_CONCENTRATION)

    @harmless
    def value_at_risk(
        self,
        level: float,
        amount: float,
        *,
        currency: str,
        account: str = "",
        strategy: str = "",
        method: str = HISTORICAL,
    ) -> None:
        """The loss that is not passed in a share `level` of periods (0.95, 0.99), positive."""
        self._value.labels(f"{level:g}", method, currency, account, strategy).set(amount)

    @harmless
    def expected_shortfall(
        self,
        level: float,
        amount: float,
        *,
        currency: str,
        account: str = "",
        strategy: str = "",
        method: str = HISTORICAL,
    ) -> None:
        """The mean of the losses beyond the value at risk, positive."""
        self._shortfall.labels(f"{level:g}", method, currency, account, strategy).set(amount)

    @harmless
    def volatility(
        self, share: float, *, account: str = "", strategy: str = "", method: str = HISTORICAL
    ) -> None:
        """The standard deviation of the returns of one period, 0.01 for a percent."""
        self._volatility.labels(method, account, strategy).set(share)

    @harmless
    def drawdown(
        self, share: float, *, span: str = "current", account: str = "", strategy: str = ""
    ) -> None:
        """Loss since the highest value as a share of it, 0 to 1.

        `span`: `current`, `maximum`, `daily` or `weekly`.
        """
        self._drawdown.labels(span, account, strategy).set(share)

    @harmless
    def concentration(self, share: float, *, account: str = "", strategy: str = "") -> None:
        """The largest position's share of the gross exposure, 0 to 1."""
        self._concentration.labels(account, strategy).set(share)

    @harmless
    def from_tracker(
        self,
        tracker: RiskTracker,
        *,
        currency: str,
        equity: Any,
        account: str = "",
        strategy: str = "",
        methods: Sequence[Method] | None = None,
        drawdown: Mapping[str, float | None] | None = None,
        concentration: float | None = None,
    ) -> None:
        """All that a tracker has, at once; what is undefined is left out.

        Args:
            tracker: Of returns: its figures are shares of equity.
            currency: Of `equity`.
            equity: What the shares are of, which makes them money; above 0, else they are none.
            account: Whose; labels, as the next.
            strategy: For which strategy.
            methods: By which the value at risk is told; None: all but `age_weighted`, which
                takes longer.
            drawdown: By span, as `drawdown` has them: `{"current": 0.03}`.
            concentration: The largest position's share of the gross exposure.
        """
        worth = float(equity)
        if worth > 0:
            for loss in tracker.losses() if methods is None else tracker.losses(methods=methods):
                labels = f"{loss.level:g}", loss.method, currency, account, strategy
                self._value.labels(*labels).set(loss.value_at_risk * worth)
                self._shortfall.labels(*labels).set(loss.expected_shortfall * worth)
        by_method = {"historical": tracker.volatility, "ewma": tracker.ewma_volatility}
        for method, share in by_method.items():
            if share is not None:
                self._volatility.labels(method, account, strategy).set(share)
        for span, share in (drawdown or {}).items():
            tell(self._drawdown.labels(span, account, strategy), share)
        tell(self._concentration.labels(account, strategy), concentration)
