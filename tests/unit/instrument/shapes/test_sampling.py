"""`sample_rate` and `min_duration`: what is written, under which parent, and what always is.

The clock stands still until a test steps it: durations are exact.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from tests.support.captured import Captured, capture
from tests.support.fakes import SteppingClock
from tests.unit.instrument.shapes.kinds import KINDS, Kind, current
from tradespan.instrument.monitor import monitor

every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)


@pytest.fixture
def stepped(tmp_path: Path, clock: SteppingClock) -> Iterator[Captured]:
    with capture(tmp_path, clock=clock) as captured:
        yield captured


def fail(value: Any) -> Any:
    raise ValueError(value)


def assert_every_parent_is_stored(captured: Captured) -> None:
    known = {span.span_id for span in captured.spans} | {0}
    assert {span.parent_id for span in captured.spans} <= known


@monitor
def kept(n: int = 0) -> int:
    return n


# ── sample_rate ─────────────────────────────────────────────────────────────────────────────────


@every_kind
def test_at_rate_0_nothing_is_written_and_the_call_works(captured: Captured, kind: Kind) -> None:
    watched = monitor(sample_rate=0.0)(kind.function(lambda value: (value, current())))
    assert kind.call(watched, 5) == (5, 0)
    assert captured.spans == []


@every_kind
def test_an_error_is_written_at_any_rate_as_a_leaf(captured: Captured, kind: Kind) -> None:
    watched = monitor(sample_rate=0.0, name="failing")(kind.function(fail))
    with captured.tracer.start_as_current_span("caller"), pytest.raises(ValueError, match="x"):
        kind.call(watched, "x")
    span = captured.one("failing")
    assert span.failed
    assert [event.name for event in span.events] == ["exception"]
    assert (span.failure.type, span.failure.message) == ("ValueError", "x")
    assert span.lane.name == "ERROR"
    assert span.parent_id == captured.one("caller").span_id
    assert span.trace_id == captured.one("caller").trace_id


@every_kind
@pytest.mark.parametrize("ending", [KeyboardInterrupt, GeneratorExit])
def test_an_ending_that_is_no_error_is_not_written_at_rate_0(
    captured: Captured, kind: Kind, ending: type[BaseException]
) -> None:
    def end(value: Any) -> None:
        raise value

    watched = monitor(sample_rate=0.0)(kind.function(end))
    with pytest.raises(ending):
        kind.call(watched, ending())
    assert captured.spans == []


@every_kind
def test_children_of_a_dropped_call_attach_to_the_nearest_kept_ancestor(
    captured: Captured, kind: Kind
) -> None:
    inner = monitor(sample_rate=0.0)(kind.function(kept))
    middle = monitor(sample_rate=0.0)(kind.function(lambda value: kind.call(inner, value)))
    outer = monitor(name="outer")(kind.function(lambda value: kind.call(middle, value)))
    assert kind.call(outer, 5) == 5
    assert [span.name.rpartition(".")[2] for span in captured.spans] == ["outer", "kept"]
    assert captured.one("kept").parent_id == captured.one("outer").span_id


def test_a_dropped_root_leaves_its_children_as_roots(captured: Captured) -> None:
    @monitor(sample_rate=0.0)
    def dropped() -> None:
        kept(1)

    dropped()
    assert captured.one().parent_id == 0


def test_each_call_that_an_error_passes_is_written_and_every_parent_exists(
    captured: Captured,
) -> None:
    @monitor(sample_rate=0.0)
    def inner() -> None:
        kept(1)
        fail("x")

    @monitor(sample_rate=0.0)
    def middle() -> None:
        inner()

    @monitor
    def outer() -> None:
        middle()

    with pytest.raises(ValueError, match="x"):
        outer()
    assert [len(captured.named(name)) for name in ("outer", "middle", "inner", "kept")] == [1] * 4
    assert {s.trace_id for s in captured.spans} == {captured.one("outer").trace_id}
    assert_every_parent_is_stored(captured)


@pytest.mark.parametrize("kind", KINDS[:2], ids=str)
@pytest.mark.parametrize(
    ("options", "limit"),
    [
        ({}, 1.0),
        ({"slow": 0.25}, 0.25),
        ({"objective": {"latency": 0.5, "success": 0.99}}, 0.5),
        ({"objective": {"latency": 0.5, "success": 0.99}, "slow": 2.0}, 2.0),
    ],
    ids=["a second", "slow", "the objective's latency", "slow before the objective's"],
)
def test_a_slow_call_is_written_at_any_rate(
    stepped: Captured, clock: SteppingClock, kind: Kind, options: dict[str, Any], limit: float
) -> None:
    watched: Any = monitor(sample_rate=0.0, **options)(kind.function(clock.step))
    with stepped.tracer.start_as_current_span("caller"):
        kind.call(watched, limit * 0.9)
        assert stepped.spans == []
        kind.call(watched, limit * 1.1)
    span = stepped.one("watched")
    assert span.record.duration == int(limit * 1.1 * 1e9)
    assert span.parent_id == stepped.one("caller").span_id
    assert not span.failed


def test_all_functions_of_one_rate_agree_within_a_trace(captured: Captured) -> None:
    @monitor(sample_rate=0.5)
    def half(n: int) -> None: ...

    @monitor(sample_rate=0.5)
    def other_half(n: int) -> None: ...

    @monitor(sample_rate=0.2)
    def fifth(n: int) -> None: ...

    for n in range(300):
        with captured.tracer.start_as_current_span("root"):
            for function in (half, half, other_half, fifth):
                function(n)
    verdicts = set()
    for n in range(300):
        mine = [s.name.rpartition(".")[2] for s in captured.spans if s.arguments.get("n") == n]
        verdicts.add(tuple(sorted(mine)))
    assert verdicts == {
        (),
        ("half", "half", "other_half"),
        ("fifth", "half", "half", "other_half"),
    }


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 2**128 - 1), st.sampled_from([0.01, 0.1, 0.5, 0.9]))
def test_a_remote_traces_verdict_is_the_same_in_every_process(trace_id: int, rate: float) -> None:
    # Two wrappers know nothing of each other, as two processes don't.
    def run() -> bool:
        seen: list[int] = []

        @monitor(sample_rate=rate)
        def watched() -> None:
            seen.append(current())

        with trace.use_span(NonRecordingSpan(remote)):
            watched()
        return seen != [remote.span_id]

    remote = SpanContext(trace_id, 7, is_remote=True, trace_flags=TraceFlags(3))
    assert len({run() for _ in range(10)}) == 1


@pytest.fixture(autouse=True)
def recording(captured: Captured) -> Captured:
    """The tests of properties record too: hypothesis asks for no fixture of a function's."""
    return captured


