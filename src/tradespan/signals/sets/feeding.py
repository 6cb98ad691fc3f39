"""Which signals of `[[map]]` tables feed what: a row for each, facts by the conventions' names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from tradespan.declare import instruments as declared
from tradespan.declare.attributes import ATTRIBUTES
from tradespan.declare.instruments import Instrument as Declaration
from tradespan.signals.events.types import EventType
from tradespan.signals.sets.orders import Order
from tradespan.signals.sets.switch import Sets

Facts = dict[str, Any]


class Call(NamedTuple):
    """A mapped call, as far as it has come."""

    facts: Facts
    seconds: float | None
    """How long it took; None: it has only begun."""
    error: Exception | None
    mode: str

    def word(self, name: str) -> str:
        """A fact as a label's value: in lower case where the conventions have that word."""
        value = self.facts.get(name)
        if value is None:
            return ""
        text = value if type(value) is str else str(value)
        lower = text.lower()
        known = ATTRIBUTES.get(name)
        return lower if known is not None and lower in known.members else text

    def number(self, name: str) -> float | None:
        """A fact as a number; None where it is none."""
        value = self.facts.get(name)
        try:
            return None if value is None else float(value)
        except (TypeError, ValueError):
            return None

    def words(self, names: Mapping[str, str]) -> dict[str, str]:
        """Facts by a verb's own names."""
        return {short: self.word(name) for short, name in names.items()}


class Feeds(NamedTuple):
    """What one signal feeds."""

    counts: Callable[[Sets, Call], EventType | None] | None = None
    """Counts a call; may say which event it is instead of `event`."""
    event: EventType | None = None
    started: EventType | None = None
    """Published when the call begins, beside `event`."""
    after: Callable[[Sets, Call], None] | None = None
    """Counts what is known at the end of a call that returned."""
    early: bool = True
    """Whether it is told before the body runs, where all facts are there."""
    failed: bool = False
    """Whether a call that raised counts, where it is told at the end."""
    failed_event: bool = False
    """Whether it is an event as well then."""
    required: tuple[str, ...] = ()
    """Facts without which nothing is told."""
    instruments: tuple[Declaration, ...] = ()
    """That a call may feed."""


_VENUE, _SYMBOL, _CURRENCY = "trading.venue", "trading.symbol", "trading.currency"
_CHANNEL, _STRATEGY = "trading.broker.channel", "trading.strategy"
_TRADE: Final = {
    "venue": _VENUE,
    "symbol": _SYMBOL,
    "strategy": _STRATEGY,
    "account": "trading.account",
}
_EXPECTED: Final = "trading.order.expected_price"


def _cycle(sets: Sets, call: Call) -> None:
    seconds = call.seconds or 0.0
    call.facts["trading.cycle.duration"] = seconds
    if call.error is not None:
        call.facts["error.type"] = type(call.error).__qualname__
    sets.engine.cycle(seconds, strategy=call.word(_STRATEGY), error=call.error)


def _decision(sets: Sets, call: Call) -> None:
    sets.engine.decision(
        call.word("trading.decision.outcome"),
        strategy=call.word(_STRATEGY),
        symbol=call.word(_SYMBOL),
    )


def _error(sets: Sets, call: Call) -> None:
    sets.engine.error(
        call.word("error.type"), strategy=call.word(_STRATEGY), venue=call.word(_VENUE)
    )


def _order(call: Call) -> Order:
    return {
        "venue": call.word(_VENUE),
        "symbol": call.word(_SYMBOL),
        "strategy": call.word(_STRATEGY),
        "account": call.word("trading.account"),
        "side": call.word("trading.order.side"),
        "type": call.word("trading.order.type"),
        "client_id": call.word("trading.order.client_id"),
    }


def _submitted(sets: Sets, call: Call) -> None:
    sets.orders.submitted(**_order(call), expected_price=call.number(_EXPECTED))


def _sent(sets: Sets, call: Call) -> None:
    assert call.seconds is not None
    sets.orders.sent(call.seconds, venue=call.word(_VENUE), strategy=call.word(_STRATEGY))


def _acknowledged(sets: Sets, call: Call) -> None:
    sets.orders.acknowledged(**_order(call))


