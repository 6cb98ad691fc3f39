"""Links inside the repository lead somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import PAGES, name_page, read_anchors, read_links


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_a_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in read_links(text):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page

        assert target.exists(), f"{name_page(page)} links to {link}: there is no such file"
        if anchor:
            anchors = read_anchors(target.read_text(encoding="utf-8"))
            assert anchor in anchors, f"{name_page(page)} links to {link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_a_page_has_each_heading_once(page: Path) -> None:
    if page.name == "CHANGELOG.md":  # each version has an "Added"
        return
    anchors = read_anchors(page.read_text(encoding="utf-8"))

    assert len(anchors) == len(set(anchors))
