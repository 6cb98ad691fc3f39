"""Clients of the library `websockets`, asyncio and threads: connections, not messages, as spans.

Messages are counted where both kinds of client pass each frame (`process_event`) and each message
that goes out (`ClientProtocol.send_…`): whichever way they are read or sent, as text or bytes,
whole or in pieces, none of the user's iterables is touched, and no coroutine is wrapped for it.
The legacy client (`websockets.legacy`) is left alone, and so are servers.

Source: websockets 17 and, by what is there, 14 to 16.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Any, Self

from tradespan.capture.failure import exception_name
from tradespan.core import guard
from tradespan.instrument.libraries.addresses import without_queries
from tradespan.instrument.libraries.base import LibraryInstrumentor, Patch, Telemetry
from tradespan.instrument.libraries.connection import Connection, Ending
from tradespan.instrument.libraries.connections import Connecting, Connections
from tradespan.instrument.libraries.received import RECEIVED

_ASYNC = "websockets.asyncio.client"
_SYNC = "websockets.sync.client"
_HELD = "_tradespan_connection"
"""Attribute of the library's objects that holds our `Connection`."""
_LAST_DATA_OPCODE = 2
"""Continuation, text, binary are 0 to 2 (RFC 6455, 5.2); control frames follow."""


class WebsocketsInstrumentor(LibraryInstrumentor):
    """Spans `websocket connect` and `websocket disconnect`; metrics `trading.connection.*`."""

    requirement = "websockets >= 14"
    scope = "tradespan.websockets"
    _connections: Connections | None = None

    def patches(self, telemetry: Telemetry) -> Iterable[Patch]:
        """Methods of clients' classes, which all ways to connect and to import them share."""
        connections = self._connections = Connections(telemetry, "websocket")
        by_17 = _is_since_17()
        hooks = _Hooks(connections)
        return [
            Patch(_ASYNC, "connect.connect" if by_17 else "connect.__await_impl__", hooks.connect),
            Patch(_ASYNC, "ClientConnection.handshake", hooks.handshake),
            Patch(_ASYNC, "ClientConnection.process_event", count_frames),
            Patch(_ASYNC, "ClientConnection.connection_lost", hooks.end),
            Patch(_ASYNC, "ClientConnection.recv", mark_received),
            Patch(_ASYNC, "ClientConnection.recv_streaming", mark_streamed),
            *([Patch(_SYNC, "reconnect.connect", hooks.connect_in_thread)] if by_17 else ()),
            Patch(
                _SYNC,
                "ClientConnection.handshake",
                hooks.handshake_in_thread if by_17 else hooks.only_handshake_in_thread,
            ),
            Patch(_SYNC, "ClientConnection.process_event", count_frames),
            Patch(_SYNC, "ClientConnection.close_socket", hooks.end),
            Patch(_SYNC, "ClientConnection.recv_streaming", mark_streamed),
            Patch("websockets.sync.messages", "Assembler.get", mark_received_in_thread),
            Patch("websockets.client", "ClientProtocol.send_text", count_sent),
            Patch("websockets.client", "ClientProtocol.send_binary", count_sent),
            Patch("websockets.client", "ClientProtocol.send_continuation", count_sent),
        ]

    def forget(self) -> None:
        """Nothing more is observed."""
        if self._connections is not None:
            self._connections.forget()
        self._connections = None


