"""`/metrics` on a port of 127.0.0.1, served by the agent for who scrapes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Final

from tradespan.core import guard
from tradespan.core.forks import after_fork_in_child
from tradespan.core.guard import guarded
from tradespan.forward.scraping import Scraping
from tradespan.spool.folder import RunFolder
from tradespan.wire.prometheus_text import OPENMETRICS, TEXT, accepts_openmetrics

HOST: Final = "127.0.0.1"
PATH: Final = "/metrics"
_NAMES = frozenset({HOST, "localhost", "[::1]"})
"""Hosts by which we are asked; a page of the web that has another name for us is none of them."""
_MOST_AT_ONCE = 8
"""Connections; further ones are closed at once."""
_TIMEOUT = 10.0
"""Seconds of one request, from its connection to the last byte of the answer."""
_KEPT = 1.0
"""Seconds for which an answer is good: who asks more often reads no pages anew."""
_LOOK_AROUND = 0.5
"""Seconds between two looks whether a run wants to be scraped."""
_TRY_AGAIN = 30.0
"""Seconds between two tries to take a port."""

Expose = Callable[[bool], str]
"""The text, by whether it is OpenMetrics."""


class ScrapeServer(ThreadingHTTPServer):
    """Serves in daemon threads, few at a time, each for so long. Binds when it is made.

    Raises:
        OSError: The port is taken, or may not be.
    """

    daemon_threads = True
    request_queue_size = _MOST_AT_ONCE

    def __init__(self, port: int, expose: Expose, *, deadline: float = _TIMEOUT) -> None:
        """`deadline`: seconds of a whole request; whoever takes longer is cut off."""
        self.expose = expose
        self._deadline = deadline
        self._until: dict[socket.socket, float] = {}
        """Connection → the moment (monotonic seconds) at which it has had its time."""
        self._places = threading.BoundedSemaphore(_MOST_AT_ONCE)
        super().__init__((HOST, port), _Handler)
        after_fork_in_child(self._leave)

    def server_bind(self) -> None:
        # Not HTTPServer's, which asks the name service who we are.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        self._until[request] = time.monotonic() + self._deadline
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._leave_place(request)
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._leave_place(request)

    def service_actions(self) -> None:
        """Between two looks for a connection (every half second): cut off who is too slow.

        The time limit of a socket is none of a request: each byte that drips in renews it.
        """
        now = time.monotonic()
        for connection, until in list(self._until.items()):
            if until <= now:
                # Not closed: that is its own thread's, which wakes by this and ends.
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A scraper that went away is no error of ours."""

    def start(self) -> None:
        """Serve in a thread."""
        threading.Thread(target=self.serve_forever, name="tradespan-metrics", daemon=True).start()

    def stop(self) -> None:
        """End the thread, and give the port back."""
        self.shutdown()
        self.server_close()

    @property
    def url(self) -> str:
        """Where it is served."""
        return f"http://{HOST}:{self.server_port}{PATH}"

    def _leave_place(self, connection: socket.socket) -> None:
        self._until.pop(connection, None)
        self._places.release()

    def _leave(self) -> None:
        # In a forked child: its copy would hold the port for as long as it lives.
        with suppress(OSError):
            self.socket.close()


class _Handler(BaseHTTPRequestHandler):
    server: ScrapeServer
    timeout = _TIMEOUT
    server_version = "tradespan"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        host = self.headers.get("host", "").rpartition("@")[2]
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if name.lower() not in _NAMES:
            self._say(403, "only by the name of this machine's loopback\n")
        elif self.path.partition("?")[0] != PATH:
            self._say(404, f"nothing here but {PATH}\n")
        else:
            openmetrics = accepts_openmetrics(self.headers.get("accept", ""))
            text = ""
            with guarded("/metrics"):
                text = self.server.expose(openmetrics)
            if text:
                self._say(200, text, OPENMETRICS if openmetrics else TEXT, with_body=with_body)
            else:
                self._say(503, "not now\n")

    def _say(
        self,
        status: int,
        text: str,
        content: str = "text/plain; charset=utf-8",
        *,
        with_body: bool = True,
    ) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", content)
        self.send_header("content-length", str(len(body)))
        self.send_header("cache-control", "no-store")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Scrapes are no news."""


class ScrapeOnDemand:
    """A chore of the agent: serves as soon as its own settings or a live run ask for it."""

    def __init__(
        self,
        port: int | None,
        scraping: Scraping,
        status: dict[str, Any],
        is_live: Callable[[RunFolder], bool],
    ) -> None:
        """`status`: told where it is served (`scrape`), or why it is not (`scrape_error`)."""
        self._port = port
        self._scraping = scraping
        self._status = status
        self._is_live = is_live
        self._server: ScrapeServer | None = None
        self._looked = float("-inf")
        self._tried: dict[int, float] = {}
        self._lock = threading.Lock()
        self._last: dict[bool, tuple[float, str]] = {}

    def work(self, folders: list[RunFolder]) -> None:
        """Begin to serve, if somebody wants it and nobody does."""
        now = time.monotonic()
        if self._server is not None or now - self._looked < _LOOK_AROUND:
            return
        self._looked = now
        port = self._wanted(folders)
        if port is None or now - self._tried.get(port, float("-inf")) < _TRY_AGAIN:
            return
        self._tried = {port: now}
        try:
            self._server = ScrapeServer(port, self.expose)
        except OSError as error:
            self._complain(port, error)
            return
        self._server.start()
        self._status.pop("scrape_error", None)
        self._status["scrape"] = self._server.url
        guard.logger.info("metrics at %s", self._server.url)

    def close(self) -> None:
        """The agent ends."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def expose(self, openmetrics: bool) -> str:
        """The text now, or as of a moment ago: pages are read by one at a time."""
        if not self._lock.acquire(timeout=_TIMEOUT):
            return ""
        try:
            made, text = self._last.get(openmetrics, (float("-inf"), ""))
            if time.monotonic() - made > _KEPT:
                exposition = self._scraping.expose(openmetrics=openmetrics)
                for sentence in exposition.problems:
                    guard.report("/metrics", ValueError(sentence))
                text = exposition.text
                self._last[openmetrics] = time.monotonic(), text
            return text
        finally:
            self._lock.release()

    def _wanted(self, folders: list[RunFolder]) -> int | None:
        if self._port is not None:
            return self._port
        for folder in folders:
            port = folder.description.get("metrics_port")
            if isinstance(port, int) and 0 < port < 65_536 and self._is_live(folder):
                return port
        return None

    def _complain(self, port: int, error: OSError) -> None:
        sentence = (
            f"{PATH} is not served: port {port} of {HOST} cannot be taken"
            f" ({error.strerror or error}); give another one as --metrics-port or"
            " TRADESPAN_METRICS_PORT"
        )
        if self._status.get("scrape_error") != sentence:
            self._status["scrape_error"] = sentence
            guard.logger.warning("%s", sentence)
