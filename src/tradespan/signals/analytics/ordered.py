"""Numbers in order: insert, remove, rank, the k-th, the sum of the k smallest, in O(log n) each.

A B+ tree whose inner nodes know how many numbers each child has, the smallest of them, and their
sum. A sum is computed anew from the numbers below once they have changed, never adjusted: what is
told depends on what is held, not on the way there, so that nothing drifts.

Measured (one core, CPython 3.11): docs/guides/risk-figures.md has the table.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from itertools import chain
from math import fsum
from typing import Final

WIDTH: Final = 256
"""Most numbers of a leaf: the usual window of a year is one."""
_NARROWER: Final = 4
"""An inner node has so many times fewer children: its columns are walked by the interpreter."""
_FEWEST: Final = 4


class OrderedNumbers:
    """A sorted multiset of finite floats.

    NaN has no place in an order: who inserts refuses it. Not safe for threads by itself.
    """

    __slots__ = ("_root", "_size", "_width")

    def __init__(self, width: int = WIDTH) -> None:
        """`width`: most numbers of a leaf, at least 4; small ones make deep trees, for tests."""
        self._width = width
        self._root: _Leaf | _Inner = _Leaf([])
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[float]:
        """In ascending order; while nothing changes."""
        return self._root.walk()

    def insert(self, number: float) -> None:
        """Take a number in."""
        root = self._root
        root.insert(number, self._width)
        self._size += 1
        if root.width > root.most(self._width):
            self._root = _Inner([root, root.halve()])

    def remove(self, number: float) -> None:
        """Let one number go.

        Raises:
            ValueError: It is not there.
        """
        self._root.remove(number, self._width)
        self._size -= 1
        while isinstance(self._root, _Inner) and self._root.width == 1:
            self._root = self._root.children[0]

    def select(self, index: int) -> float:
        """The number at a place, 0 for the smallest.

        Raises:
            IndexError: There are not so many, or `index` is negative.
        """
        if not 0 <= index < self._size:
            raise IndexError(f"no number at {index} of {self._size}")
        return self._root.select(index)

    def rank(self, number: float) -> int:
        """How many are smaller."""
        return self._root.count_below(number)

    def rank_with(self, number: float) -> int:
        """How many are smaller or equal."""
        return self._root.count_up_to(number)

    def smallest_sum(self, count: int) -> float:
        """The sum of the `count` smallest; of all, if there are fewer."""
        return self._root.smallest_sum(min(max(count, 0), self._size))


class _Leaf:
    """Numbers in order."""

    __slots__ = ("numbers",)

    def __init__(self, numbers: list[float]) -> None:
        self.numbers = numbers

    @property
    def width(self) -> int:
        return len(self.numbers)

    def most(self, width: int) -> int:
        return width

    @property
    def size(self) -> int:
        return len(self.numbers)

    @property
    def low(self) -> float:
        return self.numbers[0]

    def walk(self) -> Iterator[float]:
        return iter(self.numbers)

    def insert(self, number: float, width: int) -> None:
        insort(self.numbers, number)

    def remove(self, number: float, width: int) -> None:
        numbers = self.numbers
        at = bisect_left(numbers, number)
        if at == len(numbers) or numbers[at] != number:
            raise ValueError(f"{number!r} is not there")
        del numbers[at]

    def select(self, index: int) -> float:
        return self.numbers[index]

    def count_below(self, number: float) -> int:
        return bisect_left(self.numbers, number)

    def count_up_to(self, number: float) -> int:
        return bisect_right(self.numbers, number)

    def sum(self) -> float:
        return fsum(self.numbers)

    def smallest_sum(self, count: int) -> float:
        return fsum(self.numbers[:count])

    def halve(self) -> _Leaf:
        """Give away the upper half."""
        middle = len(self.numbers) // 2
        upper = _Leaf(self.numbers[middle:])
        del self.numbers[middle:]
        return upper

    def absorb(self, upper: _Leaf) -> None:
        """Take in the next node's."""
        self.numbers += upper.numbers


