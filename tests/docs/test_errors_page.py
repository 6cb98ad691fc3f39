"""docs/errors.md explains every error, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, read_anchors
from tradespan.core import errors
from tradespan.core.errors import TradespanError

PAGE = (DOCS / "errors.md").read_text(encoding="utf-8")
KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, TradespanError)
]


def section(slug: str) -> str:
    found = re.search(rf"^## {slug}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/errors.md has no section {slug}"
    return found[1]


def test_every_section_explains_an_error_and_every_error_has_one() -> None:
    _, *sections = read_anchors(PAGE)

    assert sections == [kind.slug for kind in KINDS]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_section_names_its_class(kind: type[TradespanError]) -> None:
    assert section(kind.slug).lstrip().startswith(f"`{kind.__name__}`")


@pytest.mark.parametrize(
    "error",
    [
        errors.UnsupportedFormat(Path("~/bot/spool/…-o-000001.seg"), 3, 2),
        errors.DeliveryError("http://collector:4318/v1/traces", "bad request", 400),
    ],
    ids=lambda error: error.slug,
)
def test_a_message_that_no_command_shows_is_one_that_the_class_makes(error: TradespanError) -> None:
    assert f"```text\n{error}\n```" in section(error.slug)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_errors_own_link_leads_to_its_section(kind: type[TradespanError]) -> None:
    path, _, anchor = kind.__new__(kind).link.partition("#")

    assert (ROOT / path).exists()
    assert anchor in read_anchors(PAGE)
