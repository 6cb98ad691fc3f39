"""Portfolios to begin with."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tradespan.signals.analytics.portfolio import PortfolioTracker


def tracker(**options: Any) -> PortfolioTracker:
    """An account in USD with 10,000 of it, unless `options` say otherwise."""
    return PortfolioTracker(**{"currency": "USD", "cash": {"USD": Decimal(10_000)}, **options})
