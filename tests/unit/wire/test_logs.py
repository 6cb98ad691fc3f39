"""Our log requests, decoded by OpenTelemetry's own classes, say what any record says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import ScopeLogs

from tests.support.otlp import decode_attributes, decode_value
from tests.unit.wire import builders
from tests.unit.wire.builders import (
    NOON,
    SITE,
    TRACE_ID,
    make_batch,
    make_log,
    make_slice,
    replaced,
    typed,
    typed_attributes,
)
from tradespan.core.delivery import Slice
from tradespan.core.records import Kind, Lane, LogRecord, Resource, Site
from tradespan.wire.codec import decode_log, encode_record
from tradespan.wire.logs import encode_log, encode_logs

EMPTY = Site(number=0, scope_name="")
OTHER_WRITER = "cd" * 16


def request_of(*slices: Slice[LogRecord]) -> bytes:
    return encode_logs(make_batch(*slices, kind=Kind.LOG))


def told_by_record(site: Site, log: LogRecord, resource: Resource) -> dict[str, Any]:
    """What the record says, as far as OTLP can say it."""
    return {
        "times": (log.time, log.observed_time),
        "severity": (log.severity_number, replaced(log.severity_text)),
        "body": typed(log.body),
        "attributes": typed_attributes(log.attributes or {}),
        "trace": (log.trace_id.hex(), f"{log.span_id:016x}" if log.span_id else ""),
        "flags": log.trace_flags,
        "event_name": replaced(log.event_name),
        "dropped": log.dropped_attributes,
        "resource": typed_attributes({**resource.attributes, "tradespan.lane": "ordinary"}),
        "resource_schema_url": replaced(resource.schema_url),
        "scope": (replaced(site.scope_name), replaced(site.scope_version)),
        "scope_attributes": typed_attributes(site.scope_attributes),
        "scope_schema_url": replaced(site.scope_schema_url),
    }


def told_by_request(body: bytes) -> Iterator[dict[str, Any]]:
    for group in ExportLogsServiceRequest.FromString(body).resource_logs:
        for scoped in group.scope_logs:
            for log in scoped.log_records:
                yield {
                    "times": (log.time_unix_nano, log.observed_time_unix_nano),
                    "severity": (log.severity_number, log.severity_text),
                    "body": typed(decode_value(log.body)),
                    "attributes": typed_attributes(decode_attributes(log.attributes)),
                    "trace": (log.trace_id.hex(), log.span_id.hex()),
                    "flags": log.flags,
                    "event_name": log.event_name,
                    "dropped": log.dropped_attributes_count,
                    "resource": typed_attributes(decode_attributes(group.resource.attributes)),
                    "resource_schema_url": group.schema_url,
                    "scope": (scoped.scope.name, scoped.scope.version),
                    "scope_attributes": typed_attributes(
                        decode_attributes(scoped.scope.attributes)
                    ),
                    "scope_schema_url": scoped.schema_url,
                }


def by_text(told: list[dict[str, Any]]) -> list[str]:
    """In an order of its own: records of one scope stand together in a request."""
    return sorted(str(sorted(one.items())) for one in told)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(builders.sites, max_size=3, unique_by=lambda site: site.number),
    st.lists(builders.logs, max_size=4),
    st.builds(Resource, builders.attributes, builders.texts),
    st.integers(0, 4),
)
def test_a_request_says_what_the_records_say(
    sites: list[Site], logs: list[LogRecord], resource: Resource, cut: int
) -> None:
    known = {site.number: site for site in sites}
    body = request_of(
        *[
            make_slice(*some, resource=resource, sites=tuple(sites))
            for some in (logs[:cut], logs[cut:])
        ]
    )
    recorded = [told_by_record(known.get(log.site, EMPTY), log, resource) for log in logs]
    assert by_text(list(told_by_request(body))) == by_text(recorded)


@settings(max_examples=40, deadline=None)
@given(st.lists(builders.logs, max_size=4))
def test_a_request_of_read_records_is_that_of_the_written_ones(logs: list[LogRecord]) -> None:
    written = [decode_log(encode_record(log)) for log in logs]
    read = [decode_log(encode_record(log)) for log in written]
    assert request_of(make_slice(*read)) == request_of(make_slice(*written))


@settings(max_examples=40, deadline=None)
@given(st.lists(builders.logs, max_size=5))
def test_encoded_records_follow_one_another_without_being_decoded(logs: list[LogRecord]) -> None:
    scoped = ScopeLogs.FromString(b"".join(map(encode_log, logs)))
    assert [log.time_unix_nano for log in scoped.log_records] == [log.time for log in logs]


@settings(max_examples=60, deadline=None)
@given(builders.logs)
def test_a_record_is_read_as_it_was_written(log: LogRecord) -> None:
    # What MessagePack cannot hold is mended, and NaN equals nothing: compared as OTLP says it.
    read = decode_log(encode_record(log))
    resource = Resource({})
    assert told_by_record(SITE, read, resource) == told_by_record(SITE, log, resource)


def test_each_lane_of_each_process_is_a_stream_of_its_own() -> None:
    body = request_of(
        make_slice(make_log()),
        make_slice(make_log(), writer=OTHER_WRITER),
        make_slice(make_log(severity_number=17), lane=Lane.ERROR),
        make_slice(make_log()),
    )
    groups = ExportLogsServiceRequest.FromString(body).resource_logs
    lanes = [decode_attributes(group.resource.attributes)["tradespan.lane"] for group in groups]
    assert lanes == ["ordinary", "ordinary", "error"]
    assert [len(group.scope_logs[0].log_records) for group in groups] == [2, 1, 1]


def test_errors_and_what_is_worse_travel_in_the_error_lane() -> None:
    lanes = [make_log(severity_number=number).lane for number in (0, 9, 16, 17, 21, 24)]
    assert lanes == [Lane.ORDINARY] * 3 + [Lane.ERROR] * 3


def test_a_common_line_takes_few_bytes() -> None:
    payload = encode_record(make_log(severity_number=9, severity_text="INFO"))
    assert len(payload) < 64


@pytest.mark.parametrize(
    "facts",
    [
        {"trace_id": b"short"},
        {"time": -1},
        {"observed_time": 1 << 64},
        {"trace_id": TRACE_ID, "span_id": -1},
    ],
    ids=str,
)
def test_a_record_that_otlp_cannot_say_is_an_error(facts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"trace id|log record"):
        encode_log(make_log(**facts))


def test_a_record_of_an_unknown_time_has_none() -> None:
    (told,) = told_by_request(request_of(make_slice(make_log(time=0, observed_time=NOON))))
    assert told["times"] == (0, NOON)
