"""Span processors and exporters of OpenTelemetry's SDK, on our provider."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler, SamplingResult

from tests.support.captured import Captured
from tests.support.receiver import Receiver
from tradespan.core import guard
from tradespan.core.records import Resource
from tradespan.instrument.monitor import monitor
from tradespan.instrument.parts import SdkParts
from tradespan.instrument.tracer import Tracer, TracerProvider


class Listener(SpanProcessor):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.started: list[tuple[Any, Context | None]] = []
        self.ended: list[ReadableSpan] = []
        self.shut = 0

    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        self.started.append((span, parent_context))

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)

    def shutdown(self) -> None:
        self.shut += 1


@pytest.fixture
def provider(captured: Captured) -> Iterator[TracerProvider]:
    provider = TracerProvider(captured.slot, Resource({"service.name": "desk"}))
    yield provider
    provider.end_processors(1_000)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def tracer(provider: TracerProvider) -> Tracer:
    return provider.get_tracer("lib", "1.2", "https://example.com/schema", {"team": "desk"})


def test_a_processor_is_told_of_the_start_and_the_end(
    provider: TracerProvider, tracer: Tracer
) -> None:
    listener = Listener()
    provider.add_span_processor(listener)
    context = Context()
    span = tracer.start_span("work", context, attributes={"symbol": "AAPL"})
    assert listener.started == [(span, context)]
    assert listener.ended == []
    span.end()
    (ended,) = listener.ended
    assert type(ended) is ReadableSpan
    assert (ended.name, ended.attributes) == ("work", {"symbol": "AAPL"})
    assert ended.get_span_context() == span.get_span_context()
    assert ended.resource.attributes["service.name"] == "desk"
    scope = ended.instrumentation_scope
    assert scope is not None
    assert (scope.name, scope.version, scope.attributes) == ("lib", "1.2", {"team": "desk"})
    untyped: Any = ended
    with pytest.deprecated_call():
        info = untyped.instrumentation_info
    assert (info.name, info.schema_url) == ("lib", "https://example.com/schema")


def test_a_processor_may_write_to_a_span_that_begins(
    provider: TracerProvider, captured: Captured
) -> None:
    class Stamp(SpanProcessor):
        def on_start(self, span: Any, parent_context: Context | None = None) -> None:
            span.set_attribute("desk", f"{span.name} of {span.attributes['symbol']}")

    provider.add_span_processor(Stamp())
    provider.get_tracer("lib").start_span("buy", attributes={"symbol": "AAPL"}).end()
    assert captured.one("buy").own["desk"] == "buy of AAPL"


def test_watched_functions_are_told_with_their_arguments(
    provider: TracerProvider, captured: Captured
) -> None:
    listener = Listener()
    provider.add_span_processor(listener)

    @monitor
    def work(quantity: int) -> int:
        return quantity

    with provider.get_tracer("lib").start_as_current_span("outer") as outer:
        work(5)
    inner, _ = listener.ended
    assert inner.attributes is not None
    assert inner.attributes["tradespan.args.quantity"] == captured.one("work").arguments["quantity"]
    assert inner.parent == outer.get_span_context()
    assert len(captured.spans) == 2, "the records are written as ever"


def test_an_exception_is_an_event_with_the_sdks_attributes(
    provider: TracerProvider, tracer: Tracer
) -> None:
    listener = Listener()
    provider.add_span_processor(listener)
    with pytest.raises(ValueError, match="no"), tracer.start_as_current_span("fails"):
        raise ValueError("no")
    (ended,) = listener.ended
    (event,) = ended.events
    assert event.attributes is not None
    assert (event.name, event.attributes["exception.type"]) == ("exception", "ValueError")
    assert event.attributes["exception.message"] == "no"
    assert str(event.attributes["exception.stacktrace"]).endswith("ValueError: no\n")
    assert event.attributes["exception.escaped"] in {"True", "False"}
    assert (ended.status.status_code.name, ended.status.description) == ("ERROR", "ValueError: no")


def test_a_sampled_out_span_is_none_to_processors(captured: Captured) -> None:
    provider = TracerProvider(captured.slot, Resource({}), sampler=ALWAYS_OFF)
    listener = Listener()
    provider.add_span_processor(listener)
    failed = provider.get_tracer("lib").start_span("dropped")
    failed.set_status(trace.StatusCode.ERROR)
    failed.end()
    assert (listener.started, listener.ended) == ([], [])
    assert captured.one("dropped").failed


def test_what_is_recorded_only_is_told_and_not_exported(captured: Captured) -> None:
    class RecordOnly(Sampler):
        def should_sample(self, *asked: Any, **_: Any) -> SamplingResult:
            return SamplingResult(Decision.RECORD_ONLY)

        def get_description(self) -> str:
            return "RecordOnly"

    provider = TracerProvider(
        captured.slot, Resource({}), sampler=RecordOnly(), strict_sampler=True
    )
    listener, exporter = Listener(), InMemorySpanExporter()
    provider.add_span_processor(listener)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.get_tracer("lib").start_span("only").end()
    assert [span.name for span in listener.ended] == ["only"]
    assert exporter.get_finished_spans() == ()
    assert captured.spans == []


def test_a_processor_that_raises_hurts_neither_the_program_nor_the_others(
    provider: TracerProvider, tracer: Tracer, captured: Captured
) -> None:
    class Broken(SpanProcessor):
        def on_start(self, span: Any, parent_context: Context | None = None) -> None:
            raise ValueError("start")

        def on_end(self, span: ReadableSpan) -> None:
            raise ValueError("end")

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            raise ValueError("flush")

        def shutdown(self) -> None:
            raise ValueError("shutdown")

    guard.raise_errors(False)
    listener = Listener()
    provider.add_span_processor(Broken())
    provider.add_span_processor(listener)
    tracer.start_span("x").end()
    assert [span.name for span in listener.ended] == ["x"]
    assert len(captured.spans) == 1
    assert provider.force_flush() is False
    provider.shutdown()
    assert listener.shut == 1


def test_a_processor_that_hangs_takes_the_time_that_was_given_and_no_more(
    provider: TracerProvider,
) -> None:
    over, listener = threading.Event(), Listener()

    class Hanging(SpanProcessor):
        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return over.wait()

        def shutdown(self) -> None:
            over.wait()

    provider.add_span_processor(Hanging())
    provider.add_span_processor(listener)
    assert provider.force_flush(timeout_millis=1) is False
    provider.shutdown(timeout_millis=1)
    over.set()
    assert provider.force_flush() is True, "no processor is left to wait for"


def test_after_the_shutdown_nobody_is_told(provider: TracerProvider, tracer: Tracer) -> None:
    listener = Listener()
    provider.add_span_processor(listener)
    late = tracer.start_span("late")
    provider.shutdown()
    late.end()
    tracer.start_span("after").end()
    assert (listener.shut, listener.ended) == (1, [])


def test_a_batch_processor_exports_when_it_is_flushed(
    provider: TracerProvider, tracer: Tracer
) -> None:
    exporter = InMemorySpanExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=60_000))
    for number in range(5):
        tracer.start_span(f"span {number}").end()
    assert provider.force_flush() is True
    assert [span.name for span in exporter.get_finished_spans()] == [
        f"span {number}" for number in range(5)
    ]


def test_the_console_exporter_prints_our_spans(provider: TracerProvider, tracer: Tracer) -> None:
    printed = io.StringIO()
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=printed)))
    with tracer.start_as_current_span("work", attributes={"list": [1, 2]}) as span:
        span.add_event("checked", {"by": "desk"})
        span.add_link(trace.SpanContext(1, 2, is_remote=True), {"why": "retry"})
    told = json.loads(printed.getvalue())
    assert told["context"]["span_id"] == f"0x{span.get_span_context().span_id:016x}"
    assert (told["attributes"], told["parent_id"]) == ({"list": [1, 2]}, None)
    assert (told["events"][0]["name"], told["links"][0]["attributes"]) == (
        "checked",
        {"why": "retry"},
    )
    assert told["resource"]["attributes"] == {"service.name": "desk"}


def test_the_sdks_otlp_exporter_sends_our_spans(
    provider: TracerProvider, tracer: Tracer, receiver: Receiver
) -> None:
    exporter = OTLPSpanExporter(endpoint=f"{receiver.address}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer.start_span("sent", attributes={"symbol": "AAPL"}).end()
    assert provider.force_flush()
    (span,) = receiver.spans
    assert (span.name, span.attributes["symbol"]) == ("sent", "AAPL")


def test_a_forked_child_tells_its_own_resource(captured: Captured) -> None:
    listener = Listener()
    parts = SdkParts(lambda writer: Resource({"service.instance.id": writer.hex()}))
    provider = TracerProvider(captured.slot, Resource({}), parts=parts)
    provider.add_span_processor(listener)
    provider.get_tracer("lib").start_span("above").end()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        provider.get_tracer("lib").start_span("below").end()
        os.write(write, instance(listener.ended[-1]).encode())
        os._exit(0)
    os.waitpid(child, 0)
    (above,) = listener.ended
    assert os.read(read, 100).decode() not in {"", instance(above)}
    os.close(read)
    os.close(write)


def instance(span: ReadableSpan) -> str:
    return str(span.resource.attributes["service.instance.id"])
