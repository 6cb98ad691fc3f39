"""`/metrics` by HTTP: who may ask, for what, and how many at once."""

from __future__ import annotations

import http.client
import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import parser

from tests.unit.pages.builders import Writer
from tests.unit.pages.measured import LATENCY, OPEN, TRADES, VALUE, Page
from tradespan.bootstrap.scrape import ScrapeOnDemand, ScrapeServer
from tradespan.core.process import process_start
from tradespan.core.records import Resource
from tradespan.forward.ownpoints import OwnPoints
from tradespan.forward.register import MOST_ENDED, FolderRegister
from tradespan.forward.scraping import Scraping
from tradespan.pages.folding import fold_dead_pages
from tradespan.spool.folder import DRAINED, ENDED, RunFolder, replace_json
from tradespan.wire.prometheus_text import OPENMETRICS, TEXT

NOW = 1_700_000_000_000_000_000


@pytest.fixture
def server() -> Iterator[ScrapeServer]:
    server = ScrapeServer(0, lambda openmetrics: "open\n" if openmetrics else "plain\n")
    server.start()
    yield server
    server.stop()


def ask(server: ScrapeServer, path: str = "/metrics", method: str = "GET", **headers: str) -> Any:
    """Status, content type and body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers["content-type"], answer.read().decode()
    finally:
        connection.close()


def test_form_follows_the_scrapers_wish(server: ScrapeServer) -> None:
    assert ask(server) == (200, TEXT, "plain\n")
    assert ask(server, Accept="application/openmetrics-text") == (200, OPENMETRICS, "open\n")
    assert ask(server, "/metrics?x=1")[0] == 200
    assert ask(server, method="HEAD") == (200, TEXT, "")


@pytest.mark.parametrize(
    ("path", "method", "status"), [("/", "GET", 404), ("/metrics", "POST", 501)]
)
def test_nothing_else_is_served(server: ScrapeServer, path: str, method: str, status: int) -> None:
    assert ask(server, path, method)[0] == status


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:8000", 200), ("127.0.0.1", 200), ("evil.example:8000", 403), ("", 403)],
)
def test_page_of_the_web_does_not_read_it_by_a_name_of_its_own(
    server: ScrapeServer, host: str, status: int
) -> None:
    assert ask(server, Host=host)[0] == status


def test_it_listens_on_the_loopback_only(server: ScrapeServer) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"


def test_few_are_served_at_once_and_others_go_at_once() -> None:
    gate = threading.Event()

    def wait(openmetrics: bool) -> str:
        gate.wait(20)
        return "late\n"

    server = ScrapeServer(0, wait)
    server.start()
    try:
        waiting = [socket.create_connection(("127.0.0.1", server.server_port)) for _ in range(8)]
        for one in waiting:
            one.sendall(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
        with socket.create_connection(("127.0.0.1", server.server_port)) as ninth:
            ninth.settimeout(20)
            assert ninth.recv(100) == b""
        gate.set()
        for one in waiting:
            with one:
                assert one.recv(15).startswith(b"HTTP/1.0 200")
    finally:
        gate.set()
        server.stop()


def test_connections_that_drip_their_headers_are_cut_off_at_the_deadline() -> None:
    server = ScrapeServer(0, lambda openmetrics: "plain\n", deadline=0.3)
    server.start()
    dripping = [socket.create_connection(("127.0.0.1", server.server_port)) for _ in range(8)]
    over = threading.Event()

    def drip() -> None:
        while not over.wait(0.05):  # far more often than the time limit of a socket
            for one in dripping:
                with suppress(OSError):
                    one.sendall(b"X-Slow: 1\r\n")

    thread = threading.Thread(target=drip)
    try:
        for one in dripping:
            one.sendall(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n")
        thread.start()
        for one in dripping:
            one.settimeout(20)
            with suppress(ConnectionResetError):
                assert one.recv(100) == b""
        assert ask(server)[0] == 200
    finally:
        over.set()
        thread.join()
        for one in dripping:
            one.close()
        server.stop()


def test_forked_child_does_not_hold_the_port(server: ScrapeServer) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, b"free" if server.socket.fileno() == -1 else b"held")
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as told:
        assert told.read() == b"free"
    os.waitpid(child, 0)
    assert ask(server)[0] == 200


# ── on demand ───────────────────────────────────────────────────────────────────────────────────


def make_run(path: Path, **facts: Any) -> RunFolder:
    path.mkdir(parents=True)
    folder = RunFolder(path)
    started = process_start(os.getpid())
    told = {"pid": os.getpid(), "pid_start": started, "service": "desk", "mode": "paper"}
    folder.describe(**{**told, **facts})
    return folder


def make_scraping(*folders: RunFolder) -> Scraping:
    own = OwnPoints(Resource({"service.name": "tradespan-agent"}), list)
    return Scraping(lambda: folders, own, lambda folder: {}, wall=lambda: NOW)


def samples(scraping: Scraping) -> dict[str, float]:
    """Name and labels but those of the run → value."""
    found: dict[str, float] = {}
    parse: Any = parser.text_string_to_metric_families
    for family in parse(scraping.expose(openmetrics=False).text):
        for sample in family.samples:
            hidden = ("job", "instance", "service_instance_id")
            labels = [f"{k}={v}" for k, v in sorted(sample.labels.items()) if k not in hidden]
            key = " ".join([sample.name, *labels])
            found[key] = found.get(key, 0) + sample.value
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_port_is_served_as_soon_as_a_live_run_asks_for_it(tmp_path: Path) -> None:
    status: dict[str, Any] = {}
    quiet = make_run(tmp_path / "quiet")
    chore = ScrapeOnDemand(None, make_scraping(), status, lambda folder: True)
    chore.work([quiet])
    assert status == {}
    asks = make_run(tmp_path / "asks", metrics_port=free_port())
    chore = ScrapeOnDemand(None, make_scraping(), status, lambda folder: True)
    chore.work([quiet, asks])
    try:
        assert status == {"scrape": f"http://127.0.0.1:{asks.description['metrics_port']}/metrics"}
    finally:
        chore.close()


def test_address_is_told_to_who_reads_the_agents_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    status: dict[str, Any] = {}
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    chore = ScrapeOnDemand(port, make_scraping(), status, lambda folder: True)
    with caplog.at_level(logging.INFO, "tradespan"):
        chore.work([])
        chore.work([])
    chore.close()
    assert caplog.messages == [f"metrics at http://127.0.0.1:{port}/metrics"]


def test_port_that_is_taken_is_one_sentence(caplog: pytest.LogCaptureFixture) -> None:
    status: dict[str, Any] = {}
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        chore = ScrapeOnDemand(port, make_scraping(), status, lambda folder: True)
        with caplog.at_level(logging.WARNING, "tradespan"):
            chore.work([])
            chore.work([])
        chore.close()
    assert status["scrape_error"] == (
        f"/metrics is not served: port {port} of 127.0.0.1 cannot be taken"
        " (Address already in use); give another one as --metrics-port or TRADESPAN_METRICS_PORT"
    )
    assert caplog.messages == [status["scrape_error"]]


# ── what it tells ───────────────────────────────────────────────────────────────────────────────


def fill(page: Page, trades: float) -> None:
    page.number(TRADES, trades)
    page.number(VALUE, trades, NOW)
    page.number(OPEN, 1.0)
    page.histogram(LATENCY, [0.2] * int(trades))


def test_counters_are_those_of_all_processes_and_gauges_of_the_living(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    dead, living, other = (Page(folder.path, Writer(folder.path)) for _ in range(3))
    for page, trades in ((dead, 1), (living, 2), (other, 4)):
        fill(page, trades)
    dead.die()
    told = samples(make_scraping(folder))

    assert told["trading_trades_total venue=X"] == 7
    assert told["trading_order_latency_seconds_count"] == 7
    assert told["trading_portfolio_value"] == 6
    assert told["trading_connections"] == 2


def test_sums_stay_when_pages_are_folded(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    for _ in range(4):
        page = Page(folder.path, Writer(folder.path))
        fill(page, 2)
        page.die()
    living = Page(folder.path, Writer(folder.path))
    fill(living, 3)
    scraping = make_scraping(folder)
    before = samples(scraping)
    assert fold_dead_pages(folder.path, folder.metric_pages, most=1) == 4
    after = samples(scraping)
    assert after == pytest.approx(before)
    # To the last digit: a sum that falls by one is a restart to a scraper.
    assert all(after[name] >= value for name, value in before.items())
    assert before["trading_trades_total venue=X"] == 11


def test_runs_are_told_apart(tmp_path: Path) -> None:
    folders = [make_run(tmp_path / name) for name in ("run-a", "run-b")]
    pages = [Page(folder.path, Writer(folder.path)) for folder in folders]
    for page in pages:
        fill(page, 1)
    text = make_scraping(*folders).expose(openmetrics=True).text

    for name in ("run-a", "run-b"):
        assert f'trading_trades_total{{job="desk",instance="{name}",venue="X"}} 1.0' in text
        assert f'target_info{{job="desk",instance="{name}"' in text
    assert "tradespan_agent_heartbeat_seconds{" in text


@pytest.mark.parametrize("lives", [False, True], ids=["dead", "in another run"])
def test_run_that_ended_is_told_as_it_was_last_for_five_minutes(
    tmp_path: Path, lives: bool
) -> None:
    register = FolderRegister(tmp_path)
    folder = make_run(tmp_path / "runs" / "one", pid_start=1)
    page = Page(folder.path, Writer(folder.path))
    fill(page, 3)
    if not lives:
        page.die()
    replace_json(folder.path / ENDED, {"status": -9, "time": NOW / 1e9})
    own = OwnPoints(Resource({"service.name": "tradespan-agent"}), list)

    def told(seconds: float) -> dict[str, float]:
        at = NOW + round(seconds * 1e9)
        ended = register.ended_since
        return samples(Scraping(list, own, lambda _: {}, lambda: at, ended_since=ended))

    for seconds in (0.0, 1.0, 299.0):
        now = told(seconds)
        assert now["trading_trades_total venue=X"] == 3
        assert now["trading_order_latency_seconds_count"] == 3
        assert not [name for name in now if "portfolio" in name or "connections" in name]
    assert "trading_trades_total venue=X" not in told(301.0)
    replace_json(folder.path / DRAINED, {"complete": True, "sinks": {}})
    register.close(folder)
    assert told(299.0)["trading_trades_total venue=X"] == 3


def test_run_whose_end_nobody_told_is_over_since_it_counted_last(tmp_path: Path) -> None:
    register = FolderRegister(tmp_path)
    folder = make_run(tmp_path / "runs" / "one")
    assert [each.path for each in register.ended_since(0.0)] == [folder.path]
    assert register.ended_since(1.0) == []
    page = Page(folder.path, Writer(folder.path))
    fill(page, 3)
    page.die()
    (path,) = folder.metric_pages()
    os.utime(path, (5_000.0, 5_000.0))
    assert [each.path for each in register.ended_since(4_999.0)] == [folder.path]
    assert register.ended_since(5_001.0) == []


def test_of_many_runs_that_ended_the_latest_are_told(tmp_path: Path) -> None:
    register = FolderRegister(tmp_path)
    for number in range(MOST_ENDED + 3):
        folder = make_run(tmp_path / "runs" / f"{number:03d}")
        replace_json(folder.path / ENDED, {"status": 0, "time": 10.0})
    assert [each.path.name for each in register.ended_since(9.0)] == [
        f"{number:03d}" for number in range(3, MOST_ENDED + 3)
    ]
