"""Every signal in every encoding of OTLP/HTTP: what is sent, and what misfortune does to it."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.support.faults import (
    JSON,
    PROTOBUF,
    AcceptPartly,
    Answer,
    Drip,
    Fault,
    Hang,
    Refuse,
    ResetAnswer,
    ResetRequest,
)
from tests.support.receiver import Receiver
from tests.unit.sinks.signals import BATCHES, Made
from tradespan.core.delivery import Accepted, Denied, Outcome, Parked, Retry, Split
from tradespan.sinks.answers import ANSWERS, meaning
from tradespan.sinks.otlp_http import OtlpHttpSink

ENCODINGS = ["protobuf", "json"]
CASES = [(made, encoding) for made in BATCHES for encoding in ENCODINGS]
NAMES = [f"{made.signal.name}-{encoding}" for made, encoding in CASES]
PARTS = {"traces": "rejectedSpans", "logs": "rejectedLogRecords", "metrics": "rejectedDataPoints"}


@pytest.fixture(params=CASES, ids=NAMES)
def case(request: pytest.FixtureRequest) -> tuple[Made, str]:
    made: tuple[Made, str] = request.param
    return made


@pytest.fixture
def made(case: tuple[Made, str]) -> Made:
    return case[0]


@pytest.fixture
def open_sink(receiver: Receiver, case: tuple[Made, str]) -> Iterator[Callable[..., OtlpHttpSink]]:
    made, encoding = case
    opened: list[OtlpHttpSink] = []

    def make(url: str = "", **options: object) -> OtlpHttpSink:
        address = url or receiver.url_of(made.signal.name)
        given = {"encoding": encoding, **options}
        opened.append(OtlpHttpSink("t", address, made.signal, **given))  # type: ignore[arg-type]
        return opened[-1]

    yield make
    for sink in opened:
        sink.close()


def test_all_records_arrive(
    receiver: Receiver, open_sink: Callable[..., OtlpHttpSink], case: tuple[Made, str]
) -> None:
    made, encoding = case
    assert open_sink().deliver(made.batch()) == Accepted()
    (request,) = receiver.requests
    assert request.path == f"/{made.signal.path}"
    assert request.headers["content-type"] == (JSON if encoding == "json" else PROTOBUF)
    assert len(receiver.taken(made.signal.name)) == made.count


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("fault", [ResetAnswer(), Refuse(503), Refuse(429)])
def test_a_re_send_is_byte_identical(
    receiver: Receiver,
    open_sink: Callable[..., OtlpHttpSink],
    made: Made,
    fault: Fault,
    compress: bool,
) -> None:
    receiver.play(fault, times=2)
    sink = open_sink(compress=compress)
    outcomes = [type(sink.deliver(made.batch())) for _ in range(3)]
    assert outcomes == [Retry, Retry, Accepted]
    assert len({request.body for request in receiver.requests}) == 1


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Refuse(500), Retry),
        (Refuse(401), Denied),
        (Refuse(413), Split),
        (Refuse(404), Parked),
        (Answer(302, headers={"location": "http://127.0.0.1:1/"}), Retry),
        (Answer(200, b"<html>", {"content-type": "text/html"}), Retry),
        (Answer(200, b"\xff\xfe{[", {"content-type": "application/json"}), Accepted),
        (ResetRequest(), Retry),
        (ResetAnswer(), Retry),
        (Hang(), Retry),
        (Drip(interval=0.02), Retry),
    ],
    ids=repr,
)
def test_misfortune_means_the_same_for_all(
    receiver: Receiver,
    open_sink: Callable[..., OtlpHttpSink],
    made: Made,
    fault: Fault,
    outcome: type[Outcome],
) -> None:
    receiver.play(fault)
    sink = open_sink(timeout=0.3)
    assert type(sink.deliver(made.batch())) is outcome
    assert open_sink().deliver(made.batch()) == Accepted()


def test_a_partial_success_is_read_in_either_encoding(
    receiver: Receiver, open_sink: Callable[..., OtlpHttpSink], made: Made
) -> None:
    receiver.play(AcceptPartly(2, "too old"))
    said = f'{{"partialSuccess": {{"{PARTS[made.signal.name]}": "1", "errorMessage": "old"}}}}'
    receiver.play(Answer(200, said.encode(), {"content-type": JSON}))
    sink = open_sink()
    assert sink.deliver(made.batch()) == Parked("partial success: too old", 2)
    assert sink.deliver(made.batch()) == Parked("partial success: old", 1)


def test_what_is_invalid_is_looked_for_among_metrics_and_parked_whole_of_the_others(
    receiver: Receiver, open_sink: Callable[..., OtlpHttpSink], made: Made
) -> None:
    receiver.play(Refuse(400, words="out of bounds"), times=2)
    sink = open_sink()
    many = sink.deliver(made.batch())
    wanted = Split if made.signal.name == "metrics" else Parked
    assert many == wanted("HTTP 400: out of bounds")
    assert sink.deliver(made.batch(1)) == Parked("HTTP 400: out of bounds")


def test_a_receiver_that_takes_no_gzip_gets_none_from_then_on(
    receiver: Receiver, open_sink: Callable[..., OtlpHttpSink], made: Made
) -> None:
    receiver.play(Refuse(415, words="no gzip"))
    sink = open_sink(compress=True)
    assert [sink.deliver(made.batch()) for _ in range(2)] == [Accepted()] * 2
    packed, plain, later = receiver.requests
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in {**plain.headers, **later.headers}
    assert gzip.decompress(packed.body) == plain.body == later.body
    assert len(receiver.taken(made.signal.name)) == 2 * made.count


def test_a_415_without_compression_is_about_the_records(
    receiver: Receiver, open_sink: Callable[..., OtlpHttpSink], made: Made
) -> None:
    receiver.play(Refuse(415, words="no such type"))
    assert open_sink().deliver(made.batch()) == Parked("HTTP 415: no such type")
    assert len(receiver.requests) == 1


# ── answers that no server of the library gives ─────────────────────────────────────────────────

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


def serve_once(listener: socket.socket, *answers: bytes, read: bool = True) -> threading.Thread:
    """Answer the requests of one connection with these bytes, one each, then hang up."""

    def serve() -> None:
        with listener.accept()[0] as connection:
            for answer in answers:
                if read:
                    read_request(connection)
                connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


def read_request(connection: socket.socket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    while len(body) < length:
        body += connection.recv(65_536)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def url_of(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}/v1/x"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, Accepted),
        (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + OK, Accepted),
        (b"HTTP/1.1 102 Processing\r\n\r\n" * 5 + OK, Accepted),
        (b"HTTP/1.1 102 Processing\r\n\r\n" * 500 + OK, Retry),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", Retry),
        (b"HTTP/1.0 200 OK\r\n\r\n", Accepted),
        (b"HTTP/1.0 503 Busy\r\n\r\nlater", Retry),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", Retry),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", Retry),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", Accepted),
        (b"HTTP/1.1 429 Too Many\r\nretry-after: \xff\r\ncontent-length: 0\r\n\r\n", Retry),
        (b"HTTP/1.1 999 Eh\r\ncontent-length: 0\r\n\r\n", Retry),
        # Its status has said it; what is cut off behind it could only be a remark.
        (b"HTTP/1.1 200 OK", Accepted),
        (b"", Retry),
    ],
    ids=repr,
)
def test_an_answer_of_any_form_is_read_or_retried(
    listener: socket.socket,
    open_sink: Callable[..., OtlpHttpSink],
    made: Made,
    answer: bytes,
    outcome: type[Outcome],
) -> None:
    sink = open_sink(url_of(listener))
    serving = serve_once(listener, answer)
    assert type(sink.deliver(made.batch())) is outcome
    serving.join(5)
    serve_once(listener, OK)
    assert sink.deliver(made.batch()) == Accepted()


def test_the_rest_of_an_answer_is_never_taken_for_the_next_requests(
    listener: socket.socket, open_sink: Callable[..., OtlpHttpSink], made: Made
) -> None:
    # An announcement, then nothing in time: the 200 that comes late belongs to nobody.
    sink = open_sink(url_of(listener), timeout=0.3)
    late = threading.Event()

    def serve() -> None:
        with listener.accept()[0] as first:
            read_request(first)
            first.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            late.wait(10)
        with listener.accept()[0] as second:
            read_request(second)
            second.sendall(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert isinstance(sink.deliver(made.batch()), Retry)
    late.set()
    assert sink.deliver(made.batch()) == Retry("HTTP 503")
    thread.join(5)


def test_a_connection_that_is_closed_between_two_requests_costs_none(
    listener: socket.socket, open_sink: Callable[..., OtlpHttpSink], made: Made
) -> None:
    sink = open_sink(url_of(listener))
    for _ in range(5):
        serving = serve_once(listener, OK)
        assert sink.deliver(made.batch()) == Accepted()
        serving.join(5)


def test_an_answer_before_the_body_was_read_counts(
    listener: socket.socket, open_sink: Callable[..., OtlpHttpSink], made: Made
) -> None:
    refusal = b"HTTP/1.1 401 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    sink = open_sink(url_of(listener))
    serve_once(listener, refusal, read=False)
    assert isinstance(sink.deliver(made.batch()), Denied | Retry)


def test_closing_ends_a_delivery_that_waits(
    receiver: Receiver, open_sink: Callable[..., OtlpHttpSink], made: Made
) -> None:
    receiver.play(Hang())
    outcomes: list[Outcome] = []
    with closing(open_sink(timeout=None)) as sink:
        delivery = threading.Thread(target=lambda: outcomes.append(sink.deliver(made.batch())))
        delivery.start()
        receiver.wait_for_requests(1)
    delivery.join(1.0)
    assert [type(outcome) for outcome in outcomes] == [Retry]


def test_every_status_has_a_meaning() -> None:
    assert {meaning(status) for status in range(100, 600)} == set(ANSWERS)
    assert meaning(999).outcome is meaning(0).outcome is Retry
