"""The book of journeys: those that are open, and the latest that ended; both bounded.

Also the gauge of open orders, and the table that outlives the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from tradespan.core.forks import after_fork_in_child
from tradespan.core.orders import OpenOrder, OpenOrders
from tradespan.signals.orders.journey import Journey
from tradespan.signals.orders.moments import Moment

MOST_OPEN: Final = 10_000
MOST_ENDED: Final = 1_000

Standing = Callable[[int, tuple[str, str, str]], None]
"""Told how many orders stand, by venue, strategy and account."""


class Book:
    """Journeys by each of their client ids. Whoever calls it holds `lock`."""

    def __init__(self, table: Callable[[], OpenOrders | None], stand: Standing) -> None:
        """`table`: the one that outlives the process, None without one; `stand`: the gauge."""
        self.lock = threading.RLock()
        """Re-entrant: a signal handler may send an order."""
        self._table = table
        self._stand = stand
        self._open: dict[str, Journey] = {}
        self._ended: dict[str, Journey] = {}
        self._by_order: dict[tuple[str, str], str] = {}
        self._counts: dict[tuple[str, str, str], int] = {}
        after_fork_in_child(self._begin_anew)

    def find(self, client_id: str, order_id: str = "", venue: str = "") -> Journey | None:
        """By a client id, or else by the venue's id."""
        if not client_id and order_id:
            by_order = self._by_order
            client_id = by_order.get((venue, order_id), "") or by_order.get(("", order_id), "")
        return self._open.get(client_id) or self._ended.get(client_id)

    def for_submission(self, client_id: str) -> Journey:
        """The journey that a submission begins, or belongs to.

        A client id whose order was submitted and has ended, or was an earlier run's, names another
        one now.
        """
        found = self._open.get(client_id)
        if found is not None and found.adopted:
            self._uncount(found)
            for each in found.client_ids:
                self._forget(self._open, each)
            found = None
        if found is None:
            found = self._ended.get(client_id)
            if found is None or found.submitted:
                return self._add(Journey(client_id))
        return found

    def for_message(self, client_id: str, order_id: str, venue: str) -> tuple[Journey, bool]:
        """The journey that a later message belongs to, and whether it is unknown so far."""
        found = self.find(client_id, order_id, venue)
        if found is not None:
            return found, False
        table = self._table()
        row = None if table is None or not client_id else table.find(client_id)
        if row is not None:
            journey = journey_of(row)
            journey.elsewhere = True
            return self._add(journey), False
        return self._add(Journey(client_id or order_id, known=False)), True

    def for_replacement(self, client_id: str, original: str) -> tuple[Journey, bool]:
        """One journey for both ids, and whether it is unknown so far."""
        journey, unknown = self.for_message(original, "", "")
        other = self.find(client_id)
        if other is not None and other is not journey:
            journey.merge(other)
            self._uncount(other)
            for each in other.client_ids:
                self._drop(each)
                self._open.pop(each, None)
                self._ended.pop(each, None)
            if journey.ended and not unknown:
                self._ended[client_id] = journey
        elif client_id in self._ended:
            del self._ended[client_id]
        for each in (client_id, *journey.client_ids):
            if each not in self._ended:
                self._open[each] = journey
        return journey, unknown and (other is None or not other.known)

    def changed(self, journey: Journey, at: Moment, *, renamed: tuple[str, ...] = ()) -> None:
        """A message was applied to it: it stands, or has ended."""
        if journey.order_id:
            self._name(journey)
        for each in renamed:
            self._drop(each)
        if journey.ended:
            ids = journey.client_ids
            for each in ids:
                if self._open.pop(each, None) is not None:
                    self._ended.pop(each, None)
                    self._ended[each] = journey
            self._uncount(journey)
            self._drop(ids[0])
            while len(self._ended) > MOST_ENDED:
                self._forget(self._ended, next(iter(self._ended)))
            return
        if journey.known and not journey.elsewhere:
            self._count(journey)
            table = self._table()
            if table is not None:
                table.put(row_of(journey, at))

    def standing(self) -> list[Journey]:
        """Those that are open, the oldest first; unknown ones are not among them."""
        return list({id(each): each for each in list(self._open.values()) if each.known}.values())

    def adopt(self, now: Moment) -> list[Journey]:
        """Take over what earlier runs left open."""
        table, adopted = self._table(), []
        for row in () if table is None else table.adopt():
            if row.client_id in self._open:
                continue
            journey = self._add(journey_of(row))
            journey.since = now.mono
            adopted.append(journey)
            self.changed(journey, now)
        return adopted

    def _add(self, journey: Journey) -> Journey:
        client_id = journey.client_id
        self._ended.pop(client_id, None)
        if len(self._open) >= MOST_OPEN:
            oldest = self._open[next(iter(self._open))]
            self._uncount(oldest)
            self._drop(oldest.client_id)
            for each in oldest.client_ids:
                self._forget(self._open, each)
        self._open[client_id] = journey
        return journey

    def _drop(self, client_id: str) -> None:
        table = self._table()
        if table is not None:
            table.drop(client_id)

    def _name(self, journey: Journey) -> None:
        for venue in {journey.venue, ""}:
            self._by_order[venue, journey.order_id] = journey.client_id

    def _forget(self, held: dict[str, Journey], client_id: str) -> None:
        gone = held.pop(client_id, None)
        if gone is not None and gone.order_id:
            for venue in {gone.venue, ""}:
                if self._by_order.get((venue, gone.order_id)) in gone.client_ids:
                    del self._by_order[venue, gone.order_id]

    def _count(self, journey: Journey) -> None:
        if journey.counted is None:
            key = journey.counted = (journey.venue, journey.strategy, journey.account)
            self._tell(key, 1)

    def _uncount(self, journey: Journey) -> None:
        key, journey.counted = journey.counted, None
        if key is not None:
            self._tell(key, -1)

    def _tell(self, key: tuple[str, str, str], more: int) -> None:
        count = self._counts[key] = max(self._counts.get(key, 0) + more, 0)
        self._stand(count, key)

    def _begin_anew(self) -> None:
        """In a forked child: the parent's orders can be linked to, and the parent counts them."""
        self.lock = threading.RLock()
        self._counts = {}
        for journey in (*self._open.values(), *self._ended.values()):
            journey.counted, journey.stuck, journey.elsewhere = None, True, True


