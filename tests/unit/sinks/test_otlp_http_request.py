"""What is sent: headers, compression, sizes, and records that cannot be said."""

from __future__ import annotations

import gzip
import logging
import time
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.faults import PROTOBUF, Refuse
from tests.support.otlp import decode_request
from tests.support.receiver import Receiver
from tests.unit.sinks.builders import BOT, DECIDE, WRITER, make_batch, make_span
from tradespan.core.delivery import Accepted, Batch, Parked, Retry, Split
from tradespan.core.records import Kind, Lane, Span
from tradespan.core.version import __version__
from tradespan.forward.courier import Courier
from tradespan.forward.cursors import FileCursors
from tradespan.sinks import otlp_http
from tradespan.sinks.otlp_http import OtlpHttpSink
from tradespan.spool.folder import RunFolder
from tradespan.spool.layout import SegmentHeader, pack_frame, pack_header
from tradespan.spool.names import SegmentName
from tradespan.wire.codec import decode_span, encode_record

MakeSink = Callable[..., OtlpHttpSink]
BAD_SPANS = {
    "a trace id that is none": make_span(trace_id=b"short"),
    "a start before 1970": make_span(start=-1),
    "an end after 2554": make_span(start=(1 << 64) - 1),
    "a span id below 0": make_span(span_id=-1),
    "a parent id over 64 bits": make_span(parent_id=1 << 64),
}


def test_the_request_says_what_it_is(receiver: Receiver, sink: OtlpHttpSink) -> None:
    assert sink.deliver(make_batch()) == Accepted()
    (request,) = receiver.requests
    assert request.path == "/v1/traces"
    assert request.headers["content-type"] == PROTOBUF
    assert request.headers["user-agent"] == f"tradespan/{__version__}"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert "content-encoding" not in request.headers


def test_headers_of_the_settings_are_sent(receiver: Receiver, make_sink: MakeSink) -> None:
    headers = {"Authorization": "Bearer tøken", "user-agent": "bot/1", "X-Scope-OrgID": "1"}
    assert make_sink(headers=headers).deliver(make_batch()) == Accepted()
    sent = receiver.requests[0].headers
    assert sent["authorization"].encode("latin-1").decode() == "Bearer tøken"
    assert (sent["user-agent"], sent["x-scope-orgid"]) == ("bot/1", "1")


def test_no_header_changes_what_the_body_is(receiver: Receiver, make_sink: MakeSink) -> None:
    sink = make_sink(headers={"Content-Type": "application/json"})
    assert sink.deliver(make_batch()) == Accepted()
    assert receiver.requests[0].headers["content-type"] == PROTOBUF


def test_a_header_that_cannot_be_sent_keeps_the_spans_and_the_secret(make_sink: MakeSink) -> None:
    outcome = make_sink(headers={"authorization": "Bearer s3cret\r\nx: y"}).deliver(make_batch())
    assert isinstance(outcome, Retry)
    assert "s3cret" not in outcome.reason


def test_a_user_in_the_address_is_sent_as_such(receiver: Receiver, make_sink: MakeSink) -> None:
    sink = make_sink(receiver.url.replace("//", "//me%40desk:pass@"))
    assert sink.deliver(make_batch()) == Accepted()
    scheme, _, pair = receiver.requests[0].headers["authorization"].partition(" ")
    assert (scheme, b64decode(pair)) == ("Basic", b"me@desk:pass")


def test_the_address_is_used_as_it_is(receiver: Receiver, make_sink: MakeSink) -> None:
    sink = make_sink(f"{receiver.address}/otlp/v1/traces?tenant=a%20b")
    receiver.play(Refuse(503))
    sink.deliver(make_batch())
    assert receiver.requests[0].path == "/otlp/v1/traces?tenant=a%20b"


