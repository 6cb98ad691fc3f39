"""A real OTLP/HTTP receiver on loopback, for all signals, which can be told to misbehave.

    with Receiver() as receiver:
        receiver.play(Refuse(503), times=3)
        ...
        receiver.wait_for(lambda spans: len(spans) == 1000)

As a process of its own, for tests that stop it and start it again on the same port:

    python -m tests.support.receiver --port 0 --announce FILE --out FILE [--refuse STATUS]

(`ReceiverProcess` in receiver_process.py does both.)

It writes its address (`http://127.0.0.1:PORT`) to the announced file when it is ready, appends one
JSON line per accepted span to `--out` before it answers, and ends with 0 on SIGTERM.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import signal
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from google.protobuf import json_format
from google.protobuf.message import DecodeError

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
from tests.support.otlp import REQUESTS, ReceivedSpan, decode_signal, encode_partial_success


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came: headers in lower case, the body as on the wire."""

    path: str
    client: int
    """The sender's port: the same for requests over one connection."""
    headers: Mapping[str, str]
    body: bytes
    time: float
    """Monotonic seconds of its arrival."""
    fault: Fault | None
    """What it met; None: it was served."""


class Receiver:
    """Serves from `start` to `stop`, any number of times, always on the same port."""

    def __init__(
        self, port: int = 0, *, tls: ssl.SSLContext | None = None, out: Path | None = None
    ) -> None:
        self.port = port
        self._tls = tls
        self._out = out
        self._changed = threading.Condition()
        self._spans: list[ReceivedSpan] = []
        self._others: dict[str, list[Any]] = {"logs": [], "metrics": []}
        self._requests: list[Request] = []
        self._script: list[tuple[Fault, int | None]] = []
        self._script_changed = threading.Event()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """Scheme, host and port: what `OTEL_EXPORTER_OTLP_ENDPOINT` takes."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The complete address for traces."""
        return f"{self.address}/v1/traces"

    @property
    def spans(self) -> list[ReceivedSpan]:
        """Every span taken so far, in order of arrival; one that was sent twice stands twice."""
        with self._changed:
            return list(self._spans)

    def url_of(self, signal: str) -> str:
        """The complete address for a signal."""
        return f"{self.address}/v1/{signal}"

    def taken(self, signal: str) -> list[Any]:
        """Every record of a signal taken so far: spans, LogRecord or Metric messages."""
        with self._changed:
            return list(self._spans if signal == "traces" else self._others[signal])

    @property
    def requests(self) -> list[Request]:
        """Every request so far, those that met a fault included."""
        with self._changed:
            return list(self._requests)

    def start(self) -> None:
        """Listen; on the same port as before, if there was one."""
        assert self._server is None, "it is running"
        self._server = _Server(("127.0.0.1", self.port), self, self._tls)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), name="receiver", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and cut every connection, as a killed process does."""
        server, thread = self._server, self._thread
        if server is None or thread is None:
            return
        self._server = self._thread = None
        server.shutdown()
        server.server_close()
        with self._changed:
            self._wake_scripted()
        server.cut_connections()
        thread.join()

    def play(self, fault: Fault, times: int | None = 1) -> None:
        """Let the next `times` requests meet a fault; None: until `recover` or another `play`.

        Faults that were asked for before and are not used up come first, endless ones not.
        """
        with self._changed:
            self._script = [step for step in self._script if step[1] is not None]
            self._script.append((fault, times))
            self._wake_scripted()

    def recover(self) -> None:
        """Serve every request from now on; hanging ones are cut off."""
        with self._changed:
            self._script.clear()
            self._wake_scripted()

    def wait_for(
        self, reached: Callable[[list[ReceivedSpan]], bool], timeout: float = 10.0
    ) -> list[ReceivedSpan]:
        """The spans as soon as `reached` says so of them.

        Raises:
            AssertionError: It did not within `timeout` seconds; the message says what came.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: reached(self._spans), timeout):
                raise AssertionError(
                    f"not reached in {timeout} s: {len(self._spans)} spans "
                    f"in {len(self._requests)} requests"
                )
            return list(self._spans)

    def wait_for_requests(self, count: int, timeout: float = 10.0) -> list[Request]:
        """The requests as soon as there are `count` of them, whatever was answered.

        Raises:
            AssertionError: There were not within `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._requests) >= count, timeout):
                raise AssertionError(f"{len(self._requests)} requests in {timeout} s, not {count}")
            return list(self._requests)

    # Called by the handlers, each in the thread of its connection.

    def take_fault(self) -> tuple[Fault | None, threading.Event]:
        """What the next request meets, and the event that ends its waiting."""
        with self._changed:
            return self._next_fault(), self._script_changed

    def note_request(self, request: Request) -> None:
        """Keep a request."""
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()

    def accept(self, spans: list[Any], signal: str = "traces") -> None:
        """Take records."""
        with self._changed:
            if signal != "traces":
                self._others[signal] += spans
                self._changed.notify_all()
                return
            if self._out is not None:
                lines = "".join(json.dumps(asdict(span), default=_shown) + "\n" for span in spans)
                with self._out.open("a") as file:
                    file.write(lines)
            self._spans += spans
            self._changed.notify_all()

    def _next_fault(self) -> Fault | None:
        if not self._script:
            return None
        fault, times = self._script[0]
        if times is not None:
            if times > 1:
                self._script[0] = (fault, times - 1)
            else:
                self._script.pop(0)
        return fault

    def _wake_scripted(self) -> None:
        # Whoever waits now holds this event; who comes later finds a fresh one.
        waiting, self._script_changed = self._script_changed, threading.Event()
        waiting.set()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], receiver: Receiver, tls: ssl.SSLContext | None
    ) -> None:
        super().__init__(address, _Handler)
        self.receiver = receiver
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        if tls is not None:
            # The handshake is done by the connection's own thread, at its first read.
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self._lock:
            self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; anything else is a fault of this receiver."""
        if not isinstance(sys.exception(), OSError | ValueError):
            super().handle_error(request, client_address)

    def cut_connections(self) -> None:
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        receiver = self.server.receiver
        fault, script_changed = receiver.take_fault()
        headers = {name.lower(): value for name, value in self.headers.items()}
        length = int(headers["content-length"])
        body = self.rfile.read(length // 2 if isinstance(fault, ResetRequest) else length)
        client = self.client_address[1]
        receiver.note_request(Request(self.path, client, headers, body, time.monotonic(), fault))
        if isinstance(fault, ResetRequest):
            self._reset()
        elif len(body) < length:
            self.close_connection = True
        elif isinstance(fault, Hang):
            script_changed.wait()
            self.close_connection = True
        elif isinstance(fault, Refuse):
            self._refuse(fault)
        elif isinstance(fault, Answer) and fault.status >= 300:
            self._say(fault.status, fault.headers, fault.body)
        else:
            spans = self._decode(headers, body)
            if spans is not None:
                self._take(spans, fault, script_changed)

    def _take(self, spans: list[Any], fault: Fault | None, script_changed: threading.Event) -> None:
        receiver, signal = self.server.receiver, self.path.rpartition("/")[2]
        if isinstance(fault, AcceptPartly):
            receiver.accept(spans[: max(len(spans) - fault.rejected, 0)], signal)
            fault = Answer(body=encode_partial_success(fault.rejected, fault.words))
        else:
            receiver.accept(spans, signal)
        if isinstance(fault, ResetAnswer):
            self._say(200, {"content-type": PROTOBUF}, b"\x00" * 50, length=100)
            self._reset()
        elif isinstance(fault, Drip):
            self._drip(fault, script_changed)
        else:
            answer = fault if isinstance(fault, Answer) else Answer()
            self._say(answer.status, answer.headers, answer.body)

    def _refuse(self, fault: Refuse) -> None:
        headers = {"content-type": "text/plain"}
        if fault.retry_after is not None:
            headers["retry-after"] = fault.retry_after
        self._say(fault.status, headers, fault.words.encode())

    def _decode(self, headers: Mapping[str, str], body: bytes) -> list[Any] | None:
        """The request's records; None if it was refused for what it is."""
        _, _, signal = self.path.rpartition("/v1/")
        content = headers.get("content-type")
        if signal not in REQUESTS:
            self._refuse(Refuse(404, words="404 page not found"))
        elif content not in (PROTOBUF, JSON):
            self._refuse(Refuse(415, words="unsupported content type"))
        else:
            try:
                packed = headers.get("content-encoding") == "gzip"
                body = gzip.decompress(body) if packed else body
                return decode_signal(signal, body, json=content == JSON)
            except (DecodeError, json_format.ParseError, OSError, AssertionError) as error:
                self._refuse(Refuse(400, words=str(error)))
        return None

    def _say(
        self, status: int, headers: Mapping[str, str], body: bytes, length: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def _drip(self, fault: Drip, script_changed: threading.Event) -> None:
        self._say(200, {"content-type": PROTOBUF}, b"", length=fault.length)
        for _ in range(fault.length):
            if script_changed.wait(fault.interval):
                break
            self.wfile.write(b"\x00")
        self.close_connection = True

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Closing the descriptor itself: the socket object waits for its readers.
        os.close(self.connection.detach())

    def log_message(self, *_: Any) -> None:
        """Say nothing on the test's own output."""


def _shown(value: object) -> object:
    return {"bytes": value.hex()} if isinstance(value, bytes) else str(value)


def main(arguments: list[str] | None = None) -> int:
    """Receive until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="tests.support.receiver")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--announce", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--refuse", type=int, metavar="STATUS", help="refuse every request")
    options = parser.parse_args(arguments)
    ended = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ended)  # inherited by the server's threads
    with Receiver(options.port, out=options.out) as receiver:
        if options.refuse is not None:
            receiver.play(Refuse(options.refuse), times=None)
        unfinished = options.announce.with_name(options.announce.name + ".new")
        unfinished.write_text(receiver.address)
        unfinished.replace(options.announce)
        signal.sigwait(ended)
    return 0


if __name__ == "__main__":
    sys.exit(main())
