"""A real Chromium against a real server over a real store."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.browser import market
from tradespan.store.store import Store
from tradespan.web.server import Server, build_app, link_to, pick_port
from tradespan.web.status import Status

TOKEN = "a-token-for-browsers"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
UP = 4 * 3600 * market.SECOND + 12 * market.MINUTE


@dataclass
class Site:
    """A running UI and what is in its store."""

    link: str
    story: market.Story
    store: Store
    status: list[Status] = field(default_factory=list)

    @property
    def address(self) -> str:
        return self.link.split("/?")[0]


@dataclass
class Visit:
    """A page, with everything it complained about and every host it asked."""

    page: Page
    site: Site
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def open(self, path: str) -> None:
        self.page.goto(self.site.address + path)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    if program is None:
        missing = "no Chromium on this machine; `make test-browser` installs it"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield browser
        browser.close()


def serve(folder: Path, *, traces: int) -> Iterator[Site]:
    now = time.time_ns()
    with Store.open(folder / "store.db") as store:
        story = market.tell(store, now, traces=traces) if traces else market.Story("", "", 0, 0)
        alive = Status(bots=1, since=now - UP, write_lag=market.SECOND // 5, waiting=0)
        site = Site("", story, store, [alive])
        app = build_app(lambda: store, token=TOKEN, status=lambda: site.status[-1])
        listener = pick_port(0)
        site.link = link_to(listener, TOKEN)
        server = Server(app, listener)
        server.start()
        yield site
        server.stop()


@pytest.fixture(scope="session")
def market_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Half an hour of a market, shared by the tests that only look."""
    yield from serve(tmp_path_factory.mktemp("market"), traces=900)


@pytest.fixture
def fresh_site(tmp_path: Path) -> Iterator[Site]:
    """A market of its own, for a test that adds to it."""
    yield from serve(tmp_path, traces=120)


@pytest.fixture
def empty_site(tmp_path: Path) -> Iterator[Site]:
    """A store in which nothing is yet."""
    yield from serve(tmp_path, traces=0)


@pytest.fixture
def theme() -> str:
    """The system's theme; a test overrides it by parametrizing."""
    return "light"


def visit(browser: Browser, site: Site, theme: str) -> Iterator[Visit]:
    context = browser.new_context(
        viewport={"width": 1440, "height": 900},
        color_scheme="dark" if theme == "dark" else "light",
        timezone_id="Europe/Berlin",
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(15_000)
    page = context.new_page()
    seen = Visit(page, site)
    page.on("console", lambda message: note_console(seen, message))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("request", lambda request: seen.hosts.add(request.url.split("/")[2]))
    page.goto(site.link)
    page.locator(".trace-row, .empty").first.wait_for()
    yield seen
    context.close()
    assert seen.complaints == []
    assert seen.hosts == {site.address.removeprefix("http://")}


def note_console(seen: Visit, message: ConsoleMessage) -> None:
    if message.type in {"error", "warning"}:
        seen.complaints.append(f"{message.type}: {message.text}")


@pytest.fixture
def market_visit(browser: Browser, market_site: Site, theme: str) -> Iterator[Visit]:
    yield from visit(browser, market_site, theme)


@pytest.fixture
def fresh_visit(browser: Browser, fresh_site: Site, theme: str) -> Iterator[Visit]:
    yield from visit(browser, fresh_site, theme)


@pytest.fixture
def empty_visit(browser: Browser, empty_site: Site, theme: str) -> Iterator[Visit]:
    yield from visit(browser, empty_site, theme)