def _filled(sets: Sets, call: Call) -> None:
    done = is_complete(call)
    price = call.number("trading.execution.price")
    sets.orders.filled(
        **_order(call), complete=done, price=price, expected_price=call.number(_EXPECTED)
    )
    trade = call.words(_TRADE)
    if done:
        sets.engine.trade(**trade)
    quantity = call.number("trading.execution.quantity")
    if price is not None and quantity is not None and (currency := call.word(_CURRENCY)):
        sets.engine.traded(abs(quantity * price), currency=currency, **trade)


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


def _rejected(sets: Sets, call: Call) -> None:
    sets.orders.rejected(**_order(call), reason=call.word("trading.order.reject_code"))


def _cancelled(sets: Sets, call: Call) -> None:
    sets.orders.cancelled(**_order(call))


_AMOUNTS: Final = {
    "value": "trading.portfolio.equity",
    "cash": "trading.portfolio.cash",
    "realised_pnl": "trading.portfolio.realised_pnl",
    "unrealised_pnl": "trading.portfolio.unrealised_pnl",
    "commission": "trading.portfolio.commission",
}


def _portfolio(sets: Sets, call: Call) -> None:
    sets.portfolio.update(
        currency=call.word(_CURRENCY),
        account=call.word("trading.account"),
        venue=call.word(_VENUE),
        strategy=call.word(_STRATEGY),
        **{short: call.number(name) for short, name in _AMOUNTS.items()},
    )


def _update(sets: Sets, call: Call) -> None:
    happened = call.facts.get("trading.event_time")
    sequence = call.facts.get("trading.feed.sequence")
    sets.feed.update(
        call.word(_VENUE),
        call.word(_SYMBOL),
        # A backtest's times are not times on the clock.
        happened if isinstance(happened, int) and call.mode != "backtest" else None,
        sequence=sequence if isinstance(sequence, int) else None,
    )


def _gap(sets: Sets, call: Call) -> None:
    sets.feed.gap(call.word(_VENUE), call.word(_SYMBOL))


def _request(sets: Sets, call: Call) -> None:
    venue = call.word(_VENUE)
    sets.exchange.request(venue, call.seconds, error=call.error)
    remaining = call.number("trading.api.limit.remaining")
    if remaining is not None:
        section = call.word("trading.api.section")
        sets.exchange.rate_limit(venue, remaining, section=section)


def _opened(sets: Sets, call: Call) -> EventType | None:
    venue, channel = call.word(_VENUE), call.word(_CHANNEL)
    if call.error is not None:
        sets.exchange.error(venue, call.error)
        return None
    restored = sets.exchange.is_lost(venue, channel=channel)
    sets.exchange.connected(venue, channel=channel)
    call.facts["trading.connection.latency"] = call.seconds
    return EventType.CONNECTION_RESTORED if restored else None


def _lost(sets: Sets, call: Call) -> None:
    error = call.word("error.type") or None
    sets.exchange.disconnected(call.word(_VENUE), channel=call.word(_CHANNEL), error=error)


_PREDICTION, _PREDICTED = "trading.agent.prediction.id", "trading.agent.prediction.outcome"


def _prediction(sets: Sets, call: Call) -> None:
    agent = call.word("trading.agent.name")
    if call.error is not None:
        sets.agents.failure(agent, call.error)
        return
    said, symbol = call.word(_PREDICTED), call.word(_SYMBOL)
    confidence = call.number("trading.agent.confidence")
    if prediction := call.word(_PREDICTION):
        sets.agents.predict(
            prediction, agent, said, symbol=symbol, confidence=confidence, ts=_moment(call)
        )
    else:
        sets.agents.prediction(agent, said, symbol=symbol, confidence=confidence)


def _outcome(sets: Sets, call: Call) -> None:
    sets.agents.outcome(call.word(_PREDICTION), call.word(_PREDICTED), ts=_moment(call))


def _moment(call: Call) -> int | None:
    """Event time, where it is mapped; in backtests, too."""
    happened = call.facts.get("trading.event_time")
    return happened if isinstance(happened, int) else None