def test_about_as_many_roots_are_kept_as_the_rate_says(captured: Captured) -> None:
    @monitor(sample_rate=0.25)
    def tick() -> None:
        kept()

    for _ in range(2_000):
        tick()
    # 500 are expected; 150 more or fewer are seven standard deviations.
    assert 350 < len(captured.named("tick")) < 650
    roots = {span.span_id for span in captured.named("tick")} | {0}
    assert {span.parent_id for span in captured.named("kept")} == roots


@pytest.mark.parametrize("rate", [-0.1, 1.1, math.nan, math.inf])
def test_a_rate_that_is_no_share_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="sample_rate"):
        monitor(sample_rate=rate)


# ── min_duration ────────────────────────────────────────────────────────────────────────────────


@every_kind
def test_shorter_calls_are_not_written_and_longer_ones_are(
    stepped: Captured, clock: SteppingClock, kind: Kind
) -> None:
    watched = monitor(min_duration=0.5)(kind.function(clock.step))
    kind.call(watched, 0.25)
    assert stepped.spans == []
    kind.call(watched, 0.5)
    kind.call(watched, 0.75)
    assert [span.record.duration for span in stepped.spans] == [500_000_000, 750_000_000]


@every_kind
def test_an_error_is_written_however_short(stepped: Captured, kind: Kind) -> None:
    watched = monitor(min_duration=0.5)(kind.function(fail))
    with pytest.raises(ValueError, match="x"):
        kind.call(watched, "x")
    assert stepped.one("watched").failed


@every_kind
def test_a_short_call_is_written_if_a_kept_child_needs_it(stepped: Captured, kind: Kind) -> None:
    inner = monitor(min_duration=0.5, name="inner")(kind.function(kept))
    outer = monitor(min_duration=0.5, name="outer")(kind.function(lambda n: kind.call(inner, n)))
    kind.call(outer, 1)
    assert {span.name for span in stepped.spans} >= {"outer", "inner"}
    assert stepped.one("inner").parent_id == stepped.one("outer").span_id
    assert stepped.one("kept").parent_id == stepped.one("inner").span_id


