"""The crash runs' receiver keeps what it says it took, and counts what it refused."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.faults import AcceptPartly, Fault, Hang, Refuse, ResetAnswer, ResetRequest
from tests.support.faulty_receiver import FaultyReceiver


def request(*numbers: int) -> bytes:
    """A request of one span a number."""
    built = ExportTraceServiceRequest()
    spans = built.resource_spans.add().scope_spans.add().spans
    for number in numbers:
        span = spans.add(span_id=number.to_bytes(8, "big"))
        span.attributes.add(key="number").value.int_value = number
    return built.SerializeToString()


def post(receiver: FaultyReceiver, body: bytes) -> int:
    """The status of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=10)
    try:
        connection.request("POST", "/v1/traces", body)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def test_spans_are_kept_and_found_by_attribute(tmp_path: Path) -> None:
    with FaultyReceiver(tmp_path) as receiver:
        assert post(receiver, request(1, 2)) == 200
        assert post(receiver, request(2, 3)) == 200
        assert receiver.find("number") == {1: 1, 2: 2, 3: 1}
        assert (receiver.taken, receiver.refused) == (4, 0)


def test_refusals_are_counted_and_take_nothing(tmp_path: Path) -> None:
    with FaultyReceiver(tmp_path) as receiver:
        receiver.play(Refuse(503), None)
        assert [post(receiver, request(number)) for number in (1, 2, 3)] == [503, 200, 503]
        assert receiver.find("number") == {2: 1}
        assert (receiver.met["503"], receiver.refused) == (2, 2)


def test_partial_success_takes_the_first_spans(tmp_path: Path) -> None:
    with FaultyReceiver(tmp_path) as receiver:
        receiver.play(AcceptPartly(2))
        assert post(receiver, request(1, 2, 3)) == 200
        assert receiver.find("number") == {1: 1}


@pytest.mark.parametrize(("fault", "taken"), [(ResetRequest(), {}), (ResetAnswer(), {1: 1})])
def test_reset_comes_before_or_after_the_spans_are_taken(
    tmp_path: Path, fault: Fault, taken: dict[int, int]
) -> None:
    with FaultyReceiver(tmp_path) as receiver:
        receiver.play(fault)
        with pytest.raises((OSError, http.client.HTTPException)):
            post(receiver, request(1))
        assert receiver.find("number") == taken


def test_hanging_request_is_cut_off_by_recovery(tmp_path: Path) -> None:
    with FaultyReceiver(tmp_path) as receiver:
        receiver.play(Hang())
        connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=10)
        connection.request("POST", "/v1/traces", request(1))
        assert receiver.wait_until(lambda: receiver.refused == 1)
        receiver.recover()
        with pytest.raises((OSError, http.client.HTTPException)):
            connection.getresponse()
        connection.close()
        assert receiver.find("number") == {}


def test_reserved_port_refuses_until_the_receiver_starts(tmp_path: Path) -> None:
    receiver = FaultyReceiver(tmp_path)
    receiver.reserve()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", receiver.port)) != 0
    port = receiver.port
    with receiver:
        assert receiver.port == port
        assert post(receiver, request(1)) == 200


def test_what_is_no_request_is_refused(tmp_path: Path) -> None:
    with FaultyReceiver(tmp_path) as receiver:
        assert post(receiver, b"\xff\xff\xff") == 400
        assert receiver.find("number") == {}
