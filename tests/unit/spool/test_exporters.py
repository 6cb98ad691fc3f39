"""Spans that the SDK exports into the spool are what its own OTLP exporter would have sent."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans as their_spans
from opentelemetry.sdk._logs.export import (
    LogRecordExportResult,
)
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from tests.support.otlp import ReceivedSpan, decode_request
from tests.unit.spool.builders import read_folder
from tests.unit.spool.exported import REMOTE, RESOURCE, measure, outlet, read_back, sent
from tradespan.core import guard
from tradespan.core.delivery import Cursor
from tradespan.core.records import Kind, Lane
from tradespan.forward.source import FolderSource
from tradespan.spool.exporters import LogWriter, MetricWriter, SpanWriter
from tradespan.spool.folder import RunFolder
from tradespan.wire.signals import SIGNALS


@pytest.fixture
def tolerant() -> Iterator[None]:
    """Errors stay inside, as they do where nobody tests."""
    before = guard.raise_errors(False)
    yield
    guard.raise_errors(before)


@pytest.fixture
def spans(tmp_path: Path) -> Iterator[tuple[TracerProvider, InMemorySpanExporter]]:
    memory = InMemorySpanExporter()
    provider = TracerProvider(
        resource=RESOURCE, span_limits=SpanLimits(max_attributes=4, max_events=3, max_links=1)
    )
    provider.add_span_processor(SimpleSpanProcessor(memory))
    provider.add_span_processor(SimpleSpanProcessor(SpanWriter(outlet(tmp_path, Kind.SPAN))))
    yield provider, memory
    provider.shutdown()


def act(provider: TracerProvider) -> None:
    """Spans with everything that a span can have."""
    tracer = provider.get_tracer("desk.orders", "1.2", "https://example.com/s", {"team": "fx"})
    parent = trace.set_span_in_context(trace.NonRecordingSpan(REMOTE))
    with tracer.start_as_current_span("submit", parent, kind=SpanKind.SERVER) as span:
        span.set_attributes({"symbol": "AAPL", "quantity": 300, "price": 187.5, "live": True})
        span.set_attribute("fills", [1.5, 2.5])  # over the limit: another one is dropped
        for number in range(5):
            span.add_event("tick", {"n": number, "sides": ("buy", "sell")})
        span.add_link(REMOTE, {"why": "retry"})
        span.set_status(Status(StatusCode.OK))
    with pytest.raises(ValueError, match="no cash"), tracer.start_as_current_span("fail"):
        raise ValueError("no cash")
    plain = provider.get_tracer("other")
    plain.start_span("plain", links=[Link(REMOTE), Link(REMOTE)]).end()


def comparable(spans: list[ReceivedSpan]) -> list[ReceivedSpan]:
    """Without what the SDK's exporter leaves out: W3C flags, and the state of what a link names."""
    return sorted(
        (
            replace(
                span,
                resource={},
                flags=span.flags & 0x300,
                links=[
                    replace(link, flags=link.flags & 0x300, trace_state="") for link in span.links
                ],
            )
            for span in spans
        ),
        key=lambda span: span.span_id,
    )


def test_spans_are_those_that_the_sdks_exporter_would_send(
    spans: tuple[TracerProvider, InMemorySpanExporter], tmp_path: Path
) -> None:
    provider, memory = spans
    act(provider)
    theirs = decode_request(their_spans(memory.get_finished_spans()).SerializeToString())
    ours = decode_request(sent(tmp_path, Kind.SPAN))
    for span in ours:
        resource = dict(span.resource)
        assert resource.pop("tradespan.lane") == ("error" if span.name == "fail" else "ordinary")
        assert resource.pop("service.instance.id")
        assert resource.pop("trading.mode") == "live"
        assert resource == dict(RESOURCE.attributes)
    assert comparable(ours) == comparable(theirs)
    assert all(span.flags & 1 for span in ours)
    assert {link.trace_state for span in ours for link in span.links} == {"v=1"}
    assert [span.dropped for span in ours if span.name == "submit"] == [(1, 2, 0)]


def test_a_span_that_failed_travels_in_the_error_lane(
    spans: tuple[TracerProvider, InMemorySpanExporter], tmp_path: Path
) -> None:
    act(spans[0])
    lanes = {
        span.name: part.origin.lane
        for part in read_back(tmp_path, Kind.SPAN).slices
        for span in part.records
    }
    assert lanes == {"submit": Lane.ORDINARY, "fail": Lane.ERROR, "plain": Lane.ORDINARY}


def test_a_span_over_1_mib_is_cut_and_kept(tmp_path: Path) -> None:
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(SimpleSpanProcessor(SpanWriter(outlet(tmp_path, Kind.SPAN))))
    span = provider.get_tracer("desk").start_span("book", attributes={"all": "x" * (2 << 20)})
    span.end()
    (part,) = read_back(tmp_path, Kind.SPAN).slices
    (record,) = part.records
    assert record.name == "book"
    assert "cut by tradespan" in record.attributes["all"]


class Side(str, Enum):  # noqa: UP042 - what `str` shows of it is "Side.BUY"
    BUY = "buy"


class Leg(IntEnum):
    FAR = 2


