"""Libraries that have an instrumentor, by the names that the setting `libraries` takes."""

from __future__ import annotations

from tradespan.config.choices import some_of

KNOWN = ("alpaca", "ccxt", "ib_async", "websockets")
"""The modules that programs import."""
LIBRARIES = some_of("libraries", KNOWN)
