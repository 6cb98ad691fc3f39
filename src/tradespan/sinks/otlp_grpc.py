"""OTLP over gRPC, for one signal. What a status means: grpc_status.py.

With grpcio's generic calls and our own bytes: no generated stubs, no protobuf. A channel lives as
long as it works. After each failure to reach the receiver it is made anew, because grpc's own waits
between two connections grow to two minutes, and ours decide.

gRPC does not survive a fork: a channel of the parent, and whatever is made after it in the child,
hang. A forked child whose parent had loaded it therefore opens no channel; its records stay on disk
for the parent's forwarder, or for the next start.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tradespan.core.delivery import Outcome, Retry
from tradespan.core.errors import DeliveryError
from tradespan.core.forks import after_fork_in_child, process_generation
from tradespan.core.version import __version__
from tradespan.sinks.answers import accept_or_park
from tradespan.sinks.grpc_status import DETAILS, read_status
from tradespan.sinks.otlp import NO_FILES, OtlpSink, TlsFiles
from tradespan.sinks.proxies import is_loopback
from tradespan.wire.signals import TRACES, Signal

_loaded_in = 0 if "grpc" in sys.modules else process_generation()
"""When gRPC was loaded; who else has loaded it before may have done so in a parent."""
try:
    import grpc  # optional extra: otlp-grpc
except ImportError:
    grpc = None

NOT_INSTALLED = (
    "OTLP over gRPC needs grpcio; run `pip install 'tradespan[otlp-grpc]'`, or set "
    "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
)
FORKED = (
    "gRPC does not survive a fork, and this process was forked after it was loaded; set "
    "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, or let `tradespan run` or `tradespan agent` send"
)

MOST_BYTES = 4 * 1024 * 1024 - 64 * 1024
"""Of one request, before compression. gRPC receivers, the Collector's among them, refuse messages
over 4 MiB unless they are told otherwise."""
_MOST_ANSWER = 4 * 1024 * 1024
_kept_for_ever: list[Any] = []
"""A forked child's copies of its parent's channels: to destroy one could wait for a lock that a
thread of the parent held."""


class OtlpGrpcSink(OtlpSink):
    """Sends one signal to one target over one channel. Never raises."""

    def __init__(
        self,
        name: str,
        target: str,
        signal: Signal[Any] = TRACES,
        *,
        secure: bool = True,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = 10.0,
        compress: bool = False,
        tls: TlsFiles = NO_FILES,
    ) -> None:
        """`target`: `host:port`, or another form that gRPC accepts.

        `timeout`: seconds of one request; None: no limit.

        Raises:
            DeliveryError: grpcio is not installed, or was loaded before this process was forked.
        """
        if grpc is None:
            raise DeliveryError(target, NOT_INSTALLED)
        if process_generation() != _loaded_in:
            raise DeliveryError(target, FORKED)
        super().__init__(name, signal, MOST_BYTES)
        self._target = target
        self._secure = secure
        self._timeout = timeout
        self._compression = grpc.Compression.Gzip if compress else grpc.Compression.NoCompression
        self._tls = tls
        self._metadata = tuple((headers or {}).items())
        self._channel: Any = None
        self._lock = threading.Lock()
        """Around the change of a channel: it may be closed by another thread."""
        after_fork_in_child(self._leave_channel)

    def close(self) -> None:
        """Close the channel; a delivery that waits for an answer ends at once, with Retry."""
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _leave_channel(self) -> None:
        """In a forked child."""
        self._lock = threading.Lock()
        if self._channel is not None:
            _kept_for_ever.append(self._channel)
            self._channel = None

    def _send(self, body: bytes, *, bisect: bool) -> Outcome:
        try:
            call = self._usable_channel().unary_unary(self._signal.service, _as_it_is, _as_it_is)
            answer: bytes = call(
                body,
                timeout=self._timeout,
                metadata=self._metadata,
                compression=self._compression,
            )
        except grpc.RpcError as error:
            return self._read_error(error, bisect)
        except Exception as error:  # noqa: BLE001 - whatever it is, the batch is not delivered
            self.close()
            # Of what no network says only the kind: it may quote a secret header.
            told = f": {error}" if isinstance(error, OSError) else ""
            return Retry(f"{self._target}: {type(error).__name__}{told}")
        self._warn_once(answer)
        return accept_or_park(answer)

    def _read_error(self, error: Any, bisect: bool) -> Outcome:
        code: str = error.code().name
        words: str = error.details() or ""
        trailing = error.trailing_metadata() or ()
        details = next((value for key, value in trailing if key == DETAILS), b"")
        if code == "UNIMPLEMENTED" and "ompress" in words and self._is_compressing():
            # Not the records' fault. All that follows goes as this receiver can read it.
            self._compression = grpc.Compression.NoCompression
            return Retry(f"{self._target} takes no gzip: sent without it from now on")
        outcome = read_status(code, words, details, bisect=bisect)
        if isinstance(outcome, Retry):
            self.close()
            return Retry(f"{self._target}: {outcome.reason}", outcome.after)
        return outcome

    def _is_compressing(self) -> bool:
        return bool(self._compression != grpc.Compression.NoCompression)

    def _usable_channel(self) -> Any:
        with self._lock:
            if self._channel is None:
                self._channel = self._new_channel()
            return self._channel

    def _new_channel(self) -> Any:
        options = [
            ("grpc.primary_user_agent", f"tradespan/{__version__}"),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", _MOST_ANSWER),
            ("grpc.enable_retries", 0),
            # One of its own, so that a new channel connects anew, and at once.
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_http_proxy", 0 if is_loopback(self._target.rpartition(":")[0]) else 1),
        ]
        if not self._secure:
            return grpc.insecure_channel(self._target, options)
        credentials = grpc.ssl_channel_credentials(
            _read(self._tls.certificate),
            _read(self._tls.client_key),
            _read(self._tls.client_certificate),
        )
        return grpc.secure_channel(self._target, credentials, options)


def _as_it_is(message: bytes) -> bytes:
    return message


def _read(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()
