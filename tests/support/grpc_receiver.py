"""A real OTLP/gRPC receiver on loopback, for all signals, which can be told to misbehave."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

import grpc
from google.protobuf.message import DecodeError

from tests.support.otlp import decode_signal

_SIGNALS = {"TraceService": "traces", "LogsService": "logs", "MetricsService": "metrics"}
_DETAILS = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class Say:
    """Answer with a status that is not OK; nothing is taken."""

    code: grpc.StatusCode
    words: str = "scripted"
    details: bytes = b""
    """A google.rpc.Status, for the trailing metadata."""


@dataclass(frozen=True, slots=True)
class Take:
    """Take the records and answer these bytes."""

    answer: bytes = b""


@dataclass(frozen=True, slots=True)
class Silence:
    """Take nothing and say nothing, until the receiver recovers or stops."""


Step = Say | Take | Silence


class GrpcReceiver:
    """Serves from `start` to `stop`, any number of times, always on the same port."""

    def __init__(self, credentials: grpc.ServerCredentials | None = None) -> None:
        self.port = 0
        self.requests: list[bytes] = []
        self.metadata: list[dict[str, Any]] = []
        self._credentials = credentials
        self._changed = threading.Condition()
        self._taken: dict[str, list[Any]] = {signal: [] for signal in _SIGNALS.values()}
        self._script: list[Step] = []
        self._recovered = threading.Event()
        self._server: grpc.Server | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def target(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def start(self, *options: tuple[str, Any]) -> None:
        """Listen; on the same port as before, if there was one."""
        pool = ThreadPoolExecutor(8)
        server = grpc.server(pool, options=[("grpc.so_reuseport", 0), *options])
        server.add_generic_rpc_handlers((_Handlers(self),))
        address = f"127.0.0.1:{self.port}"
        if self._credentials is None:
            self.port = server.add_insecure_port(address)
        else:
            self.port = server.add_secure_port(address, self._credentials)
        server.start()
        self._server = server

    def stop(self) -> None:
        """Stop listening and cut every connection."""
        server, self._server = self._server, None
        if server is not None:
            self.recover()
            server.stop(None).wait(5)

    def play(self, *steps: Step) -> None:
        """What the next requests meet, one each."""
        with self._changed:
            self._script += steps

    def recover(self) -> None:
        """Serve every request from now on."""
        with self._changed:
            self._script.clear()
            waiting, self._recovered = self._recovered, threading.Event()
        waiting.set()

    def taken(self, signal: str = "traces") -> list[Any]:
        """Every record of a signal taken so far."""
        with self._changed:
            return list(self._taken[signal])

    def wait_for_requests(self, count: int, timeout: float = 10.0) -> None:
        """Return as soon as there are so many requests, whatever was answered."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.requests) >= count, timeout)

    def serve(self, signal: str, body: bytes, context: grpc.ServicerContext) -> bytes:
        """One request."""
        with self._changed:
            self.requests.append(body)
            self.metadata.append(dict(context.invocation_metadata()))
            step = self._script.pop(0) if self._script else Take()
            recovered = self._recovered
            self._changed.notify_all()
        if isinstance(step, Silence):
            recovered.wait(30)
            context.abort(grpc.StatusCode.CANCELLED, "")
        if isinstance(step, Say):
            if step.details:
                context.set_trailing_metadata(((_DETAILS, step.details),))
            context.abort(step.code, step.words)
        assert isinstance(step, Take)
        try:
            records = decode_signal(signal, body)
        except DecodeError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise
        with self._changed:
            self._taken[signal] += records
        return step.answer


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc] # grpcio has no types
    def __init__(self, receiver: GrpcReceiver) -> None:
        self._receiver = receiver

    def service(self, details: Any) -> Any:
        _, service, method = details.method.rsplit("/", 2)
        signal = _SIGNALS.get(service.rpartition(".")[2])
        if signal is None or method != "Export":
            return None

        def handle(body: bytes, context: grpc.ServicerContext) -> bytes:
            return self._receiver.serve(signal, body, context)

        return grpc.unary_unary_rpc_method_handler(handle)