def test_gzip_is_smaller_says_so_and_is_byte_identical_later(
    receiver: Receiver, make_sink: MakeSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = make_sink(compress=True)
    receiver.play(Refuse(503))
    batch = make_batch(100)
    assert isinstance(sink.deliver(batch), Retry)
    later = time.time() + 3_600
    monkeypatch.setattr(time, "time", lambda: later)
    assert sink.deliver(batch) == Accepted()
    first, second = receiver.requests
    assert first.headers["content-encoding"] == second.headers["content-encoding"] == "gzip"
    assert first.body == second.body
    assert len(first.body) < len(gzip.decompress(first.body)) / 4
    assert len(receiver.spans) == 100


def test_a_request_that_receivers_refuse_for_its_size_is_split_before_it_is_sent(
    receiver: Receiver, make_sink: MakeSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp_http, "MOST_BYTES", 1_000)
    sink = make_sink()
    assert isinstance(sink.deliver(make_batch(100)), Split)
    assert receiver.requests == []


def test_one_large_record_is_sent_nevertheless(
    receiver: Receiver, make_sink: MakeSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp_http, "MOST_BYTES", 10)
    sink = make_sink()
    assert sink.deliver(make_batch(1)) == Accepted()


@pytest.mark.parametrize("bad", BAD_SPANS.values(), ids=BAD_SPANS)
def test_a_batch_with_a_record_that_cannot_be_said_is_split(
    receiver: Receiver, sink: OtlpHttpSink, bad: Span
) -> None:
    outcome = sink.deliver(make_batch([make_span(1), bad, make_span(3)]))
    assert isinstance(outcome, Split)
    assert "cannot be encoded" in outcome.reason
    assert receiver.requests == []


@pytest.mark.parametrize("bad", BAD_SPANS.values(), ids=BAD_SPANS)
def test_a_record_that_cannot_be_said_is_parked_alone(sink: OtlpHttpSink, bad: Span) -> None:
    outcome = sink.deliver(make_batch([bad]))
    assert isinstance(outcome, Parked)
    assert "cannot be encoded" in outcome.reason


def test_a_span_whose_site_is_lost_is_sent_without_its_facts(
    receiver: Receiver, sink: OtlpHttpSink
) -> None:
    assert sink.deliver(make_batch([make_span(1), make_span(2, site=77)])) == Accepted()
    names = {span.span_id[-1]: (span.name, span.attributes) for span in receiver.spans}
    assert names["1"][0] == DECIDE.name
    assert names["2"] == ("", {})


def write_segment(folder: RunFolder, spans: list[Span]) -> None:
    """A segment as a writer that was killed has left it."""
    payloads: list[tuple[int, int, Any]] = [(0, Kind.RESOURCE, BOT), (0, Kind.SITE, DECIDE)]
    payloads += [(number, Kind.SPAN, span) for number, span in enumerate(spans, start=1)]
    frames = [pack_frame(number, kind, 0, encode_record(it)) for number, kind, it in payloads]
    body = b"".join(frames)
    header = SegmentHeader(bytes.fromhex(WRITER), 0, 1, 2**22, 0, 1, 1, 96 + len(body))
    name = SegmentName(1, WRITER, Lane.ORDINARY, 1)
    (folder.path / str(name)).write_bytes(pack_header(header) + body)


def test_a_poison_record_is_parked_and_all_others_are_delivered(
    receiver: Receiver, sink: OtlpHttpSink, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = RunFolder.create(tmp_path / "root", "bot")
    poison = make_span(37, trace_id=b"short")
    write_segment(folder, [poison if n == 37 else make_span(n) for n in range(1, 101)])
    courier = Courier(sink, FileCursors(sink.name), Kind.SPAN, decode_span)
    with caplog.at_level(logging.WARNING, "tradespan"):
        assert courier.work([folder])
    numbers = sorted(int(span.span_id, 16) for span in receiver.spans)
    assert numbers == [n for n in range(1, 101) if n != 37]
    cursor = FileCursors(sink.name).load(str(folder.path))
    assert (cursor.accepted, cursor.parked) == (99, 1)
    assert len(list((folder.path / "parked" / sink.name).glob("*.seg"))) == 1
    assert [record.message.count("cannot be encoded") for record in caplog.records] == [1]


def test_equal_batches_are_equal_bytes(receiver: Receiver, sink: OtlpHttpSink) -> None:
    def batch() -> Batch[Span]:
        return make_batch([make_span(n, attributes={"a": [1.5, None], "b": "ü"}) for n in (1, 2)])

    sink.deliver(batch())
    sink.deliver(batch())
    first, second = (request.body for request in receiver.requests)
    assert first == second
    assert [span.attributes["a"] for span in decode_request(first)] == [[1.5, None]] * 2
