"""Log records over 1 MiB are cut until they fit, and can still be read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.unit.wire.builders import TRACE_ID, make_log
from tradespan.core.records import MAX_RECORD_BYTES, LogRecord
from tradespan.wire.codec import decode_log, encode_record
from tradespan.wire.cut import MARK, cut_log_to_fit


def cut(log: LogRecord) -> LogRecord:
    fields = cut_log_to_fit(msgspec.msgpack.decode(encode_record(log)))
    payload = msgspec.msgpack.encode(fields)
    assert len(payload) <= MAX_RECORD_BYTES
    return decode_log(payload)


def test_the_longest_value_is_cut_and_the_others_stay() -> None:
    log = cut(make_log(body="b" * (2 << 20), attributes={"symbol": "AAPL"}, trace_id=TRACE_ID))
    assert log.body.endswith(MARK)
    assert (log.attributes, log.trace_id) == ({"symbol": "AAPL"}, TRACE_ID)


@pytest.mark.parametrize(
    "facts",
    [
        {"attributes": {f"k{n}": "v" * 4_000 for n in range(600)}},
        {"body": {f"k{n}": ["v" * 400] * 9 for n in range(600)}},
        {"severity_text": "s" * (2 << 20)},
        {"event_name": "e" * (2 << 20)},
        {"body": b"\x00" * (2 << 20)},
        {"body": [["x" * 200] * 100] * 100},
    ],
    ids=lambda facts: next(iter(facts)),
)
def test_whatever_is_too_long_is_cut(facts: dict[str, Any]) -> None:
    log = cut(make_log(span_id=7, **facts))
    assert (log.time, log.span_id) == (make_log().time, 7)


def test_attributes_that_are_too_many_are_thinned_and_counted() -> None:
    held = {f"key {number}": "v" * 60 for number in range(20_000)}
    log = cut(make_log(attributes=held, dropped_attributes=3))
    assert log.attributes is not None
    assert len(log.attributes) + log.dropped_attributes == 20_003
    assert (log.body, log.trace_id, log.event_name) == ("order 7 is filled", b"", "")


def test_thinning_needs_no_field_behind_the_attributes() -> None:
    held = {f"key {number}": "v" * 60 for number in range(20_000)}
    log = cut(make_log(attributes=held))
    assert len(log.attributes or ()) + log.dropped_attributes == 20_000
