"""Calls that have begun and have no end yet: named as such, never with a duration of nothing."""

from __future__ import annotations

import re
import time
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import market
from tests.browser.conftest import Visit
from tradespan.core.records import OPEN, Span

PENDING = ("market.on_tick", "execution.submit")
"""What runs of a tick: its root, and the order that it sends."""


def begin(spans: list[Span], names: tuple[str, ...] = PENDING) -> list[Span]:
    """The same spans, but those of these functions as their starts."""
    numbers = {market.SITES[name].number for name in names}
    return [
        msgspec.structs.replace(span, duration=0, flags=OPEN | 1 << 8, result=None, events=None)
        if span.site in numbers
        else span
        for span in spans
    ]


def add_pending(visit: Visit, age: int, seed: int = 5) -> tuple[str, list[Span]]:
    """A tick that began `age` nanoseconds ago and waits for its order; its id, and its ends."""
    recorder = market.Recorder(seed)
    trace_id = recorder.trace_id()
    ended = recorder.record(market.tick("NVDA", "C-20950"), time.time_ns() - age, trace_id)
    market.write(visit.site.store, begin(ended))
    return trace_id.hex(), ended


def row_of(page: Page, trace_id: str) -> Locator:
    return page.locator(".trace-row:visible").filter(
        has=page.locator(f'a[href="/trace/{trace_id}"]')
    )


def bar_of(page: Page, name: str) -> Locator:
    return page.locator(".wf-row:visible").filter(has=page.locator(f'.label:text-is("{name}")'))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_list_shows_what_runs_with_its_age(fresh_visit: Visit, theme: str, tmp_path: Path) -> None:
    page = fresh_visit.page
    trace_id, ended = add_pending(fresh_visit, 3 * market.SECOND)
    row = row_of(page, trace_id)
    expect(row.locator(".status")).to_have_text("running")
    expect(row.locator(".badge")).to_have_class("badge running")
    expect(row.locator(".duration")).to_have_text(re.compile(r"^[3-9]\.\d\d s$"))
    before = row.locator(".duration").inner_text()
    expect(row.locator(".duration")).not_to_have_text(before)
    page.screenshot(path=str(tmp_path / f"list-{theme}.png"))
    market.write(fresh_visit.site.store, ended)
    expect(row.locator(".status")).to_have_text("OK")
    expect(row.locator(".duration")).to_have_text("41.2 ms")


def test_list_can_be_narrowed_to_what_runs(fresh_visit: Visit) -> None:
    page = fresh_visit.page
    trace_id, _ = add_pending(fresh_visit, 3 * market.SECOND)
    fresh_visit.open("/traces?status=running")
    expect(row_of(page, trace_id)).to_be_visible()
    expect(page.locator(".trace-row:visible")).to_have_count(1)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_trace_page_marks_what_runs(fresh_visit: Visit, theme: str, tmp_path: Path) -> None:
    page = fresh_visit.page
    trace_id, _ = add_pending(fresh_visit, 3 * market.SECOND)
    fresh_visit.open(f"/trace/{trace_id}")
    expect(page.locator(".head .badge")).to_have_text("2 running")
    expect(page.locator(".total")).to_have_text(re.compile(r"^running for [3-9]\.\d\d s$"))
    length = bar_of(page, "execution.submit").locator(".length")
    expect(length).to_have_text(re.compile(r"^running [2-9]\.\d\d s$"))
    expect(bar_of(page, "risk.check").locator(".length")).to_have_text(re.compile(r"^[\d.]+ ms$"))
    expect(page.locator("#critical-words")).to_contain_text("has no end yet")
    expect(page.locator(".wf-row .path i")).to_have_count(0)
    bar_of(page, "execution.submit").click()
    drawer = page.locator("#drawer")
    expect(drawer.locator(".badge")).to_have_text("running")
    expect(drawer.locator(".drawer-head")).to_contain_text("running for")
    assert not re.search(r"(?<!\d)0 ns", page.locator("#page").inner_text())
    page.screenshot(path=str(tmp_path / f"trace-{theme}.png"))


def test_call_left_open_by_a_crash_does_not_flatten_the_others(fresh_visit: Visit) -> None:
    page = fresh_visit.page
    trace_id, _ = add_pending(fresh_visit, 2 * 86_400 * market.SECOND)
    fresh_visit.open(f"/trace/{trace_id}")
    expect(page.locator(".total")).to_have_text("running for 2 d 0 h")
    whole = page.locator(".axis").bounding_box()
    check = bar_of(page, "risk.check").locator(".bar").bounding_box()
    assert whole is not None
    assert check is not None
    assert check["width"] > whole["width"] / 50
    submit = bar_of(page, "execution.submit")
    bar, length = (submit.locator(part).bounding_box() for part in (".bar", ".length"))
    assert bar is not None
    assert length is not None
    assert length["x"] + length["width"] <= whole["x"] + whole["width"] + 1
