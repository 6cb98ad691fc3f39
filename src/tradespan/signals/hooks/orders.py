"""What an engine says of an order: its status, in whichever spelling, and who is told."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, NamedTuple

from tradespan.signals.events.types import EventType
from tradespan.signals.orders.journey import TEXTS, Fill
from tradespan.signals.sets.switch import Sets


class Step(NamedTuple):
    """What a status means."""

    verb: str
    """Of `tradespan.orders`."""
    event: EventType
    complete: bool | None = None
    """Of a fill: whether the order is done with it."""


_SUBMITTED: Final = Step("submitted", EventType.TRADE_SUBMITTED)
_ACKNOWLEDGED: Final = Step("acknowledged", EventType.TRADE_ACKNOWLEDGED)
_PARTIALLY: Final = Step("filled", EventType.TRADE_FILLED, complete=False)
_FILLED: Final = Step("filled", EventType.TRADE_FILLED, complete=True)
_CANCELLED: Final = Step("cancelled", EventType.TRADE_CANCELLED)
STATUSES: Final = {
    "submitted": _SUBMITTED, "pendingnew": _SUBMITTED, "sent": _SUBMITTED,
    "acknowledged": _ACKNOWLEDGED, "accepted": _ACKNOWLEDGED, "new": _ACKNOWLEDGED,
    "open": _ACKNOWLEDGED,
    "partiallyfilled": _PARTIALLY, "partialfill": _PARTIALLY, "partial": _PARTIALLY,
    "filled": _FILLED, "closed": _FILLED, "executed": _FILLED,
    "rejected": Step("rejected", EventType.TRADE_REJECTED),
    "cancelled": _CANCELLED, "canceled": _CANCELLED,
    "expired": Step("expired", EventType.TRADE_EXPIRED),
}  # fmt: skip
"""FIX's words for OrdStatus, and those of common libraries; case, spaces, `_` and `-` do not count.
"""
_SPACES: Final = str.maketrans("", "", " _-")


def step_of(status: object) -> Step:
    """What a status means, given as text or as an enumeration's member.

    Raises:
        ValueError: It means nothing here.
    """
    words = [status.name, status.value] if isinstance(status, Enum) else [status]
    for word in words:
        found = STATUSES.get(str(word).lower().translate(_SPACES))
        if found is not None:
            return found
    raise ValueError(
        f"no status {status!r}: submitted, acknowledged, partially_filled, filled, rejected,"
        " cancelled, expired"
    )


class Taken(NamedTuple):
    """How an order's step was taken."""

    news: bool = True
    """Whether it was not known yet: a repetition counts nothing."""
    published: bool = False
    """Whether it is an event already."""


def _order_told(
    sets: Sets, verb: str, facts: dict[str, Any], data: dict[str, Any] | None = None
) -> Taken:
    """An order went a step. The only place that knows who keeps orders.

    `verb`: submitted, acknowledged, filled, rejected, cancelled, expired, decided or tick. `facts`:
    by the names that the verbs of `tradespan.orders` have; without those that nobody gave. `data`:
    of the event.
    """
    flow, ts = sets.journeys.flow, facts.get("ts")
    if verb == "tick":
        flow.tick(facts["symbol"], ts=facts.get("ts_init", facts.get("ts_event")))
        return Taken()
    texts: dict[str, Any] = {name: facts[name] for name in TEXTS if name in facts}
    if verb == "decided":
        named = {name: texts.get(name, "") for name in ("decision_id", "strategy", "symbol")}
        flow.decided(**named, ts=ts)
        return Taken()
    client_id, get = facts.get("client_id", ""), facts.get
    if verb == "filled":
        fill = Fill(
            get("quantity"), get("price"), get("execution_id", ""), get("cumulative"),
            get("leaves"), get("complete"), get("fee"),
        )  # fmt: skip
        expected = get("expected_price")
        news, _ = flow.filled(
            client_id, texts, fill, expected_price=expected, ts=ts, publish=True, data=data
        )
        return Taken(news, published=True)
    more: dict[str, Any] = {}
    if verb == "submitted":
        more = {name: get(name) for name in ("quantity", "price", "expected_price")}
    elif verb == "rejected":
        more = {"reason": get("reason_code", "")}
    getattr(flow, verb)(client_id, texts, **more, ts=ts, publish=True, data=data)
    return Taken(published=True)
