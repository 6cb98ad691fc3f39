"""The trace list: what happened around 14:27?"""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser import market
from tests.browser.conftest import Visit


def rows(page: Page) -> Locator:
    return page.locator(".trace-row:visible")


def add_traces(visit: Visit, count: int, seed: int = 99) -> list[str]:
    """New traces, as if the bot had just made them; their ids, newest last."""
    recorder = market.Recorder(seed)
    now = time.time_ns()
    ids = []
    for number in range(count):
        trace_id = recorder.trace_id()
        start = now - (count - number) * market.MILLISECOND
        market.write(visit.site.store, recorder.record(market.mark("NFLX", 3.0), start, trace_id))
        ids.append(trace_id.hex())
    return ids


def scroll(page: Page, top: int) -> None:
    page.evaluate("top => document.getElementById('page').scrollTop = top", top)


def scroll_top(page: Page) -> int:
    return int(page.evaluate("document.getElementById('page').scrollTop"))


def test_list_shows_the_newest_traces_first(market_visit: Visit) -> None:
    page = market_visit.page
    failed = rows(page).filter(
        has=page.locator(f'a[href="/trace/{market_visit.site.story.shown}"]')
    )
    expect(failed.locator(".process")).to_have_text("market.on_tick")
    expect(failed.locator(".group")).to_have_text("feed")
    expect(failed.locator(".status")).to_have_text("ERR")
    expect(failed.locator(".duration")).to_have_text("41.2 ms")
    expect(failed.locator(".data")).to_contain_text("AAPL")
    expect(failed.locator(".exception")).to_have_text(
        "InsufficientCash: need 52,311.00, have 51,904.12"
    )
    times = rows(page).locator(".time").all_inner_texts()
    assert times == sorted(times, reverse=True)
    expect(page.locator(".trace-head")).to_contain_text("Time, CET")


def test_foot_counts_what_is_in_sight(market_visit: Visit) -> None:
    expect(market_visit.page.locator(".trace-foot")).to_have_text(
        re.compile(r"1–\d+ of \d{3} · [\d.]+ ms")
    )


def test_click_anywhere_on_a_row_opens_its_trace(market_visit: Visit) -> None:
    page = market_visit.page
    rows(page).nth(2).click(position={"x": 900, "y": 12})
    expect(page).to_have_url(re.compile("/trace/[0-9a-f]{32}"))
    expect(page.locator(".wf-row").first).to_be_visible()


def test_row_can_be_opened_in_another_tab(market_visit: Visit) -> None:
    page = market_visit.page
    with page.context.expect_page() as opened:
        rows(page).first.click(modifiers=["Control"], position={"x": 1100, "y": 12})
    expect(opened.value.locator(".wf-row").first).to_be_visible()


def test_scrolling_down_loads_the_next_pages(market_visit: Visit) -> None:
    page = market_visit.page
    table = page.locator(".trace-table")
    for pages in (2, 3, 4):
        scroll(page, 1_000_000)
        expect(table).to_have_attribute("aria-rowcount", str(pages * 50 + 1))
    assert page.locator(".trace-row").count() < 80, "only the rows in sight exist"


def test_search_finds_by_attribute_status_and_duration(market_visit: Visit) -> None:
    page = market_visit.page
    page.keyboard.press("/")
    page.keyboard.type("symbol=AAPL status:err duration:>40ms")
    expect(rows(page).first.locator(".exception")).not_to_be_empty()
    expect(page).to_have_url(re.compile("q=symbol%3DAAPL"))
    for data in rows(page).locator(".data").all_inner_texts():
        assert "AAPL" in data
    page.go_back()
    expect(page).to_have_url(re.compile("/traces$"))
    expect(page.get_by_label("Search")).to_have_value("")


def test_search_by_client_order_id_finds_its_traces(market_visit: Visit) -> None:
    market_visit.open("/traces?q=trading.order.client_id%3DC-20931")
    expect(rows(market_visit.page)).to_have_count(2)


def test_half_typed_search_says_where_it_is_wrong(market_visit: Visit) -> None:
    page = market_visit.page
    page.get_by_label("Search").fill("duration:>ab")
    expect(page.get_by_role("alert")).to_contain_text("expected a comparison and a duration")
    expect(rows(page).first).to_be_visible()
    page.get_by_label("Search").fill("")
    expect(page.get_by_role("alert")).to_be_hidden()
    # Chromium itself reports each answer of 400.
    refused = [text for text in market_visit.complaints if "400 (Bad Request)" in text]
    market_visit.complaints[:] = [t for t in market_visit.complaints if t not in refused]


