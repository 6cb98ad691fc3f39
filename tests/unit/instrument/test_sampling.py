"""Samplers of OpenTelemetry's SDK: what they are asked, and what becomes of what they drop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from tests.support.captured import Captured
from tradespan.core import guard
from tradespan.core.records import Resource
from tradespan.instrument.monitor import monitor
from tradespan.instrument.named import sampler_named
from tradespan.instrument.tracer import Tracer, TracerProvider

TRACE, PARENT = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
OTHER = Link(SpanContext(0x1234, 0x56, is_remote=True))


def remote(sampled: bool) -> Context:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    context = SpanContext(TRACE, PARENT, True, flags, TraceState([("vendor", "x")]))
    return set_span_in_context(NonRecordingSpan(context), Context())


def tracer_of(captured: Captured, sampler: Sampler | None, *, strict: bool = False) -> Tracer:
    provider = TracerProvider(captured.slot, Resource({}), sampler=sampler, strict_sampler=strict)
    return provider.get_tracer("tests")


def names(captured: Captured) -> set[str]:
    return {span.name.rpartition(".")[2] for span in captured.spans}


class Told(Sampler):
    """Says what it is made to say, and keeps what it was asked."""

    def __init__(self, *results: SamplingResult) -> None:
        self.results = list(results)
        self.asked: list[tuple[Any, ...]] = []

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Any = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        self.asked.append((parent_context, trace_id, name, kind, attributes, links))
        return self.results.pop(0)

    def get_description(self) -> str:
        return "Told"


SAMPLE = SamplingResult(Decision.RECORD_AND_SAMPLE)
DROP = SamplingResult(Decision.DROP)
RECORD_ONLY = SamplingResult(Decision.RECORD_ONLY)


# ── what a sampler is asked ─────────────────────────────────────────────────────────────────────


def test_a_sampler_is_asked_as_the_sdk_asks(captured: Captured) -> None:
    sampler = Told(SAMPLE, SAMPLE)
    tracer = tracer_of(captured, sampler)
    root = tracer.start_span("root", None, SpanKind.SERVER, {"a": 1}, [OTHER])
    context = remote(sampled=True)
    tracer.start_span("served", context)
    assert sampler.asked == [
        (None, root.get_span_context().trace_id, "root", SpanKind.SERVER, {"a": 1}, [OTHER]),
        (context, TRACE, "served", SpanKind.INTERNAL, None, ()),
    ]


def test_a_samplers_attributes_and_state_are_the_spans(captured: Captured) -> None:
    state = TraceState([("vendor", "mine")])
    result = SamplingResult(Decision.RECORD_AND_SAMPLE, {"rule": "all", "list": [1]}, state)
    tracer_of(captured, Told(result)).start_span("x", attributes={"a": 1}).end()
    found = captured.one("x")
    assert found.own == {"rule": "all", "list": [1]}
    assert found.record.trace_state == "vendor=mine"


def test_a_watched_function_is_asked_about_by_its_name_and_attributes(captured: Captured) -> None:
    result = SamplingResult(Decision.RECORD_AND_SAMPLE, {"rule": "all"})
    sampler = Told(result)
    tracer_of(captured, sampler)

    @monitor(attributes={"desk": "one"})
    def work() -> None: ...

    work()
    _, _, name, kind, attributes, _ = sampler.asked[0]
    assert (name.rpartition(".")[2], kind, attributes["desk"]) == ("work", SpanKind.INTERNAL, "one")
    assert captured.one("work").own == {"rule": "all"}
    assert captured.one("work").attributes["desk"] == "one"


def test_a_sampler_sees_the_current_span_as_the_parent(captured: Captured) -> None:
    tracer = tracer_of(
        captured, ParentBased(TraceIdRatioBased(1.0), local_parent_sampled=ALWAYS_OFF)
    )
    with tracer.start_as_current_span("root"), tracer.start_as_current_span("child") as child:
        assert not child.get_span_context().trace_flags.sampled
    assert names(captured) == {"root"}


def test_a_sampler_that_fails_samples_as_the_parent_did(captured: Captured) -> None:
    tracer = tracer_of(captured, Told())
    guard.raise_errors(False)
    tracer.start_span("root").end()
    tracer.start_span("served", remote(sampled=False)).end()
    assert names(captured) == {"root"}


# ── what is dropped ─────────────────────────────────────────────────────────────────────────────


def test_what_is_dropped_is_not_written_and_says_so_to_others(captured: Captured) -> None:
    tracer = tracer_of(captured, ALWAYS_OFF)
    carrier: dict[str, str] = {}
    with tracer.start_as_current_span("dropped") as span:
        assert span.is_recording()
        propagate.inject(carrier)
        with tracer.start_as_current_span("child") as child:
            assert child.get_span_context().trace_id == span.get_span_context().trace_id
    assert carrier["traceparent"][-2:] in {"00", "02"}
    assert captured.spans == []


def test_what_is_dropped_and_fails_is_written_with_all_above_it(captured: Captured) -> None:
    tracer = tracer_of(captured, ALWAYS_OFF)
    with tracer.start_as_current_span("root", attributes={"symbol": "AAPL"}):
        with tracer.start_as_current_span("quiet"):
            pass
        with pytest.raises(ValueError, match="no"), tracer.start_as_current_span("fails"):
            raise ValueError("no")
    assert names(captured) == {"root", "fails"}
    root, fails = captured.one("root"), captured.one("fails")
    assert (fails.parent_id, fails.failed, root.failed) == (root.span_id, True, False)
    assert root.own == {"symbol": "AAPL"}
    assert root.record.trace_flags & 1 == fails.record.trace_flags & 1 == 0


def test_a_dropped_call_of_a_watched_function_that_fails_is_written(captured: Captured) -> None:
    tracer_of(captured, ALWAYS_OFF)

    @monitor
    def work(quantity: int) -> float:
        return 1 / quantity

    work(1)
    with pytest.raises(ZeroDivisionError):
        work(0)
    assert captured.one("work").arguments == {"quantity": 0}


def test_recorded_only_is_written_only_if_it_fails(captured: Captured) -> None:
    tracer = tracer_of(captured, Told(RECORD_ONLY, RECORD_ONLY))
    tracer.start_span("fine").end()
    failed = tracer.start_span("failed")
    failed.set_status(trace.StatusCode.ERROR)
    failed.end()
    assert names(captured) == {"failed"}


def test_a_child_that_is_sampled_has_its_dropped_parents_written(captured: Captured) -> None:
    tracer = tracer_of(captured, Told(DROP, DROP, SAMPLE))
    with (
        tracer.start_as_current_span("root"),
        tracer.start_as_current_span("middle"),
        tracer.start_as_current_span("sampled"),
    ):
        pass
    assert names(captured) == {"root", "middle", "sampled"}


def test_a_caller_that_does_not_sample_has_failures_recorded(captured: Captured) -> None:
    with captured.tracer.start_as_current_span("served", context=remote(sampled=False)):
        captured.tracer.start_span("fine").end()
        failed = captured.tracer.start_span("failed")
        failed.set_status(trace.StatusCode.ERROR)
        failed.end()
    assert names(captured) == {"served", "failed"}
    assert captured.one("served").parent_id == PARENT
    assert captured.one("failed").record.trace_state == "vendor=x"


def test_a_short_call_is_passed_over_although_a_sampler_asks_for_its_parent(
    captured: Captured,
) -> None:
    tracer_of(captured, ParentBased(ALWAYS_ON))

    @monitor(min_duration=60)
    def below() -> None: ...

    @monitor(min_duration=60)
    def brief() -> None:
        below()

    brief()
    assert captured.spans == []


# ── to the letter ───────────────────────────────────────────────────────────────────────────────


def test_strictly_what_is_dropped_is_gone_although_it_fails(captured: Captured) -> None:
    tracer = tracer_of(captured, ALWAYS_OFF, strict=True)
    with tracer.start_as_current_span("dropped") as span:
        assert type(span) is NonRecordingSpan
        assert span.get_span_context().is_valid
        assert trace.get_current_span() is span
        span.set_status(trace.StatusCode.ERROR)
    assert captured.spans == []


def test_strictly_recorded_only_is_not_written_although_it_fails(captured: Captured) -> None:
    tracer = tracer_of(captured, Told(RECORD_ONLY, SAMPLE), strict=True)
    with tracer.start_as_current_span("only") as span:
        assert span.is_recording()
        span.set_status(trace.StatusCode.ERROR)
        tracer.start_span("sampled").end()
    assert names(captured) == {"sampled"}
    assert captured.one("sampled").parent_id == span.get_span_context().span_id


def test_strictly_a_watched_call_passes_on_that_it_is_dropped(captured: Captured) -> None:
    tracer = tracer_of(captured, sampler_named("parentbased_always_off"), strict=True)

    @monitor
    def work() -> None:
        with tracer.start_as_current_span("below") as below:
            assert not below.get_span_context().trace_flags.sampled
            assert below.get_span_context().trace_id == outer.trace_id
        raise ValueError("no")

    with tracer.start_as_current_span("outer") as span:
        outer = span.get_span_context()
        with pytest.raises(ValueError, match="no"):
            work()
    assert captured.spans == []


def test_strictly_what_the_caller_does_not_sample_is_not_recorded(captured: Captured) -> None:
    tracer = tracer_of(captured, None, strict=True)
    span = tracer.start_span("served", remote(sampled=False))
    assert not span.is_recording()
    assert span.get_span_context().trace_id == TRACE
    assert span.get_span_context().trace_state.to_header() == "vendor=x"
    tracer.start_span("own").end()
    assert names(captured) == {"own"}
