from __future__ import annotations

from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings

from tests.unit.wire import builders
from tests.unit.wire.builders import BOT, SITE, TRACE_ID, make_span, typed
from tradespan.core.records import Event, Failure, Frame, Link, Resource, Site, Span
from tradespan.wire.codec import decode_resource, decode_site, decode_span, encode_record

SPAN_FIELDS = 16
FAILURE = Failure(
    "ValueError",
    "bad",
    [Frame("bot.py", 7, "decide")],
    cause=Failure("OSError", "reset"),
    members=[Failure("KeyError", "'k'")],
)
FULL = make_span(
    parent_id=7,
    name="submit",
    attributes={"text": "é€", "list": [1, 2.5, None, [b"x"]], "map": {"a": {"b": True}}},
    arguments=["'AAPL'", 300, None],
    result={"id": 4},
    status_message="refused",
    events=[Event("exception", 5, {"k": "v"}, FAILURE, 1), Event("tick", 6)],
    links=[Link(TRACE_ID, 9, {"k": 1}, "a=b", 0, True, 2)],
    trace_state="vendor=1",
    dropped=(1, 2, 3),
)


def positions(record: msgspec.Struct) -> list[Any]:
    """The record's whole array, trailing defaults included."""
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(record))
    assert isinstance(fields, list)
    return fields


def pack(fields: object) -> bytes:
    return msgspec.msgpack.encode(fields)


def test_what_was_encoded_is_read_back() -> None:
    assert decode_span(encode_record(FULL)) == FULL
    assert decode_site(encode_record(SITE)) == SITE
    assert decode_resource(encode_record(BOT)) == BOT


@settings(max_examples=50, deadline=None)
@given(builders.spans())
def test_any_span_is_read_back_whatever_its_values(span: Span) -> None:
    read = decode_span(encode_record(span))
    written = span if read == span else decode_span(encode_record(read))
    assert encode_record(read) == encode_record(written)
    assert (read.span_id, read.start, read.flags) == (span.span_id, span.start, span.flags)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "é€\U0001f4c8",
        True,
        0,
        -(1 << 63),
        (1 << 64) - 1,
        1.5,
        float("inf"),
        b"\x00\xff",
        None,
        [],
        ["a", "b"],
        [True, False],
        [1, 2],
        [1.5, 2.5],
        [b"a", b"b"],
        ["mixed", 1, None, [2.5]],
        {},
        {"key": {"inner": [1]}},
    ],
)
def test_every_kind_of_attribute_keeps_its_value_and_type(value: Any) -> None:
    span = decode_span(encode_record(make_span(attributes={"key": value}, result=value)))
    assert span.attributes is not None
    assert typed(span.attributes["key"]) == typed(span.result) == typed(value)


def test_equal_records_have_equal_bytes() -> None:
    again = decode_span(encode_record(FULL))
    assert encode_record(again) == encode_record(FULL)


def test_trailing_defaults_are_left_off() -> None:
    written: list[tuple[Span | Site | Resource, int]] = [
        (make_span(), 7),
        (make_span(name="x"), 8),
        (make_span(result=0), 11),
        (make_span(attributes={}), 9),
        (make_span(dropped=(0, 0, 1)), SPAN_FIELDS),
        (Site(1, "bot"), 2),
        (Site(1, "bot", parameters=("a",)), 8),
        (Resource({}), 1),
    ]
    sizes = [len(msgspec.msgpack.decode(encode_record(record))) for record, _ in written]
    assert sizes == [size for _, size in written]


def test_a_record_that_is_written_again_does_not_grow() -> None:
    # The dead letter writes what was read, and a record may have been as long as can be.
    for length in range(7, SPAN_FIELDS + 1):
        payload = pack(positions(FULL)[:length])
        assert len(encode_record(decode_span(payload))) <= len(payload)


def test_a_field_that_an_earlier_version_did_not_write_has_its_default() -> None:
    required = positions(FULL)[:7]
    assert decode_span(pack(required)) == make_span(parent_id=7)
    for length in range(7, SPAN_FIELDS + 1):
        assert decode_span(pack(positions(FULL)[:length])).parent_id == 7
    assert decode_site(pack([3, "bot"])) == Site(3, "bot")
    assert decode_resource(pack([{"service.name": "bot"}])) == Resource({"service.name": "bot"})


def test_fields_that_a_later_version_appends_are_passed_over() -> None:
    later = [{"unknown": [1, 2]}, "and more"]
    assert decode_span(pack(positions(FULL) + later)) == FULL
    assert decode_site(pack(positions(SITE) + later)) == SITE
    assert decode_resource(pack(positions(BOT) + later)) == BOT


def test_appended_fields_are_passed_over_inside_a_record_too() -> None:
    fields = positions(FULL)
    event, link = fields[12][0], fields[13][0]
    failure = event[3]
    frame = failure[2][0]
    for array in (frame, failure, event, link):
        array.append("later")
    assert decode_span(pack(fields)) == FULL


def test_text_that_is_no_unicode_is_written_with_question_marks() -> None:
    path = b"/srv/b\xf6t.py".decode("utf-8", "surrogateescape")
    site = Site(1, "bot", attributes={"code.file.path": path, path: [path, {path: 1}]})
    read = decode_site(encode_record(site))
    assert read.attributes == {
        "code.file.path": "/srv/b?t.py",
        "/srv/b?t.py": ["/srv/b?t.py", {"/srv/b?t.py": 1}],
    }


def test_a_number_beyond_64_bits_is_written_as_text() -> None:
    span = make_span(attributes={"large": 1 << 64, "small": -(1 << 63) - 1, "fits": 5})
    assert decode_span(encode_record(span)).attributes == {
        "large": "18446744073709551616",
        "small": "-9223372036854775809",
        "fits": 5,
    }


def test_an_object_of_another_type_is_written_as_its_text() -> None:
    span = make_span(attributes={"type": ValueError("x")})
    assert decode_span(encode_record(span)).attributes == {"type": "x"}


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc0",
        b"\xff" * 40,
        pack(positions(FULL)[:6]),
        pack([1, "not bytes", 5, 0, 1, 1, 0]),
        pack(positions(FULL))[:-1],
        b"\x91" * 100_000,
        pack(positions(FULL)[:8])[:-7] + b"\x91" * 100_000,
        pack(positions(make_span())[:8])[:-1] + b"\xa1x" + b"\x91" * 100_000,
        b"\xdd\xff\xff\xff\xff",
    ],
)
def test_bytes_that_are_no_span_are_refused_by_one_error(payload: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_span(payload)


def test_a_value_of_a_derived_type_is_written_as_the_plain_one() -> None:
    values = {
        "price": np.float64(1.5),
        "venue": np.str_("x"),
        "view": MappingProxyType({"a": np.float64(2.5)}),
        "range": range(3),
    }
    assert decode_span(encode_record(make_span(attributes=values))).attributes == {
        "price": 1.5,
        "venue": "x",
        "view": {"a": 2.5},
        "range": [0, 1, 2],
    }
