"""One server, one port: the API, Dash's pages and the gate before them, run by uvicorn.

For the agent:       `listener = pick_port(8420)`; `Server(app, listener).start()` … `.stop()`
For `tradespan ui`:  `Server(app, listener).run(on_ready=print)`
"""

from __future__ import annotations

import hashlib
import re
import secrets
import socket
import threading
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from tradespan.core.clock import Clock, SystemClock
from tradespan.core.errors import StoreError
from tradespan.store.store import Store
from tradespan.web.api import Backstage, add_error_answers, add_health_routes, build_router
from tradespan.web.door import StoreDoor
from tradespan.web.security import Gate, content_security_policy
from tradespan.web.shell import FIRST_PAGE, build_dash, is_page
from tradespan.web.sources import FindRoots
from tradespan.web.status import Status, StatusBoard

LOOPBACK = "127.0.0.1"
PORTS_TO_TRY = 20
BACKLOG = 128


def make_token() -> str:
    """A new secret for the printed link."""
    return secrets.token_urlsafe(24)


def build_app(
    open_store: Callable[[], Store],
    *,
    token: str,
    instance: str = "",
    status: Callable[[], Status] = Status,
    find_roots: FindRoots = lambda instance: None,
    clock: Clock | None = None,
) -> ASGIApp:
    """The whole UI as one ASGI application.

    Args:
        open_store: Gives the store when it is first needed; called again after it raised. Whoever
            gives it closes the store, after the server stopped.
        token: The secret of the printed link, see `link_to`.
        instance: Letters and digits that tell this UI from others on the machine, the same over
            restarts; it names the cookie. Left out, it follows from the token.
        status: What the agent knows for the status bar; asked at most once a second per tab.
        find_roots: The folders below which the source of a process may be read.
        clock: For tests.
    """
    clock = clock or SystemClock()
    door = StoreDoor(open_store)
    backstage = Backstage(door, StatusBoard(status, clock), clock, find_roots)

    async def can_read() -> bool:
        try:
            await door.ask(lambda store: store.changes())
        except StoreError:
            return False
        return True

    server = FastAPI(
        title="tradespan", docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json"
    )
    add_error_answers(server)
    add_health_routes(server, can_read)
    server.include_router(build_router(backstage))
    dash = build_dash(server, backstage)
    if not instance:
        instance = hashlib.sha256(token.encode()).hexdigest()[:8]
    return Gate(
        Pages(server, door),
        token=token,
        instance=re.sub(r"[^A-Za-z0-9]", "", instance),
        policy=content_security_policy(dash.csp_hashes()),
    )


class Pages:
    """Leads a page's address to Dash's one HTML document, and ends the server's life cycle.

    Dash would answer *every* unknown address with that document (a route that it adds at the ASGI
    start-up event, to the application that was made last in this process). So that event ends
    here, and what is no page is a 404.
    """

    def __init__(self, app: ASGIApp, door: StoreDoor) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] == "http" and scope["method"] in {"GET", "HEAD"}:
            if scope["path"] == "/":
                await redirect(FIRST_PAGE, scope, send)
                return
            if is_page(scope["path"]):
                scope = {**scope, "path": "/", "raw_path": b"/", "method": "GET"}
        await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                self._door.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


async def redirect(path: str, scope: Scope, send: Send) -> None:
    """307 to one of our pages, the query kept."""
    query = scope["query_string"]
    location = path.encode() + (b"?" + query if query else b"")
    headers = [(b"location", location), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 307, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def pick_port(preferred: int = 8420, host: str = LOOPBACK) -> socket.socket:
    """A listening socket at the preferred port or the next free one; 0: any free port.

    The socket is handed to the server as it is, so nobody can take the port in between.
    `socket.getsockname()[1]` says which it became.

    Raises:
        OSError: None of the 20 ports is free.
    """
    last = min(preferred + PORTS_TO_TRY, 65_536)
    failure: OSError | None = None
    for port in range(preferred, last if preferred else 1):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            # Rebinding right after a restart; a port that somebody listens on stays refused.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            failure = error
        else:
            return listener
    number = failure.errno if failure else None
    raise OSError(number, f"No free port between {preferred} and {last - 1} on {host}") from failure


def link_to(listener: socket.socket, token: str) -> str:
    """The address to print: opens the UI and leaves a cookie."""
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}/?token={token}"


class Server:
    """Runs the application on a listening socket: blocking, or in a thread."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        self._listener = listener
        self._uvicorn = _AnnouncingServer(
            uvicorn.Config(
                app,
                lifespan="on",
                loop="asyncio",
                http="h11",
                ws="none",
                access_log=False,
                log_level="warning",
                log_config=None,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=2,
            )
        )
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._listener.getsockname()[1])

    def run(self, on_ready: Callable[[], None] | None = None) -> None:
        """Serve until `stop`, SIGINT or SIGTERM. `on_ready` is called when requests are answered.

        uvicorn raises the signal again once it has stopped: SIGINT comes as KeyboardInterrupt.
        """
        self._uvicorn.on_ready = on_ready
        self._uvicorn.run(sockets=[self._listener])

    def start(self, on_ready: Callable[[], None] | None = None, timeout: float = 10.0) -> None:
        """Serve in a daemon thread; returns once requests are answered.

        Raises:
            TimeoutError: It is not up after `timeout` seconds.
        """
        ready = threading.Event()

        def announce() -> None:
            ready.set()
            if on_ready is not None:
                on_ready()

        self._thread = threading.Thread(
            target=self.run, args=(announce,), name="tradespan-web", daemon=True
        )
        self._thread.start()
        if not ready.wait(timeout):
            self.stop()
            raise TimeoutError(f"the UI did not come up in {timeout:g} s")

    def stop(self, timeout: float = 5.0) -> None:
        """Finish open requests and end; waits for a thread that `start` made."""
        self._uvicorn.should_exit = True
        if self._thread is not None:
            self._thread.join(timeout)
        self._listener.close()


class _AnnouncingServer(uvicorn.Server):
    """Says when it answers requests, through uvicorn's own hook."""

    on_ready: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self.on_ready is not None:
            self.on_ready()