def test_filters_stand_in_the_address_and_back_undoes_them(market_visit: Visit) -> None:
    page = market_visit.page
    page.get_by_label("Status").select_option("err")
    expect(page).to_have_url(re.compile(r"\?status=err$"))
    expect(rows(page).first.locator(".status")).to_have_text("ERR")
    page.get_by_label("Group").select_option("feed")
    page.get_by_label("Duration", exact=True).select_option("10ms")
    expect(page).to_have_url(re.compile(r"\?status=err&group=feed&slower=10ms$"))
    page.get_by_label("Time range").select_option("all")
    expect(page).to_have_url(re.compile("range=all"))
    for _ in range(4):
        page.go_back()
    expect(page).to_have_url(re.compile("/traces$"))
    expect(page.get_by_label("Status")).to_have_value("")
    expect(page.locator('.trace-row:visible .badge:text("OK")').first).to_be_visible()


def test_sidebar_leads_to_the_list_without_filters(market_visit: Visit) -> None:
    market_visit.open("/traces?status=err")
    page = market_visit.page
    expect(page.get_by_label("Status")).to_have_value("err")
    page.get_by_role("navigation").get_by_role("link", name="Traces").click()
    expect(page).to_have_url(re.compile("/traces$"))
    expect(page.get_by_label("Status")).to_have_value("")
    expect(page.locator('.trace-row:visible .badge:text("OK")').first).to_be_visible()


def test_link_with_filters_opens_as_it_was(market_visit: Visit) -> None:
    market_visit.open("/traces?q=AAPL&status=err&slower=3ms&range=6h")
    page = market_visit.page
    expect(page.get_by_label("Search")).to_have_value("AAPL")
    expect(page.get_by_label("Status")).to_have_value("err")
    expect(page.get_by_label("Duration", exact=True)).to_have_value("3ms")
    expect(page.get_by_label("Time range")).to_have_value("6h")


def test_drag_over_the_chart_selects_a_time(market_visit: Visit) -> None:
    page = market_visit.page
    expect(page.locator(".scatter-title")).to_contain_text("traces in view; drag to select")
    box = page.locator(".scatter-plot").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 400, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 600, box["y"] + 60, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"since=\d+&until=\d+"))
    expect(page.get_by_label("Time range")).to_have_value("own")
    expect(page.get_by_role("button", name="Paused")).to_be_disabled()
    page.get_by_label("Time range").select_option("30m")
    expect(page).to_have_url(re.compile("/traces$"))


def test_chart_of_a_young_bot_begins_with_its_first_trace(empty_visit: Visit) -> None:
    add_traces(empty_visit, 5)
    page = empty_visit.page
    expect(rows(page)).to_have_count(5)
    expect(page.locator(".scatter-title")).to_contain_text("5 traces")
    box = page.locator(".scatter-plot").bounding_box()
    assert box is not None
    # The last minute is shown, not an empty half hour; the right half of it must hold the points.
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 16, box["y"] + 60, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile("since="))
    since, until = re.findall(r"=(\d+)", page.url)
    assert 55_000 < int(until) - int(since) < 90_000


def test_point_of_the_chart_leads_to_its_trace(market_visit: Visit) -> None:
    market_visit.open(f"/traces?q={market_visit.site.story.shown}&range=all")
    page = market_visit.page
    expect(page.locator(".scatter-title")).to_contain_text("1 trace in view")
    # The only point stands in the middle; 41.2 ms lies between the lines of 10 and 100 ms.
    box = page.locator(".scatter-plot").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 56 + (box["width"] - 72) / 2, box["y"] + 32)
    expect(page.locator(".tip")).to_contain_text("41.2 ms · error")
    page.mouse.down()
    page.mouse.up()
    expect(page).to_have_url(re.compile(f"/trace/{market_visit.site.story.shown}"))


def test_keys_select_a_row_and_open_it(market_visit: Visit) -> None:
    page = market_visit.page
    expect(rows(page).first).to_be_visible()
    for key in "jjjk":
        page.keyboard.press(key)
    chosen = page.locator('.trace-row[aria-selected="true"]')
    expect(chosen).to_have_count(1)
    href = chosen.locator("a").get_attribute("href")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"{href}$"))


