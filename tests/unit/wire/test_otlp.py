"""What a request says of a batch; `test_otlp_property.py` compares random ones in full."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans

from tests.support.otlp import ReceivedSpan, decode_request
from tests.unit.wire.builders import (
    BOT,
    PARENT_IS_REMOTE,
    SAMPLED,
    SITE,
    TRACE_ID,
    WRITER,
    batch_of,
    make_batch,
    make_slice,
    make_span,
)
from tradespan.core.records import Event, Failure, Frame, Lane, Link, Resource, Site, Span
from tradespan.wire.attributes import span_attributes
from tradespan.wire.codec import decode_span, encode_record
from tradespan.wire.otlp import encode_span, encode_traces

OTHER_WRITER = "cd" * 16


def received(*spans: Span) -> list[ReceivedSpan]:
    return decode_request(encode_traces(batch_of(*spans)))


def one(**facts: Any) -> ReceivedSpan:
    (span,) = received(make_span(**facts))
    return span


def groups(body: bytes) -> list[tuple[dict[str, str], list[list[int]]]]:
    """Of each ResourceSpans: its texts, and the span ids of each of its scopes."""
    return [
        (
            {pair.key: pair.value.string_value for pair in group.resource.attributes},
            [
                [int.from_bytes(span.span_id, "big") for span in scoped.spans]
                for scoped in group.scope_spans
            ],
        )
        for group in ExportTraceServiceRequest.FromString(body).resource_spans
    ]


def numbered(*numbers: int, site: int = 1) -> list[Span]:
    return [make_span(span_id=number, site=site) for number in numbers]


def test_slices_of_one_process_and_lane_are_one_group() -> None:
    body = encode_traces(
        make_batch(
            make_slice(*numbered(1, 2)),
            make_slice(*numbered(3), writer=OTHER_WRITER),
            make_slice(*numbered(4)),
            make_slice(*numbered(5), lane=Lane.ERROR),
        )
    )
    assert [spans for _, spans in groups(body)] == [[[1, 2, 4]], [[3]], [[5]]]
    assert [texts["tradespan.lane"] for texts, _ in groups(body)] == [
        "ordinary",
        "ordinary",
        "error",
    ]


def test_one_process_that_changed_its_resource_is_two_groups() -> None:
    renamed = Resource({"service.name": "renamed"}, "https://example.com/schema")
    body = encode_traces(
        make_batch(make_slice(*numbered(1)), make_slice(*numbered(2), resource=renamed))
    )
    assert [(texts["service.name"], spans) for texts, spans in groups(body)] == [
        ("momentum-bot", [[1]]),
        ("renamed", [[2]]),
    ]
    assert [span.resource_schema_url for span in decode_request(body)] == [
        "",
        "https://example.com/schema",
    ]


def test_spans_are_grouped_by_all_facts_of_their_scope() -> None:
    sites = (
        Site(1, "scope", "1.0", "https://schema", {"a": 1}, "first"),
        Site(2, "scope", "1.0", "https://schema", {"a": 1}, "of the same scope"),
        Site(3, "scope", "1.1", "https://schema", {"a": 1}, "another version"),
        Site(4, "scope", "1.0", "", {"a": 1}, "no schema"),
        Site(5, "scope", "1.0", "https://schema", {"a": 2}, "other attributes"),
    )
    spans = [make_span(span_id=number, site=site) for number, site in enumerate([1, 3, 2, 4, 5, 1])]
    body = encode_traces(make_batch(make_slice(*spans, sites=sites)))
    assert [scopes for _, scopes in groups(body)] == [[[0, 2, 5], [1], [3], [4]]]
    by_id = {int(span.span_id, 16): span for span in decode_request(body)}
    assert by_id[2].scope_schema_url == "https://schema"
    assert by_id[3].scope_schema_url == ""
    assert (by_id[4].scope_name, by_id[4].scope_version) == ("scope", "1.0")
    assert by_id[4].scope_attributes == {"a": 2}


def test_each_segments_numbers_mean_its_own_sites() -> None:
    first = make_slice(make_span(), sites=(Site(1, "bot", name="decide"),))
    second = make_slice(make_span(), sites=(Site(1, "bot", name="submit"),))
    spans = decode_request(encode_traces(make_batch(first, second)))
    assert [span.name for span in spans] == ["decide", "submit"]


def test_spans_whose_site_was_lost_are_sent_without_its_facts() -> None:
    lost = make_span(site=9, attributes={"k": 1}, arguments=["'AAPL'"], result=2)
    span = decode_request(encode_traces(batch_of(lost)))[0]
    assert (span.name, span.scope_name) == ("", "")
    assert span.attributes == {"k": 1, "tradespan.result": 2}


def test_a_batch_without_records_is_an_empty_request() -> None:
    assert encode_traces(make_batch()) == b""


def test_a_root_has_no_parent_and_a_child_has() -> None:
    assert one().parent_id == ""
    assert one(parent_id=0xABC).parent_id == "0000000000000abc"


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (0, 0x100),
        (SAMPLED, 0x101),
        (PARENT_IS_REMOTE | SAMPLED, 0x301),
        (0xFF << 8, 0x1FF),
        (PARENT_IS_REMOTE, 0x300),
    ],
)
def test_flags_tell_sampling_and_whether_the_parent_is_remote(flags: int, told: int) -> None:
    assert one(flags=flags).flags == told


def test_kinds_are_otlps_numbers() -> None:
    assert [one(flags=kind << 2).kind for kind in range(5)] == [1, 2, 3, 4, 5]


def test_status_and_its_message() -> None:
    assert [one(flags=status).status_code for status in range(3)] == [0, 1, 2]
    failed = one(flags=2, status_message="no answer")
    assert (failed.status_code, failed.status_message) == (2, "no answer")


def test_what_a_span_brings_itself_replaces_what_its_site_says() -> None:
    span = make_span(
        attributes={"code.line.number": 65, "own": True}, arguments=["'AAPL'", None], result=0
    )
    (read,) = received(span)
    assert read.attributes == span_attributes(SITE, span)
    assert read.attributes["code.line.number"] == 65
    assert "tradespan.args.quantity" not in read.attributes


def test_a_sites_own_attribute_named_like_an_argument_comes_once() -> None:
    site = Site(1, "bot", attributes={"tradespan.args.x": "static"}, parameters=("x",))
    spans = [make_span(), make_span(arguments=[1]), make_span(arguments=[1], attributes={"k": 1})]
    read = decode_request(encode_traces(make_batch(make_slice(*spans, sites=(site,)))))
    assert [span.attributes["tradespan.args.x"] for span in read] == ["static", 1, 1]


def test_an_exception_is_an_event_with_its_traceback() -> None:
    failure = Failure("OSError", "reset", [Frame("bot.py", 7, "send")])
    event = Event("exception", 42, {"retry": 1}, failure, 3)
    (read,) = one(flags=2, events=[event]).events
    assert (read.name, read.time, read.dropped_attributes) == ("exception", 42, 3)
    assert read.attributes == {
        "exception.type": "OSError",
        "exception.message": "reset",
        "exception.stacktrace": (
            'Traceback (most recent call last):\n  File "bot.py", line 7, in send\nOSError: reset\n'
        ),
        "exception.escaped": "True",
        "retry": 1,
    }


def test_links_say_where_to_and_whether_it_is_remote() -> None:
    links = [Link(TRACE_ID, 7, {"k": "v"}, "a=b", 0, True, 4), Link(TRACE_ID, 8)]
    first, second = one(links=links).links
    assert (first.trace_id, first.span_id) == (TRACE_ID.hex(), f"{7:016x}")
    assert (first.attributes, first.trace_state, first.dropped_attributes) == ({"k": "v"}, "a=b", 4)
    assert (first.flags, second.flags) == (0x300, 0x101)


def test_what_was_dropped_is_counted() -> None:
    assert one(dropped=(1, 2, 3)).dropped == (1, 2, 3)
    assert one(dropped=(0, 0, 1 << 40)).dropped == (0, 0, (1 << 32) - 1)


def test_equal_batches_have_equal_bytes() -> None:
    spans = [
        make_span(span_id=number, attributes={"a": 1, "b": [number]}, arguments=["'x'"])
        for number in range(1, 50)
    ]
    again = [decode_span(encode_record(span)) for span in spans]
    assert encode_traces(batch_of(*spans)) == encode_traces(batch_of(*again))


def test_requests_follow_one_another_to_a_request() -> None:
    both = encode_traces(batch_of(*numbered(1, 2))) + encode_traces(batch_of(*numbered(3)))
    assert [int(span.span_id, 16) for span in decode_request(both)] == [1, 2, 3]


def test_an_encoded_span_alone_is_an_element_of_a_scopes_spans() -> None:
    pieces = [encode_span(SITE, span) for span in numbered(1, 2, 3)]
    assert [span.span_id[-1] for span in ScopeSpans.FromString(b"".join(pieces)).spans] == [1, 2, 3]
    assert b"".join(pieces) in encode_traces(batch_of(*numbered(1, 2, 3)))


def test_the_resource_of_the_record_is_left_as_it_was() -> None:
    encode_traces(batch_of(make_span()))
    assert BOT.attributes == {"service.name": "momentum-bot", "process.pid": 41}


@pytest.mark.parametrize(
    "facts",
    [
        {"trace_id": b"short"},
        {"trace_id": b"x" * 17},
        {"span_id": -1},
        {"parent_id": 1 << 64},
        {"start": -1},
        {"start": (1 << 64) - 1, "duration": 1},
        {"events": [Event("e", -1)]},
        {"links": [Link(b"", 1)]},
        {"links": [Link(TRACE_ID, -1)]},
    ],
)
def test_what_otlp_cannot_say_is_refused_instead_of_sent_wrong(facts: dict[str, Any]) -> None:
    # A receiver would refuse the whole request for it.
    with pytest.raises(ValueError, match=r"trace id|^span "):
        encode_traces(batch_of(make_span(), make_span(**facts)))


def test_a_writer_is_known_by_its_whole_name() -> None:
    body = encode_traces(
        make_batch(make_slice(*numbered(1)), make_slice(*numbered(2), writer=WRITER[:-1] + "c"))
    )
    assert len(groups(body)) == 2
