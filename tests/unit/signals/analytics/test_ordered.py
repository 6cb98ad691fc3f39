"""The numbers in order, held against a sorted list."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tradespan.signals.analytics.ordered import OrderedNumbers

NUMBERS = st.one_of(
    st.sampled_from([0.0, -0.0, 1e-300, -1e-300, 1.0, -1.0, 5e-324]),
    st.floats(-1e150, 1e150),
)


class AgainstAList(RuleBasedStateMachine):
    """Narrow nodes make deep trees of few numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.ordered = OrderedNumbers(width=4)
        self.model: list[float] = []

    @rule(number=NUMBERS)
    def insert(self, number: float) -> None:
        self.ordered.insert(number)
        insort(self.model, number)

    @rule(number=NUMBERS, times=st.integers(2, 20))
    def insert_equal_ones(self, number: float, times: int) -> None:
        for _ in range(times):
            self.insert(number)

    @rule(data=st.data(), times=st.integers(1, 20))
    @precondition(lambda self: self.model)
    def remove(self, data: st.DataObject, times: int) -> None:
        for _ in range(min(times, len(self.model))):
            number = self.model.pop(data.draw(st.integers(0, len(self.model) - 1)))
            self.ordered.remove(number)

    @rule(number=NUMBERS)
    def rank(self, number: float) -> None:
        assert self.ordered.rank(number) == bisect_left(self.model, number)
        assert self.ordered.rank_with(number) == bisect_right(self.model, number)

    @rule(data=st.data())
    @precondition(lambda self: self.model)
    def select_and_sum(self, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(self.model) - 1))
        assert self.ordered.select(at) == self.model[at]
        exact = math.fsum(self.model[: at + 1])
        size = math.fsum(map(abs, self.model[: at + 1]))
        assert abs(self.ordered.smallest_sum(at + 1) - exact) <= 1e-15 * size

    @invariant()
    def holds_the_same(self) -> None:
        assert len(self.ordered) == len(self.model)
        assert list(self.ordered) == self.model


TestAgainstAList = AgainstAList.TestCase
TestAgainstAList.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def rising(random: Random) -> Iterator[float]:
    number = 0.0
    while True:
        number += random.random()
        yield number


def falling(random: Random) -> Iterator[float]:
    return (-number for number in rising(random))


def few(random: Random) -> Iterator[float]:
    while True:
        yield float(random.randrange(3))


def alternating(random: Random) -> Iterator[float]:
    while True:
        yield random.uniform(1e9, 1e9 + 1)
        yield random.uniform(-1e9 - 1, -1e9)


@pytest.mark.parametrize("series", [rising, falling, few, alternating])
@pytest.mark.parametrize("width", [4, 256])
def test_a_window_that_moves_on_is_that_of_a_list(
    series: Callable[[Random], Iterator[float]], width: int
) -> None:
    ordered, window = OrderedNumbers(width), list[float]()
    numbers = series(Random(6))
    for turn in range(6_000):
        number = next(numbers)
        ordered.insert(number)
        window.append(number)
        if len(window) > 700:
            ordered.remove(window.pop(0))
        if turn % 500 == 499:
            model = sorted(window)
            assert list(ordered) == model
            assert [ordered.select(at) for at in range(0, len(model), 7)] == model[::7]
            assert ordered.smallest_sum(35) == pytest.approx(math.fsum(model[:35]), rel=1e-15)


def nodes_of(ordered: OrderedNumbers) -> tuple[int, int]:
    """How deep the tree is, and how many nodes it has."""
    depth, level = 1, [ordered._root]  # noqa: SLF001 - its shape is its promise
    count = 1
    while hasattr(level[0], "children"):
        level = [child for node in level for child in node.children]  # type: ignore[union-attr]
        depth, count = depth + 1, count + len(level)
    return depth, count


@pytest.mark.parametrize("series", [rising, falling, few, alternating])
def test_a_tree_stays_flat_and_dense_however_long_the_window_moves(
    series: Callable[[Random], Iterator[float]],
) -> None:
    ordered, window = OrderedNumbers(width=64), list[float]()
    numbers = series(Random(6))
    for _ in range(20_000):
        number = next(numbers)
        ordered.insert(number)
        window.append(number)
        if len(window) > 1_000:
            ordered.remove(window.pop(0))
    depth, count = nodes_of(ordered)
    # A quarter full at least: leaves of 16 numbers, inner nodes of 4 children.
    assert depth <= 4
    assert count <= 2 * 1_000 / 16


def test_emptied_it_is_as_new() -> None:
    ordered = OrderedNumbers(width=4)
    numbers = [float(number % 37) for number in range(500)]
    for number in numbers:
        ordered.insert(number)
    for number in numbers:
        ordered.remove(number)
    assert len(ordered) == 0
    assert list(ordered) == []
    assert ordered.smallest_sum(3) == 0
    assert nodes_of(ordered) == (1, 1)


def test_what_is_not_there_cannot_be_removed_or_selected() -> None:
    ordered = OrderedNumbers()
    ordered.insert(1.0)
    with pytest.raises(ValueError, match="not there"):
        ordered.remove(2.0)
    for index in (-1, 1):
        with pytest.raises(IndexError):
            ordered.select(index)
    assert list(ordered) == [1.0]
    assert len(ordered) == 1


@settings(deadline=None)
@given(st.lists(NUMBERS, max_size=40), st.integers(-2, 50))
def test_more_than_there_are_is_all_and_fewer_than_none_is_none(
    numbers: list[float], count: int
) -> None:
    ordered = OrderedNumbers(width=4)
    for number in numbers:
        ordered.insert(number)
    expected = math.fsum(sorted(numbers)[: max(count, 0)])
    size = math.fsum(map(abs, numbers))
    assert abs(ordered.smallest_sum(count) - expected) <= 1e-15 * size


def test_a_sum_does_not_drift_over_a_hundred_thousand_updates() -> None:
    ordered, window = OrderedNumbers(width=64), list[float]()
    random = Random(9)
    for _ in range(100_000):
        number = 1e9 + random.uniform(-1e-3, 1e-3)
        ordered.insert(number)
        window.append(number)
        if len(window) > 252:
            ordered.remove(window.pop(0))
        ordered.smallest_sum(100)
    assert ordered.smallest_sum(100) == pytest.approx(math.fsum(sorted(window)[:100]), rel=3e-16)
