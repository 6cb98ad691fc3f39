from __future__ import annotations

import http.client
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from tests.browser import market
from tests.unit.web.conftest import TOKEN
from tradespan.store.store import Store
from tradespan.web import server as server_module
from tradespan.web.server import Server, build_app, link_to, make_token, pick_port
from tradespan.web.shell import is_page, trim_config


@pytest.fixture
def busy() -> Iterator[int]:
    """A port that somebody listens on, the next one free."""
    for _ in range(50):
        with socket.socket() as taken, socket.socket() as neighbour:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            try:
                neighbour.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            neighbour.close()
            yield port
            return
    pytest.fail("no two neighbouring ports are free")


def get(port: int, path: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_busy_port_gives_way_to_the_next_free_one(busy: int) -> None:
    with pick_port(busy) as listener:
        assert busy < listener.getsockname()[1] <= busy + 19
        assert link_to(listener, "t") == f"http://127.0.0.1:{listener.getsockname()[1]}/?token=t"


def test_picked_port_is_taken_at_once() -> None:
    with pick_port(0) as first, pick_port(first.getsockname()[1]) as second:
        assert first.getsockname()[1] != second.getsockname()[1]


def test_no_free_port_names_the_ports_tried(monkeypatch: pytest.MonkeyPatch, busy: int) -> None:
    monkeypatch.setattr(server_module, "PORTS_TO_TRY", 1)
    with pytest.raises(OSError, match=f"No free port between {busy} and {busy}"):
        pick_port(busy)


def test_server_in_a_thread_answers_until_it_is_stopped(store: Store, story: market.Story) -> None:
    listener = pick_port(0)
    server = Server(build_app(lambda: store, token=TOKEN), listener)
    ready: list[bool] = []
    server.start(on_ready=lambda: ready.append(True))
    try:
        assert ready == [True]
        assert get(server.port, "/ready")[0] == 200
        assert get(server.port, "/traces")[0] == 401
        status, body = get(server.port, "/api/v1/summary", Authorization=f"Bearer {TOKEN}")
        assert status == 200
        assert str(story.traces).encode() in body
    finally:
        port = server.port
        server.stop()
    with pytest.raises(ConnectionRefusedError):
        get(port, "/health")


def test_two_servers_of_one_process_keep_to_themselves(store: Store, story: market.Story) -> None:
    servers = []
    for token in ("first", "second"):
        server = Server(build_app(lambda: store, token=token), pick_port(0))
        server.start()
        servers.append((server, token))
    try:
        for server, token in servers:
            for key in ("first", "second"):
                status, _ = get(server.port, "/traces", Authorization=f"Bearer {key}")
                assert status == (200 if key == token else 401)
    finally:
        for server, _ in servers:
            server.stop()


def test_first_page_is_the_trace_list_and_the_query_stays(client: TestClient) -> None:
    answer = client.get("/?status=err")
    assert (answer.status_code, answer.headers["location"]) == (307, "/traces?status=err")


@pytest.mark.parametrize("path", ["/traces", "/traces/", "/trace/0123abcd"])
def test_deep_link_opens_the_application(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert "DashRenderer" in answer.text


@pytest.mark.parametrize(
    "path", ["/nosuch", "/trace", "/trace/a/b", "/favicon.ico", "/assets/no.js"]
)
def test_address_that_does_not_exist_is_a_404(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "/traces" in answer.text
    assert not is_page(path)


def test_address_in_the_404_page_is_harmless(client: TestClient) -> None:
    assert "<b>" not in client.get("/no<b>such").text


def test_document_names_no_other_host(client: TestClient) -> None:
    text = client.get("/traces").text
    assert "http://" not in text
    assert "https:" not in text
    assert "websocket" not in text


def test_dash_keeps_the_settings_it_needs() -> None:
    element = '<script id="x" type="application/json">{"a":"<\\/b>","websocket":{"u":1}}</script>'
    trimmed = '<script id="x" type="application/json">{"a": "\\u003c/b>"}</script>'
    assert trim_config(element) == trimmed


def test_tokens_are_long_and_never_the_same() -> None:
    assert len(make_token()) >= 32
    assert make_token() != make_token()


def test_ui_loads_no_heavy_library() -> None:
    heavy = ["pandas", "numpy", "plotly.express", "pyarrow", "grpc"]
    script = f"import sys, tradespan.web.server; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
