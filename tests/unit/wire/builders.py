"""Records with a default for every fact, and strategies that draw them at random."""

from __future__ import annotations

import struct
from typing import Any, TypeVar

from hypothesis import strategies as st

from tradespan.core.delivery import Batch, Origin, Slice
from tradespan.core.records import (
    Event,
    Failure,
    Frame,
    Kind,
    Lane,
    Link,
    LogRecord,
    MetricReading,
    Resource,
    Site,
    Span,
)

R = TypeVar("R", Span, LogRecord, MetricReading)

NOON = 1_772_366_400_000_000_000
"""2026-03-01 12:00:00 UTC, in nanoseconds."""
WRITER = "ab" * 16
TRACE_ID = bytes(range(16))
SAMPLED = 1 << 8
PARENT_IS_REMOTE = 1 << 5
MOST = (1 << 64) - 1

SITE = Site(
    1,
    "momentum_bot.execution",
    name="momentum_bot.execution.submit",
    attributes={"code.function.name": "momentum_bot.execution.submit", "code.line.number": 64},
    parameters=("symbol", "quantity"),
)
BOT = Resource({"service.name": "momentum-bot", "process.pid": 41})


def make_span(**facts: Any) -> Span:
    """A span of `SITE`, of 2.5 ms, without a parent."""
    known = {
        "site": 1,
        "trace_id": TRACE_ID,
        "span_id": 0xF0E1D2C3B4A59687,
        "parent_id": 0,
        "start": NOON,
        "duration": 2_500_000,
        "flags": SAMPLED,
    }
    return Span(**{**known, **facts})


def make_log(**facts: Any) -> LogRecord:
    """A line of `SITE`'s scope, at noon."""
    known = {"site": 1, "time": NOON, "observed_time": NOON + 1, "body": "order 7 is filled"}
    return LogRecord(**{**known, **facts})


def make_slice(
    *records: R,
    writer: str = WRITER,
    lane: Lane = Lane.ORDINARY,
    resource: Resource = BOT,
    sites: tuple[Site, ...] = (SITE,),
) -> Slice[R]:
    """A slice of one segment."""
    origin = Origin(writer, lane, resource)
    known = {site.number: site for site in sites}
    return Slice(origin, known, list(records), f"{writer}.seg", 4096)


def make_batch(*slices: Slice[R], kind: Kind = Kind.SPAN) -> Batch[R]:
    """A batch, of spans if not told otherwise."""
    return Batch("/var/lib/tradespan/runs/1", kind, list(slices))


def batch_of(*records: R, kind: Kind = Kind.SPAN) -> Batch[R]:
    """A batch of one slice."""
    return make_batch(make_slice(*records), kind=kind)


def replaced(text: str) -> str:
    """What OTLP has of a text: lone surrogates as `?`."""
    return text.encode("utf-8", "replace").decode()


def typed(value: Any) -> Any:
    """The value in a form in which equal means the same to OTLP: types told apart, NaN equal."""
    if isinstance(value, int) and not isinstance(value, bool):
        return ("int", value) if -1 << 63 <= value < 1 << 63 else ("str", str(value))
    if isinstance(value, float):
        return "float", struct.pack("<d", value)
    if isinstance(value, str):
        return "str", replaced(value)
    if isinstance(value, dict):
        return "map", [(replaced(key), typed(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return "list", [typed(item) for item in value]
    return type(value).__name__, value


def typed_attributes(attributes: dict[str, Any]) -> dict[str, Any]:
    """`typed` of each value; the order of attributes means nothing."""
    return {replaced(key): typed(value) for key, value in attributes.items()}


def distinct(keys: Any) -> bool:
    """Whether keys stay different when their surrogates are replaced."""
    return len({replaced(key) for key in keys}) == len(keys)


texts = st.text(st.characters(), max_size=40) | st.text(
    st.characters(categories=["Cs", "Lu", "So", "Cc"]), max_size=200
)
numbers = st.integers(-1 << 63, MOST) | st.sampled_from(
    [0, -1, 127, 128, 16_383, 16_384, (1 << 63) - 1, 1 << 63, -1 << 63, MOST]
)
plain_values = texts | st.booleans() | numbers | st.floats() | st.binary(max_size=200) | st.none()
values = st.recursive(
    plain_values,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4).filter(distinct)
    ),
    max_leaves=12,
)
attributes = st.dictionaries(texts, values, max_size=6).filter(distinct)
ids = st.binary(min_size=16, max_size=16)
span_ids = st.integers(1, MOST)
times = st.integers(0, MOST) | st.just(NOON)
counts = st.integers(0, (1 << 32) - 1) | st.just(0)

details = st.dictionaries(texts, texts, max_size=2)
lines = st.dictionaries(st.integers(1, 1 << 31), texts, max_size=2)
frames = st.builds(Frame, texts, st.integers(0, 1 << 31), texts, details, lines)
failures = st.recursive(
    st.builds(Failure, texts, texts, st.lists(frames, max_size=3), escaped=st.booleans()),
    lambda inner: st.builds(
        Failure,
        texts,
        texts,
        st.lists(frames, max_size=2),
        st.none() | inner,
        st.none() | inner,
        st.lists(inner, max_size=3),
        notes=st.lists(texts, max_size=2),
    ),
    max_leaves=4,
)
events = st.builds(Event, texts, times, attributes, st.none() | failures, dropped_attributes=counts)
links = st.builds(
    Link, ids, span_ids, attributes, texts, st.integers(0, 255), st.booleans(), counts
)
parameters = st.lists(texts, max_size=3, unique_by=replaced).map(tuple)
sites = st.builds(
    Site,
    st.integers(1, 3),
    texts,
    texts,
    texts,
    attributes,
    texts,
    attributes,
    parameters,
)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """Any span that OTLP can say."""
    start = draw(times)
    return Span(
        site=draw(st.integers(1, 3)),
        trace_id=draw(ids),
        span_id=draw(span_ids),
        parent_id=draw(st.integers(0, MOST) | st.just(0)),
        start=start,
        duration=draw(st.integers(0, min(MOST - start, 1 << 62))),
        flags=draw(st.integers(0, 2))
        | draw(st.integers(0, 4)) << 2
        | draw(st.booleans()) << 5
        | draw(st.integers(0, 255)) << 8,
        name=draw(st.none() | texts),
        attributes=draw(st.none() | attributes),
        arguments=draw(st.none() | st.lists(values, max_size=4)),
        result=draw(values),
        status_message=draw(texts),
        events=draw(st.none() | st.lists(events, max_size=2)),
        links=draw(st.none() | st.lists(links, max_size=2)),
        trace_state=draw(texts),
        dropped=draw(st.tuples(counts, counts, counts)),
    )


logs = st.builds(
    LogRecord,
    st.integers(0, 3),
    times,
    times,
    st.integers(0, 24),
    texts,
    values,
    st.none() | attributes,
    st.just(b"") | ids,
    st.just(0) | span_ids,
    st.integers(0, 255),
    texts,
    counts,
)
"""Any log record that OTLP can say."""
