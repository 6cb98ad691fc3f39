"""A strategy on a random walk: short functions, as backtests in Python call them by the million."""

from __future__ import annotations

from collections import deque

BARS = 2_000
FAST, SLOW = 10, 40


class Average:
    """A moving average."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._values: deque[float] = deque()
        self._sum = 0.0

    def add(self, value: float) -> float:
        """The average with one more value."""
        self._values.append(value)
        self._sum += value
        if len(self._values) > self._length:
            self._sum -= self._values.popleft()
        return self._sum / len(self._values)


class Book:
    """Cash and a position."""

    def __init__(self) -> None:
        self.cash = 100_000.0
        self.position = 0.0
        self.trades = 0

    def trade(self, quantity: float, price: float) -> None:
        """Buy, or sell what is negative."""
        self.cash -= quantity * price
        self.position += quantity
        self.trades += 1

    def value(self, price: float) -> float:
        """What it is worth."""
        return self.cash + self.position * price


class Walk:
    """A price that moves a little, the same way in each run."""

    def __init__(self) -> None:
        self._state = 20_261_121
        self.price = 100.0

    def step(self) -> float:
        """The next price."""
        self._state = (self._state * 1_103_515_245 + 12_345) % (1 << 31)
        self.price *= 1 + (self._state / (1 << 31) - 0.5) / 500
        return self.price


def target(fast: float, slow: float) -> float:
    """The position to hold."""
    return 10.0 if fast > slow else 0.0


def on_bar(walk: Walk, fast: Average, slow: Average, book: Book) -> float:
    """One bar: what the book is worth behind it."""
    price = walk.step()
    wanted = target(fast.add(price), slow.add(price))
    if wanted != book.position:
        book.trade(wanted - book.position, price)
    return book.value(price)


def run() -> int:
    """One pass; how many calls of these functions it was."""
    walk, fast, slow, book = Walk(), Average(FAST), Average(SLOW), Book()
    for _ in range(BARS):
        on_bar(walk, fast, slow, book)
    return BARS * 6 + book.trades + 1