def row_of(journey: Journey, at: Moment) -> OpenOrder:
    """What the table has of it."""
    quantity, price = journey.quantity, journey.price
    submit = journey.stages.get("submit")
    return OpenOrder(
        journey.client_id, journey.order_id, journey.symbol, journey.venue, journey.strategy,
        journey.account, journey.side, journey.type, journey.state,
        "" if quantity is None else str(quantity), str(journey.cumulative),
        "" if price is None else str(price), 0 if submit is None else submit.ns, at.ns,
        journey.trace_id.to_bytes(16, "big"), journey.span_id, journey.pair_id,
    )  # fmt: skip


def journey_of(row: OpenOrder) -> Journey:
    """A journey that an earlier run began. Its times are on no clock of ours."""
    journey = Journey(row.client_id)
    journey.learn({name: getattr(row, name) for name in (
        "order_id", "symbol", "venue", "strategy", "account", "side", "type", "pair_id",
    )})  # fmt: skip
    journey.restore(
        row.state,
        Moment(wall=row.submitted),
        quantity=_number(row.quantity),
        price=_number(row.price),
        cumulative=_number(row.cumulative),
    )
    journey.trace_id, journey.span_id = int.from_bytes(row.trace_id, "big"), row.span_id
    return journey


def _number(text: str) -> Decimal | int | None:
    """A quantity as a row has it; None where it has none."""
    if not text:
        return None
    return int(text) if text.isdecimal() else Decimal(text)
