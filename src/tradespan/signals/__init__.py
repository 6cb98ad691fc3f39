"""Metrics, log lines and events: what a trading engine reports beside its spans."""
