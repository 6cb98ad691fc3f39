"""The governor's decisions: the hottest and shortest go first, and come back when it is calm."""

from __future__ import annotations

import pytest

from tradespan.instrument.auto.governor_choice import (
    CALM,
    FIRST_WAIT,
    LONGEST_WAIT,
    Choice,
    Governed,
)
from tradespan.instrument.auto.inplace import Level

BUDGET = 0.02
FULL, COUNTED, RESTORED = Level.FULL, Level.COUNTED, Level.RESTORED


def function(
    rate: float, *, mean: float = 300, name: str = "bot.step", lowest: Level = RESTORED
) -> Governed:
    """One that is called so often, each span 1,500 ns and each count 250."""
    costs = {RESTORED: 0.0, COUNTED: 250.0, FULL: 1_500.0}
    return Governed(name, costs, 10_000.0, lowest, rate=rate, mean=mean)


class Desk:
    """A choice, its functions and a clock."""

    def __init__(self, *functions: Governed, budget: float = BUDGET) -> None:
        self.choice = Choice(budget)
        self.functions = functions
        self.now = 1_000.0

    def look(self, *, after: float = 1.0) -> list[Governed]:
        self.now += after
        return self.choice.decide(self.functions, self.now)

    def calm_down(self, looks: int = CALM) -> list[Governed]:
        """So many looks; what has changed."""
        return [changed for _ in range(looks) for changed in self.look()]

    @property
    def load(self) -> float:
        return sum(each.load() for each in self.functions)


def test_below_the_budget_nothing_changes() -> None:
    desk = Desk(function(10_000), function(1_000))
    assert desk.look() == []
    assert desk.choice.load == pytest.approx(0.0165)


def test_the_hottest_goes_first_and_the_rest_stays() -> None:
    hot, warm, cold = function(12_000), function(3_000), function(10)
    desk = Desk(cold, warm, hot)
    assert desk.look() == [hot]
    assert (hot.level, warm.level, cold.level) == (COUNTED, FULL, FULL)
    assert desk.load < BUDGET


def test_of_two_that_cost_the_same_the_shorter_goes_first() -> None:
    long, short = function(7_000, mean=100_000), function(7_000, mean=300)
    desk = Desk(long, short)
    assert desk.look() == [short]
    assert long.level is FULL


def test_a_function_that_counting_alone_would_make_too_dear_is_given_back_at_once() -> None:
    tight = function(400_000)
    desk = Desk(tight, function(100))
    assert desk.look() == [tight]
    assert tight.level is RESTORED
    assert desk.choice.peak == pytest.approx(0.60015)


def test_a_loop_is_expected_to_run_faster_once_it_is_watched_less() -> None:
    # 300,000 calls a second, 45 % of a core: bare they are 545,000, and counting them is too much.
    loop = function(300_000)
    loop.costs = {RESTORED: 0.0, COUNTED: 25.0, FULL: 1_500.0}
    desk = Desk(loop)
    desk.look()
    assert loop.load(COUNTED) < BUDGET / 2
    assert loop.level is RESTORED


def test_failures_count_where_they_are_spans_and_are_given_back_if_they_are_too_many() -> None:
    failing = function(2_000)
    desk = Desk(failing)
    assert desk.look() == []
    failing.failures = 1_000
    assert desk.look() == []  # 1.3 %: most of it by one call in two
    failing.failures = 2_000
    assert desk.look() == [failing]
    assert failing.level is RESTORED


def test_many_that_are_counted_are_given_back_until_the_rest_fits() -> None:
    many = [function(6_000 + number, name=f"bot.f{number}") for number in range(40)]
    desk = Desk(*many)
    desk.look()
    assert desk.load <= BUDGET
    assert {each.level for each in many} == {COUNTED, RESTORED}
    given_back = [each.rate for each in many if each.level is RESTORED]
    assert min(given_back) > max(each.rate for each in many if each.level is COUNTED)


@pytest.mark.parametrize("lowest", [FULL, COUNTED])
def test_what_is_essential_is_never_watched_less_than_it_has_to_be(lowest: Level) -> None:
    essential, other = function(400_000, lowest=lowest), function(1_000)
    desk = Desk(essential, other)
    desk.look()
    desk.look()
    assert essential.level is lowest
    assert other.level is RESTORED


