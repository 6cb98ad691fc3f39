"""A method for each thing that happens in a trading engine: which data its event has.

More facts are given by keyword; all of them stand in the event's `data` by these names.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from tradespan.signals.events.declared import declaration_of
from tradespan.signals.events.misuse import as_data
from tradespan.signals.events.types import Event, EventType


class Emitting:
    """What the bus has beside `publish`; no method raises."""

    def publish(self, event: Event) -> None:
        """Keep and record an event, and tell subscribers."""
        raise NotImplementedError

    def emit(
        self,
        event_type: EventType | Enum | str,
        data: Mapping[str, Any] | None = None,
        *,
        severity: str | None = None,
        source: str = "live_trading",
    ) -> None:
        """Publish an event of any type.

        Args:
            event_type: One of ours or of your own.
            data: Its facts.
            severity: The one declared for the type if left out; `info` for your own.
            source: Who says so.
        """
        if severity is None:
            try:
                severity = declaration_of(event_type).severity
            except TypeError:  # no type, which `publish` says
                severity = "info"
        held = as_data(data, "data")
        self.publish(Event(event_type, data=held, source=source, severity=severity))

    # ── the engine ──────────────────────────────────────────────────────────────────────────────

    def emit_engine_start(self, **data: Any) -> None:
        """ENGINE_START."""
        self.emit(EventType.ENGINE_START, data)

    def emit_engine_stop(self, reason: str = "", **data: Any) -> None:
        """ENGINE_STOP."""
        self.emit(EventType.ENGINE_STOP, {"reason": reason, **data})

    def emit_cycle_start(self, **data: Any) -> None:
        """CYCLE_START."""
        self.emit(EventType.CYCLE_START, data)

    def emit_cycle_end(self, duration: float, **data: Any) -> None:
        """CYCLE_END; `duration` in seconds."""
        self.emit(EventType.CYCLE_END, {"duration": duration, **data})

    def emit_decision(self, symbol: str, action: str, **data: Any) -> None:
        """DECISION_MADE; `action` as the strategy calls it: `buy`, `hold`."""
        self.emit(EventType.DECISION_MADE, {"symbol": symbol, "action": action, **data})

    def emit_error(self, error: object, context: Mapping[str, Any] | None = None) -> None:
        """ERROR, with severity error; `error`: a text or an exception."""
        held = as_data(context, "context")
        self.emit(EventType.ERROR, {"error": error, "context": held}, severity="error")

    def emit_configuration_change(
        self, setting: str, before: object, after: object, **data: Any
    ) -> None:
        """CONFIGURATION_CHANGED: a setting of the program was changed while it ran."""
        held = {"setting": setting, "before": before, "after": after, **data}
        self.emit(EventType.CONFIGURATION_CHANGED, held)

    # ── orders ──────────────────────────────────────────────────────────────────────────────────

    def emit_trade_submitted(
        self, symbol: str, side: str, qty: float, price: float | None = None, **data: Any
    ) -> None:
        """TRADE_SUBMITTED; `price`: the order's limit, None without one."""
        self.emit(EventType.TRADE_SUBMITTED, _order(symbol, side, qty, price, data))

    def emit_trade_acknowledged(self, symbol: str, side: str, **data: Any) -> None:
        """TRADE_ACKNOWLEDGED: the venue took the order."""
        self.emit(EventType.TRADE_ACKNOWLEDGED, {"symbol": symbol, "side": side, **data})

    def emit_trade(self, symbol: str, side: str, qty: float, price: float, **data: Any) -> None:
        """TRADE_FILLED; quantity and price of this execution."""
        self.emit(EventType.TRADE_FILLED, _order(symbol, side, qty, price, data))

    def emit_trade_rejected(
        self, symbol: str, side: str, qty: float, reason: str, **data: Any
    ) -> None:
        """TRADE_REJECTED, with severity warning."""
        held = _order(symbol, side, qty, None, {"reason": reason, **data})
        self.emit(EventType.TRADE_REJECTED, held)

    def emit_trade_cancelled(self, symbol: str, side: str, reason: str = "", **data: Any) -> None:
        """TRADE_CANCELLED: what was left of the order is gone."""
        held = {"symbol": symbol, "side": side, "reason": reason, **data}
        self.emit(EventType.TRADE_CANCELLED, held)

    # ── safety and risk ─────────────────────────────────────────────────────────────────────────

    def emit_kill_switch(self, reason: str, value: float, limit: float, **data: Any) -> None:
        """KILL_SWITCH_TRIGGERED, with severity critical: what passed which limit."""
        held = {"reason": reason, "value": value, "limit": limit, **data}
        self.emit(EventType.KILL_SWITCH_TRIGGERED, held, severity="critical")

    def emit_kill_switch_reset(self, reason: str = "", **data: Any) -> None:
        """KILL_SWITCH_RESET, with severity warning."""
        self.emit(EventType.KILL_SWITCH_RESET, {"reason": reason, **data})

    def emit_circuit_breaker(self, reason: str, **data: Any) -> None:
        """CIRCUIT_BREAKER_TRIGGERED, with severity critical."""
        self.emit(EventType.CIRCUIT_BREAKER_TRIGGERED, {"reason": reason, **data})

    def emit_trading_halted(self, trigger: str, **data: Any) -> None:
        """TRADING_HALTED, with severity critical."""
        self.emit(EventType.TRADING_HALTED, {"trigger": trigger, **data})

    def emit_daily_loss_warning(self, value: float, limit: float, **data: Any) -> None:
        """DAILY_LOSS_WARNING, with severity warning."""
        self.emit(EventType.DAILY_LOSS_WARNING, {"value": value, "limit": limit, **data})

    def emit_drawdown_warning(self, value: float, limit: float, **data: Any) -> None:
        """DRAWDOWN_WARNING, with severity warning; both as shares of 1."""
        self.emit(EventType.DRAWDOWN_WARNING, {"value": value, "limit": limit, **data})

    def emit_position_limit_warning(
        self, symbol: str, value: float, limit: float, **data: Any
    ) -> None:
        """POSITION_LIMIT_WARNING, with severity warning."""
        held = {"symbol": symbol, "value": value, "limit": limit, **data}
        self.emit(EventType.POSITION_LIMIT_WARNING, held)

    # ── connections and market data ─────────────────────────────────────────────────────────────

    def emit_connection_lost(self, venue: str, reason: str = "", **data: Any) -> None:
        """CONNECTION_LOST, with severity warning."""
        self.emit(EventType.CONNECTION_LOST, {"venue": venue, "reason": reason, **data})

    def emit_connection_restored(self, venue: str, **data: Any) -> None:
        """CONNECTION_RESTORED."""
        self.emit(EventType.CONNECTION_RESTORED, {"venue": venue, **data})

    def emit_quote_stale(self, symbol: str, staleness_seconds: float, **data: Any) -> None:
        """QUOTE_STALE, with severity warning."""
        held = {"symbol": symbol, "staleness_seconds": staleness_seconds, **data}
        self.emit(EventType.QUOTE_STALE, held)

    def emit_data_error(self, error: object, **data: Any) -> None:
        """DATA_ERROR, with severity error; `error`: a text or an exception."""
        self.emit(EventType.DATA_ERROR, {"error": error, **data})


def _order(
    symbol: str, side: str, qty: float, price: float | None, data: dict[str, Any]
) -> dict[str, Any]:
    held: dict[str, Any] = {"symbol": symbol, "side": side, "qty": qty}
    if price is not None:
        held["price"] = price
    return {**held, **data}
