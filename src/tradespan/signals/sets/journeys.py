"""`tradespan.orders`: made at its first use."""

from __future__ import annotations

from typing import Final

from tradespan.signals.sets.switch import sets

orders: Final = sets.journeys
"""The process's own."""
