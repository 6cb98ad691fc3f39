"""The comparison of a page with what its commands print: what counts, and what may differ."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import Block, read_blocks, read_commands, to_anchor
from tests.docs.session import Session, pattern_of

LINE = "09:14:33.120  bot.on_tick  OK  17.9 µs  ███▌  28cb2bd2"


def console(text: str) -> Block:
    return Block("console", text, 1, "")


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path)


@pytest.mark.parametrize(
    ("printed", "same"),
    [
        (LINE, True),
        ("23:01:02.003   bot.on_tick   OK   1.2 ms       aabbccdd", True),
        (LINE.replace("on_tick", "on_fill"), False),
        (LINE.replace("OK", "ERR"), False),
        (LINE.replace("17.9 µs", ""), False),
        (f"{LINE} and more", False),
    ],
)
def test_what_differs_from_run_to_run_may_differ(printed: str, same: bool) -> None:
    assert bool(re.fullmatch(pattern_of(LINE), f"{printed}\n")) is same


def test_a_page_that_says_what_is_printed_is_right(session: Session) -> None:
    page = console("$ echo one; echo two; echo three\none\n…\nthree\n")

    assert session.follow(page) == ""


@pytest.mark.parametrize("said", ["one\n", "", "one\ntwo\nthree\n", "One\ntwo\n"])
def test_a_page_that_says_something_else_is_wrong(session: Session, said: str) -> None:
    failure = session.follow(console(f"$ echo one; echo two\n{said}"))

    assert "── prints\none\ntwo\n── the page says\n" in failure


def test_a_later_command_gets_this_runs_id(session: Session) -> None:
    session.follow(console("$ echo trace 0123456789abcdef\ntrace fedcba9876543210\n"))

    assert "got 0123456789abcdef" in session.follow(console("$ echo got fedcba98\nnothing\n"))


def test_the_home_directory_is_a_tilde(session: Session) -> None:
    assert session.follow(console("$ pwd\n~/bot\n")) == ""


def test_a_named_example_is_saved_and_not_run(session: Session) -> None:
    saved = Block("python", "# bot.py\nraise ValueError\n", 1, "")

    assert session.follow(saved) == ""
    assert session.follow(console("$ cat bot.py\n# bot.py\nraise ValueError\n")) == ""


def test_an_example_that_fails_is_noticed(session: Session) -> None:
    assert "ZeroDivisionError" in session.follow(Block("python", "1 / 0\n", 1, ""))


def test_an_example_that_is_not_to_be_run_is_not_run(session: Session) -> None:
    assert session.follow(Block("console", "$ touch x\nnothing\n", 1, "it has a reason")) == ""
    assert list(session.directory.iterdir()) == []


def test_examples_are_found_with_the_reason_not_to_run_them() -> None:
    page = "a\n<!-- not run: serves until Ctrl-C -->\n```console\n$ x\n```\n\n```python\ny\n```\n"

    assert list(read_blocks(page)) == [
        Block("console", "$ x\n", 3, "serves until Ctrl-C"),
        Block("python", "y\n", 7, ""),
    ]


def test_a_command_may_go_on_in_the_next_line() -> None:
    assert list(read_commands(console("$ a \\\n    -b\nsaid\n$ c\n"))) == [
        ("a -b", ["said"]),
        ("c", []),
    ]


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Unknown setting", "unknown-setting"),
        ("`[[map]]` tables, by hand", "map-tables-by-hand"),
        ("What it costs?", "what-it-costs"),
    ],
)
def test_an_anchor_is_made_as_github_makes_it(heading: str, anchor: str) -> None:
    assert to_anchor(heading) == anchor
