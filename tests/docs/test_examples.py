"""What the pages tell the reader to do, done: it works, and prints what they say."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, GUIDES, PAGES, ROOT, Block, name_page, read_blocks, read_commands
from tests.docs.session import Session

FOLLOWED = [*GUIDES, DOCS / "errors.md"]
README = ROOT / "README.md"


def blocks_of(page: Path, language: str = "") -> list[Block]:
    found = read_blocks(page.read_text(encoding="utf-8"))
    return [block for block in found if not language or block.language == language]


def commands_not_run(page: Path) -> list[str]:
    """Those that the reader is told and no test here runs."""
    blocks = [b for b in blocks_of(page, "console") if b.not_run or page not in FOLLOWED]
    return [command for block in blocks for command, _ in read_commands(block)]


COMMANDS = sorted({(command, page) for page in PAGES for command in commands_not_run(page)})
OURS = [(command, page) for command, page in COMMANDS if command.startswith("tradespan ")]
MAKES = [(command, page) for command, page in COMMANDS if command.startswith("make ")]


@cache
def help_of(command: str) -> str:
    """What a command says about its options."""
    words = [sys.executable, "-m", "tradespan", command, "--help"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("page", FOLLOWED, ids=name_page)
def test_a_page_can_be_followed_from_top_to_bottom(page: Path, tmp_path: Path) -> None:
    session = Session(tmp_path)
    for block in blocks_of(page):
        failure = session.follow(block)
        assert not failure, f"{name_page(page)}:{block.line}\n{failure}"


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_python_examples_compile(page: Path) -> None:
    for block in blocks_of(page, "python"):
        ast.parse(block.text, f"{name_page(page)}:{block.line}")


def test_the_readmes_python_runs(tmp_path: Path) -> None:
    session = Session(tmp_path)
    for block in blocks_of(README, "python"):
        assert session.follow(block) == ""


@pytest.mark.parametrize(("command", "page"), OURS, ids=lambda value: str(value)[-60:])
def test_a_command_has_the_options_that_a_page_gives_it(command: str, page: Path) -> None:
    _, *words = shlex.split(command, comments=True)
    verb = words[0]
    if verb.startswith("-"):
        verb, words = "", words[:1]
    if verb == "run":  # what follows the program's name is its own
        words = words[: next((n for n, w in enumerate(words) if w.endswith(".py")), len(words))]
        words = words[: words.index("-m") if "-m" in words else len(words)]
    known = help_of(verb) if verb else "--version --help"
    for option in (word for word in words if re.match(r"--?[a-z]", word)):
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", known), f"{verb}: {option}"


@pytest.mark.parametrize(("command", "page"), MAKES, ids=lambda value: str(value)[-60:])
def test_make_has_the_target_that_a_page_names(command: str, page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    words = shlex.split(command, comments=True)[1:]

    assert {word for word in words if "=" not in word} <= set(targets)
