"""Our provider against the SDK's: the same program, the same telemetry.

Redaction is off here; `docs/guides/opentelemetry.md` lists what differs on purpose.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource as SdkResource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace import SpanLimits as SdkLimits
from opentelemetry.sdk.trace import TracerProvider as SdkProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    ParentBased,
    Sampler,
    TraceIdRatioBased,
)

from tests.support.captured import CapturedSpan, describe, read_folder
from tests.unit.instrument.programs import Counting, Now, Step, programs, run
from tests.unit.wire.builders import make_batch, make_slice
from tradespan.capture.redact import configure_redaction
from tradespan.core.records import Resource
from tradespan.instrument.pen import SpanLimits
from tradespan.instrument.recorder import Recorder, RecorderSlot
from tradespan.instrument.tracer import TracerProvider
from tradespan.spool.writer import SpoolWriter
from tradespan.wire.otlp import encode_traces
from tradespan.wire.requests import LANE
from tradespan.wire.sites import SITES

FACTS: dict[str, Any] = {"service.name": "desk", "host.cpus": 2}
SCOPE = ("lib", "1.2", "https://example.com/schema", {"team": "desk"})
SAMPLERS = {
    "all": ALWAYS_ON,
    "none": ALWAYS_OFF,
    "as the parent": DEFAULT_ON,
    "only below a parent": DEFAULT_OFF,
    "some": ParentBased(TraceIdRatioBased(0.5), local_parent_not_sampled=ALWAYS_ON),
}
counts = st.none() | st.integers(0, 4)
limits = st.builds(
    SpanLimits,
    counts,
    counts,
    counts,
    st.none() | st.integers(6, 9),
    st.none() | st.integers(2, 9),
    st.none() | st.integers(6, 20),
    st.none() | st.integers(24, 28),
)
"""Lengths leave room for `opaque` and for an exception's message, which ours do not cut."""


@pytest.fixture(autouse=True)
def _as_it_is_written() -> Iterator[None]:
    """Nothing is hidden; what both log of bad values and late calls would be thousands of lines."""
    configure_redaction(enabled=False)
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)
    configure_redaction()


def sdk_spans(program: Sequence[Step], limits: SpanLimits, sampler: Sampler) -> Any:
    """What the SDK makes of a program."""
    now, exporter = Now(), InMemorySpanExporter()
    unset = SdkLimits.UNSET
    provider = SdkProvider(
        sampler,
        SdkResource(FACTS),
        shutdown_on_exit=False,
        id_generator=Counting(),
        span_limits=SdkLimits(
            **{
                name: unset if most is None else most
                for name, most in {
                    "max_span_attributes": limits.attributes,
                    "max_events": limits.events,
                    "max_links": limits.links,
                    "max_event_attributes": limits.event_attributes,
                    "max_link_attributes": limits.link_attributes,
                    "max_span_attribute_length": limits.attribute_length,
                    "max_attribute_length": limits.nested_length,
                }.items()
            }
        ),
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with mock.patch("opentelemetry.sdk.trace.time_ns", now.wall):
        run(program, provider.get_tracer(*SCOPE), now)
    return exporter.get_finished_spans()


@contextmanager
def ours(
    program: Sequence[Step], limits: SpanLimits, sampler: Sampler
) -> Iterator[tuple[Sequence[ReadableSpan], list[CapturedSpan]]]:
    """What span processors are told by our provider, and what it writes."""
    now, exporter, slot = Now(), InMemorySpanExporter(), RecorderSlot()
    with tempfile.TemporaryDirectory() as folder:
        spool = SpoolWriter(Path(folder), describe=describe, site_payload=SITES.payload)
        slot.recorder = Recorder(spool, clock=now, limits=limits, anchor_interval=1e9)
        provider = TracerProvider(
            slot,
            Resource(dict(FACTS)),
            sampler=sampler,
            strict_sampler=True,
            id_generator=Counting(),
        )
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        run(program, provider.get_tracer(*SCOPE), now)
        provider.shutdown()
        yield exporter.get_finished_spans(), list(read_folder(Path(folder)))


def by_id(request: ExportTraceServiceRequest) -> dict[str, Any]:
    """A request's spans as plain data by id, and its resource and scope but for the lane."""
    told: dict[str, Any] = {}
    for resource_spans in request.resource_spans:
        resource = MessageToDict(resource_spans.resource)
        resource["attributes"] = sorted(
            (item for item in resource.get("attributes", []) if item["key"] != LANE), key=str
        )
        for scope_spans in resource_spans.scope_spans:
            scope = MessageToDict(scope_spans.scope)
            for span in scope_spans.spans:
                told[span.span_id.hex()] = _plain(span), scope, scope_spans.schema_url, resource
    return told


def _plain(span: Any) -> dict[str, Any]:
    """A span without what only our encoder says: W3C flags, and the state of links.

    Nor its stack traces: ours have no source lines, and are not cut.
    """
    span.flags &= 0x300
    if not span.status.ListFields():
        span.ClearField("status")  # an empty one says nothing
    for link in span.links:
        link.flags &= 0x300
        link.trace_state = ""
    for event in span.events:
        for attribute in event.attributes:
            if attribute.key == "exception.stacktrace":
                attribute.value.string_value = ""
    return dict(MessageToDict(span))


def encoded_records(spans: list[CapturedSpan]) -> ExportTraceServiceRequest:
    """Our records as the agent sends them."""
    slices = [
        make_slice(span.record, lane=span.lane, resource=Resource(dict(FACTS)), sites=(span.site,))
        for span in spans
    ]
    return ExportTraceServiceRequest.FromString(encode_traces(make_batch(*slices)))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs, limits, st.sampled_from(sorted(SAMPLERS)))
def test_any_program_gives_what_the_sdk_gives(
    program: list[Step], limits: SpanLimits, sampler: str
) -> None:
    wanted = by_id(encode_spans(sdk_spans(program, limits, SAMPLERS[sampler])))
    with ours(program, limits, SAMPLERS[sampler]) as (readable, records):
        assert by_id(encode_spans(readable)) == wanted
        assert by_id(encoded_records(records)) == wanted
