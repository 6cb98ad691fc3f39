"""What a network does to a delivery, on real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.support.faults import Answer, Drip, Hang, Refuse, ResetAnswer, ResetRequest
from tests.support.receiver import Receiver
from tests.unit.sinks.builders import make_batch, make_span
from tradespan.core.delivery import Accepted, Outcome, Parked, Retry, Split
from tradespan.sinks.otlp_http import OtlpHttpSink

MakeSink = Callable[..., OtlpHttpSink]
SHORT = 0.2
"""A time-out, in seconds, that these tests wait for."""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A bare server socket, for answers that no HTTP server gives."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def answer_once(listener: socket.socket, answer: bytes, read: int = 65_536) -> threading.Thread:
    """Answer the next connection with these bytes, whatever it says, and hang up."""

    def serve() -> None:
        with listener.accept()[0] as connection:
            connection.recv(read)
            connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


def url_of(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}/v1/traces"


def reason(outcome: Outcome) -> str:
    assert isinstance(outcome, Retry)
    assert outcome.after is None
    return outcome.reason


def test_a_refused_connection_is_tried_again(receiver: Receiver, sink: OtlpHttpSink) -> None:
    receiver.stop()
    said = reason(sink.deliver(make_batch()))
    assert said.startswith(f"127.0.0.1:{receiver.port}: ConnectionRefusedError")
    receiver.start()
    assert sink.deliver(make_batch()) == Accepted()


def test_a_host_without_an_address_is_tried_again(make_sink: MakeSink) -> None:
    sink = make_sink("http://no-such-host.invalid:4318/v1/traces", timeout=5.0)
    assert "no-such-host.invalid:4318: gaierror" in reason(sink.deliver(make_batch()))


def test_a_receiver_that_says_nothing_is_left_in_time(
    receiver: Receiver, make_sink: MakeSink
) -> None:
    sink = make_sink(timeout=SHORT)
    receiver.play(Hang())
    begun = time.monotonic()
    assert "TimeoutError" in reason(sink.deliver(make_batch()))
    assert SHORT <= time.monotonic() - begun < 10 * SHORT
    assert sink.deliver(make_batch()) == Accepted()


def test_a_receiver_that_answers_byte_by_byte_is_left_in_time(
    receiver: Receiver, make_sink: MakeSink
) -> None:
    sink = make_sink(timeout=SHORT)
    receiver.play(Drip(interval=SHORT / 10))
    begun = time.monotonic()
    assert "TimeoutError: no complete answer in time" in reason(sink.deliver(make_batch()))
    assert time.monotonic() - begun < 10 * SHORT


def test_a_receiver_that_reads_nothing_is_left_in_time(
    listener: socket.socket, make_sink: MakeSink
) -> None:
    sink = make_sink(url_of(listener), timeout=SHORT)
    batch = make_batch([make_span(attributes={"text": "x" * 8_000_000})])
    assert "TimeoutError" in reason(sink.deliver(batch))


def test_a_reset_while_sending_is_tried_again(receiver: Receiver, sink: OtlpHttpSink) -> None:
    receiver.play(ResetRequest())
    assert reason(sink.deliver(make_batch(1_000)))
    assert receiver.spans == []
    assert sink.deliver(make_batch(1_000)) == Accepted()
    first, second = receiver.requests
    assert second.body.startswith(first.body)


def test_a_reset_while_answering_is_tried_again_with_the_same_bytes(
    receiver: Receiver, sink: OtlpHttpSink
) -> None:
    receiver.play(ResetAnswer())
    assert reason(sink.deliver(make_batch(5)))
    assert sink.deliver(make_batch(5)) == Accepted()
    first, second = receiver.requests
    assert first.body == second.body
    assert len(receiver.spans) == 10


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 503 Unava",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nno-number\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1_000 + b"\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"\0" * 1_000,
    ],
)
def test_an_answer_that_is_none_is_tried_again(
    listener: socket.socket, make_sink: MakeSink, answer: bytes
) -> None:
    sink = make_sink(url_of(listener))
    serving = answer_once(listener, answer)
    assert reason(sink.deliver(make_batch()))
    serving.join(5)
    answer_once(listener, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    assert sink.deliver(make_batch()) == Accepted()


def test_a_refusal_for_size_is_heard_though_the_body_was_not_read(
    listener: socket.socket, make_sink: MakeSink
) -> None:
    refusal = b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig"
    sink = make_sink(url_of(listener))
    answer_once(listener, refusal, read=100)
    batch = make_batch([make_span(n, attributes={"text": "x" * 4_000_000}) for n in (1, 2)])
    assert sink.deliver(batch) == Split("HTTP 413: big")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(413, Split("HTTP 413")), (400, Parked("HTTP 400")), (503, Retry("HTTP 503"))],
)
def test_a_refusal_that_breaks_off_is_a_refusal(
    listener: socket.socket, make_sink: MakeSink, status: int, outcome: Outcome
) -> None:
    answer_once(listener, f"HTTP/1.1 {status} No\r\ncontent-length: 9\r\n\r\nha".encode())
    assert make_sink(url_of(listener)).deliver(make_batch(2)) == outcome


def test_an_endless_answer_is_read_in_part(receiver: Receiver, make_sink: MakeSink) -> None:
    sink = make_sink()
    receiver.play(Answer(503, b"x" * 50_000_000))
    outcome = sink.deliver(make_batch())
    assert isinstance(outcome, Retry)
    assert outcome.reason == "HTTP 503: " + "x" * 200
    assert sink.deliver(make_batch()) == Accepted()


def test_one_connection_serves_many_deliveries(receiver: Receiver, sink: OtlpHttpSink) -> None:
    receiver.play(Refuse(503))
    receiver.play(Answer(200, b"x" * 10_000))
    assert [type(sink.deliver(make_batch())) for _ in range(4)] == [Retry] + [Accepted] * 3
    assert len({request.client for request in receiver.requests}) == 1


def test_a_connection_that_the_receiver_ended_is_made_anew(
    receiver: Receiver, sink: OtlpHttpSink
) -> None:
    assert sink.deliver(make_batch()) == Accepted()
    receiver.stop()
    receiver.start()
    assert sink.deliver(make_batch()) == Accepted()


def test_closing_ends_a_delivery_that_waits(receiver: Receiver, make_sink: MakeSink) -> None:
    sink = make_sink(timeout=60.0)
    receiver.play(Hang())
    outcomes: list[Outcome] = []
    delivery = threading.Thread(target=lambda: outcomes.append(sink.deliver(make_batch())))
    delivery.start()
    receiver.wait_for_requests(1)
    sink.close()
    delivery.join(5)
    assert [type(outcome) for outcome in outcomes] == [Retry]


def test_closing_twice_or_unused_is_no_error(receiver: Receiver) -> None:
    with closing(OtlpHttpSink("unused", receiver.url)) as sink:
        sink.close()


def test_without_a_time_out_it_still_delivers(make_sink: MakeSink) -> None:
    assert make_sink(timeout=None).deliver(make_batch()) == Accepted()
