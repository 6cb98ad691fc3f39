"""Spans that begin and end in C: the same fields, ids and records as in Python."""

from __future__ import annotations

import gc
import os
import sys
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context

from tests.support.captured import Captured, capture
from tests.unit.native.ways import compiled
from tradespan.capture.failure import capture_failure
from tradespan.core import native
from tradespan.instrument.context import SPAN_KEY
from tradespan.instrument.monitor import monitor
from tradespan.instrument.span import KEPT_BITS, ROOT_FLAGS, Span
from tradespan.instrument.starter import PureStarter
from tradespan.instrument.tracer import start
from tradespan.pages.readings import read_metric_pages
from tradespan.spool.folder import RunFolder
from tradespan.wire.sites import SITES

SCOPE = ("tests", "", "")
INTEGERS = st.integers(-(1 << 63), (1 << 64) - 1)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ATTRIBUTES = st.none() | st.dictionaries(st.text(min_size=1), VALUES, max_size=4)


@pytest.fixture
def site() -> int:
    return SITES.declare(SCOPE, name="tests.work")


def nothing() -> Context:
    return Context()


# ── beginning ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("way")
def test_a_root_and_its_child(tmp_path: Path, site: int) -> None:
    with capture(tmp_path) as captured:
        starter = captured.recorder.starter
        assert isinstance(starter, PureStarter) == (native.module is None)
        root = starter.begin(site, 4, nothing(), None)
        assert root is not None
        assert type(root) is Span
        root.outer = nothing()
        child = starter.begin(site, 8, root, None)
        assert child is not None
        assert (root.parent_id, root.flags) == (0, 4 | ROOT_FLAGS)
        assert (child.parent_id, child.trace_key) == (root.span_id, root.trace_key)
        assert child.flags == 8 | root.flags & KEPT_BITS
        assert child.outer is root.outer, "not the span: each would hold the one before"
        assert child.offset == root.offset == captured.recorder.offset
        assert child.began >= root.began > 0
        assert len(root.trace_key) == 16
        for span in (root, child):
            absent = (span.ended, span.name_set, span.held, span.arguments, span.result)
            assert (*absent, span.extras) == (None,) * 6
            assert id(span.recorder) == id(captured.recorder)
        assert not hasattr(root, "_context"), "made when first asked for"


@pytest.mark.usefixtures("way")
def test_below_a_context_that_holds_a_span(tmp_path: Path, site: int) -> None:
    with capture(tmp_path) as captured:
        parent = captured.recorder.begin(site, 0, nothing(), None)
        assert parent is not None
        holding = Context({SPAN_KEY: parent, "baggage": 1})
        child = captured.recorder.begin(site, 0, holding, None)
        assert child is not None
        assert (child.parent_id, child.outer) == (parent.span_id, holding)


@pytest.mark.usefixtures("way")
def test_what_is_not_plain_begins_elsewhere(tmp_path: Path, site: int) -> None:
    with capture(tmp_path) as captured:
        recorder = captured.recorder
        parent = recorder.begin(site, 0, nothing(), None)
        assert parent is not None
        foreign = trace.NonRecordingSpan(trace.SpanContext(1, 2, is_remote=True))
        strange: list[Any] = [Context({SPAN_KEY: foreign}), foreign, object(), None, {}]
        assert [recorder.begin(site, 0, outer, None) for outer in strange] == [None] * 5
        parent.more().trace_state = trace.TraceState([("venue", "sim")])
        assert recorder.begin(site, 0, Context({SPAN_KEY: parent}), None) is None
        recorder.starter.anchor_until = 0
        assert recorder.begin(site, 0, nothing(), None) is None, "the clocks are compared first"
        recorder.anchor()
        recorder.starter.plain_roots = False
        assert recorder.begin(site, 0, nothing(), None) is None
        recorder.starter.plain = False
        assert recorder.begin(site, 0, Context({SPAN_KEY: parent}), None) is None


@pytest.mark.usefixtures("way")
def test_a_trace_id_that_is_given_is_a_roots_own(tmp_path: Path, site: int) -> None:
    key = bytes(range(16))
    with capture(tmp_path) as captured:
        root = captured.recorder.begin(site, 0, nothing(), key)
        assert root is not None
        child = captured.recorder.begin(site, 0, Context({SPAN_KEY: root}), b"\xff" * 16)
        assert child is not None
        assert root.trace_key == child.trace_key == key


