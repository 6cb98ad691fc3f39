"""Who may see the UI: one ASGI layer outside everything else, for HTTP and WebSockets alike.

- **Host**: only loopback names, with any port (ssh tunnels), so that a foreign name that resolves
  to 127.0.0.1 (DNS rebinding) gets nothing.
- **Token**: the printed link carries it once; from then on a cookie does. Programs send
  `Authorization: Bearer <token>`. Compared in constant time.
- **Origin**: what changes something, and every WebSocket, must come from our own pages.
- **Headers**: a content security policy without `unsafe-eval` and without other hosts.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from http import cookies
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tradespan.web.signposts import ask_for_link

OPEN_PATHS = frozenset({"/health", "/ready"})
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
POLICY_VIOLATION = 1008
"""The WebSocket close code for a refused client (RFC 6455, 7.4.1)."""

_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)(?::\d{1,5})?")


def is_loopback_host(host: str) -> bool:
    """Whether a Host header names this machine, with or without a port."""
    match = _HOST.fullmatch(host)
    return match is not None and match["name"].lower() in LOOPBACK_NAMES


def content_security_policy(script_hashes: Iterable[str]) -> str:
    """What our pages may load and run: our own files, and the scripts with these hashes.

    Styles may be inline: Dash's components write them so; they can run nothing.
    """
    return "; ".join(
        (
            "default-src 'none'",
            " ".join(("script-src 'self'", *script_hashes)),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


class Gate:
    """The outermost layer. Answers what is refused itself, and passes the rest on.

    Args:
        app: What lies behind.
        token: The secret of the printed link.
        instance: Stands in the cookie's name, because browsers share cookies between ports.
        policy: The content security policy of every answer.
    """

    def __init__(self, app: ASGIApp, *, token: str, instance: str, policy: str) -> None:
        if not token:
            raise ValueError("the token must not be empty")
        self._app = app
        self._token = token.encode()
        self._cookie = f"tradespan_{instance}"
        self._session = hmac.new(self._token, b"tradespan session", hashlib.sha256).hexdigest()
        self._headers = {
            "content-security-policy": policy,
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = self._refuse(scope)
        if refusal is None:
            await self._app(scope, receive, self._with_headers(scope, send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        else:
            await refusal(scope, receive, self._with_headers(scope, send))

    def _refuse(self, scope: Scope) -> Response | None:
        """The answer to whom we don't serve; None for whom we do."""
        headers = Headers(scope=scope)
        if not is_loopback_host(headers.get("host", "")):
            return PlainTextResponse("This host name is not served here.\n", status_code=403)
        websocket = scope["type"] == "websocket"
        if scope["path"] in OPEN_PATHS and not websocket:
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = next((value for key, value in query if key == "token"), None)
        if given is not None and not websocket and scope["method"] == "GET":
            return self._open_session(scope, headers, given, query)
        by_cookie = self._has_session(headers)
        if not by_cookie and not self._is_bearer(headers):
            return ask_for_token(scope, headers)
        if (websocket or scope["method"] not in SAFE_METHODS) and not self._is_own_origin(
            headers, needed=websocket and by_cookie
        ):
            return PlainTextResponse("Requests from other pages are refused.\n", status_code=403)
        return None

    def _open_session(
        self, scope: Scope, headers: Headers, token: str, query: list[tuple[str, str]]
    ) -> Response:
        if not hmac.compare_digest(token.encode(), self._token):
            return ask_for_token(scope, headers)
        rest = urlencode([(key, value) for key, value in query if key != "token"])
        # One leading slash: `//host` in a Location would lead to another host.
        target = "/" + quote(scope["path"].lstrip("/\\")) + (f"?{rest}" if rest else "")
        response = Response(status_code=303, headers={"location": target})
        if headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
            # A redirect of a foreign page's link is still foreign: it would not carry the cookie.
            response = HTMLResponse(ask_for_link(again=target))
        response.headers["cache-control"] = "no-store"
        response.set_cookie(self._cookie, self._session, httponly=True, samesite="strict")
        return response

    def _has_session(self, headers: Headers) -> bool:
        jar: cookies.SimpleCookie = cookies.SimpleCookie()
        for line in headers.getlist("cookie"):
            try:
                jar.load(line)
            except cookies.CookieError:
                return False
        morsel = jar.get(self._cookie)
        return morsel is not None and hmac.compare_digest(
            morsel.value.encode(), self._session.encode()
        )

    def _is_bearer(self, headers: Headers) -> bool:
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        given = credentials.strip().encode("latin-1", "replace")
        return scheme.lower() == "bearer" and hmac.compare_digest(given, self._token)

    def _is_own_origin(self, headers: Headers, *, needed: bool) -> bool:
        origin = headers.get("origin")
        if origin is None:
            return not needed
        return origin == f"http://{headers.get('host', '')}"

    def _with_headers(self, scope: Scope, send: Send) -> Send:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", cache_rule(scope["path"]))
            await send(message)

        return send_with_headers


def cache_rule(path: str) -> str:
    """Our own files are asked for again (by their hash), data is never kept."""
    return "no-cache" if path.startswith("/assets/") else "no-store"


def ask_for_token(scope: Scope, headers: Headers) -> Response:
    """401, with the way to the link in it."""
    if scope["type"] == "websocket" or scope["path"].startswith("/api/"):
        message = "Give the token of the printed link: 'Authorization: Bearer <token>'."
        return JSONResponse({"error": "unauthorized", "message": message}, status_code=401)
    # A link on a foreign page comes without our strict cookie even if there is one: the page asks
    # once more by itself, and that request is our own.
    foreign = headers.get("sec-fetch-site") in {"cross-site", "same-site"}
    query = scope["query_string"].decode("latin-1")
    again = ""
    if foreign and "token=" not in query:
        again = "/" + quote(scope["path"].lstrip("/\\")) + (f"?{query}" if query else "")
    return HTMLResponse(ask_for_link(again=again), status_code=401)
