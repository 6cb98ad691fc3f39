# long: one order's state, and each message that changes it
"""One order's journey: what its messages say, in whatever order they come, once or twice.

A pure state machine, without clock and instruments. Its state follows from the set of messages, not
from their order: a fill may come before the acknowledgement, twice, or after the cancel that it
crossed. States are FIX's, as `trading.order.status` has them.

An order that is replaced goes on: it is one journey, known by all its client ids, and in the state
of the latest (FIX 4.4; its OrdStatus has no "replaced").
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from tradespan.signals.orders.amounts import EXACT, INT, Number, exact, quotient, shown
from tradespan.signals.orders.moments import Moment, legs_between

MOST_FILLS: Final = 1_000
"""Fills of one order that are recognised when they come again."""
ENDED: Final = frozenset({"filled", "canceled", "rejected", "expired"})
TEXTS: Final = (
    "symbol", "venue", "strategy", "account", "side", "type", "order_id", "pair_id", "leg",
    "decision_id", "currency",
)  # fmt: skip
"""What is known of an order as text; what was said first stands."""
_ZERO: Final = Decimal(0)


class Fill(NamedTuple):
    """One execution."""

    quantity: Number | None = None
    price: Number | None = None
    execution_id: str = ""
    cumulative: Number | None = None
    leaves: Number | None = None
    complete: bool | None = None
    fee: Number | None = None


class _Version(NamedTuple):
    """What one client id was told to trade."""

    original: str = ""
    """The client id in whose place it stands."""
    quantity: Decimal | None = None
    price: Decimal | None = None


_NO_VERSION: Final = _Version()
_MERGED: Final = (
    "known", "submitted", "acknowledged", "cancel_requested", "rejected", "expired", "_gone",
    "_complete", "reason", "trace_id", "span_id",
)  # fmt: skip


class Journey:
    """What is known of one order. Its book (`book.py`) holds a lock while it changes."""

    __slots__ = (
        *TEXTS,
        "_before", "_complete", "_cumulative", "_facts", "_fees", "_fills", "_gone", "_kind",
        "_leaves", "_notional", "_price_kind", "_priced", "_seen", "_versions",
        "acknowledged", "adopted", "cancel_requested", "counted", "decision", "elsewhere",
        "expected_price",
        "expired", "fill_count", "known", "reason", "recorded", "rejected", "since", "span_id",
        "stages", "stuck", "submitted", "trace_id",
    )  # fmt: skip

    def __init__(self, client_id: str, *, known: bool = True) -> None:
        """`known`: whether its submission is; else it was learnt of from a later message."""
        self.symbol = self.venue = self.strategy = self.account = self.side = self.type = ""
        self.order_id = self.pair_id = self.leg = self.decision_id = self.currency = ""
        self.known = known
        self.submitted = self.acknowledged = self.cancel_requested = False
        self.rejected = self.expired = self._gone = self._complete = False
        self.reason = ""
        self.expected_price: Any = None
        self.stages: dict[str, Moment] = {}
        """`tick`, `decision`, `check`, `submit`, `ack`, `fill` (the first), `last_fill` …"""
        self.trace_id = self.span_id = 0
        """Of the span that sent it."""
        self.decision: tuple[int, int] = (0, 0)
        """Trace and span of the decision."""
        self.fill_count = 0
        self.recorded: set[str] = set()
        """Legs that the histogram has."""
        self.counted: tuple[str, str, str] | None = None
        """Under which labels it stands in the gauge of open orders."""
        self.since: float | None = None
        """By the monotonic clock, seconds: since when an acknowledgement is waited for."""
        self.stuck = False
        self.adopted = False
        """Whether an earlier run sent it."""
        self.elsewhere = False
        """Whether another process sent it, counts it and has it in its table."""
        self._versions: dict[str, _Version] = {client_id: _NO_VERSION}
        self._kind = self._price_kind = INT
        self._cumulative = self._notional = self._priced = self._fees = _ZERO
        self._seen: Decimal | None = None
        self._before: Decimal | None = None
        self._leaves: Decimal | None = None
        self._fills: dict[Any, Fill] = {}
        self._facts: dict[Any, str] = {}

    # ── what it is ──────────────────────────────────────────────────────────────────────────────

    @property
    def client_id(self) -> str:
        """The latest of its client ids."""
        versions = self._versions
        if len(versions) == 1:
            return next(iter(versions))
        replaced = {each.original for each in versions.values()}
        return next(
            (one for one in reversed(versions) if one not in replaced), next(iter(versions))
        )

    @property
    def client_ids(self) -> tuple[str, ...]:
        """All of them, the latest first."""
        if len(self._versions) == 1:
            return tuple(self._versions)
        found, each = [], self.client_id
        while each in self._versions and each not in found:
            found.append(each)
            each = self._versions[each].original
        return (*found, *(one for one in self._versions if one not in found))

    @property
    def quantity(self) -> Number | None:
        """How much is to be traded, by the latest version that said so."""
        found = self._ordered()
        return None if found is None else shown(found, self._kind)

    @property
    def price(self) -> Number | None:
        """Its limit, by the latest version that said so."""
        for each in self.client_ids:
            found = self._versions[each].price
            if found is not None:
                return shown(found, self._price_kind)
        return None

    @property
    def cumulative(self) -> Number:
        """How much was traded: the sum of the fills, or what a report said if that is more."""
        return shown(self._traded(), self._kind)

    @property
    def leaves(self) -> Number | None:
        """How much still stands; 0 at the end, None if nobody said."""
        if self.ended:
            return shown(_ZERO, self._kind)
        ordered = self._ordered()
        if ordered is not None:
            return shown(max(ordered - self._traded(), _ZERO), self._kind)
        return None if self._leaves is None else shown(self._leaves, self._kind)

    @property
    def average_price(self) -> Number | None:
        """Of the fills that had a price and a quantity; None without one."""
        return quotient(self._notional, self._priced, self._price_kind) if self._priced else None

    @property
    def fees(self) -> Number:
        """What its fills cost."""
        return shown(self._fees, self._price_kind)

    @property
    def state(self) -> str:
        """One of `trading.order.status`."""
        for state, holds in (
            ("filled", self._is_filled()),
            ("rejected", self.rejected),
            ("canceled", self._gone),
            ("expired", self.expired),
            ("pending_cancel", self.cancel_requested),
            ("partially_filled", self.fill_count or self._traded()),
        ):
            if holds:
                return state
        return "new" if self.acknowledged else "pending_new"

    @property
    def ended(self) -> bool:
        """Whether nothing of it stands any more. A fill may still come late."""
        return self.rejected or self._gone or self.expired or self._is_filled()

    @property
    def complete(self) -> bool | None:
        """Whether it is traded to the end; None: nobody said how much it is."""
        if self._is_filled():
            return True
        return None if self._ordered() is None and self._leaves is None else False

    @property
    def times(self) -> dict[str, int]:
        """When each stage was, nanoseconds UTC: event time if it had one, else the wall clock."""
        return {stage: at.ns for stage, at in self.stages.items() if at.ns}

    def legs(self) -> dict[str, float]:
        """Seconds that its parts took, by `trading.order.leg`; what is undefined is absent."""
        return legs_between(self.stages, several=self.fill_count > 1)

    def to_dict(self) -> dict[str, Any]:
        """What is known of it; what is not, is not there."""
        held = {
            "client_id": self.client_id,
            "state": self.state,
            **{name: getattr(self, name) for name in TEXTS},
            "quantity": self.quantity,
            "cumulative": self.cumulative,
            "leaves": self.leaves,
            "price": self.price,
            "average_price": self.average_price,
            "times": self.times,
        }
        return {name: value for name, value in held.items() if value not in (None, "")}

    # ── what comes ──────────────────────────────────────────────────────────────────────────────

    def learn(self, told: Mapping[str, str]) -> None:
        """Take the texts that were not known."""
        for name, value in told.items():
            if value and not getattr(self, name):
                setattr(self, name, value)

    def note_submitted(
        self,
        client_id: str,
        at: Moment,
        *,
        quantity: Any = None,
        price: Any = None,
        expected_price: Any = None,
    ) -> bool:
        """It is on its way. Whether that is news.

        Raises:
            TypeError, ValueError: A quantity or price is none.
        """
        before = self._versions.get(client_id, _NO_VERSION)
        if quantity is not None or price is not None:
            version = self._version(before.original, quantity, price)
            if not self.submitted:
                self._versions[client_id] = version
        if self.submitted:
            return False
        self.submitted = self.known = True
        self.expected_price = expected_price
        self.stages.setdefault("submit", at)
        return True

    def note_acknowledged(self, at: Moment) -> bool:
        """The venue has it. Whether that is news."""
        news, self.acknowledged = not self.acknowledged, True
        self._first("ack", at)
        return news

    def note_filled(self, fill: Fill, at: Moment) -> bool:
        """A part of it, or all, was traded. Whether that is news, and no repetition.

        Repetitions have the `execution_id` of an earlier one; without it the same `cumulative`, or
        else the same `leaves`, quantity and price. Without any of these all count.

        Raises:
            TypeError, ValueError: A number is none.
        """
        numbers = [None if each is None else exact(each) for each in (*fill[:2], *fill[3:5])]
        quantity, price, cumulative, leaves = numbers
        fee = None if fill.fee is None else exact(fill.fee)
        for each in (quantity, cumulative, leaves):
            self._kind = self._kind if each is None else max(self._kind, each[1])
        for each in (price, fee):
            self._price_kind = self._price_kind if each is None else max(self._price_kind, each[1])
        self._complete = self._complete or fill.complete is True
        if cumulative is not None:
            self._seen = max(self._seen or _ZERO, abs(cumulative[0]))
        if leaves is not None:
            self._leaves = leaves[0] if self._leaves is None else min(self._leaves, leaves[0])
        if self._is_repeated(fill, cumulative, leaves):
            return False
        self.fill_count += 1
        if quantity is not None:
            much = abs(quantity[0])
            self._cumulative = EXACT.add(self._cumulative, much)
            if price is not None:
                self._notional = EXACT.add(self._notional, EXACT.multiply(much, price[0]))
                self._priced = EXACT.add(self._priced, much)
        if fee is not None:
            self._fees = EXACT.add(self._fees, fee[0])
        self._first("fill", at)
        self._last("last_fill", at)
        return True

    def note_cancel_requested(self, at: Moment) -> bool:
        """Somebody wants the rest gone. Whether that is news."""
        news, self.cancel_requested = not self.cancel_requested, True
        self._first("cancel_request", at)
        return news

    def note_cancelled(self, at: Moment) -> bool:
        """The rest is gone. Whether that is news."""
        news, self._gone = not self._gone, True
        self._first("cancelled", at)
        return news

    def note_rejected(self, at: Moment, reason: str = "") -> bool:
        """It was not taken. Whether that is news."""
        news, self.rejected = not self.rejected, True
        self.reason = self.reason or reason
        self._first("rejected", at)
        return news

    def note_expired(self, at: Moment) -> bool:
        """Its time is over. Whether that is news."""
        news, self.expired = not self.expired, True
        self._first("expired", at)
        return news

    def note_replaced(
        self, client_id: str, original: str, at: Moment, quantity: Any = None, price: Any = None
    ) -> bool:
        """`client_id` stands in the place of `original`. Whether that is news.

        Raises:
            TypeError, ValueError: A quantity or price is none.
        """
        before = self._versions.get(client_id, _NO_VERSION)
        version = self._version(original, quantity, price)
        self._versions[client_id] = version._replace(
            quantity=before.quantity if version.quantity is None else version.quantity,
            price=before.price if version.price is None else version.price,
        )
        self._versions.setdefault(original, _NO_VERSION)
        self._last("replaced", at)
        return before.original != original

    def restore(
        self, state: str, at: Moment, *, quantity: Any, price: Any, cumulative: Any
    ) -> None:
        """Stand as the table of open orders has it.

        Raises:
            TypeError, ValueError: A number is none.
        """
        self.note_submitted(self.client_id, at, quantity=quantity, price=price)
        self.adopted = True
        self.acknowledged = state in ("new", "partially_filled", "pending_cancel")
        self.cancel_requested = state == "pending_cancel"
        if cumulative is not None:
            self._seen, kind = exact(cumulative)
            self._before = self._seen
            self._kind = max(self._kind, kind)

    def merge(self, other: Journey) -> None:
        """Take in what is known of the same order by another client id."""
        for client_id, version in other._versions.items():
            mine = self._versions.get(client_id, _NO_VERSION)
            self._versions[client_id] = _Version(
                mine.original or version.original,
                version.quantity if mine.quantity is None else mine.quantity,
                version.price if mine.price is None else mine.price,
            )
        self.learn({name: getattr(other, name) for name in TEXTS})
        for name in _MERGED:
            setattr(self, name, getattr(self, name) or getattr(other, name))
        if self.expected_price is None:
            self.expected_price = other.expected_price
        fill, last = other.stages.get("fill", Moment()), other.stages.get("last_fill", Moment())
        for each in other._fills.values():
            self.note_filled(each, fill)
        if other._fills:
            self._last("last_fill", last)
        for stage, at in other.stages.items():
            self._first(stage, at) if stage != "last_fill" else self._last(stage, at)

    # ── beneath ─────────────────────────────────────────────────────────────────────────────────

    def _version(self, original: str, quantity: Any, price: Any) -> _Version:
        much = cost = None
        if quantity is not None:
            number, kind = exact(quantity)
            much, self._kind = abs(number), max(self._kind, kind)
        if price is not None:
            cost, kind = exact(price)
            self._price_kind = max(self._price_kind, kind)
        return _Version(original, much, cost)

    def _ordered(self) -> Decimal | None:
        for each in self.client_ids if len(self._versions) > 1 else self._versions:
            found = self._versions[each].quantity
            if found is not None:
                return found
        return None

    def _traded(self) -> Decimal:
        known = self._cumulative
        if self._before is not None:
            known = EXACT.add(known, self._before)
        return known if self._seen is None else max(known, self._seen)

    def _is_filled(self) -> bool:
        if self._complete:
            return True
        if not self.fill_count:
            return False
        ordered = self._ordered()
        if ordered is not None and self._traded() >= ordered:
            return True
        # What is left of an order that was cancelled is 0 too (FIX's LeavesQty).
        return self._leaves is not None and self._leaves <= 0 and not (self._gone or self.expired)

    def _is_repeated(
        self,
        fill: Fill,
        cumulative: tuple[Decimal, int] | None,
        leaves: tuple[Decimal, int] | None,
    ) -> bool:
        fact: Any = None
        if cumulative is not None:
            fact = cumulative[0]
            if self._before is not None and fact <= self._before:
                return True  # an earlier run had it
        elif leaves is not None:
            fact = (leaves[0], fill.quantity, fill.price)
        name = fill.execution_id
        if name:
            again = name in self._fills or self._facts.get(fact, name) == ""
        else:
            again = fact in self._facts
        if not again or (name and name not in self._fills):
            _put(self._facts, fact, name)
            _put(self._fills, name or (fact, self.fill_count), fill)
        return again

    def _first(self, stage: str, at: Moment) -> None:
        before = self.stages.get(stage)
        if before is None or (before.ts is not None and at.ts is not None and at.ts < before.ts):
            self.stages[stage] = at

    def _last(self, stage: str, at: Moment) -> None:
        before = self.stages.get(stage)
        if before is None or before.ts is None or at.ts is None or at.ts >= before.ts:
            self.stages[stage] = at

    def __repr__(self) -> str:
        return f"<Journey {self.client_id} {self.state} {self.cumulative} of {self.quantity}>"


def _put(held: dict[Any, Any], key: Any, value: Any) -> None:
    """Remember, and forget the oldest of too many."""
    if key is None:
        return
    if len(held) >= MOST_FILLS:
        held.pop(next(iter(held)), None)
    held[key] = value
