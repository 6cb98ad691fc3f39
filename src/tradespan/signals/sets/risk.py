"""The risk's set: what may be lost, and what was. Computed elsewhere, recorded here."""

from __future__ import annotations

from tradespan.declare import instruments as declared
from tradespan.signals.metrics.instruments import Gauge
from tradespan.signals.sets.base import Maker, harmless


class Risk:
    """Value at risk, expected shortfall, drawdown, concentration. No verb raises."""

    def __init__(self, make: Maker) -> None:
        self._value: Gauge = make(declared.TRADING_RISK_VALUE_AT_RISK)
        self._shortfall: Gauge = make(declared.TRADING_RISK_EXPECTED_SHORTFALL)
        self._drawdown: Gauge = make(declared.TRADING_RISK_DRAWDOWN)
        self._concentration: Gauge = make(declared.TRADING_RISK_CONCENTRATION)

    @harmless
    def value_at_risk(
        self, level: float, amount: float, *, currency: str, account: str = "", strategy: str = ""
    ) -> None:
        """The loss that is not passed in a share `level` of periods (0.95, 0.99), positive."""
        self._value.labels(f"{level:g}", currency, account, strategy).set(amount)

    @harmless
    def expected_shortfall(
        self, level: float, amount: float, *, currency: str, account: str = "", strategy: str = ""
    ) -> None:
        """The mean of the losses beyond the value at risk, positive."""
        self._shortfall.labels(f"{level:g}", currency, account, strategy).set(amount)

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
