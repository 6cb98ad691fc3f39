"""Which signals of `[[map]]` tables feed what: a row for each, facts by the conventions' names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tradespan.declare import instruments as declared
from tradespan.signals.events.types import EventType
from tradespan.signals.sets.calls import CURRENCY, DECISION, STRATEGY, SYMBOL, VENUE, Call, Feeds
from tradespan.signals.sets.feeding_orders import ORDER_FEEDS
from tradespan.signals.sets.keeping import keep_price, keep_value
from tradespan.signals.sets.switch import Sets

_CHANNEL: Final = "trading.broker.channel"


def _cycle(sets: Sets, call: Call) -> None:
    seconds = call.seconds or 0.0
    call.facts["trading.cycle.duration"] = seconds
    if call.error is not None:
        call.facts["error.type"] = type(call.error).__qualname__
    sets.engine.cycle(seconds, strategy=call.word(STRATEGY), error=call.error)


def _decision(sets: Sets, call: Call) -> None:
    sets.engine.decision(
        call.word("trading.decision.outcome"),
        strategy=call.word(STRATEGY),
        symbol=call.word(SYMBOL),
    )
    sets.journeys.flow.decided(
        decision_id=call.word(DECISION),
        strategy=call.word(STRATEGY),
        symbol=call.word(SYMBOL),
        ts=call.past(),
    )


def _error(sets: Sets, call: Call) -> None:
    sets.engine.error(call.word("error.type"), strategy=call.word(STRATEGY), venue=call.word(VENUE))


def _ticked(sets: Sets, call: Call) -> None:
    _update(sets, call)
    sets.journeys.flow.tick(call.word(SYMBOL), ts=call.past())
    keep_price(sets, call)


_AMOUNTS: Final = {
    "value": "trading.portfolio.equity",
    "cash": "trading.portfolio.cash",
    "realised_pnl": "trading.portfolio.realised_pnl",
    "unrealised_pnl": "trading.portfolio.unrealised_pnl",
    "commission": "trading.portfolio.commission",
}


def _portfolio(sets: Sets, call: Call) -> None:
    amounts = {short: call.number(name) for short, name in _AMOUNTS.items()}
    sets.portfolio.update(
        currency=call.word(CURRENCY),
        account=call.word("trading.account"),
        venue=call.word(VENUE),
        strategy=call.word(STRATEGY),
        **amounts,
    )
    keep_value(sets, call, amounts)


def _update(sets: Sets, call: Call) -> None:
    happened = call.facts.get("trading.event_time")
    sequence = call.facts.get("trading.feed.sequence")
    sets.feed.update(
        call.word(VENUE),
        call.word(SYMBOL),
        # A backtest's times are not times on the clock.
        happened if isinstance(happened, int) and call.mode != "backtest" else None,
        sequence=sequence if isinstance(sequence, int) else None,
    )


def _gap(sets: Sets, call: Call) -> None:
    sets.feed.gap(call.word(VENUE), call.word(SYMBOL))


def _request(sets: Sets, call: Call) -> None:
    venue = call.word(VENUE)
    sets.exchange.request(venue, call.seconds, error=call.error)
    remaining = call.number("trading.api.limit.remaining")
    if remaining is not None:
        section = call.word("trading.api.section")
        sets.exchange.rate_limit(venue, remaining, section=section)


def _opened(sets: Sets, call: Call) -> EventType | None:
    venue, channel = call.word(VENUE), call.word(_CHANNEL)
    if call.error is not None:
        sets.exchange.error(venue, call.error)
        return None
    restored = sets.exchange.is_lost(venue, channel=channel)
    sets.exchange.connected(venue, channel=channel)
    call.facts["trading.connection.latency"] = call.seconds
    return EventType.CONNECTION_RESTORED if restored else None


def _lost(sets: Sets, call: Call) -> None:
    error = call.word("error.type") or None
    sets.exchange.disconnected(call.word(VENUE), channel=call.word(_CHANNEL), error=error)


_PREDICTION, _PREDICTED = "trading.agent.prediction.id", "trading.agent.prediction.outcome"


def _prediction(sets: Sets, call: Call) -> None:
    agent = call.word("trading.agent.name")
    if call.error is not None:
        sets.agents.failure(agent, call.error)
        return
    said, symbol = call.word(_PREDICTED), call.word(SYMBOL)
    confidence = call.number("trading.agent.confidence")
    if prediction := call.word(_PREDICTION):
        sets.agents.predict(
            prediction, agent, said, symbol=symbol, confidence=confidence, ts=call.time()
        )
    else:
        sets.agents.prediction(agent, said, symbol=symbol, confidence=confidence)


def _outcome(sets: Sets, call: Call) -> None:
    sets.agents.outcome(call.word(_PREDICTION), call.word(_PREDICTED), ts=call.time())


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
    **ORDER_FEEDS,
    "portfolio": Feeds(
        _portfolio, early=False, required=(CURRENCY,),
        instruments=(
            declared.TRADING_PORTFOLIO_VALUE, declared.TRADING_PORTFOLIO_CASH,
            declared.TRADING_PORTFOLIO_REALISED_PNL, declared.TRADING_PORTFOLIO_UNREALISED_PNL,
            declared.TRADING_PORTFOLIO_COMMISSION,
        ),
    ),
    "feed.update": Feeds(
        _ticked, required=(VENUE,),
        instruments=(
            declared.TRADING_FEED_UPDATES, declared.TRADING_FEED_LATENCY,
            declared.TRADING_FEED_STALENESS, declared.TRADING_FEED_GAPS,
        ),
    ),
    "feed.gap": Feeds(
        _gap, EventType.DATA_ERROR, required=(VENUE,), instruments=(declared.TRADING_FEED_GAPS,)
    ),
    "exchange.request": Feeds(
        _request, early=False, failed=True, required=(VENUE,),
        instruments=(
            declared.TRADING_EXCHANGE_LATENCY, declared.TRADING_EXCHANGE_ERRORS,
            declared.TRADING_EXCHANGE_RATE_LIMIT_REMAINING,
        ),
    ),
    "connection.opened": Feeds(
        _opened, EventType.CONNECTION_OPENED, early=False, failed=True, required=(VENUE,),
        instruments=(
            declared.TRADING_EXCHANGE_CONNECTED, declared.TRADING_EXCHANGE_RECONNECTS,
            declared.TRADING_EXCHANGE_ERRORS,
        ),
    ),
    "connection.lost": Feeds(
        _lost, EventType.CONNECTION_LOST, required=(VENUE,),
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
