"""Hooks for an engine that has a loop of its own: spans, metrics, events and logs by five lines.

    from tradespan.engine_hooks import cycle, decision, on_error, on_trade

    def run_cycle(symbols):
        with cycle(strategy="pairs"):
            for symbol in symbols:
                decision("HOLD", symbol=symbol)

No call raises; until `tradespan.configure()` none does anything. See docs/guides/engine-hooks.md.
"""

from __future__ import annotations

from typing import Final

from tradespan.signals.hooks.hooks import HOOKS

__all__ = [
    "cycle",
    "decision",
    "on_engine_start",
    "on_engine_stop",
    "on_error",
    "on_kill_switch",
    "on_portfolio",
    "on_quote",
    "on_trade",
]

cycle: Final = HOOKS.cycle
decision: Final = HOOKS.decision
on_trade: Final = HOOKS.on_trade
on_error: Final = HOOKS.on_error
on_engine_start: Final = HOOKS.on_engine_start
on_engine_stop: Final = HOOKS.on_engine_stop
on_kill_switch: Final = HOOKS.on_kill_switch
on_quote: Final = HOOKS.on_quote
on_portfolio: Final = HOOKS.on_portfolio
