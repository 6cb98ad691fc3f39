"""What the SDK's processors see of what is ours alone, or beyond the limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource as SdkResource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, TraceState, set_span_in_context

from tests.support.captured import Captured, capture
from tradespan.instrument.pen import SpanLimits
from tradespan.instrument.readable import readable_span
from tradespan.instrument.span import Span

OTHER = SpanContext(0x1234, 0x56, is_remote=True, trace_state=TraceState([("vendor", "x")]))
RESOURCE = SdkResource({"service.name": "desk"})


def ended(captured: Captured, **options: Any) -> tuple[Span, ReadableSpan]:
    span = captured.tracer.start_span("work", **options)
    assert type(span) is Span
    span.end()
    return span, readable_span(span, RESOURCE)


def test_lists_are_tuples_as_in_the_sdk(captured: Captured) -> None:
    _, readable = ended(captured, attributes={"list": [1, [2, "x"]], "map": {"k": [True]}})
    assert readable.attributes == {"list": (1, (2, "x")), "map": {"k": (True,)}}


def test_it_cannot_be_written_to(captured: Captured) -> None:
    _, readable = ended(captured, attributes={"a": 1}, links=[Link(OTHER, {"a": 1})])
    attributes: Any = readable.attributes
    with pytest.raises(TypeError):
        attributes["a"] = 2
    linked: Any = readable.links[0].attributes
    assert type(linked) is BoundedAttributes
    with pytest.raises(TypeError):
        linked["a"] = 2


def test_links_keep_their_whole_context(captured: Captured) -> None:
    _, readable = ended(captured, links=[Link(OTHER, {"why": "retry"})])
    (link,) = readable.links
    assert (link.context, link.attributes) == (OTHER, {"why": "retry"})


def test_what_the_limits_dropped_is_counted(tmp_path: Path) -> None:
    few = SpanLimits(attributes=1, events=1, links=1, event_attributes=1, link_attributes=1)
    two = {"a": 1, "b": 2}
    with capture(tmp_path, limits=few) as captured:
        span = captured.tracer.start_span("work", attributes=two, links=[Link(OTHER, two)] * 2)
        assert type(span) is Span
        span.add_event("one", two)
        span.add_event("two", two)
        span.end()
        readable = readable_span(span, RESOURCE)
    dropped = readable.dropped_attributes, readable.dropped_events, readable.dropped_links
    assert dropped == (1, 1, 1)
    assert readable.events[0].dropped_attributes == readable.links[0].dropped_attributes == 1


def test_a_remote_parent_is_the_parent(captured: Captured) -> None:
    parent = SpanContext(0x77, 0x88, is_remote=True, trace_flags=OTHER.trace_flags)
    span, readable = ended(captured, context=set_span_in_context(NonRecordingSpan(parent)))
    assert readable.parent == parent
    assert readable.context == span.get_span_context()


def test_times_are_those_of_the_span(captured: Captured) -> None:
    span, readable = ended(captured, start_time=1_772_366_400_000_000_001)
    assert readable.start_time == span.start_time == 1_772_366_400_000_000_001
    assert readable.end_time == span.end_time
