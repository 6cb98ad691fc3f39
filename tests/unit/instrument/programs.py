"""Random programs of OpenTelemetry's API, and the two providers that they are run against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st
from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
    set_span_in_context,
)

START = 1_772_366_400_000_000_000
"""2026-03-01 12:00:00 UTC, in nanoseconds."""


class Opaque:
    """A value that no attribute can have."""

    def __str__(self) -> str:
        return "opaque"


class Counting(IdGenerator):
    """Ids in the order in which they are asked for: traces and spans each by their own count."""

    def __init__(self) -> None:
        self.traces = self.spans = 0

    def generate_trace_id(self) -> int:
        self.traces += 1
        return self.traces << 64 | self.traces

    def generate_span_id(self) -> int:
        self.spans += 1
        return self.spans


class Now:
    """Both providers' clock; it moves when the program says so."""

    def __init__(self) -> None:
        self.time = START

    def wall(self) -> int:
        return self.time

    def monotonic(self) -> int:
        return self.time - START + 1_000


class Step(NamedTuple):
    """One call of a program. `which`: the span it is made on, counted over those begun so far."""

    what: str
    which: int
    arguments: Any
    later: int
    """Nanoseconds that pass before it."""


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
keys = st.sampled_from(["a", "b", "c", "d", "e", "f", ""])
scalars = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    texts,
    st.binary(max_size=8),
    st.none(),
    st.builds(Opaque),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.sampled_from(["x", "y", "z"]), inner, max_size=3)
    ),
    max_leaves=5,
)
attributes = st.none() | st.dictionaries(keys, values, max_size=5)
few_attributes = st.none() | st.dictionaries(keys, values, max_size=2)
"""Not over the limits of events and links, where ours drop others than the SDK's."""
states = st.none() | st.sampled_from([TraceState([("vendor", "x")]), TraceState([("a", "1")])])
contexts = st.builds(
    SpanContext,
    st.integers(0, 3),
    st.integers(0, 3),
    is_remote=st.booleans(),
    trace_flags=st.sampled_from([TraceFlags(0), TraceFlags(1), TraceFlags(3)]),
    trace_state=states,
)
links = st.lists(st.tuples(contexts, few_attributes), max_size=4)
times = st.none() | st.integers(START - 10**9, START + 10**12)
errors = st.sampled_from(
    [ValueError("bad"), KeyError("k"), RuntimeError(), OSError(2, "No such file")]
)
codes = st.sampled_from(StatusCode)
statuses = st.one_of(
    st.builds(lambda code: (code, None), codes),
    st.builds(lambda text: (StatusCode.ERROR, text), texts),
    st.builds(lambda text: (Status(StatusCode.ERROR, text), None), texts),
    st.just((Status(StatusCode.OK), None)),
)
starts = st.fixed_dictionaries(
    {
        "name": texts,
        "kind": st.sampled_from(SpanKind),
        "attributes": attributes,
        "links": links,
        # Not after the end: ours are no negative durations.
        "start_time": st.none() | st.integers(START - 10**9, START),
        "record_exception": st.booleans(),
        "set_status_on_exception": st.booleans(),
    }
)
ARGUMENTS: Mapping[str, st.SearchStrategy[Any]] = {
    "start": st.tuples(starts, st.sampled_from(["root", "child", "child", "remote"]), contexts),
    "attribute": st.tuples(keys, values),
    "attributes": attributes.map(lambda given: (given or {},)),
    "event": st.tuples(texts, few_attributes, times),
    "link": st.tuples(contexts, few_attributes),
    "exception": st.tuples(errors, few_attributes, times, st.booleans()),
    "status": statuses,
    "name": st.tuples(texts),
    "end": st.tuples(st.none() | st.integers(START + 10**12, START + 10**13)),
    "leave": st.tuples(st.none() | errors),
}
steps = st.one_of(
    *(
        st.builds(Step, st.just(what), st.integers(0, 9), arguments, st.integers(0, 10**9))
        for what, arguments in ARGUMENTS.items()
    )
)
programs = st.lists(steps, min_size=1, max_size=25)


def run(program: Sequence[Step], tracer: Tracer, now: Now) -> None:
    """Do what the program says; what has not ended at last is ended."""
    spans: list[Span] = []
    for step in program:
        now.time += step.later
        if step.what == "start":
            spans.append(_start(step, tracer, spans))
        elif spans:
            _do(step, spans[step.which % len(spans)])
    for span in spans:
        if span.is_recording():
            span.end()


def _start(step: Step, tracer: Tracer, spans: Sequence[Span]) -> Span:
    options, where, foreign = step.arguments
    context = Context()
    if where == "child" and spans:
        context = set_span_in_context(spans[step.which % len(spans)], context)
    elif where == "remote":
        context = set_span_in_context(NonRecordingSpan(foreign), context)
    # The SDK writes into the links that it is given: each provider gets its own.
    own = [Link(*link) for link in options["links"]]
    return tracer.start_span(**{**options, "context": context, "links": own})


def _do(step: Step, span: Span) -> None:
    calls: Mapping[str, Callable[..., Any]] = {
        "attribute": span.set_attribute,
        "attributes": span.set_attributes,
        "event": span.add_event,
        "link": span.add_link,
        "exception": span.record_exception,
        "status": span.set_status,
        "name": span.update_name,
        "end": span.end,
        "leave": lambda error: _leave(span, error),
    }
    calls[step.what](*step.arguments)


def _leave(span: Span, error: BaseException | None) -> None:
    span.__exit__(None if error is None else type(error), error, None)
