"""Marks of equity as returns of periods, and as returns over the last hour, day and week."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradespan.signals.analytics.periods import HORIZONS, STEPS, PeriodReturns, ReturnsOver

SECOND = 1_000_000_000
HOUR = 3_600 * SECOND
EQUITY = st.floats(0.01, 1e12)


@settings(deadline=None)
@given(st.lists(EQUITY, min_size=2, max_size=30))
def test_without_keys_each_mark_ends_a_period(marks: list[float]) -> None:
    periods = PeriodReturns(by_key=False)
    found = [periods.mark(equity).ended for equity in marks]
    assert found == [None, *((after - before) / before for before, after in pairwise(marks))]


def test_with_keys_a_period_ends_with_the_first_mark_of_the_next() -> None:
    periods = PeriodReturns(by_key=True)
    days = [(100, 1), (110, 1), (120, 2), (121, 2), (90, 5), (60.5, 6), (1, 7)]
    found = [periods.mark(equity, day).ended for equity, day in days]
    assert found == [None, None, None, None, pytest.approx(0.1), pytest.approx(90 / 121 - 1),
                     pytest.approx(60.5 / 90 - 1)]  # fmt: skip


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.5, 2), st.floats(-0.9, 10)), min_size=2, max_size=30),
    st.booleans(),
)
def test_flows_move_no_return(steps: list[tuple[float, float]], by_key: bool) -> None:
    plain, moved = PeriodReturns(by_key=by_key), PeriodReturns(by_key=by_key)
    equity, other = 1000.0, 1000.0
    for day, (growth, share) in enumerate(steps):
        equity, other = equity * growth, other * growth
        without, with_flows = plain.mark(equity, day), moved.mark(other, day)
        assert with_flows.ended == (
            without.ended if without.ended is None else pytest.approx(without.ended, abs=1e-12)
        )
        assert with_flows.level == pytest.approx(without.level, rel=1e-12)
        assert moved.flow(other * share)
        other += other * share


def test_a_return_from_nothing_is_undefined_and_one_to_it_is_not() -> None:
    periods = PeriodReturns(by_key=False)
    found = [periods.mark(equity) for equity in (100, 0, 50, -5, 20, 30)]
    assert [each.ended for each in found] == [None, -1, None, -1.1, None, 0.5]
    assert [each.undefined for each in found] == [False, False, True, False, True, False]
    assert [each.level for each in found] == [100, None, 50, None, 20, 30]


def test_by_key_too() -> None:
    periods = PeriodReturns(by_key=True)
    found = [periods.mark(equity, day) for day, equity in enumerate((100, -20, 50, 55, 55))]
    assert [each.ended for each in found] == [None, None, -1.2, None, pytest.approx(0.1)]
    assert [each.undefined for each in found] == [False, False, False, True, False]


@pytest.mark.parametrize("by_key", [False, True])
def test_an_account_that_is_emptied_begins_anew_with_the_next_deposit(by_key: bool) -> None:
    periods = PeriodReturns(by_key=by_key)
    for day in range(3):
        periods.mark(100, day)
    assert not periods.flow(-100)
    assert not periods.flow(50)
    marked = periods.mark(55, 3)
    if by_key:  # the day on which it was emptied has no return
        assert marked.undefined
        marked = periods.mark(66, 4)
    assert marked.ended == pytest.approx(0.1)
    assert periods.mark(66, 5).ended == pytest.approx(0.2)


def test_a_return_beyond_numbers_is_undefined() -> None:
    periods = PeriodReturns(by_key=False)
    periods.mark(1e-300)
    assert periods.mark(1e300).undefined
    assert periods.mark(1.1e300).ended == pytest.approx(0.1)
    assert periods.mark(-1.7e308).undefined is False
    assert periods.mark(1.7e308).undefined


def test_flows_without_end_keep_levels_within_numbers() -> None:
    periods, begun_anew = PeriodReturns(by_key=False), 0
    for _ in range(3_000):
        assert periods.mark(1000).ended in (None, pytest.approx(0))
        marked = periods.mark(100)
        assert marked.ended == pytest.approx(-0.9)
        assert marked.level is not None
        assert 1e-150 < marked.level <= 1000
        begun_anew += not periods.flow(900)
    assert 15 < begun_anew < 25


def naive(points: list[tuple[int, float]], horizon: int) -> tuple[float, float] | None:
    """The return over a horizon by the latest point that is old enough, and what it spans."""
    now, level = points[-1]
    old = [point for point in points if point[0] <= now - horizon]
    return None if not old else (level / old[-1][1] - 1, now - old[-1][0])


def test_a_return_over_a_horizon_is_absent_until_it_is_over() -> None:
    over = ReturnsOver()
    assert over.figures() == {}
    over.add(100, 0)
    assert over.figures() == {}
    over.add(110, HOUR - 1)
    assert over.figures() == {}
    over.add(121, HOUR)
    assert over.figures() == {"1h": pytest.approx(0.21)}
    over.add(121, 24 * HOUR)
    assert over.figures() == {"1h": 0, "24h": pytest.approx(0.21)}
    over.add(60.5, 7 * 24 * HOUR)
    assert over.figures() == {"1h": -0.5, "24h": -0.5, "7d": pytest.approx(-0.395)}


def test_marks_apart_by_more_than_a_step_give_exact_returns() -> None:
    over, points, random = ReturnsOver(), list[tuple[int, float]](), Random(2)
    ts = level = 0.0
    for _ in range(3_000):
        ts += random.randrange(16 * SECOND, 400 * SECOND)
        level = 100 + random.random()
        points.append((int(ts), level))
        over.add(level, int(ts))
        expected = naive(points[-300:], HORIZONS["1h"])
        found = over.figures().get("1h")
        assert found == (None if expected is None else pytest.approx(expected[0], abs=1e-15))


def test_of_quick_marks_a_return_spans_a_step_more_than_its_horizon_at_most() -> None:
    over = ReturnsOver({"1h": HOUR}, steps=60)
    began = HOUR // 60 // 7  # no multiple of a step
    for second in range(2 * 3_600):
        ts = began + second * SECOND
        over.add(float(second + 1), ts)
        found = over.figures().get("1h")
        assert (found is not None) == (second >= 3_600)
        if found is not None:
            base = (second + 1) / (found + 1)
            assert 3_600 <= round(second + 1 - base) <= 3_660


def test_memory_is_bounded() -> None:
    over = ReturnsOver()
    for second in range(0, 20 * 24 * 3_600, 20):
        over.add(1.0, second * SECOND)
    assert sum(len(trail) for *_, trail in over._trails) <= len(HORIZONS) * (STEPS + 2)  # noqa: SLF001


def test_begun_anew_nothing_is_over() -> None:
    over = ReturnsOver()
    over.add(1.0, 0)
    over.add(2.0, 30 * 24 * HOUR)
    assert set(over.figures()) == {"1h", "24h", "7d"}
    over.clear()
    over.add(2.0, 31 * 24 * HOUR)
    assert over.figures() == {}