FEEDS: Final[Mapping[str, Feeds]] = {
    "cycle": Feeds(
        _cycle, EventType.CYCLE_END, EventType.CYCLE_START,
        early=False, failed=True, failed_event=True,
        instruments=(declared.TRADING_CYCLES, declared.TRADING_CYCLE_DURATION),
    ),
    "decision": Feeds(
        _decision, EventType.DECISION_MADE, early=False,
        required=("trading.decision.outcome",), instruments=(declared.TRADING_DECISIONS,),
    ),
    "error": Feeds(_error, EventType.ERROR, instruments=(declared.TRADING_ERRORS,)),
    "order.submitted": Feeds(
        _submitted, EventType.TRADE_SUBMITTED, after=_sent,
        instruments=(declared.TRADING_ORDERS_SUBMITTED, declared.TRADING_ORDER_LATENCY),
    ),
    "order.acknowledged": Feeds(
        _acknowledged, EventType.TRADE_ACKNOWLEDGED,
        instruments=(declared.TRADING_ORDERS_ACKNOWLEDGED, declared.TRADING_ORDER_RESPONSE_TIME),
    ),
    "order.filled": Feeds(
        _filled, EventType.TRADE_FILLED,
        instruments=(
            declared.TRADING_ORDERS_FILLS, declared.TRADING_ORDERS_FILLED,
            declared.TRADING_ORDERS_FILL_RATE, declared.TRADING_ORDER_SLIPPAGE,
            declared.TRADING_TRADES, declared.TRADING_TRADE_VALUE,
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
        instruments=(declared.TRADING_ORDERS_CANCELLED, declared.TRADING_ORDERS_FILL_RATE),
    ),
    "portfolio": Feeds(
        _portfolio, early=False, required=(_CURRENCY,),
        instruments=(
            declared.TRADING_PORTFOLIO_VALUE, declared.TRADING_PORTFOLIO_CASH,
            declared.TRADING_PORTFOLIO_REALISED_PNL, declared.TRADING_PORTFOLIO_UNREALISED_PNL,
            declared.TRADING_PORTFOLIO_COMMISSION,
        ),
    ),
    "feed.update": Feeds(
        _update, required=(_VENUE,),
        instruments=(
            declared.TRADING_FEED_UPDATES, declared.TRADING_FEED_LATENCY,
            declared.TRADING_FEED_STALENESS, declared.TRADING_FEED_GAPS,
        ),
    ),
    "feed.gap": Feeds(
        _gap, EventType.DATA_ERROR, required=(_VENUE,), instruments=(declared.TRADING_FEED_GAPS,)
    ),
    "exchange.request": Feeds(
        _request, early=False, failed=True, required=(_VENUE,),
        instruments=(
            declared.TRADING_EXCHANGE_LATENCY, declared.TRADING_EXCHANGE_ERRORS,
            declared.TRADING_EXCHANGE_RATE_LIMIT_REMAINING,
        ),
    ),
    "connection.opened": Feeds(
        _opened, EventType.CONNECTION_OPENED, early=False, failed=True, required=(_VENUE,),
        instruments=(
            declared.TRADING_EXCHANGE_CONNECTED, declared.TRADING_EXCHANGE_RECONNECTS,
            declared.TRADING_EXCHANGE_ERRORS,
        ),
    ),
    "connection.lost": Feeds(
        _lost, EventType.CONNECTION_LOST, required=(_VENUE,),
        instruments=(declared.TRADING_EXCHANGE_CONNECTED,),
    ),
    "agent.prediction": Feeds(
        _prediction, early=False, failed=True, required=("trading.agent.name",),
        instruments=(
            declared.TRADING_AGENT_PREDICTIONS, declared.TRADING_AGENT_CONFIDENCE,
            declared.TRADING_AGENT_FAILURES, declared.TRADING_AGENT_CONSENSUS,
        ),
    ),
    "agent.outcome": Feeds(
        _outcome, early=False, required=(_PREDICTION, _PREDICTED),
        instruments=(
            declared.TRADING_AGENT_OUTCOMES, declared.TRADING_AGENT_ACCURACY,
            declared.TRADING_AGENT_ACCURACY_RECENT, declared.TRADING_AGENT_BRIER_SCORE,
            declared.TRADING_AGENT_CALIBRATION_ERROR, declared.TRADING_AGENT_CONSENSUS,
        ),
    ),
}  # fmt: skip
"""By signal. Any other declared event `trading.<signal>` is published, and feeds no instrument."""
