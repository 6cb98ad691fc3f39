"""What an event is: a type, a moment, data, who says so, and how bad it is."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any


class EventType(Enum):
    """The types that a trading engine has; your own are any text or any Enum's member.

    The value is the name of the event in OpenTelemetry.
    """

    CYCLE_START = "trading.cycle.started"
    CYCLE_END = "trading.cycle.ended"
    TRADE_SUBMITTED = "trading.order.submitted"
    TRADE_ACKNOWLEDGED = "trading.order.acknowledged"
    TRADE_FILLED = "trading.order.filled"
    TRADE_REJECTED = "trading.order.rejected"
    TRADE_CANCELLED = "trading.order.cancelled"
    TRADE_EXPIRED = "trading.order.expired"
    TRADE_REPLACED = "trading.order.replaced"
    ORDER_STUCK = "trading.order.stuck"
    DECISION_MADE = "trading.decision.made"
    PAIR_PLANNED = "trading.pair.planned"
    PAIR_STARTED = "trading.pair.started"
    PAIR_COMPLETED = "trading.pair.completed"
    PAIR_UNHEDGED = "trading.pair.unhedged"

    KILL_SWITCH_TRIGGERED = "trading.kill_switch.triggered"
    KILL_SWITCH_RESET = "trading.kill_switch.reset"
    CIRCUIT_BREAKER_TRIGGERED = "trading.circuit_breaker.triggered"
    CIRCUIT_BREAKER_RESET = "trading.circuit_breaker.reset"
    TRADING_HALTED = "trading.halted"
    TRADING_RESUMED = "trading.resumed"
    DAILY_LOSS_WARNING = "trading.daily_loss.warning"
    DRAWDOWN_WARNING = "trading.drawdown.warning"
    POSITION_LIMIT_WARNING = "trading.position_limit.warning"
    POSITION_LIMIT_CHECKED = "trading.position_limit.checked"
    DAILY_TURNOVER_CHECKED = "trading.daily_turnover.checked"

    ENGINE_START = "trading.engine.started"
    ENGINE_STOP = "trading.engine.stopped"
    ERROR = "trading.error"
    CONFIGURATION_CHANGED = "trading.configuration.changed"
    CONNECTION_OPENED = "trading.connection.opened"
    CONNECTION_LOST = "trading.connection.lost"
    CONNECTION_RESTORED = "trading.connection.restored"

    BOOK_UPDATED = "trading.book.updated"
    BOOK_NORMALIZED = "trading.book.normalized"
    FEED_LATENCY_MEASURED = "trading.feed.latency_measured"
    QUOTE_STALE = "trading.feed.stale"
    DATA_ERROR = "trading.feed.failed"
    OPERATION_SLOW = "tradespan.operation.slow"
    AUDIT_ENTRY = "tradespan.audit.entry"


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Event:
    """Something that happened."""

    event_type: EventType | Enum | str
    timestamp: datetime = field(default_factory=_now)
    """When; without a time zone it is taken as UTC."""
    data: dict[str, Any] = field(default_factory=dict)
    source: str = "live_trading"
    severity: str = "info"
    """`debug`, `info`, `warning`, `error`, `critical` or `emergency`."""

    @property
    def name(self) -> str:
        """The type's name: `TRADE_FILLED`; a text that is none of ours is its own name."""
        return name_of_type(self.event_type)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the type by its name, the time as ISO 8601, the data as it was given."""
        return {
            "event_type": self.name,
            "timestamp": self.timestamp.isoformat(),
            "data": self.data,
            "source": self.source,
            "severity": self.severity,
        }


def name_of_type(event_type: object) -> str:
    """The name that people read."""
    if isinstance(event_type, Enum):
        return event_type.name
    if type(event_type) is str:
        return _KEYS.get(event_type, event_type)
    return event_type if isinstance(event_type, str) else str(event_type)


def key_of_type(event_type: Hashable) -> Hashable:
    """By what subscriptions are found: one of ours and either of its names in a text
    (`TRADE_FILLED`, `trading.order.filled`) are the same type.
    """
    if type(event_type) is EventType:
        return event_type._name_  # a third of the time that `.name` takes
    if type(event_type) is str:
        return _KEYS.get(event_type, event_type)
    return event_type


_KEYS = {each.value: each.name for each in EventType}


def find_near_type(event_type: Hashable) -> str:
    """Which of our types a text may have meant; empty if it is one, or looks like none."""
    if type(event_type) is not str or event_type in EventType.__members__ or event_type in _KEYS:
        return ""
    import difflib  # optional extra: only who subscribes to a type of his own needs it

    near = difflib.get_close_matches(event_type, (*EventType.__members__, *_KEYS), 1, cutoff=0.85)
    return near[0] if near else ""
