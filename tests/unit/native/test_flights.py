"""The in-flight table: what runs stands in it, what ended does not. In C and in Python."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from tests.support.captured import Captured, capture
from tests.unit.native.ways import way
from tradespan.core import guard, native
from tradespan.instrument.monitor import monitor
from tradespan.instrument.state import PureState, SpanState
from tradespan.pages.flights import NAME_ROOM, SLOTS, PureFlights
from tradespan.pages.inflight import SIZE, InFlight, RunningCall, read_table
from tradespan.wire.codec import decode_resource, decode_site

__all__ = ["way"]


@pytest.fixture
def captured(tmp_path: Path, way: str) -> Iterator[Captured]:
    with capture(tmp_path / "spool") as captured:
        assert isinstance(captured.recorder.flights, PureFlights) == (way == "pure")
        yield captured


def table_of(captured: Captured) -> InFlight:
    (path,) = captured.folder.glob("*.inflight")
    table = read_table(path)
    assert table is not None
    return table


def calls_of(captured: Captured) -> list[RunningCall]:
    return table_of(captured).calls


def name_of(table: InFlight, call: RunningCall) -> str:
    return call.name or decode_site(table.sites[call.site]).name.rpartition(".")[2]


def test_table_says_what_runs_and_explains_itself(captured: Captured) -> None:
    seen: list[InFlight] = []

    @monitor
    def inner() -> None:
        seen.append(table_of(captured))

    @monitor
    def outer(symbol: str) -> str:
        inner()
        return symbol

    outer("BTC")
    (table,) = seen
    (call,) = table.calls
    (span,) = captured.named("outer")
    assert name_of(table, call) == "outer", "the root alone: what it calls costs nothing"
    assert (call.trace_id, call.span_id) == (span.record.trace_id, span.span_id)
    assert 0 <= span.record.start - call.start < 10**9
    assert (call.parent_id, call.flags, call.durable) == (0, span.record.flags, False)
    assert call.thread == threading.get_ident()
    assert table.process_id == os.getpid()
    assert table.alive
    assert not table.ended_cleanly
    assert table.writer == captured.recorder.spool.identity.hex()
    resource = decode_resource(table.resource)
    assert resource.attributes["service.instance.id"] == table.writer
    assert decode_site(table.sites[call.site]) == span.site
    assert calls_of(captured) == []


def test_every_way_to_end_frees_the_slot(captured: Captured) -> None:
    @monitor
    def returns() -> None: ...

    @monitor
    def fails() -> None:
        raise ValueError("no")

    @monitor
    def leaves() -> None:
        raise SystemExit

    @monitor
    def counts() -> Generator[int, None, None]:
        yield 1
        yield 2

    @monitor(min_duration=3600.0)
    def short() -> None: ...

    @monitor(durable=True)
    async def sends() -> None:
        await asyncio.sleep(0)

    @monitor
    def with_status() -> None:
        captured.tracer.start_span("by hand").end()

    returns()
    for failing, kind in ((fails, ValueError), (leaves, SystemExit)):
        with pytest.raises(kind):
            failing()
    list(counts())
    left = counts()
    next(left)
    left.close()
    short()
    asyncio.run(sends())
    with_status()
    with captured.tracer.start_as_current_span("scope") as span:
        assert calls_of(captured)[0].name == "scope"
        span.add_event("something")
    assert calls_of(captured) == []
    flights = captured.recorder.flights
    assert flights is not None
    assert flights.open == 0


def test_calls_may_end_in_any_order_and_thread(captured: Captured) -> None:
    spans = [captured.tracer.start_span(f"call {number}") for number in range(8)]
    assert sorted(call.name for call in calls_of(captured)) == sorted(
        f"call {number}" for number in range(8)
    )
    for place in (3, 0, 7):
        thread = threading.Thread(target=spans[place].end)
        thread.start()
        thread.join()
    spans[3].end()  # a second time: its slot may be another's by now
    assert sorted(call.name[-1] for call in calls_of(captured)) == list("12456")
    spans.append(captured.tracer.start_span("call 8"))
    assert len(calls_of(captured)) == 6
    for span in spans:
        span.end()


def test_call_below_a_remote_parent_is_the_first_here_and_stands_in_the_table(
    captured: Captured,
) -> None:
    context = SpanContext(7 << 64, 9, is_remote=True, trace_flags=TraceFlags(1))
    parent = set_span_in_context(NonRecordingSpan(context))
    span = captured.tracer.start_span("served", parent)
    (call,) = calls_of(captured)
    assert (call.name, call.parent_id, call.trace_id) == ("served", 9, (7 << 64).to_bytes(16))
    span.end()
    assert calls_of(captured) == []


def test_durable_call_stands_beside_its_root_with_the_start_that_was_written(
    captured: Captured,
) -> None:
    @monitor(durable=True)
    def submit(symbol: str) -> list[RunningCall]:
        assert symbol
        return calls_of(captured)

    @monitor
    def work() -> list[RunningCall]:
        return submit("BTC")

    root, order = sorted(work(), key=lambda call: call.durable)
    (start,) = captured.starts
    assert (order.span_id, order.start) == (start.span_id, start.record.start)
    assert order.parent_id == root.span_id
    (alone,) = submit("ETH")
    assert alone.durable, "a root that is durable has one slot"
    assert calls_of(captured) == []


def test_long_and_strange_names(captured: Captured) -> None:
    names = ["é" * 40, "\ud800 lone", ""]
    spans = [captured.tracer.start_span(name) for name in names]
    told = {call.span_id: call.name for call in calls_of(captured)}
    assert told[spans[0].span_id] == "é" * (NAME_ROOM // 2)  # type: ignore[attr-defined]
    for span in spans:
        span.end()
    assert calls_of(captured) == []


def test_full_table_counts_who_finds_no_slot_and_gives_slots_back(captured: Captured) -> None:
    spans = [captured.tracer.start_span("held") for _ in range(SLOTS + 5)]
    table = table_of(captured)
    assert (len(table.calls), table.overflow) == (SLOTS, 5)
    for span in spans:
        span.end()
    assert calls_of(captured) == []
    again = captured.tracer.start_span("again")
    assert [call.name for call in calls_of(captured)] == ["again"]
    again.end()


def test_span_that_is_collected_unended_stays_until_its_slot_is_needed(
    captured: Captured, way: str
) -> None:
    if way == "pure" and SpanState is not PureState:
        pytest.skip("only a span of the way in Python tells its table there that it is lost")
    for number in range(SLOTS + 3):
        captured.tracer.start_span(f"lost {number}")
    gc.collect()
    table = table_of(captured)
    assert len(table.calls) == SLOTS
    assert table.overflow == 3
    assert "lost 0" not in {call.name for call in table.calls}, "the longest lost gives way"
    assert f"lost {SLOTS + 2}" in {call.name for call in table.calls}
    kept = captured.tracer.start_span("kept")
    assert "kept" in {call.name for call in calls_of(captured)}
    kept.end()


def test_finalizers_signals_and_threads_leave_no_slot_taken(captured: Captured) -> None:
    class Ends:
        def __init__(self) -> None:
            self.span = captured.tracer.start_span("held by a cycle")
            self.me = self

        def __del__(self) -> None:
            self.span.end()

    def work() -> None:
        for _ in range(200):
            Ends()
            captured.tracer.start_span("plain").end()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert calls_of(captured) == []


def test_forked_child_has_a_table_of_its_own_and_leaves_its_parent_s_alone(
    captured: Captured,
) -> None:
    held = captured.tracer.start_span("of the parent")
    before = calls_of(captured)
    child = os.fork()
    if child == 0:
        held.end()
        mine = captured.tracer.start_span("of the child")
        os._exit(0 if mine.is_recording() else 1)
    assert os.waitpid(child, 0)[1] == 0
    tables = [read_table(path) for path in captured.folder.glob("*.inflight")]
    by_process = {table.process_id: table for table in tables if table is not None}
    assert by_process[os.getpid()].calls == before
    (call,) = by_process[child].calls
    assert call.name == "of the child"
    assert not by_process[child].alive
    held.end()
    assert by_process[os.getpid()].alive


@pytest.mark.usefixtures("way")
def test_where_no_file_can_be_made_nothing_is_told_and_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file, no folder")
    with capture(tmp_path / "spool", strict=False) as captured:
        before = dict(guard.counts)
        for _ in range(3):
            captured.tracer.start_span("untold").end()
        flights = captured.recorder.flights
        assert flights is not None
        assert (flights.open, flights.missed) == (0, 3)
        new = {cause for cause in guard.counts if guard.counts[cause] != before.get(cause)}
        assert any("which calls run is not told" in where for where, _ in new)


@pytest.mark.usefixtures("way")
def test_foreign_objects_are_refused() -> None:
    if native.module is None:
        return
    flights: Any = native.module.Flights(print)
    with pytest.raises(TypeError, match="a span is wanted"):
        flights.enter(object(), False)
    with pytest.raises(TypeError, match="a span is wanted"):
        flights.leave(object())
    with pytest.raises(ValueError, match="no table"):
        flights.use(bytearray(64))
    flights.use(bytearray(SIZE))
    flights.restart()
    assert flights.open == 0
