"""`tradespan.agents`: the agents' set, on from its first use."""

from __future__ import annotations

from typing import Final

from tradespan.signals.sets.switch import sets

agents: Final = sets.agents
"""The process's own."""
