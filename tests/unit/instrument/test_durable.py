"""`durable`: a record when a call begins, so that it is seen if the process dies in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry import trace

from tests.support.captured import Captured
from tradespan.instrument.monitor import monitor


def test_a_start_is_written_before_the_body_runs(captured: Captured) -> None:
    @monitor(durable=True, process_group="execution")
    def place(symbol: str) -> str:
        (start,) = captured.starts
        assert start.arguments == {"symbol": "'BTC'"}
        assert start.record.duration == 0
        assert captured.spans == []
        return symbol

    place("BTC")
    (start,), span = captured.starts, captured.one("place")
    assert (start.span_id, start.trace_id, start.parent_id) == (
        span.span_id,
        span.trace_id,
        span.parent_id,
    )
    assert start.record.start == span.record.start
    assert start.attributes["tradespan.process_group"] == "execution"


def test_functions_of_every_kind_announce_themselves(captured: Captured) -> None:
    @monitor(durable=True)
    async def send() -> None: ...

    @monitor(durable=True)
    def ticks() -> Iterator[int]:
        yield 1

    asyncio.run(send())
    list(ticks())
    assert [start.name.rpartition(".")[2] for start in captured.starts] == ["send", "ticks"]


def test_an_end_that_failed_is_in_the_other_lane_with_the_same_ids(captured: Captured) -> None:
    @monitor(durable=True)
    def place() -> None:
        raise ValueError("rejected")

    with pytest.raises(ValueError, match="rejected"):
        place()
    (start,), end = captured.starts, captured.one("place")
    assert (start.span_id, start.lane.name, end.lane.name) == (end.span_id, "ORDINARY", "ERROR")


def test_what_is_announced_is_written_however_short_and_so_is_its_parent(
    captured: Captured,
) -> None:
    @monitor(durable=True, min_duration=60)
    def place() -> None: ...

    @monitor(min_duration=60)
    def decide() -> None:
        place()

    decide()
    assert [span.name.rpartition(".")[2] for span in captured.spans] == ["decide", "place"]
    assert captured.one("place").parent_id == captured.one("decide").span_id


def test_a_call_that_sampling_passes_over_is_not_announced(captured: Captured) -> None:
    @monitor(durable=True, sample_rate=0)
    def place() -> None: ...

    place()
    assert (captured.starts, captured.spans) == ([], [])


def test_a_trace_that_somebody_elses_sampler_dropped_is_not_announced(captured: Captured) -> None:
    @monitor(durable=True)
    def place() -> None: ...

    dropped = trace.NonRecordingSpan(trace.SpanContext(1, 2, is_remote=True))
    with trace.use_span(dropped):
        place()
    assert (captured.starts, captured.spans) == ([], [])
