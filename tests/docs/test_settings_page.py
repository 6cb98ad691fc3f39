"""docs/settings.md names every setting, and every way to give it."""

from __future__ import annotations

import argparse
import re

import pytest

from tests.docs.pages import DOCS
from tradespan.cli.run import add_run_options
from tradespan.config.settings import OTHER_VARIABLES, PROFILE_KEYS, RULE_TABLES, SETTINGS, Setting
from tradespan.generate.settings_page import OPTIONS

PAGE = (DOCS / "settings.md").read_text(encoding="utf-8")


def row(key: str) -> str:
    found = re.search(rf"^\| `{re.escape(key)}` \|.*$", PAGE, re.MULTILINE)
    assert found is not None, f"docs/settings.md has no row for {key}"
    return found[0]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_a_setting_is_documented_with_its_names_and_default(setting: Setting) -> None:
    cells = row(setting.key)
    for name in (*setting.variables, setting.name):
        assert f"`{name}`" in cells
    assert setting.doc.replace("|", "\\|") in cells
    assert setting.default_text in cells


@pytest.mark.parametrize("name", [*OTHER_VARIABLES, *PROFILE_KEYS], ids=str)
def test_what_is_no_setting_is_documented_too(name: str) -> None:
    assert row(name)


@pytest.mark.parametrize("name", RULE_TABLES)
def test_the_tables_of_the_file_are_documented(name: str) -> None:
    assert row(f"[[{name}]]")


def test_the_options_are_those_of_run() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    add_run_options(parser)
    heads = re.findall(r"^  (-.*?)(?:  |$)", parser.format_help(), re.MULTILINE)
    options = {word for head in heads for word in re.findall(r"(?<!\S)--?[a-z][a-z-]*", head)}
    documented = {option for text in OPTIONS.values() for option in text.split(", ")}

    assert documented == options - {"--config"}  # stands among the variables
    assert set(OPTIONS) <= {setting.name for setting in SETTINGS}
