"""What an engine with a loop of its own reports, each by one call that is always safe.

    with cycle(strategy="pairs"):
        decision("TRADE", symbol="AAPL")
        on_trade("filled", symbol="AAPL", side="buy", quantity=5, price=187.2)

While tradespan is not configured (and after it is shut down, and under TRADESPAN_DISABLED) a call
looks at two fields and returns; only who subscribed to events is told all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar, overload

from tradespan.declare.attributes import ATTRIBUTES
from tradespan.declare.events import EVENTS
from tradespan.signals.events.declared import declaration_of
from tradespan.signals.events.types import Event, EventType
from tradespan.signals.hooks.cycles import Cycle, Numbers, current_turn
from tradespan.signals.hooks.orders import _order_told, step_of
from tradespan.signals.hooks.outlets import Outlets, hook

F = TypeVar("F", bound=Callable[..., Any])

TRADE: Final = "TRADE"
"""The decision that is a trade; others, such as HOLD, are none."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BY_EVENT: Final = {
    "client_id": "client_order_id",
    "quantity": "qty",
    "type": "trading.order.type",
    "execution_id": "trading.execution.id",
    "cumulative": "trading.order.cumulative_quantity",
    "leaves": "trading.order.leaves_quantity",
    "fee": "trading.execution.commission",
    "pair_id": "trading.pair.id",
    "leg": "trading.pair.leg",
    "reason_code": "trading.order.reject_code",
}
"""What verbs call a fact → what an order's event calls it, where that differs."""
_TRADED: Final = ("venue", "symbol", "strategy", "account")
_NOT_OF_EVENT: Final = {"complete", "expected_price"}


