"""Each row of the table of `sinks/answers.py`, said by a real receiver."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tests.support.faults import PROTOBUF, AcceptPartly, Answer, Refuse
from tests.support.receiver import Receiver
from tests.unit.sinks.builders import make_batch
from tradespan.core.delivery import Accepted, Denied, Parked, Retry, Split
from tradespan.sinks.answers import LONGEST_WAIT, read_answer, retry_after
from tradespan.sinks.otlp_http import OtlpHttpSink
from tradespan.wire.answers import read_partial_success

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize("status", [200, 202, 204])
def test_success_is_accepted(receiver: Receiver, sink: OtlpHttpSink, status: int) -> None:
    receiver.play(Answer(status))
    assert sink.deliver(make_batch(3)) == Accepted()
    assert [span.span_id for span in receiver.spans] == [f"{n:016x}" for n in (1, 2, 3)]


@pytest.mark.parametrize("status", [408, 429, 500, 501, 502, 503, 504, 599])
def test_a_receiver_in_trouble_is_tried_again(
    receiver: Receiver, sink: OtlpHttpSink, status: int
) -> None:
    receiver.play(Refuse(status, words="overloaded"))
    assert sink.deliver(make_batch()) == Retry(f"HTTP {status}: overloaded")
    assert receiver.spans == []


@pytest.mark.parametrize("status", [401, 403, 407])
def test_a_token_that_is_refused_may_be_renewed(
    receiver: Receiver, sink: OtlpHttpSink, status: int
) -> None:
    receiver.play(Refuse(status))
    assert sink.deliver(make_batch()) == Denied(f"HTTP {status}: scripted")
    assert sink.deliver(make_batch()) == Accepted()


@pytest.mark.parametrize("status", [400, 404, 405, 415, 422])
def test_what_is_refused_for_what_it_is_is_parked_with_the_reason(
    receiver: Receiver, sink: OtlpHttpSink, status: int
) -> None:
    receiver.play(Refuse(status, words="bad span"))
    assert sink.deliver(make_batch()) == Parked(f"HTTP {status}: bad span")


def test_too_large_is_split(receiver: Receiver, sink: OtlpHttpSink) -> None:
    receiver.play(Refuse(413, words="too large"))
    assert sink.deliver(make_batch(2)) == Split("HTTP 413: too large")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(receiver: Receiver, sink: OtlpHttpSink, status: int) -> None:
    receiver.play(Answer(status, headers={"location": f"{receiver.address}/v1/traces"}))
    assert sink.deliver(make_batch()) == Retry(f"HTTP {status}")
    assert len(receiver.requests) == 1


def test_partial_success_parks_as_many_as_were_rejected(
    receiver: Receiver, sink: OtlpHttpSink
) -> None:
    receiver.play(AcceptPartly(2, "too old"))
    assert sink.deliver(make_batch(5)) == Parked("partial success: too old", 2)
    assert len(receiver.spans) == 3


def test_partial_success_without_words_says_so(receiver: Receiver, sink: OtlpHttpSink) -> None:
    receiver.play(AcceptPartly(1, ""))
    assert sink.deliver(make_batch()) == Parked("partial success: no reason given", 1)


def test_a_remark_on_accepted_spans_is_logged_once(
    receiver: Receiver, sink: OtlpHttpSink, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.play(AcceptPartly(0, "use the new endpoint"), times=3)
    with caplog.at_level(logging.WARNING, "tradespan"):
        assert [sink.deliver(make_batch()) for _ in range(3)] == [Accepted()] * 3
    assert caplog.messages == ["otlp-test remarks: use the new endpoint"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"{", b"OK", b"\xff" * 20, b"\x0a\xff", b"\x0a\x05\x08", b"\x08" + b"\x80" * 20],
)
def test_success_with_a_strange_body_is_accepted(
    receiver: Receiver, sink: OtlpHttpSink, body: bytes
) -> None:
    receiver.play(Answer(200, body, {"content-type": "text/plain"}))
    assert sink.deliver(make_batch()) == Accepted()


def test_success_without_a_content_type_is_accepted(receiver: Receiver, sink: OtlpHttpSink) -> None:
    receiver.play(Answer(200, headers={}))
    assert sink.deliver(make_batch()) == Accepted()


def test_a_web_page_is_no_receiver(receiver: Receiver, sink: OtlpHttpSink) -> None:
    receiver.play(Answer(200, b"<html>Sign in", {"content-type": "text/html; charset=utf-8"}))
    outcome = sink.deliver(make_batch())
    assert outcome == Retry("a web page answers, no OTLP receiver: HTTP 200: <html>Sign in")


def test_a_provisional_answer_alone_is_no_refusal() -> None:
    assert isinstance(read_answer(103, {}, b""), Retry)


@pytest.mark.parametrize("words", ["", "x" * 100_000, "\udce4 ümlaut \0"])
def test_the_receivers_words_are_kept_short_and_readable(
    receiver: Receiver, sink: OtlpHttpSink, words: str
) -> None:
    receiver.play(Answer(400, words.encode("latin-1", "replace")))
    outcome = sink.deliver(make_batch())
    assert isinstance(outcome, Parked)
    assert outcome.reason.startswith("HTTP 400")
    assert len(outcome.reason) < 250
    assert sink.deliver(make_batch()) == Accepted()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_retry_after_in_seconds_is_passed_on(
    receiver: Receiver, sink: OtlpHttpSink, status: int
) -> None:
    receiver.play(Refuse(status, retry_after="17"))
    outcome = sink.deliver(make_batch())
    assert isinstance(outcome, Retry)
    assert outcome.after == 17.0


def test_retry_after_as_a_date_is_passed_on(receiver: Receiver, sink: OtlpHttpSink) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=60)
    receiver.play(Refuse(503, retry_after=format_datetime(moment, usegmt=True)))
    outcome = sink.deliver(make_batch())
    assert isinstance(outcome, Retry)
    assert outcome.after is not None
    assert 50 < outcome.after <= 60


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        (" 5 ", 5.0),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("soon", None),
        ("Sat, 99 Nov 2026 12:00:00 GMT", None),
        ("Sat, 21 Nov 2026 12:00:07 GMT", 7.0),
        ("Sat, 21 Nov 2026 12:00:07 -0000", 7.0),
        ("Sat, 21 Nov 2026 13:00:07 +0100", 7.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        ("9" * 400, LONGEST_WAIT),
        ("Sat, 21 Nov 2099 12:00:00 GMT", LONGEST_WAIT),
    ],
)
def test_retry_after_is_read_or_left(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW.timestamp()) == seconds


def test_a_negative_number_of_rejected_spans_says_nothing() -> None:
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = -1
    assert read_partial_success(response.SerializeToString()) == (0, "")


def test_unknown_fields_of_an_answer_are_passed_over(
    receiver: Receiver, sink: OtlpHttpSink
) -> None:
    inner = b"\x19" + b"8bytes!!" + b"\x25" + b"four" + b"\x08\x02" + b"\x12\x03old"
    body = b"\x10\x01" + b"\x0a" + bytes([len(inner)]) + inner
    receiver.play(Answer(200, body, {"content-type": PROTOBUF}))
    assert sink.deliver(make_batch(2)) == Parked("partial success: old", 2)


def test_a_partial_success_in_json_counts_as_well(receiver: Receiver, sink: OtlpHttpSink) -> None:
    body = b'{"partialSuccess": {"rejectedSpans": "2", "errorMessage": "too old"}}'
    receiver.play(Answer(200, body, {"content-type": "application/json"}))
    assert sink.deliver(make_batch(2)) == Parked("partial success: too old", 2)
