"""OTLP over gRPC, to a real server: what is sent, what each status means, what a network does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tests.support.grpc_receiver import GrpcReceiver, Say, Silence, Take
from tests.unit.sinks.builders import make_batch, make_span
from tests.unit.sinks.signals import BATCHES, Made
from tradespan.core.delivery import Accepted, Outcome, Parked, Retry, Split
from tradespan.core.errors import DeliveryError
from tradespan.core.version import __version__
from tradespan.sinks import otlp_grpc
from tradespan.sinks.grpc_status import STATUSES, retry_delay
from tradespan.sinks.otlp import TlsFiles
from tradespan.sinks.otlp_grpc import OtlpGrpcSink
from tradespan.wire.protobuf import varint

MakeSink = Callable[..., OtlpGrpcSink]
Code = grpc.StatusCode


@pytest.fixture
def receiver() -> Iterator[GrpcReceiver]:
    with GrpcReceiver() as receiver:
        yield receiver


@pytest.fixture
def make_sink(receiver: GrpcReceiver) -> Iterator[MakeSink]:
    with ExitStack() as opened:

        def make(**options: Any) -> OtlpGrpcSink:
            given: dict[str, Any] = {"secure": False, **options}
            sink = OtlpGrpcSink("grpc-test", given.pop("target", receiver.target), **given)
            return opened.enter_context(closing(sink))

        yield make


@pytest.fixture
def sink(make_sink: MakeSink) -> OtlpGrpcSink:
    return make_sink()


def status_with(seconds: int, nanos: int = 0) -> bytes:
    """A google.rpc.Status with a RetryInfo in it, as a receiver packs it."""
    duration: bytes = Duration(seconds=seconds, nanos=nanos).SerializeToString()
    detail: bytes = AnyMessage(
        type_url="type.googleapis.com/google.rpc.RetryInfo",
        value=b"\x0a" + varint(len(duration)) + duration,
    ).SerializeToString()
    head: bytes = b"\x08\x0e\x12\x04busy\x1a" + varint(len(detail))
    return head + detail


@pytest.mark.parametrize("made", BATCHES, ids=lambda made: made.signal.name)
def test_each_signal_goes_to_its_own_service(
    receiver: GrpcReceiver, make_sink: MakeSink, made: Made
) -> None:
    assert make_sink(signal=made.signal).deliver(made.batch()) == Accepted()
    assert len(receiver.taken(made.signal.name)) == made.count
    assert receiver.requests == [made.signal.encode(made.batch())]


def test_headers_become_metadata(receiver: GrpcReceiver, make_sink: MakeSink) -> None:
    sink = make_sink(headers={"authorization": "Bearer s3cret", "x-scope-orgid": "1"})
    assert sink.deliver(make_batch()) == Accepted()
    (told,) = receiver.metadata
    assert (told["authorization"], told["x-scope-orgid"]) == ("Bearer s3cret", "1")
    assert told["user-agent"].startswith(f"tradespan/{__version__} ")


def test_a_header_that_cannot_be_sent_keeps_the_spans_and_the_secret(make_sink: MakeSink) -> None:
    outcome = make_sink(headers={"authorization": "s3cret\r\n"}).deliver(make_batch())
    assert isinstance(outcome, Retry)
    assert "s3cret" not in outcome.reason


@pytest.mark.parametrize("status", STATUSES, ids=lambda status: status.name)
def test_each_status_means_what_the_table_says(
    receiver: GrpcReceiver, sink: OtlpGrpcSink, status: Any
) -> None:
    receiver.play(Say(Code[status.name], "because"))
    outcome = sink.deliver(make_batch(2))
    assert type(outcome) is status.outcome
    assert not isinstance(outcome, Accepted)
    assert f"gRPC {status.name}: because" in outcome.reason
    assert sink.deliver(make_batch(2)) == Accepted()


def test_the_table_has_every_status_in_its_order() -> None:
    assert [row.name for row in STATUSES] == [code.name for code in list(Code)[1:]]


@pytest.mark.parametrize(
    "words",
    [
        "grpc: received message larger than max (9 vs. 4)",
        "CLIENT: Sent message larger than max (9 vs. 4)",
        "gRPC message exceeds maximum size 4: 9",
    ],
)
def test_a_message_over_the_receivers_limit_is_split(
    receiver: GrpcReceiver, sink: OtlpGrpcSink, words: str
) -> None:
    receiver.play(Say(Code.RESOURCE_EXHAUSTED, words))
    assert isinstance(sink.deliver(make_batch(2)), Split)


def test_a_real_server_says_so_of_a_message_over_its_limit(
    receiver: GrpcReceiver, sink: OtlpGrpcSink
) -> None:
    receiver.stop()
    receiver.start(("grpc.max_receive_message_length", 5_000))
    assert isinstance(sink.deliver(make_batch(100)), Split)
    assert sink.deliver(make_batch(5)) == Accepted()


def test_a_request_that_receivers_refuse_for_its_size_is_split_before_it_is_sent(
    receiver: GrpcReceiver, sink: OtlpGrpcSink
) -> None:
    spans = [make_span(n, attributes={"text": "x" * 2_500_000}) for n in (1, 2)]
    assert isinstance(sink.deliver(make_batch(spans)), Split)
    assert receiver.requests == []
    assert sink.deliver(make_batch(spans[:1])) == Accepted()


@pytest.mark.parametrize(
    ("seconds", "nanos", "wait"), [(17, 0, 17.0), (0, 500_000_000, 0.5), (1 << 40, 0, 3_600.0)]
)
def test_the_wait_that_a_receiver_asks_for_is_passed_on(
    receiver: GrpcReceiver, sink: OtlpGrpcSink, seconds: int, nanos: int, wait: float
) -> None:
    receiver.play(Say(Code.RESOURCE_EXHAUSTED, details=status_with(seconds, nanos)))
    outcome = sink.deliver(make_batch())
    assert isinstance(outcome, Retry)
    assert outcome.after == wait


@pytest.mark.parametrize(
    "details", [b"", b"\xff", b"\x1a\xff", b"\x1a\x02\x0a\xff", status_with(-1), b"\x1a\x00"]
)
def test_details_that_say_nothing_ask_for_no_wait(details: bytes) -> None:
    assert retry_delay(details) is None


def test_partial_success_parks_as_many_as_were_rejected(
    receiver: GrpcReceiver, sink: OtlpGrpcSink
) -> None:
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = 2
    response.partial_success.error_message = "too old"
    receiver.play(Take(response.SerializeToString()))
    assert sink.deliver(make_batch(5)) == Parked("partial success: too old", 2)


def test_a_success_with_a_strange_body_is_accepted(
    receiver: GrpcReceiver, sink: OtlpGrpcSink
) -> None:
    receiver.play(Take(b"\xff\xff"))
    assert sink.deliver(make_batch()) == Accepted()


def test_a_metric_that_is_invalid_is_looked_for_and_parked_alone(
    receiver: GrpcReceiver, make_sink: MakeSink
) -> None:
    (made,) = [made for made in BATCHES if made.signal.name == "metrics"]
    sink = make_sink(signal=made.signal)
    receiver.play(*[Say(Code.INVALID_ARGUMENT, "too old")] * 2)
    assert sink.deliver(made.batch()) == Split("gRPC INVALID_ARGUMENT: too old")
    assert sink.deliver(made.batch(1)) == Parked("gRPC INVALID_ARGUMENT: too old")


def test_a_re_send_is_byte_identical(receiver: GrpcReceiver, make_sink: MakeSink) -> None:
    for compress in (False, True):
        receiver.play(Say(Code.UNAVAILABLE))
        sink = make_sink(compress=compress)
        assert isinstance(sink.deliver(make_batch(50)), Retry)
        assert sink.deliver(make_batch(50)) == Accepted()
    assert len(set(receiver.requests)) == 1


def test_gzip_is_sent_where_it_is_asked_for(receiver: GrpcReceiver, make_sink: MakeSink) -> None:
    sizes = []
    for compress in (False, True):
        with relay(receiver.port) as (port, carried):
            sink = make_sink(target=f"127.0.0.1:{port}", compress=compress)
            assert sink.deliver(make_batch(500)) == Accepted()
            sink.close()
            sizes.append(sum(carried))
    assert sizes[1] < sizes[0] / 4
    assert len(receiver.taken()) == 1_000


def test_a_receiver_that_takes_no_gzip_gets_none_from_then_on(
    receiver: GrpcReceiver, make_sink: MakeSink
) -> None:
    words = 'grpc: Decompressor is not installed for grpc-encoding "gzip"'
    receiver.play(Say(Code.UNIMPLEMENTED, words), Take(), Say(Code.UNIMPLEMENTED, words))
    sink = make_sink(compress=True)
    outcomes = [type(sink.deliver(make_batch())) for _ in range(3)]
    # Said of what went without it, it is about something else.
    assert outcomes == [Retry, Accepted, Parked]


@contextmanager
def relay(port: int) -> Iterator[tuple[int, list[int]]]:
    """A port that passes one connection on, and the sizes of what the client has sent over it."""
    carried: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def carry(source: socket.socket, target: socket.socket, sizes: list[int]) -> None:
            with suppress(OSError):
                while data := source.recv(65_536):
                    sizes.append(len(data))
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)

        def serve() -> None:
            with listener.accept()[0] as near, socket.create_connection(("127.0.0.1", port)) as far:
                back = threading.Thread(target=carry, args=(far, near, []), daemon=True)
                back.start()
                carry(near, far, carried)
                back.join()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], carried


# ── the network ─────────────────────────────────────────────────────────────────────────────────


def test_a_receiver_that_is_gone_is_found_again_at_once(
    receiver: GrpcReceiver, sink: OtlpGrpcSink
) -> None:
    assert sink.deliver(make_batch()) == Accepted()
    receiver.stop()
    for _ in range(5):
        outcome = sink.deliver(make_batch())
        assert isinstance(outcome, Retry)
        assert "UNAVAILABLE" in outcome.reason
    assert sink.failing_since is not None
    receiver.start()
    assert sink.deliver(make_batch()) == Accepted()
    assert sink.failing_since is None


def test_a_receiver_that_says_nothing_is_left_in_time(
    receiver: GrpcReceiver, make_sink: MakeSink
) -> None:
    sink = make_sink(timeout=0.2)
    receiver.play(Silence())
    outcome = sink.deliver(make_batch())
    assert isinstance(outcome, Retry)
    assert "DEADLINE_EXCEEDED" in outcome.reason
    receiver.recover()
    assert make_sink().deliver(make_batch()) == Accepted()


def test_closing_ends_a_delivery_that_waits(receiver: GrpcReceiver, make_sink: MakeSink) -> None:
    sink = make_sink(timeout=None)
    receiver.play(Silence())
    outcomes: list[Outcome] = []
    delivery = threading.Thread(target=lambda: outcomes.append(sink.deliver(make_batch())))
    delivery.start()
    receiver.wait_for_requests(1)
    assert sink.waiting_since is not None
    begun = time.monotonic()
    sink.close()
    delivery.join(5)
    assert time.monotonic() - begun < 1.0
    assert [type(outcome) for outcome in outcomes] == [Retry]


@pytest.mark.parametrize("noise", [b"HTTP/1.1 200 OK\r\n\r\n", b"SSH-2.0-x\r\n", b"", b"\0" * 99])
def test_what_is_no_grpc_is_tried_again(make_sink: MakeSink, noise: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as connection:
                connection.sendall(noise)
                connection.recv(65_536)

        threading.Thread(target=serve, daemon=True).start()
        sink = make_sink(target=f"127.0.0.1:{listener.getsockname()[1]}", timeout=2.0)
        assert isinstance(sink.deliver(make_batch()), Retry)


def test_tls_is_checked_against_the_authorities_of_the_settings(
    make_pair: Callable[..., Any], make_sink: MakeSink
) -> None:
    server = make_pair("server", "127.0.0.1")
    credentials = grpc.ssl_server_credentials(
        [(server.key.read_bytes(), server.certificate.read_bytes())]
    )
    with GrpcReceiver(credentials) as secure:
        trusting = make_sink(
            target=secure.target, secure=True, tls=TlsFiles(server.certificate), timeout=5.0
        )
        assert trusting.deliver(make_batch()) == Accepted()
        doubting = make_sink(target=secure.target, secure=True, timeout=2.0)
        assert isinstance(doubting.deliver(make_batch()), Retry)
        assert len(secure.requests) == 1


def test_a_missing_certificate_file_is_said_and_may_come_later(
    make_sink: MakeSink, tmp_path: Path
) -> None:
    sink = make_sink(secure=True, tls=TlsFiles(tmp_path / "ca.pem"))
    outcome = sink.deliver(make_batch())
    assert isinstance(outcome, Retry)
    assert "FileNotFoundError" in outcome.reason


# ── without grpcio, and after a fork ────────────────────────────────────────────────────────────


def test_without_grpcio_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_grpc, "grpc", None)
    with pytest.raises(DeliveryError, match=r"pip install 'tradespan\[otlp-grpc\]'") as caught:
        OtlpGrpcSink("x", "collector:4317")
    assert "collector:4317" in str(caught.value)
    assert "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf" in str(caught.value)


FORKING = """
import os, sys
from tradespan.core.errors import DeliveryError
from tradespan.core.delivery import Accepted
from tradespan.sinks.otlp_grpc import OtlpGrpcSink
from tradespan.wire.protobuf import varint
from tests.unit.sinks.builders import make_batch

sink = OtlpGrpcSink("parent", sys.argv[1], secure=False)
assert sink.deliver(make_batch()) == Accepted()
child = os.fork()
if child == 0:
    try:
        OtlpGrpcSink("child", sys.argv[1], secure=False)
    except DeliveryError as error:
        assert "does not survive a fork" in str(error)
        sink.close()  # the parent's: nothing happens to it
        sys.exit(7)
    sys.exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert sink.deliver(make_batch()) == Accepted()
sink.close()
"""


def test_a_forked_child_opens_none_and_the_parents_goes_on(receiver: GrpcReceiver) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", FORKING, receiver.target],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path])},
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(receiver.taken()) == 2