def test_back_restores_rows_selection_and_place(market_visit: Visit) -> None:
    page = market_visit.page
    expect(rows(page).first).to_be_visible()
    for _ in range(60):
        page.keyboard.press("j")
    chosen = page.locator('.trace-row[aria-selected="true"]')
    href, top = chosen.locator("a").get_attribute("href"), scroll_top(page)
    assert top > 500
    page.keyboard.press("Enter")
    expect(page.locator(".wf-row").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(chosen.locator("a")).to_have_attribute("href", href or "")
    assert scroll_top(page) == top


def test_new_traces_appear_at_the_top_by_themselves(fresh_visit: Visit) -> None:
    page = fresh_visit.page
    expect(rows(page).first).to_be_visible()
    newest = add_traces(fresh_visit, 3)[-1]
    expect(rows(page).first.locator("a")).to_have_attribute(
        "href", f"/trace/{newest}", timeout=3000
    )


def test_live_update_keeps_place_and_selection(fresh_visit: Visit) -> None:
    page = fresh_visit.page
    expect(rows(page).first).to_be_visible()
    scroll(page, 400)
    page.keyboard.press("j")
    chosen = page.locator('.trace-row[aria-selected="true"]')
    link = chosen.locator("a")
    before = link.get_attribute("href"), chosen.bounding_box(), scroll_top(page)
    add_traces(fresh_visit, 4)
    news = page.locator(".news")
    expect(news).to_have_text("↑ 4 new")
    assert (link.get_attribute("href"), chosen.bounding_box(), scroll_top(page)) == before
    news.click()
    expect(rows(page).first.locator(".data")).to_contain_text("NFLX")
    assert scroll_top(page) == 0


def test_live_update_pauses_by_key_and_resumes(fresh_visit: Visit) -> None:
    page = fresh_visit.page
    expect(rows(page).first).to_be_visible()
    page.keyboard.press("p")
    expect(page.get_by_role("button", name="Paused")).to_be_visible()
    first = rows(page).first.locator("a")
    before = first.get_attribute("href")
    with page.expect_response("**/api/v1/status"):
        newest = add_traces(fresh_visit, 2)[-1]
    with page.expect_response("**/api/v1/status"):
        pass
    assert first.get_attribute("href") == before
    page.get_by_role("button", name="Paused").click()
    expect(first).to_have_attribute("href", f"/trace/{newest}")


def test_trace_that_grows_is_updated_in_its_row(fresh_visit: Visit) -> None:
    page = fresh_visit.page
    recorder = market.Recorder(3)
    trace_id = recorder.trace_id()
    spans = recorder.record(market.mark("AMZN", 3.0), time.time_ns(), trace_id)
    row = rows(page).filter(has=page.locator(f'a[href="/trace/{trace_id.hex()}"]'))
    market.write(fresh_visit.site.store, spans[1:])
    expect(row.locator(".process")).to_have_text("ledger.append")
    market.write(fresh_visit.site.store, spans[:1])
    expect(row.locator(".process")).to_have_text("portfolio.mark")
    expect(row).to_have_count(1)


def test_empty_store_says_which_command_fills_it(empty_visit: Visit) -> None:
    page = empty_visit.page
    expect(page.locator(".empty h2")).to_have_text("No traces yet")
    expect(page.locator(".empty code").first).to_have_text("tradespan demo")
    page.locator(".command button").first.click()
    assert page.evaluate("navigator.clipboard.readText()") == "tradespan demo"
    add_traces(empty_visit, 1)
    expect(rows(page)).to_have_count(1)


def test_nothing_found_offers_the_way_back(market_visit: Visit) -> None:
    market_visit.open("/traces?q=nothing-is-called-so")
    page = market_visit.page
    expect(page.locator(".empty h2")).to_have_text("No trace matches")
    page.get_by_role("button", name="Clear filters").click()
    expect(rows(page).first).to_be_visible()


def test_slow_answer_shows_that_it_takes_a_while(market_visit: Visit) -> None:
    page = market_visit.page
    expect(rows(page).first).to_be_visible()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/api/v1/traces?*", hold)
    page.get_by_label("Status").select_option("err")
    expect(page.locator(".trace-table.is-busy")).to_be_visible()
    for route in held:
        route.continue_()
    page.unroute("**/api/v1/traces?*")
    expect(page.locator(".trace-table.is-busy")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_theme_follows_the_system_until_one_is_chosen(market_visit: Visit, theme: str) -> None:
    page = market_visit.page
    html = page.locator("html")
    expect(html).to_have_attribute("data-theme", theme)
    other = "Light" if theme == "dark" else "Dark"
    page.get_by_role("button", name=f"{other} theme").click()
    expect(html).to_have_attribute("data-theme", other.lower())
    page.reload()
    expect(html).to_have_attribute("data-theme", other.lower())
    chosen = page.get_by_role("button", name=f"{other} theme")
    expect(chosen).to_have_attribute("aria-pressed", "true")
