"""A span as the OpenTelemetry API has it: attributes, events, links, status, names, ends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from tests.support.captured import Captured, CapturedSpan
from tests.support.ids import shown
from tradespan.core import guard
from tradespan.instrument.span import Span

OTHER = SpanContext(0x1234, 0x56, is_remote=True, trace_flags=TraceFlags(1))


def begin(captured: Captured, name: Any = "work", **options: Any) -> Span:
    span = captured.tracer.start_span(name, **options)
    assert type(span) is Span
    return span


def ended(captured: Captured, span: Span) -> CapturedSpan:
    span.end()
    return captured.one()


@pytest.fixture
def lenient() -> Iterator[None]:
    before = guard.raise_errors(False)
    yield
    guard.raise_errors(before)


class Broken:
    def __str__(self) -> str:
        raise ValueError("no words")

    __repr__ = __iter__ = __str__


class BrokenList(Sequence[int]):
    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: Any) -> Any:
        raise ValueError("no items")


class BrokenMap(Mapping[str, int]):
    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Iterator[str]:
        raise ValueError("no keys")

    def __getitem__(self, key: str) -> int:
        raise ValueError("no values")


# ── attributes ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "recorded"),
    [
        ("text", "text"),
        ("", ""),
        (True, True),
        (5, 5),
        (-(2**63), -(2**63)),
        (2**63, str(2**63)),
        (1.5, 1.5),
        (b"\x00\xff", b"\x00\xff"),
        (None, None),
        ([1, 2], [1, 2]),
        (("a", "b"), ["a", "b"]),
        ([1, "a", [True]], [1, "a", [True]]),
        ({"a": {"b": 1}}, {"a": {"b": 1}}),
        ({1: "x", "": "dropped"}, {"1": "x"}),
        ([2**70], [str(2**70)]),
        (bytearray(b"x"), b"x"),
        (range(3), [0, 1, 2]),
        (StatusCode.OK, "StatusCode.OK"),
        (type("Text", (str,), {})("x"), "x"),
        (type("Whole", (int,), {})(5), 5),
        (type("Price", (float,), {})(1.5), 1.5),
    ],
    ids=shown,
)
def test_attribute_values(captured: Captured, value: Any, recorded: Any) -> None:
    span = begin(captured)
    span.set_attribute("key", value)
    own = ended(captured, span).own
    assert own == {"key": recorded}
    assert type(own["key"]) is type(recorded)


def test_a_list_is_copied_when_it_is_set(captured: Captured) -> None:
    span, prices, levels = begin(captured), [1.0], {"bid": [1.0]}
    span.set_attributes({"prices": prices, "levels": levels})
    prices.append(2.0)
    levels["bid"].append(2.0)
    assert ended(captured, span).own == {"prices": [1.0], "levels": {"bid": [1.0]}}


@pytest.mark.parametrize(
    "value", [Broken(), [Broken()], BrokenList(), BrokenMap(), {"a": Broken()}]
)
def test_a_value_that_fails_does_not_break_the_code_that_sets_it(
    captured: Captured, lenient: None, value: Any
) -> None:
    span = begin(captured)
    span.set_attribute("key", value)
    span.set_attribute("after", 1)
    own = ended(captured, span).own
    assert own.keys() == {"key", "after"}


def test_a_value_inside_itself_ends(captured: Captured) -> None:
    items: list[Any] = [1]
    items.append(items)
    span = begin(captured)
    span.set_attribute("key", items)
    assert ended(captured, span).own["key"][:1] == [1]


@pytest.mark.parametrize("key", ["", None, 5, b"key"])
def test_a_key_that_is_none_is_counted_as_dropped(captured: Captured, key: Any) -> None:
    span = begin(captured)
    span.set_attribute(key, 1)
    span.set_attribute("good", 1)
    found = ended(captured, span)
    assert found.own == {"good": 1}
    assert found.record.dropped == (1, 0, 0)


@pytest.mark.parametrize("attributes", [[("a", 1)], "text", BrokenMap(), 5])
def test_what_is_no_mapping_does_not_break_the_code_that_gives_it(
    captured: Captured, lenient: None, attributes: Any
) -> None:
    span = begin(captured, attributes=attributes)
    span.set_attributes(attributes)
    span.add_event("event", attributes)
    span.add_link(OTHER, attributes)
    span.record_exception(ValueError("x"), attributes)
    assert len(ended(captured, span).events) == 2


# ── events, links, exceptions ───────────────────────────────────────────────────────────────────


def test_events_have_their_time_and_attributes(captured: Captured) -> None:
    span = begin(captured)
    span.add_event("now", {"a": 1})
    span.add_event("then", timestamp=1_700_000_000_000_000_000)
    found = ended(captured, span)
    now, then = found.events
    assert found.record.start <= now.time <= found.record.end
    assert (now.name, now.attributes) == ("now", {"a": 1})
    assert then.time == 1_700_000_000_000_000_000


def test_links_are_kept_with_their_state(captured: Captured) -> None:
    state = TraceState([("vendor", "x")])
    stateful = SpanContext(1, 2, is_remote=False, trace_state=state)
    span = begin(captured, links=[Link(OTHER, {"why": "fill"})])
    span.add_link(stateful)
    first, second = ended(captured, span).record.links or []
    assert (int.from_bytes(first.trace_id, "big"), first.span_id) == (0x1234, 0x56)
    assert (first.attributes, first.remote, first.trace_flags) == ({"why": "fill"}, True, 1)
    assert (second.trace_state, second.remote, second.trace_flags) == ("vendor=x", False, 0)


def test_an_invalid_link_counts_only_if_it_brings_something(captured: Captured) -> None:
    nothing = SpanContext(0, 0, is_remote=False)
    span = begin(captured)
    span.add_link(nothing)
    span.add_link(nothing, {"why": "lost"})
    (link,) = ended(captured, span).record.links or []
    assert link.attributes == {"why": "lost"}


def test_an_exception_may_be_recorded_without_failing_the_span(captured: Captured) -> None:
    span = begin(captured)
    try:
        raise ValueError("tried")
    except ValueError as error:
        span.record_exception(error, {"attempt": 1}, timestamp=5)
    found = ended(captured, span)
    assert not found.failed
    assert found.events[0].name == "exception"
    assert found.events[0].time == 5
    assert found.events[0].attributes == {"attempt": 1}
    assert (found.failure.type, found.failure.escaped) == ("ValueError", False)


@pytest.mark.parametrize("thing", ["text", None, 5, ValueError])
def test_what_is_no_exception_does_not_break_the_code_that_records_it(
    captured: Captured, lenient: None, thing: Any
) -> None:
    span = begin(captured)
    span.record_exception(thing)
    assert ended(captured, span).failure.type in {"str", "NoneType", "int", "type"}


@pytest.mark.parametrize("thing", ["text", None, SpanContext(1 << 130, 1, is_remote=False)])
def test_what_is_no_span_context_does_not_break_the_code_that_links_it(
    captured: Captured, lenient: None, thing: Any
) -> None:
    span = begin(captured)
    span.add_link(thing, {"why": "x"})
    ended(captured, span)


@pytest.mark.parametrize("given", [1.7e18, "1700000000000000000"])
def test_times_given_as_something_else_than_integers_are_readable(
    captured: Captured, given: Any
) -> None:
    span = begin(captured, start_time=given)
    span.add_event("then", timestamp=given)
    span.end(given)
    found = captured.one()
    assert found.record.start == found.events[0].time == found.record.end == 1_700_000_000 * 10**9


def test_names_given_as_something_else_than_text_are_readable(
    captured: Captured, lenient: None
) -> None:
    span = begin(captured, 5)
    span.add_event(StatusCode.OK)  # type: ignore[arg-type]
    span.set_status(StatusCode.ERROR, ValueError("why"))  # type: ignore[arg-type]
    found = ended(captured, span)
    assert (found.name, found.record.status_message) == ("5", "why")
    assert [event.name for event in found.events] == ["StatusCode.OK"]


# ── status ──────────────────────────────────────────────────────────────────────────────────────

OK, ERROR, UNSET = StatusCode.OK, StatusCode.ERROR, StatusCode.UNSET


@pytest.mark.parametrize(
    ("steps", "status", "message"),
    [
        ([], 0, ""),
        ([(OK,)], 1, ""),
        ([(ERROR, "why")], 2, "why"),
        ([(ERROR,)], 2, ""),
        ([(Status(ERROR, "why"),)], 2, "why"),
        ([(Status(ERROR, "why"), "ignored")], 2, "why"),
        ([(OK, "ignored")], 1, ""),
        ([(OK,), (ERROR, "too late")], 1, ""),
        ([(ERROR, "why"), (OK,)], 1, ""),
        ([(ERROR, "why"), (UNSET,)], 2, "why"),
        ([(ERROR, "first"), (ERROR, "second")], 2, "second"),
        ([(ERROR, "first"), (ERROR,)], 2, ""),
        ([("ERROR",)], 0, ""),
        ([(None,)], 0, ""),
    ],
    ids=shown,
)
def test_status_follows_the_specification(
    captured: Captured, steps: list[Any], status: int, message: str
) -> None:
    span = begin(captured)
    for step in steps:
        span.set_status(*step)
    shown = span.status
    record = ended(captured, span).record
    assert (record.status, record.status_message) == (status, message)
    assert (shown.status_code.value, shown.description or "") == (status, message)


# ── the end ─────────────────────────────────────────────────────────────────────────────────────


def test_what_comes_after_the_end_is_ignored_and_said(
    captured: Captured, caplog: pytest.LogCaptureFixture
) -> None:
    span = begin(captured)
    span.set_attribute("before", 1)
    assert span.is_recording()
    span.end()
    assert not span.is_recording()
    with caplog.at_level(logging.WARNING):
        span.set_attribute("after", 1)
        span.add_event("after")
        span.add_link(OTHER)
        span.record_exception(ValueError("after"))
        span.set_status(StatusCode.ERROR)
        span.update_name("after")
        span.end()
    assert len(caplog.records) == 7
    found = captured.one("work")
    assert (found.own, found.events, found.failed) == ({"before": 1}, [], False)
    assert found.record.links is None


def test_a_span_may_be_ended_in_another_thread(captured: Captured) -> None:
    span = begin(captured)
    thread = threading.Thread(target=span.end)
    thread.start()
    thread.join()
    assert captured.one("work").parent_id == 0


def test_given_times_are_the_spans_times(captured: Captured) -> None:
    start = 1_700_000_000_000_000_000
    span = begin(captured, start_time=start)
    span.end(start + 5)
    record = captured.one().record
    assert (record.start, record.duration) == (start, 5)


def test_an_end_before_the_start_is_no_negative_duration(captured: Captured) -> None:
    span = begin(captured)
    span.end(1)
    assert captured.one().record.duration == 0


def test_the_last_name_counts(captured: Captured) -> None:
    span = begin(captured, "first")
    span.update_name("second")
    assert span.name == "second"
    assert ended(captured, span).name == "second"


def test_other_instrumentations_can_look_at_a_span_as_at_the_sdks(captured: Captured) -> None:
    span = begin(captured, kind=SpanKind.SERVER, attributes={"a": 1})
    assert (span.name, span.kind, span.attributes) == ("work", SpanKind.SERVER, {"a": 1})
    assert (span.status.status_code, span.parent, span.end_time) == (StatusCode.UNSET, None, None)
    assert span.context == span.get_span_context()
    assert span.start_time > 0
    found = ended(captured, span)
    assert span.end_time == found.record.end
    assert found.record.kind == SpanKind.SERVER.value
    assert "work" in repr(span)
