"""The performance's set: what a `PerformanceTracker` has worked out, recorded as metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tradespan.declare import instruments as declared
from tradespan.signals.metrics.instruments import Gauge
from tradespan.signals.sets.base import Maker, harmless

if TYPE_CHECKING:  # only who has a tracker loads it
    from tradespan.signals.analytics.performance import PerformanceTracker


class Performance:
    """Trades, ratios, equity and drawdowns of an account or a strategy. No verb raises."""

    def __init__(self, make: Maker) -> None:
        self._figures: tuple[tuple[str, Gauge], ...] = (
            ("trades", make(declared.TRADING_PERFORMANCE_TRADES)),
            ("win_rate", make(declared.TRADING_PERFORMANCE_WIN_RATE)),
            ("profit_factor", make(declared.TRADING_PERFORMANCE_PROFIT_FACTOR)),
            ("consecutive_wins", make(declared.TRADING_PERFORMANCE_CONSECUTIVE_WINS)),
            ("consecutive_losses", make(declared.TRADING_PERFORMANCE_CONSECUTIVE_LOSSES)),
            ("longest_wins", make(declared.TRADING_PERFORMANCE_LONGEST_WINS)),
            ("longest_losses", make(declared.TRADING_PERFORMANCE_LONGEST_LOSSES)),
            ("sharpe", make(declared.TRADING_PERFORMANCE_SHARPE_RATIO)),
            ("sortino", make(declared.TRADING_PERFORMANCE_SORTINO_RATIO)),
            ("calmar", make(declared.TRADING_PERFORMANCE_CALMAR_RATIO)),
            ("annual_return", make(declared.TRADING_PERFORMANCE_ANNUAL_RETURN)),
            ("annual_volatility", make(declared.TRADING_PERFORMANCE_ANNUAL_VOLATILITY)),
        )
        self._pnl: Gauge = make(declared.TRADING_PERFORMANCE_PNL)
        self._amounts: tuple[tuple[str, Gauge], ...] = (
            ("pnl", self._pnl),
            ("expectancy", make(declared.TRADING_PERFORMANCE_EXPECTANCY)),
            ("average_win", make(declared.TRADING_PERFORMANCE_AVERAGE_WIN)),
            ("average_loss", make(declared.TRADING_PERFORMANCE_AVERAGE_LOSS)),
        )
        self._peak: Gauge = make(declared.TRADING_PERFORMANCE_PEAK)
        self._drawdown: Gauge = make(declared.TRADING_RISK_DRAWDOWN)

    @harmless
    def update(
        self, tracker: PerformanceTracker, *, currency: str, account: str = "", strategy: str = ""
    ) -> None:
        """Record all figures as they are now; one that is undefined now is told no more.

        Costs some 60 µs: after a trade, or every few seconds, rather than with each mark.

        Args:
            tracker: Of this account or strategy.
            currency: Of its amounts.
            account: Whose it is; a label, as the next one.
            strategy: Of which strategy.
        """
        whose = account, strategy
        for span, figures in (("window", tracker.window), ("run", tracker.whole)):
            for name, gauge in self._figures:
                _show(gauge, getattr(figures, name), span, *whose)
            for name, gauge in self._amounts:
                _show(gauge, getattr(figures, name), span, currency, *whose)
        _show(self._pnl, tracker.daily_pnl, "day", currency, *whose)
        _show(self._pnl, tracker.weekly_pnl, "week", currency, *whose)
        _show(self._peak, tracker.peak, currency, *whose)
        drawdown = tracker.drawdown
        for span in ("current", "maximum", "daily", "weekly"):
            _show(self._drawdown, getattr(drawdown, span), span, *whose)


def _show(gauge: Gauge, value: Any, *labels: str) -> None:
    if value is None:
        gauge.remove(*labels)
    else:
        gauge.labels(*labels).set(value)
