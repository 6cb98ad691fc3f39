"""Exemplars: what an instrument was given last inside of a span that is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from tests.support.captured import Captured, capture
from tests.unit.signals.metrics.reading import Exemplar, one
from tradespan.core import guard
from tradespan.signals.metrics.registry import InstrumentRegistry
from tradespan.signals.slot import SIGNALS

NONE = Exemplar(0, 0.0, 0, 0, bytes(16))


@pytest.fixture
def captured(tmp_path: Path) -> Iterator[Captured]:
    with capture(tmp_path) as captured:
        yield captured


@pytest.fixture
def registry(way: str) -> InstrumentRegistry:
    return InstrumentRegistry(SIGNALS)


def test_value_in_a_span_is_its_series_exemplar_and_the_span_says_so(
    captured: Captured, registry: InstrumentRegistry
) -> None:
    counter, histogram = registry.counter("c", labels=("a",)), registry.histogram("h")
    with captured.tracer.start_as_current_span("order"):
        counter.labels("x").add(2)
        histogram.record(0.3)
    span = captured.one("order")
    seen = one(captured.folder, "c", a="x").exemplar

    assert (seen.sequence, seen.value) == (2, 2.0)
    assert (int.from_bytes(seen.trace_id, "big"), seen.span_id) == (span.trace_id, span.span_id)
    assert span.record.start <= seen.time
    assert one(captured.folder, "h").exemplar.value == 0.3
    assert one(captured.folder, "h").exemplar.trace_id == seen.trace_id
    assert span.own == {"tradespan.exemplar": True}


def test_value_outside_of_any_span_is_no_exemplar(
    captured: Captured, registry: InstrumentRegistry
) -> None:
    registry.counter("c").add(1)

    assert one(captured.folder, "c").exemplar == NONE
    assert captured.spans == []


@pytest.mark.parametrize("flags", [TraceFlags.DEFAULT, TraceFlags.SAMPLED])
def test_span_that_is_not_sampled_or_is_elsewhere_is_no_exemplar(
    captured: Captured, registry: InstrumentRegistry, flags: int
) -> None:
    remote = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(flags))
    with use_span(NonRecordingSpan(remote)):
        registry.counter("c").add(1)

    assert one(captured.folder, "c").exemplar == NONE


def test_span_that_fails_to_tell_its_context_reaches_nobody(
    captured: Captured, registry: InstrumentRegistry
) -> None:
    class Broken(trace.NonRecordingSpan):
        def get_span_context(self) -> SpanContext:
            raise RuntimeError("no")

    before = guard.raise_errors(False)
    try:
        with use_span(Broken(trace.INVALID_SPAN_CONTEXT)):
            registry.counter("c").add(1)
    finally:
        guard.raise_errors(before)

    assert one(captured.folder, "c").value == 1.0