@every_kind
def test_an_error_is_written_though_both_options_are_against_it(
    stepped: Captured, kind: Kind
) -> None:
    watched = monitor(sample_rate=0.0, min_duration=0.5)(kind.function(fail))
    with pytest.raises(ValueError, match="x"):
        kind.call(watched, "x")
    assert stepped.one("watched").failed


def test_a_span_of_the_tracers_needs_its_parents_too(stepped: Captured) -> None:
    @monitor(min_duration=0.5)
    def outer() -> None:
        with stepped.tracer.start_as_current_span("by hand"):
            pass

    outer()
    assert stepped.one("by hand").parent_id == stepped.one("outer").span_id


def test_a_short_child_is_left_out_of_a_long_parent(
    stepped: Captured, clock: SteppingClock
) -> None:
    @monitor(min_duration=0.5)
    def short() -> None: ...

    @monitor(min_duration=0.5)
    def long() -> None:
        short()
        clock.step(1.0)

    long()
    assert stepped.one().name.endswith("long")


def test_an_error_below_a_short_call_keeps_it(stepped: Captured) -> None:
    @monitor(min_duration=0.5)
    def failing() -> None:
        fail("x")

    @monitor(min_duration=0.5)
    def careful() -> None:
        with pytest.raises(ValueError, match="x"):
            failing()

    careful()
    assert stepped.one("failing").parent_id == stepped.one("careful").span_id
    assert not stepped.one("careful").failed


def test_a_late_leaf_below_a_short_call_keeps_it(stepped: Captured) -> None:
    @monitor(sample_rate=0.0)
    def failing() -> None:
        fail("x")

    @monitor(min_duration=0.5)
    def careful() -> None:
        with pytest.raises(ValueError, match="x"):
            failing()

    careful()
    assert stepped.one("failing").parent_id == stepped.one("careful").span_id


def test_a_child_that_outlives_a_short_parent_hangs_below_who_is_stored(
    stepped: Captured,
) -> None:
    @monitor
    async def later() -> None:
        await asyncio.sleep(0)

    @monitor(min_duration=0.5)
    async def short() -> asyncio.Task[None]:
        return asyncio.create_task(later())

    @monitor
    async def outer() -> None:
        await (await short())

    asyncio.run(outer())
    assert stepped.named("short") == []
    assert stepped.one("later").parent_id == stepped.one("outer").span_id


Tree = tuple[str, list[Any]]
TREES: st.SearchStrategy[Tree] = st.recursive(
    st.tuples(st.sampled_from(["kept", "dropped", "brief"]), st.just([])),
    lambda inner: st.tuples(
        st.sampled_from(["kept", "dropped", "brief", "failing"]), st.lists(inner, max_size=3)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[2]], ids=str)
def test_in_any_tree_of_calls_every_stored_parent_exists(tmp_path: Path, kind: Kind) -> None:
    def walk(tree: Tree) -> None:
        name, children = tree
        for child in children:
            try:
                kind.call(calls[child[0]], child)
            except ValueError:
                pass
        if name == "failing":
            fail("x")

    options: dict[str, dict[str, Any]] = {
        "kept": {},
        "dropped": {"sample_rate": 0.0},
        "brief": {"min_duration": 0.5},
        "failing": {"min_duration": 0.5},
    }
    calls: dict[str, Callable[[Tree], Any]] = {
        name: monitor(name=name, **given)(kind.function(walk)) for name, given in options.items()
    }

    @settings(max_examples=60, deadline=None)
    @given(TREES)
    def run(tree: Tree) -> None:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        with capture(folder, clock=SteppingClock()) as captured:
            walk(("kept", [tree]))
            assert_every_parent_is_stored(captured)
            written = [span.name for span in captured.spans]
        assert "dropped" not in written
        assert written.count("failing") == str(tree).count("failing")
        assert written.count("kept") == str(tree).count("kept")

    run()


@pytest.mark.parametrize("seconds", [-1.0, math.nan])
def test_a_duration_that_is_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="min_duration"):
        monitor(min_duration=seconds)
