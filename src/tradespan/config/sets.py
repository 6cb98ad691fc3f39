"""Sets of instruments, by the names that the setting `sets` takes."""

from __future__ import annotations

from tradespan.config.choices import some_of

KNOWN = (
    "engine", "orders", "exchange", "feed", "portfolio", "performance", "risk", "agents", "system",
)  # fmt: skip
SETS = some_of("sets", KNOWN)