def test_values_of_derived_types_stay_what_they_are(tmp_path: Path) -> None:
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    provider.add_span_processor(SimpleSpanProcessor(SpanWriter(outlet(tmp_path, Kind.SPAN))))
    values: dict[str, Any] = {
        "price": np.float64(187.25),
        "side": Side.BUY,
        "leg": Leg.FAR,
        "book": [np.float64(1.5), np.float64(2.5)],
        "venue": np.str_("x"),
        "nested": {"price": np.float64(0.5)},
    }
    provider.get_tracer("desk").start_span("order", attributes=values).end()
    theirs = decode_request(their_spans(memory.get_finished_spans()).SerializeToString())
    ours = decode_request(sent(tmp_path, Kind.SPAN))
    assert ours[0].attributes == theirs[0].attributes
    assert ours[0].attributes["price"] == 187.25


def test_two_resources_are_told_apart(tmp_path: Path) -> None:
    writer = SpanWriter(outlet(tmp_path, Kind.SPAN))
    for name in ("a", "b", "a"):
        provider = TracerProvider(resource=Resource({"service.name": name}))
        provider.add_span_processor(SimpleSpanProcessor(writer))
        provider.get_tracer("t").start_span(name).end()
    read = decode_request(sent(tmp_path, Kind.SPAN))
    assert sorted((span.name, span.resource["service.name"]) for span in read) == [
        ("a", "a"),
        ("a", "a"),
        ("b", "b"),
    ]
    assert len(read_folder(tmp_path)) == 3


def test_a_service_without_a_name_has_the_settings_one(tmp_path: Path) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "unknown_service:python"}))
    provider.add_span_processor(SimpleSpanProcessor(SpanWriter(outlet(tmp_path, Kind.SPAN))))
    provider.get_tracer("t").start_span("x").end()
    assert decode_request(sent(tmp_path, Kind.SPAN))[0].resource["service.name"] == "fallback"


def test_a_forked_child_writes_segments_of_its_own(tmp_path: Path) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "desk"}))
    provider.add_span_processor(SimpleSpanProcessor(SpanWriter(outlet(tmp_path, Kind.SPAN))))
    tracer = provider.get_tracer("t")
    tracer.start_span("parent").end()
    child = os.fork()
    if child == 0:
        try:
            tracer.start_span("child").end()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    tracer.start_span("parent again").end()
    batch = read_back(tmp_path, Kind.SPAN)
    writers: dict[str, list[str]] = {}
    for part in batch.slices:
        writers.setdefault(part.origin.writer, []).extend(span.name for span in part.records)
    assert sorted(writers.values()) == [["child"], ["parent", "parent again"]]
    read = {span.name: span.resource for span in decode_request(SIGNALS[Kind.SPAN].encode(batch))}
    instances = {name: facts["service.instance.id"] for name, facts in read.items()}
    assert instances["parent"] == instances["parent again"] != instances["child"]


def test_threads_that_meet_a_new_resource_at_once_lose_nothing(tmp_path: Path) -> None:
    writer = SpanWriter(outlet(tmp_path, Kind.SPAN))
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    for number in range(400):
        provider.get_tracer("t").start_span(str(number)).end()
    spans = memory.get_finished_spans()
    ready = threading.Barrier(4)

    def export(share: int) -> None:
        ready.wait()
        for span in spans[share::4]:
            writer.export([span])

    threads = [threading.Thread(target=export, args=(share,)) for share in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read = decode_request(sent(tmp_path, Kind.SPAN))
    assert sorted(int(span.name) for span in read) == list(range(400))


# ── when it goes wrong ──────────────────────────────────────────────────────────────────────────


def test_a_value_that_cannot_even_be_shown_costs_its_record_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, tolerant: None
) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    for name in ("good", "bad", "good too"):
        provider.get_tracer("t").start_span(name).end()
    ready = memory.get_finished_spans()
    ready[1]._attributes = {"broken": Broken()}  # type: ignore[dict-item] # noqa: SLF001
    writer = SpanWriter(outlet(tmp_path, Kind.SPAN))
    with caplog.at_level(logging.WARNING, "tradespan"):
        assert writer.export(ready) is SpanExportResult.FAILURE
    assert "RuntimeError" in caplog.text
    assert [span.name for span in decode_request(sent(tmp_path, Kind.SPAN))] == ["good", "good too"]


def test_after_shutdown_exports_fail_and_segments_are_sealed(tmp_path: Path) -> None:
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    provider.get_tracer("t").start_span("x").end()
    spans_, logs_, metrics_ = (
        SpanWriter(outlet(tmp_path, Kind.SPAN)),
        LogWriter(outlet(tmp_path, Kind.LOG)),
        MetricWriter(outlet(tmp_path, Kind.METRIC)),
    )
    assert spans_.export(memory.get_finished_spans()) is SpanExportResult.SUCCESS
    assert [each.force_flush() for each in (spans_, logs_, metrics_)] == [True] * 3
    for each in (spans_, logs_, metrics_):
        each.shutdown()
        each.shutdown()
    assert spans_.export(memory.get_finished_spans()) is SpanExportResult.FAILURE
    assert logs_.export([]) is LogRecordExportResult.FAILURE
    assert metrics_.export(measure(InMemoryMetricReader())) is MetricExportResult.FAILURE
    source = FolderSource(RunFolder(tmp_path), Kind.SPAN, SIGNALS[Kind.SPAN].decode, Cursor())
    given = source.next_batch()
    assert given is not None
    source.accept(given[1])
    assert len(source.finished) == 1
    source.close()


def test_a_folder_that_goes_away_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "1"
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(SimpleSpanProcessor(SpanWriter(outlet(folder, Kind.SPAN))))
    provider.get_tracer("t").start_span("x").end()
    assert [span.name for span in decode_request(sent(folder, Kind.SPAN))] == ["x"]
