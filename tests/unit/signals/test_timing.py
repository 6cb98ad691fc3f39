"""Timers, and what is recorded of them."""

from __future__ import annotations

import asyncio
import inspect
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import NonRecordingSpan, SpanContext, use_span

from tests.support.captured import capture, read_lines
from tradespan.signals.metrics.instruments import BoundHistogram
from tradespan.signals.metrics.registry import REGISTRY
from tradespan.signals.timing import LatencyTracker, timer

SECOND = 1_000_000_000


class SteppingClock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 5 * SECOND

    def wall(self) -> int:
        return self.now

    def monotonic(self) -> int:
        return self.now


@pytest.fixture
def operation() -> str:
    """A name that no other test counts."""
    return f"operation-{uuid.uuid4()}"


def series(operation: str) -> dict[str, BoundHistogram]:
    """The histogram's series of an operation, by the type of error."""
    (found,) = [each for each in REGISTRY.instruments() if each.name == "tradespan.timer.duration"]
    return {
        labels["error.type"]: child
        for labels, child in found.series()
        if labels["tradespan.operation"] == operation
    }


def test_a_block_is_one_value_of_the_histogram_of_its_operation(operation: str) -> None:
    with timer(operation) as timed:
        pass
    assert series(operation)[""].count == 1
    assert series(operation)[""].sum == pytest.approx(timed.elapsed)
    assert timed.elapsed > 0


def test_a_block_that_raises_counts_under_its_error_and_raises_on(operation: str) -> None:
    with pytest.raises(ValueError, match="boom"), timer(operation):
        raise ValueError("boom")
    assert set(series(operation)) == {"ValueError"}


def test_functions_and_coroutine_functions_are_timed_and_stay_what_they_are(operation: str) -> None:
    @timer(operation)
    def add(left: int, right: int) -> int:
        """Add."""
        return left + right

    @timer(operation)
    async def add_later(left: int, right: int) -> int:
        await asyncio.sleep(0)
        return left + right

    assert (add(1, 2), add.__doc__, add.__name__) == (3, "Add.", "add")
    assert inspect.iscoroutinefunction(add_later)
    assert asyncio.run(add_later(1, 2)) == 3
    assert series(operation)[""].count == 2


def test_a_timer_is_an_async_context_manager_too_and_may_stand_in_itself(operation: str) -> None:
    timed = timer(operation)

    async def main() -> None:
        async with timed:
            with timed:
                pass

    asyncio.run(main())
    assert series(operation)[""].count == 2


def test_a_decorated_function_may_run_in_many_threads_at_once(operation: str) -> None:
    barrier = threading.Barrier(8, timeout=30)

    @timer(operation)
    def work() -> None:
        barrier.wait()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert series(operation)[""].count == 8


def test_a_slow_operation_is_one_warning_with_its_trace(
    tmp_path: Path, operation: str, caplog: pytest.LogCaptureFixture
) -> None:
    span = NonRecordingSpan(SpanContext(7, 9, is_remote=False))
    with capture(tmp_path), use_span(span), timer(operation, slow=0):
        pass
    (line,) = read_lines(tmp_path)
    assert (line.record.body, line.record.severity_number) == ("slow operation", 13)
    assert line.record.event_name == "tradespan.operation.slow"
    assert line.record.trace_id == (7).to_bytes(16, "big")
    attributes: dict[str, Any] = dict(line.record.attributes or {})
    assert attributes["tradespan.operation"] == operation
    assert attributes["tradespan.elapsed"] > 0
    (message,) = caplog.messages
    assert f"slow operation: {operation}" in message
    assert f"{7:032x}" in message


def test_what_is_quick_or_has_no_bound_warns_of_nothing(tmp_path: Path, operation: str) -> None:
    with capture(tmp_path):
        with timer(operation):
            pass
        with timer(operation, slow=None):
            pass
    assert list(read_lines(tmp_path)) == []


def test_an_operation_ends_in_another_thread_than_it_began(operation: str) -> None:
    clock = SteppingClock()
    tracker = LatencyTracker(clock=clock)
    tracker.start_timer(operation, "trace-1")
    clock.now += SECOND // 2
    found: list[int | None] = []
    thread = threading.Thread(target=lambda: found.append(tracker.end_timer("trace-1")))
    thread.start()
    thread.join()
    assert found == [SECOND // 2]
    assert series(operation)[""].sum == 0.5
    assert len(tracker) == 0


def test_its_warning_names_the_trace_that_was_given(tmp_path: Path, operation: str) -> None:
    clock = SteppingClock()
    tracker = LatencyTracker(clock=clock, slow=1.0)
    with capture(tmp_path):
        tracker.start_timer(operation, "trace-1")
        clock.now += 2 * SECOND
        tracker.end_timer("trace-1")
    (line,) = read_lines(tmp_path)
    assert (line.record.attributes or {})["tradespan.trace_id"] == "trace-1"


def test_several_operations_of_a_trace_are_told_apart(operation: str) -> None:
    clock = SteppingClock()
    tracker = LatencyTracker(clock=clock)
    for number in range(3):
        tracker.start_timer(f"{operation}-{number}", "trace-1")
        clock.now += SECOND
    assert tracker.end_timer("trace-1", f"{operation}-0") == 3 * SECOND
    assert tracker.end_timer("trace-1") == SECOND
    assert tracker.end_timer("trace-1") == 2 * SECOND
    assert (tracker.end_timer("trace-1"), tracker.unknown) == (None, 1)


def test_ids_of_any_kind_are_told_apart_by_their_text(operation: str) -> None:
    clock = SteppingClock()
    tracker = LatencyTracker(clock=clock)
    for trace_id in (7, ["a", "list"]):
        tracker.start_timer(operation, trace_id)  # type: ignore[arg-type]
        clock.now += SECOND
        assert tracker.end_timer(trace_id) == SECOND  # type: ignore[arg-type]


def test_an_end_without_a_start_is_none_and_counted() -> None:
    tracker = LatencyTracker()
    assert (tracker.end_timer("nobody"), tracker.end_timer("x", "y")) == (None, None)
    assert tracker.unknown == 2


def test_operations_that_nobody_ends_are_forgotten_and_counted(operation: str) -> None:
    clock = SteppingClock()
    tracker = LatencyTracker(clock=clock, most=10, longest=60)
    for number in range(100):
        tracker.start_timer(operation, f"trace-{number}")
    assert (len(tracker), tracker.forgotten) == (10, 90)
    clock.now += 61 * SECOND
    tracker.start_timer(operation, "late")
    assert (len(tracker), tracker.forgotten) == (1, 100)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("ab"), st.sampled_from("xy"))))
def test_starts_and_ends_in_any_order_leave_no_rest(steps: list[tuple[bool, str, str]]) -> None:
    clock = SteppingClock()
    tracker = LatencyTracker(clock=clock, slow=None)
    running: dict[tuple[str, str], int] = {}
    for begins, operation, trace in steps:
        clock.now += 1
        if begins:
            tracker.start_timer(operation, trace)
            running.pop((operation, trace), None)
            running[operation, trace] = clock.now
        else:
            began = running.pop((operation, trace), None)
            expected = None if began is None else clock.now - began
            assert tracker.end_timer(trace, operation) == expected
    assert len(tracker) == len(running)
    for trace in "xy":
        while tracker.end_timer(trace) is not None:
            pass
    assert len(tracker) == 0