def test_a_function_comes_back_when_it_is_calm_and_its_wait_is_over() -> None:
    hot = function(20_000)
    desk = Desk(hot)
    assert desk.look() == [hot]
    hot.rate = 100
    assert desk.calm_down() == []
    assert desk.look(after=FIRST_WAIT) == [hot]
    assert hot.level is FULL


def test_one_comes_back_at_a_time_the_cheapest_first() -> None:
    functions = [function(20_000, name="a"), function(25_000, name="b"), function(30_000, name="c")]
    desk = Desk(*functions)
    desk.look()
    for rate, each in zip((300, 100, 200), functions, strict=True):
        each.level, each.rate = COUNTED, rate
    desk.calm_down()
    desk.now += FIRST_WAIT
    assert [desk.look()[0].name for _ in range(3)] == ["b", "c", "a"]


def test_what_would_cost_too_much_again_does_not_come_back() -> None:
    hot = function(20_000)
    desk = Desk(hot)
    desk.look()
    assert hot.level is COUNTED
    assert desk.calm_down(100) == []


def test_between_what_a_promotion_may_cost_and_the_budget_nothing_moves() -> None:
    hot = function(11_000)
    desk = Desk(hot)
    desk.look()
    assert hot.level is FULL  # 1.65 %
    hot.level = COUNTED
    assert desk.calm_down(100) == []
    assert hot.level is COUNTED


def test_who_has_to_be_demoted_again_waits_twice_as_long_each_time() -> None:
    hot = function(20_000)
    desk = Desk(hot)
    waits = []
    for _ in range(10):
        hot.rate = 20_000
        assert desk.look() == [hot]
        waits.append(hot.not_before - desk.now)
        hot.rate = 10
        desk.calm_down()
        desk.now = hot.not_before
        assert desk.look() == [hot]
    assert waits[:4] == [FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT, 8 * FIRST_WAIT]
    assert waits[-1] == LONGEST_WAIT


def test_who_has_stayed_up_for_long_starts_again_with_the_first_wait() -> None:
    hot = function(20_000)
    desk = Desk(hot)
    desk.look()
    hot.rate = 10
    desk.calm_down()
    desk.look(after=FIRST_WAIT)
    hot.rate = 20_000
    desk.look(after=10 * FIRST_WAIT)
    assert hot.not_before - desk.now == FIRST_WAIT


# ── functions that are not observed ─────────────────────────────────────────────────────────────


def given_back(desk: Desk) -> Governed:
    (tight,) = desk.look()
    assert tight.level is RESTORED
    return tight


def test_what_is_not_observed_is_probed_once_it_is_calm_and_its_wait_is_over() -> None:
    desk = Desk(function(400_000))
    tight = given_back(desk)
    for _ in range(CALM):
        assert desk.choice.to_probe(desk.functions, desk.now) is None
        desk.look()
    assert desk.choice.to_probe(desk.functions, desk.now) is None
    assert desk.choice.to_probe(desk.functions, tight.not_before) is tight


def test_a_probe_that_finds_it_hot_leaves_it_alone_for_twice_as_long() -> None:
    desk = Desk(function(400_000))
    tight = given_back(desk)
    assert not desk.choice.probed(tight, 20_000, 0.02, desk.now)
    assert (tight.level, tight.rate) == (RESTORED, 1_000_000)
    assert tight.not_before == desk.now + 2 * FIRST_WAIT


def test_a_probe_that_finds_it_quiet_has_it_counted_and_later_watched() -> None:
    desk = Desk(function(400_000))
    tight = given_back(desk)
    desk.calm_down()
    assert desk.choice.probed(tight, 2, 0.02, desk.now)
    assert (tight.level, tight.rate) == (COUNTED, 100)
    assert desk.look() == []
    assert desk.look(after=FIRST_WAIT) == [tight]
    assert tight.level is FULL


def test_probing_costs_no_more_than_a_tenth_of_the_budget() -> None:
    desk = Desk(*[function(400_000, name=f"f{number}") for number in range(20)])
    desk.look()
    desk.calm_down()
    began, spent = desk.now, 0.0
    while desk.now < began + 600:
        desk.now += 0.01
        due = desk.choice.to_probe(desk.functions, desk.now)
        if due is not None:
            calls = 20_000
            desk.choice.probed(due, calls, 0.02, desk.now)
            spent += calls * due.costs[COUNTED] / 1e9
    assert 0 < spent <= 600 * BUDGET / 10 * 1.01