@pytest.mark.usefixtures("way")
def test_ids_are_unique_over_threads_and_processes(tmp_path: Path, site: int) -> None:
    with capture(tmp_path) as captured:
        drawn: list[tuple[bytes, int]] = []

        def draw(starter: Any) -> None:
            for _ in range(5_000):
                span = starter.begin(site, 0, nothing(), None)
                drawn.append((span.trace_key, span.span_id))

        starter = captured.recorder.starter
        threads = [threading.Thread(target=draw, args=(starter,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        draw(captured.recorder.successor().starter)
        assert len({key for key, _ in drawn}) == len({number for _, number in drawn}) == 25_000


def test_bits_of_the_ids_are_fair(tmp_path: Path, site: int) -> None:
    with capture(tmp_path) as captured:
        count = 20_000
        ones = [0] * 192
        for _ in range(count):
            recorder = captured.recorder
            # On a slow machine the clocks are compared anew meanwhile, which is not this way's.
            span = recorder.begin(site, 0, nothing(), None) or start(
                recorder, site, 0, recorder.upstream
            )
            assert type(span) is Span
            bits = int.from_bytes(span.trace_key, "big") << 64 | span.span_id
            for place in range(192):
                ones[place] += bits >> place & 1
    # Seven standard deviations of a fair coin.
    assert max(abs(each - count / 2) for each in ones) < 7 * (count / 4) ** 0.5


# ── ending ──────────────────────────────────────────────────────────────────────────────────────


def finish_both_ways(folder: Path, site: int, fill: dict[str, Any]) -> tuple[Captured, list[Any]]:
    """The same span once by the lane, once by the recorder in Python; the two records."""
    with capture(folder) as captured:
        recorder = captured.recorder
        for own in (True, False):
            span = recorder.begin(site, 4, nothing(), bytes(range(1, 17)))
            assert span is not None
            span.span_id, span.began, span.offset = 7, 1_000, 1_700_000_000_000_000_000
            for name, value in fill.items():
                setattr(span, name, value)
            left = recorder.finish_plain(span, 3_500, None) if own else 3_500
            if left is not None:
                recorder.finish(span, left)
            assert span.ended == 3_500
        records = [span.record for span in captured.spans]
    return captured, records


@given(
    name=st.none() | st.text(),
    held=ATTRIBUTES,
    arguments=st.none() | st.lists(VALUES, max_size=4),
    result=VALUES,
)
def test_the_record_is_the_same_in_both_ways(
    tmp_path_factory: pytest.TempPathFactory, name: Any, held: Any, arguments: Any, result: Any
) -> None:
    compiled()
    site = SITES.declare(SCOPE, name="tests.work")
    fill = {"name_set": name, "held": held, "arguments": arguments, "result": result}
    _, (one, two) = finish_both_ways(tmp_path_factory.mktemp("spool"), site, fill)
    assert one == two
    assert one.duration == 2_500


@pytest.mark.parametrize("value", ["\ud800", 1 << 70, "x" * 3_000_000, {1: object()}])
def test_what_c_cannot_encode_is_written_in_python(tmp_path: Path, site: int, value: Any) -> None:
    compiled()
    _, (one, two) = finish_both_ways(tmp_path, site, {"held": {"value": value}})
    assert one.site == two.site == site
    assert set(one.attributes) == {"value"}


@pytest.mark.usefixtures("way")
def test_a_span_with_extras_and_one_that_failed_are_left_to_the_recorder(
    tmp_path: Path, site: int
) -> None:
    with capture(tmp_path) as captured:
        recorder = captured.recorder
        for fill in ("extras", "failed"):
            span = recorder.begin(site, 0, nothing(), None)
            assert span is not None
            if fill == "extras":
                span.more()
            else:
                span.flags |= 2
            assert recorder.finish_plain(span, 5, None) == 5
            assert span.ended is None
        assert captured.spans == []


@pytest.mark.usefixtures("way")
def test_a_span_that_was_ended_is_not_written_again(tmp_path: Path, site: int) -> None:
    with capture(tmp_path) as captured:
        span = captured.recorder.begin(site, 0, nothing(), None)
        assert span is not None
        span.end()
        assert captured.recorder.finish_plain(span, None, None) is None
        assert len(captured.spans) == 1


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    module: Any = compiled()
    with capture(tmp_path) as captured:
        lane: Any = captured.recorder.spool.ordinary.spans
        for wrong in [(16, object(), None, None), (16, Span(), None, 5), (16, Span(), "x", None)]:
            with pytest.raises(TypeError):
                lane.finish(*wrong)
        with pytest.raises(TypeError):
            module.Starter(int, Context, SPAN_KEY, None, os.urandom(32))
        with pytest.raises(TypeError):
            module.Starter(Span, int, SPAN_KEY, None, os.urandom(32))
        with pytest.raises(ValueError, match="32 bytes"):
            module.Starter(Span, Context, SPAN_KEY, None, b"short")


def fail_both_ways(folder: Path, site: int, error: Exception, status: int = 0) -> list[Any]:
    """The same call that raised once by the lane, once by the recorder in Python."""
    with capture(folder) as captured:
        recorder = captured.recorder
        for own in (True, False):
            span = recorder.begin(site, 4 | status, nothing(), bytes(range(1, 17)))
            assert span is not None
            span.span_id, span.began, span.offset = 7, 1_000, 1_700_000_000_000_000_000
            event, described = span.describe_failure(error, 3_500, capture_failure)
            left: int | None = 3_500
            if own:
                assert recorder.fail_plain is not None
                left = recorder.fail_plain(span, 3_500, None, described, event)
            if left is not None:
                span.add_failure(event, described)
                recorder.finish(span, left)
            assert span.ended == 3_500
        return captured.spans


@pytest.mark.parametrize("status", [0, 1])
@pytest.mark.parametrize("text", ["refused", "\ud800", "x" * 5_000])
def test_a_failure_is_the_same_in_both_ways(
    tmp_path: Path, site: int, text: str, status: int
) -> None:
    compiled()
    try:
        raise ValueError(text)
    except ValueError as error:
        one, two = fail_both_ways(tmp_path, site, error, status)
    assert one.record == two.record
    assert one.lane == two.lane
    assert one.failed == (status == 0)


def test_a_failed_call_is_counted_as_one(tmp_path: Path) -> None:
    @monitor
    def work() -> None:
        raise ValueError

    with capture(tmp_path) as captured:
        for _ in range(3):
            with pytest.raises(ValueError):  # noqa: PT011 - any
                work()
        readings = read_metric_pages(RunFolder(captured.folder).metric_pages)
        (function,) = [each for reading in readings for each in reading.functions]
        assert (function.counts.calls, function.counts.errors) == (3, 3)


# ── memory ──────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_kept_of_spans_that_are_over(tmp_path: Path) -> None:
    compiled()

    @monitor
    def work(number: int, symbol: str) -> int:
        return number

    with capture(tmp_path):
        for number in range(2_000):
            work(number, "BTC-USDT")
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for number in range(20_000):
                work(number, "BTC-USDT")
            gc.collect()
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
    assert grown < 20_000, "a byte a call would be as much"


def test_references_are_counted_right(tmp_path: Path, site: int) -> None:
    compiled()
    with capture(tmp_path) as captured:
        recorder, outer, key = captured.recorder, nothing(), bytes(range(16))
        watched: list[Any] = [recorder, outer, key, recorder.starter]
        before = [sys.getrefcount(each) for each in watched]
        for _ in range(1_000):
            span = recorder.begin(site, 0, outer, key)
            assert span is not None
            assert recorder.finish_plain(span, None, None) is None
            del span
        assert [sys.getrefcount(each) for each in watched] == before


def test_a_span_in_a_circle_is_collected(tmp_path: Path, site: int) -> None:
    compiled()

    class Held:
        gone = 0

        def __del__(self) -> None:
            Held.gone += 1

    with capture(tmp_path) as captured:
        span = captured.recorder.begin(site, 0, nothing(), None)
        assert span is not None
        holder: Any = Held()
        holder.span, span.result = span, holder
        del span, holder
        gc.collect()
    assert Held.gone == 1
