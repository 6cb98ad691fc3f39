"""The source in the drawer of a span: the function, and where a failure passed."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import TOKEN, Site, Visit, visit
from tests.browser.market import Story
from tests.unit.store.builders import (
    BOT,
    NOON,
    SUBMIT,
    make_batch,
    make_site,
    make_span,
    trace_hex,
)
from tradespan.core.records import Event, Failure, Frame
from tradespan.core.sourcefiles import describe_file
from tradespan.store.store import Store
from tradespan.web.server import Server, build_app, link_to, pick_port
from tradespan.web.status import Backlog, Status

PORTFOLIO = '''\
    class InsufficientCash(Exception):
        """An order costs more than there is."""


    @monitor(process_group="portfolio")
    def reserve(symbol: str, quantity: int, price: Decimal) -> None:
        """Set the money of an order aside, so that no other order spends it."""
        need = quantity * price * (1 + FEE)
        with account.lock:
            have = account.cash - account.reserved
            if need > have:
                raise InsufficientCash(f"need {need:,.2f}, have {have:,.2f}")
            account.reserved += need
        log.info("reserved %s for %s of %s, which leaves %s", need, quantity, symbol, have - need)


    def release(symbol: str) -> None:
        """Give it back."""
    '''
EXECUTION = """\
    @monitor(process_group="execution")
    def submit(order: Order) -> None:
        portfolio.reserve(order.symbol, order.quantity, order.price)
        venue.send(order)
    """
STUCK = Backlog(
    "20261121T134743Z-momentum-bot-4711",
    "otlp-1f0e8c2a",
    9_120,
    8_000,
    "connection refused",
    "run 20261121T134743Z-momentum-bot-4711: 9,120 records wait for otlp-1f0e8c2a",
)
RESERVE_ID, SUBMIT_ID = f"{2:016x}", f"{1:016x}"


@pytest.fixture
def bot_site(tmp_path: Path) -> Iterator[Site]:
    """A submission that failed in a file that is still there."""
    folder = tmp_path.resolve() / "momentum_bot"
    folder.mkdir()
    for name, text in (("portfolio", PORTFOLIO), ("execution", EXECUTION)):
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
    sites = {}
    frames = []
    reserve = make_site(5, "reserve", "momentum_bot.portfolio", "portfolio", ("symbol",))
    for watched, name, line, at in ((SUBMIT, "execution", 1, 3), (reserve, "portfolio", 5, 12)):
        path = folder / f"{name}.py"
        facts = {**watched.attributes, "code.file.path": str(path), "code.line.number": line}
        sites[watched.number] = msgspec.structs.replace(
            watched, attributes=facts, source=describe_file(str(path))
        )
        frames.append(Frame(str(path), at, watched.name))
    failure = Failure("InsufficientCash", "need 52,311.00, have 51,904.12", frames)
    failed = [Event("exception", NOON, {}, failure)]
    spans = [
        make_span(1, 1, duration=9_000_000, site=SUBMIT),
        make_span(1, 2, 1, start=10**6, site=reserve, failed=True, events=failed),
    ]
    resource = msgspec.structs.replace(
        BOT, attributes={**BOT.attributes, "service.instance.id": "1"}
    )
    with Store.open(tmp_path / "store.db") as store:
        batch = make_batch(spans, sites=sites, resource=resource)
        store.insert(batch, batch.ahead)
        site = Site("", Story(trace_hex(1), "", 1, 1), store, [Status(bots=1, waiting=0)])
        app = build_app(
            lambda: store,
            token=TOKEN,
            status=lambda: site.status[-1],
            find_roots=lambda instance: [str(folder)],
        )
        listener = pick_port(0)
        site.link = link_to(listener, TOKEN)
        server = Server(app, listener)
        server.start()
        yield site
        server.stop()


@pytest.fixture
def bot_visit(browser: Browser, bot_site: Site, theme: str) -> Iterator[Visit]:
    yield from visit(browser, bot_site, theme)


def open_source(visited: Visit, span: str) -> Page:
    visited.open(f"/trace/{visited.site.story.shown}?span={span}")
    page = visited.page
    page.locator(".drawer summary", has_text=re.compile("^Source")).click()
    expect(page.locator(".excerpt").first).to_be_visible()
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_failed_span_shows_where_it_failed_and_its_function(
    bot_visit: Visit, theme: str, tmp_path: Path
) -> None:
    page = open_source(bot_visit, RESERVE_ID)
    excerpts = page.locator(".excerpt")
    expect(excerpts).to_have_count(3)
    expect(excerpts.nth(0).locator(".frame")).to_have_text("portfolio.py:12 reserve")
    expect(excerpts.nth(0).locator(".is-marked")).to_contain_text(
        "12        raise InsufficientCash"
    )
    expect(excerpts.nth(1).locator(".is-marked")).to_contain_text("portfolio.reserve(order.symbol")
    function = excerpts.nth(2)
    expect(function.locator(".is-marked")).to_contain_text("def reserve(symbol: str")
    expect(function.locator(".line")).to_have_count(10)
    expect(function.locator(".line").first).to_contain_text('5@monitor(process_group="portfolio")')
    page.screenshot(path=tmp_path / f"source-{theme}.png")


def test_panel_stays_open_from_span_to_span(bot_visit: Visit) -> None:
    page = open_source(bot_visit, RESERVE_ID)
    page.keyboard.press("k")
    expect(page.locator(".drawer h2")).to_have_text("submit")
    expect(page.locator(".excerpt .is-marked")).to_contain_text("def submit(order: Order)")


def test_changed_file_is_not_shown_and_says_so(bot_visit: Visit, tmp_path: Path) -> None:
    with (tmp_path / "momentum_bot" / "portfolio.py").open("a") as file:
        file.write("# edited\n")
    page = open_source(bot_visit, RESERVE_ID)
    expect(page.locator(".excerpt").last).to_contain_text("Not shown: changed since.")
    expect(page.locator(".excerpt .line")).not_to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_backlog_is_a_warning_in_the_status_bar(
    bot_visit: Visit, theme: str, tmp_path: Path
) -> None:
    page = bot_visit.page
    pill = page.locator(".pill.spool")
    expect(pill).to_contain_text("0 waiting")
    bot_visit.site.status.append(replace(bot_visit.site.status[-1], backlogs=(STUCK,)))
    expect(pill).to_contain_text("9,120 wait for otlp-1f0e8c2a: connection refused")
    expect(pill.locator(".dot")).to_have_class("dot warning")
    assert (pill.get_attribute("title") or "").startswith("run 20261121T134743Z-momentum-bot")
    page.screenshot(path=tmp_path / f"backlog-{theme}.png")
    page.set_viewport_size({"width": 1000, "height": 700})
    long = replace(STUCK, cause="no answer in 10 s from the receiver behind the proxy " * 4)
    bot_visit.site.status.append(replace(bot_visit.site.status[-1], backlogs=(long, STUCK)))
    expect(pill).to_contain_text("(and 1 more): no answer in 10 s")
    page.screenshot(path=tmp_path / f"backlog-narrow-{theme}.png")
    expect(pill).to_be_visible()
    edge = pill.bounding_box()
    assert edge is not None
    assert edge["width"] < 260
    assert edge["x"] + edge["width"] < 1000
    bot_visit.site.status.append(Status(bots=1, waiting=0))
    expect(pill).to_contain_text("0 waiting")
