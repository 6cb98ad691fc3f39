"""An OTLP/HTTP receiver for crash runs: quick, counts what it refuses, keeps what it takes.

    with FaultyReceiver(folder) as receiver:
        receiver.play(Refuse(503))
        ...
        receiver.recover()
        receiver.find("tradespan.args.number")

`Receiver` (receiver.py) decodes each span before it answers; this one only makes sure that a
request is one, and decodes when asked, so that it keeps up with a million spans.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.faults import (
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
from tests.support.otlp import decode_value

_HEADER = struct.Struct("<II")
"""Before each body that is kept: its length, and how many of its spans were taken."""
SERVED = "served"


class FaultyReceiver:
    """Serves from `start` to `stop`, any number of times, always on the same port."""

    def __init__(self, folder: Path) -> None:
        self.port = 0
        self.met: Counter[str] = Counter()
        """Requests by what they met: `served`, or the fault's name (a refusal's: its status)."""
        self.taken = 0
        """Spans, those that came twice counted twice."""
        self._bodies = folder / "bodies"
        self._changed = threading.Condition()
        self._faults: Iterator[Fault | None] = itertools.repeat(None)
        self._script_changed = threading.Event()
        self._server: _Server | None = None
        self._reserved: socket.socket | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """Scheme, host and port: what `OTEL_EXPORTER_OTLP_ENDPOINT` takes."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def refused(self) -> int:
        """Requests that met a fault."""
        return self.met.total() - self.met[SERVED]

    def reserve(self) -> None:
        """Take the port that `start` will listen on, without listening: who calls is refused."""
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(("127.0.0.1", self.port))
        self.port = self._reserved.getsockname()[1]

    def start(self) -> None:
        """Listen."""
        assert self._server is None, "it is running"
        self._server = _Server(("127.0.0.1", self.port), self)
        self.port = self._server.server_address[1]
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening and cut every connection, as a killed process does."""
        server, self._server = self._server, None
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None
        if server is not None:
            server.shutdown()
            server.server_close()
            self.play()
            server.cut_connections()

    def play(self, *faults: Fault | None) -> None:
        """Let requests meet these in turn, over and over, until something else is played.

        None among them serves a request; nothing at all serves every one.
        """
        with self._changed:
            self._faults = itertools.cycle(faults or (None,))
            waiting, self._script_changed = self._script_changed, threading.Event()
            waiting.set()

    def recover(self) -> None:
        """Serve every request from now on; hanging ones are cut off."""
        self.play()

    def wait_until(self, reached: Callable[[], bool], timeout: float = 30.0) -> bool:
        """Whether a condition on the counts came true within `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(reached, timeout)

    def spans(self) -> Iterator[Span]:
        """Every span taken, in order of arrival; one that was sent twice comes twice."""
        for request, taken in self._requests():
            yield from itertools.islice(_spans_of(request), taken)

    def find(self, *keys: str) -> Counter[Any]:
        """Values of an attribute (whichever of `keys` is there), and how often they came."""
        found: Counter[Any] = Counter()
        for span in self.spans():
            values = {pair.key: decode_value(pair.value) for pair in span.attributes}
            # logfire sends a note of each span's start as well.
            if values.get("logfire.span_type") != "pending_span":
                found.update(values[key] for key in keys if key in values)
        return found

    def instances(self, key: str = "service.instance.id") -> dict[str, str]:
        """Span id (hex) → an attribute of its resource."""
        found: dict[str, str] = {}
        for request, taken in self._requests():
            told = (
                (span.span_id.hex(), decode_value(pair.value))
                for group in request.resource_spans
                for pair in group.resource.attributes
                if pair.key == key
                for scoped in group.scope_spans
                for span in scoped.spans
            )
            found.update(itertools.islice(told, taken))
        return found

    def _requests(self) -> Iterator[tuple[ExportTraceServiceRequest, int]]:
        if not self._bodies.exists():
            return
        with self._bodies.open("rb") as file:
            while header := file.read(_HEADER.size):
                length, taken = _HEADER.unpack(header)
                yield ExportTraceServiceRequest.FromString(file.read(length)), taken

    # Called by the handlers, each in the thread of its connection.

    def next_fault(self) -> tuple[Fault | None, threading.Event]:
        """What the next request meets, and the event that ends its waiting."""
        with self._changed:
            fault = next(self._faults)
            self.met[_name(fault)] += 1
            self._changed.notify_all()
            return fault, self._script_changed

    def take(self, body: bytes, rejected: int = 0) -> None:
        """Take a request's spans, but for the last `rejected`.

        Raises:
            DecodeError: It is no request.
        """
        request = ExportTraceServiceRequest.FromString(body)
        taken = sum(1 for _ in _spans_of(request)) - rejected
        with self._changed:
            with self._bodies.open("ab") as file:
                file.write(_HEADER.pack(len(body), max(taken, 0)) + body)
            self.taken += max(taken, 0)
            self._changed.notify_all()


def _name(fault: Fault | None) -> str:
    if fault is None:
        return SERVED
    return str(fault.status) if isinstance(fault, Refuse) else type(fault).__name__


def _spans_of(request: ExportTraceServiceRequest) -> Iterator[Span]:
    return (s for g in request.resource_spans for scoped in g.scope_spans for s in scoped.spans)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], receiver: FaultyReceiver) -> None:
        super().__init__(address, _Handler)
        self.receiver = receiver
        self._connections: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news: many here are killed."""

    def cut_connections(self) -> None:
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """Logfire asks who its project is."""
        told = {"project_name": "proof", "project_url": "http://127.0.0.1"}
        self._say(Answer(200, json.dumps(told).encode(), {"content-type": "application/json"}))

    def do_POST(self) -> None:
        receiver = self.server.receiver
        length = int(self.headers["content-length"])
        if not self.path.endswith("/v1/traces"):
            self.rfile.read(length)
            self._say(Answer(200))
            return
        fault, script_changed = receiver.next_fault()
        body = self.rfile.read(length // 2 if isinstance(fault, ResetRequest) else length)
        if isinstance(fault, ResetRequest):
            self._reset()
        elif len(body) < length:
            self.close_connection = True
        elif isinstance(fault, Hang):
            script_changed.wait()
            self.close_connection = True
        elif isinstance(fault, Refuse):
            asked = {} if fault.retry_after is None else {"retry-after": fault.retry_after}
            self._say(Answer(fault.status, fault.words.encode(), asked))
        elif isinstance(fault, Answer):
            self._say(fault)
        else:
            self._take(body, fault, script_changed)

    def _take(self, body: bytes, fault: Fault | None, script_changed: threading.Event) -> None:
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        rejected = fault.rejected if isinstance(fault, AcceptPartly) else 0
        try:
            self.server.receiver.take(body, rejected)
        except DecodeError as error:
            self._say(Answer(400, str(error).encode()))
            return
        if isinstance(fault, ResetAnswer):
            self._say(Answer(200, b"\x00" * 50), length=100)
            self._reset()
        elif isinstance(fault, Drip):
            self._drip(fault, script_changed)
        elif isinstance(fault, AcceptPartly):
            response = ExportTraceServiceResponse()
            response.partial_success.rejected_spans = rejected
            response.partial_success.error_message = fault.words
            self._say(Answer(200, response.SerializeToString()))
        else:
            self._say(Answer())

    def _drip(self, fault: Drip, script_changed: threading.Event) -> None:
        self._say(Answer(200), length=fault.length)
        for _ in range(fault.length):
            if script_changed.wait(fault.interval):
                break
            self.wfile.write(b"\x00")
        self.close_connection = True

    def _say(self, answer: Answer, length: int | None = None) -> None:
        self.send_response(answer.status)
        for name, value in ({"content-type": PROTOBUF} | dict(answer.headers)).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body) if length is None else length))
        self.end_headers()
        self.wfile.write(answer.body)

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Closing the descriptor itself: the socket object waits for its readers.
        os.close(self.connection.detach())

    def log_message(self, *_: Any) -> None:
        """Say nothing on the test's own output."""
