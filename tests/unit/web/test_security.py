"""The gate: who gets in, by what, and what every answer carries."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from tests.unit.web.conftest import ADDRESS, TOKEN
from tradespan.web.security import Gate, content_security_policy, is_loopback_host

SOCKET = ADDRESS.replace("http:", "ws:")
BEARER = {"authorization": f"Bearer {TOKEN}"}


def test_link_opens_a_session_and_the_token_leaves_the_address(stranger: TestClient) -> None:
    answer = stranger.get("/trace/abcd", params={"token": TOKEN, "span": "1"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/trace/abcd?span=1"
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("tradespan_test=")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in cookie
    assert stranger.get("/api/v1/summary").status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/traces", "/api/v1/traces", "/_dash-layout", "/assets/theme.js"]
)
def test_without_token_nothing_is_served(stranger: TestClient, path: str) -> None:
    answer = stranger.get(path)
    assert answer.status_code == 401
    assert "traces" not in answer.headers.get("location", "")


def test_page_without_token_says_how_to_get_the_link(stranger: TestClient) -> None:
    answer = stranger.get("/traces")
    assert "tradespan ui" in answer.text
    assert "?token=" in answer.text


def test_api_without_token_answers_in_json(stranger: TestClient) -> None:
    assert stranger.get("/api/v1/traces").json()["error"] == "unauthorized"


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", "ü"])
def test_wrong_token_opens_nothing(stranger: TestClient, token: str) -> None:
    answer = stranger.get("/", params={"token": token})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_programs_use_a_bearer_token(stranger: TestClient) -> None:
    assert stranger.get("/api/v1/summary", headers=BEARER).status_code == 200
    wrong = {"authorization": "Bearer nothing"}
    assert stranger.get("/api/v1/summary", headers=wrong).status_code == 401


def test_cookie_of_another_instance_is_not_ours(client: TestClient) -> None:
    value = client.cookies["tradespan_test"]
    client.cookies.clear()
    client.cookies.set("tradespan_other", value)
    assert client.get("/api/v1/summary").status_code == 401


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_health_needs_no_token(stranger: TestClient, path: str) -> None:
    assert stranger.get(path).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8420", "127.0.0.1.evil.example", "localhost.", "[::2]:8420",
     "10.0.0.5", "", "127.0.0.1:8420@evil.example", "localhost:port"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/health", "/api/v1/summary"])
def test_foreign_host_name_is_refused_everywhere(client: TestClient, host: str, path: str) -> None:
    assert client.get(path, headers={"host": host}).status_code == 403


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:1", "localhost:9999", "LOCALHOST", "[::1]:8420"]
)
def test_loopback_names_are_served_with_any_port(host: str) -> None:
    assert is_loopback_host(host)


def test_redirect_never_leads_to_another_host(stranger: TestClient) -> None:
    for path in ("//evil.example/", "/\\evil.example/", "///evil.example"):
        answer = stranger.get(f"{ADDRESS}{path}", params={"token": TOKEN})
        assert answer.headers["location"].startswith("/")
        assert not answer.headers["location"].startswith(("//", "/\\"))


def test_link_on_a_foreign_page_asks_again_by_itself(stranger: TestClient) -> None:
    """A strict cookie does not come along with it, nor along with a redirect of it."""
    foreign = {"sec-fetch-site": "cross-site"}
    answer = stranger.get("/", params={"token": TOKEN}, headers=foreign)
    assert answer.status_code == 200
    assert 'http-equiv="refresh" content="0;url=/"' in answer.text
    assert "set-cookie" in answer.headers
    stranger.cookies.clear()
    shared = stranger.get('/trace/abcd?span="><script>', headers=foreign)
    assert shared.status_code == 401
    assert "url=/trace/abcd?span=" in shared.text
    assert "<script>" not in shared.text
    own = stranger.get("/trace/abcd", headers={"sec-fetch-site": "same-origin"})
    assert "refresh" not in own.text


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8420"])
def test_changes_must_come_from_our_own_pages(client: TestClient, origin: str) -> None:
    answer = client.post("/_dash-update-component", json={}, headers={"origin": origin})
    assert answer.status_code == 403


def test_every_answer_carries_the_security_headers(stranger: TestClient) -> None:
    refused, open_to_all = stranger.get("/"), stranger.get("/health")
    for answer in (refused, open_to_all, stranger.get("/", params={"token": TOKEN})):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_policy_allows_our_files_and_the_hashed_scripts_only(client: TestClient) -> None:
    policy = client.get("/traces").headers["content-security-policy"]
    script = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert script.startswith("script-src 'self' 'sha256-")
    assert "unsafe" not in script
    assert "http" not in policy
    assert content_security_policy(["'sha256-x'"]).count("sha256") == 1


def test_empty_token_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="empty"):
        Gate(app=None, token="", instance="x", policy="")  # type: ignore[arg-type]


class TestWebSockets:
    """Gate before an application that accepts every socket."""

    @pytest.fixture
    def client(self) -> TestClient:
        async def accept(scope, receive, send):  # type: ignore[no-untyped-def]
            socket = WebSocket(scope, receive, send)
            await socket.accept()
            await socket.send_text("in")
            await socket.close()

        gate = Gate(accept, token=TOKEN, instance="test", policy="")
        return TestClient(gate, base_url=ADDRESS)

    def connect(self, client: TestClient, headers: dict[str, str]) -> str:
        with client.websocket_connect(f"{SOCKET}/ws", headers=headers) as socket:
            return socket.receive_text()

    def cookie(self, client: TestClient) -> dict[str, str]:
        answer = client.get("/", params={"token": TOKEN}, follow_redirects=False)
        client.cookies.clear()
        return {"cookie": answer.headers["set-cookie"].split(";")[0]}

    def test_bearer_gets_in(self, client: TestClient) -> None:
        assert self.connect(client, BEARER) == "in"

    def test_own_page_gets_in(self, client: TestClient) -> None:
        headers = {**self.cookie(client), "origin": ADDRESS}
        assert self.connect(client, headers) == "in"

    @pytest.mark.parametrize("origin", [None, "null", "http://evil.example"])
    def test_cookie_needs_our_origin(self, client: TestClient, origin: str | None) -> None:
        headers = {**self.cookie(client), **({"origin": origin} if origin else {})}
        with pytest.raises(WebSocketDisconnect):
            self.connect(client, headers)

    @pytest.mark.parametrize("headers", [{}, {**BEARER, "host": "evil.example"}])
    def test_strangers_and_foreign_hosts_are_turned_away(
        self, client: TestClient, headers: dict[str, str]
    ) -> None:
        with pytest.raises(WebSocketDisconnect):
            self.connect(client, headers)

    def test_token_in_the_address_opens_no_socket(self, client: TestClient) -> None:
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect(f"{SOCKET}/ws?token={TOKEN}"),
        ):
            pass
