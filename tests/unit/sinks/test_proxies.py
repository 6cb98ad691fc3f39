"""Proxies named by the environment, as other HTTP programs honour them."""

from __future__ import annotations

import socket
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator

import pytest

from tests.support.receiver import Receiver
from tests.unit.sinks.builders import make_batch
from tradespan.core.delivery import Accepted, Denied, Retry
from tradespan.sinks.otlp_http import OtlpHttpSink
from tradespan.sinks.proxies import Proxy, find_proxy

MakeSink = Callable[..., OtlpHttpSink]
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUEST_METHOD")
FAR = "collector.example.com"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def answer_once(listener: socket.socket, answer: bytes) -> list[bytes]:
    """Answer the next connection in the background; what it asked, once it was answered."""
    asked: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            asked.append(connection.recv(65536))
            connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return asked


def test_without_a_variable_there_is_no_proxy() -> None:
    assert find_proxy("http", FAR, 4318) is None


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("address", ["http://proxy:3128", "proxy:3128", "http://proxy:3128/"])
def test_each_usual_variable_and_form_is_understood(
    monkeypatch: pytest.MonkeyPatch, name: str, address: str
) -> None:
    monkeypatch.setenv(name, address)
    assert find_proxy("http", FAR, 4318) == Proxy("proxy", 3128, {})


def test_each_scheme_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://secure")
    assert find_proxy("https", FAR, 443) == Proxy("secure", 80, {})
    assert find_proxy("http", FAR, 80) is None


def test_user_and_password_of_a_proxy_are_sent_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://me%40desk:p%3Ass@proxy:3128")
    proxy = find_proxy("http", FAR, 4318)
    assert proxy is not None
    scheme, _, pair = proxy.headers["proxy-authorization"].partition(" ")
    assert (scheme, b64decode(pair)) == ("Basic", b"me@desk:p:ss")


@pytest.mark.parametrize("exempt", [FAR, ".example.com", "example.com", f"x, {FAR}:4318", "*"])
def test_no_proxy_exempts_hosts_and_domains(monkeypatch: pytest.MonkeyPatch, exempt: str) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", exempt)
    assert find_proxy("http", FAR, 4318) is None


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST.", "otel.localhost", "127.0.0.1", "127.8.9.1", "::1", "[::1]"]
)
def test_loopback_never_has_one(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("all_proxy", "http://proxy:3128")
    assert find_proxy("http", host, 4318) is None
    assert find_proxy("http", "10.0.0.1", 4318) is not None


@pytest.mark.parametrize(
    "address",
    ["socks5://user:s3cret@proxy:1080", "https://proxy:443", "http://:3128", "http://a:s3cret@b:x"],
)
def test_one_that_we_cannot_use_is_said_and_keeps_the_spans(
    monkeypatch: pytest.MonkeyPatch, make_sink: MakeSink, address: str
) -> None:
    monkeypatch.setenv("http_proxy", address)
    outcome = make_sink(f"http://{FAR}:4318/v1/traces").deliver(make_batch())
    assert isinstance(outcome, Retry)
    assert "the proxy that http_proxy names is not of the form" in outcome.reason
    assert "s3cret" not in outcome.reason


def test_plain_http_goes_through_the_proxy_by_its_whole_address(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver, make_sink: MakeSink
) -> None:
    monkeypatch.setenv("http_proxy", receiver.address.replace("//", "//me:word@"))
    sink = make_sink(f"http://{FAR}:4318/v1/traces", headers={"authorization": "Bearer t"})
    assert [sink.deliver(make_batch()) for _ in range(2)] == [Accepted()] * 2
    first, second = receiver.requests
    assert first.path == second.path == f"http://{FAR}:4318/v1/traces"
    assert first.headers["host"] == f"{FAR}:4318"
    assert first.headers["authorization"] == "Bearer t"
    assert b64decode(first.headers["proxy-authorization"].removeprefix("Basic ")) == b"me:word"


def test_a_proxy_named_later_counts_from_the_next_connection_on(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver, make_sink: MakeSink
) -> None:
    sink = make_sink(f"http://{FAR}:4318/v1/traces")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert isinstance(sink.deliver(make_batch()), Retry)
    monkeypatch.setenv("http_proxy", receiver.address)
    assert sink.deliver(make_batch()) == Accepted()


def test_https_asks_the_proxy_for_a_tunnel_and_sends_it_no_token(
    monkeypatch: pytest.MonkeyPatch, listener: socket.socket, make_sink: MakeSink
) -> None:
    monkeypatch.setenv("https_proxy", f"http://me:word@127.0.0.1:{listener.getsockname()[1]}")
    asked = answer_once(listener, b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
    sink = make_sink(f"https://{FAR}/v1/traces", headers={"authorization": "Bearer s3cret"})
    outcome = sink.deliver(make_batch())
    assert isinstance(outcome, Retry)
    assert "407" in outcome.reason
    (head,) = asked
    assert head.startswith(f"CONNECT {FAR}:443 HTTP/1.".encode())
    assert b"proxy-authorization: Basic bWU6d29yZA==" in head
    assert b"s3cret" not in head


def test_a_proxy_that_wants_another_password_keeps_the_spans(
    monkeypatch: pytest.MonkeyPatch, listener: socket.socket, make_sink: MakeSink
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")
    answer_once(listener, b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
    outcome = make_sink(f"http://{FAR}:4318/v1/traces").deliver(make_batch())
    assert outcome == Denied("HTTP 407")
