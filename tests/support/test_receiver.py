"""The receiver itself, met by OpenTelemetry's own exporter and by bare sockets."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tests.support.faults import PROTOBUF, AcceptPartly, Answer, Hang, Refuse, ResetAnswer
from tests.support.receiver import Receiver
from tests.support.receiver_process import ReceiverProcess


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def post(port: int, spans: int = 1, timeout: float = 5.0) -> tuple[int, bytes]:
    """Send a request as simply as can be; (status, body) of the answer."""
    request = ExportTraceServiceRequest()
    scoped = request.resource_spans.add().scope_spans.add()
    for number in range(1, spans + 1):
        scoped.spans.add(trace_id=b"t" * 16, span_id=number.to_bytes(8, "big"), name=f"s{number}")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        body = request.SerializeToString()
        connection.request("POST", "/v1/traces", body, {"content-type": PROTOBUF})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_spans_of_the_official_exporter_are_read_in_full(
    receiver: Receiver, compression: Compression
) -> None:
    provider = TracerProvider()
    exporter = OTLPSpanExporter(receiver.url, compression=compression)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("scope", "1.0")
    prices = {"prices": (1.5, 2.5)}
    with (
        tracer.start_as_current_span("parent") as parent,
        tracer.start_as_current_span("child", attributes=prices) as child,
    ):
        child.add_event("tick", {"n": 1}, timestamp=7)
    provider.shutdown()
    first, second = receiver.wait_for(lambda spans: len(spans) == 2)
    assert (first.name, second.name) == ("child", "parent")
    assert first.parent_id == second.span_id == f"{parent.get_span_context().span_id:016x}"
    assert first.attributes == {"prices": [1.5, 2.5]}
    assert [(event.name, event.time, event.attributes) for event in first.events] == [
        ("tick", 7, {"n": 1})
    ]
    assert (first.scope_name, first.scope_version) == ("scope", "1.0")
    assert first.resource["telemetry.sdk.language"] == "python"


def test_faults_last_as_many_requests_as_was_said(receiver: Receiver) -> None:
    receiver.play(Refuse(503, retry_after="7"), times=2)
    receiver.play(Refuse(400))
    assert [post(receiver.port)[0] for _ in range(4)] == [503, 503, 400, 200]
    assert len(receiver.spans) == 1
    assert len(receiver.requests) == 4


def test_an_endless_fault_lasts_until_recovery(receiver: Receiver) -> None:
    receiver.play(Refuse(500), times=None)
    assert [post(receiver.port)[0] for _ in range(3)] == [500] * 3
    receiver.recover()
    assert post(receiver.port)[0] == 200


def test_partial_success_takes_the_rest(receiver: Receiver) -> None:
    receiver.play(AcceptPartly(2, "too old"))
    status, body = post(receiver.port, spans=5)
    said = ExportTraceServiceResponse.FromString(body).partial_success
    assert (status, said.rejected_spans, said.error_message) == (200, 2, "too old")
    assert [span.name for span in receiver.spans] == ["s1", "s2", "s3"]


def test_a_hanging_request_is_cut_off_by_recovery(receiver: Receiver) -> None:
    receiver.play(Hang(), times=None)
    with pytest.raises(TimeoutError):
        post(receiver.port, timeout=0.05)
    assert receiver.spans == []
    receiver.recover()
    assert post(receiver.port)[0] == 200


def test_an_answer_reset_half_way_has_taken_the_spans(receiver: Receiver) -> None:
    receiver.play(ResetAnswer())
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        post(receiver.port)
    assert len(receiver.spans) == 1


def test_a_scripted_answer_is_sent_as_it_is(receiver: Receiver) -> None:
    receiver.play(Answer(200, b"<html>", {"content-type": "text/html"}))
    assert post(receiver.port) == (200, b"<html>")


def test_stopped_it_refuses_and_started_again_it_has_the_same_port(receiver: Receiver) -> None:
    before = receiver.url
    receiver.stop()
    with pytest.raises(ConnectionRefusedError):
        post(receiver.port)
    receiver.start()
    assert receiver.url == before
    assert post(receiver.port)[0] == 200


def test_what_does_not_come_is_said(receiver: Receiver) -> None:
    post(receiver.port, spans=2)
    with pytest.raises(AssertionError, match="2 spans in 1 requests"):
        receiver.wait_for(lambda spans: len(spans) == 3, timeout=0.01)


def test_as_a_process_it_writes_a_line_per_span_and_comes_back_on_its_port(tmp_path: Path) -> None:
    with ReceiverProcess(tmp_path) as process:
        port = process.port
        assert post(port, spans=2)[0] == 200
        assert process.stop() == 0
        with pytest.raises(ConnectionRefusedError):
            post(port)
        process.start()
        assert process.port == port
        assert post(port)[0] == 200
        assert [span["name"] for span in process.spans] == ["s1", "s2", "s1"]
        process.kill()
        with pytest.raises(ConnectionRefusedError):
            post(port)


def test_as_a_process_it_can_refuse_everything(tmp_path: Path) -> None:
    with ReceiverProcess(tmp_path, "--refuse", "503") as process:
        assert post(process.port)[0] == 503
        assert process.spans == []
