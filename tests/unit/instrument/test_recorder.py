"""From spans to records: clocks that step, forks, lanes, and errors of ours that stay ours."""

from __future__ import annotations

import os
import random
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.captured import Captured, capture
from tradespan.core.records import Lane
from tradespan.instrument.monitor import monitor
from tradespan.instrument.recorder import SLOT

SECOND = 1_000_000_000


class SteppingClock:
    """Moves when told to; the wall clock may be set, as by a time server."""

    def __init__(self) -> None:
        self.now = 5 * SECOND
        self.step = 1_700_000_000 * SECOND

    def wall(self) -> int:
        return self.now + self.step

    def monotonic(self) -> int:
        return self.now


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@pytest.fixture
def stepped(tmp_path: Path, clock: SteppingClock) -> Iterator[Captured]:
    with capture(tmp_path, clock=clock) as captured:
        yield captured


@monitor
def leaf() -> None: ...


# ── clocks ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("step", [-3600 * SECOND, 3600 * SECOND])
def test_a_step_of_the_wall_clock_is_no_duration(
    stepped: Captured, clock: SteppingClock, step: int
) -> None:
    @monitor
    def work() -> None:
        clock.now += 7
        clock.step += step
        leaf()
        clock.now += 5

    work()
    outer, inner = stepped.one("work").record, stepped.one("leaf").record
    assert (outer.start, outer.duration) == (1_700_000_005 * SECOND, 12)
    assert (inner.start, inner.duration) == (outer.start + 7, 0)


def test_a_step_is_seen_by_the_roots_of_the_next_second(
    stepped: Captured, clock: SteppingClock
) -> None:
    clock.step += 3600 * SECOND
    leaf()
    clock.now += 2 * SECOND
    leaf()
    first, second = (span.record.start for span in stepped.spans)
    assert second - first == 3602 * SECOND


def test_children_keep_to_their_root_after_a_step(stepped: Captured, clock: SteppingClock) -> None:
    @monitor
    def slow() -> None:
        clock.now += 10 * SECOND
        clock.step -= 3600 * SECOND
        leaf()

    slow()
    outer, inner = stepped.one("slow").record, stepped.one("leaf").record
    assert outer.start < inner.start <= inner.end <= outer.end


def test_events_are_stamped_by_the_same_clocks(stepped: Captured, clock: SteppingClock) -> None:
    with stepped.tracer.start_as_current_span("work") as span:
        clock.step -= 3600 * SECOND
        clock.now += 3
        span.add_event("event")
    found = stepped.one("work")
    assert found.events[0].time == found.record.start + 3


# ── ids ─────────────────────────────────────────────────────────────────────────────────────────


def test_ids_do_not_follow_from_the_programs_seed(captured: Captured) -> None:
    for _ in range(2):
        random.seed(42)
        leaf()
    first, second = captured.spans
    assert first.trace_id != second.trace_id
    assert first.span_id != second.span_id


# ── lanes ───────────────────────────────────────────────────────────────────────────────────────


def test_errors_go_by_their_own_lane_with_numbers_of_their_own(captured: Captured) -> None:
    @monitor
    def fail() -> None:
        raise ValueError("x")

    for _ in range(3):
        leaf()
        with pytest.raises(ValueError, match="x"):
            fail()
    by_lane: dict[Lane, list[int]] = {Lane.ORDINARY: [], Lane.ERROR: []}
    for span in captured.spans:
        by_lane[span.lane].append(span.sequence)
    assert by_lane == {Lane.ORDINARY: [1, 2, 3], Lane.ERROR: [1, 2, 3]}


# ── forks ───────────────────────────────────────────────────────────────────────────────────────


