"""Records over 1 MiB are cut until they fit, and can still be read."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.captured import Captured
from tradespan.core.records import MAX_RECORD_BYTES
from tradespan.wire.codec import decode_span
from tradespan.wire.cut import MARK, cut_to_fit

MIB = 1 << 20
encode = msgspec.msgpack.Encoder().encode


def raised(message: str, frames: int) -> Exception:
    """An exception that came through so many frames of long names."""

    def dive(left: int) -> None:
        if left == 0:
            raise ValueError(message)
        dive(left - 1)

    try:
        dive(frames)
    except ValueError as error:
        return error
    raise AssertionError


def test_the_longest_value_is_cut_and_the_others_stay(captured: Captured) -> None:
    with captured.tracer.start_as_current_span("large") as span:
        span.set_attribute("long", "x" * 2 * MIB)
        span.set_attribute("short", "y" * 100)
        span.set_attribute("number", 5)
    own = captured.one("large").own
    assert own["long"].startswith("xxxx")
    assert own["long"].endswith(MARK)
    assert (own["short"], own["number"]) == ("y" * 100, 5)


@pytest.mark.parametrize(
    "value",
    [
        list(range(MIB)),
        ["x" * 1000] * 2000,
        {f"key {n}": "x" * 50 for n in range(30_000)},
        {"k" * MIB: 1},
        [[["x" * 5000] * 20] * 20] * 20,
        b"x" * 2 * MIB,
        "\U0001f4c8" * MIB,
    ],
    ids=lambda value: type(value).__name__,
)
def test_one_huge_value_of_any_shape_is_cut(captured: Captured, value: Any) -> None:
    with captured.tracer.start_as_current_span("large") as span:
        span.set_attribute("huge", value)
        span.set_attribute("number", 5)
    own = captured.one("large").own
    assert own["number"] == 5
    assert len(own) == 2


def test_hundreds_of_long_exceptions_are_kept_as_exceptions(captured: Captured) -> None:
    error = raised("x" * 1_900, 60)
    with captured.tracer.start_as_current_span("retries") as span:
        for n in range(128):
            span.record_exception(error, {"attempt": n, "note": "y" * 5_000})
    record = captured.one("retries").record
    assert record.events is not None
    assert [event.attributes["attempt"] for event in record.events] == list(range(128))
    failures = [event.failure for event in record.events]
    assert all(failure and len(failure.frames) == 62 for failure in failures)


def test_what_is_too_many_is_thinned_and_counted() -> None:
    event = ["e" * 60, 1, {f"k{n}": "v" * 60 for n in range(100)}, None, 0]
    link = [bytes(16), 1, {f"k{n}": "v" * 60 for n in range(100)}, "", 1, False, 0]
    held = {f"key {n}": "v" * 60 for n in range(20_000)}
    fields = [1, bytes(16), 1, 0, 1, 1, 2, "name", held, None, None, "", [event] * 300, [link] * 50]
    cut = decode_span(encode(cut_to_fit(fields)))
    assert cut.name == "name"
    assert cut.attributes is not None
    assert cut.events is not None
    assert cut.links is not None
    assert len(cut.attributes) + cut.dropped[0] == 20_000
    assert len(cut.events) + cut.dropped[1] == 300
    assert len(cut.links) + cut.dropped[2] == 50


def test_an_error_keeps_its_lane_though_it_is_cut(captured: Captured) -> None:
    with captured.tracer.start_as_current_span("failing") as span:
        span.set_attribute("long", "x" * 2 * MIB)
        span.fail(ValueError("y"))  # type: ignore[attr-defined]
    assert captured.one("failing").failed
    assert captured.one("failing").lane.name == "ERROR"


TEXT = st.text(max_size=20) | st.sampled_from([n * "x" for n in (99, 5_000)])
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=10,
)
ATTRIBUTES = st.dictionaries(TEXT, VALUE, max_size=5)
PLACE = (TEXT, st.integers(0, 9999), TEXT)
LINES = st.dictionaries(st.integers(1, 9999), TEXT, max_size=3)
FRAME = st.tuples(*PLACE) | st.tuples(*PLACE, st.dictionaries(TEXT, TEXT, max_size=3), LINES)
FAILURE: st.SearchStrategy[Any] = st.recursive(
    st.none(),
    lambda inner: st.builds(
        lambda *fields, notes: [*fields, True, *notes],
        TEXT,
        TEXT,
        st.lists(FRAME, max_size=4),
        inner,
        inner,
        st.lists(inner.filter(lambda failure: failure is not None), max_size=2),
        notes=st.just([]) | st.tuples(st.lists(TEXT, max_size=3)),
    ),
    max_leaves=4,
)
EVENT = st.builds(lambda *fields: [*fields, 0], TEXT, st.integers(0, 9), ATTRIBUTES, FAILURE)
LINK = st.builds(lambda a: [bytes(16), 1, a, "", 1, False, 0], ATTRIBUTES)
RECORD = st.builds(
    lambda *rarer: [1, bytes(16), 1, 0, 1, 1, 2, *rarer, "", (0, 0, 0)],
    st.none() | TEXT,
    st.none() | ATTRIBUTES,
    st.none() | st.lists(VALUE, max_size=5),
    VALUE,
    TEXT,
    st.none() | st.lists(EVENT, max_size=40),
    st.none() | st.lists(LINK, max_size=40),
)


@settings(max_examples=150, deadline=None)
@given(RECORD, st.sampled_from([400, 2_000, 20_000, MAX_RECORD_BYTES]))
def test_any_record_fits_and_can_be_read_when_it_is_cut(record: list[Any], most: int) -> None:
    cut = encode(cut_to_fit(record, most))
    assert len(cut) <= most
    span = decode_span(cut)
    assert (span.site, span.span_id, span.flags) == (1, 1, 2)


def test_cutting_is_quick() -> None:
    fields = [1, bytes(16), 1, 0, 1, 1, 2, "n", {f"k{n}": "v" * 500 for n in range(20_000)}]
    began = time.perf_counter()
    cut_to_fit(fields)
    assert time.perf_counter() - began < 1.0
