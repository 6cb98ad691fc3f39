"""Sets of instruments, by the names that the setting `sets` takes."""

from __future__ import annotations

from tradespan.config.choices import some_of

KNOWN = ("engine", "orders", "exchange", "feed", "portfolio", "risk", "agents", "system")
SETS = some_of("sets", KNOWN)