def fork(work: Callable[[], Any]) -> None:
    """Run `work` in a forked child; what it raises is this process's failure."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_forked_child_records_as_a_process_of_its_own(captured: Captured) -> None:
    leaf()
    fork(leaf)
    leaf()
    instances = [span.instance for span in captured.spans]
    assert instances[0] == instances[2] != instances[1]
    assert len({span.span_id for span in captured.spans}) == 3


def test_a_span_continues_in_a_forked_child_that_only_its_parent_can_end(
    captured: Captured,
) -> None:
    @monitor
    def work() -> None:
        fork(leaf)

    with captured.tracer.start_as_current_span("outer") as outer:
        fork(outer.end)
        fork(work)
    assert captured.one("outer").parent_id == 0
    assert captured.one("work").parent_id == captured.one("outer").span_id
    assert captured.one("leaf").parent_id == captured.one("work").span_id
    assert len({span.instance for span in captured.spans}) == 3


def test_ends_of_a_parents_spans_are_counted_in_the_child(captured: Captured) -> None:
    def count() -> None:
        outer.end()
        assert SLOT.recorder is not None
        assert SLOT.recorder is not captured.recorder
        assert SLOT.recorder.foreign_ends == 1
        assert not outer.is_recording()

    outer = captured.tracer.start_span("outer")
    fork(count)
    assert outer.is_recording()
    outer.end()


def test_a_watched_call_that_forks_and_returns_twice_is_recorded_once(captured: Captured) -> None:
    @monitor
    def split() -> int:
        return os.fork()

    pid = split()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert captured.one("split").result == pid


def test_children_of_children_have_generations_of_their_own(captured: Captured) -> None:
    def child() -> None:
        leaf()
        fork(leaf)

    leaf()
    fork(child)
    assert len({span.instance for span in captured.spans}) == 3


def test_a_fork_while_other_threads_record_does_not_hang(captured: Captured) -> None:
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            leaf()

    threads = [threading.Thread(target=loop) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: fork with threads
            for _ in range(8):
                fork(leaf)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    spans = captured.spans
    assert len({span.instance for span in spans}) == 9
    assert len({span.span_id for span in spans}) == len(spans)


# ── the host comes first ────────────────────────────────────────────────────────────────────────


class Unspeakable:
    """What no encoder takes; `set_attribute` lets nothing like it through."""

    def __str__(self) -> str:
        raise ValueError("no words")


@pytest.mark.parametrize("failed", [False, True])
def test_a_record_that_cannot_be_encoded_is_counted_in_its_lane_and_stays_ours(
    tmp_path: Path, failed: bool
) -> None:
    with capture(tmp_path, strict=False) as captured:
        span: Any = captured.tracer.start_span("impossible")
        if failed:
            span.fail(ValueError("x"))
        span.held = {"planted": Unspeakable()}
        span.end()
        leaf()
        assert captured.one().name.endswith("leaf")
        spool = captured.recorder.spool
        counted = [lane.counters().unencodable for lane in (spool.ordinary, spool.errors)]
        assert counted == [int(not failed), int(failed)]


@pytest.mark.parametrize("stamp", [-1, 1 << 63, 1 << 80, float("nan"), float("inf"), "soon"])
def test_a_time_that_is_none_is_replaced_by_now(tmp_path: Path, stamp: Any) -> None:
    with capture(tmp_path, strict=False) as captured:
        now = captured.recorder.clock.wall()
        span = captured.tracer.start_span("x", start_time=stamp)
        span.add_event("event", timestamp=stamp)
        span.end(stamp)
        record = captured.one("x").record
        assert abs(record.start - now) < 60 * SECOND
        assert record.events is not None
        assert record.start <= record.events[0].time <= record.end


def test_a_folder_that_cannot_be_written_does_not_stop_the_program(tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("not a folder")
    with capture(blocked / "spool", strict=False) as captured:
        for _ in range(10):
            leaf()
        assert captured.recorder.spool.ordinary.counters().in_memory == 10
        blocked.unlink()
        captured.recorder.spool.close()
        assert len(captured.named("leaf")) == 10