class EngineHooks:
    """The hooks, and what they tell."""

    def __init__(self, outlets: Outlets) -> None:
        self.outlets = outlets
        self._numbers = Numbers()

    @overload
    def cycle(self, number: F, /) -> F: ...

    @overload
    def cycle(
        self, number: int | None = None, strategy: str = "", ts: int | None = None, **facts: Any
    ) -> Cycle: ...

    def cycle(
        self, number: Any = None, strategy: str = "", ts: int | None = None, **facts: Any
    ) -> Any:
        """One turn of the trading loop: `with`, `async with`, or a decorator, bare too.

        CYCLE_START and CYCLE_END, a span between them that is the parent of all inside, cycles and
        their duration. What the body raises is told and passes on, the same object. Hooks inside
        take the strategy from it.

        Args:
            number: Which turn; counted by strategy, from 1, if left out.
            strategy: Whose.
            ts: Event time, nanoseconds since 1970, where it is not the clock's.
            facts: More, for span and events.
        """
        if callable(number):
            return Cycle(self.outlets, self._numbers, None, strategy, ts, facts)(number)
        return Cycle(self.outlets, self._numbers, number, strategy, ts, facts)

    @hook
    def decision(
        self,
        /,
        outcome: object,
        *,
        symbol: str = "",
        strategy: str = "",
        confidence: float | None = None,
        decision_id: str = "",
        ts: int | None = None,
        **facts: Any,
    ) -> None:
        """A strategy decided: counted by outcome, DECISION_MADE. `TRADE` is a trade of its symbol.

        Args:
            outcome: In the engine's own word: TRADE, HOLD …; a label.
            symbol: Of what; a label, as the next.
            strategy: Whose; the cycle's if left out.
            confidence: How sure it is, 0 to 1.
            decision_id: By which an order names it.
            ts: Event time, nanoseconds since 1970.
            facts: More, for the event.
        """
        word = _word(outcome)
        strategy = strategy or _strategy()
        engine = self.outlets.sets.engine
        engine.decision(word, strategy=strategy, symbol=symbol)
        if word.upper() == TRADE:
            # Decided, not done: what outcome it has is not known yet.
            engine.trade(symbol=symbol, strategy=strategy, outcome="")
        told = _given(
            symbol=symbol, strategy=strategy, confidence=confidence, decision_id=decision_id
        )
        _order_told(self.outlets.sets, "decided", {"outcome": word, **_given(ts=ts), **told})
        self._publish(EventType.DECISION_MADE, facts | {"action": word} | told, ts)

    @hook
    def on_trade(
        self,
        /,
        status: object,
        *,
        symbol: str = "",
        side: object = "",
        strategy: str = "",
        currency: str = "",
        ts: int | None = None,
        **facts: Any,
    ) -> None:
        """An order went a step: counted by its labels, and the step's event (TRADE_FILLED …).

        A fill's value counts where `currency` is told. Trades are counted by `decision`, not here.

        Args:
            status: submitted, acknowledged, partially_filled, filled, rejected, cancelled, expired;
                text, or an enumeration's member.
            symbol: Of what.
            side: buy, sell …
            strategy: Whose; the cycle's if left out.
            currency: Of price and fee.
            ts: Event time, nanoseconds since 1970.
            facts: `client_id` (ties an order's steps together), `venue`, `account`, `type`,
                `quantity`, `price` (of a fill: of this execution), `expected_price`, `complete`,
                `cumulative`, `leaves`, `execution_id`, `fee`, `order_id`, `reason`, `reason_code`
                (a label: few words), `decision_id`, `pair_id`, `leg`; others go to the event.
        """
        step = step_of(status)
        sets = self.outlets.sets
        if step.verb == "filled":
            facts.setdefault("complete", _is_complete(facts, step.complete))
        told = _given(
            symbol=symbol,
            side=_word(side).lower(),
            strategy=strategy or _strategy(),
            currency=currency,
            **facts,
        )
        data = _facts_of(step.event, told)
        if step.verb == "expired":
            data.setdefault("reason", "expired")
        taken = _order_told(sets, step.verb, told | _given(ts=ts), data)
        if not taken.news:
            return
        if step.verb == "filled" and currency and "price" in told and "quantity" in told:
            labels = {name: told[name] for name in _TRADED if name in told}
            value = abs(told["price"] * told["quantity"])
            sets.engine.traded(value, currency=currency, **labels)
        if not taken.published:
            self._publish(step.event, data, ts)

    @hook
    def on_error(
        self,
        /,
        error: object,
        *,
        context: Mapping[str, Any] | None = None,
        strategy: str = "",
        venue: str = "",
        symbol: str = "",
    ) -> None:
        """Something went wrong, handled or not: counted by its type, ERROR.

        Args:
            error: An exception, or a few words (which are a label then).
            context: What the engine says about it.
            strategy: Whose; the cycle's if left out.
            venue: Where.
            symbol: Of what.
        """
        strategy = strategy or _strategy()
        self.outlets.sets.engine.error(error, strategy=strategy, venue=venue)
        data = _given(strategy=strategy, venue=venue, symbol=symbol)
        held = dict(context) if context else {}
        self._publish(EventType.ERROR, {"error": error, "context": held} | data, None)

    @hook
    def on_engine_start(self, /, **facts: Any) -> None:
        """The engine started: ENGINE_START. `facts`: strategy, account."""
        self._publish(EventType.ENGINE_START, facts, None)

    @hook
    def on_engine_stop(self, /, reason: str = "", **facts: Any) -> None:
        """The engine stopped, and why: ENGINE_STOP."""
        self._publish(EventType.ENGINE_STOP, facts | _given(reason=reason), None)

    @hook
    def on_kill_switch(
        self,
        /,
        reason: str,
        value: float | None = None,
        limit: float | None = None,
        *,
        ts: int | None = None,
        **facts: Any,
    ) -> None:
        """All trading was stopped: KILL_SWITCH_TRIGGERED, critical, audited.

        Args:
            reason: In a few words.
            value: What passed the limit.
            limit: The limit, in the same unit.
            ts: Event time, nanoseconds since 1970.
            facts: strategy, account …
        """
        data = facts | {"reason": reason} | _given(value=value, limit=limit)
        self._publish(EventType.KILL_SWITCH_TRIGGERED, data, ts)

    @hook
    def on_quote(
        self,
        /,
        symbol: str,
        *,
        venue: str = "",
        ts: int | None = None,
        received: int | None = None,
        sequence: int | None = None,
    ) -> None:
        """Market data came: updates, latency, gaps; no event, for there are too many.

        Args:
            symbol: Of what.
            venue: From where.
            ts: When it happened there, nanoseconds since 1970.
            received: When it came here; now if left out.
            sequence: The venue's number of it, by venue and symbol.
        """
        sets = self.outlets.sets
        sets.feed.update(venue, symbol, ts, received, sequence=sequence)
        told = {"symbol": symbol, "venue": venue} | _given(ts_event=ts, ts_init=received)
        _order_told(sets, "tick", told)

    @hook
    def on_portfolio(self, /, *, currency: str, strategy: str = "", **amounts: Any) -> None:
        """The account was valued; see `sets.portfolio.update`.

        Args:
            currency: Of all amounts.
            strategy: Whose; the whole account's if left out, the cycle's is not taken.
            amounts: `value`, `cash`, `pnl`, `daily_pnl`, `realised_pnl`, `unrealised_pnl`,
                `commission`, `exposure_gross`, `exposure_net`, `positions`, `leverage`; and the
                labels `account`, `venue`. None: left as it was.
        """
        self.outlets.sets.portfolio.update(currency=currency, strategy=strategy, **amounts)

    def _publish(self, event_type: EventType, data: dict[str, Any], ts: int | None) -> None:
        event = Event(event_type, data=data, severity=declaration_of(event_type).severity)
        if ts is not None:
            data["event_time"] = ts
            event.timestamp = _EPOCH + timedelta(microseconds=ts // 1_000)
        self.outlets.bus.publish(event)


def _given(**facts: Any) -> dict[str, Any]:
    """What was said: neither None nor an empty text."""
    return {name: value for name, value in facts.items() if value is not None and value != ""}


def _facts_of(event: EventType, told: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as an order's event has them; what the conventions know and it does not have is out."""
    allowed = EVENTS[event.value].attributes
    named = {_BY_EVENT.get(k, k): v for k, v in told.items() if k not in _NOT_OF_EVENT}
    return {k: v for k, v in named.items() if k in allowed or k not in ATTRIBUTES}


def _word(value: object) -> str:
    """A text, or the name of an enumeration's member."""
    if type(value) is str:
        return value
    name = getattr(value, "name", None)
    return name if isinstance(name, str) else str(value)


def _strategy() -> str:
    turn = current_turn()
    return "" if turn is None else turn.strategy


def _is_complete(facts: Mapping[str, Any], said: bool | None) -> bool | None:
    """Whether an order is done with a fill; where its quantities are told they decide."""
    leaves = facts.get("leaves")
    return said if leaves is None else leaves <= 0


HOOKS: Final = EngineHooks(Outlets())
"""The process's own."""
