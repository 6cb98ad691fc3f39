"""The trace page: where did the time go, and why did it fail?"""

from __future__ import annotations

import json
import re
import time

import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect

from tests.browser import market
from tests.browser.conftest import Visit


@pytest.fixture
def page(market_visit: Visit) -> Page:
    """The page of a tick whose reservation failed."""
    market_visit.open(f"/trace/{market_visit.site.story.shown}")
    expect(market_visit.page.locator(".drawer h2")).to_be_visible()
    return market_visit.page


def row(page: Page, name: str) -> Locator:
    return page.locator(".wf-row:visible").filter(has=page.locator(f'.label:text-is("{name}")'))


def box(page: Page, name: str, part: str) -> FloatRect:
    found = row(page, name).locator(part).first.bounding_box()
    assert found is not None
    return found


def test_head_names_the_trace_and_its_facts(page: Page, market_visit: Visit) -> None:
    expect(page.locator("h1")).to_have_text("market.on_tick AAPL")
    expect(page.locator(".head .badge")).to_have_text("1 error")
    facts = page.locator(".facts")
    expect(facts).to_contain_text(market_visit.site.story.shown)
    expect(facts).to_contain_text(re.compile(r"\d\d:\d\d:\d\d\.\d{3} CET"))
    expect(facts).to_contain_text("41.2 ms")
    expect(facts).to_contain_text("14 spans")
    expect(facts).to_contain_text("order C-20931")
    expect(page).to_have_title("market.on_tick AAPL · tradespan")


def test_rows_form_the_tree_in_reading_order(page: Page) -> None:
    names = page.locator(".wf-row:visible .label").all_inner_texts()
    assert sorted(names[:5]) == sorted(
        ["market.on_tick", "strategy.decide", "indicators.momentum", "indicators.volatility",
         "model.predict"]
    )  # fmt: skip
    assert len(names) == 14
    assert row(page, "strategy.decide").get_attribute("aria-level") == "2"
    assert row(page, "model.predict").get_attribute("aria-level") == "3"


def test_bars_lie_inside_their_parents_and_leave_gaps(page: Page) -> None:
    root = box(page, "market.on_tick", ".bar")
    submit = box(page, "execution.submit", ".bar")
    wait = box(page, "execution.await_acknowledgement", ".bar")
    assert root["x"] < submit["x"] < wait["x"]
    assert wait["x"] + wait["width"] < submit["x"] + submit["width"] < root["x"] + root["width"]
    assert submit["width"] / root["width"] == pytest.approx(23.9 / 41.2, abs=0.01)
    decide = box(page, "strategy.decide", ".bar")
    check = box(page, "risk.check", ".bar")
    assert check["x"] - (decide["x"] + decide["width"]) > 1


def test_own_time_is_shaded_apart_from_calls(page: Page) -> None:
    assert row(page, "execution.submit").locator(".bar i").count() > 3
    assert row(page, "model.predict").locator(".bar i").count() == 1


def test_critical_path_is_underlined_and_told_in_words(page: Page) -> None:
    expect(row(page, "execution.await_acknowledgement").locator(".path i")).to_have_count(1)
    expect(row(page, "execution.sign").locator(".path i")).to_have_count(0)
    words = page.locator("#critical-words")
    expect(words).to_contain_text("Underlined: critical path, 39.2 of 41.2 ms in calls.")
    expect(words).to_contain_text("Waiting for acknowledgement is 40 % of it")
    words.get_by_role("button", name="Waiting for acknowledgement").click()
    expect(page.locator(".drawer h2")).to_have_text("execution.await_acknowledgement")


def test_failed_span_is_marked_and_selected_first(page: Page) -> None:
    expect(row(page, "portfolio.reserve").locator(".fault")).to_be_visible()
    expect(row(page, "portfolio.reserve")).to_have_attribute("aria-selected", "true")
    expect(row(page, "execution.sign").locator(".fault")).to_be_hidden()


def test_drawer_shows_arguments_and_exception(page: Page) -> None:
    drawer = page.locator(".drawer")
    expect(drawer.locator("h2")).to_have_text("portfolio.reserve")
    expect(drawer).to_contain_text("ERROR")
    shown = {"quantity": "Decimal('300')", "prices": "[DataFrame 1000×5]", "api_key": "redacted"}
    for name, value in shown.items():
        line = drawer.locator(".values > div").filter(has=page.locator(f'dt:text-is("{name}")'))
        expect(line.locator("dd")).to_contain_text(value)
    expect(drawer.locator(".fault-box")).to_have_text(
        "InsufficientCash: need 52,311.00, have 51,904.12"
    )
    assert drawer.locator(".frame").all_inner_texts() == [
        "portfolio.py:118 reserve",
        "execution.py:64 submit",
        "bot.py:31 on_tick",
    ]
    drawer.get_by_text("Traceback", exact=True).click()
    expect(drawer.locator("pre")).to_contain_text("Traceback (most recent call last)")


def test_drawer_shows_result_attributes_events_and_resource(page: Page) -> None:
    row(page, "execution.await_acknowledgement").click()
    drawer = page.locator(".drawer")
    expect(drawer).to_contain_text("Acknowledgement(status='NEW')")
    expect(drawer).to_contain_text("trading.order.client_id")
    expect(drawer).to_contain_text("venue.received")
    expect(drawer).to_contain_text("+8.2 ms")
    drawer.get_by_text("Resource").click()
    expect(drawer).to_contain_text("fra-2")


