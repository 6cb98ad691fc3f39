"""The pictures of the documentation, taken from what the tests see.

They land in docs/images where one is missing; `TRADESPAN_PICTURES=1` takes all of them anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images"


def take(visit: Visit, name: str) -> None:
    picture = visit.page.screenshot(animations="disabled", caret="hide")
    assert picture.startswith(b"\x89PNG")
    target = FOLDER / name
    if os.environ.get("TRADESPAN_PICTURES") or not target.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        target.write_bytes(picture)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_picture_of_the_trace_list(market_visit: Visit, theme: str) -> None:
    page = market_visit.page
    expect(page.locator(".trace-row:visible").nth(10)).to_be_visible()
    expect(page.locator(".pill")).to_have_count(4)
    expect(page.locator(".scatter-title")).to_contain_text("traces in view")
    take(market_visit, f"traces-{theme}.png")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_picture_of_a_trace(market_visit: Visit, theme: str) -> None:
    market_visit.open(f"/trace/{market_visit.site.story.shown}")
    page = market_visit.page
    expect(page.locator(".fault-box")).to_be_visible()
    expect(page.locator(".pill")).to_have_count(4)
    take(market_visit, f"trace-{theme}.png")
