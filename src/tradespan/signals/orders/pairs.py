"""Pairs: orders that belong together, such as the legs of an arbitrage, each an order of its own.

An edge is per unit, and the net profit of all, as plans of pairs have them:

    edge       = (proceeds of sells − cost of buys + payoff × quantity) ÷ quantity
    net profit = proceeds of sells − cost of buys + payoff × quantity − fees

over the quantity that all legs have traded. Both are undefined, and absent, where legs have traded
different quantities, or one has no side, price or quantity, and where all of them buy and nobody
says what one of each pays off at the end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from tradespan.core.forks import after_fork_in_child
from tradespan.declare import instruments as declared
from tradespan.declare.instruments import Instrument as Declaration
from tradespan.signals.events.bus import EventBus
from tradespan.signals.events.types import EventType
from tradespan.signals.metrics.instruments import Histogram
from tradespan.signals.orders.amounts import EXACT, Number, exact, quotient, shown
from tradespan.signals.orders.journey import Journey
from tradespan.signals.orders.moments import Moment, seconds_between
from tradespan.signals.sides import WAYS

MOST: Final = 1_000
_SOURCE: Final = "tradespan.orders"


class Pair:
    """One pair, and how far its legs have come."""

    def __init__(
        self,
        pair_id: str,
        *,
        strategy: str,
        legs: Sequence[str],
        expected_edge: Any,
        quantity: Any,
        currency: str,
        timeout: float,
        payoff: Any,
    ) -> None:
        self.pair_id = pair_id
        self.strategy = strategy
        self.legs: tuple[str, ...] = tuple(legs)
        """Their names; empty: whatever orders come with the pair's id."""
        self.expected_edge = expected_edge
        self.quantity = quantity
        self.currency = currency
        self.timeout = timeout
        """Seconds."""
        self.payoff = payoff
        self.orders: dict[str, Journey] = {}
        """By leg."""
        self.started: Moment | None = None
        self.completed = self.unhedged = False

    @property
    def traded(self) -> bool:
        """Whether all legs were traded to the end."""
        return self._all_there() and all(each.state == "filled" for each in self.orders.values())

    @property
    def over(self) -> bool:
        """Whether no leg stands any more."""
        return self._all_there() and all(each.ended for each in self.orders.values())

    @property
    def open_legs(self) -> list[str]:
        """Legs that were traded less than another one; empty: the pair is hedged."""
        names = [*self.orders, *(leg for leg in self.legs if leg not in self.orders)]
        much = [_traded(self.orders.get(leg)) for leg in names]
        most = max(much, default=Decimal(0))
        return [leg for leg, each in zip(names, much, strict=True) if each < most]

    @property
    def hedged(self) -> Number | None:
        """How much all legs have traded; None: they differ, or have none."""
        much = {_traded(each) for each in self.orders.values()}
        if not self._all_there() or len(much) != 1 or much == {Decimal(0)}:
            return None
        return next(iter(self.orders.values())).cumulative

    @property
    def net_profit(self) -> Number | None:
        """In `currency`, after fees; None where it is undefined."""
        found = self._brought()
        if found is None:
            return None
        brought, kind = found
        for each in self.orders.values():
            fee, fee_kind = exact(each.fees)
            brought, kind = EXACT.subtract(brought, fee), max(kind, fee_kind)
        return shown(brought, kind)

    @property
    def realised_edge(self) -> Number | None:
        """Per unit, in `currency`, before fees; None where it is undefined."""
        found, hedged = self._brought(), self.hedged
        if found is None or hedged is None:
            return None
        return quotient(found[0], exact(hedged)[0], found[1])

    def execution_time(self) -> float | None:
        """Seconds from sending the first order to the last fill."""
        return self._between("submit", "last_fill")

    def legs_gap(self) -> float | None:
        """Seconds from the first fill of the first leg to the first fill of the last one."""
        return self._between("fill", "fill") if len(self.orders) > 1 else None

    def holding_time(self) -> float | None:
        """Seconds from the first fill of any leg to the last fill of all: how long the position
        stood with less than all of its legs.
        """
        return self._between("fill", "last_fill")

    def to_dict(self) -> dict[str, Any]:
        """What is known; what is undefined is not there."""
        held = {
            "pair_id": self.pair_id,
            "strategy": self.strategy,
            "legs": {leg: each.client_id for leg, each in self.orders.items()},
            "expected_edge": self.expected_edge,
            "realised_edge": self.realised_edge,
            "quantity": self.quantity,
            "net_profit": self.net_profit,
            "currency": self.currency,
            "execution_time": self.execution_time(),
            "legs_gap": self.legs_gap(),
            "holding_time": self.holding_time(),
        }
        return {name: value for name, value in held.items() if value not in (None, "")}

    def _all_there(self) -> bool:
        return bool(self.orders) and all(leg in self.orders for leg in self.legs)

    def _brought(self) -> tuple[Decimal, int] | None:
        hedged = self.hedged
        if hedged is None:
            return None
        much, kind = exact(hedged)
        brought, sides = Decimal(0), set()
        for each in self.orders.values():
            price = each.average_price
            if price is None or not each.side:
                return None
            cost, cost_kind = exact(price)
            kind = max(kind, cost_kind)
            buys = WAYS.get(each.side, 0) > 0
            sides.add(buys)
            value = EXACT.multiply(much, cost)
            brought = EXACT.subtract(brought, value) if buys else EXACT.add(brought, value)
        if self.payoff is not None:
            payoff, payoff_kind = exact(self.payoff)
            return EXACT.add(brought, EXACT.multiply(much, payoff)), max(kind, payoff_kind)
        return (brought, kind) if len(sides) == 2 else None

    def _between(self, begin: str, end: str) -> float | None:
        """Between the earliest begin and the latest end of all orders, by one kind of clock."""
        begins = [each.stages[begin] for each in self.orders.values() if begin in each.stages]
        ends = [each.stages[end] for each in self.orders.values() if end in each.stages]
        if len(begins) != len(self.orders) or len(ends) != len(self.orders) or not begins:
            return None
        if all(each.ts is not None for each in (*begins, *ends)):
            first = min(begins, key=lambda each: each.ts or 0)
            return seconds_between(first, max(ends, key=lambda each: each.ts or 0))
        if any(each.mono is None for each in (*begins, *ends)):
            return None
        began = min(each.mono or 0.0 for each in begins)
        return max(each.mono or 0.0 for each in ends) - began