class _Inner:
    """Children in order, all of one kind, and what is known about each."""

    __slots__ = ("children", "lows", "sizes", "sums")

    def __init__(self, children: list[_Leaf] | list[_Inner] | list[_Leaf | _Inner]) -> None:
        self.children: list[_Leaf | _Inner] = list(children)
        self.lows = [child.low for child in children]
        """The smallest number of each, exactly: equal numbers may lie in several."""
        self.sizes = [child.size for child in children]
        self.sums: list[float | None] = [None] * len(self.children)
        """None: has to be computed anew."""

    @property
    def width(self) -> int:
        return len(self.children)

    def most(self, width: int) -> int:
        return max(width // _NARROWER, _FEWEST)

    @property
    def size(self) -> int:
        return sum(self.sizes)

    @property
    def low(self) -> float:
        return self.lows[0]

    def walk(self) -> Iterator[float]:
        return chain.from_iterable(child.walk() for child in self.children)

    def insert(self, number: float, width: int) -> None:
        at = max(bisect_right(self.lows, number) - 1, 0)
        child = self.children[at]
        child.insert(number, width)
        self.sizes[at] += 1
        self.sums[at] = None
        self.lows[at] = min(self.lows[at], number)
        if child.width > child.most(width):
            self._put(at + 1, child.halve())
            self._look_again(at)

    def remove(self, number: float, width: int) -> None:
        # The last child that begins with it or below: an earlier one may have it as well, a later
        # one not.
        at = max(bisect_right(self.lows, number) - 1, 0)
        child = self.children[at]
        child.remove(number, width)
        if child.width == 0:
            self._drop(at)
            return
        self.sizes[at] -= 1
        self.sums[at] = None
        self.lows[at] = child.low
        if child.width < child.most(width) // 4 and len(self.children) > 1:
            self._join(max(at - 1, 0), width)

    def select(self, index: int) -> float:
        for child, size in zip(self.children, self.sizes, strict=True):
            if index < size:
                return child.select(index)
            index -= size
        raise IndexError(index)

    def count_below(self, number: float) -> int:
        at = bisect_left(self.lows, number) - 1
        return 0 if at < 0 else sum(self.sizes[:at]) + self.children[at].count_below(number)

    def count_up_to(self, number: float) -> int:
        at = bisect_right(self.lows, number) - 1
        return 0 if at < 0 else sum(self.sizes[:at]) + self.children[at].count_up_to(number)

    def sum(self) -> float:
        return fsum(self._sum_of(at) for at in range(len(self.children)))

    def smallest_sum(self, count: int) -> float:
        parts = []
        for at, size in enumerate(self.sizes):
            if count < size:
                parts.append(self.children[at].smallest_sum(count))
                break
            parts.append(self._sum_of(at))
            count -= size
        return fsum(parts)

    def halve(self) -> _Inner:
        """Give away the upper half."""
        middle = len(self.children) // 2
        upper = _Inner(self.children[middle:])
        upper.sums = self.sums[middle:]
        for column in (self.children, self.lows, self.sizes, self.sums):
            del column[middle:]
        return upper

    def absorb(self, upper: _Inner) -> None:
        """Take in the next node's."""
        self.children += upper.children
        self.lows += upper.lows
        self.sizes += upper.sizes
        self.sums += upper.sums

    def _sum_of(self, at: int) -> float:
        total = self.sums[at]
        if total is None:
            total = self.sums[at] = self.children[at].sum()
        return total

    def _look_again(self, at: int) -> None:
        child = self.children[at]
        self.lows[at], self.sizes[at], self.sums[at] = child.low, child.size, None

    def _put(self, at: int, child: _Leaf | _Inner) -> None:
        self.children.insert(at, child)
        self.lows.insert(at, child.low)
        self.sizes.insert(at, child.size)
        self.sums.insert(at, None)

    def _drop(self, at: int) -> None:
        for column in (self.children, self.lows, self.sizes, self.sums):
            del column[at]

    def _join(self, at: int, width: int) -> None:
        """Make one of a child and the next, or two equal ones where one would be too wide."""
        lower, upper = self.children[at], self.children[at + 1]
        lower.absorb(upper)  # type: ignore[arg-type] # children are of one kind
        self._drop(at + 1)
        if lower.width > lower.most(width):
            self._put(at + 1, lower.halve())
        self._look_again(at)
