"""The governor with functions that are watched, and cells that are counted in."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FunctionType, ModuleType
from typing import Any, cast

import pytest

from tests.support.captured import Captured
from tests.unit.instrument.auto.conftest import Configure, Write
from tests.unit.instrument.auto.governing import Bot, Now
from tradespan.instrument.auto.governor import PROBE, Governor
from tradespan.instrument.auto.governor_choice import FIRST_WAIT
from tradespan.instrument.auto.inplace import Level, Twin
from tradespan.instrument.auto.watcher import Watcher
from tradespan.instrument.options import Watch
from tradespan.spool.folder import RunFolder
from tradespan.spool.governed import read_governed

Load = Callable[[str], ModuleType]
FULL, COUNTED, RESTORED = Level.FULL, Level.COUNTED, Level.RESTORED
CODE = """
def step(n): return n
def other(n): return n
def fail(n): raise ValueError(n)
def tick(n):
    for _ in range(n): step(n)
async def fetch(n): return n
def items(n): yield from range(n)
"""


@pytest.fixture
def bot(
    captured: Captured,
    write: Write,
    load: Load,
    config: Configure,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Bot]]:
    """`bot(code="…", budget=0.02, file="…")`: a module `loop`, watched whole."""
    watchers: list[Watcher] = []

    def make(code: str = CODE, *, budget: float = 0.02, file: str = "") -> Bot:
        write(loop=code)
        now = Now()
        governor = Governor(captured.slot, now)
        # It looks when the test says so.
        monkeypatch.setattr(governor, "wake", lambda: None)
        monkeypatch.setattr("tradespan.instrument.auto.watcher.GOVERNOR", governor)
        governor.start(budget)
        watcher = Watcher()
        watchers.append(watcher)
        module = load("loop")
        watcher.apply(config(file, include=[r"loop\..*"]))
        return Bot(module, governor, now)

    yield make
    for watcher in watchers:
        watcher.remove()


Make = Callable[..., Bot]


def test_a_hot_function_is_watched_less_and_a_quiet_one_goes_on(
    bot: Make, captured: Captured
) -> None:
    desk = bot()
    desk.call("other", 1)
    desk.call("step", 20_000)
    desk.look(after=0.1)  # of half a microsecond or more: a tenth of a core
    assert desk.level("step") < FULL
    assert desk.level("other") is FULL
    desk.call("step", 100)
    desk.call("other", 1)
    assert len(captured.named("loop.step")) == 20_000
    assert len(captured.named("loop.other")) == 2


def test_what_is_only_counted_is_counted_to_the_call(bot: Make, captured: Captured) -> None:
    desk = bot()
    desk.call("step", 20_000)
    desk.look()
    step = desk.governor.units
    (unit,) = step.values()
    unit.governed.level = COUNTED
    unit.put()
    desk.call("step", 1_000)
    desk.look()
    assert unit.calls == 21_000
    assert len(captured.named("loop.step")) == 20_000


@pytest.mark.parametrize("level", [FULL, COUNTED])
def test_errors_are_spans_at_both_levels(bot: Make, captured: Captured, level: Level) -> None:
    desk = bot()
    desk.call("step", 1)
    with pytest.raises(ValueError, match="1"):
        desk.module.fail(1)
    desk.look()
    for unit in desk.governor.units.values():
        unit.governed.level = level
        unit.put()
    with pytest.raises(ValueError, match="2"):
        desk.module.fail(2)
    first, second = captured.named("loop.fail")
    assert (first.failure.message, second.failure.message) == ("1", "2")
    assert second.arguments == {"n": 2}
    assert desk.level("fail") is level


def test_it_comes_back_when_it_is_calm(bot: Make, captured: Captured) -> None:
    desk = bot()
    desk.call("step", 20_000)
    desk.call("other", 1)
    desk.look(after=0.1)
    if desk.level("step") is RESTORED:  # it has to be probed first
        desk.calm_down()
        desk.look(after=FIRST_WAIT)
    desk.calm_down()
    desk.look(after=FIRST_WAIT)
    assert desk.level("step") is FULL
    desk.call("step", 1)
    assert len(captured.named("loop.step")) == 20_001


def test_what_is_not_observed_is_probed_and_left_if_it_is_still_hot(bot: Make) -> None:
    desk = bot()
    desk.call("step", 400_000 // 4)
    desk.look(after=0.25)
    assert desk.level("step") is RESTORED
    desk.gate.meanwhile = lambda: desk.call("step", 2_000)
    desk.calm_down()
    desk.look(after=FIRST_WAIT)
    (unit,) = desk.governor.units.values()
    assert desk.level("step") is RESTORED
    assert unit.governed.rate == pytest.approx(2_000 / PROBE)


def test_what_is_not_observed_and_quiet_is_counted_again(bot: Make) -> None:
    desk = bot()
    desk.call("step", 100_000)
    desk.look(after=0.25)
    assert desk.level("step") is RESTORED
    desk.calm_down()
    desk.look(after=FIRST_WAIT)
    assert desk.level("step") is COUNTED


def test_a_probe_that_is_cut_short_by_the_end_leaves_the_function_as_it_was(bot: Make) -> None:
    desk = bot()
    desk.call("step", 100_000)
    desk.look(after=0.25)
    desk.calm_down()

    def end() -> None:
        desk.call("step", 2_000)
        desk.gate.open = True

    desk.gate.meanwhile = end
    desk.look(after=FIRST_WAIT)
    assert desk.level("step") is RESTORED


def test_durable_and_mapped_functions_are_never_watched_less(bot: Make, captured: Captured) -> None:
    file = """
        [[instrument]]
        pattern = 'loop\\.other'
        durable = true
        [[map]]
        function = 'loop\\.step'
        signal = "order.submitted"
    """
    desk = bot(file=file)
    desk.call("step", 20_000)
    desk.call("other", 20_000)
    for _ in range(5):
        desk.look(after=0.1)
    assert (desk.level("step"), desk.level("other")) == (FULL, FULL)


def test_off_nothing_is_looked_at(bot: Make, captured: Captured) -> None:
    desk = bot(budget=0)
    desk.call("step", 20_000)
    desk.look()
    assert desk.governor.units == {}
    desk.call("step", 1)
    assert len(captured.named("loop.step")) == 20_001


def test_coroutines_and_generators_are_watched_less_too(bot: Make, captured: Captured) -> None:
    desk = bot()

    def run(times: int) -> None:
        for number in range(times):
            with pytest.raises(StopIteration):
                desk.module.fetch(number).send(None)
            assert list(desk.module.items(3)) == [0, 1, 2]

    run(10)
    desk.look(after=0.0001)
    assert (desk.level("fetch"), desk.level("items")) == (RESTORED, RESTORED)
    run(10)
    assert len(captured.named("loop.fetch")) == 10
    assert len(captured.named("loop.items")) == 10


def test_functions_of_one_definition_are_one_to_the_governor(bot: Make) -> None:
    desk = bot()

    def make() -> Twin:
        def inner(n: int) -> int:
            return n

        function = cast("FunctionType", inner)
        kept.append(function)
        twin = Twin(function, "loop.inner", lambda _: Watch(), on_call=desk.governor.meet)
        twin.put(FULL)
        return twin

    kept: list[FunctionType] = []
    twins = [make() for _ in range(3)]
    for function in kept:
        for number in range(30_000):
            function(number)
    desk.look(after=0.1)
    assert [twin.level for twin in twins] == [RESTORED] * 3
    assert [each.governed.rate for each in desk.governor.units.values()] == [pytest.approx(900_000)]

    late = make()
    kept[-1](1)
    desk.look()
    assert late.level is RESTORED


def test_what_is_gone_is_forgotten(bot: Make) -> None:
    desk = bot()
    desk.call("step", 1)
    desk.call("other", 1)
    desk.look()
    del desk.module.step
    gc.collect()
    desk.look()
    assert [each.governed.name for each in desk.governor.units.values()] == ["loop.other"]


def test_what_was_given_back_for_good_is_left_alone(bot: Make, captured: Captured) -> None:
    desk = bot()
    desk.call("step", 1)
    desk.look()
    (unit,) = desk.governor.units.values()
    (twin,) = unit.living()
    own = twin.body.function.__code__
    twin.give_back()
    twin.put(FULL)
    assert desk.module.step.__code__ is own
    desk.look()
    assert desk.governor.units == {}


def test_spans_are_timed_in_the_functions_own_calls(bot: Make, captured: Captured) -> None:
    code = """
        def short(n): return n
        def long(text): return text
    """
    desk = bot(code, budget=1)
    texts = "x" * 1_000
    desk.module.short(1)
    desk.module.long(texts)
    desk.look()
    for _ in range(50):
        desk.module.short(1)
        desk.module.long(texts)
    desk.look()
    costs = {each.governed.name: each.costs[FULL] for each in desk.governor.units.values()}
    assert costs["loop.long"] > costs["loop.short"] > 0
    assert all(unit.timed for unit in desk.governor.units.values())
    assert len(captured.named("loop.short")) == 51


def test_calls_that_fail_are_timed_too(bot: Make, captured: Captured) -> None:
    desk = bot(budget=1)
    with suppress(ValueError):
        desk.module.fail(0)
    desk.look()
    (unit,) = desk.governor.units.values()
    assumed = unit.governed.failure
    for number in range(20):
        with suppress(ValueError):
            desk.module.fail(number)
    desk.look()
    assert unit.timed
    assert unit.governed.failures == 20
    assert 0 < unit.governed.failure != assumed
    assert len(captured.named("loop.fail")) == 21


def test_it_counts_for_itself_where_metrics_are_off(bot: Make, captured: Captured) -> None:
    captured.recorder.meters.page = None
    desk = bot()
    desk.call("step", 20_000)
    desk.look(after=0.1)
    assert desk.level("step") < FULL


def test_what_was_decided_stands_in_the_runs_folder(bot: Make, captured: Captured) -> None:
    desk = bot()
    desk.call("step", 100_000)
    desk.call("other", 1)
    desk.look(after=0.25)
    (told,) = read_governed(RunFolder(captured.folder), alive=True)
    assert told["levels"] == {"restored": 1, "counted": 0, "full": 1}
    (function,) = told["functions"]
    assert (function["name"], function["level"]) == ("loop.step", "restored")
    assert function["rate"] == pytest.approx(400_000)
    assert told["overhead"] < told["budget"] < told["peak"]


def test_one_line_says_that_it_begins(bot: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "tradespan")
    desk = bot()
    desk.call("step", 100_000)
    desk.call("other", 100_000)
    desk.look(after=0.25)
    desk.call("fail", 0)
    desk.look(after=0.25)
    (line,) = [each.getMessage() for each in caplog.records if each.name == "tradespan"]
    assert line.startswith("2 watched functions cost about ")
    assert line.endswith("0 are only counted now, 2 not observed; tradespan doctor says which")


def test_a_full_disk_takes_nothing_but_the_file(
    bot: Make, captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    desk = bot()
    desk.call("step", 100_000)
    with monkeypatch.context() as patched:
        patched.setattr("tradespan.instrument.auto.governor_report.write_governed", full)
        desk.look(after=0.25)
    assert desk.level("step") is RESTORED
    assert read_governed(RunFolder(captured.folder)) == []
    desk.look(after=20)
    assert len(read_governed(RunFolder(captured.folder))) == 1