class _Hooks:
    """Replacements that make spans."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def connect(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        async def connect(connecter: Any, *args: Any, **kwargs: Any) -> Any:
            with _Attempt(connections, connecter) as attempt:
                connection = await original(connecter, *args, **kwargs)
                attempt.opened(connection)
            return connection

        connections = self._connections
        return connect

    def connect_in_thread(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def connect(connecter: Any, *args: Any, **kwargs: Any) -> Any:
            with _Attempt(connections, connecter) as attempt:
                connection = original(connecter, *args, **kwargs)
                attempt.opened(connection)
            return connection

        connections = self._connections
        return connect

    def handshake(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        async def handshake(connection: Any, *args: Any, **kwargs: Any) -> Any:
            self._attach(connection)
            return await original(connection, *args, **kwargs)

        return handshake

    def handshake_in_thread(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def handshake(connection: Any, *args: Any, **kwargs: Any) -> Any:
            self._attach(connection)
            return original(connection, *args, **kwargs)

        return handshake

    def only_handshake_in_thread(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Before 17 `connect` is a function, of which modules hold copies: the span is shorter."""

        @wraps(original)
        def handshake(connection: Any, *args: Any, **kwargs: Any) -> Any:
            self._attach(connection)
            with _Attempt(self._connections, connection.protocol) as attempt:
                result = original(connection, *args, **kwargs)
                attempt.opened(connection)
            return result

        return handshake

    def end(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def end(connection: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return original(connection, *args, **kwargs)
            finally:
                with guard.guarded("noting a lost connection"):
                    ours = getattr(connection, _HELD, None)
                    if ours is not None:
                        self._connections.closed(ours, _ending_of(connection))

        return end

    def _attach(self, connection: Any) -> None:
        """Let a connection count, from before its first frame on."""
        with guard.guarded("watching a connection"):
            ours = self._connections.new()
            setattr(connection, _HELD, ours)
            setattr(connection.protocol, _HELD, ours)
            setattr(connection.recv_messages, _HELD, ours)


class _Attempt:
    """One attempt to connect; whatever goes wrong in here, the library's call goes on."""

    __slots__ = ("_connecter", "_connecting")

    def __init__(self, connections: Connections, connecter: Any) -> None:
        self._connecter = connecter
        self._connecting: Connecting | None = None
        with guard.guarded("reading an address"):
            self._connecting = connections.connecting(_url_of(connecter), scrub=without_queries)

    def __enter__(self) -> Self:
        if self._connecting is not None:
            self._connecting.__enter__()
        return self

    def opened(self, connection: Any) -> None:
        with guard.guarded("noting a connection"):
            ours = getattr(connection, _HELD, None)
            if ours is not None and self._connecting is not None:
                self._connecting.opened(ours, connection, _url_of(self._connecter))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._connecting is None:
            return
        with guard.guarded("reading a refusal"):
            status = getattr(getattr(error, "response", None), "status_code", None)
            if isinstance(status, int):
                self._connecting.set({"http.response.status_code": status})
        self._connecting.__exit__(kind, error, trace)


def count_frames(original: Callable[..., Any]) -> Callable[..., Any]:
    """For `process_event`, which is given each frame, and the handshake's response before."""

    @wraps(original)
    def process_event(connection: Any, event: Any) -> Any:
        try:
            ours: Any = getattr(connection, _HELD, None)
            is_frame = ours is not None and connection.response is not None
            if is_frame and event.opcode <= _LAST_DATA_OPCODE:
                ours.receive(len(event.data), event.fin)
        except Exception as error:  # noqa: BLE001 - the host comes first
            guard.report("counting a message", error)
        return original(connection, event)

    return process_event


def count_sent(original: Callable[..., Any]) -> Callable[..., Any]:
    """For the methods of a protocol that each outgoing message or fragment passes."""

    @wraps(original)
    def send(protocol: Any, data: Any, fin: bool = True) -> Any:
        result = original(protocol, data, fin)
        try:
            ours: Connection | None = getattr(protocol, _HELD, None)
            if ours is not None:
                size = data.nbytes if type(data) is memoryview else len(data)
                ours.send(size, fin)
        except Exception as error:  # noqa: BLE001 - the host comes first
            guard.report("counting a message", error)
        return result

    return send


def mark_received(original: Callable[..., Any]) -> Callable[..., Any]:
    """For `recv`: what its caller does next is the handling of that message."""

    @wraps(original)
    async def recv(connection: Any, decode: bool | None = None) -> Any:
        message = await original(connection, decode)
        mark(connection)
        return message

    return recv


def mark_streamed(original: Callable[..., Any]) -> Callable[..., Any]:
    """For `recv_streaming`, of either kind: its generator is the library's own."""

    @wraps(original)
    def recv_streaming(connection: Any, *args: Any, **kwargs: Any) -> Any:
        mark(connection)
        return original(connection, *args, **kwargs)

    return recv_streaming


def mark_received_in_thread(original: Callable[..., Any]) -> Callable[..., Any]:
    """As `mark_received`, below `recv`, which warns with a stacklevel that counts its callers."""

    @wraps(original)
    def get(assembler: Any, *args: Any, **kwargs: Any) -> Any:
        message = original(assembler, *args, **kwargs)
        mark(assembler)
        return message

    return get


def mark(holder: Any) -> None:
    """Let the code that runs on know whose message it handles.

    A context variable of ours, set and never reset: no context of OpenTelemetry's is attached that
    would have to be detached after code of the user's.
    """
    ours: Connection | None = getattr(holder, _HELD, None)
    if ours is not None:
        ours.read += 1
        RECEIVED.set(ours)


def _url_of(connecter: Any) -> str:
    uri = getattr(connecter, "uri", None) or getattr(connecter, "wsuri", None)
    if isinstance(uri, str):
        return uri
    assert uri is not None
    scheme = "wss" if uri.secure else "ws"
    host = f"[{uri.host}]" if ":" in uri.host else uri.host
    return f"{scheme}://{host}:{uri.port}{uri.path}"


def _ending_of(connection: Any) -> Ending:
    protocol = connection.protocol
    received, sent = protocol.close_rcvd, protocol.close_sent
    if received is not None and (sent is None or protocol.close_rcvd_then_sent):
        by, frame = "remote", received
    elif sent is not None:
        by, frame = "local", sent
    else:
        by, frame = "network", None
    error = protocol.close_exc
    failed = type(error).__name__ != "ConnectionClosedOK"
    return Ending(
        by,
        int(frame.code) if frame is not None else 1006,
        frame.reason if frame is not None else "",
        exception_name(error) if failed else None,
    )


def _is_since_17() -> bool:
    try:
        return int(version("websockets").partition(".")[0]) >= 17
    except (PackageNotFoundError, ValueError):
        return True
