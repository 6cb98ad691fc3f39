"""What a position was bought or sold for, part by part: first in first out, or at average cost.

Costs are signed as quantities are: what is held long has cost something, what is held short has
brought something. A cost is never computed anew from a price: what a part takes away is what the
rest lacks, so that the parts add up exactly, also where a quotient had to be rounded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Final, Protocol

from tradespan.signals.analytics.exact import (
    ZERO,
    add,
    divide,
    divide_shortly,
    is_in_range,
    multiply,
    round_quantity,
    subtract,
)

MOST_LOTS: Final = 10_000
"""Of a position. Beyond it the two oldest become one, at their average cost."""

Lot = tuple[Decimal, Decimal, "Decimal | None"]
"""Quantity, cost, and cost of one; None where it is an average."""


class Lots(Protocol):
    """What is held of one position."""

    quantity: Decimal
    cost: Decimal
    merged: int
    """How often two lots of different prices became one, for want of room."""

    def put(self, quantity: Decimal, unit: Decimal) -> None:
        """Add, in the direction of what is held, at `unit` for one (price × multiplier)."""
        ...

    def take(self, quantity: Decimal) -> Decimal:
        """Take away, of the sign of what is held and no more than that; returns its cost."""
        ...

    def give(self, quantity: Decimal) -> list[Lot]:
        """As `take`; returns the lots themselves."""
        ...

    def receive(self, lot: Lot) -> None:
        """Add a lot that another position gave."""
        ...

    def replace(self, lots: list[Lot]) -> None:
        """Hold these instead."""
        ...

    def lots(self) -> list[Lot]:
        """What is held, oldest first."""
        ...

    def count(self) -> int:
        """How many lots there are."""
        ...


def split(cost: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """The cost of a part, by quantity."""
    return divide(multiply(cost, part), whole)


class AverageCost:
    """One pool: each part costs what the average does."""

    __slots__ = ("cost", "merged", "quantity")

    def __init__(self) -> None:
        self.quantity = self.cost = ZERO
        self.merged = 0

    def put(self, quantity: Decimal, unit: Decimal) -> None:
        """See `Lots`."""
        self.quantity = add(self.quantity, quantity)
        self.cost = add(self.cost, multiply(quantity, unit))

    def take(self, quantity: Decimal) -> Decimal:
        """See `Lots`."""
        if quantity == self.quantity:
            taken, self.quantity, self.cost = self.cost, ZERO, ZERO
            return taken
        taken = split(self.cost, quantity, self.quantity)
        self.quantity = subtract(self.quantity, quantity)
        self.cost = subtract(self.cost, taken)
        return taken

    def give(self, quantity: Decimal) -> list[Lot]:
        """See `Lots`."""
        return [(quantity, self.take(quantity), None)]

    def receive(self, lot: Lot) -> None:
        """See `Lots`."""
        self.quantity = add(self.quantity, lot[0])
        self.cost = add(self.cost, lot[1])

    def replace(self, lots: list[Lot]) -> None:
        """See `Lots`."""
        self.quantity = self.cost = ZERO
        for lot in lots:
            self.receive(lot)

    def lots(self) -> list[Lot]:
        """See `Lots`."""
        return [(self.quantity, self.cost, None)] if self.quantity else []

    def count(self) -> int:
        """See `Lots`."""
        return int(bool(self.quantity))


class FirstInFirstOut:
    """Lots in the order of their arrival; neighbours of one price are one lot."""

    __slots__ = ("_lots", "cost", "merged", "quantity")

    def __init__(self) -> None:
        self.quantity = self.cost = ZERO
        self.merged = 0
        self._lots: deque[Lot] = deque()

    def put(self, quantity: Decimal, unit: Decimal) -> None:
        """See `Lots`."""
        self.receive((quantity, multiply(quantity, unit), unit))

    def receive(self, lot: Lot) -> None:
        """See `Lots`."""
        quantity, cost, unit = lot
        self.quantity = add(self.quantity, quantity)
        self.cost = add(self.cost, cost)
        lots = self._lots
        if lots and unit is not None and lots[-1][2] == unit:
            last = lots[-1]
            lots[-1] = (add(last[0], quantity), add(last[1], cost), unit)
            return
        lots.append(lot)
        if len(lots) > MOST_LOTS:
            first, second = lots.popleft(), lots.popleft()
            lots.appendleft((add(first[0], second[0]), add(first[1], second[1]), None))
            self.merged += 1

    def take(self, quantity: Decimal) -> Decimal:
        """See `Lots`."""
        cost = ZERO
        for lot in self.give(quantity):
            cost = add(cost, lot[1])
        return cost

    def give(self, quantity: Decimal) -> list[Lot]:
        """See `Lots`."""
        given: list[Lot] = []
        lots, left = self._lots, quantity
        while left:
            first = lots[0]
            if first[0].copy_abs() <= left.copy_abs():
                lot = lots.popleft()
            else:
                unit = first[2]
                cost = split(first[1], left, first[0]) if unit is None else multiply(left, unit)
                lot = (left, cost, unit)
                lots[0] = (subtract(first[0], left), subtract(first[1], cost), unit)
            given.append(lot)
            left = subtract(left, lot[0])
            self.cost = subtract(self.cost, lot[1])
        self.quantity = subtract(self.quantity, quantity)
        return given

    def replace(self, lots: list[Lot]) -> None:
        """See `Lots`."""
        self.quantity = self.cost = ZERO
        self._lots.clear()
        for lot in lots:
            self.receive(lot)

    def lots(self) -> list[Lot]:
        """See `Lots`."""
        return list(self._lots)

    def count(self) -> int:
        """See `Lots`."""
        return len(self._lots)


def stretch(lot: Lot, new: Decimal, old: Decimal) -> Lot:
    """A lot after a split: `new` for each `old`, at the same cost.

    Raises:
        ValueError: Nothing would be left of it, or it would be too large to count with.
    """
    quantity = round_quantity(divide_shortly(multiply(lot[0], new), old))
    if not is_in_range(quantity):
        raise ValueError(f"a split of {new} for {old} leaves no quantity to count with")
    return quantity, lot[1], None


METHODS: Final[dict[str, Callable[[], Lots]]] = {"fifo": FirstInFirstOut, "average": AverageCost}
