"""Which way an order goes, by its side (`trading.order.side`, FIX Side)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

WAYS: Final[Mapping[str, int]] = {
    "buy": 1, "buy_minus": 1,
    "sell": -1, "sell_short": -1, "sell_plus": -1, "sell_short_exempt": -1,
}  # fmt: skip
"""1 for a purchase, −1 for a sale; other sides go no way that is known."""
