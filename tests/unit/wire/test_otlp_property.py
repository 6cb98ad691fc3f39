"""Our bytes, decoded by OpenTelemetry's own classes, say what any record says."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as PbResource
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans

from tests.support.otlp import ReceivedSpan, decode_request, decode_value
from tests.unit.wire import builders
from tests.unit.wire.builders import (
    MOST,
    make_batch,
    make_slice,
    replaced,
    typed,
    typed_attributes,
)
from tradespan.core.records import Resource, Site, Span
from tradespan.wire.attributes import event_attributes, span_attributes, span_name
from tradespan.wire.codec import decode_span, encode_record
from tradespan.wire.otlp import encode_span, encode_traces
from tradespan.wire.protobuf import attributes

EMPTY = Site(number=0, scope_name="")


def told_by_record(site: Site, span: Span, resource: Resource) -> dict[str, Any]:
    """What the record says, as far as OTLP can say it."""
    remote = 0x200 if span.parent_is_remote else 0
    return {
        "trace_id": span.trace_id.hex(),
        "span_id": f"{span.span_id:016x}",
        "parent_id": f"{span.parent_id:016x}" if span.parent_id else "",
        "name": replaced(span_name(site, span)),
        "kind": span.kind + 1,
        "times": (span.start, span.start + span.duration),
        "attributes": typed_attributes(span_attributes(site, span)),
        "events": [
            (
                replaced(event.name),
                event.time,
                typed_attributes(event_attributes(event)),
                event.dropped_attributes,
            )
            for event in span.events or ()
        ],
        "links": [
            (
                link.trace_id.hex(),
                f"{link.span_id:016x}",
                typed_attributes(link.attributes),
                replaced(link.trace_state),
                link.trace_flags | 0x100 | (0x200 if link.remote else 0),
                link.dropped_attributes,
            )
            for link in span.links or ()
        ],
        "status": (span.status, replaced(span.status_message)),
        "trace_state": replaced(span.trace_state),
        "flags": span.trace_flags | 0x100 | remote,
        "dropped": span.dropped,
        "resource": typed_attributes({**resource.attributes, "tradespan.lane": "ordinary"}),
        "resource_schema_url": replaced(resource.schema_url),
        "scope": (replaced(site.scope_name), replaced(site.scope_version)),
        "scope_attributes": typed_attributes(site.scope_attributes),
        "scope_schema_url": replaced(site.scope_schema_url),
    }


def told_by_request(span: ReceivedSpan) -> dict[str, Any]:
    return {
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "name": span.name,
        "kind": span.kind,
        "times": (span.start, span.end),
        "attributes": typed_attributes(span.attributes),
        "events": [
            (event.name, event.time, typed_attributes(event.attributes), event.dropped_attributes)
            for event in span.events
        ],
        "links": [
            (
                link.trace_id,
                link.span_id,
                typed_attributes(link.attributes),
                link.trace_state,
                link.flags,
                link.dropped_attributes,
            )
            for link in span.links
        ],
        "status": (span.status_code, span.status_message),
        "trace_state": span.trace_state,
        "flags": span.flags,
        "dropped": span.dropped,
        "resource": typed_attributes(span.resource),
        "resource_schema_url": span.resource_schema_url,
        "scope": (span.scope_name, span.scope_version),
        "scope_attributes": typed_attributes(span.scope_attributes),
        "scope_schema_url": span.scope_schema_url,
    }


def by_text(told: list[dict[str, Any]]) -> list[str]:
    """In an order of its own: spans of one scope stand together in a request."""
    return sorted(str(sorted(one.items())) for one in told)


def keys_stay_distinct(sites: list[Site], spans: list[Span]) -> bool:
    """Whether no two keys become one when surrogates are replaced."""
    known = {site.number: site for site in sites}
    return all(
        builders.distinct(span_attributes(known.get(span.site, EMPTY), span)) for span in spans
    ) and all(
        builders.distinct(event_attributes(event)) for span in spans for event in span.events or ()
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(builders.sites, max_size=3, unique_by=lambda site: site.number),
    st.lists(builders.spans(), max_size=4),
    st.builds(Resource, builders.attributes, builders.texts),
    st.integers(0, 4),
)
def test_a_request_says_what_the_records_say(
    sites: list[Site], spans: list[Span], resource: Resource, cut: int
) -> None:
    assume(keys_stay_distinct(sites, spans))
    known = {site.number: site for site in sites}
    slices = [
        make_slice(*some, resource=resource, sites=tuple(sites))
        for some in (spans[:cut], spans[cut:])
    ]
    body = encode_traces(make_batch(*slices))
    received = [told_by_request(span) for span in decode_request(body)]
    recorded = [told_by_record(known.get(span.site, EMPTY), span, resource) for span in spans]
    assert by_text(received) == by_text(recorded)


@settings(max_examples=30, deadline=None)
@given(builders.sites, st.lists(builders.spans(), max_size=4))
def test_a_request_of_read_records_is_that_of_the_written_ones(
    site: Site, spans: list[Span]
) -> None:
    written = [decode_span(encode_record(span)) for span in spans]
    read = [decode_span(encode_record(span)) for span in written]
    assert encode_traces(make_batch(make_slice(*read, sites=(site,)))) == encode_traces(
        make_batch(make_slice(*written, sites=(site,)))
    )


@settings(max_examples=200, deadline=None)
@given(builders.texts, builders.values)
def test_an_attribute_says_what_it_is(key: str, value: Any) -> None:
    (read,) = PbResource.FromString(attributes({key: value}, 1)).attributes
    assert (read.key, typed(decode_value(read.value))) == (replaced(key), typed(value))


@settings(max_examples=30, deadline=None)
@given(st.lists(builders.spans(), max_size=5))
def test_encoded_spans_follow_one_another_without_being_decoded(spans: list[Span]) -> None:
    scoped = ScopeSpans.FromString(b"".join(encode_span(EMPTY, span) for span in spans))
    assert [int.from_bytes(span.span_id, "big") for span in scoped.spans] == [
        span.span_id for span in spans
    ]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, MOST), st.integers(0, MOST))
def test_times_keep_every_nanosecond(start: int, duration: int) -> None:
    assume(start + duration <= MOST)
    span = builders.make_span(start=start, duration=duration)
    (read,) = decode_request(encode_traces(builders.batch_of(span)))
    assert (read.start, read.end) == (start, start + duration)
