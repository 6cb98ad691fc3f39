"""Our spans between spans of the OpenTelemetry SDK: one trace, whoever made the parent."""

from __future__ import annotations

import pytest
from opentelemetry import context as api
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased

from tests.support.captured import Captured
from tradespan.instrument.monitor import monitor


class Sdk:
    """A provider of the SDK's, and what it exported."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=ParentBased(ALWAYS_ON))
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = provider.get_tracer("sdk")

    def one(self, name: str) -> ReadableSpan:
        (span,) = (span for span in self.exporter.get_finished_spans() if span.name == name)
        return span


@pytest.fixture
def sdk() -> Sdk:
    return Sdk()


@monitor
def ours() -> int:
    return trace.get_current_span().get_span_context().span_id


def test_a_span_of_the_sdk_is_a_parent_and_a_child_of_ours(captured: Captured, sdk: Sdk) -> None:
    @monitor
    def watched() -> None:
        with sdk.tracer.start_as_current_span("theirs inside"):
            ours()

    with sdk.tracer.start_as_current_span("theirs"):
        watched()
    outer, inner = sdk.one("theirs"), sdk.one("theirs inside")
    assert outer.context is not None
    assert inner.context is not None
    assert inner.parent is not None
    assert captured.one("watched").parent_id == outer.context.span_id
    assert inner.parent.span_id == captured.one("watched").span_id
    assert captured.one("ours").parent_id == inner.context.span_id
    traces = {outer.context.trace_id, inner.context.trace_id}
    assert traces == {span.trace_id for span in captured.spans}


def test_times_of_both_fit_into_each_other(captured: Captured, sdk: Sdk) -> None:
    with sdk.tracer.start_as_current_span("theirs"):
        ours()
    outer, inner = sdk.one("theirs"), captured.one("ours").record
    assert outer.start_time is not None
    assert outer.end_time is not None
    slack = 1_000_000  # the wall clock and its anchor are read at different moments
    assert outer.start_time - slack <= inner.start
    assert inner.end <= outer.end_time + slack


def test_a_scope_of_ours_around_the_sdks(captured: Captured, sdk: Sdk) -> None:
    with captured.tracer.start_as_current_span("outer") as outer:
        middle_scope = sdk.tracer.start_as_current_span("middle")
        with middle_scope, captured.tracer.start_as_current_span("inner"):
            pass
        assert trace.get_current_span() is outer
    middle = sdk.one("middle")
    assert middle.parent is not None
    assert middle.context is not None
    assert middle.parent.span_id == captured.one("outer").span_id
    assert captured.one("inner").parent_id == middle.context.span_id


def test_what_the_sdk_does_not_sample_is_not_recorded_by_us(captured: Captured) -> None:
    dropping = TracerProvider(sampler=ALWAYS_OFF).get_tracer("sdk")
    with dropping.start_as_current_span("dropped"):
        ours()
    assert captured.spans == []
    ours()
    assert captured.one("ours").parent_id == 0


def test_our_sampled_flag_is_what_the_sdk_decides_by(captured: Captured, sdk: Sdk) -> None:
    with captured.tracer.start_as_current_span("outer"):
        sdk.tracer.start_span("child").end()
    assert sdk.one("child").parent is not None


def test_a_context_of_somebody_elses_keeps_its_other_values(captured: Captured) -> None:
    token = api.attach(api.set_value("strategy", "momentum"))
    try:
        with captured.tracer.start_as_current_span("outer"):
            assert api.get_value("strategy") == "momentum"
            ours()
        assert api.get_value("strategy") == "momentum"
    finally:
        api.detach(token)
    assert captured.one("ours").parent_id == captured.one("outer").span_id
