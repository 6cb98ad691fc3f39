"""How much one span may hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
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


def test_events_and_links_have_a_length_of_their_own(tmp_path: Path) -> None:
    with capture(tmp_path, limits=SpanLimits(attribute_length=4, nested_length=2)) as captured:
        span = begin(captured, attributes={"a": "abcdef"}, links=[Link(OTHER, {"a": "abcdef"})])
        span.add_event("event", {"a": "abcdef"})
        found = ended(captured, span)
    assert found.own == {"a": "abcd"}
    assert found.events[0].attributes == {"a": "ab"}
    assert [link.attributes for link in found.record.links or []] == [{"a": "ab"}]


def test_an_exception_is_told_whole_whatever_the_limits(tmp_path: Path) -> None:
    with capture(tmp_path, limits=SpanLimits(event_attributes=1, nested_length=2)) as captured:
        span = begin(captured)
        span.record_exception(ValueError("a long message"), {"a": "abcdef", "b": 1})
        found = ended(captured, span)
    assert (found.failure.type, found.failure.message) == ("ValueError", "a long message")
    assert found.events[0].attributes == {"a": "ab"}


@pytest.mark.parametrize("most", [0, 1, 2, 5])
def test_attributes_given_at_the_start_are_limited_alike(tmp_path: Path, most: int) -> None:
    given = {"a": 1, "b": "x", "c": 1.5}
    with capture(tmp_path, limits=SpanLimits(attributes=most)) as captured:
        with captured.tracer.start_as_current_span("scope", attributes=given):
            pass
        captured.tracer.start_span("span", attributes=given).end()
        newest = dict(list(given.items())[-most:]) if most else {}
        for name in ("scope", "span"):
            assert captured.one(name).own == newest
            assert captured.one(name).record.dropped == (max(0, 3 - most), 0, 0)


def test_attributes_given_at_the_start_are_copied_cleaned_and_hidden(captured: Captured) -> None:
    prices = [1, 2]
    given: dict[Any, Any] = {"prices": prices, "big": 1 << 70, "password": "x1", "note": "token=x2"}
    bad: dict[Any, Any] = {5: 1, "": 2, "a": 3}
    for _ in range(2):
        with captured.tracer.start_as_current_span("scope", attributes=given) as span:
            prices.append(3)
            span.set_attribute("note", "y")
        captured.tracer.start_span("bad key", attributes=bad).end()
    assert given["note"] == "token=x2", "the caller's dict is the caller's"
    first, second = (span.own for span in captured.named("scope"))
    assert (first["prices"], second["prices"]) == ([1, 2], [1, 2, 3])
    assert (first["big"], first["note"]) == (str(1 << 70), "y")
    for own in (first, second):
        assert "x1" not in str(own)
        assert "x2" not in str(own)
    assert [span.own for span in captured.named("bad key")] == [{"a": 3}] * 2