def test_link_leads_to_the_other_trace_and_back(page: Page, market_visit: Visit) -> None:
    story = market_visit.site.story
    market_visit.open(f"/trace/{story.linked}")
    page.locator(".drawer").get_by_role("link", name=story.shown).click()
    expect(page.locator("h1")).to_have_text("market.on_tick AAPL")
    expect(row(page, "market.on_tick")).to_have_attribute("aria-selected", "true")
    page.go_back()
    expect(page.locator("h1")).to_have_text("execution.on_fill AAPL")


def test_order_leads_to_all_its_traces(page: Page) -> None:
    page.get_by_role("link", name="C-20931").click()
    expect(page.locator(".trace-row:visible")).to_have_count(2)


def test_address_says_which_span_is_open(page: Page, market_visit: Visit) -> None:
    row(page, "risk.var_95").click()
    expect(page).to_have_url(re.compile(r"\?span=[0-9a-f]{16}$"))
    page.reload()
    expect(page.locator(".drawer h2")).to_have_text("risk.var_95")
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator(".toast")).to_have_text("Link copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.url


def test_ids_and_otlp_are_copied(page: Page, market_visit: Visit) -> None:
    trace_id = market_visit.site.story.shown
    page.get_by_title("Copy the trace id").click()
    assert page.evaluate("navigator.clipboard.readText()") == trace_id
    page.get_by_role("button", name="OTLP JSON").click()
    expect(page.locator(".toast")).to_have_text("OTLP JSON copied")
    otlp = json.loads(page.evaluate("navigator.clipboard.readText()"))
    first = otlp["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert first["traceId"] == trace_id


def test_beginning_of_an_id_is_enough(market_visit: Visit) -> None:
    trace_id = market_visit.site.story.shown
    market_visit.open(f"/trace/{trace_id[:10]}")
    expect(market_visit.page).to_have_url(re.compile(f"/trace/{trace_id}$"))


def test_unknown_trace_says_so(market_visit: Visit) -> None:
    market_visit.open("/trace/00000000000000000000000000000000")
    expect(market_visit.page.locator(".empty h2")).to_have_text("No such trace")


def test_keys_move_fold_and_zoom(page: Page) -> None:
    page.keyboard.press("k")
    expect(page.locator(".drawer h2")).to_have_text("execution.await_acknowledgement")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".drawer h2")).to_have_text("execution.submit")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".wf-row:visible")).to_have_count(9)
    expect(row(page, "execution.submit")).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".wf-row:visible")).to_have_count(14)
    narrow = box(page, "execution.submit", ".bar")["width"]
    page.keyboard.press("z")
    expect(page.get_by_role("button", name="Show all")).to_be_visible()
    page.wait_for_function(
        "least => document.querySelector('[aria-selected=true] .bar').offsetWidth > least",
        arg=narrow * 1.4,
    )
    page.keyboard.press("0")
    expect(page.get_by_role("button", name="Show all")).to_be_hidden()
    page.keyboard.press("e")
    expect(page.locator(".drawer h2")).to_have_text("portfolio.reserve")


def test_drag_over_the_bars_zooms(page: Page) -> None:
    axis = page.locator(".axis").bounding_box()
    assert axis is not None
    page.mouse.move(axis["x"] + 100, axis["y"] + 200)
    page.mouse.down()
    page.mouse.move(axis["x"] + 200, axis["y"] + 210, steps=4)
    expect(page.locator(".wf-scroll .brush")).to_have_text(re.compile("ms$"))
    page.mouse.up()
    expect(page.locator(".axis span").first).not_to_have_text("0 ms")
    page.get_by_role("button", name="Show all").click()
    expect(page.locator(".axis span").first).to_have_text("0 ms")


def test_caret_folds_its_children(page: Page) -> None:
    row(page, "strategy.decide").locator(".caret").click()
    expect(row(page, "model.predict")).to_have_count(0)
    expect(page.locator(".drawer h2")).to_have_text("portfolio.reserve")


def test_ten_thousand_spans_open_and_scroll(fresh_visit: Visit) -> None:
    trace_id, spans = market.big_trace(time.time_ns())
    market.write(fresh_visit.site.store, spans)
    fresh_visit.open(f"/trace/{trace_id}")
    page = fresh_visit.page
    expect(page.locator(".wf")).to_have_attribute("aria-rowcount", "10001")
    expect(page.locator(".facts")).to_contain_text("10,000 spans")
    assert page.locator(".wf-row").count() < 80
    most = page.evaluate("""async () => {
        const scroller = document.querySelector(".wf-scroll");
        const frame = () => new Promise(requestAnimationFrame);
        let most = 0;
        for (let i = 0; i < 90; i++) {
            scroller.scrollTop += 2000;
            await frame();
            most = Math.max(most, document.querySelectorAll(".wf-row").length);
        }
        return scroller.scrollTop > 100_000 ? most : Infinity;
    }""")
    assert most < 80, "what a frame of scrolling has to draw, however long the trace"
    expect(page.locator(".minimap canvas")).to_be_visible()
    page.keyboard.press("j")
    expect(page.locator('.wf-row[aria-selected="true"]')).to_be_visible()


def test_escape_goes_back_to_the_list(page: Page) -> None:
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile("/traces$"))
    expect(page.locator(".trace-row:visible").first).to_be_visible()
