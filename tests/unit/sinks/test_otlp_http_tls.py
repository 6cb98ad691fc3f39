"""TLS with certificates made for the occasion by the `openssl` command."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.receiver import Receiver
from tests.unit.sinks.builders import Pair, make_batch
from tradespan.core.delivery import Accepted, Outcome, Retry
from tradespan.sinks.otlp import TlsFiles
from tradespan.sinks.otlp_http import OtlpHttpSink

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="needs the openssl command to make certificates"
)


@pytest.fixture(scope="module")
def server(make_pair: Callable[..., Pair]) -> Pair:
    return make_pair("server", "127.0.0.1")


@pytest.fixture(scope="module")
def client(make_pair: Callable[..., Pair]) -> Pair:
    return make_pair("client", "127.0.0.2")


@pytest.fixture
def receiver(server: Pair) -> Iterator[Receiver]:
    with Receiver(tls=server_context(server)) as receiver:
        yield receiver


def server_context(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


def deliver_once(url: str, **files: Any) -> Outcome:
    with closing(OtlpHttpSink("otlp-tls", url, timeout=5.0, tls=TlsFiles(**files))) as sink:
        return sink.deliver(make_batch())


def open_tunnel(listener: socket.socket, port: int) -> None:
    """Be the proxy of the next connection: grant what it asks, and carry bytes to a local port."""

    def serve() -> None:
        near, _ = listener.accept()
        with near, socket.create_connection(("127.0.0.1", port)) as far:
            assert near.recv(65536).startswith(b"CONNECT 192.0.2.1:4318 HTTP/1.")
            near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            other = threading.Thread(target=carry, args=(far, near), daemon=True)
            other.start()
            carry(near, far)
            other.join()

    threading.Thread(target=serve, daemon=True).start()


def carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):  # either side may hang up
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def reason(outcome: Outcome) -> str:
    assert isinstance(outcome, Retry)
    return outcome.reason


def test_a_certificate_that_is_trusted_is_delivered_to(receiver: Receiver, server: Pair) -> None:
    assert receiver.url.startswith("https://")
    with closing(OtlpHttpSink("tls", receiver.url, tls=TlsFiles(server.certificate))) as sink:
        assert [sink.deliver(make_batch()) for _ in range(3)] == [Accepted()] * 3
    assert len({request.client for request in receiver.requests}) == 1


def test_a_certificate_that_nobody_vouches_for_gets_nothing(receiver: Receiver) -> None:
    assert "SSLCertVerificationError" in reason(deliver_once(receiver.url))
    assert receiver.requests == []


def test_a_certificate_for_another_host_gets_nothing(client: Pair) -> None:
    with Receiver(tls=server_context(client)) as receiver:
        said = reason(deliver_once(receiver.url, certificate=client.certificate))
        assert "IP address mismatch" in said
        assert receiver.requests == []


def test_a_client_shows_its_certificate_where_one_is_asked_for(server: Pair, client: Pair) -> None:
    context = server_context(server)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(client.certificate)
    with Receiver(tls=context) as receiver:
        trusted = server.certificate
        assert reason(deliver_once(receiver.url, certificate=trusted))
        assert receiver.requests == []
        shown = deliver_once(
            receiver.url,
            certificate=trusted,
            client_certificate=client.certificate,
            client_key=client.key,
        )
        assert shown == Accepted()


def test_a_protected_key_does_not_ask_the_terminal(
    receiver: Receiver, server: Pair, make_pair: Callable[..., Pair]
) -> None:
    locked = make_pair("locked", "127.0.0.3", "-passout", "pass:secret")
    outcome = deliver_once(
        receiver.url,
        certificate=server.certificate,
        client_certificate=locked.certificate,
        client_key=locked.key,
    )
    assert "SSLError" in reason(outcome)


def test_a_missing_certificate_file_is_said_and_may_come_later(
    receiver: Receiver, server: Pair, tmp_path: Path
) -> None:
    path = tmp_path / "ca.pem"
    with closing(OtlpHttpSink("tls", receiver.url, tls=TlsFiles(path))) as sink:
        assert "FileNotFoundError" in reason(sink.deliver(make_batch()))
        shutil.copy(server.certificate, path)
        assert sink.deliver(make_batch()) == Accepted()


def test_plain_http_to_a_tls_port_is_tried_again(receiver: Receiver) -> None:
    assert reason(deliver_once(receiver.url.replace("https", "http")))


def test_tls_to_a_plain_port_is_tried_again() -> None:
    with Receiver() as plain:
        assert "SSLError" in reason(deliver_once(plain.url.replace("http", "https")))


def test_through_a_proxys_tunnel_the_receivers_own_certificate_counts(
    make_pair: Callable[..., Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    far = make_pair("far", "192.0.2.1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with (
        Receiver(tls=server_context(far)) as receiver,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")
        open_tunnel(listener, receiver.port)
        url = "https://192.0.2.1:4318/v1/traces"
        assert deliver_once(url, certificate=far.certificate) == Accepted()
        assert receiver.requests[0].path == "/v1/traces"
        assert "proxy-authorization" not in receiver.requests[0].headers
        open_tunnel(listener, receiver.port)
        assert "SSLCertVerificationError" in reason(deliver_once(url))