class Pairs:
    """The latest 1,000, and their events."""

    def __init__(self, bus: EventBus, make: Callable[[Declaration], Any]) -> None:
        self._bus = bus
        self._durations: Histogram = make(declared.TRADING_PAIR_EXECUTION_DURATION)
        self._gaps: Histogram = make(declared.TRADING_PAIR_LEGS_GAP)
        self._pairs: dict[str, Pair] = {}
        self._lock = threading.RLock()
        after_fork_in_child(self._begin_anew)

    def plan(self, pair: Pair, *, publish: bool = True, ts: int | None = None) -> Pair:
        """A pair is to be traded. A pair that is known stays as it is."""
        with self._lock:
            known = self._pairs.get(pair.pair_id)
            if known is not None and not known.completed:
                return known
            if len(self._pairs) >= MOST and known is None:
                self._pairs.pop(next(iter(self._pairs)), None)
            self._pairs[pair.pair_id] = pair
        if publish:
            data = _facts(pair, ts)
            data["trading.pair.edge.expected"] = pair.expected_edge
            data["trading.pair.quantity"] = pair.quantity
            self._tell(EventType.PAIR_PLANNED, data)
        return pair

    def get(self, pair_id: str) -> Pair | None:
        """The pair of an id."""
        return self._pairs.get(pair_id)

    def sent(self, journey: Journey, at: Moment) -> None:
        """An order of a pair is on its way. A pair that nobody planned is not known."""
        pair = self._pairs.get(journey.pair_id)
        if pair is None:
            return
        with self._lock:
            pair.orders[_leg_of(journey, pair)] = journey
            starts, pair.started = pair.started is None, pair.started or at
        if starts:
            data = _facts(pair, at.ts)
            data["trading.pair.timeout"] = pair.timeout
            self._tell(EventType.PAIR_STARTED, data)

    def changed(self, journey: Journey, at: Moment) -> None:
        """A message of one of its orders came."""
        pair = self._pairs.get(journey.pair_id)
        if pair is None or not pair.over:
            return
        with self._lock:
            if pair.completed:
                return
            pair.completed = True
        if pair.open_legs:
            self._tell_unhedged(pair, at.ts)
        self._tell_completed(pair, at.ts)

    def look(self, now: float) -> None:
        """See whose time is over. `now`: the monotonic clock, seconds."""
        for pair in list(self._pairs.values()):
            started = pair.started
            if pair.completed or pair.unhedged or started is None or started.mono is None:
                continue
            if now - started.mono >= pair.timeout and pair.open_legs:
                self._tell_unhedged(pair, None)

    def _tell_unhedged(self, pair: Pair, ts: int | None) -> None:
        with self._lock:
            if pair.unhedged:
                return
            pair.unhedged = True
        leg = pair.open_legs[0]
        order = pair.orders.get(leg)
        data = _facts(pair, ts) | {"leg": leg}
        if order is not None:
            data |= {"trading.symbol": order.symbol, "trading.venue": order.venue}
        self._tell(EventType.PAIR_UNHEDGED, data)

    def _tell_completed(self, pair: Pair, ts: int | None) -> None:
        took, gap = pair.execution_time(), pair.legs_gap()
        if took is not None and pair.traded:
            self._durations.labels(pair.strategy).record(took)
        if gap is not None:
            self._gaps.labels(pair.strategy).record(gap)
        data = _facts(pair, ts) | {
            "success": pair.traded,
            "trading.pair.quantity": pair.quantity if pair.hedged is None else pair.hedged,
            "trading.pair.edge.realised": pair.realised_edge,
            "trading.pair.net_profit": pair.net_profit,
            "trading.pair.duration": took,
        }
        self._tell(EventType.PAIR_COMPLETED, data)

    def _tell(self, event: EventType, data: dict[str, Any]) -> None:
        held = {name: value for name, value in data.items() if value not in (None, "")}
        self._bus.emit(event, held, source=_SOURCE)

    def _begin_anew(self) -> None:
        """In a forked child: the parent's pairs are the parent's to tell of."""
        self._lock = threading.RLock()
        self._pairs = {}


def _facts(pair: Pair, ts: int | None) -> dict[str, Any]:
    return {
        "pair_id": pair.pair_id,
        "strategy": pair.strategy,
        "currency": pair.currency,
        "event_time": ts,
    }


def _leg_of(journey: Journey, pair: Pair) -> str:
    """Its name: as the order says, or else as the plan has the legs, one after the other."""
    if journey.leg:
        return journey.leg
    left = [leg for leg in pair.legs if leg not in pair.orders]
    return left[0] if left else journey.venue or journey.client_id


def _traded(journey: Journey | None) -> Decimal:
    return Decimal(0) if journey is None else exact(journey.cumulative)[0]
