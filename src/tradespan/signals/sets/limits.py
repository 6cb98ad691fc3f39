"""Limits as a bot tells of them: the gauge of their utilization, and an event for each crossing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tradespan.signals.analytics.limits import Crossing, Kind, LimitWatch
from tradespan.signals.events.bus import EventBus, events
from tradespan.signals.events.types import Event, EventType
from tradespan.signals.sets.base import harmless
from tradespan.signals.sets.switch import Sets, sets

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EVENTS: Final[dict[Kind, EventType]] = {
    "position": EventType.POSITION_LIMIT_WARNING,
    "daily_loss": EventType.DAILY_LOSS_WARNING,
    "drawdown": EventType.DRAWDOWN_WARNING,
    "turnover": EventType.DAILY_TURNOVER_CHECKED,
}
"""What a crossing is; of other kinds only the utilization is told."""


class Limits:
    """Tells of what a LimitWatch finds. No verb raises."""

    def __init__(self, watch: LimitWatch, *, sets: Sets = sets, events: EventBus = events) -> None:
        """`watch`: the limits. The rest is the process's own."""
        self.watch = watch
        self._sets = sets
        self._events = events

    @harmless
    def use(
        self,
        name: str,
        used: Any,
        *,
        ts: int,
        symbol: str = "",
        currency: str = "",
        account: str = "",
        strategy: str = "",
        venue: str = "",
    ) -> None:
        """What of a limit is used now; arguments as `LimitWatch.use`.

        Account, strategy and venue each have the limit for themselves. Of a limit by symbol the
        gauge tells the symbol that uses most of it, and the event which one crossed it.
        """
        scope = account, strategy, venue
        usage = self.watch.use(name, used, ts=ts, scope=scope, symbol=symbol)
        self._sets.portfolio.limit(
            name, usage.highest, account=account, strategy=strategy, venue=venue
        )
        crossing = usage.crossing
        if crossing is None or (event_type := _EVENTS.get(crossing.limit.kind)) is None:
            return
        told = {
            "symbol": symbol,
            "trading.currency": currency,
            "trading.account": account,
            "trading.strategy": strategy,
            "trading.venue": venue,
            "trading.drawdown.span": crossing.limit.span,
        }
        data = {"trading.limit.name": name, **_facts_of(crossing)}
        data |= {key: text for key, text in told.items() if text}
        # A timedelta, since a float of seconds has no microseconds left in this century.
        when = _EPOCH + timedelta(microseconds=ts // 1000)
        self._events.publish(
            Event(event_type, timestamp=when, data=data, severity=crossing.severity)
        )


def _facts_of(crossing: Crossing) -> dict[str, Any]:
    facts = {
        "used": crossing.used,
        "limit": crossing.limit.maximum,
        "utilization": crossing.utilization,
    }
    if crossing.limit.kind != "turnover":
        facts["value"] = crossing.used  # as `emit_daily_loss_warning` and its like have it
    return facts
