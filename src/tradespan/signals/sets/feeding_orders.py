"""What signals about orders and pairs feed: their journeys, and by these the orders' set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tradespan.declare import instruments as declared
from tradespan.signals.events.types import EventType
from tradespan.signals.orders.journey import Fill
from tradespan.signals.orders.pairs import Pair
from tradespan.signals.sets.calls import (
    CURRENCY,
    DECISION,
    STRATEGY,
    SYMBOL,
    VENUE,
    Call,
    Feeds,
)
from tradespan.signals.sets.keeping import keep_fill
from tradespan.signals.sets.switch import Sets

_EXPECTED: Final = "trading.order.expected_price"
_ORIGINAL: Final = "trading.order.original_client_id"
_TRADED: Final = "trading.execution.quantity"
_ORDER_TEXTS: Final = {
    VENUE: "venue",
    SYMBOL: "symbol",
    STRATEGY: "strategy",
    "trading.account": "account",
    "trading.order.side": "side",
    "trading.order.type": "type",
    "trading.order.id": "order_id",
    CURRENCY: "currency",
    "trading.pair.id": "pair_id",
    "trading.pair.leg": "leg",
    DECISION: "decision_id",
}
_CLIENT: Final = "trading.order.client_id"


def _checked(sets: Sets, call: Call) -> None:
    sets.journeys.flow.checked(
        call.facts.get("trading.decision.approved", True) is True,
        decision_id=call.word(DECISION),
        client_id=call.word(_CLIENT),
        symbol=call.word(SYMBOL),
        ts=call.past(),
    )
    limit, used = call.word("trading.limit.name"), call.number("trading.limit.utilization")
    if limit and used is not None:
        sets.portfolio.limit(
            limit,
            used,
            account=call.word("trading.account"),
            strategy=call.word(STRATEGY),
            venue=call.word(VENUE),
        )


def _submitted(sets: Sets, call: Call) -> bool:
    given = call.facts.get
    journey = sets.journeys.flow.submitted(
        call.word(_CLIENT),
        call.known(_ORDER_TEXTS),
        quantity=given("trading.order.quantity"),
        price=given("trading.order.price"),
        expected_price=call.number(_EXPECTED),
        ts=call.time(),
        ago=call.ago,
    )
    return journey is not None or not call.word(_CLIENT)


def _sent(sets: Sets, call: Call) -> None:
    assert call.seconds is not None
    sets.orders.sent(call.seconds, venue=call.word(VENUE), strategy=call.word(STRATEGY))


def _acknowledged(sets: Sets, call: Call) -> bool:
    told = call.known(_ORDER_TEXTS)
    return sets.journeys.flow.acknowledged(call.word(_CLIENT), told, ts=call.time())


def _filled(sets: Sets, call: Call) -> bool:
    given = call.facts.get
    told = call.known(_ORDER_TEXTS)
    fill = Fill(
        given("trading.execution.quantity"),
        given("trading.execution.price"),
        call.word("trading.execution.id"),
        given("trading.order.cumulative_quantity"),
        given("trading.order.leaves_quantity"),
        is_complete(call),
        given("trading.execution.commission"),
    )
    news, done = sets.journeys.flow.filled(
        call.word(_CLIENT), told, fill, expected_price=call.number(_EXPECTED), ts=call.time()
    )
    if not news:
        return False
    order = _known_of(sets, call, told)
    keep_fill(sets, call, order)
    trade = {name: order[name] for name in ("venue", "symbol", "strategy", "account")}
    if done:
        sets.engine.trade(**trade)
    price, quantity = call.number("trading.execution.price"), call.number(_TRADED)
    if price is not None and quantity is not None and (currency := order["currency"]):
        sets.engine.traded(abs(quantity * price), currency=currency, **trade)
    return True


def _known_of(sets: Sets, call: Call, told: Mapping[str, str]) -> dict[str, str]:
    """What a message says of its order, and what it leaves out and the order was sent with."""
    journey = sets.journeys.flow.book.find(
        call.word(_CLIENT), told.get("order_id", ""), told.get("venue", "")
    )
    return {
        name: told.get(name, "") or ("" if journey is None else getattr(journey, name))
        for name in ("venue", "symbol", "strategy", "account", "side", "currency")
    }


def is_complete(call: Call) -> bool | None:
    """Whether the order is done with this fill; None: the facts do not say."""
    status = call.word("trading.order.status")
    if status in ("filled", "partially_filled"):
        return status == "filled"
    leaves = call.number("trading.order.leaves_quantity")
    if leaves is not None:
        return leaves <= 0
    whole = call.number("trading.order.quantity")
    so_far = call.number("trading.order.cumulative_quantity")
    return None if whole is None or so_far is None else so_far >= whole


def _rejected(sets: Sets, call: Call) -> bool:
    return sets.journeys.flow.rejected(
        call.word(_CLIENT),
        call.known(_ORDER_TEXTS),
        reason=call.word("trading.order.reject_code"),
        ts=call.time(),
    )


def _cancel_requested(sets: Sets, call: Call) -> None:
    sets.journeys.flow.cancel_requested(
        call.word(_ORIGINAL) or call.word(_CLIENT), call.known(_ORDER_TEXTS), ts=call.time()
    )


def _cancelled(sets: Sets, call: Call) -> bool:
    # FIX: a cancel has an id of its own, and names the order that is gone.
    client_id = call.word(_ORIGINAL) or call.word(_CLIENT)
    return sets.journeys.flow.cancelled(client_id, call.known(_ORDER_TEXTS), ts=call.time())


def _expired(sets: Sets, call: Call) -> bool:
    return sets.journeys.flow.expired(call.word(_CLIENT), call.known(_ORDER_TEXTS), ts=call.time())


def _replaced(sets: Sets, call: Call) -> bool:
    given = call.facts.get
    return sets.journeys.flow.replaced(
        call.word(_CLIENT),
        call.word(_ORIGINAL),
        call.known(_ORDER_TEXTS),
        quantity=given("trading.order.quantity"),
        price=given("trading.order.price"),
        ts=call.time(),
    )


def _planned(sets: Sets, call: Call) -> None:
    given = call.facts.get
    timeout = call.number("trading.pair.timeout")
    pair = Pair(
        call.word("trading.pair.id"),
        strategy=call.word(STRATEGY),
        legs=(),
        expected_edge=given("trading.pair.edge.expected"),
        quantity=given("trading.pair.quantity"),
        currency=call.word(CURRENCY),
        timeout=60.0 if timeout is None else timeout,
        payoff=None,
    )
    sets.journeys.flow.pairs.plan(pair, publish=False)


ORDER_FEEDS: Final[Mapping[str, Feeds]] = {
    "order.submitted": Feeds(
        _submitted, EventType.TRADE_SUBMITTED, after=_sent,
        instruments=(
            declared.TRADING_ORDERS_SUBMITTED, declared.TRADING_ORDER_LATENCY,
            declared.TRADING_ORDERS_OPEN, declared.TRADING_ORDER_LEG_DURATION,
        ),
    ),
    "order.acknowledged": Feeds(
        _acknowledged, EventType.TRADE_ACKNOWLEDGED,
        instruments=(
            declared.TRADING_ORDERS_ACKNOWLEDGED, declared.TRADING_ORDER_RESPONSE_TIME,
            declared.TRADING_ORDER_LEG_DURATION,
        ),
    ),
    "order.filled": Feeds(
        _filled, EventType.TRADE_FILLED,
        instruments=(
            declared.TRADING_ORDERS_FILLS, declared.TRADING_ORDERS_FILLED,
            declared.TRADING_ORDERS_FILL_RATE, declared.TRADING_ORDER_SLIPPAGE,
            declared.TRADING_TRADES, declared.TRADING_TRADE_VALUE,
            declared.TRADING_ORDERS_OPEN, declared.TRADING_ORDER_LEG_DURATION,
            declared.TRADING_ORDER_EDGE_CAPTURED,
        ),
    ),
    "order.rejected": Feeds(
        _rejected, EventType.TRADE_REJECTED,
        instruments=(
            declared.TRADING_ORDERS_REJECTED, declared.TRADING_ORDERS_FILL_RATE,
            declared.TRADING_ORDER_RESPONSE_TIME,
        ),
    ),
    "order.cancelled": Feeds(
        _cancelled, EventType.TRADE_CANCELLED,
        instruments=(
            declared.TRADING_ORDERS_CANCELLED, declared.TRADING_ORDERS_FILL_RATE,
            declared.TRADING_ORDERS_OPEN, declared.TRADING_ORDER_LEG_DURATION,
        ),
    ),
    "order.cancel_requested": Feeds(
        _cancel_requested, instruments=(declared.TRADING_ORDER_LEG_DURATION,)
    ),
    "order.expired": Feeds(
        _expired, EventType.TRADE_EXPIRED,
        instruments=(
            declared.TRADING_ORDERS_CANCELLED, declared.TRADING_ORDERS_FILL_RATE,
            declared.TRADING_ORDERS_OPEN,
        ),
    ),
    "order.replaced": Feeds(
        _replaced, EventType.TRADE_REPLACED, instruments=(declared.TRADING_ORDERS_OPEN,)
    ),
    "risk.check": Feeds(
        _checked, early=False,
        instruments=(declared.TRADING_ORDER_LEG_DURATION, declared.TRADING_LIMIT_UTILIZATION),
    ),
    "pair.planned": Feeds(
        _planned, EventType.PAIR_PLANNED, required=("trading.pair.id",),
        instruments=(
            declared.TRADING_PAIR_EXECUTION_DURATION, declared.TRADING_PAIR_LEGS_GAP,
        ),
    ),
}  # fmt: skip
"""By signal."""
