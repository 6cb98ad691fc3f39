"""What every page keeps to: status bar, keys, contrast, numbers, nothing from outside."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from tests.browser.conftest import Site, Visit
from tradespan.web.format import format_age, format_duration
from tradespan.web.status import Status
from tradespan.web.words import shorten_name

# WCAG 2.2 contrast of every text in sight against the nearest opaque background; composed in the
# browser, because that is where colours meet.
POOR_CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, under) => top.slice(0, 3).map((c, i) => c * top[3] + under[i] * (1 - top[3]));
  const light = (rgb) => rgb.map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      layers.push(rgba(getComputedStyle(at).backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim();
    const element = walker.currentNode.parentElement;
    if (!text || !element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.closest(":disabled, script, option")) continue;
    const back = ground(element);
    const front = over(rgba(getComputedStyle(element).color), back);
    const [a, b] = [light(front), light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${element.className} ${text.slice(0, 40)}`);
  }
  return poor;
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_have_aa_contrast_on_both_pages(market_visit: Visit) -> None:
    page = market_visit.page
    expect(page.locator(".trace-row:visible").first).to_be_visible()
    page.keyboard.press("j")
    expect(page.locator(".pill")).to_have_count(4)
    assert page.evaluate(POOR_CONTRAST) == []
    market_visit.open(f"/trace/{market_visit.site.story.shown}")
    expect(page.locator(".drawer h2")).to_be_visible()
    assert page.evaluate(POOR_CONTRAST) == []
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.evaluate(POOR_CONTRAST) == []


@pytest.mark.parametrize("path", ["/traces", "/trace/{shown}"])
def test_status_bar_stands_on_every_page(market_visit: Visit, path: str) -> None:
    market_visit.open(path.format(shown=market_visit.site.story.shown))
    pills = market_visit.page.locator(".pill")
    expect(pills.nth(0)).to_have_text(re.compile(r"Bot\s*up 4 h 1\d m"))
    expect(pills.nth(1)).to_have_text(re.compile(r"Write lag\s*0.2 s"))
    expect(pills.nth(2)).to_have_text(re.compile(r"Spool\s*0 waiting"))
    expect(pills.nth(3)).to_have_text(re.compile(r"Errors 5 min\s*\d+\.\d %"))


def test_death_of_the_bot_is_said_at_once(fresh_visit: Visit) -> None:
    bot = fresh_visit.page.locator(".pill.bot")
    expect(bot.locator(".dot")).to_have_class("dot good")
    fresh_visit.site.status.append(Status(bots=0, death="died 14:27:03, SIGSEGV, 2 orders open"))
    expect(bot).to_contain_text("SIGSEGV", timeout=3000)
    expect(bot.locator(".dot")).to_have_class("dot error")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_death_stands_above_the_list_and_leads_to_a_call_that_was_open(
    fresh_visit: Visit, theme: str, tmp_path: Path
) -> None:
    page, shown = fresh_visit.page, fresh_visit.site.story.shown
    notice = page.locator(".death")
    expect(notice).to_be_hidden()
    said = "died 14:27:03 UTC, SIGSEGV, 2 calls open"
    told = Status(bots=0, death=said, death_trace=shown, death_title="bot.work, bot.submit")
    fresh_visit.site.status.append(told)
    expect(notice).to_contain_text(f"The bot {said}", timeout=3000)
    expect(notice).to_contain_text("in bot.work, bot.submit")
    assert page.evaluate(POOR_CONTRAST) == []
    page.screenshot(path=tmp_path / f"death-{theme}.png")
    at = 1_784_125_623 * 1_000_000_000  # 2026-07-15 14:27:03 UTC; the browser is in Berlin
    fresh_visit.site.status.append(replace(told, death_at=at))
    expect(notice).to_contain_text("died 16:27:03 ", timeout=3000)
    expect(page.locator(".pill.bot")).to_contain_text("died 16:27:03 ")
    notice.get_by_role("link").click()
    expect(page).to_have_url(re.compile(f"/trace/{shown}"))
    page.go_back()
    fresh_visit.site.status.append(Status(bots=1))
    expect(page.locator(".death")).to_be_hidden(timeout=3000)


def test_errors_in_the_bar_lead_to_their_traces(market_visit: Visit) -> None:
    page = market_visit.page
    page.locator(".pill.errors").click()
    expect(page).to_have_url(re.compile(r"/traces\?status=err&range=5m"))
    expect(page.locator(".trace-row:visible .badge").first).to_have_text("ERR")


def test_help_lists_the_keys_and_escape_closes_it(market_visit: Visit) -> None:
    page = market_visit.page
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("pause and resume live update")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page).to_have_url(re.compile("/traces$"))


def test_sidebar_leads_only_to_pages_that_exist(market_visit: Visit) -> None:
    links = market_visit.page.locator(".sidebar a")
    paths = {link.get_attribute("href") for link in links.all()}
    assert paths == {"/traces"}


def test_browser_says_numbers_as_the_server_does(market_visit: Visit) -> None:
    second = 10**9
    lengths = [0, 640, 999, 1000, 12_480, 99_999, 100_000, 41_200_000, 999_949_999, 999_950_000,
               2_040_000_000, 59_994_999_999, 60 * second, 190_800 * second]  # fmt: skip
    names = ["momentum_bot.strategy.Momentum.decide", "risk.check", "main", "POST /orders",
             "a.b.run.<locals>.retry", "münze.Börse.kauf"]  # fmt: skip
    said = market_visit.page.evaluate(
        """async ([lengths, names]) => {
            const { duration, age, shortName } = await import("/assets/format.js");
            return [lengths.map(duration), lengths.map(age), names.map(shortName)];
        }""",
        [lengths, names],
    )
    assert said == [
        [format_duration(length) for length in lengths],
        [format_age(length) for length in lengths],
        [shorten_name(name) for name in names],
    ]


def test_first_page_needs_few_requests_and_few_bytes(browser: Browser, market_site: Site) -> None:
    # What its second and a half (UI.md) depends on, on any machine.
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page: Page = context.new_page()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - it is marked
    page.goto(market_site.link)
    page.locator(".trace-row").first.wait_for()
    came = list(answers)
    sizes = [answer.request.sizes()["responseBodySize"] for answer in came]
    context.close()
    assert len(came) <= 48  # 40 when this was written, of 1.45 MB
    assert sum(sizes) <= 2_000_000


def test_server_that_went_away_is_said_and_found_again(market_visit: Visit) -> None:
    page = market_visit.page
    expect(page.locator(".pill.bot")).to_be_visible()
    page.route("**/api/v1/status", lambda route: route.abort())
    expect(page.locator(".pill.agent")).to_contain_text("does not answer")
    page.unroute("**/api/v1/status")
    expect(page.locator(".pill.bot")).to_be_visible()
    market_visit.complaints[:] = [t for t in market_visit.complaints if "ERR_FAILED" not in t]


@pytest.mark.parametrize("width", [390, 768, 1024])
def test_narrow_window_does_not_scroll_sideways(market_visit: Visit, width: int) -> None:
    page = market_visit.page
    page.set_viewport_size({"width": width, "height": 800})
    for path in ("/traces", f"/trace/{market_visit.site.story.shown}"):
        market_visit.open(path)
        expect(page.locator(".trace-row:visible, .wf-row:visible").first).to_be_visible()
        assert page.evaluate("document.getElementById('page').scrollWidth") <= width
