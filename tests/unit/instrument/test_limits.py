"""How much one span may hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opentelemetry.trace import (
    Link,
    SpanContext,
    TraceFlags,
)

from tests.support.captured import Captured, CapturedSpan, capture
from tradespan.instrument.pen import SpanLimits
from tradespan.instrument.span import Span

OTHER = SpanContext(0x1234, 0x56, is_remote=True, trace_flags=TraceFlags(1))


def begin(captured: Captured, name: Any = "work", **options: Any) -> Span:
    span = captured.tracer.start_span(name, **options)
    assert type(span) is Span
    return span


def ended(captured: Captured, span: Span) -> CapturedSpan:
    span.end()
    return captured.one()


def test_at_the_limit_the_oldest_attribute_goes(tmp_path: Path) -> None:
    with capture(tmp_path, limits=SpanLimits(attributes=2)) as captured:
        span = begin(captured)
        for key in ("a", "b", "a", "c"):
            span.set_attribute(key, key)
        found = ended(captured, span)
    assert found.own == {"a": "a", "c": "c"}
    assert found.record.dropped == (1, 0, 0)


def test_a_limit_of_zero_keeps_nothing(tmp_path: Path) -> None:
    limits = SpanLimits(attributes=0, events=0, links=0, event_attributes=0, link_attributes=0)
    with capture(tmp_path, limits=limits) as captured:
        span = begin(captured, attributes={"a": 1}, links=[Link(OTHER)])
        span.add_event("event", {"a": 1})
        found = ended(captured, span)
    assert (found.own, found.events, found.record.links or []) == ({}, [], [])
    assert found.record.dropped == (1, 1, 1)


def test_events_links_and_their_attributes_are_limited(tmp_path: Path) -> None:
    limits = SpanLimits(events=2, links=2, event_attributes=1, link_attributes=1)
    with capture(tmp_path, limits=limits) as captured:
        span = begin(captured)
        for n in range(4):
            span.add_event(f"event {n}", {"a": n, "b": n})
            span.add_link(OTHER, {"a": n, "b": n})
        found = ended(captured, span)
    assert [event.name for event in found.events] == ["event 2", "event 3"]
    assert [(event.attributes, event.dropped_attributes) for event in found.events] == [
        ({"a": 2}, 1),
        ({"a": 3}, 1),
    ]
    assert [link.attributes for link in found.record.links or []] == [{"a": 2}, {"a": 3}]
    assert found.record.dropped == (0, 2, 2)


def test_texts_are_cut_to_the_length_also_inside_lists(tmp_path: Path) -> None:
    with capture(tmp_path, limits=SpanLimits(attribute_length=3)) as captured:
        span = begin(captured)
        span.set_attributes({"text": "abcdef", "list": ["abcdef", 5], "map": {"k": "abcdef"}})
        own = ended(captured, span).own
    assert own == {"text": "abc", "list": ["abc", 5], "map": {"k": "abc"}}


def test_without_limits_everything_is_kept(tmp_path: Path) -> None:
    with capture(tmp_path, limits=SpanLimits(None, None, None, None, None)) as captured:
        span = begin(captured)
        span.set_attributes({f"key {n}": n for n in range(1_000)})
        assert len(ended(captured, span).own) == 1_000
