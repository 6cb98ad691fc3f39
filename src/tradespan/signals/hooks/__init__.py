"""What a trading engine's own loop calls: `tradespan.engine_hooks` is its front door."""
